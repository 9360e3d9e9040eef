"""What the counts predict is mixed into the logits as by the PyTorch twin, and by hand."""

from typing import Any

import numpy as np
import pytest
import torch

from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import GROUPS, Contexts, Reading, Readings
from charrnn.context_mixing.count_table import MIXER_SIZE, NUM_FEATURES, CountTable
from charrnn.context_mixing.counted_text import look_up
from charrnn.context_mixing.counting import count_followers
from charrnn.copy_window import recall
from charrnn.errors import CheckpointError
from charrnn.generation.count_mixer import CountMixer
from charrnn.generation.decode import score
from charrnn.generation.network import Network, taken
from charrnn.storage.weight_shapes import shapes
from charrnn.training.evaluate import evaluate
from charrnn.training.model import CELLS, CharRNN, Mixer, Prediction
from charrnn.vocab import Ids, Vocabulary

CHARS = Vocabulary.of("\n ab,cé")
BYTES = Vocabulary("byte")
RECORDS = Vocabulary("char", CHARS.symbols, records=True)
VOCABULARIES = {"char": CHARS, "byte": BYTES, "records": RECORDS}
G = len(GROUPS)
PRIME = 0

pytestmark = pytest.mark.usefixtures("one_thread")
cells = pytest.mark.parametrize("cell", CELLS)
vocabularies = pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=VOCABULARIES)
windows = pytest.mark.parametrize("window", [None, 50])


def sample(vocabulary: Vocabulary, length: int, seed: int = 0) -> Ids:
    """Random words of a few letters; for records, one per record."""
    rng = np.random.default_rng(seed)
    words = ["ab", "cab", "a", "é", "bé,", "acé"]
    text = " ".join(rng.choice(words, length))[:length]
    ids = vocabulary.encode(text)[:length].copy()
    if vocabulary.records:
        ids[ids == vocabulary.encode(" ")[0]] = vocabulary.end
        ids[-1] = vocabulary.end
    return ids


def table_of(vocabulary: Vocabulary) -> CountTable:
    return count_followers(Contexts(vocabulary), sample(vocabulary, 2000), 2).table


def config_of(cell: str = "lstm", window: int | None = 50) -> ModelConfig:
    return ModelConfig(
        cell=cell,
        hidden_size=8,
        num_layers=2,
        embedding_size=4,
        copy_window=window,
        dropout=0.5,
        counts=2,
    )


def lively(vocabulary: Vocabulary, cell: str = "lstm", window: int | None = 50) -> CharRNN:
    """A model with large weights, so that logits and trust differ from place to place."""
    model = CharRNN(config_of(cell, window), len(vocabulary)).eval()
    model.table = table_of(vocabulary)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            scale = 0.2 if name.startswith("mixer") else 0.7
            weight.normal_(0, scale, generator=generator)
    return model


def weights_of(model: CharRNN) -> dict[str, Any]:
    return {name: weight.detach().numpy().copy() for name, weight in model.state_dict().items()}


def numpy_network(model: CharRNN, vocabulary: Vocabulary, cell: str, window: int | None) -> Network:
    config = config_of(cell, window)
    return Network(config, len(vocabulary), weights_of(model), model.table)


def torch_logits(model: CharRNN, ids: Ids, end: int = -1) -> Any:
    """The logits (n, V) after each symbol of a text."""
    assert model.table is not None
    recalled = None
    if model.copy_window is not None:
        recalled = torch.from_numpy(recall(ids, model.copy_window, end))[:, None]
    predicted = look_up(model.table, ids)[np.arange(len(ids))[:, None]].predicted
    counted = Prediction(*map(torch.from_numpy, predicted))
    idx = torch.from_numpy(ids.astype(np.int64))[:, None]
    with torch.no_grad():
        logits, _ = model(idx, None, recalled, counted)
    return logits[:, 0].numpy()


# By hand


def test_the_logits_are_weighted_sums() -> None:
    # " a" was always followed by b
    vocabulary = Vocabulary.of(" ab")
    table = count_followers(Contexts(vocabulary), vocabulary.encode("ab " * 60)).table
    rng = np.random.default_rng(0)
    weights = {
        "mixer.output.weight": rng.standard_normal((MIXER_SIZE, 3)),
        "mixer.output.bias": rng.standard_normal(MIXER_SIZE),
        "mixer.features.weight": rng.standard_normal((MIXER_SIZE, NUM_FEATURES)),
        "mixer.weights.weight": rng.standard_normal((1 + G, MIXER_SIZE)),
        "mixer.weights.bias": rng.standard_normal(1 + G),
    }
    weights = {name: weight.astype(np.float32) for name, weight in weights.items()}
    mixer = CountMixer(table, weights)
    reading = Reading()
    for idx in vocabulary.encode("ab ab a").tolist():
        reading = mixer.reader.after(reading, idx)
    rows = table.rows(np.array(mixer.reader.of_reading(reading), np.uint32))
    predicted = table.predict_one(rows.tolist())
    features = np.concatenate([of_group.features for of_group in predicted])
    logits = np.array([0.5, -1, 0.25], np.float32)
    output = np.array([1, -2, 0.5], np.float32)
    hidden = mixer.head @ output + mixer.head_bias
    trust = np.tanh(hidden + weights["mixer.features.weight"] @ features)
    trust = weights["mixer.weights.weight"] @ trust + weights["mixer.weights.bias"]
    expected = trust[0] * logits
    for of_group, belief in zip(predicted, trust[1:], strict=True):
        # in both groups, only b has followed
        assert of_group.symbols.tolist() == [2]
        expected[2] += belief * of_group.raised[0]
    mixer.mix(logits, hidden, reading)
    np.testing.assert_allclose(logits, expected, rtol=1e-5)


