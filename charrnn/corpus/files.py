"""The files of a corpus: paths to file names, checked before anything slow is imported or read."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from charrnn.errors import CorpusError

STDIN = "-"
MOST_NAMES = 3  # names of files listed in a notice
MANY_NOTICES = 4  # that differ only in the name of their file become one
ADVICE = "give a text file, a directory of *.txt files, or - for standard input"


def corpus_files(paths: Sequence[str | Path], notices: list[str]) -> list[str]:
    """The names of the files at the given paths, in order.

    Args:
        paths: files, directories for their ``*.txt`` files, or ``-`` for standard input.
        notices: a list to which a sentence is appended for each directory.

    Raises:
        CorpusError: there are none, or a directory cannot be read or contains no ``*.txt`` files.
    """
    files: list[str] = []
    for path in paths:
        name = str(path)
        if not name:
            raise CorpusError(f"the path '' is empty; {ADVICE}")
        # os.path.isdir also answers for a name that is too long, unlike Path.is_dir
        if name != STDIN and os.path.isdir(name):
            files += _files_of_directory(name, notices)
        else:
            files.append(name)
    if not files:
        raise CorpusError(f"no corpus was given; {ADVICE}")
    return files


def check_files(paths: Sequence[str | Path]) -> None:
    """Make sure that the files of a corpus exist and can be opened, without reading them.

    Raises:
        CorpusError: as ``corpus_files``, or a file is missing or cannot be opened.
    """
    for file in corpus_files(paths, []):
        if file == STDIN:
            continue
        try:
            # A pipe is not opened: what is written into it can be read only once.
            if stat.S_ISREG(os.stat(file).st_mode):
                os.close(os.open(file, os.O_RDONLY))
        except (OSError, ValueError) as error:
            raise unreadable(file, error) from None


def joined_notices(notices: Sequence[str], files: Sequence[str]) -> list[str]:
    """The notices on the files of a corpus, with one in place of many that are the same.

    Args:
        notices: each that is on a file begins with its name.
        files: the names.
    """
    names = set(files)
    groups: dict[str, list[str]] = {}
    for notice in notices:
        groups.setdefault(_without_name(notice, names), []).append(notice)
    joined: list[str] = []
    for group in groups.values():
        if len(group) < MANY_NOTICES:
            joined += group
        else:
            joined.append(f"{group[0]} (the same holds for {len(group) - 1:,} more files)")
    return joined


def _without_name(notice: str, names: set[str]) -> str:
    """A notice without the name of the file that it begins with, if any."""
    place = notice.find(" ")
    while place >= 0:
        if notice[:place] in names:
            return notice[place:]
        place = notice.find(" ", place + 1)
    return notice


def unreadable(path: str, error: Exception) -> CorpusError:
    """The error for a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return CorpusError(f"there is no file {path} (in {Path.cwd()}); check the name")
    reason = getattr(error, "strerror", None) or error
    return CorpusError(f"{path} cannot be read: {reason}; check the name and its permissions")


def _files_of_directory(directory: str, notices: list[str]) -> list[str]:
    """Its ``*.txt`` files, sorted, without hidden files and subdirectories."""
    used: list[str] = []
    skipped: list[str] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if _is_text_file(entry):
                    used.append(entry.name)
                elif entry.is_dir():
                    skipped.append(f"{entry.name}/")
                else:
                    skipped.append(entry.name)
    except OSError as error:
        raise unreadable(directory, error) from None
    if not used:
        raise CorpusError(
            f"the directory {directory} contains no *.txt files; give the files themselves"
        )
    used.sort()
    skipped.sort()
    notices.append(_notice(directory, used, skipped))
    return [str(Path(directory, name)) for name in used]


def _is_text_file(entry: "os.DirEntry[str]") -> bool:
    is_hidden = entry.name.startswith(".")
    return entry.name.endswith(".txt") and not is_hidden and entry.is_file()


def _notice(directory: str, used: Sequence[str], skipped: Sequence[str]) -> str:
    """Which files of a directory are used, and which are not."""
    unit = "file" if len(used) == 1 else "files"
    notice = f"reading {len(used):,} {unit} of {directory}: {_some(used)}"
    if skipped:
        notice += f"; skipped {_some(skipped)} (only *.txt files that are not hidden are read)"
    return notice


def _some(names: Sequence[str]) -> str:
    """The first few names, and the number of the rest."""
    if len(names) <= MOST_NAMES + 1:  # "and 1 more" is no shorter than the name
        return ", ".join(names)
    first = ", ".join(names[:MOST_NAMES])
    return f"{first} and {len(names) - MOST_NAMES:,} more"
