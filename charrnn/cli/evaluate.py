"""charrnn evaluate: measure how well a model predicts a file."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli.console import format_loss, progress_bar, tell
from charrnn.cli.options import (
    given,
    json_option,
    knob_options,
    quiet_option,
    runs_dir_option,
    unknown_option,
)
from charrnn.config.knobs import knobs
from charrnn.config.run_config import DataConfig
from charrnn.corpus.skipped import Skipped
from charrnn.storage.checkpoint import read_about
from charrnn.storage.find_run import find_checkpoint

if TYPE_CHECKING:
    from charrnn.training.evaluate import Evaluation

# A text in another script causes a notice for each of its characters.
MAX_NOTICES = 8
MOST_NAMED = 4  # skipped characters, the most frequent, in the text output
LARGE_SHARE = 0.5  # of the text; if more is skipped, the loss says little
# The knobs for reading a file. The model fixes the others, or they concern the split.
READING = {
    name: knob
    for name, knob in knobs(DataConfig).items()
    if name not in ("unit", "separator", "column", "min_count", "val_fraction", "val")
}


@click.command(context_settings={"max_content_width": 110})
@click.argument("run")
@click.argument("file")
@knob_options(READING, default="the run's")
@unknown_option
@click.option(
    "--adaptive",
    is_flag=True,
    help="learn from each piece of the file after scoring it (dynamic evaluation); slower",
)
@json_option(
    "evaluate",
    "print a JSON object: characters, nats_per_character, bits_per_character, mode, and skipped, "
    "which has characters, their number, and most_frequent, a list of objects with character and "
    "count; for records also records, nats_per_record and, in skipped, records",
)
@runs_dir_option
@quiet_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    run: str,
    file: str,
    unknown: str,
    adaptive: bool,
    as_json: bool,
    runs_dir: str,
    **_: Any,
) -> None:
    """Measure how well RUN predicts FILE: its loss per character (lower is better).

    With --adaptive, the model also learns from the file as it reads; compare such a loss only with
    others measured with --adaptive. A model trained on records reads each one separately and counts
    its end as one character. Encoding, line endings and normalization are those of the run unless
    you give them. The run is not changed.

    Characters that the model has not seen are skipped: they are left out, as if the text did not
    contain them, and the loss is that of the rest. A record is left out with its end if nothing
    else is in it. How many were skipped, and the most frequent ones, is reported.

    \b
      charrnn evaluate shakespeare sonnets.txt
      charrnn evaluate checkpoints/shakespeare/step-00002000 sonnets.txt --json
    """
    values = given(ctx, READING)
    from charrnn.training.evaluate_file import evaluate_file

    path = find_checkpoint(run, runs_dir)
    data = replace(DataConfig(**read_about(path)["about"]["data"]), **values)
    with progress_bar() as bar:
        evaluation, skipped, notices = evaluate_file(
            path,
            file,
            data,
            unknown,
            adaptive=adaptive,
            on_progress=bar.update,
        )
    tell_notices([*notices, *skipped_notices(skipped)])
    tell(str(path))
    mode = "adaptive" if adaptive else "static"
    if as_json:
        click.echo(json.dumps(_as_dict(evaluation, skipped, mode)))
    else:
        click.echo(_as_text(evaluation, skipped, mode))


def tell_notices(notices: Sequence[str]) -> None:
    """Print notices, the first MAX_NOTICES of them."""
    for notice in notices[:MAX_NOTICES]:
        tell(notice)
    if len(notices) > MAX_NOTICES:
        tell(f"and {len(notices) - MAX_NOTICES} more such notices")


def skipped_notices(skipped: Skipped) -> list[str]:
    """What was left out of the text, in a sentence, if anything."""
    if not skipped.characters:
        return []
    named = skipped.described(MOST_NAMED)
    frequent = ", ".join(f"{char} {_times(count)}" for char, count in named)
    if len(skipped.most_frequent) > len(named):
        frequent = f"most often {frequent}"
    notice = (
        f"skipped {_counted(skipped.characters, 'character')} ({skipped.share:.1%} of the text) "
        f"that the model has not seen: {frequent}"
    )
    if skipped.records:
        were = "was" if skipped.records == 1 else "were"
        notice += (
            f"; {_counted(skipped.records, 'record')} had only such characters and {were} left out"
        )
    if skipped.share > LARGE_SHARE:
        notice += "; the loss describes only the rest of the text"
    return [notice]


def _counted(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _as_dict(evaluation: "Evaluation", skipped: Skipped, mode: str) -> dict[str, Any]:
    """The result as ``--json`` prints it."""
    left_out: dict[str, Any] = {"characters": skipped.characters}
    values = {
        "characters": evaluation.characters,
        "nats_per_character": evaluation.nats_per_character,
        "bits_per_character": evaluation.bits_per_character,
        "mode": mode,
        "skipped": left_out,
    }
    if evaluation.records:
        values["records"] = evaluation.records
        values["nats_per_record"] = evaluation.nats_per_record
        left_out["records"] = skipped.records
    left_out["most_frequent"] = [
        {"character": char, "count": count} for char, count in skipped.most_frequent
    ]
    return values


def _as_text(evaluation: "Evaluation", skipped: Skipped, mode: str) -> str:
    loss = format_loss(evaluation.nats_per_character)
    text = f"loss {loss} on {evaluation.characters:,} characters"
    if evaluation.records:
        text += (
            f" ({evaluation.records:,} records, each with its end), "
            f"{evaluation.nats_per_record:.3f} per record"
        )
    if mode == "adaptive":
        text += ", adaptive"
    if skipped.characters:
        text += f" ({_counted(skipped.characters, 'character')} skipped)"
    return text
