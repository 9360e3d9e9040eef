"""The static loss counts every symbol, matches the NumPy network, and does not change the model."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

import charrnn
from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.counted_text import CountedText, Selected, look_up
from charrnn.context_mixing.counting import count_followers
from charrnn.copy_window import recall
from charrnn.errors import CheckpointError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.training.evaluate import (
    CHUNK,
    MAX_LOGITS,
    Evaluation,
    evaluate,
    load_model,
    load_weights,
)
from charrnn.training.model import CELLS, CharRNN, Prediction
from charrnn.vocab import Ids, Vocabulary

pytestmark = pytest.mark.usefixtures("one_thread")

CHARS = Vocabulary.of("\n abcdé")
PRIME = 0  # the newline

cells = pytest.mark.parametrize("cell", CELLS)


def network(
    cell: str = "lstm", vocab_size: int = len(CHARS), copy_window: int | None = 2000
) -> CharRNN:
    """A model with large weights, so that probabilities differ, with dropout and a copy window of
    almost two chunks."""
    sizes = ModelConfig(
        cell=cell,
        hidden_size=8,
        num_layers=2,
        embedding_size=4,
        copy_window=copy_window,
        dropout=0.5,
    )
    model = CharRNN(sizes, vocab_size)
    generator = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.7
    return model


def text(length: int) -> str:
    return "".join(np.random.default_rng(length).choice(list(CHARS.symbols), length))


def ids(length: int) -> Ids:
    return CHARS.encode(text(length))


def nats(
    model: CharRNN, read: list[int], predicted: list[int], before: list[int] | None = None
) -> float:
    """The summed negative log-probability of one stream from a zero state, in one pass; ``before``
    is earlier text that may be recalled."""
    model.eval()
    assert model.copy_window is not None
    recalled = recall(np.array([*(before or []), *read]), model.copy_window)[-len(read) :]  # (n, K)
    with torch.no_grad():
        logits, _ = model(torch.tensor(read)[:, None], None, torch.from_numpy(recalled)[:, None])
    return float(functional.cross_entropy(logits[:, 0], torch.tensor(predicted), reduction="sum"))


def saved(
    path: Path,
    model: CharRNN,
    vocabulary: Vocabulary = CHARS,
    cell: str = "lstm",
    prime: int = PRIME,
) -> Path:
    config = ModelConfig(
        cell=cell,
        hidden_size=8,
        num_layers=2,
        embedding_size=4,
        copy_window=model.copy_window,
        dropout=0.5,
    )
    weights = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    checkpoints.write(path, Checkpoint(vocabulary, config, weights, prime, {}))
    return path


# One stream


@cells
def test_the_loss_matches_the_numpy_network(cell: str, tmp_path: Path) -> None:
    model = network(cell)
    scores = charrnn.load(saved(tmp_path / "model", model, cell=cell)).score(text(1100))
    assert evaluate(model, ids(1100), PRIME).nats_per_character == pytest.approx(
        -scores.mean(), abs=1e-5
    )


@cells
def test_chunk_boundaries_do_not_matter(cell: str) -> None:
    model, all_ids = network(cell), ids(2 * CHUNK + 1).tolist()
    whole = nats(model, [PRIME, *all_ids[:-1]], all_ids)
    assert evaluate(model, ids(2 * CHUNK + 1), PRIME).nats_per_character == pytest.approx(
        whole / (2 * CHUNK + 1), abs=1e-6
    )


@pytest.mark.parametrize("length", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_every_symbol_is_counted(length: int) -> None:
    seen: list[int] = []
    found = evaluate(network(), ids(length), PRIME, on_progress=seen.append)
    all_ids = ids(length).tolist()
    assert found.characters == length
    assert found.nats_per_character == pytest.approx(
        nats(network(), [PRIME, *all_ids[:-1]], all_ids) / length, abs=1e-6
    )
    assert seen == [CHUNK] * (length // CHUNK) + [length % CHUNK] * (length % CHUNK > 0)


def test_the_first_symbol_is_predicted_from_the_prime() -> None:
    # -log softmax of the logits after the prime, at the only symbol
    logits = network().eval()(torch.tensor([[3]]))[0].detach()
    expected = float(logits[0, 0].logsumexp(0) - logits[0, 0, 2])
    assert evaluate(network(), np.array([2], np.uint8), 3).nats_per_character == pytest.approx(
        expected, abs=1e-6
    )


def test_an_ignorant_network_has_the_logarithm_of_the_vocabulary_size() -> None:
    model = network()
    for weight in model.parameters():
        weight.data.zero_()
    found = evaluate(model, ids(50), PRIME)
    assert found.nats_per_character == pytest.approx(math.log(7), abs=1e-6)
    assert found.bits_per_character == pytest.approx(math.log2(7), abs=1e-6)


def test_bits_are_nats_over_the_logarithm_of_two() -> None:
    assert Evaluation(
        characters=1, nats_per_character=math.log(8)
    ).bits_per_character == pytest.approx(3, abs=1e-12)


# The copy window


@cells
@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_the_window_spans_chunks_and_lanes_and_its_size_matters(cell: str, lanes: int) -> None:
    losses = set()
    for window in (None, 2, 100, 8192):
        model = network(cell, copy_window=window)
        losses.add(evaluate(model, ids(3 * CHUNK), PRIME, lanes=lanes).nats_per_character)
    assert len(losses) == 4


def test_a_text_that_repeats_in_a_later_lane_is_recalled_there() -> None:
    model = network()
    for name, weight in model.named_parameters():
        # recalled symbols are trusted, and nothing else is known
        weight.data.fill_(3.0 if name == "copy.bias" else 0.0)
    piece = np.random.default_rng(0).integers(0, len(CHARS), CHUNK)
    twice = np.concatenate([piece, piece])
    found = evaluate(model, twice, PRIME, lanes=2)
    read = [PRIME, *twice[:-1].tolist()]
    assert found.nats_per_character == pytest.approx(
        nats(model, read, twice.tolist()) / len(twice), abs=1e-6
    )
    model.copy_window = CHUNK  # the same position of the previous lane is just too far
    assert (
        evaluate(model, twice, PRIME, lanes=2).nats_per_character > found.nats_per_character + 0.5
    )


# Lanes


@cells
def test_lanes_start_from_zero_with_the_previous_symbol_and_count_every_symbol(cell: str) -> None:
    # 2051 symbols in 2 lanes: 1026 and 1025, one position of padding; the second lane reads symbol
    # 1025 first, and may recall the first lane
    model, all_ids = network(cell), ids(2051).tolist()
    first = nats(model, [PRIME, *all_ids[:1025]], all_ids[:1026])
    second = nats(model, all_ids[1025:2050], all_ids[1026:], before=[PRIME, *all_ids[:1025]])
    found = evaluate(model, ids(2051), PRIME, lanes=2)
    assert found.characters == 2051
    assert found.nats_per_character == pytest.approx((first + second) / 2051, abs=1e-6)


def test_lanes_are_at_least_as_long_as_a_chunk() -> None:
    model = network()
    assert evaluate(model, ids(2 * CHUNK - 1), PRIME, lanes=16) == evaluate(
        model, ids(2 * CHUNK - 1), PRIME, lanes=1
    )
    assert evaluate(model, ids(2 * CHUNK), PRIME, lanes=16) == evaluate(
        model, ids(2 * CHUNK), PRIME, lanes=2
    )
    assert evaluate(model, ids(2 * CHUNK), PRIME, lanes=2) != evaluate(
        model, ids(2 * CHUNK), PRIME, lanes=1
    )


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_progress_counts_every_character_once(lanes: int) -> None:
    length, seen = 3 * CHUNK + 7, list[int]()
    evaluate(network(), ids(length), PRIME, lanes=lanes, on_progress=seen.append)
    assert sum(seen) == length


# Memory


LARGE = 60_000  # symbols: the logits of 140 characters are the most that may be computed at once


def watched(model: CharRNN, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of logits that each call of the model returns, appended as it is called."""
    sizes = list[int]()
    forward = model.forward

    def counting(*inputs: Any) -> tuple[Tensor, Tensor]:
        logits, state = forward(*inputs)
        sizes.append(logits.numel())
        return logits, state

    monkeypatch.setattr(model, "forward", counting)
    return sizes


