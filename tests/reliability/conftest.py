"""Counted tests: each promise of docs/reliability.md is tested many times, and the count is printed
at the end.

A test that takes ``tries`` runs twice: with a twentieth of its ``counted`` figure in every test run, and
with all of it in the campaign (``pytest -m campaign``).
"""

import math
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CAMPAIGN = pytest.mark.campaign
SHARE = 20  # of the attempts of a campaign are made by every run of the tests

Tally = Callable[[int, str], None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "tries" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("counted")
        assert mark, (
            f"{metafunc.definition.nodeid} takes tries; mark it as counted(N), the number in a campaign"
        )
        counts = {"twentieth": math.ceil(mark.args[0] / SHARE), "all": mark.args[0]}
        metafunc.parametrize(
            "tries",
            [
                pytest.param(counts["twentieth"], id="twentieth"),
                pytest.param(counts["all"], id="all", marks=CAMPAIGN),
            ],
        )
    if "tries_of" in metafunc.fixturenames:  # if only the test knows their number
        every = {
            "twentieth": lambda count: random.Random(count).sample(
                range(count), math.ceil(count / SHARE)
            ),
            "all": range,
        }
        metafunc.parametrize(
            "tries_of",
            [
                pytest.param(every["twentieth"], id="twentieth"),
                pytest.param(every["all"], id="all", marks=CAMPAIGN),
            ],
        )


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Call it with a count and its description; the sums are printed after the tests."""

    def add(count: int, what: str) -> None:
        assert count > 0
        record_property("tally", [count, what])

    return add


def pytest_terminal_summary(terminalreporter: Any) -> None:
    sums = Counter[tuple[str, str]]()
    for report in terminalreporter.getreports("passed"):
        row = Path(report.nodeid.partition("::")[0]).stem.removeprefix("test_")
        for name, value in report.user_properties:
            if name == "tally":
                count, what = value
                sums[row, what] += count
    if sums:
        terminalreporter.section("checks without a failure")
        for (row, what), count in sorted(sums.items()):
            terminalreporter.write_line(f"{row}: {count:,} {what}")
