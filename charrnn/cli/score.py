"""charrnn score: how likely each character of a file is, and what was expected instead.

Needs no PyTorch.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from charrnn.cli.console import has_colour, progress_bar, shown, tell
from charrnn.cli.evaluate import READING, skipped_notices, tell_notices
from charrnn.cli.options import (
    WholeNumber,
    given,
    json_option,
    knob_options,
    quiet_option,
    runs_dir_option,
)
from charrnn.cli.output import into_file
from charrnn.cli.paths import check_outputs
from charrnn.cli.scored import Compared, Scored
from charrnn.config.run_config import DataConfig
from charrnn.corpus.reading import STDIN, read
from charrnn.corpus.records import known_items
from charrnn.corpus.skipped import skipped_characters
from charrnn.errors import ConfigError, CorpusError
from charrnn.pages.render import check_jinja
from charrnn.surprise.comparison import compare
from charrnn.surprise.explanation import ALTERNATIVES, Explanation
from charrnn.text_model import TextModel, load


@click.command(context_settings={"max_content_width": 110})
@click.argument("run")
@click.argument("file")
@knob_options(READING, default="the run's")
@click.option(
    "--unknown",
    type=click.Choice(["error", "skip", "replace"]),
    default="skip",
    show_default=True,
    help="what to do with a character that the model has not seen: leave it out (skip), "
    "end with an error, or replace it by the nearest known one",
)
@click.option(
    "--compare",
    "other_run",
    metavar="RUN2",
    help="compare with another model: which of the two predicts the file better, and where",
)
@click.option(
    "--places",
    type=WholeNumber(0, 10**6),
    default=20,
    show_default=True,
    help="the number of surprising places to list",
)
@click.option(
    "--alternatives",
    type=WholeNumber(1, 1000),
    default=ALTERNATIVES,
    show_default=True,
    help="the number of likely characters to show for each place",
)
@click.option("--html", metavar="PATH", help="write the coloured text as a web page")
@json_option(
    "score",
    "print a JSON object for each character: character, log_probability, rank, entropy and "
    "alternatives; with --compare one object: characters, nats_per_character, difference, low and "
    "high",
)
@runs_dir_option
@quiet_option
@click.pass_context
def score(
    ctx: click.Context,
    /,
    run: str,
    file: str,
    unknown: str,
    other_run: str | None,
    places: int,
    alternatives: int,
    html: str | None,
    as_json: bool,
    runs_dir: str,
    **_: Any,
) -> None:
    """Show how likely each character of FILE is for RUN, and what was expected instead.

    On a terminal the text is coloured: the darker, the more surprising. Then come its loss and the
    most surprising places, which are often typing errors, names, or where a new subject begins. The
    weights and counts stay fixed, as for `evaluate`.

    \b
      charrnn score shakespeare sonnets.txt
      charrnn score shakespeare sonnets.txt --html sonnets.html
      charrnn score melville unknown.txt --compare hawthorne
    """
    values = given(ctx, READING)
    model = load(run, runs_dir=runs_dir)
    inputs = {} if file == STDIN else {"FILE": file}
    check_outputs({"--html": html}, inputs, model.about["corpus"])
    if html is not None:
        check_jinja()
    other = None
    if other_run is not None:
        other = load(other_run, runs_dir=runs_dir)
        _check_comparable(model, other)
    data = replace(DataConfig(**model.about["data"]), **values)
    reading = read([file], data)
    text = _as_str(reading.text, file)
    notices = list(reading.notices)
    if unknown == "skip":
        notices += skipped_notices(skipped_characters(model.vocabulary, text, data.separator))
    elif unknown == "replace":
        notices += model.vocabulary.repair(text, unknown)[1]
    if other is not None:
        text = _readable(other, _readable(model, text, unknown), unknown)
    tell_notices(notices)
    tell(str(model.path))
    explanation = _explained(model, text, unknown, alternatives)
    result = Scored(file, text, explanation)
    if other is not None:
        tell(f"compared with {other.path}")
        of_other = _explained(other, text, unknown, alternatives)
        comparison = compare(explanation, of_other)
        result = Compared(file, text, explanation, of_other, comparison)
    if html is not None:
        into_file("--html", Path(html), result.page(places).encode("utf-8", "replace"))
        tell(f"wrote {html}")
    if as_json:
        for line in result.json_lines():
            click.echo(line)
        return
    if has_colour(sys.stdout):
        click.echo(result.coloured())
    click.echo("\n".join(map(shown, result.report(places))))


def _as_str(text: str | bytes, file: str) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{file} is not UTF-8: the first invalid byte is number {error.start + 1:,}; "
            "charrnn score shows characters, so give a text file in UTF-8"
        ) from None


def _readable(model: TextModel, text: str, unknown: str) -> str:
    """The text in characters that a model knows."""
    separator = model.separator if model.vocabulary.records else None
    items, _ = known_items(model.vocabulary, text, separator, unknown)
    return (separator or "").join(item for _, item in items)


def _check_comparable(model: TextModel, other: TextModel) -> None:
    """Refuse to compare models of different kinds of text."""
    same_kind = model.vocabulary.records == other.vocabulary.records
    if not same_kind or (model.vocabulary.records and model.separator != other.separator):
        raise ConfigError(
            "--compare needs two models of the same kind of text: both of continuous text, or both "
            "of records with the same separator"
        )


def _explained(model: TextModel, text: str, unknown: str, alternatives: int) -> Explanation:
    with progress_bar(len(text), delay=1) as bar:
        return model.explain(
            text,
            unknown=unknown,
            alternatives=alternatives,
            on_progress=bar.update,
        )