def some_ids(vocab_size: int, length: int) -> Ids:
    return np.random.default_rng(length).integers(0, vocab_size, length).astype(np.uint16)


def test_the_logits_of_a_large_alphabet_are_computed_a_few_characters_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, all_ids = network(vocab_size=LARGE), some_ids(LARGE, 300)
    whole = nats(model, [PRIME, *all_ids[:-1].tolist()], all_ids.tolist())
    sizes, seen = watched(model, monkeypatch), list[int]()
    found = evaluate(model, all_ids, PRIME, on_progress=seen.append)
    assert sizes == [139 * LARGE, 139 * LARGE, 22 * LARGE]  # 140 x 60,000 is more than 1 << 23
    assert seen == [139, 139, 22]
    assert found.nats_per_character == pytest.approx(whole / 300, abs=1e-6)


def test_the_limit_on_logits_applies_to_all_lanes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(vocab_size=LARGE, copy_window=None)
    sizes = watched(model, monkeypatch)
    evaluate(model, some_ids(LARGE, 2 * CHUNK), PRIME, lanes=2)
    assert sizes == [69 * 2 * LARGE] * 14 + [58 * 2 * LARGE]  # 1,024 = 14 x 69 + 58
    assert max(sizes) <= MAX_LOGITS


@pytest.mark.parametrize("vocab_size", [65, 512])
def test_a_small_alphabet_is_read_in_whole_chunks(
    vocab_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(vocab_size=vocab_size, copy_window=None)
    sizes = watched(model, monkeypatch)
    evaluate(model, some_ids(vocab_size, 16 * CHUNK), PRIME, lanes=16)
    assert sizes == [16 * CHUNK * vocab_size]


@cells
# one character at a time, and ten in each of three lanes
@pytest.mark.parametrize("most", [1, 7 * 3 * 10])
def test_reading_fewer_characters_at_once_does_not_change_the_loss(
    cell: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.training.evaluate.CHUNK", 64)
    model, all_ids = network(cell, copy_window=100), ids(3 * 64 + 5)
    expected = evaluate(model, all_ids, PRIME, lanes=3)
    monkeypatch.setattr("charrnn.training.evaluate.MAX_LOGITS", most)
    found = evaluate(model, all_ids, PRIME, lanes=3)
    assert found.characters == expected.characters
    assert found.nats_per_character == pytest.approx(expected.nats_per_character, abs=1e-6)


def test_the_limit_on_logits_applies_to_records_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = LARGE - 1
    lengths = [20] * 12 + [200]  # six of which fit together, while the last does not fit at once
    all_ids = np.concatenate([np.append(some_ids(end, length), end) for length in lengths]).astype(
        np.uint16
    )
    model = network(vocab_size=LARGE, copy_window=None)
    sizes, seen = watched(model, monkeypatch), list[int]()
    found = evaluate(model, all_ids, end, records=True, on_progress=seen.append)
    assert max(sizes) <= MAX_LOGITS
    assert (sum(seen), found.records) == (len(all_ids), 13)
    monkeypatch.setattr("charrnn.training.evaluate.MAX_LOGITS", 1 << 40)
    sizes.clear()
    unbounded = evaluate(model, all_ids, end, records=True)
    assert max(sizes) > MAX_LOGITS
    assert found.nats_per_character == pytest.approx(unbounded.nats_per_character, abs=1e-6)


# Side effects


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_weights_are_not_changed(training: bool) -> None:
    model = network().train(training)
    before = [weight.clone() for weight in model.parameters()]
    evaluate(model, ids(10), PRIME)
    assert [module.training for module in model.modules()] == [training] * len(
        list(model.modules())
    )
    assert all(
        torch.equal(one, other) for one, other in zip(model.parameters(), before, strict=True)
    )
    assert all(weight.grad is None for weight in model.parameters())


def test_dropout_is_off() -> None:
    assert evaluate(network().train(), ids(100), PRIME) == evaluate(
        network().eval(), ids(100), PRIME
    )


def test_an_exception_from_the_callback_propagates_and_the_mode_is_restored() -> None:
    model, seen = network().train(), list[int]()

    def stop(characters: int) -> None:
        seen.append(characters)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        evaluate(model, ids(2 * CHUNK), PRIME, on_progress=stop)
    assert seen == [CHUNK]
    assert model.training


# Weights of a checkpoint


def checkpoint(**changes: Any) -> Checkpoint:
    weights = {name: value.numpy().copy() for name, value in network().state_dict().items()}
    weights = {name: value for name, value in (weights | changes).items() if value is not None}
    config = ModelConfig(
        hidden_size=8, num_layers=2, embedding_size=4, copy_window=2000, dropout=0.5
    )
    return Checkpoint(CHARS, config, weights, PRIME, {})


def state(model: CharRNN) -> dict[str, Tensor]:
    return model.state_dict()


def test_the_weights_of_a_checkpoint_are_loaded_bit_for_bit() -> None:
    loaded = state(load_model(checkpoint(), "cpu"))
    assert all(torch.equal(loaded[name], weight) for name, weight in state(network()).items())


def test_loaded_weights_do_not_share_memory_with_the_checkpoint() -> None:
    found = checkpoint()
    model = load_model(found, "cpu")
    model.head.bias.data += 1
    np.testing.assert_array_equal(found.weights["head.bias"], state(network())["head.bias"].numpy())


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"head.bias": None}, 'Missing key(s) in state_dict: "head.bias".'),
        ({"copy.weight": None}, 'Missing key(s) in state_dict: "copy.weight".'),
        ({"copy.weight": np.zeros((6, 8), np.float32)}, "size mismatch for copy.weight: "),
        ({"tail.bias": np.zeros(3, np.float32)}, 'Unexpected key(s) in state_dict: "tail.bias".'),
        ({"head.bias": np.zeros(8, np.float32)}, "size mismatch for head.bias: "),
    ],
)
def test_weights_of_another_model_are_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(CheckpointError) as error:
        load_weights(network(), checkpoint(**changes).weights)
    message = str(error.value)
    assert message.startswith(
        f"the weights do not match the configuration: Error(s) in loading state_dict for CharRNN: {what}"
    )
    assert message.endswith("; use another checkpoint")


