"""Regenerate docs/constraints.md, the guide to constraints and to copying, with real output.

    python benchmarks/forms.py

PAGE is the page. Its commands and its Python are run in one directory, and their output is inserted
below them. Six models are trained for it, on corpora/ and on four lists generated here.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from machine import describe

ROOT = Path(__file__).parent.parent
NOTES = "CDEFGABcdefgab"
VALENCES = {"C": 4, "N": 3, "O": 2, "S": 2, "F": 1, "Cl": 1}
BONDS = {1: "", 2: "=", 3: "#"}
PAGE = r"""# Constraints, and limits on copying

Every output on this page was printed by the command or the Python code above it, and inserted by `python benchmarks/forms.py`. The
models were trained for two minutes at most, so look at the form of the texts, not at their quality. Two models were trained on the texts
in [corpora/](../corpora/README.md), and four on lists that the script generates from a few rules: codes like telephone numbers, dates,
tunes in ABC notation with eight bars of six notes, and molecules in SMILES notation with correct valences and nested brackets:

```console
$ head -n 2 codes.txt dates.txt molecules.txt tunes.txt
```

The script writes these lists and then trains the models, in a temporary directory, so you do not have to type this:

```sh
charrnn train corpora/plays.txt --steps 4800 --threads 1
charrnn train corpora/places.txt --records --steps 2000 --threads 1
charrnn train codes.txt --records --steps 600 --threads 1
charrnn train dates.txt --records --steps 2000 --threads 1
charrnn train molecules.txt --records --steps 1400 --threads 1
charrnn train tunes.txt --separator '\n\n' --steps 800 --threads 1
```

## Constraints

Each of these options of `charrnn sample` adds a constraint. The output always satisfies all of them:

| option | the text |
|---|---|
| `--match REGEX` | matches the expression, from its first character to its last |
| `--contains TEXT` | contains TEXT somewhere; can be repeated |
| `--without TEXT` | does not contain this character or string; can be repeated |
| `--exact-length N` | has N characters |
| `--length-between A B` | has A to B characters |
| `--acrostic WORD` | has lines that begin with the letters of WORD, one per letter, unless `--lines` is larger |
| `--lines N` | has N lines; none is empty, unless `--line-length` allows it |
| `--line-length A B` | has A to B characters in each line |

