"""Calls ``charrnn`` in the process of a test; the corpus and flags of small runs."""

from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner, Result

from charrnn.cli.main import cli

# 924 characters, 831 of them for training
TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
# Everything that the plan would choose is given, so no second is spent measuring speed.
SMALL = [
    "--steps=4", "--hidden-size=8", "--num-layers=2", "--embedding-size=4", "--dropout=0.1", "--batch-size=4", "--sequence-length=20",
    "--device=cpu", "--precision=fp32", "--threads=1", "--sample-every=none", "--counts=2",
]  # fmt: skip

NAMES = [
    "ana", "ann", "anna", "bea", "ben", "bo", "cato", "dan", "dana", "eda", "ed", "ina", "nina", "noa", "otto", "tina",
]  # fmt: skip
# Enough steps to memorize the names, of which there are too few to learn how far to trust counts.
BY_HEART = [
    "--steps=150", "--hidden-size=16", "--num-layers=1", "--dropout=0", "--embedding-size=8", "--learning-rate=0.02", "--batch-size=8",
    "--device=cpu", "--precision=fp32", "--threads=1", "--sample-every=none", "--eval-every=none", "--save-every=none",
    "--counts=none",
]  # fmt: skip


def call(*args: str, **settings: Any) -> Result:
    """Run ``charrnn ARGS``; the settings are those of ``CliRunner.invoke``."""
    return CliRunner().invoke(cli, args, prog_name="charrnn", **settings)


class Trained(NamedTuple):
    """The working directory of a trained run, and the result of its command."""

    where: Path
    result: Result
