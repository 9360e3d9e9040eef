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
for two minutes each on [plays.txt and places.txt](../corpora/README.md). The commands are shortened: each was run with `--seed 7`, and those
of `plays` also with `--prompt-file prompt.txt` and `--length 160`, unless they say otherwise (`prompt.txt` contains `OSWIN:` and a newline). So the
outputs differ only by the setting shown.

The settings are applied in this order: bias and ban, `--dry`, processors, temperature, top-k, top-p, min-p. They can be combined, and work
for both text and records.
"""
PAGE = [
    ("## Defaults", "The default temperature is 0.8; all other settings are off.", ["sample plays"]),
    (
        "## Temperature, top-k, top-p and min-p",
        "A temperature below 1 makes likely characters even likelier: the text is safe, but soon dull. Above 1, it becomes wild. Then "
        "it helps to remove unlikely characters: `--top-k` keeps a fixed number of the likeliest characters, `--top-p` keeps the "
        "likeliest ones whose probabilities add up to a value, and `--min-p` keeps those that are not much less likely than the "
        "likeliest one.",
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
        "At a low temperature, a model repeats itself. Penalties on single characters do not help, since every text repeats its "
        "characters. `--dry` penalizes long repetitions instead: if the last n characters, at least `--dry-length` (16), occurred "
        "earlier in the prompt or the text, the log-probability of the character that followed there is reduced by `dry * dry-base ** "
        "(n - dry-length)`.",
        ["sample plays --temperature 0.1 --length 400", "sample plays --temperature 0.1 --length 400 --dry 1 --dry-length 8"],
    ),
    (
        "## Favour or forbid characters",
        "`--bias 'CHARS=X'` makes each of these characters likelier (X above 0) or less likely (X below 0). It adds X to the "
        "log-probability of each: 0.69 doubles the odds of a character, -0.69 halves them. `--ban` removes characters completely. In "
        "Python, these are `bias={'!': 3}` and `ban='eE'`.",
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
        "`--length` is the number of characters to generate. With `--until`, the text continues beyond it to the end of a sentence, a "
        "line or a paragraph, or to a string of your own. With `--stop`, it ends before a string, if the string comes within the "
        "length.",
        ["sample plays --length 40", "sample plays --length 40 --until sentence", "sample plays --length 40 --until line",
         "sample plays --stop ,"],
    ),
    (
        "## Best of several",
        "`--best-of N` writes N drafts and shows the one that the model finds most likely (by the log-probability per character). It is "
        "usually smoother and more predictable.",
        ["sample plays --temperature 1.1", "sample plays --temperature 1.1 --best-of 20"],
    ),
    (
        "## Continue a story tomorrow",
        "`--save-state` saves a story in a file of a few kilobytes: the state of the network, the last characters that it has read, the "
        "state of the random numbers, and the settings. `--load-state` continues the story exactly as if it had not stopped, and prints "
        "only the new text. A `--prompt` is added to the end of the story first. A story that an earlier version of charrnn saved can be "
        "continued too; a setting that it lacks has its default.",
        [
            "sample plays --length 60 --save-state today.state",
            "sample plays --length 100 --load-state today.state",
            "sample plays --length 160",
        ],
    ),
    (
        "## Records",
        "A model trained with `--records` writes whole records. `--unique` drops duplicates, `--new` drops those that are in the "
        "corpus, and `--accept COMMAND` those for which a shell command fails; others are drawn until there are as many as requested. "
        "If some were dropped, the last line says how many.",
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


def no_double_letters(ids, logits):  # a processor; ids: all so far; logits: (V,)
    logits[ids[-1]] = -float("inf")
    return logits


model.generate("OSWIN:\\n", seed=7, processors=[no_double_letters])

session = model.session("OSWIN:\\n", seed=7)  # take turns with the model
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

A processor is called for each character, so a slow one makes writing slow. `python benchmarks/sampling.py` measures the cost of
each filter.
"""


def charrnn(words: str, cwd: str) -> str:
    """The standard output and standard error of a command, interleaved as printed."""
    ran = subprocess.run(
        [sys.executable, "-m", "charrnn", *shlex.split(words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return ran.stdout


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
    page = "\n".join([*parts, TAIL, f"Machine: {describe()}.\n"])
    (ROOT / "docs/sampling.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
