"""charrnn info: describe, list or compare runs. Needs no PyTorch."""

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from charrnn.advice.describe import describe_checkpoint, describe_run
from charrnn.advice.other_runs import validated_runs
from charrnn.cli.compare import comparison
from charrnn.cli.console import shown, tell
from charrnn.cli.descriptions import (
    corpus_in_words,
    lineage_in_words,
    loss_in_words,
    model_in_words,
    size_in_words,
    steps_in_words,
    symbols_in_words,
    verdict_in_words,
)
from charrnn.cli.options import json_option, quiet_option, runs_dir_option
from charrnn.cli.run_list import ORDERS, in_order, run_list
from charrnn.cli.table import terminal_width
from charrnn.config.shell import command
from charrnn.errors import ConfigError
from charrnn.storage.find_run import all_runs, find_checkpoint, half_removed_runs
from charrnn.storage.run import Run, read_yaml_beside


@click.command(context_settings={"max_content_width": 110})
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option(
    "--sort",
    type=click.Choice(list(ORDERS)),
    default="date",
    show_default=True,
    help="order of the list: the newest run, the lowest loss or the most parameters (size) first, "
    "or by name",
)
@json_option("info", "print a JSON object or, unless there is one RUN, a list of them")
@runs_dir_option
@quiet_option
@click.pass_context
def info(
    ctx: click.Context,
    runs: tuple[str, ...],
    sort: str,
    as_json: bool,
    runs_dir: str,
) -> None:
    """Describe RUN: its network, its text, and its quality. Compare two or more. Without RUN, list
    all runs.

    In the list, the date is that of the last checkpoint, the size is the number of parameters, and
    the loss is the validation loss (lower is better), also shown in bits per character.

    \b
      charrnn info
      charrnn info --sort loss
      charrnn info shakespeare --json
      charrnn info shakespeare shakespeare-2
    """
    if runs and ctx.get_parameter_source("sort") == ParameterSource.COMMANDLINE:
        raise ConfigError("--sort is for the list of all runs; leave it out, or leave out RUN")
    if not runs:
        _list_runs(runs_dir, sort, as_json)
        return
    paths = [find_checkpoint(run, runs_dir) for run in runs]
    if len(paths) == 1:
        _show_checkpoint(paths[0], as_json)
    else:
        _compare(paths, runs, as_json)


def _list_runs(runs_dir: str, order: str, as_json: bool) -> None:
    runs = all_runs(runs_dir, without_checkpoint=True)
    validated = validated_runs(runs)
    descriptions = in_order([describe_run(run, validated) for run in runs], order)
    if as_json:
        click.echo(json.dumps(descriptions))
    elif descriptions:
        click.echo("\n".join(run_list(descriptions, terminal_width())))
        for description in descriptions:
            if "error" in description:
                tell(f"{description['run']}: {description['error']}")
    else:
        place = Path(runs_dir).resolve()
        tell(f"no runs in {place}; train one with `charrnn train FILE`")
    for run in half_removed_runs(runs_dir):
        left = run.half_removed
        finish = command(["remove"], [run.path.name], run.runs_dir_option)
        tell(
            f"{left} ({size_in_words(Run(left).size())}) is left over from an interrupted "
            f"removal; delete it with `{finish}`"
        )


def _show_checkpoint(path: Path, as_json: bool) -> None:
    description = describe_checkpoint(path)
    if as_json:
        click.echo(json.dumps(description))
        return
    lines = _lines(description)
    steps = [step.name for step in Run(path.parent).steps()]
    if len(steps) > 1:
        lines["kept"] = ", ".join(steps)
    click.echo("\n".join(f"{name + ':':<12}{shown(value)}" for name, value in lines.items()))


def _lines(description: dict[str, Any]) -> dict[str, str]:
    """A checkpoint in full: a text for each heading."""
    lines = {
        "checkpoint": description["checkpoint"],
        "model": model_in_words(description),
        "symbols": symbols_in_words(description),
        "corpus": corpus_in_words(description),
        "trained": f"{steps_in_words(description)} after {description['epochs']:.2f} passes over "
        f"the text, with charrnn {description['charrnn']}",
        **lineage_in_words(description),
        "loss": loss_in_words(description),
        "sha256": description["sha256"],
    }
    judgement = description["verdict"]
    if judgement:
        lines["verdict"] = verdict_in_words(judgement["text"], judgement["command"])
    return lines


def _compare(paths: list[Path], names: tuple[str, ...], as_json: bool) -> None:
    descriptions = [describe_checkpoint(path) for path in paths]
    if as_json:
        click.echo(json.dumps(descriptions))
        return
    configurations = [read_yaml_beside(path.parent / "config.yaml") for path in paths]
    lines = comparison(names, descriptions, configurations, terminal_width())
    click.echo("\n".join(lines))