def test_a_new_mixer_trusts_every_prediction_a_little() -> None:
    model = CharRNN(config_of(), len(CHARS)).eval()
    model.table = table_of(CHARS)
    network = numpy_network(model, CHARS, "lstm", 50)
    plain = network.mixer
    logits, state = network.step(2, network.zero_state())
    assert plain is not None and isinstance(state.reading, Reading)
    rows = plain.table.rows(np.array(plain.reader.of_reading(state.reading), np.uint32))
    predicted = plain.table.predict_one(rows.tolist())
    network.mixer = None
    expected = network.logits(state).copy()
    for of_group in predicted:
        expected[of_group.symbols] += 0.1 * of_group.raised
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_a_model_with_counts_is_refused_without_them() -> None:
    model = lively(CHARS)
    with pytest.raises(CheckpointError) as caught:
        Network(config_of(), len(CHARS), weights_of(model), None)
    assert str(caught.value) == "the counts of this model are missing; copy it again"


# PyTorch and NumPy


@cells
@windows
@vocabularies
def test_one_stream_matches_the_logits_of_pytorch(
    vocabulary: Vocabulary, window: int | None, cell: str
) -> None:
    model = lively(vocabulary, cell, window)
    ids = sample(vocabulary, 120, seed=1)
    if vocabulary.records:  # one record
        ids = np.append(vocabulary.end, ids[ids != vocabulary.end])
    expected = torch_logits(model, ids, vocabulary.end)
    network = numpy_network(model, vocabulary, cell, window)
    state = network.zero_state()
    found = []
    for idx in ids.tolist():
        logits, state = network.step(idx, state)
        found.append(logits)
    assert expected.std() > 0.5
    assert found[0].dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


@cells
@windows
@vocabularies
def test_many_streams_match_one(vocabulary: Vocabulary, window: int | None, cell: str) -> None:
    network = numpy_network(lively(vocabulary, cell, window), vocabulary, cell, window)
    streams = [sample(vocabulary, 30, seed) for seed in range(3)]
    each = [network.zero_state() for _ in streams]
    state = network.zero_state(3)
    for idx in np.stack(streams, axis=1):
        logits, state = network.step(idx, state)
        assert isinstance(state.reading, Readings)
        for lane in range(3):
            expected, each[lane] = network.step(int(idx[lane]), each[lane])
            np.testing.assert_allclose(logits[lane], expected, atol=1e-4)


@windows
def test_streams_that_are_taken_read_on_from_where_they_are(window: int | None) -> None:
    network = numpy_network(lively(CHARS, window=window), CHARS, "lstm", window)
    state = network.zero_state(3)
    for idx in np.stack([sample(CHARS, 20, seed) for seed in range(3)], axis=1):
        _, state = network.step(idx, state)
    logits, _ = network.step(np.array([1, 2, 3]), state)
    swapped, _ = network.step(np.array([3, 1, 3, 2]), taken(state, [2, 0, 2, 1]))
    np.testing.assert_allclose(swapped, logits[[2, 0, 2, 1]], atol=1e-5)


@pytest.mark.parametrize("batch", [(), (2,)], ids=["stream", "batch"])
def test_a_step_does_not_change_its_input_state(batch: tuple[int, ...]) -> None:
    network = numpy_network(lively(CHARS), CHARS, "lstm", 50)
    _, state = network.step(np.full(batch, 2), network.zero_state(*batch))
    assert state.reading is not None
    before = [np.copy(part) for part in state.reading]
    first, _ = network.step(np.full(batch, 3), state)
    again, _ = network.step(np.full(batch, 3), state)
    np.testing.assert_array_equal(first, again)
    for part, copy in zip(state.reading, before, strict=True):
        np.testing.assert_array_equal(part, copy)


@cells
@windows
@vocabularies
def test_the_loss_of_a_text_is_the_same_in_both(
    vocabulary: Vocabulary, window: int | None, cell: str
) -> None:
    model = lively(vocabulary, cell, window)
    network = numpy_network(model, vocabulary, cell, window)
    ids = sample(vocabulary, 150, seed=2)
    texts = [ids]
    prime = PRIME
    if vocabulary.records:
        prime = vocabulary.end
        texts = np.split(ids, np.flatnonzero(ids == prime)[:-1] + 1)
        assert len(texts) > 20
    total = sum(sum(score(network, [prime, *text.tolist()])) for text in texts)
    found = evaluate(model, ids, prime, records=vocabulary.records)
    assert found.nats_per_character == pytest.approx(-total / len(ids), abs=1e-4)
    # which is not that of the network alone
    model.table = None
    alone = evaluate(model, ids, prime, records=vocabulary.records)
    assert abs(alone.nats_per_character - found.nats_per_character) > 0.01


@vocabularies
def test_mixed_probabilities_sum_to_one(vocabulary: Vocabulary) -> None:
    model = lively(vocabulary)
    logits = torch.from_numpy(torch_logits(model, sample(vocabulary, 100, seed=1)))
    sums = logits.double().softmax(-1).sum(-1)
    torch.testing.assert_close(sums, torch.ones(100, dtype=torch.float64))
    assert torch.isfinite(logits).all()


def test_the_weights_have_the_shapes_that_a_checkpoint_is_checked_for() -> None:
    mixer = {f"mixer.{name}": tuple(weight.shape) for name, weight in Mixer(16).named_parameters()}
    expected = shapes(config_of(), len(CHARS))
    assert mixer == {name: shape for name, shape in expected.items() if name.startswith("mixer.")}
