"""FormOptions separates its settings from the others, and refuses invalid values."""

import pytest

from charrnn.errors import ConfigError
from charrnn.generation.constraints.forms import Contains
from charrnn.generation.form_options import DEFAULT_PARTICLES, FormOptions


def test_options_are_split_from_the_other_settings() -> None:
    moon = Contains("moon")
    options, rest = FormOptions.split(
        {"temperature": 1, "constraint": moon, "particles": 3, "max_copy": 20, "ban": "e"}
    )
    assert options == FormOptions(moon, 3, 20)
    assert rest == {"temperature": 1, "ban": "e"}


def test_without_form_settings_the_options_are_empty() -> None:
    options, rest = FormOptions.split({"temperature": 1, "constraint": None, "max_copy": None})
    assert not options
    assert rest == {"temperature": 1}
    assert FormOptions(max_copy=1)
    assert FormOptions(Contains("a"))


def test_a_constraint_gets_several_particles_and_a_guard_alone_one() -> None:
    assert FormOptions(Contains("a")).streams == DEFAULT_PARTICLES
    assert FormOptions(Contains("a"), 3).streams == 3
    assert FormOptions(max_copy=9).streams == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"constraint": "moon"},
            "`constraint` must be a Constraint, such as Contains('moon'), got 'moon'",
        ),
        (
            {"constraint": Contains("a"), "particles": 0},
            "`particles` must be a whole number of at least 1, got 0",
        ),
        (
            {"constraint": Contains("a"), "particles": 10**5},
            "`particles` must be at most 1,000, got 100,000",
        ),
        (
            {"constraint": Contains("a"), "particles": 2.0},
            "`particles` must be a whole number of at least 1, got 2.0",
        ),
        (
            {"particles": 4},
            "`particles` has no effect without `constraint` or `max_copy`; "
            "give one of them, or leave it out",
        ),
        ({"max_copy": 0}, "`max_copy` must be a whole number of at least 1, got 0"),
        ({"max_copy": True}, "`max_copy` must be a whole number of at least 1, got True"),
    ],
)
def test_an_invalid_value_is_an_error(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        FormOptions.split(settings)
    assert str(error.value) == message
