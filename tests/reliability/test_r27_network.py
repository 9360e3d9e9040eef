"""R27: no command uses the network."""

import subprocess
import sys
from pathlib import Path
from typing import Any

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 10
# dropout is chosen by the plan
SMALL = [
    "--steps",
    "3",
    "--hidden-size",
    "4",
    "--num-layers",
    "1",
    "--embedding-size",
    "2",
    "--threads",
    "1",
]


def test_no_command_touches_a_socket_or_starts_a_process(
    here: Path, processes: Any, tally: Any
) -> None:
    Path("text.txt").write_text(TEXT)
    commands = (
        ["train", "text.txt", *SMALL],
        ["train", "--resume", "--name", "text", "--steps", "5"],
        ["sample", "text", "-n", "20"],
        ["sample", "text", "-n", "20", "--adapt-to", "text.txt"],
        ["sample", "text", "-n", "20", "--contains", "bell", "--max-copy", "9", "--originality"],
        ["originality", "text", "text.txt", "--html", "page.html"],
        ["originality", "text"],
        ["evaluate", "text", "text.txt"],
        ["info", "text"],
        ["plan", "text.txt", "--steps", "3"],
    )
    for words in commands:
        assert processes.run(cwd=str(here), words=words, alone=True) == {"code": 0}, (
            words,
            Path("said").read_text(),
        )
    tally(len(commands), "commands that touched no socket")


def test_the_audit_hook_detects_a_socket() -> None:
    code = "import sys, socket; from tests.worker import forbid; sys.addaudithook(forbid); socket.socket()"
    assert (
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=False,
        ).returncode
        == 77
    )
