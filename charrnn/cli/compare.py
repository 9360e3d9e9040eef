"""The comparison of runs that ``charrnn info A B`` shows: what differs, and which is better."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from charrnn.cli.console import shown
from charrnn.cli.descriptions import short_verdict, size_in_words
from charrnn.cli.options import spelled
from charrnn.cli.run_list import local_date
from charrnn.cli.table import table
from charrnn.config.escapes import escaped
from charrnn.config.knobs import Knob, knobs
from charrnn.config.run_config import ModelConfig, run_knobs

Description = dict[str, Any]

# Losses in nats per character that differ by less are called equal.
NEGLIGIBLE = 0.0005
# Said of the losses if the final ones are of parts of different lengths.
DURING_TRAINING = " during training, measured on the same characters,"
SHORTEST_CELL = 12  # columns of the terminal that a run keeps if the table is cut
# The figures that are shown if they differ.
FIGURES: dict[str, Callable[[Description], str]] = {
    "verdict": short_verdict,
    "corpus": lambda run: ", ".join(run["corpus"]) or "a text",
    "training characters": lambda run: f"{run['train_characters']:,}",
    "validation characters": lambda run: f"{run['val_characters']:,}",
    "distinct symbols": lambda run: f"{run['vocab_size']:,}",
    "parameters": lambda run: f"{run['parameters']:,}",
    "steps": lambda run: f"{run['trained_steps']:,} of {run['steps']:,}",
    "best step": lambda run: f"{run['step']:,}",
    "passes over the text": lambda run: f"{run['epochs']:.2f}",
    "last saved": lambda run: local_date(run["saved"]),
    "disk use": lambda run: size_in_words(run["disk_bytes"]),
    "charrnn": lambda run: str(run["charrnn"]),
}
# Knobs that say where a run is, or that a figure shows already.
LEFT_OUT = {"name", "runs_dir", "corpus", "steps"}
# What runs on the same corpus, read and split in the same way, agree in.
OF_THE_CORPUS = ("symbols", "records", "train_characters", "val_characters", "corpus", "data")
# What runs on the same text agree in. The yardstick, the loss of a count-based model, depends on
# every character.
OF_THE_TEXT = ("symbols", "records", "train_characters", "val_characters", "yardstick")


def comparison(
    names: Sequence[str],
    runs: Sequence[Description],
    configurations: Sequence[dict[str, Any]],
    width: int | None,
) -> list[str]:
    """A table with a column for each run, an empty line, and a sentence on which is better.

    Args:
        names: of the runs.
        runs: their descriptions.
        configurations: the knobs in each run's config.yaml; empty without one.
        width: of the terminal; None cuts nothing.
    """
    key = _comparable_loss(runs)
    losses = [run[key] for run in runs]
    rows = [
        ["", *names],
        ["validation loss", *map(_in_nats, losses)],
        ["bits per character", *map(_in_bits, losses)],
        *_different_figures(runs),
        *_different_knobs(runs, configurations),
    ]
    rows = [[shown(cell) for cell in row] for row in rows]
    shortest = dict.fromkeys(range(1, len(names) + 1), SHORTEST_CELL)
    lines = table(rows, shortest=shortest, width=width)
    return [*lines, "", shown(_judgement(names, runs, losses))]


def _comparable_loss(runs: Sequence[Description]) -> str:
    """The loss to compare: the final one, or that during training if a run has no final one.

    Also that during training if the final ones are of parts of different lengths.
    """
    if _are_of_different_lengths(runs):
        return "val_loss"
    if all(run["final_val_loss"] is not None for run in runs if run["val_loss"] is not None):
        return "final_val_loss"
    return "val_loss"


def _are_of_different_lengths(runs: Sequence[Description]) -> bool:
    """Whether the final losses of runs on the same corpus are of parts of different lengths.

    The validation part is cut for them to a length that depends on the run's minutes. The losses
    during training are measured on the same characters, if each run has one.
    """
    validated = [
        run for run in runs if run["val_loss"] is not None or run["final_val_loss"] is not None
    ]
    if any(run["val_loss"] is None or run["yardstick"] is None for run in validated):
        return False
    lengths = {run["yardstick"]["val_characters"] for run in validated}
    return len(lengths) > 1 and _agree(validated, OF_THE_CORPUS)


def _agree(runs: Sequence[Description], keys: Sequence[str]) -> bool:
    return all(run[key] == runs[0][key] for run in runs for key in keys)


def _in_nats(loss: float | None) -> str:
    return "none" if loss is None else f"{loss:.4f}"


def _in_bits(loss: float | None) -> str:
    return "none" if loss is None else f"{loss / math.log(2):.3f}"


def _different_figures(runs: Sequence[Description]) -> list[list[str]]:
    """A row for each figure in which the runs differ."""
    rows = [[name, *map(figure, runs)] for name, figure in FIGURES.items()]
    return [row for row in rows if len(set(row[1:])) > 1]


def _different_knobs(
    runs: Sequence[Description],
    configurations: Sequence[dict[str, Any]],
) -> list[list[str]]:
    """A row for each knob in which the runs differ, and which is known of all of them."""
    known = [
        configuration | run["data"] | _knobs_of_network(run)
        for run, configuration in zip(runs, configurations, strict=True)
    ]
    rows = []
    for name, knob in run_knobs().items():
        if name in LEFT_OUT or not all(name in stored for stored in known):
            continue
        values = [stored[name] for stored in known]
        if any(value != values[0] for value in values):
            rows.append([name, *(_typed(knob, value) for value in values)])
    return rows


def _typed(knob: Knob, value: Any) -> str:
    """A knob's value as it is typed after its flag."""
    if knob.escaped and value is not None:
        return escaped(value)
    return spelled(value)


