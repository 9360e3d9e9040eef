"""charrnn score: how likely each character of a file is, and what was expected instead.

Needs no PyTorch.
"""

import os
import sys
from collections.abc import Sequence
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
    unknown_option,
)
from charrnn.cli.output import into_file
from charrnn.cli.paths import check_outputs, refuse_stdout
from charrnn.cli.scored import Compared, Places, Scored
from charrnn.config.run_config import DataConfig
from charrnn.corpus.reading import read
from charrnn.corpus.records import KnownItem
from charrnn.corpus.skipped import skipped_characters
from charrnn.errors import ConfigError, CorpusError
from charrnn.pages.render import check_jinja
from charrnn.surprise.comparison import comparison_of
from charrnn.surprise.explanation import ALTERNATIVES, Explanation, explain
from charrnn.text_model import TextModel, load


@click.command(context_settings={"max_content_width": 110})
@click.argument("run")
@click.argument("file")
@knob_options(READING, default="the run's")
@unknown_option
@click.option(
    "--compare",
    metavar="RUN",
    help="compare with another model: which of the two predicts FILE better, and where",
)
@click.option(
    "--places",
    type=WholeNumber(0, 10**6),
    default=20,
    show_default=True,
    help="number of places to list, the most surprising first",
)
@click.option(
    "--alternatives",
    type=WholeNumber(1, 20),
    default=ALTERNATIVES,
    show_default=True,
    help="number of likely characters to show for each place",
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
    compare: str | None,
    places: int,
    alternatives: int,
    html: str | None,
    as_json: bool,
    runs_dir: str,
    **_: Any,
) -> None:
    """Show how likely each character of FILE is for RUN, and what was expected instead.

    On a terminal, the text is printed in colour, darker where it is more surprising, followed by
    its loss and the most surprising places: often typos, names, or a change of subject. The weights
    and counts stay fixed, as for `evaluate`.

    \b
      charrnn score shakespeare sonnets.txt
      charrnn score shakespeare sonnets.txt --html sonnets.html
      charrnn score melville unknown.txt --compare hawthorne
    """
    values = given(ctx, READING)
    if html is not None:
        check_jinja()
        refuse_stdout("--html", html)
    model = load(run, runs_dir=runs_dir)
    other = None
    if compare is not None:
        other = load(compare, runs_dir=runs_dir)
        _check_comparable(model, other)
    corpora = [*model.about["corpus"], *(other.about["corpus"] if other else ())]
    check_outputs({"--html": html}, {"FILE": file}, corpora)
    data = replace(DataConfig(**model.about["data"]), **values)
    reading = read([file], data)
    text = _as_str(reading.text, file)
    items, changes = model.known_items(text, unknown)
    notices = [*reading.notices, *_notices(model, text, unknown, changes)]
    if other is not None:
        items, changes = _known_to(other, items, unknown)
        notices += _notices(other, text, unknown, changes)
    tell_notices(notices)
    tell(str(model.path))
    place = Places(file, text, is_one_file=data.column is None and not os.path.isdir(file))
    explanation = _explained(model, items, alternatives)
    separator = model.separator_of_items
    result = Scored(place, explanation, separator)
    if other is not None:
        tell(f"compared with {other.path}")
        comparison = comparison_of(explanation, _explained(other, items, alternatives))
        result = Compared(place, explanation, separator, (run, str(compare)), comparison)
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


def _known_to(
    model: TextModel,
    items: Sequence[KnownItem],
    unknown: str,
) -> tuple[list[KnownItem], list[str]]:
    """The items that a second model knows too, and a sentence on each change made for it.

    Raises:
        CorpusError: nothing is left.
    """
    known = []
    changes = dict[str, None]()
    for item in items:
        text, places, changes_of_item = model.vocabulary.traced_repair(item.text, unknown)
        changes |= dict.fromkeys(changes_of_item)
        if text:
            known.append(item._replace(text=text, places=[item.places[place] for place in places]))
    if not known:
        raise CorpusError("the second model knows no character of the text; give another text")
    return known, list(changes)


def _notices(model: TextModel, text: str, unknown: str, changes: Sequence[str]) -> list[str]:
    """What was changed for a model."""
    if unknown == "skip":
        skipped = skipped_characters(model.vocabulary, text, model.separator_of_items)
        return skipped_notices(skipped)
    return list(changes)


def _check_comparable(model: TextModel, other: TextModel) -> None:
    """Refuse to compare models of different kinds of text."""
    if model.separator_of_items != other.separator_of_items:
        raise ConfigError(
            "--compare needs two models of the same kind of text: both of continuous text, or both "
            "of records with the same separator"
        )


def _explained(model: TextModel, items: Sequence[KnownItem], alternatives: int) -> Explanation:
    with progress_bar(sum(len(item.text) for item in items), delay=1) as bar:
        return explain(
            model.network,
            model.vocabulary,
            model.prime,
            items,
            separator=model.separator,
            alternatives=alternatives,
            on_progress=bar.update,
        )
