"""The figures of a survey match a count by hand."""

import pytest

from charrnn.corpus.corpus import Corpus
from charrnn.corpus.survey import survey


def test_a_survey_counts_symbols_rare_ones_and_repeated_lines() -> None:
    line, other = "twenty characters ok", "a line of its own, once"
    text = f"{line}\n{other}\n{line}\nshort\nshort\n{line}\n" + "e" * 9
    found = survey(Corpus.of(text, 0.1))
    counts = {char: text.count(char) for char in set(text)}
    assert found == {
        "characters": len(text),
        "symbols": len(counts),
        "rare": sum(count < 10 for count in counts.values()),
        "repeated": pytest.approx(2 * len(line) / len(text)),
        "surveyed": len(text),
    }


def test_a_text_without_lines_repeats_nothing() -> None:
    assert survey(Corpus.of("abcd" * 50, 0.1))["repeated"] == 0
