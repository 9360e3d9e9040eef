"""Remakes docs/constraints.md: what a text can be made to look like, and what it must not copy,
with real output.

    python benchmarks/forms.py

PAGE is the page. Its commands and its Python are run, in one directory, and what they print is put
below them. Six models are trained for it, on corpora/ and on four lists that are made up here.
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
PAGE = r"""# What a text must look like, and what it must not copy

Every output on this page was printed by the command or the Python above it, and put here by `python benchmarks/forms.py`. The texts
are those of models that were trained for two minutes at most: it is their form that counts here. Two read the texts of
[corpora/](../corpora/README.md), four read lists that the script makes up by a few rules: codes like telephone numbers, dates, tunes in
ABC of eight bars of six notes, and molecules in SMILES whose valences are right and whose brackets nest.

```console
$ head -n 2 codes.txt dates.txt molecules.txt tunes.txt
```

```sh
charrnn train corpora/plays.txt --steps 4800 --threads 1
charrnn train corpora/places.txt --records --steps 2000 --threads 1
charrnn train codes.txt --records --steps 600 --threads 1
charrnn train dates.txt --records --steps 2000 --threads 1
charrnn train molecules.txt --records --steps 1400 --threads 1
charrnn train tunes.txt --separator '\n\n' --steps 800 --threads 1
```

## A form

A form is what a text must look like whatever the model would rather write. Each option of `charrnn sample` adds a condition, and all
of them hold together:

| option | the text |
|---|---|
| `--match REGEX` | matches, from its first character to its last |
| `--contains TEXT` | holds this somewhere; several times |
| `--without TEXT` | holds this character or string nowhere; several times |
| `--exact-length N` | has N characters |
| `--length-between A B` | has A to B characters |
| `--acrostic WORD` | has lines that begin with the letters of WORD, and as many lines, unless `--lines` says more |
| `--lines N` | has N lines, none of them empty unless `--line-length` lets it |
| `--line-length A B` | has A to B characters in each line |

