"""charrnn plan: what `charrnn train` would do with these files on this machine, and why."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from charrnn.cli.console import format_loss, tell
from charrnn.cli.options import (
    given_for_run,
    json_option,
    knob_options,
    records_option,
    spelled,
)
from charrnn.config.run_config import RunConfig, run_knobs
from charrnn.config.shell import command, option

if TYPE_CHECKING:
    from charrnn.corpus.corpus import Corpus
    from charrnn.training.plan import Plan


@click.command(context_settings={"max_content_width": 110})
@click.argument("corpus", nargs=-1, metavar="[PATH]...")
@knob_options(run_knobs())
@records_option
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    help="a YAML file of knobs; flags and environment go before it",
)
@json_option("plan", "one JSON object: what was found and what is advised")
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    corpus: tuple[str, ...],
    records: bool,
    config: str | None,
    as_json: bool,
    **_: Any,
) -> None:
    """What `charrnn train` with the same words would do, and why; nothing is trained or written.

    A few steps are timed on this machine. Any knob that is given stands, the rest is planned around
    it.

    \b
      charrnn plan my.txt
      charrnn plan my.txt --minutes 30 --hidden-size 512
    """
    planned = _plan(given_for_run(ctx, corpus, records, config))
    if as_json:
        click.echo(json.dumps(_as_dict(planned)))
        return
    click.echo("\n".join(_lines(planned)))
    tell(f"`{_train_command(ctx, corpus, config)}` does this")


@dataclass(frozen=True)
class Planned:
    """A run that could be trained.

    Args:
        config: without ``auto``.
        corpus: what it would learn.
        survey: statistics of the corpus.
        advice: of the autopilot.
        passes: over the training text.
    """

    config: RunConfig
    corpus: "Corpus"
    survey: dict[str, Any]
    advice: "Plan"
    passes: float


def _plan(values: dict[str, Any]) -> Planned:
    """Plan a run around the knobs that were set."""
    from charrnn.corpus.survey import survey
    from charrnn.training.loop import layout
    from charrnn.training.resolve import resolve

    config, corpus, advice = resolve(values, None, tell, time.monotonic())
    steps = config.train.steps or 0
    symbols = steps * layout(config, corpus).symbols_per_step
    return Planned(config, corpus, survey(corpus), advice, symbols / len(corpus.train))


def _as_dict(planned: Planned) -> dict[str, Any]:
    """What ``--json`` shows."""
    yardstick = planned.corpus.yardstick
    knobs = planned.config.flat()
    del knobs["name"]
    del knobs["runs_dir"]
    return {
        "corpus": planned.survey,
        "yardstick": yardstick.nats_per_character if yardstick else None,
        "advice": {
            "expected": planned.advice.expected,
            "outlook": planned.advice.outlook,
            "memory": planned.advice.memory,
            "reasons": planned.advice.reasons,
        },
        "knobs": knobs,
    }


def _lines(planned: Planned) -> Iterator[str]:
    advice = planned.advice
    yardstick = planned.corpus.yardstick
    yield f"text: {_text(planned.survey)}"
    if yardstick:
        loss = format_loss(yardstick.nats_per_character)
        yield f"yardstick: {loss}, by counts of {yardstick.train_characters:,} characters"
    yield f"network: {_network(planned)}"
    yield f"length: {_length(planned)}"
    yield f"memory: about {advice.memory / 1e6:,.0f} MB"
    if advice.expected is not None:
        yield f"expected: about {advice.expected:.2f} nats per character on held-out text"
    if advice.outlook:
        losses = [
            f"{loss:.2f} with {minutes:g} minutes" for minutes, loss in advice.outlook.items()
        ]
        yield f"outlook: {', '.join(losses)}"


def _text(survey: dict[str, Any]) -> str:
    """What the text is, and how much of it repeats."""
    length = f"{survey['characters']:,} characters"
    lines = "lines of 20 characters or more"
    if "records" in survey:
        length += f" in {survey['records']:,} records"
        lines = "records"
    part = "it"
    if survey["surveyed"] < survey["characters"]:
        part = f"its first {survey['surveyed']:,} characters"
    return (
        f"{length}, {survey['symbols']} symbols ({survey['rare']} of them fewer than 10 times); "
        f"{survey['repeated']:.1%} of {part} are {lines} that stood there before"
    )


def _network(planned: Planned) -> str:
    model = planned.config.model
    train = planned.config.train
    batches = f"{train.batch_size} x {train.sequence_length}"
    if "records" in planned.survey:
        batches = f"{train.batch_size} records"
    return (
        f"{model.cell} {model.num_layers} x {model.hidden_size}, dropout {model.dropout:g}, "
        f"copy window {spelled(model.copy_window)}; batches of {batches}, "
        f"{train.precision} on {train.device}"
    )


def _length(planned: Planned) -> str:
    train = planned.config.train
    length = f"{train.steps:,} steps, {planned.passes:.1f} passes over the text"
    validates = train.eval_every is not None and len(planned.corpus.val) > 0
    if validates and train.patience is not None:
        length += "; it ends sooner where the validation loss turns"
    return length


def _train_command(ctx: click.Context, corpus: tuple[str, ...], config: str | None) -> str:
    """The command that trains the planned run, with the flags that were given."""
    flags: list[str] = []
    for name, knob in run_knobs().items():
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            flags += option(knob.flag, ctx.params[name])
    if ctx.params["records"]:
        flags.append("--records")
    if config:
        flags += option("--config", config)
    return command(["train"], corpus, flags)
