"""charrnn originality: what a text copies from a run's corpus, or what the corpus repeats.

Needs no PyTorch.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from charrnn.cli.console import has_colour, progress_bar, shown, tell
from charrnn.cli.options import WholeNumber, quiet_option, runs_dir_option
from charrnn.cli.output import into_file
from charrnn.cli.paths import check_outputs
from charrnn.config.run_config import DataConfig
from charrnn.corpus.reading import read
from charrnn.errors import ConfigError
from charrnn.originality.corpus_index import Index, Place
from charrnn.originality.open_index import open_index
from charrnn.originality.report import (
    LENGTHS,
    REPEATED,
    Copies,
    Copy,
    HeldOut,
    Leaks,
    Passage,
    as_str,
    find_copies,
    find_leaks,
    pieces,
)
from charrnn.pages.render import allowed, check_jinja, render
from charrnn.storage.checkpoint import read_about, read_vocabulary
from charrnn.storage.find_run import find_checkpoint

MOST_LISTED = 10  # passages in the report for people
EXCERPT = 60  # characters shown of each passage
OPENING_BRACKET = "\u27e6"  # around copied passages, without colours
CLOSING_BRACKET = "\u27e7"


@click.command(context_settings={"max_content_width": 110})
@click.argument("run")
@click.argument("file", required=False)
@click.option(
    "--min-length",
    type=WholeNumber(1, 10**9),
    help="characters of the shortest passage to list and mark  [default: 20]",
)
@click.option(
    "--marked",
    is_flag=True,
    help="print FILE with copied passages marked: in colour on a terminal (without NO_COLOR), "
    "else by \u27e6 \u27e7",
)
@click.option(
    "--html",
    metavar="PATH",
    help="write FILE as a web page with copied passages marked and their places in the corpus",
)
@click.option(
    "--json",
    "as_json",
    envvar="CHARRNN_ORIGINALITY_JSON",
    is_flag=True,
    help="print one JSON object: characters, shares, longest, copies; "
    "without FILE: characters, repeated, passages, held",
)
@click.option(
    "--corpus",
    metavar="PATH",
    multiple=True,
    help="path of the corpus, if it has moved since training; may be repeated",
)
@runs_dir_option
@quiet_option
def originality(
    run: str,
    file: str | None,
    min_length: int | None,
    marked: bool,
    html: str | None,
    as_json: bool,
    corpus: tuple[str, ...],
    runs_dir: str,
) -> None:
    """Show what FILE copies word for word from the corpus of RUN; without FILE, what the corpus
    repeats.

    FILE is a text, or - for standard input, in the encoding of the corpus. The first use builds an
    index of the corpus, which is stored with the run. The corpus is everything that the run read,
    both the training and the validation part.

    \b
      charrnn originality shakespeare written.txt
      charrnn originality shakespeare written.txt --html written.html
      charrnn originality shakespeare
    """
    _check_options(file, min_length, marked, html, as_json)
    if html is not None:
        check_jinja()
    least = LENGTHS[0] if min_length is None else min_length
    path = find_checkpoint(run, runs_dir)
    metadata = read_about(path)["about"]
    data = DataConfig(**metadata["data"])
    check_outputs({"--html": html}, {"FILE": file}, (*metadata["corpus"], *corpus))
    size = metadata["train_characters"] + metadata["val_characters"]
    notices: list[str] = []
    with progress_bar(size, delay=1) as bar:
        index = open_index(path, notices.append, corpus, bar.update)
    for notice in notices:
        tell(notice)
    tell(str(path))
    if file is None:
        _show_corpus(index, data, metadata["val_characters"], as_json)
        return
    text = read_vocabulary(path).without_rare(_read_text(file, data))
    with progress_bar(len(text), delay=1) as bar:
        copies = find_copies(index, text, least, bar.update)
    lines = list(of_text(copies, text, least))
    if html is not None:
        page = _page(file, lines, pieces(text, copies.copies))
        into_file("--html", Path(html), page.encode("utf-8", "replace"))
        tell(f"wrote {html}")
    if marked:
        click.echo(_marked_text(text, copies))
    _show(copies, lines, as_json)


def _check_options(
    file: str | None,
    min_length: int | None,
    marked: bool,
    html: str | None,
    as_json: bool,
) -> None:
    """Refuse options that cannot be combined, and options for a text if there is none."""
    if marked and as_json:
        raise ConfigError(
            "--marked and --json both write to standard output; give one of them, or --html PATH"
        )
    if file is not None:
        return
    options_on_a_text = {
        "marked": marked,
        "html": html,
        "min-length": min_length is not None,
    }
    for name, is_given in options_on_a_text.items():
        if is_given:
            raise ConfigError(f"--{name} needs a text to compare with the corpus; give a FILE")


def _read_text(file: str, data: DataConfig) -> str | bytes:
    """Read FILE as the corpus was read, and print the notices."""
    reading = read([file], data)
    for notice in reading.notices:
        tell(notice)
    return reading.text


def _show_corpus(
    index: Index,
    data: DataConfig,
    val_characters: int,
    as_json: bool,
) -> None:
    with progress_bar(len(index) + val_characters, delay=1) as bar:
        leaks = find_leaks(index, data, bar.update)
    _show(leaks, of_corpus(leaks, records=data.separator is not None), as_json)


def _show(result: Copies | Leaks, lines: Iterable[str], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_plain(result)))
    else:
        click.echo("\n".join(lines))


def _plain(value: Any) -> Any:
    """A result for JSON: everything with fields becomes an object."""
    if isinstance(value, Copies | Leaks | HeldOut):
        return {name: _plain(part) for name, part in vars(value).items()}
    if isinstance(value, Copy | Passage | Place):
        return {name: _plain(part) for name, part in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


# --- the report ---


def of_text(copies: Copies, text: str | bytes, least: int) -> Iterator[str]:
    """The report of a text, line by line; the text is bytes if the corpus is."""
    num_copies = len(copies.copies)
    longest = copies.longest
    if longest is None:
        yield "nothing was copied: no character of the text is in the corpus"
        return
    if not num_copies:
        yield (
            f"nothing of {_in_characters(least)} or more was copied; the longest match is "
            f"{_described(longest, text)}"
        )
        return
    passages = "passage" if num_copies == 1 else "passages"
    yield (
        f"copied: {copies.share:.1%} of {_in_characters(copies.characters)}, in "
        f"{num_copies:,} {passages} of {least:,} or more"
    )
    for copy in sorted(copies.copies, key=_longest_first)[:MOST_LISTED]:
        yield f"  {_described(copy, text)}"
    if num_copies > MOST_LISTED:
        yield f"  and {num_copies - MOST_LISTED:,} more; --json lists all"


def of_corpus(leaks: Leaks, *, records: bool) -> Iterator[str]:
    """The report of a corpus, line by line."""
    yield (
        f"repeated: {leaks.repeated:.1%} of {_in_characters(leaks.characters)} "
        f"are in passages of {REPEATED} or more that occur more than once"
    )
    for passage in leaks.passages:
        first, second = passage.places
        places = f"{shown(str(first))} and {shown(str(second))}"
        yield f"  {passage.length:,} characters, {places}: {_excerpt(passage.text, passage.length)}"
    held = leaks.held
    if held is None:
        yield "validation part: none"
        return
    longest = held.longest
    if longest is None:
        yield "validation part: no character of it is also in the training part"
        return
    without_ends = " (without the ends of records)" if records else ""
    yield (
        f"validation part: of {_in_characters(held.characters)}{without_ends}, "
        f"{_shares(held.shares)} that are also in the training part"
    )
    place = shown(str(longest.place))
    excerpt = _excerpt(held.text, longest.length)
    yield f"longest: {_in_characters(longest.length)}, first in {place}: {excerpt}"


def _in_characters(count: int) -> str:
    unit = "character" if count == 1 else "characters"
    return f"{count:,} {unit}"


def _described(copy: Copy, text: str | bytes) -> str:
    """The length and place of a passage, and its text."""
    place = shown(str(copy.place))
    excerpt = _excerpt(text[copy.start : copy.start + copy.length], copy.length)
    length = _in_characters(copy.length)
    return f"{length} at position {copy.start + 1:,}, from {place}: {excerpt}"


def _longest_first(copy: Copy) -> tuple[int, int]:
    return -copy.length, copy.start


def _shares(shares: dict[int, float]) -> str:
    """The shares of passages by length; of those that are 0, only the first."""
    (first, share), *others = shares.items()
    text = f"{share:.1%} are in passages of {first} or more"
    for length, share in others:
        if share:
            text += f", {share:.1%} in passages of {length} or more"
    return text


def _excerpt(text: str | bytes, length: int) -> str:
    """The beginning of a passage of ``length`` symbols, quoted."""
    quoted = json.dumps(as_str(text[:EXCERPT]), ensure_ascii=False)
    dots = "..." if length > EXCERPT else ""
    return shown(quoted) + dots


# --- the text with copied passages marked ---


def _marked_text(text: str | bytes, copies: Copies) -> str:
    """The text for a terminal, followed by an empty line."""
    parts: list[str] = []
    for piece, copy in pieces(text, copies.copies):
        parts.append(_marked(piece, copied=copy is not None))
    return "".join(parts).removesuffix("\n") + "\n"


def _marked(text: str, *, copied: bool) -> str:
    """A piece of a text for a terminal, without control characters except newlines."""
    plain = "\n".join(map(shown, text.split("\n")))
    if not copied:
        return plain
    if has_colour(sys.stdout):
        return click.style(plain, fg="black", bg="yellow")
    return OPENING_BRACKET + plain + CLOSING_BRACKET


def _page(
    title: str,
    lines: list[str],
    parts: Iterator[tuple[str, Copy | None]],
) -> str:
    """The text as HTML, each copied passage labelled with its place in the corpus."""
    marked: list[tuple[str, str]] = []
    for text, copy in parts:
        label = "" if copy is None else f"{copy.length:,} characters, {copy.place}"
        marked.append((allowed(text), label))
    return render("originality.html", title=title, lines=lines, parts=marked)
