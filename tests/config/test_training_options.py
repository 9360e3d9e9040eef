"""The typed keyword arguments of train are the knobs of a run, with their types and defaults."""

import re
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from charrnn.config.knobs import Knob
from charrnn.config.run_config import run_knobs
from charrnn.config.training_options import TrainingOptions


def allowed(hint: Any) -> set[Any]:
    """The types and literal values that a type hint allows."""
    if get_origin(hint) is Literal:
        return set(get_args(hint))
    parts = get_args(hint)
    if not parts:
        return {hint}
    return {value for part in parts for value in allowed(part)}


def expected(knob: Knob) -> set[Any]:
    """The types and literal values that a knob allows."""
    values: set[Any] = set(knob.choices) or {knob.kind}
    if knob.auto or knob.planned:
        values.add("auto")
    if knob.none:
        values.add(NoneType)
    if knob.name in ("base", "runs_dir", "val"):
        values.add(Path)
    return values


def described(knob: Knob) -> str:
    """The help of a knob as the docstring of an argument says it, with its default."""
    text = knob.help.replace("none:", "None:").replace("auto:", '"auto":')
    text = text.replace("--steps", "`steps`")
    default = repr("auto" if knob.planned else knob.default).replace("'", '"')
    return f"{text} (default {default})"


def test_the_arguments_are_the_knobs_with_their_types() -> None:
    hints = get_type_hints(TrainingOptions)
    assert list(hints) == list(run_knobs())
    for name, knob in run_knobs().items():
        assert allowed(hints[name]) == expected(knob), name


def test_every_argument_is_documented_as_its_flag_is() -> None:
    assert TrainingOptions.__doc__
    arguments = TrainingOptions.__doc__.partition("Args:\n")[2]
    parts = re.split(r"^ {8}(\w+): ", arguments, flags=re.MULTILINE)[1:]
    assert parts[::2] == list(run_knobs())
    for text, knob in zip(parts[1::2], run_knobs().values(), strict=True):
        assert " ".join(text.split()) == described(knob)
