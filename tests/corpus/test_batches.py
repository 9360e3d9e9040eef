"""Every lane continues where it stopped, and every target is the next symbol, except at the
seam."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from charrnn.context_mixing.contexts import KINDS, Contexts
from charrnn.context_mixing.counted_text import Counted, CountedText, look_up
from charrnn.context_mixing.counting import count_followers, folds_of
from charrnn.copy_window import NOTHING, ORDERS, recall
from charrnn.corpus.batches import (
    PADDING,
    ROUND,
    Batch,
    Lanes,
    Records,
    check_lengths,
    fit,
    fit_records,
)
from charrnn.errors import CorpusError
from charrnn.vocab import Ids, Vocabulary

# n, B, T, seed: lengths that divide evenly into lanes and steps and lengths that do not, one lane,
# one step, the shortest texts
SIZES = [
    (12, 2, 2, 0),
    (13, 2, 3, 1),
    (50, 3, 7, 2),
    (100, 4, 5, 3),
    (8, 1, 8, 4),
    (24, 3, 8, 5),
    (5, 5, 1, 6),
    (7, 2, 1, 7),
    (2, 1, 2, 8),
]
sizes = pytest.mark.parametrize("size", SIZES, ids=str)


def epochs(lanes: Lanes, number: int) -> list[list[Batch]]:
    """The batches of each of the first epochs."""
    steps = lanes.steps_per_epoch
    return [
        [lanes.batch(epoch * steps + chunk) for chunk in range(steps)] for epoch in range(number)
    ]


def equal(one: Batch, other: Batch) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("x", "y", "fresh")
    )


def columns(array: NDArray[np.int64], vocabulary: Vocabulary) -> list[str]:
    """What each lane of (T, B) reads; . for padding."""
    return [
        "".join("." if idx == PADDING else vocabulary.symbols[idx] for idx in lane)
        for lane in array.T
    ]


def test_the_example_in_the_docstring() -> None:
    vocabulary = Vocabulary.of("abcdefghijkl")
    ids = vocabulary.encode("abcdefghijkl")
    # n / B = 6 symbols per lane, 6 / T = 3 steps per epoch; rotated by 3, lane 0 begins with d and
    # lane 1 with j
    lanes = next(
        lanes
        for seed in itertools.count()
        if (lanes := Lanes(ids, 2, 2, seed)).batch(0).x[0, 0] == vocabulary.symbols.index("d")
    )
    steps = [lanes.batch(step) for step in range(3)]
    assert [columns(step.x, vocabulary) for step in steps] == [
        ["de", "jk"],
        ["fg", "la"],
        ["hi", "bc"],
    ]
    assert [columns(step.y, vocabulary) for step in steps] == [
        ["ef", "kl"],
        ["gh", ".b"],
        ["ij", "cd"],
    ]
    assert [step.fresh.tolist() for step in steps] == [[True, True], [False, False], [False, False]]
    assert lanes.steps_per_epoch == 3


@sizes
def test_batches_have_the_documented_shapes_and_types(size: tuple[int, int, int, int]) -> None:
    n, B, T, seed = size
    batch = Lanes(np.arange(n, dtype=np.uint8), B, T, seed).batch(3)
    assert [(part.shape, part.dtype) for part in (batch.x, batch.y, batch.fresh)] == [
        ((T, B), np.int64),
        ((T, B), np.int64),
        ((B,), np.bool_),
    ]


@sizes
def test_a_batch_depends_only_on_the_step(size: tuple[int, int, int, int]) -> None:
    n, B, T, seed = size
    ids = np.arange(n)
    forwards = Lanes(ids, B, T, seed)
    made = [forwards.batch(step) for step in range(20)]
    assert all(equal(made[step], forwards.batch(step)) for step in reversed(range(20)))
    assert all(equal(made[step], Lanes(ids, B, T, seed).batch(step)) for step in range(20))


def test_a_batch_does_not_change_the_text() -> None:
    ids = np.arange(12, dtype=np.uint8)
    batch = Lanes(ids, 2, 2, 0).batch(0)
    batch.x[:], batch.y[:] = 0, 0
    assert ids.tolist() == list(range(12))


@sizes
def test_a_lane_continues_where_it_stopped(size: tuple[int, int, int, int]) -> None:
    n, B, T, seed = size
    for epoch in epochs(Lanes(np.arange(n), B, T, seed), 5):
        # (steps * T, B): what each lane reads in an epoch
        lanes = np.concatenate([batch.x for batch in epoch])
        assert np.array_equal(lanes[1:], (lanes[:-1] + 1) % n)


@sizes
def test_lanes_start_one_lane_length_apart(size: tuple[int, int, int, int]) -> None:
    n, B, T, seed = size
    first = Lanes(np.arange(n), B, T, seed).batch(0).x[0]
    assert np.array_equal((first - first[0]) % n, np.arange(B) * (n // B))


@sizes
def test_a_target_is_the_next_symbol_and_only_the_seam_is_padded(
    size: tuple[int, int, int, int],
) -> None:
    n, B, T, seed = size
    for batch in itertools.chain.from_iterable(epochs(Lanes(np.arange(n), B, T, seed), 5)):
        # nothing follows the text's last symbol
        assert np.array_equal(batch.y, np.where(batch.x == n - 1, PADDING, batch.x + 1))


@sizes
def test_an_epoch_reads_no_symbol_twice_and_leaves_few_out(
    size: tuple[int, int, int, int],
) -> None:
    n, B, T, seed = size
    for epoch in epochs(Lanes(np.arange(n), B, T, seed), 5):
        read = np.concatenate([batch.x.ravel() for batch in epoch])
        assert len(read) == len(set(read.tolist())) == n // B // T * T * B
        assert n - len(read) < B * T + B
        assert sum(int((batch.y == PADDING).sum()) for batch in epoch) <= 1


@sizes
def test_lanes_are_fresh_only_at_the_start_of_an_epoch(size: tuple[int, int, int, int]) -> None:
    n, B, T, seed = size
    for epoch in epochs(Lanes(np.arange(n), B, T, seed), 3):
        assert [batch.fresh.tolist() for batch in epoch] == [[True] * B] + [[False] * B] * (
            len(epoch) - 1
        )


def test_every_epoch_is_rotated_by_a_different_amount_that_depends_on_the_seed() -> None:
    def turns(seed: int) -> list[int]:
        return [
            int(epoch[0].x[0, 0]) for epoch in epochs(Lanes(np.arange(10_000), 10, 1000, seed), 8)
        ]

    assert len(set(turns(0))) == 8
    assert turns(0) == turns(0) != turns(1)


def test_every_symbol_is_eventually_read() -> None:
    # 13 symbols in 2 lanes of 6: each epoch leaves one out, not always the same one
    read = {
        int(idx)
        for epoch in epochs(Lanes(np.arange(13), 2, 3, 0), 20)
        for batch in epoch
        for idx in batch.x.ravel()
    }
    assert read == set(range(13))


def test_the_highest_byte_is_not_padding() -> None:
    lanes = Lanes(np.full(12, 255, np.uint8), 2, 2, 0)
    targets = np.concatenate([batch.y.ravel() for batch in epochs(lanes, 1)[0]])
    assert sorted(targets.tolist()) == [PADDING] + [255] * 11


# Recalled symbols


@sizes
def test_recalled_symbols_line_up_with_the_inputs(size: tuple[int, int, int, int]) -> None:
    n, B, T, seed = size
    recalled = np.arange(n * 3).reshape(n, 3)  # different at every position
    for batch in itertools.chain.from_iterable(
        epochs(Lanes(np.arange(n), B, T, seed, recalled), 5)
    ):
        assert batch.recalled is not None
        assert batch.recalled.shape == (T, B, 3)
        # in these texts an id is its position
        assert np.array_equal(batch.recalled, recalled[batch.x])


def test_a_lane_recalls_the_text_before_it_but_nothing_across_the_seam() -> None:
    # "abcdabcdabce" in 3 lanes of 4; the last occurrences of "bcd", "cda", "dab", "abc" are in the
    # previous lane
    ids = Vocabulary.of("abcde").encode("abcdabcdabce")
    # what followed the last three; for "abc", never the "e" at the end
    by_hand = ["", "", "", "", "", "", "d", "a", "b", "c", "d", ""]
    found = recall(ids, 99)
    assert ["".join("abcde"[idx] for idx in row[:1] if idx != NOTHING) for row in found] == by_hand
    for step in range(20):
        batch, places = (
            Lanes(ids, 3, 4, 0, found).batch(step),
            Lanes(np.arange(12), 3, 4, 0).batch(step).x,
        )
        assert np.array_equal(batch.x, ids[places])
        assert batch.recalled is not None
        assert np.array_equal(batch.recalled, found[places])


@sizes
def test_a_batch_without_a_window_is_the_same_except_that_it_recalls_nothing(
    size: tuple[int, int, int, int],
) -> None:
    n, B, T, seed = size
    ids = np.arange(n)
    for step in range(5):
        plain, other = (
            Lanes(ids, B, T, seed).batch(step),
            Lanes(ids, B, T, seed, recall(ids, 9)).batch(step),
        )
        assert plain.recalled is None
        assert equal(plain, other)


def test_a_batch_does_not_change_the_recalled_symbols() -> None:
    recalled = np.zeros((12, 2), np.int16)
    batch = Lanes(np.arange(12), 2, 2, 0, recalled).batch(0)
    assert batch.recalled is not None
    batch.recalled[:] = 7
    assert not recalled.any()


# Counts


class Places:
    """Counts in which the rows of a place are the place itself."""

    def __getitem__(self, places: NDArray[np.int64]) -> Counted:
        table = count_followers(Contexts(Vocabulary.of("a")), np.zeros(0, np.uint8)).table
        return Counted(table, np.repeat(places[..., None], len(KINDS), axis=-1))


@sizes
def test_contexts_line_up_with_the_inputs(size: tuple[int, int, int, int]) -> None:
    n, B, T, seed = size
    for batch in itertools.chain.from_iterable(
        epochs(Lanes(np.arange(n), B, T, seed, counted=Places()), 5)
    ):
        assert batch.counted is not None
        # in these texts an id is its position
        assert np.array_equal(batch.counted.rows[..., 0], batch.x)


def test_the_steps_of_a_batch_have_their_own_contexts() -> None:
    ids = Vocabulary.of("abc").encode("abcabcacbacb")
    text = CountedText(ids, Vocabulary.of("abc"), 1)
    batch = Lanes(ids, 2, 6, 0, counted=text).batch(0)
    assert batch.counted is not None
    whole = batch.counted.predicted
    part = batch.steps(2, 5).counted
    assert part is not None
    assert np.array_equal(part.predicted.features, whole.features[4:10])


def test_the_contexts_of_a_record_begin_after_the_end_of_the_one_before() -> None:
    records, ids, end = some_records(2, 50)
    vocabulary = Vocabulary("char", "abcd", records=True)
    contexts = Contexts(vocabulary)
    table = count_followers(contexts, ids, 1).table
    layout = Records(ids, end, 8, 0, counted=look_up(table, ids))
    number = 0
    for step in range(layout.steps_per_epoch):
        batch = layout.batch(step)
        assert batch.counted is not None
        assert batch.counted.rows.shape == (*batch.x.shape, len(KINDS))
        for lane, (x, _) in enumerate(lanes_of(batch)):
            if not x:
                continue
            number += 1
            # of the end symbol that the record follows, and of its own symbols
            after_end = contexts.of_text(np.array([end], np.uint8))
            own = contexts.of_text(np.array(x[1:], np.uint8))
            expected = table.rows(np.concatenate([after_end, own]))
            np.testing.assert_array_equal(batch.counted.rows[: len(x), lane], expected)
    assert number == len(records)


def test_the_surroundings_of_each_symbol_of_a_record_are_left_out() -> None:
    _, ids, end = some_records(3, 200)
    text = CountedText(ids, Vocabulary("char", "abcd", records=True), 1)
    layout = Records(ids, end, 8, 0, counted=text)
    for number in range(200):
        batch = layout.lay_out(np.array([number]), 1)
        assert batch.counted is not None and batch.counted.folds is not None
        first, last = layout.starts[number], layout.ends[number]
        expected = folds_of(ids, end)[first : last + 1]  # of the targets
        found = batch.counted.folds[: last + 1 - first, 0]
        # the end before the first record is that of another, whose place does not matter
        np.testing.assert_array_equal(found[number == 0 :], expected[number == 0 :])


def test_a_batch_without_counts_has_none() -> None:
    _, ids, end = some_records(1, 20)
    assert Lanes(np.arange(12), 2, 2, 0).batch(0).counted is None
    assert Records(ids, end, 4, 0).batch(0).counted is None
    assert Lanes(np.arange(12), 2, 2, 0).batch(0).steps(0, 1).counted is None


# Short texts


@pytest.mark.parametrize(
    ("length", "batch_size", "sequence_length", "fitted"),
    [
        (1024, 16, 64, (16, 64)),  # just enough: 1024 / 16 = 64
        (1023, 16, 64, (8, 64)),  # 63 is too few for 64; 1023 / 8 = 127
        (100, 16, 64, (1, 64)),  # 6, 12, 25, 50 are too few; 100 is enough
        (100, 3, 40, (1, 40)),  # 33 is too few
        (63, 16, 64, (1, 63)),
        (2, 16, 64, (1, 2)),
        (4, 16, 1, (4, 1)),
        (16, 16, 1, (16, 1)),
        (10**6, 1, 65536, (1, 65536)),
    ],
)
def test_batches_shrink_to_fit_a_short_text(
    length: int, batch_size: int, sequence_length: int, fitted: tuple[int, int]
) -> None:
    assert fit(length, batch_size, sequence_length) == fitted


def test_batches_that_fit_can_be_read() -> None:
    for n, B, T in itertools.product(range(2, 40), (1, 2, 3, 16), (1, 2, 5, 64)):
        lanes = Lanes(np.arange(n), *fit(n, B, T), seed=0)
        assert lanes.steps_per_epoch >= 1
        assert lanes.batch(0).x.size <= n


# Records


def some_records(seed: int, number: int) -> tuple[list[list[int]], Ids, int]:
    """Records of 1 to 40 symbols, their ids with the end symbol after each, and that symbol."""
    rng = np.random.default_rng(seed)
    records = [rng.integers(0, 4, int(rng.integers(1, 41))).tolist() for _ in range(number)]
    return records, np.concatenate([[*record, 4] for record in records]).astype(np.uint8), 4


def lanes_of(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """The inputs and targets of each lane, without padding."""
    found = []
    for x, y in zip(batch.x.T.tolist(), batch.y.T.tolist(), strict=True):
        count = sum(idx != PADDING for idx in y)
        assert y[count:] == [PADDING] * (len(y) - count)
        found.append((x[:count], y[:count]))
    return found


def test_the_example_in_the_docstring_of_records() -> None:
    vocabulary = Vocabulary("char", "abcdef", records=True)
    ids = np.concatenate(
        [[*vocabulary.encode(record), vocabulary.end] for record in ("ab", "c", "def")]
    )
    batch = Records(ids, vocabulary.end, 3, 0).lay_out(np.arange(3), 3)
    spelled = [
        ["".join("abcdef|."[idx] for idx in lane) for lane in part.T] for part in (batch.x, batch.y)
    ]
    assert batch.x.shape == (ROUND, 3)
    assert [lane[:4] for lane in spelled[1]] == ["ab|.", "c|..", "def|"]
    assert [lane[: size + 1] for lane, size in zip(spelled[0], (2, 1, 3), strict=True)] == [
        "|ab",
        "|c",
        "|def",
    ]


@pytest.mark.parametrize(("number", "batch_size"), [(1, 1), (2, 5), (40, 8), (500, 4), (1000, 16)])
def test_every_epoch_reads_every_record_once_from_beginning_to_end(
    number: int, batch_size: int
) -> None:
    records, ids, end = some_records(number, number)
    layout = Records(ids, end, batch_size, 7)
    assert layout.steps_per_epoch == -(-number // batch_size)
    orders = []
    for epoch in range(2):
        seen = []
        for step in range(layout.steps_per_epoch):
            batch = layout.batch(epoch * layout.steps_per_epoch + step)
            assert batch.x.shape == batch.y.shape
            assert batch.x.shape[1] == batch_size
            assert batch.fresh.tolist() == [True] * batch_size
            assert batch.x.shape[0] % ROUND == 0
            for x, y in lanes_of(batch):
                if y:
                    assert (x[0], y[-1]) == (end, end)
                    assert x[1:] == y[:-1]
                    seen.append(y[:-1])
        assert sorted(seen) == sorted(records)
        orders.append(seen)
    assert number < 3 or orders[0] != orders[1]


def test_records_of_similar_length_share_a_batch_so_padding_is_rare() -> None:
    _, ids, end = some_records(3, 3000)
    layout = Records(ids, end, 16, 0)
    batches = [layout.batch(step) for step in range(layout.steps_per_epoch)]
    assert sum(int((batch.y == PADDING).sum()) for batch in batches) < 0.2 * len(ids)
    assert layout.mean_length == pytest.approx(np.mean([len(batch.x) for batch in batches]))
    assert layout.symbols_per_step == pytest.approx(len(ids) / len(batches))
    assert layout.max_symbols == max(batch.x.size for batch in batches)


def test_a_batch_of_records_depends_only_on_the_step_and_the_seed() -> None:
    _, ids, end = some_records(1, 100)
    forwards, backwards = Records(ids, end, 8, 5), Records(ids, end, 8, 5)
    first = [forwards.batch(step) for step in range(30)]
    for step in reversed(range(30)):
        assert equal(first[step], backwards.batch(step))
    other = Records(ids, end, 8, 6)
    assert not all(equal(first[step], other.batch(step)) for step in range(5))


def test_a_record_recalls_only_its_own_symbols() -> None:
    records, ids, end = some_records(2, 50)
    layout = Records(ids, end, 8, 0, recall(ids, 30, end))
    found = 0
    for step in range(layout.steps_per_epoch):
        batch = layout.batch(step)
        assert batch.recalled is not None
        for lane, (x, _) in enumerate(lanes_of(batch)):
            expected = recall(np.array(x), 30) if x else np.zeros((0, len(ORDERS)))
            np.testing.assert_array_equal(batch.recalled[: len(x), lane], expected)
            assert (batch.recalled[len(x) :, lane] == NOTHING).all()
            found += int((expected != NOTHING).sum())
    assert found > 50
    assert sorted(map(len, records))[-1] < 41


@pytest.mark.parametrize(
    ("lengths", "batch_size", "expected"),
    [
        ([6] * 10, None, 128),  # 1024 symbols at 7 per record: 146
        ([52] * 10, None, 16),  # 19.3
        ([31] * 10, None, 32),
        ([1] * 10, None, 256),
        ([500] * 10, None, 16),  # the minimum
        ([6] * 10, 5, 5),
        ([6] * 10, 8192, 8192),  # T = 8: 65,536 in total
        ([6] * 10, 8193, 4096),
        ([6, 30_000], 16, 2),  # T = 30,008
        ([6, 30_000], None, 2),
        ([65_535], 16, 1),
    ],
)
def test_the_number_of_records_per_batch(
    lengths: list[int], batch_size: int | None, expected: int
) -> None:
    assert fit_records(np.array(lengths), batch_size) == expected


@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_record_over_the_limit_is_refused(part: str) -> None:
    with pytest.raises(CorpusError) as error:
        check_lengths(np.array([5, 65_536, 9]), part)
    assert str(error.value) == (
        f"record 2 of the {part} part has 65,536 characters, but the limit is 65,535; "
        "give another `separator`, or leave it out to train on continuous text"
    )


def test_a_long_record_in_either_part_is_refused() -> None:
    with pytest.raises(CorpusError, match="training part has 65,536 characters"):
        fit_records(np.array([5, 65_536, 9]), 1)
    check_lengths(np.array([65_535]), "validation")
    check_lengths(np.array([], np.int64), "validation")
