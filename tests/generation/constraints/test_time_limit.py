"""Compiling constraints stops when its time is up."""

import pytest

from charrnn.errors import ConfigError
from charrnn.generation.constraints.compiled_form import Form
from charrnn.generation.constraints.forms import All, Contains, Length, Match
from charrnn.generation.constraints.time_limit import time_limit
from charrnn.vocab import Vocabulary

VOCABULARY = Vocabulary("char", "abc")


@pytest.mark.parametrize("constraint", [Match("a*b{3}"), All(Contains("ab"), Contains("cc")), Length(50)])  # fmt: skip
def test_compiling_stops_when_the_time_is_up(constraint) -> None:
    with time_limit(60):
        Form(constraint, VOCABULARY, 100)
    with time_limit(-1), pytest.raises(ConfigError, match="take too long to compile"):
        Form(constraint, VOCABULARY, 100)
    Form(constraint, VOCABULARY, 100)
