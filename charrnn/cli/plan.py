"""charrnn plan: show what `charrnn train` would do with a text on this machine, and why."""

import json
import math
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli.console import format_loss, network_in_words, tell
from charrnn.cli.first_look import tell_first_look
from charrnn.cli.options import (
    example_option,
    given_for_run,
    given_names,
    json_option,
    knob_options,
    quiet_option,
    records_option,
    spelled,
)
from charrnn.cli.short_paths import is_long, wildcard
from charrnn.config.run_config import RunConfig, run_knobs
from charrnn.config.shell import command, option
from charrnn.corpus.reading import check_corpus

if TYPE_CHECKING:
    from charrnn.corpus.corpus import Corpus
    from charrnn.training.forecast import Forecast
    from charrnn.training.plan import Plan
    from charrnn.training.resolve import NewRun

MIN_REPEATED = 0.01  # smaller shares of repeated lines are not worth mentioning


@click.command(context_settings={"max_content_width": 110})
@click.argument("corpus", nargs=-1, metavar="[PATH]...")
@knob_options(run_knobs())
@example_option
@records_option
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    help="YAML file of options; flags and environment variables, such as CHARRNN_PLAN_HIDDEN_SIZE, "
    "take precedence",
)
@json_option("plan", "print the text's statistics and the plan as a JSON object")
@quiet_option
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    corpus: tuple[str, ...],
    example: str | None,
    records: bool,
    config: str | None,
    as_json: bool,
    **_: Any,
) -> None:
    """Show what `charrnn train` with the same arguments would do, and why. Nothing is written.

    Some steps are timed on this machine, and a small network is trained for a few seconds to
    predict the loss. Options that you give are kept; the others are planned to fit them.

    \b
      charrnn plan my.txt
      charrnn plan my.txt --minutes 30 --hidden-size 512
    """
    values = given_for_run(ctx, corpus, example, records, config)
    check_corpus(RunConfig.from_flat(values))  # before PyTorch is imported, which takes seconds
    tell_first_look(values)
    planned = _plan(values)
    if as_json:
        click.echo(json.dumps(_as_dict(planned)))
        return
    click.echo("\n".join(_lines(planned)))
    tell(_train_line(ctx, corpus, config))


@dataclass(frozen=True)
class Planned:
    """A run that could be trained.

    Args:
        config: resolved, without ``auto``.
        corpus: the text it would be trained on.
        survey: statistics of the corpus.
        advice: the autopilot's plan.
        passes: passes over the training text.
        base: the model that the run continues from, in words.
        forecast: the loss that it should reach, if it can be predicted.
    """

    config: RunConfig
    corpus: "Corpus"
    survey: dict[str, Any]
    advice: "Plan"
    passes: float
    base: str | None = None
    forecast: "Forecast | None" = None


def _plan(values: dict[str, Any]) -> Planned:
    """Plan a run that keeps the knobs that were set."""
    from charrnn.corpus.survey import survey
    from charrnn.training.base import in_words
    from charrnn.training.resolve import passes_over_text, resolve

    run = resolve(values, None, tell, time.monotonic())
    passes = passes_over_text(run.config, run.corpus)
    base = None
    if run.base is not None:
        base = in_words(run.corpus, run.base, run.before)
    return Planned(
        config=run.config,
        corpus=run.corpus,
        survey=survey(run.corpus),
        advice=run.plan,
        passes=passes,
        base=base,
        forecast=_forecast(run),
    )


def _forecast(run: "NewRun") -> "Forecast | None":
    """The loss that a run should reach; none if the user chose the network, or continues a run."""
    from charrnn.training.forecast import forecast
    from charrnn.training.plan import PLANNED

    speed = run.plan.speed
    if run.base is not None or speed is None or not set(PLANNED) <= set(run.automatic):
        return None
    if not len(run.corpus.val):
        return None
    return forecast(run.config, run.corpus, speed)


