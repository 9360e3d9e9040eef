"""The bundled texts are what corpora/README.md says: composed, without repeated sentences."""

import re
from collections import Counter
from pathlib import Path

import pytest

CORPORA = Path(__file__).parent.parent / "corpora"
PLAYS = (CORPORA / "plays.txt").read_text(encoding="utf-8")
PLACES = (CORPORA / "places.txt").read_text(encoding="utf-8")
FABLES = (CORPORA / "fables.txt").read_text(encoding="utf-8")


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


def test_no_sentence_of_the_plays_occurs_twice() -> None:
    sentences = [
        " ".join(words(sentence))
        for speech in speeches()
        for sentence in re.split(r"(?<=[.!?])[\"')\]]*\s+", speech)
    ]
    assert len(sentences) > 1000
    assert twice([sentence for sentence in sentences if sentence]) == []


def test_no_span_of_eight_words_of_the_plays_occurs_twice() -> None:
    running = words(" ".join(speeches()))
    assert len(running) > 15_000
    assert twice([" ".join(running[place : place + 8]) for place in range(len(running) - 7)]) == []


def test_a_planted_repeat_is_found() -> None:
    assert twice(["one", "two", "one"]) == ["one"]


# --- the fables ---


def fable_words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z']+", text.lower())


def fable_sentences() -> list[list[str]]:
    """The words of each sentence, also of those inside quotation marks."""
    sentences = []
    for fable in FABLES.split("\n* * *\n"):
        for sentence in re.split(r'(?<=[.!?])"?\s+', fable):
            sentences.append(fable_words(sentence))
    return sentences


def test_the_fables_are_many_and_short() -> None:
    fables = FABLES.split("\n* * *\n")
    assert len(FABLES.encode()) >= 300_000
    assert len(fables) >= 600
    lengths = [len(fable_words(fable)) for fable in fables]
    assert min(lengths) >= 45
    assert max(lengths) <= 200


def test_the_fables_have_a_small_vocabulary() -> None:
    counts = Counter(fable_words(FABLES))
    assert len(counts) <= 1500
    most_frequent = sum(count for _, count in counts.most_common(800))
    assert most_frequent / counts.total() >= 0.9


def test_no_sentence_of_eight_words_of_the_fables_occurs_twice() -> None:
    sentences = fable_sentences()
    assert len(sentences) > 5000
    assert twice([" ".join(sentence) for sentence in sentences if len(sentence) >= 8]) == []


def test_no_span_of_twelve_words_of_the_fables_occurs_twice() -> None:
    running = fable_words(FABLES)
    assert (
        twice([" ".join(running[place : place + 12]) for place in range(len(running) - 11)]) == []
    )


def test_no_pattern_of_ten_words_of_the_fables_occurs_more_than_five_times() -> None:
    """With every word masked that is not among the 100 most frequent, as templates would show."""
    common = {word for word, _ in Counter(fable_words(FABLES)).most_common(100)}
    patterns = Counter(
        " ".join(word if word in common else "_" for word in sentence)
        for sentence in fable_sentences()
        if len(sentence) >= 10
    )
    assert {pattern: count for pattern, count in patterns.items() if count > 5} == {}


# --- the places, and all texts ---


def test_the_places_are_a_thousand_distinct_lines() -> None:
    lines = PLACES.splitlines()
    assert len(lines) >= 1000
    assert twice(lines) == []
    assert all(4 <= len(line) <= 24 and line == line.strip() for line in lines)


@pytest.mark.parametrize("text", [FABLES, PLAYS, PLACES], ids=["fables", "plays", "places"])
def test_the_texts_are_plain(text: str) -> None:
    assert text.isascii()
    assert "\r" not in text
    assert text.endswith("\n")


def test_the_readme_s_counts_are_right() -> None:
    readme = (CORPORA / "README.md").read_text(encoding="utf-8")
    for name, text in (("fables", FABLES), ("plays", PLAYS), ("places", PLACES)):
        assert (
            f"| [{name}.txt]({name}.txt) | {len(text):,} | {len(text.splitlines()):,} | {len(set(text))} |"
            in readme
        )
