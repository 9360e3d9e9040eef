"""The typed keyword arguments of a text are those that it takes, with their types and defaults."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

from charrnn.config.knobs import Knob, knobs
from charrnn.generation.form_options import NAMES as FORM_NAMES
from charrnn.generation.form_options import FormOptions
from charrnn.generation.sampling import Processor, Sampler
from charrnn.generation.sampling_options import SamplingOptions, SessionOptions
from charrnn.generation.settings import NAMES as SAMPLER_NAMES

SESSION = get_type_hints(SessionOptions)
ALL = get_type_hints(SamplingOptions)


def documented(options: type) -> dict[str, str]:
    """The description of each argument in a docstring."""
    assert options.__doc__
    arguments = options.__doc__.partition("Args:\n")[2]
    parts = re.split(r"^ {8}(\w+): ", arguments, flags=re.MULTILINE)[1:]
    texts = [" ".join(text.split()) for text in parts[1::2]]
    return dict(zip(parts[::2], texts, strict=True))


def described(knob: Knob) -> str:
    """The help of a knob as the docstring of an argument says it, with its default."""
    return f"{knob.help.replace('dry-length', '`dry_length`')} (default {knob.default!r})"


def test_the_names_are_those_that_a_text_takes() -> None:
    assert set(SESSION) == set(SAMPLER_NAMES)
    assert set(ALL) == {*SAMPLER_NAMES, *FORM_NAMES}
    assert {field.name for field in fields(FormOptions)} == set(FORM_NAMES)


def test_the_types_are_those_of_the_sampler_and_the_forms() -> None:
    in_characters: dict[str, Any] = {
        "bias": Mapping[str, float],
        "ban": str,
        "processors": Sequence[Processor],
    }
    hints = get_type_hints(Sampler)
    assert {name: hints[name] for name in knobs(Sampler)} | in_characters == SESSION
    assert SESSION | get_type_hints(FormOptions) == ALL


def test_every_argument_is_documented_as_its_flag_is() -> None:
    texts = documented(SessionOptions)
    assert set(texts) == set(SESSION)
    assert {*texts, *documented(SamplingOptions)} == set(ALL)
    for name, knob in knobs(Sampler).items():
        assert texts[name] == described(knob)