`--particles` says how hard to look for a likely text of that form (8 streams); more [below](#what---particles-does). Temperature and
the other [settings of the sampler](sampling.md) go with all of this; `--until`, `--save-state` and `--load-state` do not.

What must have the form is the new text; a prompt is only read. Of a model of records it is the whole record, the prompt counted. A model
of bytes writes forms in ASCII alone.

What ends a text:

- with `--match`, `--lines` or `--acrostic` it ends where the form lets it and the model would go on with a character that these do not
  let follow (a newline behind the last line), or where nothing can follow; at `--length` (500, more for many lines) at the latest;
- with a lazy repetition in `--match`, such as `.*?`, it ends as soon as it matches;
- without these it has `--length` characters, neither more nor fewer;
- `--exact-length` and `--length-between` take the place of `--length`; between two lengths it has the larger, if nothing else ends it;
- a record comes to its own end, where the form lets it;
- a `--stop` string ends it where the text has its form by then; elsewhere the string is not written.

What no text can do is an error before the first character, as is a character that the model has not seen:

```console fails
$ charrnn sample plays --acrostic MARGIT --lines 4
$ charrnn sample plays --contains '½'
```

## The regular expressions

They mean what they mean in Python's `re`:

| | |
|---|---|
| `a` `é` `\.` `\\` | a character; a backslash before anything but an ASCII letter or digit makes it a plain character |
| `\n` `\r` `\t` `\f` `\v` `\a` | newline, carriage return, tab, form feed, vertical tab, bell |
| `\x41` `\u00e9` `\U0001f600` `\N{EM DASH}` | a character by its hexadecimal code, or by its name in Unicode |
| `\101` `\0` `\012` | a character by its octal code, which has three digits or begins with 0; `\1` and the like are refused |
| `.` | any but a newline |
| `[a-z_]` `[^,;]` | any of these; any but these, newlines too; a `]` that comes first is a character, and `\b` is a backspace |
| `\d` `\w` `\s`, `\D` `\W` `\S` | digits, letters and digits and `_`, white space; any but these; in classes too |
| `\p{Lu}` `\p{L}`, `\P{Lu}` | a general category of Unicode, or all that begin with L; any but these; Python does not have these |
| `(...)` `(?:...)` <code>&#124;</code> | a group; either |
| `*` `+` `?` `{3}` `{3,}` `{3,5}` | any number, at least one, at most one, three, three or more, three to five |
| `*?` `+?` `??` `{3,5}?` | the same, and the whole text ends as soon as it matches |

Not supported are back-references, look-around, anchors and word boundaries (`^` `$` `\A` `\Z` `\b` `\B`; the whole text is matched
anyway), possessive repetitions (`a*+`), comments, flags, and groups other than these two.

An expression is compiled before the first character is written, within about two seconds and 300 MB. One that would need more, such as
`(.{1,100}){1,100}`, is an error; smaller counts help. So is one that is longer than 100,000 characters, or has more than 20,000 parts
when its counts are written out.

## Ten examples

A sonnet's shape, fourteen lines that begin with a capital and close with a full stop:

```console
$ charrnn sample plays --match '([A-Z].*\n){13}[A-Z].*\.' --line-length 30 60 --without : --length 1000 --seed 7
```

A lipogram, without the letter e:

```console
$ charrnn sample plays --without e --without E --length 200 --seed 7
```

An acrostic of a name:

```console
$ charrnn sample plays --acrostic MARGIT --line-length 20 60 --seed 7
```

A haiku, as far as the lengths of lines go:

```console
$ charrnn sample plays --match '[A-Z].{11,17}\n.{20,26}\n.{12,17}\.' --without : --seed 7
```

A sentence with two given words in it, and spaces around them, since `--contains` knows nothing of words:

```console
$ charrnn sample plays --match '[A-Z][^.!?\n]*[.!?]' --contains ' ferry ' --contains ' bell ' --seed 7
```

Names with Q at the beginning and -th at the end:

```console
$ charrnn sample places --match 'Q[a-z]+th' --num-samples 4 --unique --new --seed 7
```

Codes in one of their three ways of writing, with a 7 at the end:

```console
$ charrnn sample codes --match '\(0\d{3}\) \d{3}-\d{3}7' --num-samples 3 --seed 7
```

Dates in words, always a 31st; which months have one, the form does not say, and the model knows more or less:

```console
$ charrnn sample dates --match '31 [A-Z][a-z]+ 19\d\d' --num-samples 4 --seed 7
```

A tune in G of two lines, each of four whole bars of six notes:

```console
$ charrnn sample tunes --match 'K:G(\n([A-Ga-g]{3} [A-Ga-g]{3}\|){4}){2}' --seed 7
```

Molecules of 20 to 30 characters with all brackets closed, never more than two open at a time:

```console
$ charrnn sample molecules --match '([^()]|\(([^()]|\([^()]*\))*\))*' --length-between 20 30 --num-samples 3 --seed 7
```

A regular expression cannot count: that one writes both depths out. A constraint of your own can, as long as it has finitely many
states. It is a class that says where it starts, what a character makes of a state (`None`: no such text), and where a text may end:

```python
import charrnn
from charrnn.generation.constraints.forms import Constraint, Length


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

To forbid what cannot follow is enough for the form, and bends the text: the model writes as it pleases until the form forces its hand,
and then writes what it would not have. So several streams are written side by side. Each draws a character by what the model gives it
times how much hope there is behind it: the probability that a text is finished from there, if characters came by their frequencies alone
(what an expression forces is taken for granted, else its shortest way would win). That leads the way early, and bends the text too; so
each stream carries a weight that says by how much, and now and then streams of little weight give way to copies of those of much
(sequential Monte Carlo with twisted proposals). In the end one is drawn by weight.

With many particles the text is one that the model would have written, given that it has the form: exactly so in the limit, as far as
`--temperature` alone is set (`--top-k`, `--top-p` and `--min-p` cut what is drawn from, after the hopes are added). With one it only
follows the hopes. More cost time, though less than in proportion. `python benchmarks/constraints.py` measures how near which number comes.

```console
$ charrnn sample plays --contains moon --contains bell --length 100 --particles 1 --seed 7
$ charrnn sample plays --contains moon --contains bell --length 100 --particles 8 --seed 7
$ charrnn sample plays --contains moon --contains bell --length 100 --particles 32 --seed 7
```

A text is shown once all streams share it, after 512 characters at the latest: then all go on from one of them. At temperature 0 there
is one stream.

## What must not be copied

`--max-copy N` lets no more than N characters stand in the new text one behind another as they stand in the corpus. The character that
would be one too many is forbidden while the text is written. Each text and each record is held to it by itself. `--originality` says at
the end what was copied, of any text:

```console
$ charrnn sample plays --temperature 0.5 --length 200 --originality --seed 7
$ charrnn sample plays --temperature 0.5 --length 200 --originality --max-copy 12 --seed 7
```

Where all that could follow would copy, characters are taken back, and others tried: 64 behind one another at most, and 2,000 without
getting further. The report says how many. In the last resort it is an error; a record is dropped, and another drawn. A form can leave
nothing else to be written; then, too, characters are taken back, and neither promise is ever broken:

```console fails
$ charrnn sample plays --match 'The (morning|mourning) .*\.' --max-copy 8 --seed 7
$ charrnn sample plays --match 'The morning after a gale.*' --max-copy 12 --seed 7
```

`charrnn originality` says the same of any file, marks it, and writes a page that shows where each stretch stands (`--html`):

```console
$ charrnn sample plays --temperature 0.5 --length 400 --seed 7 --output written.txt
$ charrnn originality plays written.txt --least 14 --marked --html written.html
```

Without a file it says what the corpus repeats of itself, and what was held out for validation but stands in the rest as well, where a
validation loss flatters:

```console
$ charrnn originality plays
```

All of this is about characters, one behind another and exactly alike. A changed word ends a stretch, and what is told in other words
is not found. A prompt is your own: it may be copied, and is not counted, neither by itself nor together with what follows.

The first use makes an index of the corpus, training and validation part, which must be where the run read it, or where `--corpus` says.
The index holds the text. It stands beside the checkpoints, in `checkpoints/RUN/originality/`, is no part of a model that is shared, and
may be deleted; the next use makes it again.

## From Python

```python
import charrnn
from charrnn.generation.constraints.forms import Acrostic, Contains, Length, Lines, Match, Without

model = charrnn.load("plays")
print(model.generate("Once ", length=100, constraint=Contains("moon") & Without("e"), particles=8, max_copy=30, seed=7))
print(model.generate(constraint=Acrostic("MARGIT") & Lines(6, 20, 60), seed=7))  # here Lines says how many
for record in charrnn.load("dates").records(2, constraint=Match(r"(Satur|Sun)day, .* 19\d\d") & Length(0, 20), seed=7):
    print(record.text)
```
"""


def code(rng: random.Random) -> str:
    """Like a telephone number, written in one of three ways."""
    area, local = rng.randint(200, 999), f"{rng.randint(200, 999)}-{rng.randint(0, 9999):04}"
    return rng.choice([f"(0{area}) {local}", f"0{area} {local}", f"+49 {area} {local}"])


def day(rng: random.Random) -> str:
    """A date from 1900 to 2029, written in one of three ways."""
    then = date(1900, 1, 1) + timedelta(rng.randrange(47_482))
    words = f"{then.day} {then:%B} {then.year}"
    return rng.choice([f"{then}", words, f"{then:%A}, {words}"])


def molecule(rng: random.Random, order: int = 0, depth: int = 0) -> str:
    """What hangs on a bond of this order: an atom, and on what bonds it has left others; all but
    the last in brackets."""
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
    """Eight bars of six notes, each a step or two from the one before."""
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
    """What a command prints, on standard output and standard error, in the order in which it
    comes."""
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
    """A block of the page with what it prints: commands, Python, or commands to train, of which
    nothing is shown."""
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
            f"{page(cwd)}\nMade on {describe()}.\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