def _as_dict(planned: Planned) -> dict[str, Any]:
    """The plan as ``--json`` prints it."""
    yardstick = planned.corpus.yardstick
    knobs = planned.config.flat()
    del knobs["name"]
    del knobs["runs_dir"]
    expected = planned.advice.expected
    interval = None
    outlook: dict[float, float] = {}
    if planned.forecast is not None:
        expected = planned.forecast.expected
        interval = [planned.forecast.low, planned.forecast.high]
        outlook = planned.forecast.outlook
    return {
        "corpus": planned.survey,
        "yardstick": yardstick.nats_per_character if yardstick else None,
        "advice": {
            "expected": expected,
            "interval": interval,
            "outlook": outlook,
            "of_new_model": planned.advice.of_new_model,
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
        yield f"baseline: counting which characters follow which gives a loss of {loss}"
    if planned.base:
        yield f"from: {planned.base}"
    yield f"network: {_network(planned)}"
    for reason in advice.reasons:
        yield f"why: {reason}"
    yield f"training: {_training(planned)}"
    yield f"length: {_length(planned)}"
    yield f"memory: about {advice.memory / 1e6:,.0f} MB"
    if planned.forecast is not None:
        yield from _forecast_lines(planned.forecast)
    if advice.expected is not None:
        loss = _rough_loss(advice.expected)
        yield f"expected: validation loss of about {loss}; lower is better"
    if advice.of_new_model is not None:
        loss = _rough_loss(advice.of_new_model)
        line = f"without --from: a new model would reach about {loss} in the same time"
        if advice.expected == advice.of_new_model:
            line += "; this text is long enough for one"
        yield line


def _forecast_lines(forecast: "Forecast") -> Iterator[str]:
    """The loss to expect, and after other lengths."""
    loss = _rough_loss(forecast.expected)
    interval = f"{forecast.low:.2f} to {forecast.high:.2f}"
    yield f"expected: validation loss of about {loss}, most likely {interval}; lower is better"
    outlook = _outlook(forecast.outlook)
    if outlook:
        yield f"other lengths: {outlook}"


def _outlook(losses: dict[float, float]) -> str:
    """The losses after some numbers of minutes, as long as they fall; empty if they never do."""
    parts: list[str] = []
    lowest = ""
    for minutes, nats in losses.items():
        loss = f"{nats:.2f}"
        if loss == lowest:
            break
        lowest = loss
        unit = " minutes" if not parts else ""
        parts.append(f"{loss} after {minutes:g}{unit}")
    if len(parts) < 2:
        return ""
    if len(parts) < len(losses):
        return f"{', '.join(parts)}; longer does not help"
    return ", ".join(parts)


def _rough_loss(nats: float) -> str:
    return f"{nats:.2f} ({nats / math.log(2):.2f} bits per character)"


def _text(survey: dict[str, Any]) -> str:
    """The size of the text, and how much of it repeats, unless that is less than 1%."""
    kinds = f"{survey['symbols']:,} different ones"
    if survey["rare"]:
        kinds += f", {survey['rare']:,} of which occur fewer than 10 times"
    size = f"{survey['characters']:,} characters ({kinds})"
    lines = "lines of 20 or more characters"
    if "records" in survey:
        size += f" in {survey['records']:,} records"
        lines = "records"
    part = "it"
    if survey["surveyed"] < survey["characters"]:
        part = f"its first {survey['surveyed']:,} characters"
    if survey["repeated"] < MIN_REPEATED:
        return size
    return f"{size}; {survey['repeated']:.1%} of {part} consists of repeated {lines}"


def _network(planned: Planned) -> str:
    model = planned.config.model
    return (
        f"{network_in_words(model.cell, model.num_layers, model.hidden_size)}, "
        f"dropout {model.dropout:g}, copy window {spelled(model.copy_window)}, "
        f"counts {spelled(model.counts)}"
    )


def _training(planned: Planned) -> str:
    train = planned.config.train
    batches = f"{train.batch_size} x {train.sequence_length} characters"
    if "records" in planned.survey:
        batches = f"{train.batch_size} records"
    return f"batches of {batches}, {train.precision} on {train.device}"


def _length(planned: Planned) -> str:
    from charrnn.training.resolve import passes_in_words

    train = planned.config.train
    unit = "step" if train.steps == 1 else "steps"
    length = f"{train.steps:,} {unit}, {passes_in_words(planned.passes)}"
    validates = train.eval_every is not None and len(planned.corpus.val) > 0
    if validates and train.patience is not None:
        length += "; ends early if the validation loss stops improving"
    return length


def _train_line(ctx: click.Context, corpus: tuple[str, ...], config: str | None) -> str:
    """How to train the planned run: a command with the given flags, which can be pasted."""
    flags = _given_flags(ctx, config)
    if not is_long(corpus):
        return f"train it with: {command(['train'], corpus, flags)}"
    pattern = wildcard(corpus)
    if pattern is not None:
        return f"train it with: charrnn train {pattern} {shlex.join(flags)}".rstrip()
    first = command(["train"], [corpus[0], "..."], flags)
    return f"train it with the other {len(corpus) - 1:,} paths in place of the dots: {first}"


def _given_flags(ctx: click.Context, config: str | None) -> list[str]:
    """The options of train that were set, on the command line or in the environment."""
    names = given_names(ctx)
    flags: list[str] = []
    for name, knob in run_knobs().items():
        if name in names:
            flags += option(knob.flag, ctx.params[name])
    if ctx.params["example"]:
        flags += option("--example", ctx.params["example"])
    if ctx.params["records"]:
        flags.append("--records")
    if config:
        flags += option("--config", config)
    return flags
