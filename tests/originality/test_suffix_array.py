"""Every query of a suffix array agrees with plain search, on thousands of small texts."""

import random
import tracemalloc
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
import pytest

from charrnn.originality.suffix_array import Span, Suffixes, galloping_search, packed, suffix_array


def texts(count: int, seed: int = 0) -> Iterator[tuple[list[int], list[int], int]]:
    """A small corpus, another text that may have one more symbol, and a symbol width."""
    rng = random.Random(seed)
    for _ in range(count):
        symbols = [rng.randrange(5) * 63 for _ in range(rng.randint(1, 4))]
        corpus = rng.choices(symbols, k=rng.randint(0, 40)) * rng.choice((1, 1, 1, 2, 3))
        other = rng.choices([*symbols, rng.choice((0, 255))], k=rng.randint(0, 40))
        yield (
            corpus,
            other[:20] + corpus[3:15] + other[20:] if rng.random() < 0.3 else other,
            rng.choice((1, 2, 4)),
        )


def of(corpus: list[int], width: int) -> Suffixes:
    return Suffixes.of(np.array(corpus, np.int64), width)


def code(symbols: list[int], width: int) -> bytes:
    return packed(np.array(symbols, np.int64), width)


def places(corpus: list[int], pattern: list[int]) -> list[int]:
    """Where a pattern occurs, by brute force."""
    return [
        place
        for place in range(len(corpus))
        if corpus[place : place + len(pattern)] == pattern and place + len(pattern) <= len(corpus)
    ]


def longest(corpus: list[int], text: list[int], times: int = 1) -> int:
    """The length of the longest beginning of a text that occurs at least ``times`` times."""
    return max(
        (
            length
            for length in range(1, len(text) + 1)
            if len(places(corpus, text[:length])) >= times
        ),
        default=0,
    )


def naive_spans(corpus: list[int], text: list[int], times: int = 1) -> list[Span]:
    lengths = [longest(corpus, text[start:], times) for start in range(len(text))]
    return [
        Span(start, length, places(corpus, text[start : start + length])[0])
        for start, length in enumerate(lengths)
        if length and (start == 0 or lengths[start - 1] <= length)
    ]


def test_suffixes_are_sorted() -> None:
    for corpus, _, width in texts(3000):
        assert of(corpus, width).order.tolist() == sorted(
            range(len(corpus)), key=lambda place, corpus=corpus: corpus[place:]
        )


def test_an_interval_contains_exactly_the_places_of_its_pattern() -> None:
    for corpus, other, width in texts(400, seed=1):
        suffixes = of(corpus, width)
        for pattern in [
            [],
            *(other[start : start + length] for start in range(len(other)) for length in (1, 2, 5)),
        ]:
            lo, hi = suffixes.find(code(pattern, width))
            assert sorted(suffixes.order[lo:hi].tolist()) == places(corpus, pattern)
            for times in (1, 2, 3):
                assert suffixes.occurs(code(pattern, width), times) == (
                    len(places(corpus, pattern)) >= times
                )


def test_continuations_are_the_distinct_symbols_after_a_pattern_in_order() -> None:
    for corpus, other, width in texts(400, seed=2):
        suffixes = of(corpus, width)
        for pattern in [
            [],
            *(other[start : start + length] for start in range(len(other)) for length in (1, 2, 4)),
        ]:
            following = {
                corpus[place + len(pattern)]
                for place in places(corpus, pattern)
                if place + len(pattern) < len(corpus)
            }
            assert suffixes.continuations(code(pattern, width)) == sorted(following)


def test_longest_at_finds_the_longest_passage_and_its_first_occurrence() -> None:
    for corpus, other, width in texts(300, seed=3):
        suffixes, data = of(corpus, width), code(other, width)
        for place in range(len(other) + 1):
            length = longest(corpus, other[place:])
            first = places(corpus, other[place : place + length])[0] if length else 0
            assert suffixes.longest_at(data, place) == (length, first)


def test_longest_end_finds_the_longest_end_in_the_corpus() -> None:
    for corpus, other, width in texts(1000, seed=4):
        lengths = [
            length
            for length in range(1, len(other) + 1)
            if places(corpus, other[len(other) - length :])
        ]
        assert of(corpus, width).longest_end(code(other, width)) == max(lengths, default=0)


