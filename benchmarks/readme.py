"""Remakes the output that the README's first screen shows: runs its two commands, and puts what
they print in its place.

python benchmarks/readme.py
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe

ROOT = Path(__file__).parent.parent
MARKS = re.compile(r"(<!-- made by benchmarks/readme.py -->\n).*?(<!-- end -->)", re.DOTALL)


def run(words: list[str], cwd: str) -> tuple[str, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "charrnn", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout, ran.stderr


def main() -> None:
    page = ROOT / "README.md"
    text = page.read_text(encoding="utf-8")
    block = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert block
    train, sample = (
        shlex.split(part)[1:] for part in block[1].replace("\\\n", " ").split("&&")[2:]
    )
    with tempfile.TemporaryDirectory() as cwd:
        shutil.copytree(ROOT / "corpora", Path(cwd) / "corpora")
        begin = time.perf_counter()
        _, trained = run(train, cwd)
        middle = time.perf_counter()
        written, said = run(sample, cwd)
        end = time.perf_counter()
    lines = [line for line in trained.splitlines() if not line.startswith("  |")]
    first = next(number for number, line in enumerate(lines) if line.startswith("checkpoints/"))
    shown = "\n".join([*lines[: first + 1], "...", *lines[-4:], said.strip(), written])
    took = (
        f"{middle - begin:.0f} seconds to train and {end - middle:.2f} to write, on {describe()}."
    )
    page.write_text(
        MARKS.sub(
            lambda found: f"{found[1]}```text\n{shown.rstrip()}\n```\n\n{took}\n{found[2]}", text
        ),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