# Counts


def counting(
    cell: str = "lstm", vocabulary: Vocabulary = CHARS, window: int | None = 50
) -> CharRNN:
    """A model with large weights and the counts of another text."""
    sizes = ModelConfig(
        cell=cell, hidden_size=8, num_layers=2, embedding_size=4, copy_window=window, counts=1
    )
    model = CharRNN(sizes, len(vocabulary)).eval()
    generator = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.5
    model.table = count_followers(Contexts(vocabulary), ids(500), 1).table
    return model


def counted_nats(model: CharRNN, read: list[int], predicted: list[int]) -> float:
    """The summed loss of one stream from a zero state, in one pass, with its counts."""
    assert model.table is not None
    array = np.array(read)
    found = look_up(model.table, array)[np.arange(len(read))[:, None]].predicted
    counted = Prediction(*map(torch.from_numpy, found))
    end = model.table.reader.end
    recalled = None
    if model.copy_window is not None:
        recalled = torch.from_numpy(recall(array, model.copy_window, end))[:, None]
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(array)[:, None], None, recalled, counted)
    return float(functional.cross_entropy(logits[:, 0], torch.tensor(predicted), reduction="sum"))


@cells
@pytest.mark.parametrize("window", [None, 50])
def test_chunk_boundaries_do_not_matter_with_counts(cell: str, window: int | None) -> None:
    model = counting(cell, window=window)
    length = CHUNK + 7
    all_ids = ids(length).tolist()
    whole = counted_nats(model, [PRIME, *all_ids[:-1]], all_ids)
    found = evaluate(model, ids(length), PRIME)
    assert found.nats_per_character == pytest.approx(whole / length, abs=1e-5)


