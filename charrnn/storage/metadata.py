"""A checkpoint's metadata about its model, checked: it may come from a stranger."""

from collections.abc import Mapping
from types import NoneType
from typing import Any

from charrnn.config.run_config import DataConfig

Kinds = Mapping[str, tuple[Any, tuple[type, ...]]]  # name to default and allowed types

ABOUT: Kinds = {
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
    "unigram_loss": (None, (NoneType, int, float)),
    "minutes": (None, (NoneType, int, float)),
    "automatic": (None, (NoneType, list)),
    "from": (None, (NoneType, dict)),
}
LONGEST = 1 << 16  # characters in a record; longer ones cannot be trained on
RECORDS: Kinds = {
    "train": (None, (int,)),
    "val": (None, (int,)),
    "lengths": (None, (list,)),
}
LINEAGE: Kinds = {
    "name": (None, (str,)),
    "step": (None, (int,)),
    "sha256": (None, (str,)),
    "corpus": (None, (list,)),
    "data": (None, (dict,)),
    "val_loss": (None, (NoneType, int, float)),
    "old_val_loss": (None, (NoneType, int, float)),
}
YARDSTICK: Kinds = {
    "nats_per_character": (None, (int, float)),
    "train_characters": (None, (int,)),
    "val_characters": (None, (int,)),
}


def checked_metadata(values: Any) -> dict[str, Any]:
    """All names of ABOUT, each with its value or default; unknown names are dropped.

    Raises:
        TypeError, ConfigError: a value is of the wrong type.
    """
    if not isinstance(values, dict):
        raise TypeError("about is not an object")
    about: dict[str, Any] = {}
    for name, (default, _) in ABOUT.items():
        about[name] = values.get(name, default)
    _check_types(about, ABOUT)
    if not all(isinstance(path, str) for path in about["corpus"]):
        raise TypeError("corpus is not a list of paths")
    if not all(isinstance(name, str) for name in about["automatic"] or ()):
        raise TypeError("automatic is not a list of names")
    if about["yardstick"] is not None:
        _check_types(about["yardstick"], YARDSTICK)
    if about["from"] is not None:
        _check_types(about["from"], LINEAGE)
        if not all(isinstance(path, str) for path in about["from"]["corpus"]):
            raise TypeError("corpus is not a list of paths")
        DataConfig(**about["from"]["data"])
    if about["records"] is not None:
        _check_types(about["records"], RECORDS)
        _check_lengths(about["records"]["lengths"])
    separator = DataConfig(**about["data"]).separator or ""
    separator.encode()  # refuses half a surrogate pair
    return about


def _check_lengths(lengths: list[Any]) -> None:
    possible = [type(length) is int and 0 <= length <= LONGEST for length in lengths]
    if len(lengths) != 5 or not all(possible):
        raise TypeError(f"lengths must be five numbers from 0 to {LONGEST:,}")


def _check_types(values: Mapping[str, Any], kinds: Kinds) -> None:
    wrong = []
    for name in kinds.keys() | values.keys():
        if name not in kinds or type(values.get(name)) not in kinds[name][1]:
            wrong.append(name)
    if wrong:
        raise TypeError(f"{min(wrong)} is unknown, missing or of the wrong type")