def _knobs_of_network(run: Description) -> dict[str, Any]:
    """The knobs that a checkpoint itself stores."""
    return {name: run[name] for name in knobs(ModelConfig)}


def _judgement(
    names: Sequence[str],
    runs: Sequence[Description],
    losses: Sequence[float | None],
) -> str:
    """Which run is better and by how much, or why that cannot be said."""
    measured = [place for place, loss in enumerate(losses) if loss is not None]
    missing = [name for name, loss in zip(names, losses, strict=True) if loss is None]
    sentences = []
    if len(measured) > 1:
        sentences.append(_better(measured, names, runs, losses))
    if missing:
        have = "has" if len(missing) == 1 else "have"
        sentences.append(
            f"{' and '.join(missing)} {have} no validation loss, so the quality is unknown."
        )
    return " ".join(sentences)


def _better(
    measured: Sequence[int],
    names: Sequence[str],
    runs: Sequence[Description],
    losses: Sequence[Any],
) -> str:
    """The sentence on the runs at these places, which have a loss."""
    compared = [runs[place] for place in measured]
    obstacle = _obstacle(compared)
    if obstacle:
        return f"{obstacle}, so their losses cannot be compared."
    which_loss = "validation loss"
    which_losses = "validation losses"
    if _are_of_different_lengths(compared):
        which_loss += DURING_TRAINING
        which_losses += DURING_TRAINING
    best, second = sorted(measured, key=losses.__getitem__)[:2]
    gain = losses[second] - losses[best]
    if gain < NEGLIGIBLE:
        return (
            f"{names[best]} and {names[second]} are equally good: "
            f"their {which_losses} differ by less than {NEGLIGIBLE}."
        )
    which = "better" if len(measured) == 2 else "the best"
    return (
        f"{names[best]} is {which}: its {which_loss} is {gain:.4f} "
        f"({gain / math.log(2):.3f} bits per character, {gain / losses[second]:.1%}) lower than "
        f"that of {names[second]}."
    )


def _obstacle(runs: Sequence[Description]) -> str | None:
    """Why the losses of runs cannot be compared; None if they can."""
    first = runs[0]
    if any(run["unit"] != first["unit"] for run in runs):
        return "These runs predict different units, bytes or characters"
    if any((run["records"] is None) != (first["records"] is None) for run in runs):
        return "Some of these runs learned records and some continuous text"
    if _agree(runs, OF_THE_TEXT) or _are_of_different_lengths(runs):
        return None
    total = first["train_characters"] + first["val_characters"]
    same_text = all(
        run["symbols"] == first["symbols"]
        and run["corpus"] == first["corpus"]
        and run["train_characters"] + run["val_characters"] == total
        for run in runs
    )
    if same_text:
        return "These runs were validated on different parts of the text"
    return "These runs were trained on different texts"
