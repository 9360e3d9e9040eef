"""A corpus's files are found, listed and checked before any of them is read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.corpus.files import check_files, corpus_files, joined_notices
from charrnn.errors import CorpusError

ADVICE = "give a text file, a directory of *.txt files, or - for standard input"


@pytest.fixture(autouse=True)
def _here(here: Path) -> None:
    """Files are named as they are in the working directory."""


def listed(*paths: str | Path) -> tuple[list[str], list[str]]:
    """The files of a corpus, and the notices."""
    notices: list[str] = []
    return corpus_files(paths, notices), notices


def refusal(*paths: str) -> str:
    with pytest.raises(CorpusError) as caught:
        check_files(paths)
    return str(caught.value)


def test_files_are_named_as_given_and_need_not_exist() -> None:
    assert listed("b.txt", Path("a.txt"), "-") == (["b.txt", "a.txt", "-"], [])


def test_a_directory_is_its_txt_files_and_nothing_else_is_mentioned() -> None:
    Path("poems").mkdir()
    Path("poems/a.txt").touch()
    assert listed("poems/") == (["poems/a.txt"], ["reading 1 file of poems/: a.txt"])


def test_used_and_skipped_files_are_listed() -> None:
    Path("poems/drafts").mkdir(parents=True)
    Path("poems/old.txt").mkdir()
    for name in ("b.txt", "a.txt", ".hidden.txt", "C.TXT"):
        (Path("poems") / name).touch()
    assert listed("poems") == (
        ["poems/a.txt", "poems/b.txt"],
        [
            "reading 2 files of poems: a.txt, b.txt; skipped .hidden.txt, C.TXT, drafts/, old.txt/ "
            "(only *.txt files that are not hidden are read)"
        ],
    )


def test_of_many_files_the_first_three_and_the_number_of_the_rest_are_listed() -> None:
    for number in range(1000, 2005):
        Path(f"{number}.txt").touch()
        Path(f"{number}.md").touch()
    files, notices = listed(".")
    assert len(files) == 1005
    assert notices == [
        "reading 1,005 files of .: 1000.txt, 1001.txt, 1002.txt and 1,002 more; "
        "skipped 1000.md, 1001.md, 1002.md and 1,002 more "
        "(only *.txt files that are not hidden are read)"
    ]


def test_what_cannot_be_opened_is_refused_without_reading() -> None:
    Path("a.txt").touch()
    Path("empty").mkdir()
    nowhere = f"(in {Path.cwd()}); check the name"
    assert refusal() == f"no corpus was given; {ADVICE}"
    assert refusal("a.txt", "") == f"the path '' is empty; {ADVICE}"
    assert refusal("a.txt", "b.txt") == f"there is no file b.txt {nowhere}"
    assert refusal("b/") == f"there is no file b/ {nowhere}"
    assert refusal("empty") == (
        "the directory empty contains no *.txt files; give the files themselves"
    )
    assert refusal("a.txt/b") == (
        "a.txt/b cannot be read: Not a directory; check the name and its permissions"
    )
    check_files(["a.txt", "-"])


@pytest.mark.parametrize("function", ["open", "scandir"])
def test_a_file_or_directory_without_permission_is_refused(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as root, who may read everything."""

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    Path("poems").mkdir()
    Path("poems/a.txt").touch()
    monkeypatch.setattr(os, function, denied)
    path = {"open": "poems/a.txt", "scandir": "poems"}[function]
    assert refusal("poems") == (
        f"{path} cannot be read: Permission denied; check the name and its permissions"
    )


def test_a_pipe_is_not_opened() -> None:
    os.mkfifo("pipe")
    check_files(["pipe"])  # to open it would wait for a writer


def test_looking_at_files_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, charrnn.corpus.files; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_many_notices_that_differ_only_in_the_file_become_one() -> None:
    files = ["a.txt", "b c.txt", "d.txt", "e.txt"]
    same = [f"{file} does not end with a newline" for file in files]
    other = ["b c.txt begins with a mark", "the corpus mixes line endings"]
    assert joined_notices([*same, *other], files) == [
        "a.txt does not end with a newline (the same holds for 3 more files)",
        *other,
    ]
    assert joined_notices(same[:3], files) == same[:3]
