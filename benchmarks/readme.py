"""Regenerates the output on the README's first screen.

    python benchmarks/readme.py

Runs the two commands above the marker, and inserts between the markers the last lines that training
prints, the generated text, and the time that both took. Then prints how many words of longer samples
are words of the corpus.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from machine import describe

ROOT = Path(__file__).parent.parent
BEGIN = "<!-- made by benchmarks/readme.py -->\n"
END = "<!-- end -->"
# The last lines of training: the result, the verdict, and the command to generate text.
LAST_LINES = 3
COLUMNS = 100  # longer lines are wrapped, as in a terminal
# Samples whose words are counted.
NUM_SAMPLES = 5
LONG_SAMPLE = ["sample", "fables", "--temperature", "0.7", "--length", "2000", "--json"]


def commands(page: str) -> list[list[str]]:
    """The arguments of the ``charrnn`` commands above the marker."""
    shown = page[: page.index(BEGIN)]
    return [shlex.split(words) for words in re.findall(r"&& charrnn ([^&\n\\]+)", shown)]


def run(arguments: list[str], cwd: str) -> tuple[str, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "charrnn", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout, ran.stderr


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z']+", text.lower())


def known_words(cwd: str) -> str:
    """How many words of some samples are words of the fables."""
    known = set(words((ROOT / "corpora/fables.txt").read_text(encoding="utf-8")))
    found = []
    for seed in range(1, NUM_SAMPLES + 1):
        line, _ = run([*LONG_SAMPLE, "--seed", str(seed)], cwd)
        written = words(json.loads(line)["text"])[:-1]  # the last one may be cut off
        found += [word in known for word in written]
    share = sum(found) / len(found)
    return (
        f"{sum(found):,} of the {len(found):,} words in {NUM_SAMPLES} samples of 2,000 characters at "
        f"temperature 0.7 are words of the fables ({share:.1%})"
    )


def main() -> None:
    page = ROOT / "README.md"
    text = page.read_text(encoding="utf-8")
    train, sample = commands(text)
    with tempfile.TemporaryDirectory() as cwd:
        begin = time.perf_counter()
        _, trained = run(train, cwd)
        middle = time.perf_counter()
        written, _ = run(sample, cwd)
        end = time.perf_counter()
        print(known_words(cwd))
    shown = [
        *(
            textwrap.fill(line, COLUMNS, break_on_hyphens=False)
            for line in trained.splitlines()[-LAST_LINES:]
        ),
        "",
        written.rstrip(),
    ]
    took = (
        f"Training took {middle - begin:.0f} seconds and writing {end - middle:.2f} seconds on "
        f"{describe()}."
    )
    block = "\n".join(["```text", *shown, "```", "", took, ""])
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    page.write_text(head + BEGIN + block + END + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
