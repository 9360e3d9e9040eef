"""What a model says of itself, held against what it may say. Knows nothing of the files that it is
said in."""

from collections.abc import Mapping
from types import NoneType
from typing import Any

from charrnn.config.run_config import DataConfig

# What stands where a model says nothing, and the types of what it may say.
ABOUT: dict[str, tuple[Any, tuple[type, ...]]] = {
    "charrnn": ("?", (str,)),
    "step": (0, (int,)),
    "steps": (0, (int,)),
    "val_loss": (None, (NoneType, int, float)),
    "parameters": (0, (int,)),
    "corpus": ([], (list,)),
    "data": ({}, (dict,)),
    "train_characters": (0, (int,)),
    "val_characters": (0, (int,)),
    "epochs": (0.0, (int, float)),
    "records": (None, (NoneType, dict)),
    "yardstick": (None, (NoneType, dict)),
}
LONGEST = 1 << 16  # characters of a record; longer ones cannot be trained on
RECORDS = {"train": (None, (int,)), "val": (None, (int,)), "lengths": (None, (list,))}
YARDSTICK = {
    "nats_per_character": (None, (int, float)),
    "train_characters": (None, (int,)),
    "val_characters": (None, (int,)),
}


def checked(said: Any) -> dict[str, Any]:
    """All of ABOUT, each a value of its kind.

    Raises:
        TypeError, ConfigError: one is not.
    """
    if not isinstance(said, dict):
        raise TypeError("about is no object")
    about = {name: said.get(name, default) for name, (default, _) in ABOUT.items()}
    _check_kinds(about, ABOUT)
    if not all(isinstance(path, str) for path in about["corpus"]):
        raise TypeError("corpus is no list of paths")
    if about["yardstick"] is not None:
        _check_kinds(about["yardstick"], YARDSTICK)
    if about["records"] is not None:
        _check_kinds(about["records"], RECORDS)
        lengths = about["records"]["lengths"]
        if len(lengths) != 5 or not all(
            type(length) is int and 0 <= length <= LONGEST for length in lengths
        ):
            raise TypeError(f"lengths are not five numbers up to {LONGEST:,}")
    (DataConfig(**about["data"]).separator or "").encode()  # refuses half a surrogate pair
    return about


def _check_kinds(values: dict[str, Any], kinds: Mapping[str, tuple[Any, tuple[type, ...]]]) -> None:
    strange = [
        name
        for name in kinds.keys() | values.keys()
        if name not in kinds or type(values.get(name)) not in kinds[name][1]
    ]
    if strange:
        raise TypeError(f"{min(strange)} is not of its kind")
