"""charrnn evaluate: the loss of a model on a file, static or adaptive."""

import json
import sys
from dataclasses import replace
from typing import Any

import click
from tqdm import tqdm

from charrnn.cli.console import tell
from charrnn.cli.options import given, knob_options, runs_dir_option
from charrnn.config.knobs import knobs
from charrnn.config.run_config import DataConfig
from charrnn.storage.checkpoint import read_about
from charrnn.storage.run import find_checkpoint

SHOWN = 8  # notices; a text in another script would have one for each of its characters
READING = {
    name: knob
    for name, knob in knobs(DataConfig).items()
    if name not in ("unit", "separator", "val_fraction")
}


@click.command(context_settings={"max_content_width": 110})
@click.argument("run")
@click.argument("file")
@knob_options(READING, default="the run's")
@click.option(
    "--unknown",
    type=click.Choice(["error", "skip", "replace"]),
    default="error",
    show_default=True,
    help="a character of the file that the model has not seen",
)
@click.option(
    "--adaptive",
    is_flag=True,
    help="learn from each piece of the file after it is scored (dynamic evaluation); slower",
)
@click.option(
    "--json",
    "as_json",
    envvar="CHARRNN_EVALUATE_JSON",
    is_flag=True,
    help="one JSON object: characters, nats_per_character, bits_per_character, mode; of records also records, nats_per_record",
)
@runs_dir_option
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
    """The loss of RUN on FILE, read in one stream with carried state; of records, each by itself,
    its end counted as a character.

    Static, the weights stay as they are; adaptive, they learn from each few characters once those
    are scored. The two are not to be compared with each other. The file is read as the run's corpus
    was, unless a flag says otherwise. The run is not changed.

    \b
      charrnn evaluate shakespeare sonnets.txt
      charrnn evaluate checkpoints/shakespeare/step-00002000 sonnets.txt --json
    """
    values = given(ctx, READING)
    from charrnn.cli.progress import in_words
    from charrnn.training.evaluate_file import evaluate_file

    path = find_checkpoint(run, runs_dir)
    data = replace(DataConfig(**read_about(path)["about"]["data"]), **values)
    bar = tqdm(unit=" characters", unit_scale=True, disable=None, leave=False, file=sys.stderr)
    with bar:
        found, notices = evaluate_file(
            path, file, data, unknown, adaptive=adaptive, on_progress=bar.update
        )
    for notice in notices[:SHOWN]:
        tell(notice)
    if len(notices) > SHOWN:
        tell(f"and {len(notices) - SHOWN} more of the kind")
    tell(f"{path}")
    mode = "adaptive" if adaptive else "static"
    if as_json:
        values = {
            "characters": found.characters,
            "nats_per_character": found.nats_per_character,
            "bits_per_character": found.bits_per_character,
            "mode": mode,
        }
        if found.records:
            values |= {"records": found.records, "nats_per_record": found.nats_per_record}
        click.echo(json.dumps(values))
    else:
        words = f"{in_words(found.nats_per_character)}, {mode}, {found.characters:,} characters"
        if found.records:
            words += f" with the end of each of {found.records:,} records, {found.nats_per_record:.3f} nats per record"
        click.echo(words)
