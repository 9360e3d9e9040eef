"""charrnn info: what a model is and how well it does; without a name, the runs. Needs no
PyTorch."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from charrnn.cli.console import shown, tell
from charrnn.cli.options import runs_dir_option
from charrnn.errors import CheckpointError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.run import Run, all_runs, find_checkpoint
from charrnn.storage.verdict import verdict


@click.command(context_settings={"max_content_width": 110})
@click.argument("run", required=False)
@click.option(
    "--json",
    "as_json",
    envvar="CHARRNN_INFO_JSON",
    is_flag=True,
    help="one JSON object, or, without RUN, a list of them",
)
@runs_dir_option
def info(run: str | None, as_json: bool, runs_dir: str) -> None:
    """What RUN is, what it was trained on, and how well it does; without RUN, the list of runs.

    \b
      charrnn info
      charrnn info shakespeare --json
    """
    if run is None:
        found = [_about_or_error(each) for each in all_runs(runs_dir)]
        if as_json:
            click.echo(json.dumps(found))
        elif not found:
            tell(
                f"there is no run in {Path(runs_dir).resolve()}; train one with `charrnn train FILE`"
            )
        else:
            click.echo("\n".join(shown(_in_a_line(each)) for each in found))
        return
    about = _about(find_checkpoint(run, runs_dir))
    click.echo(json.dumps(about) if as_json else _in_full(about))


def _about(path: Path) -> dict[str, Any]:
    """What a checkpoint, and the run around it, say of themselves."""
    checkpoint = checkpoints.read(path)
    final = Run(path.parent).final() or {}
    if final.get("step") != checkpoint.about["step"]:
        final = {}
    found = verdict(Run(path.parent)) if _is_best(path) else None
    return {
        "run": path.parent.name,
        "checkpoint": str(path),
        "cell": checkpoint.model.cell,
        "num_layers": checkpoint.model.num_layers,
        "hidden_size": checkpoint.model.hidden_size,
        "embedding_size": checkpoint.model.embedding_size,
        "copy_window": checkpoint.model.copy_window,
        "dropout": checkpoint.model.dropout,
        "unit": checkpoint.vocabulary.unit,
        "vocab_size": len(checkpoint.vocabulary),
        "symbols": checkpoint.vocabulary.symbols,
        "sha256": checkpoint.sha256,
        "final_val_loss": final.get("final_val_loss"),
        **checkpoint.about,
        "verdict": asdict(found) if found else None,
        "trained_steps": max(
            (int(step.name.removeprefix("step-")) for step in Run(path.parent).steps()),
            default=checkpoint.about["step"],
        ),
    }


def _is_best(path: Path) -> bool:
    """Whether a checkpoint stands for a run; one that was copied out of it does not."""
    try:
        return path == Run(path.parent).best()
    except CheckpointError:
        return False


def _about_or_error(run: Run) -> dict[str, Any]:
    """One damaged run must not hide the others."""
    try:
        return _about(run.best())
    except CheckpointError as error:
        return {"run": run.path.name, "error": str(error)}


def _in_a_line(about: dict[str, Any]) -> str:
    if "error" in about:
        return f"{about['run']}: {about['error']}"
    return f"{about['run']}: {_size(about)}, {_steps(about)}, {_loss(about)}"


def _steps(about: dict[str, Any]) -> str:
    """How far the run has come, and where it did best."""
    return (
        f"trained {about['trained_steps']:,} of {about['steps']:,} steps, best at {about['step']:,}"
    )


def _size(about: dict[str, Any]) -> str:
    return f"{about['cell']} {about['num_layers']} x {about['hidden_size']}"


def _loss(about: dict[str, Any]) -> str:
    whole = about["final_val_loss"] is not None
    loss = about["final_val_loss"] if whole else about["val_loss"]
    if loss is None:
        return "no validation loss"
    one = about["records"] is not None
    what = (
        "held-out records"
        if one
        else "held-out text in one stream"
        if whole
        else "held-out text, over parallel lanes"
    )
    return f"{loss:.4f} nats ({loss / math.log(2):.3f} bits) per character, static, {what}"


def _in_full(about: dict[str, Any]) -> str:
    records = about["records"]
    end = " and the end of a record" if records else ""
    characters = f"{len(about['symbols'])} characters{end}: {json.dumps(about['symbols'], ensure_ascii=False)}"
    symbols = f"256 bytes{end}" if about["unit"] == "byte" else characters
    learned, held_out = (
        f" in {records[part]:,} records" if records else "" for part in ("train", "val")
    )
    source = ", ".join(about["corpus"]) or "a text"
    lines = {
        "checkpoint": about["checkpoint"],
        "model": f"{_size(about)}, embedding {about['embedding_size']}, copy window {about['copy_window'] or 'none'}, "
        f"dropout {about['dropout']:g}, {about['parameters']:,} parameters",
        "symbols": symbols,
        "corpus": f"{source}: {about['train_characters']:,} characters{learned} to learn from, "
        f"{about['val_characters']:,}{held_out} held out",
        "trained": f"{_steps(about).removeprefix('trained ')}, the text {about['epochs']:.2f} times by then, by charrnn {about['charrnn']}",
        "loss": _loss(about),
        "sha256": about["sha256"],
    }
    if about["verdict"]:
        lines["verdict"] = f"{about['verdict']['text']} Next: `{about['verdict']['command']}`"
    others = [path.name for path in Run(Path(about["checkpoint"]).parent).steps()]
    if len(others) > 1:
        lines["kept"] = ", ".join(others)
    return "\n".join(f"{name + ':':<12}{shown(value)}" for name, value in lines.items())
