"""R28: output always satisfies the constraint, whatever the model, the constraint, the sampler and
the seed, or it is an error before the first character.

The checkers here are plain string code and Python's own regular expressions; they share no code
with the package.
"""

import random
import re
import unicodedata
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig
from charrnn.errors import ConfigError, VocabularyError
from charrnn.generation.constraints.forms import (
    Acrostic,
    All,
    Constraint,
    Contains,
    Length,
    Lines,
    Match,
    Without,
)
from charrnn.generation.constraints.regex import Regex
from charrnn.generation.network import Network
from charrnn.storage.weight_shapes import shapes
from charrnn.text_model import TextModel
from charrnn.vocab import Vocabulary

SYMBOLS = "\nabcAB .1é"
WORDS = ["a", "ab", "aba", "cab", "é1", "A.", "bb", " ", "ca b"]
PATTERNS = [
    "[a-c]+", r"\w{2,6}", r"(ab|ba)*c?", r"[AB][a-c]* [a-c]{1,3}\.", r"(\w+\n){1,3}\w", r"[^\n]{3,8}", r"\d?[a-c é]*", r"(a|ab)(c|bc)+.?",
    r".*?[.1]", r"(?:[abc]{2} ?){1,4}", r"\S+\s\S+", r"[^a]*a[^a]*a[^a]*",
]  # fmt: skip


def models() -> list[TextModel]:
    """Models of each cell, with large and small weights, with and without records."""
    found = []
    for seed, (cell, records) in enumerate(
        [("lstm", False), ("gru", False), ("rnn", False), ("lstm", True), ("rnn", True)] * 4
    ):
        vocabulary = Vocabulary(
            "char",
            "".join(sorted(SYMBOLS.replace("\n", "") if records else SYMBOLS)),
            records=records,
        )
        rng, config = (
            np.random.default_rng(seed),
            ModelConfig(
                cell=cell,
                hidden_size=5,
                num_layers=1,
                embedding_size=3,
                copy_window=(None, 20)[seed % 2],
            ),
        )
        weights = {
            name: rng.normal(0, [0.2, 1, 4][seed % 3], shape).astype(np.float32)
            for name, shape in shapes(config, len(vocabulary)).items()
        }
        prime = vocabulary.end if records else vocabulary.newline
        found.append(
            TextModel(
                Network(config, len(vocabulary), weights), vocabulary, prime, about={"data": {}}
            )
        )
    return found


def draw_constraint(rng: random.Random) -> tuple[list[Constraint], list[Any]]:
    """Up to three constraints, and the arguments of the checker of each."""
    made: list[tuple[Constraint, Any]] = []
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(6)
        low = rng.randrange(0, 12)
        if kind == 0:
            pattern = rng.choice(PATTERNS)
            made.append((Match(pattern), ("match", pattern)))
        elif kind == 1:
            word = rng.choice(WORDS)
            made.append((Contains(word), ("contains", word)))
        elif kind == 2:
            word = rng.choice(WORDS)
            made.append((Without(word), ("without", word)))
        elif kind == 3:
            most = low + rng.randrange(0, 9)
            made.append((Length(low, most), ("length", low, most)))
        elif kind == 4:
            count, shortest, longest = (
                rng.choice([None, 1, 2, 3]),
                rng.randrange(0, 3),
                rng.choice([None, 3, 6]),
            )
            made.append((Lines(count, shortest, longest), ("lines", count, shortest, longest)))
        else:
            word = rng.choice(["a", "ab", "Bc", "cé"])
            made.append((Acrostic(word), ("acrostic", word)))
    return [constraint for constraint, _ in made], [checked for _, checked in made]


def fits(text: str, check: tuple[Any, ...]) -> bool:
    kind, *rest = check
    if kind == "match":
        return re.fullmatch(rest[0], text) is not None
    if kind in ("contains", "without"):
        return (rest[0] in text) == (kind == "contains")
    if kind == "length":
        return bool(rest[0] <= len(text) <= rest[1])
    lines = text.split("\n")
    if kind == "acrostic":
        return len(lines) >= len(rest[0]) and all(
            line[:1] == letter for line, letter in zip(lines, rest[0], strict=False)
        )
    count, shortest, longest = rest
    return (count is None or len(lines) == count) and all(
        shortest <= len(line) <= (longest or len(line)) for line in lines
    )


