"""Recalled symbols are those that followed the last occurrence; both implementations are compared
with a slow and plain one."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn import copy_window as recalling
from charrnn import piecewise
from charrnn.config.knobs import knobs
from charrnn.config.run_config import ModelConfig
from charrnn.copy_window import NOTHING, ORDERS, Memory, Recalled, recall

K = len(ORDERS)
Array = NDArray[np.int64]


def oracle(ids: list[int], window: int) -> list[list[int]]:
    """For each position and order, the latest earlier end of the same symbols, less than a window
    back, found by checking every position."""
    found = []
    for place in range(len(ids)):
        row = []
        for k in ORDERS:
            gram = ids[place - k + 1 : place + 1] if place + 1 >= k else None
            ends = range(place - 1, max(place - window, k - 2), -1)
            row.append(
                next((ids[end + 1] for end in ends if ids[end - k + 1 : end + 1] == gram), NOTHING)
            )
        found.append(row)
    return found


def by_steps(ids: Array, window: int) -> Array:
    """The symbols recalled after each of (n,), read one at a time."""
    memory, rows = Memory.of(window), []
    for idx in ids.tolist():
        memory = memory.after(idx)
        rows.append(memory.followers)
    return np.array(rows).reshape(*ids.shape, K)


def texts(seed: int, number: int, longest: int = 60) -> Iterator[Array]:
    """Random texts: of few symbols, so that much repeats; of one repeated piece; of large ids."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        n, symbols = int(rng.integers(0, longest + 1)), int(rng.choice([1, 2, 3, 5]))
        ids = rng.integers(0, symbols, n)
        yield ids
        yield np.resize(ids[: max(1, n // 3)], n) if n else ids
        yield np.array([2**15, 7, 2**16 + 1, 0, 110_000])[ids]


def windows(n: int) -> list[int]:
    return sorted({2, 3, 4, 5, 8, 13, max(2, n - 1), max(2, n), n + 1, n + 2, 3 * n + 5})


def spelled(text: str, window: int) -> list[dict[int, str]]:
    """The characters recalled after each character, by order."""
    found = recall(np.array([ord(char) for char in text]), window)
    return [
        {k: chr(idx) for k, idx in zip(ORDERS, row, strict=True) if idx != NOTHING}
        for row in found.tolist()
    ]


# By hand


def test_the_example_in_the_docstring() -> None:
    assert "t h e _ c a t , _ t h e | _" in str(recalling.__doc__)
    assert spelled("the_cat,_the", 12) == [{}] * 11 + [{3: "_"}]


def test_a_longer_match_and_a_newer_shorter_one_are_both_recalled() -> None:
    # "abcd" last occurs at the beginning, before "1"; "bcd" alone occurs later, before "2"; "cd"
    # alone is too short
    assert spelled("abcd1xbcd2ycd3abcd", 99)[-1] == {3: "2", 4: "1"}


def test_an_order_matches_once_that_many_symbols_repeat() -> None:
    # the second time that "abcdefghijkl" is read, its m-th letter matches the orders up to m
    rows = spelled("abcdefghijklabcdefghijkl", 99)
    assert rows[:14] == [{}] * 14
    for m in range(3, 12):
        assert rows[11 + m] == dict.fromkeys([k for k in ORDERS if k <= m], "abcdefghijkl"[m])
    assert rows[23] == dict.fromkeys(ORDERS, "a")


def test_the_latest_occurrence_wins() -> None:
    assert spelled("abc1abc2abc", 99)[-1] == {3: "2"}


def test_occurrences_may_overlap() -> None:
    # three a's before one more: after the last occurrences of "aaa" and "aaaa" came an "a"
    assert spelled("aaaaa", 99) == [{}, {}, {}, {3: "a"}, {3: "a", 4: "a"}]


@pytest.mark.parametrize(("window", "found"), [(2, {}), (4, {}), (5, {3: "1"}), (99, {3: "1"})])
def test_the_window_limits_how_far_back_an_occurrence_may_end(
    window: int, found: dict[int, str]
) -> None:
    # the two c's are 4 apart, less than 5
    assert spelled("abc1abc", window)[-1] == found


def test_a_match_may_begin_before_the_window() -> None:
    # the ends are 2 apart, the 8 symbols reach 9 back
    assert spelled("abababababab", 3)[-1] == {3: "a", 4: "a", 5: "a", 6: "a", 8: "a"}


def test_a_window_of_two_matches_only_runs_of_one_symbol() -> None:
    assert spelled("abababab", 2) == [{}] * 8
    assert spelled("xaaaa", 2) == [{}, {}, {}, {}, {3: "a"}]


def test_an_empty_text_recalls_nothing() -> None:
    for window in (2, 100):
        assert recall(np.zeros(0, np.uint8), window).shape == (0, K)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_text_of_up_to_three_symbols_recalls_nothing(length: int) -> None:
    assert recall(np.zeros(length, np.uint8), 2).tolist() == [[NOTHING] * K] * length


# Against the slow implementation


@pytest.mark.parametrize("seed", range(4))
def test_recalled_symbols_match_a_slow_search(seed: int) -> None:
    for ids in texts(seed, 20):
        for window in windows(len(ids)):
            assert recall(ids, window).tolist() == oracle(ids.tolist(), window)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 16, 40, 59, 60, 61])
def test_block_boundaries_do_not_matter(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [
        (ids, window, recall(ids, window))
        for ids in texts(block, 8)
        for window in windows(len(ids))
    ]
    monkeypatch.setattr(recalling, "BLOCK", block)
    for ids, window, found in expected:
        np.testing.assert_array_equal(recall(ids, window), found)


def test_a_long_text_in_blocks_matches_a_slow_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalling, "BLOCK", 100)
    ids = np.random.default_rng(0).integers(0, 2, 1050)
    for window in (2, 50, 99, 100, 101):
        assert recall(ids, window).tolist() == oracle(ids.tolist(), window)


def test_a_position_a_gram_and_a_symbol_always_fit_into_one_number() -> None:
    # the most that is sorted at once
    length = recalling.BLOCK + int(knobs(ModelConfig)["copy_window"].high) + ORDERS[-1]
    characters = 160_000  # slightly more than in Unicode 16
    assert length * characters << length.bit_length() < 2**63


# Step by step


@pytest.mark.parametrize("seed", range(4))
def test_one_symbol_at_a_time_recalls_the_same(seed: int) -> None:
    for ids in texts(100 + seed, 8):
        for window in windows(len(ids)):
            np.testing.assert_array_equal(by_steps(ids, window), recall(ids, window))


def test_compacting_a_long_trail_recalls_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recalling, "TRAIL_SLACK", 5)
    rng = np.random.default_rng(0)
    for symbols, window in itertools.product((1, 2, 3, 5), (2, 5, 17, 80)):
        ids = rng.integers(0, symbols, 300)
        np.testing.assert_array_equal(by_steps(ids, window), recall(ids, window))
        memory = Memory.of(window)
        for idx in ids.tolist():
            memory = memory.after(idx)
        assert len(memory.trail) <= 2 * (window + ORDERS[-1]) + 5 + 1 < 301


