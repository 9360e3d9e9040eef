"""What several processes draw comes in order; their errors and their ends are reported."""

import os
from contextlib import closing
from itertools import islice
from operator import methodcaller
from pathlib import Path

import pytest

from charrnn.errors import GenerationError
from charrnn.generation.processes import THREAD_VARIABLES, drawn_in_processes
from tests.drawing import ended_by_a_signal, faulty, five_then_an_error, variables

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Let the processes, which have the same path as this one, import tests.drawing."""
    monkeypatch.syspath_prepend(ROOT)


def test_items_are_in_order_and_an_error_comes_after_the_items_before_it():
    items = drawn_in_processes(five_then_an_error, 2, 2)
    # 0 1, 4 5, 8 from the first process; 2 3, 6 7 from the other
    assert list(islice(items, 9)) == list(range(9))
    with pytest.raises(GenerationError, match=r"^part 0 ends$"):
        next(items)


def test_a_fault_in_a_process_keeps_its_traceback():
    with pytest.raises(AttributeError, match="absent") as caught:
        list(drawn_in_processes(faulty, 1, 1))
    assert "in faulty" in caught.value.__notes__[0]


def test_a_process_that_is_ended_from_outside_is_an_error():
    with pytest.raises(GenerationError, match=r"^a process that draws was ended by signal 9; "):
        list(drawn_in_processes(ended_by_a_signal, 1, 1))


def test_each_process_computes_in_one_thread_and_this_one_is_not_changed(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    assert list(drawn_in_processes(variables, 1, 1)) == ["1"] * len(THREAD_VARIABLES)
    assert "OMP_NUM_THREADS" not in os.environ
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"


def test_a_process_that_waits_ends_when_nobody_wants_more():
    with closing(drawn_in_processes(methodcaller("numbers", 1), 1, 1)) as numbers:
        assert next(numbers) == 0
