"""Regenerate docs/sampling.md, the guide to sampling settings, with real output.

    python benchmarks/steering.py

All texts on the page are written by two models, trained for two minutes each on the plays and the
place names in corpora/.
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
HEAD = """# Sampling settings

Every output on this page was printed by the command above it, and inserted by `python benchmarks/steering.py`. It uses two models, trained
for two minutes each on [plays.txt and places.txt](../corpora/README.md). Unless a command says otherwise, the prompt is `OSWIN:` and a
newline, the seed is 7 and the length is 160 (`--prompt-file prompt.txt --seed 7 --length 160`), so that the outputs differ only by the
setting shown.

The settings are applied in this order: bias and ban, `--dry`, processors, temperature, top-k, top-p, min-p. They can be combined, and work
for both text and records.
"""
PAGE = [
    ("## Defaults", "The default temperature is 0.8; all other settings are off.", ["sample plays"]),
    (
        "## Temperature, top-k, top-p and min-p",
        "A temperature below 1 makes likely characters even likelier: the text is safe, and soon dull. Above 1 it becomes wild. It helps "
        "to remove unlikely characters: `--top-k` keeps a fixed number of the likeliest characters, `--top-p` keeps the likeliest ones "
        "whose probabilities add up to a value, and `--min-p` keeps those that are not much less likely than the likeliest one.",
        [
            "sample plays --temperature 0.3",
            "sample plays --temperature 1.3",
            "sample plays --temperature 1.3 --top-k 5",
            "sample plays --temperature 1.3 --top-p 0.8",
            "sample plays --temperature 1.3 --min-p 0.1",
        ],
    ),
    (
        "## Avoid repetition",
        "At a low temperature, a model goes in circles. Penalties on single symbols do not help here, since every text repeats its "
        "characters. `--dry` penalizes long repetitions instead (p-e-w 2024): if the last n characters, at least `--dry-length` (16), "
        "occurred earlier in the prompt or the text, the character that followed there loses `dry * dry-base ** (n - dry-length)` nats.",
        ["sample plays --temperature 0.1 --length 400", "sample plays --temperature 0.1 --length 400 --dry 1 --dry-length 8"],
    ),
    (
        "## Favor or forbid characters",
        "`--bias 'CHARS=X'` makes each of these characters likelier (X above 0) or less likely (X below 0). It adds X nats to each: 0.69 "
        "doubles the odds of a character, -0.69 halves them. `--ban` removes characters completely. In Python these are `bias={'!': 3}` "
        "and `ban='eE'`.",
        ["sample plays --bias '!?=3'", "sample plays --ban eE"],
    ),
    (
        "## Prompts and several texts",
        "In `--prompt`, a backslash is a backslash, unless `--escapes` is given, or `-e` for short: then `\\n` is a newline, `\\t` a tab, `\\r` a "
        "return\nand `\\\\` a backslash, as always in `--stop`, `--until`, `--bias`, `--ban`, `--contains` and `--without`. "
        "`CHARRNN_SAMPLE_ESCAPES=1` makes it\nthe default. `--prompt-file` is read byte for byte.\n\n"
        '```sh\ncharrnn sample plays -e --prompt "OSWIN:\\n"\n```\n\n'
        "`--num-samples N` writes N texts, each with a seed one higher than the one before. Between two of them is a line of 40 dashes, in a "
        "terminal,\na pipe and a file of `--output` alike. For programs there is `--json`: one object per line, without dividers. Records are "
        "one per line,\nor followed by the separator of their corpus.\n\n"
        "```sh\ncharrnn sample plays --num-samples 3 --seed 7\n```",
        [],
    ),
    (
        "## Where the text ends",
        "`--length` is the number of characters to generate. `--until` continues after it to the end of a sentence, a line or a "
        "paragraph, or to a string of your own. `--stop` ends the text before a string, if the string comes within the length.",
        ["sample plays --length 40", "sample plays --length 40 --until sentence", "sample plays --length 40 --until line",
         "sample plays --stop ,"],
    ),
    (
        "## Best of several",
        "`--best-of N` writes N drafts and shows the one with the highest log-probability per character, which is smoother and less "
        "surprising.",
        ["sample plays --temperature 1.1", "sample plays --temperature 1.1 --best-of 20"],
    ),
    (
        "## Continue a story tomorrow",
        "`--save-state` saves the state of a story in a file of a few kilobytes: the network's state, the last characters that it has "
        "read, the state of the random numbers, and the settings. `--load-state` continues the story exactly as if it had not stopped. "
        "A `--prompt` is then appended to what was shown. A story that an earlier version of charrnn saved can be continued too; a "
        "setting that it lacks has its default.",
        [
            "sample plays --length 60 --save-state today.state",
            "sample plays --length 100 --load-state today.state --hide-prompt",
            "sample plays --length 160",
        ],
    ),
    (
        "## Records",
        "A model trained with `--records` writes whole records. `--unique`, `--new` and `--accept COMMAND` drop records that do not "
        "pass, and keep drawing until the requested number is reached. The last line says how many were drawn.",
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


def no_double_letters(ids, logits):  # a processor: the ids read so far, logits (V,) -> logits (V,)
    logits[ids[-1]] = -float("inf")
    return logits


model.generate("OSWIN:\\n", seed=7, processors=[no_double_letters])

session = model.session("OSWIN:\\n", seed=7)  # written and read in turns
print(session.write(80, until="line"))
session.feed("\\n\\nMARGIT:\\n")
print(session.write(80, until="line"))
other = session.fork(seed=8)  # two stories from here
session.undo()  # undo the last feed or write
session.save("today.state")  # tomorrow: model.load_session("today.state")

for record in charrnn.load("places").records(
    10, unique=True, new=True, accept=lambda text: len(text) < 9
):
    print(record.text, record.log_probability)
```

A processor is called once for each character, so a slow one slows down the writing. `python benchmarks/sampling.py` measures the cost of
each filter.
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
    """A command and its output; for text, the settings that the page mentions are added."""
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