`--particles` sets how many drafts are written to find a likely text (8 by default); see [below](#what---particles-does). Temperature and
the other [sampling settings](sampling.md) can be combined with constraints; `--until`, `--save-state` and `--load-state` cannot.

Constraints apply to the new text, not to the prompt. For a model trained on records, they apply to the whole record, including the
prompt. A model of bytes can be constrained only to ASCII text.

Where a text ends:

- With `--match`, `--lines` or `--acrostic`, it ends when it satisfies the constraints and the model would continue with a character that
  they forbid (such as a newline after the last line), or when no character may follow. It has at most `--length` characters (500 by
  default, more for many lines).
- With a lazy repetition in `--match`, such as `.*?`, it ends as soon as it matches.
- Without these options, it has exactly `--length` characters.
- `--exact-length` and `--length-between` replace `--length`. With `--length-between`, the text runs to the larger length unless something
  else ends it first.
- A record ends where the model ends it, once it satisfies the constraints.
- A `--stop` string ends the text if the text satisfies the constraints by then; otherwise the string is not written.

charrnn checks before it writes anything: a constraint that cannot be met is an error, and so is one that needs a character the model has
not seen:

```console fails
$ charrnn sample plays --acrostic MARGIT --lines 4
$ charrnn sample plays --contains '½'
```

## Regular expressions

Expressions have the same meaning as in Python's `re` module:

| | |
|---|---|
| `a` `é` `\.` `\\` | a character; a backslash makes any character literal, except an ASCII letter or digit |
| `\n` `\r` `\t` `\f` `\v` `\a` | newline, carriage return, tab, form feed, vertical tab, bell |
| `\x41` `\u00e9` `\U0001f600` `\N{EM DASH}` | a character by its hexadecimal code, or by its Unicode name |
| `\101` `\0` `\012` | a character by its octal code, which has three digits or begins with 0; `\1` and other back-references are errors |
| `.` | any character except a newline |
| `[a-z_]` `[^,;]` | any of these; any except these, including newlines; a leading `]` is literal, and `\b` is a backspace |
| `\d` `\w` `\s`, `\D` `\W` `\S` | a digit; a letter, digit or `_`; white space; any other; also inside classes |
| `\p{Lu}` `\p{L}`, `\P{Lu}` | a Unicode general category, or all that begin with L; any other; not in Python's `re` |
| `(...)` `(?:...)` <code>&#124;</code> | a group; alternatives |
| `*` `+` `?` `{3}` `{3,}` `{3,5}` | any number, at least one, at most one, three, three or more, three to five |
| `*?` `+?` `??` `{3,5}?` | the same, but the whole text ends as soon as it matches |

Back-references, look-around, anchors and word boundaries (`^` `$` `\A` `\Z` `\b` `\B`; the whole text is always matched), possessive
repetitions (`a*+`), comments, flags, and other groups are not supported.

An expression is compiled before the first character is written, in at most about two seconds and 300 MB. An expression that would need
more, such as `(.{1,100}){1,100}`, is an error; use smaller counts. So is an expression longer than 100,000 characters, or one that has
more than 20,000 parts when its counts are expanded.

## Ten examples

The shape of a sonnet: fourteen lines that begin with a capital, and a full stop at the end:

```console
$ charrnn sample plays --match '([A-Z].*\n){13}[A-Z].*\.' --line-length 30 60 --without : --length 1000 --seed 7
```

A lipogram without the letter e:

```console
$ charrnn sample plays --without e --without E --length 200 --seed 7
```

An acrostic of a name:

```console
$ charrnn sample plays --acrostic MARGIT --line-length 20 60 --seed 7
```

A haiku, at least by the lengths of its lines:

```console
$ charrnn sample plays --match '[A-Z].{11,17}\n.{20,26}\n.{12,17}\.' --without : --seed 7
```

A sentence that contains two words, with spaces around them, since `--contains` also matches parts of words:

```console
$ charrnn sample plays --match '[A-Z][^.!?\n]*[.!?]' --contains ' ferry ' --contains ' bell ' --seed 7
```

Names that begin with Q and end in -th:

```console
$ charrnn sample places --match 'Q[a-z]+th' --num-samples 4 --unique --new --seed 7
```

Codes in one of their three formats, with a 7 at the end:

```console
$ charrnn sample codes --match '\(0\d{3}\) \d{3}-\d{3}7' --num-samples 3 --seed 7
```

Dates in words, always the 31st. The constraint does not say which months have 31 days; the model has learned it more or less:

```console
$ charrnn sample dates --match '31 [A-Z][a-z]+ 19\d\d' --num-samples 4 --seed 7
```

A tune in G of two lines, each of four whole bars of six notes:

```console
$ charrnn sample tunes --match 'K:G(\n([A-Ga-g]{3} [A-Ga-g]{3}\|){4}){2}' --seed 7
```

Molecules of 20 to 30 characters in which all brackets are closed and at most two are open at a time:

```console
$ charrnn sample molecules --match '([^()]|\(([^()]|\([^()]*\))*\))*' --length-between 20 30 --num-samples 3 --seed 7
```

A regular expression cannot count open brackets, so this one spells out both levels. A constraint that you write in Python can count, up to
a fixed limit. It is a class with a start state, a method that returns the state after a character (`None` if no text may begin like this),
and a method that returns whether a text may end in a state:

```python
import charrnn
from charrnn.generation.constraints import Constraint, Length


class Balanced(Constraint):
    start = 0  # brackets that are open

    def step(self, state, char):
        state += (char == "(") - (char == ")")
        return state if 0 <= state <= 2 else None

    def accepts(self, state):
        return state == 0


for record in charrnn.load("molecules").records(3, constraint=Balanced() & Length(20, 30), seed=7):
    print(record.text)
```

## What `--particles` does

If charrnn only forbade impossible characters, the model would write freely until a constraint forced it into something that it would never
have written. So charrnn writes several drafts ("particles") at once, keeps replacing unlikely drafts with copies of likely ones, and picks
one at the end. More particles give more natural text and take more time, but less than in proportion. [Architecture](architecture.md#constrained-text)
explains the method, and [benchmarks](benchmarks.md#constraints) shows how close each number comes to ideal text.

```console
$ charrnn sample plays --contains moon --contains bell --length 100 --particles 1 --seed 7
$ charrnn sample plays --contains moon --contains bell --length 100 --particles 8 --seed 7
$ charrnn sample plays --contains moon --contains bell --length 100 --particles 32 --seed 7
```

Text appears as soon as all drafts agree on it. After 512 characters without agreement, all drafts continue from one of them. At temperature 0
there is only one draft.

## Limit copying

With `--max-copy N`, the output never repeats more than N consecutive characters of the corpus: a character that would exceed the limit is
not written. The limit applies to each text and each record separately. `--originality`, with or without a limit, reports at the end what
was copied:

```console
$ charrnn sample plays --temperature 0.5 --length 200 --originality --seed 7
$ charrnn sample plays --temperature 0.5 --length 200 --originality --max-copy 12 --seed 7
```

If every possible character would exceed the limit, charrnn takes back characters and tries others: at most 64 in a row, and at most 2,000
without getting further. It reports how many it rewrote. If that fails, a text ends with an error; a record is dropped and another one is
drawn. The same happens if a constraint leaves no choice but to copy. Neither the limit nor the constraint is ever broken:

```console fails
$ charrnn sample plays --match 'The (morning|mourning) .*\.' --max-copy 8 --seed 7
$ charrnn sample plays --match 'The morning after a gale.*' --max-copy 12 --seed 7
```

`charrnn originality` gives the same report on any file. It marks the copied passages, and writes a web page that shows where each one is
in the corpus (`--html`):

```console
$ charrnn sample plays --temperature 0.5 --length 400 --seed 7 --output written.txt
$ charrnn originality plays written.txt --min-length 14 --marked --html written.html
```

Without a file, it reports how much the corpus repeats itself, and how much of the validation part also occurs in the training part, which
makes the validation loss look better than it is:

```console
$ charrnn originality plays
```

All of this compares exact, consecutive characters. A changed word ends a passage, and paraphrases are not found. Your prompt is exempt: a
match that lies in it, or begins in it, does not count.

The first use creates an index of the corpus, both of its training and its validation part. The corpus must still be where the run read it;
if it has moved, give its new path with `--corpus`. The index contains the text of the corpus. It is in `checkpoints/RUN/originality/`, next to
the checkpoints, and not part of a model that you share. You may delete it; the next use creates it again.

## From Python

```python
import charrnn
from charrnn.generation.constraints import Acrostic, Contains, Length, Lines, Match, Without

model = charrnn.load("plays")
print(
    model.generate(
        "Once ",
        length=100,
        constraint=Contains("moon") & Without("e"),
        particles=8,
        max_copy=30,
        seed=7,
    )
)
print(
    model.generate(constraint=Acrostic("MARGIT") & Lines(6, 20, 60), seed=7)
)  # Lines sets the number
for record in charrnn.load("dates").records(
    2, constraint=Match(r"(Satur|Sun)day, .* 19\d\d") & Length(0, 20), seed=7
):
    print(record.text)
```
"""


def code(rng: random.Random) -> str:
    """A code like a telephone number, in one of three formats."""
    area, local = rng.randint(200, 999), f"{rng.randint(200, 999)}-{rng.randint(0, 9999):04}"
    return rng.choice([f"(0{area}) {local}", f"0{area} {local}", f"+49 {area} {local}"])


def day(rng: random.Random) -> str:
    """A date from 1900 to 2029, in one of three formats."""
    then = date(1900, 1, 1) + timedelta(rng.randrange(47_482))
    words = f"{then.day} {then:%B} {then.year}"
    return rng.choice([f"{then}", words, f"{then:%A}, {words}"])


def molecule(rng: random.Random, order: int = 0, depth: int = 0) -> str:
    """An atom with a bond of this order, and further atoms on its remaining bonds, all but the last
    in brackets."""
    if order == 1 and rng.random() < 0.15:
        return "c1ccccc1"
    atoms = [atom for atom, valence in VALENCES.items() if valence >= order]
    atom = rng.choices(atoms, [8 if each == "C" else 1 for each in atoms])[0]
    left, parts = VALENCES[atom] - order, list[str]()
    while left and depth < 8 and rng.random() < 0.6:
        bond = min(left, rng.choices(list(BONDS), [12, 3, 1])[0])
        parts.append(BONDS[bond] + molecule(rng, bond, depth + 1))
        left -= bond
    return atom + "".join(f"({part})" for part in parts[:-1]) + "".join(parts[-1:])


def tune(rng: random.Random) -> str:
    """Eight bars of six notes, each one or two steps from the previous one."""
    place, bars = rng.randrange(4, 10), list[str]()
    for _ in range(8):
        places = [
            place := min(len(NOTES) - 1, max(0, place + rng.choice([-2, -1, -1, 1, 1, 2])))
            for _ in range(6)
        ]
        notes = "".join(NOTES[each] for each in places)
        bars.append(f"{notes[:3]} {notes[3:]}|")
    return f"K:{rng.choice('CDGA')}\n{''.join(bars[:4])}\n{''.join(bars[4:])}"


def distinct(make: Callable[[random.Random], str], count: int, longest: int) -> list[str]:
    rng, found = random.Random(0), dict[str, None]()
    while len(found) < count:
        text = make(rng)
        if 6 <= len(text) <= longest:
            found[text] = None
    return list(found)


def write_lists(cwd: Path) -> None:
    for name, make, count, separator in (
        ("codes", code, 2000, "\n"),
        ("dates", day, 2000, "\n"),
        ("molecules", molecule, 2000, "\n"),
        ("tunes", tune, 1000, "\n\n"),
    ):
        (cwd / f"{name}.txt").write_text(
            separator.join(distinct(make, count, 100 if make is tune else 40)) + "\n",
            encoding="utf-8",
        )


def printed(words: list[str], cwd: Path, *, may_fail: bool = False) -> str:
    """The standard output and standard error of a command, interleaved as printed."""
    environment = os.environ | {"PYTHONUTF8": "1", "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        words,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env=environment,
        check=False,
    )
    if ran.returncode and not may_fail:
        raise SystemExit(f"{words[-1]}: exit code {ran.returncode}\n{ran.stdout}")
    return ran.stdout.rstrip()


def filled(block: re.Match[str], cwd: Path) -> str:
    """A block of the page with its output: commands or Python; the output of training is not
    shown."""
    kind, inside = block[1], block[2].rstrip()
    if kind == "python":
        return f"```python\n{inside}\n```\n\n```text\n{printed([sys.executable, '-c', inside], cwd)}\n```"
    shell = ["bash", "-c", f'charrnn() {{ "{sys.executable}" -m charrnn "$@"; }}; ']
    if kind == "sh":
        for line in inside.splitlines():
            printed([*shell[:2], shell[2] + line], cwd)
        return block[0]
    parts = [
        f"{line}\n{printed([*shell[:2], shell[2] + line[2:]], cwd, may_fail=kind.endswith('fails'))}"
        for line in inside.splitlines()
    ]
    return "```console\n" + "\n\n".join(parts) + "\n```"


def page(cwd: Path) -> str:
    return re.sub(
        r"```(console fails|console|python|sh)\n(.*?)```",
        lambda block: filled(block, cwd),
        PAGE,
        flags=re.DOTALL,
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        cwd = Path(directory)
        shutil.copytree(ROOT / "corpora", cwd / "corpora")
        write_lists(cwd)
        (ROOT / "docs/constraints.md").write_text(
            f"{page(cwd)}\nMachine: {describe()}.\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