def test_a_lane_has_the_contexts_of_the_text_before_it() -> None:
    model = counting()
    for name, weight in model.named_parameters():
        # what was counted is trusted, and nothing else is known
        weight.data.fill_(1.0 if name == "mixer.weights.bias" else 0.0)
    long = ids(2 * CHUNK)
    one = evaluate(model, long, PRIME, lanes=1).nats_per_character
    assert evaluate(model, long, PRIME, lanes=2).nats_per_character == pytest.approx(one, abs=1e-6)
    assert one != pytest.approx(math.log(7), abs=0.01)


def test_a_part_of_the_training_text_is_read_without_its_surroundings() -> None:
    model = counting(window=None)
    train = ids(400)
    text = CountedText(train, CHARS, 1)
    model.table = text.table
    places = np.arange(150, 350)
    part = train[150:350]
    # from the first symbol on, the place before each is known
    found = evaluate(model, part, PRIME, learned=Selected(text, places))
    read = np.append(PRIME, part[:-1])
    predicted = text[np.append(150, places[:-1])[:, None]].predicted
    counted = Prediction(*map(torch.from_numpy, predicted))
    with torch.no_grad():
        logits, _ = model(torch.from_numpy(read.astype(np.int64))[:, None], None, None, counted)
    targets = torch.from_numpy(part.astype(np.int64))
    expected = float(functional.cross_entropy(logits[:, 0], targets))
    assert found.nats_per_character == pytest.approx(expected, abs=1e-5)
    assert found.nats_per_character != pytest.approx(
        evaluate(model, part, PRIME).nats_per_character, abs=0.01
    )


