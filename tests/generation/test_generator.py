"""Texts and records under constraints as the facade requests them, combined with guards, prompts,
stop strings and seeds."""

import itertools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from charrnn.errors import CheckpointError, ConfigError, GenerationError, VocabularyError
from charrnn.generation.constraints.forms import Constraint, Contains, Length, Lines, Match, Without
from charrnn.generation.generator import FREQUENCY_STEPS, TextGenerator
from charrnn.originality.suffix_array import Suffixes
from charrnn.text_model import TextModel
from charrnn.vocab import Vocabulary
from tests.generation.constraints.test_smc import copies, count_steps, make_network

ABC, RECORDS, BYTES = (
    Vocabulary("char", "\nabc"),
    Vocabulary("char", "abc", records=True),
    Vocabulary("byte"),
)
CORPUS = "abcabbacabaacbbcab" * 3


def make_model(vocabulary: Vocabulary = ABC, corpus: str = CORPUS, **sizes: Any) -> TextModel:
    """A model with random weights and the index of its corpus."""
    model = TextModel(
        make_network(len(vocabulary), **sizes),
        vocabulary,
        vocabulary.end if vocabulary.records else 0,
        about={"data": {}},
    )
    symbols = sorted(set(corpus))
    codes = [
        bytes([symbols.index(char)]) if char in symbols else b"" for char in vocabulary.symbols
    ] + [b""] * vocabulary.records
    suffixes = Suffixes.of(np.array([symbols.index(char) for char in corpus], np.uint8), 1)
    model.generator.corpus = lambda: (suffixes, codes)
    return model


def test_a_constrained_text_satisfies_its_constraint_and_depends_on_its_seed() -> None:
    model, form = make_model(), Match("[abc]{3,9}\n[abc]+") & Contains("cab")
    texts = [model.generate(constraint=form, seed=seed, length=40) for seed in range(20)]
    assert all(
        re.fullmatch("[abc]{3,9}\n[abc]+", text) and "cab" in text and len(text) <= 40
        for text in texts
    )
    assert texts == [model.generate(constraint=form, seed=seed, length=40) for seed in range(20)]
    assert len(set(texts)) > 10
    assert texts[3] == "".join(model.stream(constraint=form, seed=3, length=40))
    assert texts[3] != model.generate(constraint=form, seed=3, length=40, particles=1)


def test_the_prompt_of_running_text_is_not_constrained() -> None:
    text = make_model().generate("ccc", constraint=Without("c"), length=30, seed=0)
    assert len(text) == 30
    assert "c" not in text


def test_every_candidate_of_best_of_satisfies_the_constraint() -> None:
    model, form = make_model(), Contains("cab")
    each = [model.sample(constraint=form, length=20, seed=5, best_of=count) for count in (1, 8)]
    assert all("cab" in sample.text and len(sample.text) == 20 for sample in each)
    assert each[1].log_probability > each[0].log_probability


def test_a_text_ends_before_a_stop_string_only_if_the_constraint_is_satisfied() -> None:
    model, ended = make_model(), 0
    for seed in range(40):
        text = model.generate(constraint=Contains("cab"), stop="\n", length=50, seed=seed)
        assert "cab" in text
        assert "\n" not in text
        ended += len(text) < 50
    assert ended > 3


def test_a_boundary_can_be_combined_with_a_guard_but_not_with_a_constraint() -> None:
    model = make_model()
    with pytest.raises(
        ConfigError, match=r"^`until` cannot be combined with a constraint, which decides"
    ):
        model.stream(constraint=Contains("cab"), until="line")
    for seed in range(10):
        text = model.generate(max_copy=3, until="b", length=30, seed=seed)
        assert copies(text, CORPUS, 3) == []
        assert text.endswith("b")
        assert len(text) >= 30


def test_errors_come_before_the_first_character() -> None:
    model = make_model()
    with pytest.raises(VocabularyError, match=r"^`contains` 'x' needs 'x'"):
        model.stream(constraint=Contains("x"))
    with pytest.raises(ConfigError, match=r"`contains` 'ab' and `without` 'b'"):
        model.stream(constraint=Contains("ab") & Without("b"))
    with pytest.raises(ConfigError, match=r"^no text that the model can write satisfies"):
        model.stream(constraint=Contains("ab"), ban="b")
    with pytest.raises(
        ConfigError,
        match=r"^`contains` 'abcab' copies more than 3 consecutive characters of the corpus",
    ):
        model.stream(constraint=Contains("abcab"), max_copy=3)
    with pytest.raises(CheckpointError, match=r"^this model was not read from a checkpoint"):
        TextModel(model.network, ABC, 0).stream(max_copy=3)


def test_a_guard_alone_writes_exactly_the_length() -> None:
    model = make_model()
    steps = count_steps(model.network)
    for length in (0, 1, 5, 100):
        text = model.generate(max_copy=3, length=length, seed=length)
        assert len(text) == length
        assert copies(text, CORPUS, 3) == []
    assert steps() < FREQUENCY_STEPS + 2 * (1 + 5 + 100 + 4)