def test_spans_are_all_maximal_passages() -> None:
    for corpus, other, width in texts(1000, seed=5):
        suffixes, expected = of(corpus, width), naive_spans(corpus, other)
        for least in (1, 2, 3, 6):
            assert list(suffixes.spans(code(other, width), least)) == [
                span for span in expected if span.length >= least
            ]


def test_spans_of_a_text_in_itself_are_its_repetitions() -> None:
    for corpus, _, width in texts(100, seed=6):
        suffixes, expected = of(corpus, width), naive_spans(corpus, corpus, times=2)
        for least in (1, 2, 5):
            assert list(suffixes.spans(code(corpus, width), least, times=2)) == [
                span for span in expected if span.length >= least
            ]


def test_progress_reports_each_symbol_once() -> None:
    for corpus, other, width in texts(200, seed=7):
        counts: list[int] = []
        list(of(corpus, width).spans(code(other, width), 3, on_progress=counts.append))
        assert sum(counts) == len(other)


def test_a_symbol_does_not_match_across_the_bytes_of_two() -> None:
    suffixes = of([0x0102, 0x0304], 2)
    assert suffixes.find(b"\x02\x03") == (1, 1)
    assert not suffixes.occurs(b"\x02\x03")
    assert suffixes.continuations(b"\x01\x02") == [0x0304]


def test_an_empty_corpus_contains_only_the_empty_pattern() -> None:
    suffixes = of([], 1)
    assert (len(suffixes), suffixes.find(b""), suffixes.find(b"a")) == (0, (0, 0), (0, 0))
    assert not suffixes.occurs(b"a")
    assert list(suffixes.spans(b"abc")) == []


def test_a_text_on_disk_gives_the_same_answers_as_in_memory(tmp_path: Path) -> None:
    corpus, text = of([1, 2, 1, 2, 3], 1), tmp_path / "text"
    text.write_bytes(corpus.text[:])
    with open(text, "rb") as file:
        mapped = Suffixes(mmap(file.fileno(), 0, access=ACCESS_READ), 1, corpus.order)
    assert (
        list(mapped.spans(b"\1\2\3\2"))
        == list(corpus.spans(b"\1\2\3\2"))
        == [Span(0, 3, 2), Span(3, 1, 1)]
    )


@pytest.mark.parametrize("line", [b"\0", b"\0\1", b"\1\0\2\0\1"])
def test_a_single_repeated_line_is_sorted(line: bytes) -> None:
    ids = np.frombuffer(line * 3001, np.uint8)
    text = ids.tobytes()
    assert suffix_array(ids).tolist() == sorted(range(len(ids)), key=lambda place: text[place:])


def test_as_many_symbols_as_code_points_are_distinguished() -> None:
    ids = np.random.default_rng(0).permutation(0x110000).astype(np.uint32)
    assert (suffix_array(ids) == np.argsort(ids)).all()
    assert (
        suffix_array(np.tile(ids[:100_000], 2))[::2] == np.argsort(ids[:100_000]) + 100_000
    ).all()


def test_sorting_takes_at_most_sixty_bytes_per_symbol() -> None:
    ids = np.tile(np.random.default_rng(0).integers(0, 60, 100_000, dtype=np.uint8), 5)
    tracemalloc.start()
    suffix_array(ids)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 60 * len(ids)


def test_galloping_search_finds_the_highest_number_that_fits() -> None:
    for limit in range(70):
        for highest in range(80):
            probes: list[int] = []
            assert galloping_search(
                lambda number, highest=highest, probes=probes: (
                    probes.append(number) or number <= highest
                ),
                limit,
            ) == min(limit, highest)
            assert all(1 <= number <= limit for number in probes)


@pytest.mark.parametrize("text", ["", "a", "abracadabra" * 9, "a" * 300])
def test_each_suffix_that_is_in_its_place_is_progress_once(text: str) -> None:
    done: list[int] = []
    suffix_array(np.array([ord(char) for char in text], np.int64), done.append)
    assert sum(done) == len(text)
    assert all(number >= 0 for number in done)