@cells
@pytest.mark.parametrize("window", [None, 40])
def test_the_loss_of_records_with_counts_equals_reading_each_alone(
    cell: str, window: int | None
) -> None:
    model = counting(cell, RECORDS, window)
    records = some_records(40, 20)
    all_ids = np.concatenate([[*record, RECORDS.end] for record in records]).astype(np.uint8)
    total = sum(
        counted_nats(model, [RECORDS.end, *record], [*record, RECORDS.end]) for record in records
    )
    found = evaluate(model, all_ids, RECORDS.end, records=True)
    assert found.nats_per_character == pytest.approx(total / len(all_ids), rel=1e-5)


def test_a_loaded_model_has_the_counts_of_its_checkpoint() -> None:
    model = counting()
    weights = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    sizes = ModelConfig(hidden_size=8, num_layers=2, embedding_size=4, copy_window=50, counts=1)
    loaded = load_model(Checkpoint(CHARS, sizes, weights, PRIME, {}, model.table), "cpu")
    assert loaded.table is model.table
    assert evaluate(loaded, ids(100), PRIME) == evaluate(model, ids(100), PRIME)


# Records


END = 6
RECORDS = Vocabulary("char", CHARS.symbols, records=True)


def some_records(number: int, longest: int) -> list[list[int]]:
    rng = np.random.default_rng(number)
    return [rng.integers(0, 3, int(rng.integers(1, longest + 1))).tolist() for _ in range(number)]


@pytest.mark.parametrize("window", [None, 40])
@cells
def test_the_loss_of_records_equals_reading_each_alone_from_a_zero_state(
    cell: str, window: int | None
) -> None:
    # more than fit into one batch
    model, records = network(cell, END + 1, window), some_records(600, 60)
    model.eval()
    total = 0.0
    with torch.no_grad():
        for record in records:
            read = [END, *record]
            recalled = (
                None
                if window is None
                else torch.from_numpy(recall(np.array(read), window))[:, None]
            )
            logits, _ = model(torch.tensor(read)[:, None], None, recalled)
            total += float(
                functional.cross_entropy(
                    logits[:, 0], torch.tensor([*record, END]), reduction="sum"
                )
            )
    ids = np.concatenate([[*record, END] for record in records]).astype(np.uint8)
    counted = list[int]()
    found = evaluate(model, ids, END, records=True, on_progress=counted.append)
    assert (found.characters, found.records, sum(counted)) == (len(ids), 600, len(ids))
    assert found.nats_per_character == pytest.approx(total / len(ids), rel=1e-5)
    assert found.nats_per_record == pytest.approx(total / 600, rel=1e-5)


def test_neither_the_order_of_records_nor_the_batch_size_matters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, records = network("lstm", END + 1), some_records(50, 30)
    losses = set()
    for together, most, chunk in (
        (256, 1 << 16, 1024),
        (7, 1 << 16, 1024),
        (256, 64, 1024),
        (256, 64, 5),
    ):
        monkeypatch.setattr("charrnn.training.evaluate.MAX_RECORDS_TOGETHER", together)
        monkeypatch.setattr("charrnn.training.evaluate.MAX_SYMBOLS_TOGETHER", most)
        monkeypatch.setattr("charrnn.training.evaluate.CHUNK", chunk)
        for order in (records, records[::-1]):
            ids = np.concatenate([[*record, END] for record in order]).astype(np.uint8)
            losses.add(round(evaluate(model, ids, END, records=True).nats_per_character, 5))
    assert len(losses) == 1
