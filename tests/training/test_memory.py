"""The estimated memory of a run is what is alive at its peak, worked out by hand for small
cases."""

from typing import Any

import numpy as np
import pytest

from charrnn.config.run_config import ModelConfig, RunConfig
from charrnn.corpus.corpus import Corpus
from charrnn.training import memory as estimates
from charrnn.training.memory import estimate_memory

EVERYTHING = {
    "steps": 1,
    "hidden_size": 16,
    "num_layers": 1,
    "dropout": 0.0,
    "copy_window": None,
    "batch_size": 1,
    "sequence_length": 1,
}


def memory(text: str, **given: Any) -> float:
    """The estimate, excluding Python and PyTorch themselves."""
    config = RunConfig.from_flat(EVERYTHING | given)
    corpus = Corpus.of(text, config.data.val_fraction, config.data.separator)
    ids = len(corpus) * corpus.train.itemsize
    return estimate_memory(config, corpus) - estimates.STARTING_BYTES - ids


def alphabet(symbols: int, length: int) -> str:
    """A text that cycles through this number of symbols."""
    return "".join(chr(0x10000 + place % symbols) for place in range(length))


def weights(symbols: int, hidden_size: int = 16) -> int:
    """The number of weights of one LSTM layer with an embedding of 64: embedding, head and its
    bias, four gates with two biases."""
    return symbols * 64 + symbols * hidden_size + symbols + 4 * hidden_size * (64 + hidden_size + 2)


def test_memory_peaks_while_a_checkpoint_is_written() -> None:
    # 14 copies of the weights: nothing is held out to be counted or validated on, and a step reads
    # one character
    holes = 3 * 4 * 2_000  # left by the logits of the step
    assert memory(alphabet(2_000, 4_000), val_fraction=0.0) == 14 * 4 * weights(2_000) + holes


def test_memory_includes_three_copies_of_the_logits_of_a_step() -> None:
    # 1,024 characters per step and 10,000 symbols: 41 MB, so they leave no holes
    found = memory(alphabet(10_000, 20_000), val_fraction=0.0, batch_size=16, sequence_length=64)
    layers = 1_024 * ((6 + 8) * 16 + 4 * 64)
    assert found == 4 * (3 * weights(10_000) + 3 * 1_024 * 10_000 + layers)


def test_memory_includes_a_validation_for_any_number_of_symbols() -> None:
    # with 5 symbols, 4,000 characters are read at once; with 60,000 symbols 139 characters, whose
    # logits exist four times
    few = (
        memory(alphabet(5, 8_000), val_fraction=0.5, hidden_size=256)
        - 3 * 4 * 5
        - 4 * 4 * weights(5, 256)
    )
    assert few == 4 * 4_000 * (64 + (64 + 256) + 256 + 4 * 256)
    many = estimates._validation_bytes(
        ModelConfig(hidden_size=16, num_layers=1), Corpus.of(alphabet(60_000, 120_000), 0.5)
    )
    assert many == 4 * 139 * (64 + 2 * 16 + 4 * 60_000)


def test_memory_includes_recalled_symbols() -> None:
    # six symbols of two bytes for each training symbol; and six more outputs with their biases
    text = alphabet(2_000, 4_000)
    found = memory(text, val_fraction=0.0, copy_window=100) - memory(text, val_fraction=0.0)
    assert found == 6 * 2 * 4_000 + 14 * 4 * 6 * (16 + 1)


def test_memory_includes_the_counts_of_a_large_text(monkeypatch: pytest.MonkeyPatch) -> None:
    text = alphabet(10, 2_000)  # in which the next symbol is determined: ten grams of each length
    monkeypatch.setattr(estimates, "SYMBOL_BYTES", 1e6)
    monkeypatch.setattr(estimates, "GRAM_BYTES", 1e7)
    monkeypatch.setattr(estimates, "LAST_GRAM_BYTES", 1e8)
    assert memory(text, val_fraction=0.1) == 4 * weights(10) + 1_800 * 1e6 + 8 * 10 * 1e7 + 10 * 1e8
    assert memory(text, val_fraction=0.0) < 1e6  # no counts


def test_memory_includes_the_counts_across_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(estimates, "SYMBOL_BYTES", 1e6)
    # 50 of them for training, each with its end
    items = "".join(f"{number}\n" for number in range(100, 200))
    assert memory(items, val_fraction=0.5, separator="\n") == pytest.approx(
        (50 * 4 + 50 * 7) * 1e6, rel=1e-2
    )


def test_grams_are_counted_by_length() -> None:
    # a b ab b ba a: "abba" has three runs of two, two of three, one of four; none longer, counted
    # as one
    assert estimates._count_grams(np.array([0, 1, 1, 0], np.uint8), 2) == [2, 3, 2, 1, 1, 1, 1, 1]


def test_the_grams_of_a_long_text_are_extrapolated_from_its_end() -> None:
    # twice as many grams in the whole as in its second half: ten times as many in a text ten times
    # as long
    assert estimates._distinct_grams(np.arange(8, dtype=np.uint8), 8, 80)[0] == pytest.approx(80)
    # and if both halves have the same two grams of each length, so has the text
    assert estimates._distinct_grams(np.array([0, 1] * 16, np.uint8), 2, 320) == [2.0] * 8
