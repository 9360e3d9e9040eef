"""charrnn plot: draw the losses of runs. Needs no PyTorch."""

from pathlib import Path

import click

from charrnn.cli.console import tell
from charrnn.cli.options import quiet_option, runs_dir_option
from charrnn.cli.output import into_file
from charrnn.cli.paths import check_outputs
from charrnn.errors import CheckpointError, ConfigError
from charrnn.plots.curves import read_curves
from charrnn.plots.figure import FORMATS, check_matplotlib, draw
from charrnn.storage.find_run import find_run


@click.command(context_settings={"max_content_width": 110})
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="file to write; its extension (.svg, .png or .pdf) sets the format  [default: plot.svg "
    "in the directory of the first run]",
)
@runs_dir_option
@quiet_option
def plot(runs: tuple[str, ...], output: str | None, runs_dir: str) -> None:
    """Draw the training and validation loss of RUN over the characters read, its best step, and
    the learning rate below. Several runs share one plot.

    The dashed line is the loss of a count-based model of the same text, the dotted one the best
    step. A run that is unfinished or was not validated can be drawn too. Needs matplotlib: pip
    install 'charrnn[plots]'.

    \b
      charrnn plot shakespeare
      charrnn plot shakespeare shakespeare-2 --output losses.png
    """
    check_matplotlib()
    runs_to_draw = [find_run(run, runs_dir) for run in runs]
    for run in runs_to_draw:
        if not run.metrics.exists():
            raise CheckpointError(f"{run.path} has no metrics.jsonl, so there is nothing to draw")
    path = Path(output or runs_to_draw[0].path / "plot.svg")
    file_format = path.suffix.lower().removeprefix(".")
    if file_format not in FORMATS:
        raise ConfigError(f"--output must end with .svg, .png or .pdf, got {str(path)!r}")
    if output is not None:
        check_outputs({"--output": output}, {})
    curves = [read_curves(run) for run in runs_to_draw]
    for of_run in curves:
        for notice in of_run.notices:
            tell(notice)
    into_file("--output", path, draw(curves, file_format))
    click.echo(path)
