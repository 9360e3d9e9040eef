"""What a description of a run says, as text: its steps, its loss, its size."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from charrnn.cli.console import format_loss, network_in_words

UNITS = ("B", "KiB", "MiB", "GiB")
# Numbers of at least this many digits are shortened: 1234567 is "1.2M".
THOUSANDS = ("", "k", "M", "G")


def steps_in_words(description: dict[str, Any]) -> str:
    """How far a run is, and which step was best."""
    trained = description["trained_steps"]
    ended_early = trained < description["steps"] and description["final_val_loss"] is not None
    stopped = "stopped early at " if ended_early else ""
    progress = f"{stopped}step {trained:,} of {description['steps']:,}"
    return f"{progress}, best at step {description['step']:,}"


def loss_in_words(description: dict[str, Any]) -> str:
    """The final validation loss, else that measured during training on part of the text."""
    loss = description["final_val_loss"]
    when = ""
    if loss is None:
        loss = description["val_loss"]
        when = " (measured during training)"
    if loss is None:
        return "no validation loss"
    return f"validation loss {format_loss(loss)}{when}"


def lineage_in_words(description: dict[str, Any]) -> dict[str, str]:
    """The model that a run continued from, under its heading; nothing if there was none."""
    base = description["from"]
    if base is None:
        return {}
    words = f"{base['name']}, step {base['step']:,} (sha256 {base['sha256'][:12]}...)"
    if base["val_loss"] is not None:
        words += f"; before training, its loss on this text was {format_loss(base['val_loss'])}"
    return {"from": words}


def model_in_words(description: dict[str, Any]) -> str:
    """The network, with its sizes."""
    copy_window = description["copy_window"] or "none"
    network = network_in_words(
        description["cell"],
        description["num_layers"],
        description["hidden_size"],
    )
    return (
        f"{network}, embedding {description['embedding_size']}, "
        f"copy window {copy_window}, counts {description['counts'] or 'none'}, "
        f"dropout {description['dropout']:g}, "
        f"{description['parameters']:,} parameters"
    )


def symbols_in_words(description: dict[str, Any]) -> str:
    """The symbols that a model knows."""
    end = " and the end of a record" if description["records"] else ""
    if description["unit"] == "byte":
        return f"256 bytes{end}"
    symbols = description["symbols"]
    return f"{len(symbols)} characters{end}: {json.dumps(symbols, ensure_ascii=False)}"


def corpus_in_words(description: dict[str, Any]) -> str:
    """The paths of the corpus, and the sizes of its two parts."""
    source = ", ".join(description["corpus"]) or "a text"
    training = f"{description['train_characters']:,} characters"
    validation = f"{description['val_characters']:,}"
    records = description["records"]
    if records:
        training += f" ({_records(records['train'])})"
        validation += f" ({_records(records['val'])})"
    return f"{source}: {training} for training, {validation} for validation"


def _records(number: int) -> str:
    return "1 record" if number == 1 else f"{number:,} records"


def corpus_name(description: dict[str, Any]) -> str:
    """The name of the corpus's first file, and the number of the others."""
    paths = description["corpus"]
    if not paths:
        return "-"
    name = "stdin" if paths[0] == "-" else Path(paths[0]).name or paths[0]
    if len(paths) > 1:
        name += f" + {len(paths) - 1:,}"
    return name


def verdict_in_words(text: str, command: str | None) -> str:
    """The verdict on a run, with the command to run next if there is one."""
    if command is None:
        return text
    return f"{text} Next: `{command}`"


def short_verdict(description: dict[str, Any]) -> str:
    """The verdict on a run in a word or two; what is wrong with it, if it cannot be read."""
    if "error" in description:
        return str(description["problem"])
    if description["verdict"]:
        return str(description["verdict"]["kind"])
    if description["trained_steps"] < description["steps"]:
        return "unfinished"
    if not description["val_characters"]:
        return "no validation"
    return "-"


def short_number(number: int) -> str:
    """A number in at most five characters, such as 1.2M."""
    value, suffix = _scaled(number, 1000, THOUSANDS)
    return f"{value}{suffix}"


def size_in_words(num_bytes: int) -> str:
    """A number of bytes in at most seven characters, such as 1.2 MiB."""
    value, unit = _scaled(num_bytes, 1024, UNITS)
    return f"{value} {unit}"


def _scaled(number: int, factor: int, units: Sequence[str]) -> tuple[str, str]:
    """A number below a thousand, and its unit: each is ``factor`` times the one before."""
    value = float(number)
    for unit in units:
        if value < 999.5 or unit == units[-1]:
            break
        value /= factor
    digits = 1 if unit != units[0] and value < 99.95 else 0
    return f"{value:.{digits}f}", unit
