"""The guard forbids exactly the symbols that would extend a copy too far."""

import random

import numpy as np
import pytest

from charrnn.errors import ConfigError
from charrnn.originality.copy_guard import Guard, GuardState
from charrnn.originality.suffix_array import Suffixes


def guard(corpus: list[int], longest: int, symbols: int, width: int = 1) -> Guard:
    """A guard whose ids are the numbers of the corpus; the next-to-last one is a symbol that the
    corpus lacks, the last one the end of a record."""
    codes = [idx.to_bytes(width, "big") for idx in range(symbols)]
    return Guard(Suffixes.of(np.array(corpus, np.int64), width), [*codes, b"", b""], longest)


def occurs_in(part: list[int], corpus: list[int]) -> bool:
    return any(
        corpus[place : place + len(part)] == part for place in range(len(corpus) - len(part) + 1)
    )


def corpora(count: int, seed: int) -> list[tuple[list[int], int, int, int]]:
    """A small corpus, the longest copy allowed, the number of symbols, and the symbol width."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        symbols = rng.randint(1, 4)
        corpus = rng.choices(range(symbols), k=rng.randint(0, 40)) * rng.choice((1, 1, 3))
        found.append((corpus, rng.randint(1, 6), symbols, rng.choice((1, 2))))
    return found


def forbidden(written: list[int], corpus: list[int], longest: int, symbols: int) -> list[int]:
    """By brute force: search for the text since the last boundary, followed by each symbol."""
    last = max((place for place, idx in enumerate(written) if idx >= symbols), default=-1)
    end = written[last + 1 :][-longest:]
    return [idx for idx in range(symbols) if len(end) == longest and occurs_in([*end, idx], corpus)]


def test_exactly_the_symbols_that_make_a_passage_too_long_are_forbidden() -> None:
    rng = random.Random(1)
    for corpus, longest, symbols, width in corpora(2000, seed=1):
        here = guard(corpus, longest, symbols, width)
        state, written = here.start, list[int]()
        for _ in range(25):
            assert sorted(here.forbidden(state)) == forbidden(written, corpus, longest, symbols)
            idx = rng.choice([*range(symbols), *range(symbols + (2 if rng.random() < 0.3 else 0))])
            state = here.after(state, idx)
            written.append(idx)


def test_without_forbidden_symbols_no_longer_passage_is_copied() -> None:
    rng = random.Random(2)
    for corpus, longest, symbols, width in corpora(1000, seed=2):
        here = guard(corpus, longest, symbols, width)
        state, written = here.start, list[int]()
        for _ in range(60):
            free = [idx for idx in range(symbols + 1) if idx not in here.forbidden(state)]
            written.append(rng.choice(free[:-1] or free))
            state = here.after(state, written[-1])
        assert not any(
            occurs_in(part, corpus)
            for start in range(len(written) - longest)
            if max(part := written[start : start + longest + 1]) < symbols
        )


def test_a_state_can_continue_in_several_ways_independently() -> None:
    for corpus, longest, symbols, width in corpora(60, seed=3):
        here = guard(corpus, longest, symbols, width)
        states = {(): here.start}
        for _ in range(5):
            states |= {
                (*ids, idx): here.after(state, idx)
                for ids, state in states.items()
                for idx in range(symbols)
                if len(states) < 500
            }
        for ids, state in states.items():
            assert sorted(here.forbidden(state)) == forbidden(list(ids), corpus, longest, symbols)


def test_nothing_is_forbidden_at_the_start_and_after_a_boundary() -> None:
    here = guard([0, 1, 0, 1, 0, 1], 2, 2)
    state = here.after(here.after(here.start, 0), 1)
    assert (here.forbidden(here.start), here.forbidden(state)) == ([], [0])
    for boundary in (2, 3):  # a symbol that the corpus lacks, and the end of a record
        assert here.after(state, boundary) == here.start == GuardState()


def test_symbols_that_the_model_lacks_are_left_out() -> None:
    here = Guard(Suffixes.of(np.array([0, 1, 0, 2, 0, 3]), 1), [b"\0", b"\2"], 1)
    assert here.forbidden(here.after(here.start, 0)) == [1]


@pytest.mark.parametrize("longest", [0, -1, 1.5, True, None])
def test_an_invalid_length_is_an_error(longest: object) -> None:
    with pytest.raises(ConfigError, match=r"^`longest` must be a whole number of at least 1, got "):
        Guard(Suffixes.of(np.array([0]), 1), [b"\0"], longest)  # type: ignore[arg-type]


class Counting(Suffixes):
    """Counts its searches."""

    searches = 0

    def occurs(self, pattern: bytes, times: int = 1) -> bool:
        self.searches += 1
        return super().occurs(pattern, times)


def test_the_corpus_is_not_searched_while_the_passage_is_short() -> None:
    suffixes = Counting.of(np.zeros(50, np.int64), 1)
    assert isinstance(suffixes, Counting)
    here = Guard(suffixes, [b"\0", b"\1"], 20)
    state = here.start
    for _ in range(19):
        state = here.after(state, 0)
    assert suffixes.searches == 0
    here.after(state, 0)
    assert suffixes.searches == 1
    # which the corpus lacks: no end of the text occurs there
    state = here.after(state, 1)
    before = suffixes.searches
    for _ in range(19):
        state = here.after(state, 0)
    assert suffixes.searches == before
