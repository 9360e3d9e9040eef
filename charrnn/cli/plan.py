"""charrnn plan: what `charrnn train` would do with these files on this machine, and why."""

import json
import time
from typing import Any

import click
from click.core import ParameterSource

from charrnn.cli.console import tell
from charrnn.cli.options import given_for_run, knob_options, records_option, spelled
from charrnn.config.run_config import run_knobs
from charrnn.config.shell import command, option


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
@click.option(
    "--json",
    "as_json",
    envvar="CHARRNN_PLAN_JSON",
    is_flag=True,
    help="one JSON object: what was found and what is advised",
)
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
    values = given_for_run(ctx, corpus, records, config)
    from charrnn.cli.progress import in_words
    from charrnn.corpus.survey import survey
    from charrnn.training.loop import layout
    from charrnn.training.resolve import resolve

    resolved, found, advice = resolve(values, None, tell, time.monotonic())
    about = survey(found)
    if as_json:
        flat = {
            name: value
            for name, value in resolved.flat().items()
            if name not in ("name", "runs_dir")
        }
        numbers = {
            "expected": advice.expected,
            "outlook": advice.outlook,
            "memory": advice.memory,
            "reasons": advice.reasons,
        }
        nats = found.yardstick.nats_per_character if found.yardstick else None
        click.echo(
            json.dumps({"corpus": about, "yardstick": nats, "advice": numbers, "knobs": flat})
        )
        return
    model, train = resolved.model, resolved.train
    passes = (train.steps or 0) * layout(resolved, found).symbols_per_step / len(found.train)
    ends = train.patience is not None and train.eval_every is not None and len(found.val) > 0
    sooner = "; it ends sooner where the validation loss turns" if ends else ""
    where = (
        "it"
        if about["surveyed"] == about["characters"]
        else f"its first {about['surveyed']:,} characters"
    )
    in_records = f" in {about['records']:,} records" if "records" in about else ""
    kind = "records" if in_records else "lines of 20 characters or more"
    batches = (
        f"{train.batch_size} records"
        if in_records
        else f"{train.batch_size} x {train.sequence_length}"
    )
    lines = [
        f"text: {about['characters']:,} characters{in_records}, {about['symbols']} symbols ({about['rare']} of them fewer than 10 times); "
        f"{about['repeated']:.1%} of {where} are {kind} that stood there before",
        f"network: {model.cell} {model.num_layers} x {model.hidden_size}, dropout {model.dropout:g}, "
        f"copy window {spelled(model.copy_window)}; batches of {batches}, "
        f"{train.precision} on {train.device}",
        f"length: {train.steps:,} steps, {passes:.1f} passes over the text{sooner}",
        f"memory: about {advice.memory / 1e6:,.0f} MB",
    ]
    if counts := found.yardstick:
        said = f"yardstick: {in_words(counts.nats_per_character)}, by counts of {counts.train_characters:,} characters"
        lines.insert(1, said)
    if advice.expected is not None:
        lines.append(f"expected: about {advice.expected:.2f} nats per character on held-out text")
    if advice.outlook:
        lines.append(
            "outlook: "
            + ", ".join(
                f"{loss:.2f} with {minutes:g} minutes" for minutes, loss in advice.outlook.items()
            )
        )
    click.echo("\n".join(lines))
    tell(f"`{_train(ctx, corpus, config)}` does this")


def _train(ctx: click.Context, corpus: tuple[str, ...], config: str | None) -> str:
    """The command that does what was planned, with the flags that were given."""
    knobs = [
        knob
        for name, knob in run_knobs().items()
        if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
    ]
    flags = [word for knob in knobs for word in option(knob.flag, ctx.params[knob.name])]
    flags += ["--records"] if ctx.params["records"] else []
    flags += option("--config", config) if config else []
    return command(["train"], corpus, flags)
