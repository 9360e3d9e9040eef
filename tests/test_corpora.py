"""The bundled texts are what corpora/README.md says: written for this project, composed, nothing
twice."""

import re
from collections import Counter
from pathlib import Path

import pytest

CORPORA = Path(__file__).parent.parent / "corpora"
PLAYS = (CORPORA / "plays.txt").read_text(encoding="utf-8")
PLACES = (CORPORA / "places.txt").read_text(encoding="utf-8")


def speeches() -> list[str]:
    """The paragraphs of the plays, without the lines that name a speaker."""
    paragraphs = re.split(r"\n\s*\n", PLAYS)
    spoken = (re.sub(r"^[A-Z][A-Z '.-]*:\n", "", paragraph) for paragraph in paragraphs)
    return [" ".join(speech.split()) for speech in spoken if speech.strip()]


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())


def twice(items: list[str]) -> list[str]:
    return [item for item, count in Counter(items).items() if count > 1]


def test_the_plays_are_long_enough() -> None:
    assert len(PLAYS.encode()) >= 80_000


def test_no_sentence_of_the_plays_stands_twice() -> None:
    sentences = [
        " ".join(words(sentence))
        for speech in speeches()
        for sentence in re.split(r"(?<=[.!?])[\"')\]]*\s+", speech)
    ]
    assert len(sentences) > 1000
    assert twice([sentence for sentence in sentences if sentence]) == []


def test_no_span_of_eight_words_of_the_plays_stands_twice() -> None:
    running = words(" ".join(speeches()))
    assert len(running) > 15_000
    assert twice([" ".join(running[place : place + 8]) for place in range(len(running) - 7)]) == []


def test_a_planted_repeat_is_found() -> None:
    assert twice(["one", "two", "one"]) == ["one"]


def test_the_places_are_a_thousand_distinct_lines() -> None:
    lines = PLACES.splitlines()
    assert len(lines) >= 1000
    assert twice(lines) == []
    assert all(4 <= len(line) <= 24 and line == line.strip() for line in lines)


@pytest.mark.parametrize("text", [PLAYS, PLACES], ids=["plays", "places"])
def test_the_texts_are_plain(text: str) -> None:
    assert text.isascii()
    assert "\r" not in text
    assert text.endswith("\n")


def test_the_readme_s_counts_are_right() -> None:
    readme = (CORPORA / "README.md").read_text(encoding="utf-8")
    for name, text in (("plays", PLAYS), ("places", PLACES)):
        assert (
            f"| [{name}.txt]({name}.txt) | {len(text):,} | {len(text.splitlines()):,} | {len(set(text))} |"
            in readme
        )
