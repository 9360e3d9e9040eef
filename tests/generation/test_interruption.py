"""Long computations end when their time is up, or when they are no longer needed."""

import pytest

from charrnn.errors import ConfigError
from charrnn.generation.constraints.compiled_form import Form
from charrnn.generation.constraints.forms import All, Contains, Length, Match
from charrnn.generation.interruption import interrupted_by, time_to_compile
from charrnn.vocab import Vocabulary
from tests.serve.conftest import make_model

VOCABULARY = Vocabulary("char", "abc")


@pytest.mark.parametrize("constraint", [Match("a*b{3}"), All(Contains("ab"), Contains("cc")), Length(50)])  # fmt: skip
def test_compiling_stops_when_the_time_is_up(constraint) -> None:
    with time_to_compile(60):
        Form(constraint, VOCABULARY, 100)
    with time_to_compile(-1), pytest.raises(ConfigError, match="take too long to compile"):
        Form(constraint, VOCABULARY, 100)
    Form(constraint, VOCABULARY, 100)


class EnoughError(Exception):
    pass


def enough() -> None:
    raise EnoughError


@pytest.mark.parametrize("sampling", [{}, {"constraint": Match("[ab]*")}])
def test_records_end_when_they_are_not_needed(sampling) -> None:
    records = make_model("abc", records=True).records(3, seed=1, **sampling)
    next(records)
    with interrupted_by(enough), pytest.raises(EnoughError):
        next(records)


def test_a_constrained_text_ends_when_it_is_not_needed() -> None:
    stream = make_model().stream(length=500, seed=1, constraint=Contains("abc"), particles=1)
    next(stream)
    with interrupted_by(enough), pytest.raises(EnoughError):
        list(stream)


def test_both_of_two_checks_are_made() -> None:
    calls = []
    with (
        interrupted_by(lambda: calls.append("outer")),
        interrupted_by(lambda: calls.append("inner")),
    ):
        Form(Length(5), VOCABULARY, 10)
    assert calls[:2] == ["outer", "inner"]
