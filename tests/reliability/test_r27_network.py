"""R27: training and writing use no network."""

import sys
from pathlib import Path
from typing import Any

from tests.reliability.saving import ended, forked

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 10
SMALL = ("--steps", "3", "--hidden-size", "4", "--num-layers", "1", "--embedding-size", "2", "--threads", "1")
QUIET = 0


def run(*words: str) -> None:
    """A command in this process; whatever touches a socket or starts a process ends it with 7."""
    import os

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "urllib.")):
            os.write(2, f"{event} {args!r}\n".encode())
            os._exit(7)

    sys.addaudithook(watch)
    from charrnn.cli.main import cli

    cli(words, prog_name="charrnn")


def test_no_command_touches_a_socket(here: Path, tally: Any) -> None:
    Path("text.txt").write_text(TEXT)
    commands = (
        ("train", "text.txt", *SMALL),
        ("train", "--resume", "--name", "text", "--steps", "5"),
        ("sample", "text", "-n", "20"),
        ("sample", "text", "-n", "20", "--adapt-to", "text.txt"),
        ("evaluate", "text", "text.txt"),
        ("info", "text"),
        ("plan", "text.txt", "--steps", "3"),
    )
    for words in commands:
        assert ended(forked(lambda words=words: run(*words))) == QUIET, words
    tally(len(commands), "commands that touched no socket")
