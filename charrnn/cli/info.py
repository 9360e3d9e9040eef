"""charrnn info: describe a model and its quality, or list the runs. Needs no PyTorch."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from charrnn.cli.console import format_loss, network_in_words, shown, tell
from charrnn.cli.options import json_option, quiet_option, runs_dir_option
from charrnn.errors import CheckpointError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.find_run import all_runs, find_checkpoint
from charrnn.storage.run import Run
from charrnn.storage.verdict import verdict


@click.command(context_settings={"max_content_width": 110})
@click.argument("run", required=False)
@json_option("info", "print a JSON object or, without RUN, a list of them")
@runs_dir_option
@quiet_option
def info(run: str | None, as_json: bool, runs_dir: str) -> None:
    """Describe RUN: its network, its text, and its quality. Without RUN, list all runs.

    \b
      charrnn info
      charrnn info shakespeare --json
    """
    if run is None:
        _show_runs(runs_dir, as_json)
    else:
        _show_checkpoint(find_checkpoint(run, runs_dir), as_json)


def _show_runs(runs_dir: str, as_json: bool) -> None:
    runs = [_describe_run(run) for run in all_runs(runs_dir)]
    if as_json:
        click.echo(json.dumps(runs))
    elif runs:
        click.echo("\n".join(shown(_one_line(description)) for description in runs))
    else:
        place = Path(runs_dir).resolve()
        tell(f"no runs in {place}; train one with `charrnn train FILE`")


def _show_checkpoint(path: Path, as_json: bool) -> None:
    description = _describe(path)
    if as_json:
        click.echo(json.dumps(description))
        return
    lines = _lines(description)
    steps = [step.name for step in Run(path.parent).steps()]
    if len(steps) > 1:
        lines["kept"] = ", ".join(steps)
    click.echo("\n".join(f"{name + ':':<12}{shown(value)}" for name, value in lines.items()))


def _describe_run(run: Run) -> dict[str, Any]:
    """A run's best checkpoint, or its error, so that a damaged run does not hide the others."""
    try:
        return _describe(run.best())
    except CheckpointError as error:
        return {"run": run.path.name, "error": str(error)}


def _describe(path: Path) -> dict[str, Any]:
    """The description of a checkpoint, and of the run it is in."""
    checkpoint = checkpoints.read(path)
    run = Run(path.parent)
    model = checkpoint.model
    step = checkpoint.about["step"]
    final = run.final()
    final_val_loss = None
    if final is not None and final.get("step") == step:
        final_val_loss = final.get("final_val_loss")
    judgement = verdict(run) if _is_best(path, run) else None
    return {
        "run": path.parent.name,
        "checkpoint": str(path),
        "cell": model.cell,
        "num_layers": model.num_layers,
        "hidden_size": model.hidden_size,
        "embedding_size": model.embedding_size,
        "copy_window": model.copy_window,
        "dropout": model.dropout,
        "unit": checkpoint.vocabulary.unit,
        "vocab_size": len(checkpoint.vocabulary),
        "symbols": checkpoint.vocabulary.symbols,
        "sha256": checkpoint.sha256,
        "final_val_loss": final_val_loss,
        **checkpoint.about,
        "verdict": asdict(judgement) if judgement else None,
        "trained_steps": _last_step(run, step),
    }


def _is_best(path: Path, run: Run) -> bool:
    """Whether a checkpoint is the best of its run; one copied out of its run is not."""
    try:
        return path == run.best()
    except CheckpointError:
        return False


def _last_step(run: Run, default: int) -> int:
    """The last step a run saved."""
    steps = run.steps()
    if not steps:
        return default
    return int(steps[-1].name.removeprefix("step-"))


def _one_line(description: dict[str, Any]) -> str:
    run = description["run"]
    if "error" in description:
        return f"{run}: {description['error']}"
    cell = description["cell"].upper()
    size = f"{cell} {description['num_layers']} x {description['hidden_size']}"
    return f"{run}: {size}, {_steps(description)}, {_loss(description)}"


def _lines(description: dict[str, Any]) -> dict[str, str]:
    """A checkpoint in full: a text for each heading."""
    lines = {
        "checkpoint": description["checkpoint"],
        "model": _model(description),
        "symbols": _symbols(description),
        "corpus": _corpus(description),
        "trained": f"{_steps(description)} after {description['epochs']:.2f} passes over the text, "
        f"with charrnn {description['charrnn']}",
        "loss": _loss(description),
        "sha256": description["sha256"],
    }
    judgement = description["verdict"]
    if judgement:
        lines["verdict"] = f"{judgement['text']} Next: `{judgement['command']}`"
    return lines


def _model(description: dict[str, Any]) -> str:
    copy_window = description["copy_window"] or "none"
    network = network_in_words(
        description["cell"],
        description["num_layers"],
        description["hidden_size"],
    )
    return (
        f"{network}, embedding {description['embedding_size']}, "
        f"copy window {copy_window}, dropout {description['dropout']:g}, "
        f"{description['parameters']:,} parameters"
    )


def _symbols(description: dict[str, Any]) -> str:
    end = " and the end of a record" if description["records"] else ""
    if description["unit"] == "byte":
        return f"256 bytes{end}"
    symbols = description["symbols"]
    return f"{len(symbols)} characters{end}: {json.dumps(symbols, ensure_ascii=False)}"


def _corpus(description: dict[str, Any]) -> str:
    source = ", ".join(description["corpus"]) or "a text"
    training = f"{description['train_characters']:,} characters"
    validation = f"{description['val_characters']:,}"
    records = description["records"]
    if records:
        training += f" ({records['train']:,} records)"
        validation += f" ({records['val']:,} records)"
    return f"{source}: {training} for training, {validation} for validation"


def _steps(description: dict[str, Any]) -> str:
    """How far the run is, and which step was best."""
    trained = description["trained_steps"]
    return f"step {trained:,} of {description['steps']:,}, best at step {description['step']:,}"


def _loss(description: dict[str, Any]) -> str:
    """The final validation loss, else that measured during training on part of the text."""
    loss = description["final_val_loss"]
    when = ""
    if loss is None:
        loss = description["val_loss"]
        when = " (measured during training)"
    if loss is None:
        return "no validation loss"
    return f"validation loss {format_loss(loss)}{when}"
