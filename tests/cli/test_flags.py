"""What the library calls a parameter, the command line calls a flag."""

import click
import pytest

from charrnn.cli.flags import with_flags
from charrnn.cli.main import cli


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("`temperature` must be at least 0, got -1", "--temperature must be at least 0, got -1"),
        ("use `--unknown replace`", "use `--unknown replace`"),
        ("use `overwrite=True`", "use --overwrite"),  # of train
        ("use `patience=None`", "use `--patience none`"),
        ("use `separator='\\n'`", "use --records"),
        ("use `separator=';'`", "use `--separator ;`"),
        ("use `length=N`", "use `--length N`"),
        ("run `charrnn train --resume`", "run `charrnn train --resume`"),
        ("`constraint` is unknown to the command", "`constraint` is unknown to the command"),
        ("plain words", "plain words"),
    ],
)
def test_parameters_become_the_flags_of_the_command(message: str, expected: str) -> None:
    command = cli.get_command(click.Context(cli), "sample")
    assert command is not None
    with (
        click.Context(cli, info_name="charrnn") as root,
        click.Context(command, parent=root, info_name="sample"),
    ):
        assert with_flags(message) == expected


def test_an_error_is_shown_by_the_group_which_knows_the_command() -> None:
    with click.Context(cli, info_name="charrnn") as root:
        root.invoked_subcommand = "sample"
        assert with_flags("`max_copy` is too small") == "--max-copy is too small"


def test_without_a_command_nothing_changes() -> None:
    assert with_flags("`max_copy` is too small") == "`max_copy` is too small"