@pytest.mark.counted(34_000)  # three in five can be satisfied
def test_a_text_satisfies_its_constraint_or_is_refused_before_the_first_character(
    tries: int, tally: Any
) -> None:
    rng, drawn_by, refused = random.Random(28), models(), 0
    for seed in range(tries):
        model, (constraints, checks) = rng.choice(drawn_by), draw_constraint(rng)
        length, stop = rng.randrange(1, 24), rng.choice([(), (), (), "\n", ".a"])
        settings: dict[str, Any] = {
            "temperature": rng.choice([0, 0.1, 0.8, 1, 3]), "top_k": rng.choice([None, None, 1, 3]), "top_p": rng.choice([None, None, 0.3]),
            "particles": rng.choice([None, 1, 1, 2, 5]), "ban": rng.choice(["", "", "", "A", "b "]),
        }  # fmt: skip
        if model.vocabulary.records:
            stop = ()
        elif stop:
            checks.append(("without", stop))
        try:
            stream = model.stream(
                length=length, seed=seed, stop=stop, constraint=All(*constraints), **settings
            )
        except (ConfigError, VocabularyError):
            refused += 1
            continue
        text = "".join(stream)
        case = (seed, [str(constraint) for constraint in constraints], settings, length, stop, text)
        assert all(fits(text, check) for check in checks), case
        most = min((check[2] for check in checks if check[0] == "length"), default=length)
        assert len(text) <= most, case
        assert not set(settings["ban"]) & set(text), case
        ends = (
            stop or model.vocabulary.records or any(constraint.ends for constraint in constraints)
        )
        assert ends or any(check[0] == "length" for check in checks) or len(text) == length, case
    assert refused < tries * 0.6
    tally(tries - refused, "texts of random models and seeds that satisfy random constraints")
    tally(refused, "constraints that no text can satisfy, refused")


SMALL: list[tuple[Any, ...]] = [
    ("contains", "ab"), ("contains", "aab"), ("contains", "\nb"), ("contains", "ba"), ("without", "a"), ("without", "b"), ("without", "aa"),
    ("without", "ba"), ("without", "\n"), ("lines", 2, 1, 2), ("lines", None, 0, 2), ("acrostic", "ab"), ("match", "(ab|b)*"),
    ("match", "a+\nb?"), ("length", 2, 4),
]  # fmt: skip


def brute_force_is_empty(constraints: list[tuple[Any, ...]], symbols: str, most: int) -> bool:
    waiting = [""]
    while waiting:
        text = waiting.pop()
        if all(fits(text, check) for check in constraints):
            return False
        waiting += [text + char for char in symbols] if len(text) < most else []
    return True


def test_exactly_the_impossible_constraints_are_refused(tally: Any) -> None:
    rng, made = random.Random(29), [0, 0]
    vocabulary = Vocabulary("char", "\nab")
    model = TextModel(
        Network(ModelConfig(hidden_size=2, num_layers=1, embedding_size=2), 3, zeros(3)),
        vocabulary,
        0,
    )
    for _ in range(300):
        checks = [rng.choice(SMALL) for _ in range(rng.randrange(1, 4))]
        kinds: dict[str, Any] = {
            "contains": Contains,
            "without": Without,
            "lines": Lines,
            "acrostic": Acrostic,
            "match": Match,
            "length": Length,
        }
        constraint = All(*(kinds[kind](*rest) for kind, *rest in checks))
        if len([check for check in checks if check[0] == "length"]) == 0:
            constraint, checks = constraint & Length(0, 5), [*checks, ("length", 0, 5)]
        try:
            model.stream(constraint=constraint)
        except ConfigError:
            assert brute_force_is_empty(checks, "\nab", 5), checks
            made[0] += 1
        else:
            assert not brute_force_is_empty(checks, "\nab", 5), checks
            made[1] += 1
    assert min(made) > 40
    tally(sum(made), "constraints refused where brute force finds no text, and nowhere else")


def zeros(vocab_size: int) -> dict[str, Any]:
    config = ModelConfig(hidden_size=2, num_layers=1, embedding_size=2)
    return {name: np.zeros(shape, np.float32) for name, shape in shapes(config, vocab_size).items()}


CHARACTERS = "abAB019 _-^]\\{,\n\0\x07\b.éÿ٣—中😀"
INSERTED = [
    *"\\[](){}|*+?.^$-,:01789abdnxuUNswW é\n", r"\1", r"\12", r"\123", r"\400", r"\b", r"\B", r"\A", r"\Z", r"\q", r"\N{",
    "(?:", "(?i)", "(?=", "[^", "[]", "[^]", "a-", r"-\d", "{2}", "{,}", "{3,1}", "{,99999}", "++", "*?",
]  # fmt: skip
COUNTS = {
    "*": (0, 3), "+": (1, 3), "?": (0, 1), "{2}": (2, 2), "{1,2}": (1, 2), "{,2}": (0, 2), "{1,}": (1, 3), "{0}": (0, 0), "{,}": (0, 3),
}  # fmt: skip
# and a character of each
CLASSES = {".": "b", r"\d": "1", r"\w": "é", r"\s": " ", r"\D": "a", r"\W": "—", r"\S": "_"}
# unsupported according to docs/constraints.md: the start of the error, and the syntax at fault
UNSUPPORTED = [
    (r"has an unsupported kind of group", r"\(\?[^:]"),
    (r"has a [$^], which is not needed", r"[$^]"),
    (r"has \\[AbBZ], which is not supported", r"\\[AbBZ]"),
    (r"has \\[1-9], a back-reference", r"\\[1-9]"),
    (r"has a possessive repetition", r"[*+?}]\+"),
    (r"is too large: more than 20,000 places|has a count above 20,000", r"[0-9]{4}"),
]


