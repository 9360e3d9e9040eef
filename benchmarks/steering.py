"""Remakes docs/sampling.md: what each way of steering the sampler does to the same seed, with real
output.

    python benchmarks/steering.py

A model of plays and one of place names (corpora/), each trained for two minutes, write everything
that the page shows.
"""

import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import describe

ROOT = Path(__file__).parent.parent
TRAINED = ["train corpora/plays.txt --minutes 2", "train corpora/places.txt --records --minutes 2"]
HEAD = """# Steering what is written

Every output on this page was printed by the command above it, and put here by `python benchmarks/steering.py`: a model of
[corpora/plays.txt](../corpora/README.md) and one of the places beside it, each trained for two minutes. The prompt is `OSWIN:` and a
newline, from a file, the seed 7 and the length 160 wherever nothing else is said (`--prompt-file prompt.txt --seed 7 --length 160`), so
that what differs is the setting alone.

The settings are applied in this order: bias and ban, `--dry`, processors, temperature, top-k, top-p, min-p. All of them can be given
together, to text and to records alike.
"""
PAGE = [
    ("## As it comes", "Temperature 0.8, nothing else.", ["sample plays"]),
    (
        "## Temperature, and what is cut off",
        "Below 1 the likely becomes likelier: safe, and soon dull. Above 1 it becomes wild; there a cut helps, which removes what is "
        "unlikely and leaves the rest alone. `--top-k` keeps a number of characters, `--top-p` as many as have a probability together, "
        "`--min-p` those that are not much less likely than the likeliest.",
        [
            "sample plays --temperature 0.3",
            "sample plays --temperature 1.3",
            "sample plays --temperature 1.3 --top-k 5",
            "sample plays --temperature 1.3 --top-p 0.8",
            "sample plays --temperature 1.3 --min-p 0.1",
        ],
    ),
    (
        "## Do not repeat yourself",
        "A cold model goes in circles. Penalties on single words or tokens do harm to characters, which every text repeats; `--dry` is "
        "one on long spans (p-e-w 2024): where the last n characters, `--dry-length` or more (16), stood before in the prompt or the text, "
        "what followed there loses `dry * dry-base ** (n - dry-length)` nats.",
        ["sample plays --temperature 0.1 --length 400", "sample plays --temperature 0.1 --length 400 --dry 1 --dry-length 8"],
    ),
    (
        "## Favour, hinder, forbid",
        "`--bias 'CHARS=X'` adds X nats to each of some characters: 0.69 doubles the odds of one, -0.69 halves them. `--ban` removes "
        "some altogether. From Python the same are `bias={'!': 3}` and `ban='eE'`.",
        ["sample plays --bias '!?=3'", "sample plays --ban eE"],
    ),
    (
        "## Where it ends",
        "`--length` counts new characters. `--until` goes on past it to the end of a sentence, a line or a paragraph, or to a string of "
        "your own; `--stop` ends before a string, if it comes within the length.",
        ["sample plays --length 40", "sample plays --length 40 --until sentence", "sample plays --length 40 --until line",
         "sample plays --stop ,"],
    ),
    (
        "## The best of several",
        "`--best-of N` writes N and shows the one with the highest log-probability per character: smoother, and less surprising.",
        ["sample plays --temperature 1.1", "sample plays --temperature 1.1 --best-of 20"],
    ),
    (
        "## A story that goes on tomorrow",
        "`--save-state` keeps where a story stands in a file of some kilobytes: the network's state, the last characters that it has read, "
        "the random numbers, the settings. `--load-state` goes on exactly as if it had not stopped. A `--prompt` then "
        "stands right behind what was shown.",
        [
            "sample plays --length 60 --save-state today.state",
            "sample plays --length 100 --load-state today.state --hide-prompt",
            "sample plays --length 160",
        ],
    ),
    (
        "## Records",
        "A model that was trained with `--records` writes whole ones. `--unique`, `--new` and `--accept COMMAND` drop what does not "
        "pass, and draw on until there are as many as were asked for; the report says how many it took.",
        [
            "sample places --num-samples 6",
            "sample places --num-samples 6 --temperature 0.3 --unique --new",
            "sample places --num-samples 6 --accept 'grep -q wick' --report",
            "sample places --num-samples 6 --prompt Little",
        ],
    ),
]  # fmt: skip
TAIL = """## From Python

```python
import charrnn

model = charrnn.load("plays")
model.generate("OSWIN:\\n", length=160, until="sentence", seed=7, dry=1.0, bias={"!": 1.5}, ban="eE")


def no_double_letters(ids, logits):  # a processor: ids that were read, logits (V,) -> logits (V,)
    logits[ids[-1]] = -float("inf")
    return logits


model.generate("OSWIN:\\n", seed=7, processors=[no_double_letters])

session = model.session("OSWIN:\\n", seed=7)  # written and read in turns
print(session.write(80, until="line"))
session.feed("\\n\\nMARGIT:\\n")
print(session.write(80, until="line"))
other = session.fork(seed=8)  # two stories from here
session.undo()  # the last feed or write is taken back
session.save("today.state")  # and tomorrow: model.load_session("today.state")

for record in charrnn.load("places").records(10, unique=True, new=True, accept=lambda text: len(text) < 9):
    print(record.text, record.log_probability)
```

A processor is called for each character and slows the writing by what it takes; `python benchmarks/sampling.py` prints what each filter
costs.
"""


def charrnn(words: str, cwd: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "charrnn", *shlex.split(words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout + ran.stderr


def block(command: str, cwd: str) -> str:
    """A command as it is shown, and what it prints; the settings that the page names are added for
    text."""
    words = command
    if command.startswith("sample plays"):
        words += " --prompt-file prompt.txt" if "--load-state" not in command else ""
        words += "" if "--seed" in command or "--load-state" in command else " --seed 7"
        words += "" if "--length" in command else " --length 160"
    else:
        words += " --seed 7"
    printed = charrnn(words, cwd)
    return f"```console\n$ charrnn {command}\n{printed.rstrip()}\n```\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as cwd:
        shutil.copytree(ROOT / "corpora", Path(cwd) / "corpora")
        (Path(cwd) / "prompt.txt").write_text("OSWIN:\n")
        for words in TRAINED:
            charrnn(words, cwd)
        parts = [HEAD]
        for heading, prose, commands in PAGE:
            parts += [f"{heading}\n\n{prose}\n", *(block(command, cwd) for command in commands)]
    page = "\n".join([*parts, TAIL, f"Made on {describe()}.\n"])
    (ROOT / "docs/sampling.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
