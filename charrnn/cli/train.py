"""charrnn train: learn to write from text files."""

import sys
import time
from typing import Any

import click

from charrnn.cli.console import tell
from charrnn.cli.options import given_for_run, knob_options, records_option
from charrnn.cli.signals import wishes
from charrnn.config.run_config import run_knobs
from charrnn.config.shell import command, option
from charrnn.storage.verdict import verdict


@click.command(context_settings={"max_content_width": 110})
@click.argument("corpus", nargs=-1, metavar="[PATH]...")
@knob_options(run_knobs())
@records_option
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    help="a YAML file of knobs, such as a run's config.yaml; flags and environment go before it",
)
@click.option(
    "--resume",
    is_flag=True,
    help="go on with the run of that --name or of that corpus, or else the newest, to the bit",
)
@click.option("--overwrite", is_flag=True, help="delete a run of that name first")
@click.pass_context
def train(
    ctx: click.Context,
    /,
    corpus: tuple[str, ...],
    records: bool,
    config: str | None,
    resume: bool,
    overwrite: bool,
    **_: Any,
) -> None:
    """Learn to write from text files: PATH is a text file, a directory (its *.txt), a .gz file, or
    - for standard input.

    \b
      charrnn train my.txt
      charrnn train my.txt --minutes 30 --hidden-size 512 --name my-large
      charrnn train names.txt --records
      charrnn train --resume --name my-large

    Ctrl-C finishes the step, saves, and stops; --resume goes on as if nothing had happened.
    """
    values = given_for_run(ctx, corpus, records, config)
    with wishes() as wished:
        begin = time.monotonic()
        from charrnn.api import reports
        from charrnn.cli.progress import Progress, in_words
        from charrnn.training.start import launch

        wished.imported()
        trainer = launch(values, resume=resume, overwrite=overwrite, tell=tell, made=wished.watch)
        run = trainer.directory
        wished.watch(trainer)
        tell(_first_line(trainer))
        progress, final = Progress(trainer), None
        try:
            for report in reports(trainer):
                progress.show(report)
                final = report.final
        finally:
            progress.close()
        if wished.signum:
            again = command(
                ["train", "--resume"],
                flags=[*option("--name", run.path.name), *run.runs_dir_option],
            )
            tell(
                f"stopped; saved {run.steps()[-1]}; `{again}` continues"
                if run.steps()
                else "stopped before the first step"
            )
            sys.exit(128 + wished.signum)
        took = time.monotonic() - begin
        loss = (
            f": {in_words(final.nats_per_character)} on the {final.characters:,} held-out ones"
            if final
            else ""
        )
        tell(f"done in {took / 60:.1f} minutes; the best checkpoint is {run.best()}{loss}")
        if found := verdict(run):
            tell(f"{found.text} Next: `{found.command}`")
        tell(f"write with: {command(['sample'], [run.path.name], run.runs_dir_option)}")


def _first_line(trainer: Any) -> str:
    model, knobs, corpus = trainer.config.model, trainer.config.train, trainer.corpus
    in_records = (
        f" in {len(corpus.lengths(part)):,} records" if corpus.vocabulary.records else ""
        for part in (corpus.train, corpus.val)
    )
    size = trainer.loop.num_parameters
    return (
        f"{trainer.directory.path}: {len(corpus.train):,} characters{next(in_records)} to learn from, "
        f"{len(corpus.val):,}{next(in_records)} held out, "
        f"{len(corpus.vocabulary)} symbols; {model.cell} {model.num_layers} x {model.hidden_size}, {size:,} parameters, "
        f"{knobs.precision} on {knobs.device}, {knobs.threads} threads, seed {knobs.seed}"
    )