def spelled(rng: random.Random, char: str) -> str:
    """A character in one of the ways to write it in a pattern."""
    code = ord(char)
    ways = [f"\\U{code:08x}"]
    if code <= 0xFFFF:
        ways.append(f"\\u{code:04x}")
    if code <= 0xFF:
        ways += [f"\\x{code:02x}", f"\\{code:03o}"]
    if code < 0o100:
        ways.append(f"\\0{code:o}")
    if name := unicodedata.name(char, ""):
        ways.append(f"\\N{{{name}}}")
    if not (char.isascii() and char.isalnum()):
        ways.append(f"\\{char}")
    if rng.random() < 0.5 and char not in "\\[](){}|*+?.^$":
        return char
    return rng.choice(ways)


def draw_class(rng: random.Random) -> tuple[str, str]:
    members: list[str] = []
    inside = ""
    for _ in range(rng.randrange(1, 4)):
        kind = rng.randrange(4)
        if kind == 0:
            members.append(
                rng.choice(
                    [r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\b", r"\7", "]", "^", "-", "--"]
                )
            )
            continue
        inside = rng.choice(CHARACTERS)
        members.append(spelled(rng, inside))
        if kind == 1:
            members += ["-", spelled(rng, chr(ord(inside) + rng.choice([0, 1, 30, 2000])))]
    return f"[{rng.choice(['', '', '^'])}{''.join(members)}]", inside


def draw_pattern(rng: random.Random, depth: int = 2) -> tuple[str, str]:
    """A pattern, and a text that is likely to match it."""
    if depth == 0 or rng.random() < 0.3:
        kind = rng.randrange(6)
        if kind == 0:
            return draw_class(rng)
        if kind == 1:
            return rng.choice(list(CLASSES.items()))
        char = rng.choice(CHARACTERS)
        return spelled(rng, char), char
    parts = [draw_pattern(rng, depth - 1) for _ in range(rng.randrange(1, 4))]
    kind = rng.randrange(3)
    if kind == 0:
        return "".join(pattern for pattern, _ in parts), "".join(text for _, text in parts)
    pattern = (
        rng.choice(["(", "(?:"])
        + "|".join([*(pattern for pattern, _ in parts), *rng.choice([[], [""]])])
        + ")"
    )
    text = rng.choice(parts)[1]
    if kind == 1:
        return pattern, text
    count = rng.choice(list(COUNTS))
    return pattern + count + rng.choice(["", "", "?"]), text * rng.randint(*COUNTS[count])


def mutated(rng: random.Random, text: str, inserted: Sequence[str]) -> str:
    """A text with characters deleted, inserted or replaced."""
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(["", rng.choice(inserted)]) + text[place + rng.randrange(2) :]


def accepts(regex: Regex, text: str) -> bool:
    state = regex.start
    for char in text:
        state = regex.step(state, regex.passed(char))
    return regex.accepts(state)


def compiled_by_python(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError):
        return None


@pytest.mark.counted(50_000)
def test_an_expression_means_the_same_as_in_python(tries: int, tally: Any) -> None:
    rng = random.Random(30)
    texts = {True: 0, False: 0}
    malformed = unsupported = 0
    for _ in range(tries):
        pattern, meant = draw_pattern(rng)
        while rng.random() < 0.5:
            pattern = mutated(rng, pattern, INSERTED)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sets whose meaning may change in the future
            python = compiled_by_python(pattern)
        try:
            regex = Regex(pattern)
        except ConfigError as error:
            if python is None:
                malformed += 1
                continue
            assert any(
                re.search(how, str(error)) and re.search(what, pattern) for how, what in UNSUPPORTED
            ), error
            unsupported += 1
            continue
        assert python is not None, pattern
        if re.search(r"\{[0-9]*,?[0-9]{2}", pattern):
            continue  # with such counts or longer texts, Python may take exponential time
        begun = meant[:8]
        for text in (
            begun,
            mutated(rng, begun, CHARACTERS),
            mutated(rng, begun, CHARACTERS),
            rng.choice(CHARACTERS),
            "",
        ):
            matches = python.fullmatch(text) is not None
            assert accepts(regex, text) == matches, (pattern, text)
            texts[matches] += 1
    assert min(texts[True], texts[False], malformed * 10, unsupported * 50) > tries
    tally(sum(texts.values()), "texts matched against random expressions, as in Python")
    tally(malformed, "malformed expressions refused, as in Python")
    tally(unsupported, "unsupported expressions refused")