def test_the_prompt_is_exempt_from_the_guard() -> None:
    model, found = make_model(), 0
    for seed in range(40):
        text = model.generate("abcabba", max_copy=3, length=40, seed=seed)
        assert copies(text, CORPUS, 3) == []
        found += len(copies("abcabba" + text, CORPUS, 7)) > 0
    assert found > 0


def test_backtracking_is_counted_over_all_texts() -> None:
    model = make_model(corpus="aba-abb-abc-ab\n", scale=0.3)
    for seed in range(20):
        assert "ab" not in model.generate(max_copy=2, length=60, seed=seed)[:-1]
    assert model.generator.taken_back > 20


def test_a_model_of_bytes_writes_whole_characters_with_a_guard_and_ascii_under_a_constraint() -> (
    None
):
    model = TextModel(make_network(256, scale=0.2), BYTES, 10)
    corpus = b"\xc3\xa9t\xc3\xa9 abc"
    model.generator.corpus = lambda: (
        Suffixes.of(np.frombuffer(corpus, np.uint8), 1),
        [bytes([byte]) for byte in range(256)],
    )
    assert len(model.generate(max_copy=1, length=40, seed=0)) == 40
    text = model.generate(constraint=Contains("xyz") & Length(30), seed=0)
    assert len(text) == 30
    assert "xyz" in text
    assert text.isascii()


# Records


def test_constrained_records_satisfy_the_constraint_including_the_prompt() -> None:
    model = make_model(RECORDS)
    records = list(
        model.records(20, constraint=Match("ab[abc]{2,6}c"), prompt="ab", seed=0, length=12)
    )
    assert all(re.fullmatch("ab[abc]{2,6}c", record.text) and record.whole for record in records)
    assert [record.number for record in records] == list(range(20))
    with pytest.raises(ConfigError, match=r"^no text that begins with this prompt satisfies"):
        model.records(1, constraint=Match("b.*"), prompt="ab")


def test_a_record_does_not_depend_on_the_number_of_records() -> None:
    model, rules = (
        make_model(RECORDS),
        {"constraint": Contains("cab"), "max_copy": 3, "length": 15, "seed": 4},
    )
    few, many = (list(model.records(count, **rules)) for count in (3, 10))
    assert many[:3] == few
    assert all(copies(record.text, CORPUS, 3) == [] and "cab" in record.text for record in many)


def test_a_single_record_is_generated_to_its_end() -> None:
    model = make_model(RECORDS)
    for seed in range(10):
        text = model.generate("c", constraint=Match("c[ab]{4}"), seed=seed, length=20)
        assert re.fullmatch("[ab]{4}", text)
        assert copies(model.generate(max_copy=2, seed=seed, length=20), CORPUS, 2) == []


def test_a_record_stuck_at_the_copy_limit_is_dropped_and_counted() -> None:
    every = "".join("".join(chars) for chars in itertools.product("abc", repeat=2))
    model = make_model(RECORDS, corpus=every + every)
    kept = model.records(2, max_copy=1, constraint=Length(3), seed=0, max_tries=5)
    with pytest.raises(
        GenerationError,
        match=r"^found only 0 of 2 records in 5 tries \(dropped 5 stuck at the copy",
    ):
        next(kept)
    assert model.generator.taken_back > 0


def test_the_number_of_lines_of_a_record_cannot_be_constrained() -> None:
    with pytest.raises(VocabularyError, match=r"^`lines` 2 needs '\\n'"):
        make_model(RECORDS).records(1, constraint=Lines(2))


# Frequencies


def test_frequencies_are_those_of_text_written_by_the_model() -> None:
    model = make_model(scale=0.5)
    shares = model.generator.frequencies
    assert shares.sum() == pytest.approx(1)
    text = model.generate(length=20_000, temperature=1, seed=0)
    for idx, char in enumerate(ABC.symbols):
        assert shares[idx] == pytest.approx(text.count(char) / len(text), abs=0.05)


def test_a_custom_constraint_need_not_be_hashable() -> None:
    @dataclass
    class Short(Constraint):
        """At most a given number of characters."""

        most: int
        start = 0

        def step(self, state: int, char: str) -> int | None:
            return state + 1 if state < self.most else None

        def accepts(self, state: int) -> bool:
            return True

    text = make_model().generate(constraint=Short(5) & Length(0, 9), seed=0)
    assert len(text) <= 5
    assert len(make_model().generate(constraint=Short(5), length=5, seed=0)) == 5


def test_a_constraint_is_compiled_once_for_many_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    form = TextGenerator._form.__globals__["Form"]
    monkeypatch.setitem(
        TextGenerator._form.__globals__, "Form", lambda *args: made.append(args) or form(*args)
    )
    model, constraint = make_model(), Contains("cab")
    for seed in range(5):
        model.generate(constraint=constraint, length=20, seed=seed)
    assert len(made) == 1
    model.generate(constraint=constraint, length=21, seed=0)
    assert len(made) == 2
