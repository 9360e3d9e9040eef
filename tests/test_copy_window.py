"""What is recalled is what followed the last time, by two ways that a slow and plain third one is
held against."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn import copy_window as recalling
from charrnn.config.knobs import knobs
from charrnn.config.run_config import ModelConfig
from charrnn.copy_window import NOTHING, ORDERS, Memory, Recalled, recall

K = len(ORDERS)
Array = NDArray[np.int64]


def oracle(ids: list[int], window: int) -> list[list[int]]:
    """For each place and order, the newest earlier end of the same symbols, less than a window
    back, by looking at each."""
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
    """What is recalled after each symbol of (n,), read one after the other."""
    memory, rows = Memory.of(window), []
    for idx in ids.tolist():
        memory = memory.after(idx)
        rows.append(memory.followers)
    return np.array(rows).reshape(*ids.shape, K)


def texts(seed: int, number: int, longest: int = 60) -> Iterator[Array]:
    """Random texts of few symbols, so that much comes back; of one repeated piece; and of symbols
    with large ids."""
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
    """What is recalled after each character, by order."""
    found = recall(np.array([ord(char) for char in text]), window)
    return [
        {k: chr(idx) for k, idx in zip(ORDERS, row, strict=True) if idx != NOTHING}
        for row in found.tolist()
    ]


# By hand


def test_the_example_of_the_docstring() -> None:
    assert "t h e _ c a t , _ t h e | _" in str(recalling.__doc__)
    assert spelled("the_cat,_the", 12) == [{}] * 11 + [{3: "_"}]


def test_a_longer_match_and_a_newer_shorter_one_are_both_recalled() -> None:
    # "abcd" came last at the beginning, before "1"; "bcd" alone came later, before "2"; "cd" alone
    # is too short
    assert spelled("abcd1xbcd2ycd3abcd", 99)[-1] == {3: "2", 4: "1"}


def test_each_order_is_recalled_from_its_own_number_of_symbols_on() -> None:
    # the second time that "abcdefghijkl" is read, the place of its letter number m knows of the
    # orders up to m
    rows = spelled("abcdefghijklabcdefghijkl", 99)
    assert rows[:14] == [{}] * 14
    for m in range(3, 12):
        assert rows[11 + m] == dict.fromkeys([k for k in ORDERS if k <= m], "abcdefghijkl"[m])
    assert rows[23] == dict.fromkeys(ORDERS, "a")


def test_the_last_time_goes_before_an_earlier_one() -> None:
    assert spelled("abc1abc2abc", 99)[-1] == {3: "2"}


def test_times_may_overlap() -> None:
    # three a's before one more: the last time that "aaa" was read, and "aaaa", an "a" followed
    assert spelled("aaaaa", 99) == [{}, {}, {}, {3: "a"}, {3: "a", 4: "a"}]


@pytest.mark.parametrize(("window", "found"), [(2, {}), (4, {}), (5, {3: "1"}), (99, {3: "1"})])
def test_the_window_is_how_far_back_the_last_time_may_end(
    window: int, found: dict[int, str]
) -> None:
    # the two c's stand 4 apart, less than 5
    assert spelled("abc1abc", window)[-1] == found


def test_a_match_may_begin_before_the_window_in_which_it_ends() -> None:
    # the ends stand 2 apart, the 8 symbols reach 9 back
    assert spelled("abababababab", 3)[-1] == {3: "a", 4: "a", 5: "a", 6: "a", 8: "a"}


def test_a_window_of_two_sees_a_run_of_one_symbol_alone() -> None:
    assert spelled("abababab", 2) == [{}] * 8
    assert spelled("xaaaa", 2) == [{}, {}, {}, {}, {3: "a"}]


def test_a_text_of_no_symbol_recalls_nothing() -> None:
    for window in (2, 100):
        assert recall(np.zeros(0, np.uint8), window).shape == (0, K)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_text_of_up_to_three_symbols_recalls_nothing(length: int) -> None:
    assert recall(np.zeros(length, np.uint8), 2).tolist() == [[NOTHING] * K] * length


# Against the slow way


@pytest.mark.parametrize("seed", range(4))
def test_what_is_recalled_is_what_a_slow_search_finds(seed: int) -> None:
    for ids in texts(seed, 20):
        for window in windows(len(ids)):
            assert recall(ids, window).tolist() == oracle(ids.tolist(), window)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 16, 40, 59, 60, 61])
def test_where_a_block_ends_changes_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [
        (ids, window, recall(ids, window))
        for ids in texts(block, 8)
        for window in windows(len(ids))
    ]
    monkeypatch.setattr(recalling, "BLOCK", block)
    for ids, window, found in expected:
        np.testing.assert_array_equal(recall(ids, window), found)


def test_a_long_text_in_blocks_is_what_a_slow_search_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recalling, "BLOCK", 100)
    ids = np.random.default_rng(0).integers(0, 2, 1050)
    for window in (2, 50, 99, 100, 101):
        assert recall(ids, window).tolist() == oracle(ids.tolist(), window)


def test_a_place_a_gram_and_a_symbol_of_any_text_fit_into_one_number() -> None:
    # of what is sorted at once, at most
    length = recalling.BLOCK + int(knobs(ModelConfig)["copy_window"].high) + ORDERS[-1]
    characters = 160_000  # a little more than Unicode 16 has
    assert length * characters << length.bit_length() < 2**63


# Step by step


@pytest.mark.parametrize("seed", range(4))
def test_one_symbol_at_a_time_recalls_the_same_at_every_place(seed: int) -> None:
    for ids in texts(100 + seed, 8):
        for window in windows(len(ids)):
            np.testing.assert_array_equal(by_steps(ids, window), recall(ids, window))


def test_a_trail_that_has_grown_long_is_made_anew_and_recalls_the_same(
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
        assert len(memory.trail.ids) <= 2 * (window + ORDERS[-1]) + 5 + 1 < 301


def test_memories_that_come_from_one_another_go_on_each_by_itself() -> None:
    rng = np.random.default_rng(1)
    memories, read = [Memory.of(20)], [list[int]()]
    for _ in range(400):
        which, idx = int(rng.integers(len(memories))), int(rng.integers(0, 2))
        memories.append(memories[which].after(idx))
        read.append([*read[which], idx])
    for memory, ids in zip(memories, read, strict=True):
        expected = recall(np.array(ids), 20)[-1].tolist() if ids else [NOTHING] * K
        assert list(memory.followers) == expected
        assert memory.ids == ids[-31:]


@pytest.mark.parametrize("window", [2, 5, 17, 80, 1000])
def test_a_memory_of_the_last_symbols_is_that_of_all(window: int) -> None:
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


def test_nothing_read_recalls_nothing() -> None:
    for window in (2, 3, 50):
        assert Memory.of(window).followers == (NOTHING,) * K


@pytest.mark.parametrize("seed", range(4))
def test_of_records_each_recalls_what_it_holds_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for symbols, window in itertools.product((1, 2, 3), (2, 9, 200)):
        records = [rng.integers(0, symbols, int(rng.integers(1, 40))) for _ in range(12)]
        end = symbols
        ids = np.concatenate([np.append(record, end) for record in records])
        # read from the end before it
        expected = np.concatenate([recall(np.append([end], record), window) for record in records])
        found = np.concatenate([[[NOTHING] * K], recall(ids, window, end)[:-1]])
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(
            Recalled(ids, window, symbols + 1, end)[np.arange(len(ids))], recall(ids, window, end)
        )


def test_a_run_longer_than_a_byte_counts_is_no_end_of_the_match() -> None:
    assert by_steps(np.zeros(600, np.int64), 5)[11:].tolist() == [[0] * K] * 589


# What is given, and what comes


def test_nothing_that_is_given_is_written_to() -> None:
    ids = np.random.default_rng(0).integers(0, 2, 40).astype(np.uint8)
    ids.flags.writeable = False
    recall(ids, 8)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.int64])
def test_the_kind_of_the_ids_changes_nothing(kind: type) -> None:
    ids = np.random.default_rng(1).integers(0, 3, 60)
    np.testing.assert_array_equal(recall(ids.astype(kind), 20), recall(ids, 20))


@pytest.mark.parametrize(
    ("highest", "kind"),
    [(2**15 - 1, np.int16), (2**15, np.int32), (2**16 - 1, np.int32), (2**16, np.int32)],
)
def test_what_is_recalled_has_room_for_the_highest_id(highest: int, kind: type) -> None:
    found = recall(np.array([highest] * 4, np.uint32), 9)
    assert found.dtype == kind
    assert found.tolist() == [[NOTHING] * K] * 3 + [[highest] + [NOTHING] * (K - 1)]


def test_nothing_is_no_id() -> None:
    assert NOTHING < 0
    assert sorted(set(ORDERS)) == list(ORDERS)


# Pieces of a long text


@pytest.mark.parametrize("window", [2, 9, 50, 1000])
@pytest.mark.parametrize("symbols", [2, 5, 40_000])
def test_what_is_recalled_at_any_places_does_not_hang_on_the_pieces(
    window: int, symbols: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(symbols)
    ids = np.tile(rng.integers(symbols - 2, symbols, 60), 5).astype(np.uint16)
    ids[:9] = symbols - 1  # so that a window of 2 finds something too
    places = rng.integers(0, 300, (7, 3))
    expected = recall(ids, window)[places]
    assert (recall(ids, window) >= 0).any()
    assert Recalled(ids, window, symbols)[places].tolist() == expected.tolist()
    monkeypatch.setattr(recalling, "MIN_PIECE", 32)
    # pieces of 32 symbols, and always two for each place that is asked for at once
    for whole, kept in ((299, 9), (64, 2), (1, 2)):
        monkeypatch.setattr(recalling, "WHOLE", whole)
        recalled = Recalled(ids, window, symbols)
        for place, row in zip(places.flatten(), expected.reshape(-1, K), strict=True):
            np.testing.assert_array_equal(recalled[np.array([place])], [row])
            assert len(recalled.pieces) <= kept
        np.testing.assert_array_equal(recalled[places], expected)


def test_a_short_text_is_looked_at_once() -> None:
    ids = np.tile(np.arange(20, dtype=np.uint8), 10)
    recalled = Recalled(ids, 50, 20)
    first = recalled[np.arange(5)]
    assert list(recalled.pieces) == [0]
    assert recalled.pieces[0] is recalled._piece(0)
    assert first.shape == (5, len(ORDERS))
