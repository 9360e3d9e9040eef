"""charrnn originality: what a text has copied from a run's corpus, or the corpus from itself. Needs
no PyTorch."""

import html as markup
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from charrnn.cli.console import shown, tell
from charrnn.cli.options import runs_dir_option
from charrnn.cli.output import into_file
from charrnn.cli.paths import check_outputs
from charrnn.config.run_config import DataConfig
from charrnn.corpus.reading import read
from charrnn.errors import ConfigError
from charrnn.originality.corpus_index import Place
from charrnn.originality.open_index import open_index
from charrnn.originality.report import (
    LENGTHS,
    REPEATED,
    Copies,
    Copy,
    HeldOut,
    Leaks,
    Passage,
    find_copies,
    find_leaks,
    pieces,
)
from charrnn.storage.checkpoint import read_about
from charrnn.storage.run import find_checkpoint

LISTED = 10  # of the longest stretches, in the report for people
EXCERPT = 60  # characters of each that are shown
BRACKETS = "\u27e6", "\u27e7"  # around what is copied, where there are no colours
PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.5; }}
mark {{ background: #fe6; color: #000; border-left: 1px solid #c60; }}
</style></head><body>
<h1>{title}</h1>
<p>{report}</p>
<pre dir="auto">
{text}</pre>
</body></html>
"""


@click.command(context_settings={"max_content_width": 110})
@click.argument("run")
@click.argument("file", required=False)
@click.option(
    "--least",
    type=click.IntRange(1, 10**9),
    help="the shortest stretch that is listed and marked, in characters  [default: 20]",
)
@click.option(
    "--marked",
    is_flag=True,
    help="show FILE with what is copied marked: in colour on a terminal, else in \u27e6 \u27e7",
)
@click.option(
    "--html",
    metavar="PATH",
    help="write FILE as a page with what is copied marked, and where each stretch stands",
)
@click.option(
    "--json",
    "as_json",
    envvar="CHARRNN_ORIGINALITY_JSON",
    is_flag=True,
    help="one JSON object: characters, shares, longest, copies; without FILE characters, repeated, passages, held",
)
@click.option(
    "--corpus",
    metavar="PATH",
    multiple=True,
    help="where the corpus stands now, if not where the run read it; may be repeated",
)
@runs_dir_option
def originality(
    run: str,
    file: str | None,
    least: int | None,
    marked: bool,
    html: str | None,
    as_json: bool,
    corpus: tuple[str, ...],
    runs_dir: str,
) -> None:
    """What of FILE stands word for word in the corpus of RUN; without FILE, what the corpus repeats
    of itself.

    FILE is a text, or - for standard input; it is read as the corpus was. The first use makes an
    index of the corpus, which is kept with the run. The corpus is all that the run read, the
    training and the validation part.

    \b
      charrnn originality shakespeare written.txt
      charrnn originality shakespeare written.txt --html written.html
      charrnn originality shakespeare
    """
    if marked and as_json:
        raise ConfigError(
            "marked and json: both would write to standard output; give one of them, or --html PATH"
        )
    if file is None and (marked or html or least is not None):
        what = "marked" if marked else "html" if html else "least"
        raise ConfigError(f"{what}: no FILE is given whose text could be shown; name one")
    least = LENGTHS[0] if least is None else least
    path = find_checkpoint(run, runs_dir)
    about = read_about(path)["about"]
    data = DataConfig(**about["data"])
    check_outputs({"--html": html}, {"FILE": file}, (*about["corpus"], *corpus))
    index = open_index(path, tell, corpus)
    tell(f"{path}")
    if file is None:
        with _bar(len(index) + about["val_characters"]) as bar:
            leaks = find_leaks(index, data, bar.update)
        click.echo(json.dumps(_plain(leaks)) if as_json else "\n".join(of_corpus(leaks)))
        return
    reading = read([file], data)
    for notice in reading.notices:
        tell(notice)
    with _bar(len(reading.text)) as bar:
        found = find_copies(index, reading.text, least, bar.update)
    lines = list(of_text(found, reading.text, least))
    if html is not None:
        into_file(
            "--html",
            Path(html),
            _page(file, lines, pieces(reading.text, found.copies)).encode("utf-8", "replace"),
        )
        tell(f"wrote {html}")
    if marked:
        view = "".join(
            _marked(text, copied=copy is not None)
            for text, copy in pieces(reading.text, found.copies)
        )
        click.echo(view.removesuffix("\n") + "\n")
    click.echo(json.dumps(_plain(found)) if as_json else "\n".join(lines))


def _bar(total: int) -> Any:
    return tqdm(
        total=total,
        unit=" characters",
        unit_scale=True,
        disable=None,
        leave=False,
        delay=1,
        file=sys.stderr,
    )


def _plain(value: Any) -> Any:
    """As JSON has it: every noun an object."""
    if isinstance(value, Copies | Leaks | HeldOut):
        return {name: _plain(part) for name, part in vars(value).items()}
    if isinstance(value, Copy | Passage | Place):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def of_text(found: Copies, text: str | bytes, least: int) -> Iterator[str]:
    """The report of a text, which is bytes where the corpus is bytes, line by line."""
    yield _longest(found.longest)
    yield f"copied, of {found.characters:,} characters: {_shares(found.shares)}"
    yield f"stretches of {least:,} or more: {len(found.copies):,}"
    for copy in sorted(found.copies, key=lambda copy: (-copy.length, copy.start))[:LISTED]:
        part = text[copy.start : copy.start + min(copy.length, EXCERPT)]
        yield f"  {copy.length:,} characters at {copy.start + 1:,}, from {shown(str(copy.place))}: {_excerpt(part, copy.length)}"
    if len(found.copies) > LISTED:
        yield f"  and {len(found.copies) - LISTED:,} shorter ones; --json lists all"


def of_corpus(leaks: Leaks) -> Iterator[str]:
    """The report of a corpus, line by line."""
    yield f"repeated, of {leaks.characters:,} characters: {100 * leaks.repeated:.1f} % in passages of {REPEATED} or more that come again"
    for passage in leaks.passages:
        one, other = (shown(str(place)) for place in passage.places)
        yield f"  {passage.length:,} characters, {one} and {other}: {_excerpt(passage.text[:EXCERPT], passage.length)}"
    held = leaks.held
    if held is None:
        yield "held out: nothing"
        return
    yield f"held out, but learned too, of {held.characters:,} characters: {_shares(held.shares)}"
    if held.longest is None:
        yield "longest: none, not one of its characters was learned"
    else:
        length, place = held.longest.length, held.longest.place
        yield f"longest: {length:,} characters, first in {shown(str(place))}: {_excerpt(held.text[:EXCERPT], length)}"


def _longest(copy: Copy | None) -> str:
    if copy is None:
        return "longest: none, not one of its characters stands in the corpus"
    return (
        f"longest: {copy.length:,} characters at {copy.start + 1:,}, from {shown(str(copy.place))}"
    )


def _shares(shares: dict[int, float]) -> str:
    return ", ".join(
        f"{100 * share:.1f} % in stretches of {length} or more" for length, share in shares.items()
    )


def _excerpt(part: str | bytes, length: int) -> str:
    text = part.decode("utf-8", "replace") if isinstance(part, bytes) else part
    return shown(json.dumps(text, ensure_ascii=False)) + ("..." if length > EXCERPT else "")


def _marked(text: str, *, copied: bool) -> str:
    """A piece of the text as it is shown; nothing in it moves the cursor but its newlines."""
    plain = "\n".join(map(shown, text.split("\n")))
    if not copied:
        return plain
    return (
        click.style(plain, fg="black", bg="yellow")
        if sys.stdout.isatty()
        else f"{BRACKETS[0]}{plain}{BRACKETS[1]}"
    )


def _page(title: str, lines: list[str], parts: Iterator[tuple[str, Copy | None]]) -> str:
    marks = (
        f'<mark title="{markup.escape(f"{copy.length:,} characters, {copy.place}")}">{_escaped(text)}</mark>'
        if copy
        else _escaped(text)
        for text, copy in parts
    )
    return PAGE.format(
        title=_escaped(title), report="<br>\n".join(map(_escaped, lines)), text="".join(marks)
    )


def _escaped(text: str) -> str:
    """What a page may hold: no control characters, which HTML does not know."""
    return markup.escape(
        "".join(char if char >= " " or char in "\t\n\r" else "\ufffd" for char in text)
    )