@pytest.mark.parametrize("forks", [False, True])
def test_copies_of_a_memory_continue_independently(
    forks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recalling, "LONGEST_BRANCH", 6)
    monkeypatch.setattr(recalling, "TRAIL_SLACK", 10)
    rng = np.random.default_rng(1)
    memories, read = [Memory.of(20)], [list[int]()]
    for _ in range(800):
        newest = max(0, len(memories) - 10)  # so that some become long
        which, idx = int(rng.integers(newest, len(memories))), int(rng.integers(0, 2))
        memory = memories[which].fork() if forks else memories[which]
        memories.append(memory.after(idx))
        read.append([*read[which], idx])
    assert max(map(len, read)) > 80
    if forks:
        assert any(memory.trail.base for memory in memories)
    for memory, ids in zip(memories, read, strict=True):
        expected = recall(np.array(ids), 20)[-1].tolist() if ids else [NOTHING] * K
        assert list(memory.followers) == expected
        assert memory.ids == ids[-31:]


@pytest.mark.parametrize("window", [2, 5, 17, 80, 1000])
def test_a_memory_needs_only_the_last_symbols(window: int) -> None:
    ids = np.random.default_rng(window).integers(0, 2, 400).tolist()
    for length in (0, 1, 2, 30, 400):
        memory = Memory.of(window)
        for idx in ids[:length]:
            memory = memory.after(idx)
        again = Memory.of(window, memory.ids)
        assert again.followers == memory.followers
        for idx in ids[:50]:
            memory, again = memory.after(idx), again.after(idx)
            assert again.followers == memory.followers


