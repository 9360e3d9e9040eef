"""charrnn train: train a model on text files."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from charrnn.advice.verdict import verdict
from charrnn.cli.console import format_loss, network_in_words, print_on_stderr, tell
from charrnn.cli.descriptions import verdict_in_words
from charrnn.cli.first_look import tell_first_look
from charrnn.cli.options import (
    example_option,
    given_for_run,
    knob_options,
    quiet_option,
    records_option,
)
from charrnn.cli.signals import signal_requests, stopped
from charrnn.config.run_config import RunConfig, run_knobs
from charrnn.config.shell import command
from charrnn.corpus.reading import check_corpus
from charrnn.storage.run import Run

if TYPE_CHECKING:
    from charrnn.training.evaluate import Evaluation
    from charrnn.training.trainer import Trainer


@click.command(context_settings={"max_content_width": 110})
@click.argument("corpus", nargs=-1, metavar="[PATH]...")
@knob_options(run_knobs())
@example_option
@records_option
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    help="YAML file of options, such as a run's config.yaml; flags and environment variables, such "
    "as CHARRNN_TRAIN_HIDDEN_SIZE, take precedence",
)
@click.option(
    "--resume",
    is_flag=True,
    help="continue an interrupted run, as if it had never stopped: the one that --name or PATH "
    "means, or else the newest",
)
@click.option("--overwrite", is_flag=True, help="if a run of this name exists, delete it first")
@quiet_option
@click.pass_context
def train(
    ctx: click.Context,
    /,
    corpus: tuple[str, ...],
    example: str | None,
    records: bool,
    config: str | None,
    resume: bool,
    overwrite: bool,
    **_: Any,
) -> None:
    """Train a model on text files. PATH is a text file, a .gz file, a directory (its *.txt files),
    or - for standard input.

    \b
      charrnn train my.txt
      charrnn train my.txt --minutes 30 --hidden-size 512 --name my-large
      charrnn train names.txt --records
      charrnn train --resume --name my-large

    Ctrl-C finishes the current step, saves, and stops; --resume continues from there. A third
    Ctrl-C exits at once, without saving.

    With --quiet, a run that ends well prints nothing; `charrnn info` shows how good it is.
    """
    started = time.monotonic() if ctx.obj is None else ctx.obj
    values = given_for_run(ctx, corpus, example, records, config)
    if not resume:
        check_corpus(RunConfig.from_flat(values))  # before PyTorch is imported, which takes seconds
        tell_first_look(values)
    with signal_requests() as requests:
        from charrnn.cli.progress import run_with_progress
        from charrnn.training.start import launch

        requests.imported()
        trainer = launch(
            values,
            resume=resume,
            overwrite=overwrite,
            tell=tell,
            made=requests.watch,
            started=started,
        )
        requests.watch(trainer)
        run = trainer.directory
        tell(first_line(trainer, run))
        final = run_with_progress(trainer)
        if requests.signum:
            print_on_stderr(stopped(run))
            sys.exit(128 + requests.signum)
        minutes = (time.monotonic() - started) / 60
        for line in _last_lines(run, final, minutes):
            tell(line)


def first_line(trainer: "Trainer", run: Run) -> str:
    """The network and the text of a run that is about to be trained."""
    model = trainer.config.model
    knobs = trainer.config.train
    corpus = trainer.corpus
    threads = "thread" if knobs.threads == 1 else "threads"
    text = f"{len(corpus.train):,} characters"
    more = f"{len(corpus.val):,}"
    summary = corpus.record_summary
    if summary is not None:
        text = f"{summary['train']:,} records"
        more = f"{summary['val']:,}"
    network = network_in_words(model.cell, model.num_layers, model.hidden_size)
    return (
        f"training {run.path}: {network} on {text} ({more} more for validation), "
        f"{knobs.precision} on {knobs.device}, {knobs.threads} {threads}"
    )


def _last_lines(run: Run, final: "Evaluation | None", minutes: float) -> Iterator[str]:
    """The result of a finished run, and what to do next."""
    yield from result_lines(run, final, minutes)
    yield f"generate text with: {command(['sample'], [run.path.name], run.runs_dir_option)}"


def result_lines(run: Run, final: "Evaluation | None", minutes: float) -> Iterator[str]:
    """The result of a finished run, and the verdict on it."""
    done = f"done in {minutes:.1f} minutes; the best checkpoint is {run.best()}"
    judgement = verdict(run)
    if final and judgement is None:  # the verdict begins with the loss
        done += f", validation loss {format_loss(final.nats_per_character)}"
    yield done
    if judgement:
        yield verdict_in_words(judgement.text, judgement.command)