def test_an_empty_memory_recalls_nothing() -> None:
    for window in (2, 3, 50):
        assert Memory.of(window).followers == (NOTHING,) * K


@pytest.mark.parametrize("seed", range(4))
def test_each_record_recalls_only_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for symbols, window in itertools.product((1, 2, 3), (2, 9, 200)):
        records = [rng.integers(0, symbols, int(rng.integers(1, 40))) for _ in range(12)]
        end = symbols
        ids = np.concatenate([np.append(record, end) for record in records])
        # read from the previous end on
        expected = np.concatenate([recall(np.append([end], record), window) for record in records])
        found = np.concatenate([[[NOTHING] * K], recall(ids, window, end)[:-1]])
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(
            Recalled(ids, window, symbols + 1, end)[np.arange(len(ids))], recall(ids, window, end)
        )


def test_a_match_longer_than_a_byte_can_count_continues() -> None:
    assert by_steps(np.zeros(600, np.int64), 5)[11:].tolist() == [[0] * K] * 589


# Inputs and outputs


def test_inputs_are_not_modified() -> None:
    ids = np.random.default_rng(0).integers(0, 2, 40).astype(np.uint8)
    ids.flags.writeable = False
    recall(ids, 8)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.int64])
def test_the_type_of_the_ids_does_not_matter(kind: type) -> None:
    ids = np.random.default_rng(1).integers(0, 3, 60)
    np.testing.assert_array_equal(recall(ids.astype(kind), 20), recall(ids, 20))


@pytest.mark.parametrize(
    ("highest", "kind"),
    [(2**15 - 1, np.int16), (2**15, np.int32), (2**16 - 1, np.int32), (2**16, np.int32)],
)
def test_the_output_type_has_room_for_the_highest_id(highest: int, kind: type) -> None:
    found = recall(np.array([highest] * 4, np.uint32), 9)
    assert found.dtype == kind
    assert found.tolist() == [[NOTHING] * K] * 3 + [[highest] + [NOTHING] * (K - 1)]


def test_the_value_for_nothing_is_not_an_id() -> None:
    assert NOTHING < 0
    assert sorted(set(ORDERS)) == list(ORDERS)


# Pieces of a long text


@pytest.mark.parametrize("window", [2, 9, 50, 1000])
@pytest.mark.parametrize("symbols", [2, 5, 40_000])
def test_pieces_do_not_affect_what_is_recalled(
    window: int, symbols: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(symbols)
    ids = np.tile(rng.integers(symbols - 2, symbols, 60), 5).astype(np.uint16)
    ids[:9] = symbols - 1  # so that a window of 2 has matches too
    places = rng.integers(0, 300, (7, 3))
    expected = recall(ids, window)[places]
    assert (recall(ids, window) >= 0).any()
    assert Recalled(ids, window, symbols)[places].tolist() == expected.tolist()
    monkeypatch.setattr(piecewise, "MIN_PIECE", 32)
    # pieces of 32 symbols, and always two for the positions requested at once
    for whole, kept in ((299, 9), (64, 2), (1, 2)):
        monkeypatch.setattr(piecewise, "WHOLE", whole)
        recalled = Recalled(ids, window, symbols)
        for place, row in zip(places.flatten(), expected.reshape(-1, K), strict=True):
            np.testing.assert_array_equal(recalled[np.array([place])], [row])
            assert len(recalled.pieces) <= kept
        np.testing.assert_array_equal(recalled[places], expected)


def test_a_short_text_is_processed_in_one_piece() -> None:
    ids = np.tile(np.arange(20, dtype=np.uint8), 10)
    recalled = Recalled(ids, 50, 20)
    first = recalled[np.arange(5)]
    assert list(recalled.pieces) == [0]
    assert recalled.pieces[0] is recalled._piece(0)
    assert first.shape == (5, len(ORDERS))
