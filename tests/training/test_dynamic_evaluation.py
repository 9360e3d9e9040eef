"""The adaptive loss scores before it learns, by the documented rule, and an adapted model is closer
to its text."""

import copy
import json
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

import charrnn
from charrnn import copy_window as recall
from charrnn.config.run_config import ModelConfig
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.count_table import UNSEEN
from charrnn.context_mixing.counting import count_followers
from charrnn.context_mixing.updated_counts import UpdatedCounts
from charrnn.errors import ConfigError, CorpusError, VocabularyError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.count_file import to_bytes
from charrnn.training.dynamic_evaluation import (
    DECAY,
    MEMORY,
    PIECE,
    RATES,
    SHARE,
    TINY,
    _Learner,
    _Mixture,
    _pieces,
    adapt,
    adapted,
)
from charrnn.training.evaluate import Evaluation, evaluate, load_model
from charrnn.training.model import CELLS, CharRNN, Prediction
from charrnn.training.start import launch
from charrnn.vocab import Ids, Vocabulary
from tests.command import call

V = 7
cells = pytest.mark.parametrize("cell", CELLS)
windows = pytest.mark.parametrize("window", [None, 50])
pytestmark = pytest.mark.usefixtures("one_thread")


def network(cell: str = "lstm", window: int | None = 50, **sizes: Any) -> CharRNN:
    """A small network; with a copy window, one with nonzero copy weights."""
    model = CharRNN(
        ModelConfig(
            **{
                "cell": cell,
                "hidden_size": 8,
                "num_layers": 2,
                "embedding_size": 4,
                "copy_window": window,
            }
            | sizes
        ),
        V,
    )
    if model.copy is not None:
        model.copy.bias.data.fill_(0.3)
    return model


def symbols(length: int, seed: int = 0) -> Ids:
    """Random symbols, in runs that repeat so that some are recalled."""
    rng = np.random.default_rng(seed)
    words = rng.integers(0, V, (5, 9))
    return words[rng.integers(0, 5, length // 9 + 1)].reshape(-1)[:length].astype(np.uint8)


def learn(model: CharRNN, ids: Ids, prime: int = 0, **more: Any) -> Evaluation:
    """Adapt with a single learning rate."""
    return adapt(model, ids, prime, rates=(3e-4,), **more)


def scored(model: CharRNN, ids: Ids) -> tuple[Evaluation, list[Tensor]]:
    """The adaptive loss and the logits of each piece."""
    seen: list[Tensor] = []
    hook = model.register_forward_hook(
        lambda _module, _inputs, output: seen.append(output[0].detach()[:, 0])
    )
    found = learn(model, ids, 0)
    hook.remove()
    return found, seen


def weights(model: CharRNN) -> dict[str, bytes]:
    return {name: weight.numpy().tobytes() for name, weight in model.state_dict().items()}


# Scoring first, then learning


@cells
@windows
def test_the_first_piece_has_the_static_loss(cell: str, window: int | None) -> None:
    ids = symbols(PIECE)
    static = evaluate(network(cell, window), ids, 0)
    assert learn(network(cell, window), ids, 0).nats_per_character == pytest.approx(
        static.nats_per_character, rel=1e-6
    )


@cells
def test_the_second_piece_differs_from_the_static_loss(cell: str) -> None:
    ids = symbols(2 * PIECE)
    assert learn(network(cell), ids, 0).nats_per_character != pytest.approx(
        evaluate(network(cell), ids, 0).nats_per_character, rel=1e-6
    )


@cells
@pytest.mark.parametrize("place", [0, PIECE - 1, PIECE, PIECE + 7, 3 * PIECE - 1])
def test_a_symbol_does_not_affect_earlier_scores(cell: str, place: int) -> None:
    ids = symbols(3 * PIECE)
    changed = ids.copy()
    changed[place:] = (changed[place:] + 1) % V
    one, other = (torch.cat(scored(network(cell), each)[1]) for each in (ids, changed))
    torch.testing.assert_close(one[: place + 1], other[: place + 1], atol=1e-6, rtol=0)
    # of the previous pieces, bit for bit
    assert torch.equal(one[: place // PIECE * PIECE], other[: place // PIECE * PIECE])
    if place < 3 * PIECE - 1:
        assert not torch.allclose(one[place + 1 :], other[place + 1 :], atol=1e-4)


def by_hand(model: CharRNN, ids: Ids, prime: int) -> tuple[float, dict[str, NDArray[Any]]]:
    """The rule in NumPy, except for the gradient: the loss, and the weights at the end."""
    x, window = [prime, *ids[:-1].tolist()], model.copy_window
    recalled = None if window is None else recall.recall(np.array(x), window)
    names = dict(model.named_parameters())
    home = {name: weight.detach().numpy().astype(np.float64) for name, weight in names.items()}
    now, square = (
        {name: value.copy() for name, value in home.items()},
        {name: np.zeros_like(value) for name, value in home.items()},
    )
    model.eval()
    state, losses = None, list[float]()
    for number, start in enumerate(range(0, len(ids), PIECE), 1):
        end = min(start + PIECE, len(ids))
        shown = None if recalled is None else torch.from_numpy(recalled[start:end])[:, None]
        logits, state = model(torch.tensor(x[start:end])[:, None], state, shown)
        state = state.detach()
        each = functional.cross_entropy(
            logits[:, 0], torch.tensor(ids[start:end].tolist()), reduction="none"
        )
        losses += each.tolist()
        model.zero_grad()
        each.mean().backward()  # type: ignore[no-untyped-call]
        for name, weight in names.items():
            assert weight.grad is not None
            gradient = weight.grad.numpy().astype(np.float64)
            square[name] = 0.999 * square[name] + 0.001 * gradient**2
            now[name] -= 3e-4 * gradient / (np.sqrt(square[name] / (1 - 0.999**number)) + 1e-8)
            now[name] += 1e-3 * (home[name] - now[name])
            weight.data = torch.from_numpy(now[name].astype(np.float32))
    return sum(losses) / len(losses), now


def test_the_constants_of_the_rule() -> None:
    assert (PIECE, DECAY, MEMORY, TINY) == (32, 1e-3, 0.999, 1e-8)
    assert 0.0 in RATES


@cells
@windows
def test_loss_and_weights_follow_the_rule(cell: str, window: int | None) -> None:
    ids, model = symbols(10 * PIECE + 5), network(cell, window)
    loss, expected = by_hand(copy.deepcopy(model), ids, 3)
    assert learn(model, ids, 3).nats_per_character == pytest.approx(loss, rel=1e-5)
    assert set(expected) == set(model.state_dict())
    for name, weight in model.state_dict().items():
        # 11 updates of up to 3e-4
        np.testing.assert_allclose(weight.numpy(), expected[name], atol=1e-5, rtol=0)


def test_adaptation_decays_toward_the_trained_weights() -> None:
    """Where the gradient is zero, a hundred updates leave 0.999 ** 100 = 0.905 of the distance
    from the trained weights."""
    # a single symbol: no loss, no gradient
    model = CharRNN(ModelConfig(hidden_size=2, num_layers=1, embedding_size=2, copy_window=None), 1)
    before = model.head.bias.detach().clone()

    learner = _Learner(model, rate=3e-4)
    for number, piece in enumerate(_pieces(np.zeros(101 * PIECE, np.uint8), 0, -1, model, None)):
        learner.read(piece)
        if number == 0:
            model.head.bias.data += 1
    assert (model.head.bias - before).item() == pytest.approx(0.999**100, rel=1e-4)


@cells
def test_the_loss_of_a_repetitive_text_is_lower_than_the_static_one(cell: str) -> None:
    ids = np.tile(np.array([1, 4, 2, 2, 5, 0], np.uint8), 200)
    static = evaluate(network(cell, None), ids, 0).nats_per_character
    assert learn(network(cell, None), ids, 0).nats_per_character < 0.97 * static


@pytest.mark.parametrize("length", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1])
def test_every_symbol_is_counted(length: int) -> None:
    ids, lengths = symbols(length), list[int]()
    found, logits = scored(network(), ids)
    learn(network(), ids, 0, on_progress=lengths.append)
    expected = functional.cross_entropy(
        torch.cat(logits), torch.from_numpy(ids.astype(np.int64))
    ).item()
    assert (found.characters, sum(lengths)) == (length, length)
    assert lengths == [PIECE] * (length // PIECE) + [length % PIECE] * (length % PIECE > 0)
    assert found.nats_per_character == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_restored_and_dropout_is_off(training: bool) -> None:
    model, ids = network(dropout=0.5), symbols(3 * PIECE)
    model.train(training)
    found = learn(model, ids, 0)
    assert model.training is training
    assert all(weight.grad is None and weight.requires_grad for weight in model.parameters())
    assert found == learn(network(dropout=0.0), ids, 0)


def test_an_exception_from_the_callback_propagates_and_the_mode_is_restored() -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    model = network().train()
    with pytest.raises(KeyboardInterrupt):
        learn(model, symbols(3 * PIECE), 0, on_progress=stop)
    assert model.training


def test_the_same_text_gives_the_same_weights() -> None:
    models = [network(), network()]
    assert learn(models[0], symbols(100), 0) == learn(models[1], symbols(100), 0)
    assert weights(models[0]) == weights(models[1])
    learn(models[1], symbols(100), 0)
    assert weights(models[0]) != weights(models[1])


# Recalled symbols


def test_recalled_symbols_become_more_likely() -> None:
    ids = np.tile(np.array([1, 4, 2, 3, 5, 0], np.uint8), 30)
    model = network()
    assert model.copy is not None
    model.copy.bias.data.fill_(3.0)
    plain = network(window=None)
    plain.load_state_dict(
        {name: value for name, value in model.state_dict().items() if not name.startswith("copy.")}
    )
    assert learn(model, ids, 0).nats_per_character < 0.5 * learn(plain, ids, 0).nats_per_character


def test_copy_weights_are_learned_too() -> None:
    model = network()
    assert model.copy is not None
    before = model.copy.bias.detach().clone()
    learn(model, np.tile(np.array([1, 4, 2, 3, 5, 0], np.uint8), 30), 0)
    assert bool((model.copy.bias > before).all())


# Several learning rates


def mixed(scores: NDArray[np.float64]) -> float:
    """The mixture by its definition, with K copies: (K, T) log-probabilities."""
    weights = np.full(len(scores), 1 / len(scores))
    total = 0.0
    for column in np.exp(scores).T:
        total += math.log(weights @ column)
        weights = weights * column / (weights @ column)
        weights = (1 - SHARE) * weights + SHARE / len(weights)
    return total


@cells
def test_the_loss_is_that_of_a_mixture_of_the_copies(cell: str) -> None:
    ids = symbols(5 * PIECE)
    scores = []
    for rate in RATES:
        learner = _Learner(network(cell).eval(), rate)
        pieces = _pieces(ids, 0, -1, learner.model, None)
        scores.append(np.concatenate([learner.read(piece) for piece in pieces]))
    found = adapt(network(cell), ids, 0)
    assert found.nats_per_character == pytest.approx(-mixed(np.array(scores)) / len(ids), rel=1e-6)


def test_a_mixture_is_hardly_worse_than_its_best_member_on_each_part() -> None:
    good, bad = np.log(0.9), np.log(0.1)
    scores = np.full((2, 2000), bad)
    scores[0, :1000] = good
    scores[1, 1000:] = good
    # to move the weight to the other member costs about -log(SHARE / 2), and SHARE for each symbol
    loss = 2000 * good - _Mixture(2).score(scores)
    assert 0 < loss < math.log(2) + math.log(2 / SHARE) + 2 * 2000 * SHARE


def test_a_copy_that_does_not_learn_has_the_static_loss() -> None:
    ids = symbols(5 * PIECE)
    static = evaluate(network(), ids, 0)
    found = adapt(network(), ids, 0, rates=(0.0,))
    assert found.nats_per_character == pytest.approx(static.nats_per_character, rel=1e-6)


def test_the_model_gets_the_weights_of_the_best_copy() -> None:
    ids = np.tile(np.array([1, 4, 2, 2, 5, 0], np.uint8), 200)  # to learn from it helps
    model = network()
    adapt(model, ids, 0, rates=(0.0, 1e-3))
    best = network()
    adapt(best, ids, 0, rates=(1e-3,))
    assert weights(model) == weights(best)
    noise = np.random.default_rng(1).integers(0, V, 40 * PIECE).astype(np.uint8)
    model = network()
    adapt(model, noise, 0, rates=(0.0, 0.3))  # a rate that destroys what was learned
    assert weights(model) == weights(network())


# Counts


TEXT = "the cat sat on the mat; the dog sat on the log; "
CHARS = Vocabulary.of(TEXT)


def counting(cell: str = "lstm", vocabulary: Vocabulary = CHARS) -> CharRNN:
    """A model with large weights of its mixer, and the counts of a text."""
    sizes = ModelConfig(cell=cell, hidden_size=8, embedding_size=4, copy_window=50, counts=1)
    model = CharRNN(sizes, len(vocabulary))
    assert model.mixer is not None
    generator = torch.Generator().manual_seed(1)
    for weight in model.mixer.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.3
    learned = vocabulary.encode(TEXT * 3)
    model.table = count_followers(Contexts(vocabulary), learned, 1).table
    return model


def shuffled(words: int, seed: int = 0) -> Ids:
    """A text of words in random order, new ones among them."""
    known = [*TEXT.split(), "goat", "hot", "melon"]
    rng = np.random.default_rng(seed)
    return CHARS.encode(" ".join(rng.choice(known, words).tolist()))


@cells
def test_the_counts_are_updated_after_each_symbol(cell: str) -> None:
    ids = shuffled(30)
    model = counting(cell)
    assert model.table is not None
    read = np.concatenate([[0], ids[:-1]])
    contexts = model.table.reader.of_text(read)
    predicted = UpdatedCounts(model.table).read(contexts, ids)
    counted = Prediction(*map(torch.from_numpy, predicted))
    recalled = torch.from_numpy(recall.recall(read, 50))[:, None]
    with torch.no_grad():
        logits, _ = model.eval()(torch.from_numpy(read)[:, None], None, recalled, counted)
    expected = functional.cross_entropy(logits[:, 0], torch.from_numpy(ids.astype(np.int64)))
    found = adapt(counting(cell), ids, 0, rates=(0.0,))
    assert found.nats_per_character == pytest.approx(expected.item(), rel=1e-5)
    static = evaluate(counting(cell), ids, 0).nats_per_character
    assert abs(found.nats_per_character - static) > 0.01


@pytest.mark.parametrize("place", [0, PIECE - 1, PIECE + 7])
def test_a_symbol_does_not_affect_earlier_scores_through_the_counts(place: int) -> None:
    ids = shuffled(30)[: 3 * PIECE]
    changed = ids.copy()
    changed[place:] = (changed[place:] + 1) % len(CHARS)
    one, other = (torch.cat(scored(counting(), each)[1]) for each in (ids, changed))
    torch.testing.assert_close(one[: place + 1], other[: place + 1], atol=1e-6, rtol=0)
    assert not torch.allclose(one[place + 1 :], other[place + 1 :], atol=1e-4)


def test_the_counts_are_those_of_what_was_read_and_the_model_keeps_its_own() -> None:
    model = counting()
    table = model.table
    assert table is not None
    before = to_bytes(table)
    ids = shuffled(40)
    found = UpdatedCounts(table)
    adapt(model, ids, 0, updated=found)
    expected = UpdatedCounts(table)
    expected.read(table.reader.of_text(np.concatenate([[0], ids[:-1]])), ids)
    assert to_bytes(found.merge()) == to_bytes(expected.merge()) != before
    assert model.table is table
    assert to_bytes(table) == before


def test_the_counts_of_records_are_those_of_the_records_before() -> None:
    vocabulary = Vocabulary("char", CHARS.symbols, records=True)
    model = counting(vocabulary=vocabulary)
    assert model.table is not None
    ids = np.concatenate([[*vocabulary.encode(word), vocabulary.end] for word in TEXT.split()])
    pieces = _pieces(ids, vocabulary.end, vocabulary.end, model, UpdatedCounts(model.table))
    found = [piece.counted for piece in pieces]
    read = np.concatenate([[vocabulary.end], ids[:-1]])
    whole = UpdatedCounts(model.table).read(model.table.reader.of_text(read), ids)
    assert len(found) == len(TEXT.split())
    features = torch.cat([part.features for part in found if part is not None])
    np.testing.assert_array_equal(features.numpy(), whole.features)


# Adapting a checkpoint


WORDS = ["the", "clock", "bell", "time", "said", "now", "is", "to", "and", "sea"]
OTHER = "sea bell; "  # repeated in a text of another kind with the same characters
SMALL = {
    "steps": 60, "batch_size": 4, "sequence_length": 20, "hidden_size": 16, "num_layers": 1, "embedding_size": 8, "dropout": 0.0,
    "learning_rate": 0.02, "sample_every": None, "threads": 1, "device": "cpu", "precision": "fp32",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working directory: runs on characters, on bytes and with counts, and ``other.txt``."""
    where, threads = tmp_path_factory.mktemp("adapt"), torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        Path("corpus.txt").write_text("; ".join(random.Random(0).choices(WORDS, k=400)))
        Path("other.txt").write_text(OTHER * 100)
        runs = {
            "chars": {},
            "bytes": {"unit": "byte", "copy_window": None},
            "counting": {"counts": 1},
        }
        for name, more in runs.items():
            for _ in launch(SMALL | more | {"corpus": ["corpus.txt"], "name": name}).run():
                pass
        yield where
    torch.set_num_threads(threads)


runs = pytest.mark.parametrize("run", ["chars", "bytes"])


@pytest.fixture
def path(home: Path, run: str) -> Path:
    """The path of the best checkpoint of a run."""
    found = charrnn.load(run).path
    assert found
    return found


def everything(where: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(where.rglob("*"))
        if path.is_file()
    }


@runs
def test_adapted_returns_the_final_weights_and_does_not_change_the_checkpoint(
    path: Path,
) -> None:
    checkpoint, before = checkpoints.read(path), checkpoints.read(path).weights
    ids, model, lengths = (
        checkpoint.vocabulary.encode(OTHER * 10),
        load_model(checkpoint, "cpu"),
        list[int](),
    )
    found, table = adapted(checkpoint, OTHER * 10, "error", on_progress=lengths.append)
    assert table is checkpoint.table is None
    adapt(model, ids, checkpoint.prime)
    assert sum(lengths) == 100
    assert {name: value.tobytes() for name, value in found.items()} == weights(model)
    assert {name: (value.dtype, value.shape) for name, value in found.items()} == {
        name: (np.dtype(np.float32), value.shape) for name, value in before.items()
    }
    assert all(np.array_equal(checkpoint.weights[name], value) for name, value in before.items())
    assert all(not np.array_equal(found[name], value) for name, value in before.items())


@runs
def test_an_adapted_model_does_better_on_more_text_of_the_same_kind(path: Path, home: Path) -> None:
    before = everything(home)
    model = charrnn.load(path)
    leaning = model.adapted(OTHER * 60)
    assert leaning.score(OTHER * 20).mean() > model.score(OTHER * 20).mean() + 0.05
    assert charrnn.load(path).score(OTHER).tolist() == model.score(OTHER).tolist()
    assert (leaning.vocabulary, leaning.prime, leaning.about, leaning.path) == (
        model.vocabulary,
        model.prime,
        model.about,
        model.path,
    )
    assert everything(home) == before


@pytest.mark.parametrize("run", ["counting"])
def test_an_adapted_model_writes_with_the_counts_of_its_text(path: Path) -> None:
    model = charrnn.load(path)
    leaning = model.adapted(OTHER * 60)
    assert model.network.mixer is not None
    assert leaning.network.mixer is not None
    before = model.network.mixer.table
    table = leaning.network.mixer.table
    contexts = table.reader.of_text(model.vocabulary.encode(OTHER + "sea b"))[-1]
    assert (before.rows(contexts) == UNSEEN).any()
    assert (table.rows(contexts) != UNSEEN).all()
    # PyTorch predicts the same with the same weights and counts
    checkpoint = checkpoints.read(path)
    trained = load_model(checkpoint, "cpu")
    ids = model.vocabulary.encode(OTHER * 60)
    assert trained.table is not None
    updated = UpdatedCounts(trained.table)
    adapt(trained, ids, checkpoint.prime, updated=updated)
    trained.table = updated.merge()
    static = evaluate(trained, model.vocabulary.encode(OTHER), checkpoint.prime)
    assert leaning.score(OTHER).mean() == pytest.approx(-static.nats_per_character, abs=1e-4)
    assert leaning.score(OTHER).mean() > model.score(OTHER).mean() + 0.05


@pytest.mark.parametrize("run", ["bytes"])
def test_a_model_of_bytes_is_adapted_to_a_text_or_its_bytes(path: Path) -> None:
    model = charrnn.load(path)
    text = "café; " * 10
    assert (
        model.adapted(text).score("sea").tolist()
        == model.adapted(text.encode()).score("sea").tolist()
    )


@pytest.mark.parametrize("run", ["chars"])
def test_unknown_characters_are_an_error_or_skipped_or_replaced(path: Path) -> None:
    model = charrnn.load(path)
    with pytest.raises(VocabularyError):
        model.adapted("the Zea")
    plain = {text: model.adapted(text).score("sea").tolist() for text in ("the ea", "the sea")}
    assert model.adapted("the Zea", unknown="skip").score("sea").tolist() == plain["the ea"]
    assert model.adapted("the Sea", unknown="replace").score("sea").tolist() == plain["the sea"]


@runs
def test_an_empty_text_is_refused(path: Path, run: str) -> None:
    model = charrnn.load(path)
    for text, unknown in (
        [("", "error"), ("€€", "skip")] if run == "chars" else [("", "error"), (b"", "error")]
    ):
        with pytest.raises(CorpusError) as error:
            model.adapted(text, unknown=unknown)
        assert (
            str(error.value)
            == "nothing is left of the text: it is empty, or the model knows none of its characters; give another text"
        )


@pytest.mark.parametrize("run", ["chars"])
def test_a_model_that_was_not_read_from_a_checkpoint_is_refused(path: Path) -> None:
    model = charrnn.load(path)
    model.path = None
    with pytest.raises(ConfigError) as error:
        model.adapted(OTHER)
    assert str(error.value) == (
        "this model was not read from a checkpoint, so it cannot be adapted; "
        "open a checkpoint with charrnn.load"
    )


# charrnn evaluate --adaptive


def expected(path: Path, text: str) -> Evaluation:
    checkpoint = checkpoints.read(path)
    return adapt(
        load_model(checkpoint, "cpu"), checkpoint.vocabulary.encode(text), checkpoint.prime
    )


@runs
def test_evaluate_adaptive_prints_the_adaptive_loss(path: Path, run: str, home: Path) -> None:
    before, found = everything(home), expected(path, OTHER * 100)
    as_json, as_text = (
        call("evaluate", run, "other.txt", "--adaptive", "--json"),
        call("evaluate", run, "other.txt", "--adaptive"),
    )
    assert (as_json.exit_code, as_json.stderr) == (0, f"{path}\n")
    assert json.loads(as_json.stdout) == {
        "characters": 1000,
        "nats_per_character": found.nats_per_character,
        "bits_per_character": found.bits_per_character,
        "mode": "adaptive",
        "skipped": {"characters": 0, "most_frequent": []},
    }
    assert (as_text.exit_code, as_text.stderr) == (0, f"{path}\n")
    nats = found.nats_per_character
    assert (
        as_text.stdout
        == f"loss {nats:.4f} ({nats / math.log(2):.3f} bits per character) on 1,000 characters, adaptive\n"
    )
    assert everything(home) == before


@runs
def test_evaluate_without_adaptive_is_the_static_loss_which_is_higher_here(
    path: Path, run: str
) -> None:
    static = json.loads(call("evaluate", run, "other.txt", "--json").stdout)
    assert static["mode"] == "static"
    assert static["nats_per_character"] == pytest.approx(
        -charrnn.load(path).score(OTHER * 100).mean(), rel=1e-5
    )
    assert expected(path, OTHER * 100).nats_per_character < 0.98 * static["nats_per_character"]


def test_evaluate_adaptive_reads_any_bytes(home: Path, tmp_path: Path) -> None:
    (tmp_path / "any").write_bytes(bytes(range(256)) * 2)
    found = json.loads(
        call("evaluate", "bytes", str(tmp_path / "any"), "--adaptive", "--json").stdout
    )
    assert (found["characters"], found["mode"]) == (512, "adaptive")
    assert math.isfinite(found["nats_per_character"])


# charrnn sample --adapt-to


@runs
def test_sample_adapt_to_writes_only_the_text_of_the_adapted_model_to_stdout(
    path: Path, run: str, home: Path
) -> None:
    before, args = everything(home), ("sample", run, "-n", "80", "-s", "3", "-p", "the ")
    plain, leaning = call(*args), call(*args, "--adapt-to", "other.txt")
    assert (leaning.exit_code, leaning.stderr) == (0, f"{path}, seed 3\n")
    assert (
        leaning.stdout
        == "the "
        + charrnn.load(path).adapted(OTHER * 100).generate("the ", length=80, seed=3)
        + "\n"
    )
    assert leaning.stdout != plain.stdout
    assert call(*args, "--adapt-to", "other.txt").stdout == leaning.stdout
    assert call(*args).stdout == plain.stdout
    assert everything(home) == before


def test_sample_reports_the_adaptation_text_in_json(home: Path) -> None:
    args = ("sample", "chars", "-n", "9", "-s", "3", "--json")
    found, plain = (
        json.loads(call(*args, *more).stdout) for more in (["--adapt-to", "other.txt"], [])
    )
    assert (found["adapt_to"], plain["adapt_to"]) == ("other.txt", None)
    assert found["text"] == charrnn.load("chars").adapted(OTHER * 100).generate(length=9, seed=3)


def test_sample_adapt_to_reads_standard_input(home: Path) -> None:
    args = ("sample", "chars", "-n", "40", "-s", "3", "--adapt-to")
    assert call(*args, "-", input=OTHER * 100).stdout == call(*args, "other.txt").stdout


def test_sample_adapt_to_reads_bytes_that_are_not_text(home: Path, tmp_path: Path) -> None:
    (tmp_path / "any").write_bytes(bytes(range(256)))
    result = call("sample", "bytes", "-n", "20", "-s", "3", "--adapt-to", str(tmp_path / "any"))
    assert result.exit_code == 0
    assert (
        result.stdout
        == charrnn.load("bytes").adapted(bytes(range(256))).generate(length=20, seed=3) + "\n"
    )


def test_sample_adapt_to_treats_unknown_characters_according_to_unknown(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "odd.txt").write_text("the Sea; " * 20)
    (tmp_path / "skip.txt").write_text("the ea; " * 20)
    (tmp_path / "replace.txt").write_text("the sea; " * 20)
    args, best = (
        ("sample", "chars", "-n", "40", "-s", "3", "--adapt-to"),
        charrnn.load("chars").path,
    )
    capital = "'S' (U+0053, LATIN CAPITAL LETTER S)"
    refused = call(*args, str(tmp_path / "odd.txt"))
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert refused.stderr.startswith(
        f"Error: --adapt-to {tmp_path / 'odd.txt'}: the model has not seen the character {capital}, at position 5 of the text; "
    )
    for unknown, said in (
        ("skip", f"left out {capital} 20 times: the model does not know it"),
        ("replace", f"wrote 's' instead of 'S': the model does not know {capital}"),
    ):
        result = call(*args, str(tmp_path / "odd.txt"), "--unknown", unknown)
        assert (result.exit_code, result.stderr) == (0, f"{said}\n{best}, seed 3\n")
        assert result.stdout == call(*args, str(tmp_path / f"{unknown}.txt")).stdout


def test_sample_adapt_to_a_bad_file_fails_with_one_line(home: Path, tmp_path: Path) -> None:
    missing, empty, strange = (
        str(tmp_path / name) for name in ("missing.txt", "empty.txt", "strange.txt")
    )
    Path(empty).write_text("")
    Path(strange).write_text("€€€")
    for file, error in {
        missing: f"there is no file {missing} (in {home}); check the name",
        empty: f"there is no text in {empty}; give another file",
        strange: "nothing is left of the text: it is empty, or the model knows none of its characters; give another text",
    }.items():
        result = call("sample", "chars", "--adapt-to", file, "--unknown", "skip")
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {error}\n")


def test_weights_that_do_not_match_the_configuration_are_refused(
    home: Path, tmp_path: Path
) -> None:
    found = checkpoints.read(charrnn.load("chars").path or Path())
    checkpoints.write(
        tmp_path / "odd",
        replace(
            found,
            weights={name: value for name, value in found.weights.items() if name != "head.bias"},
        ),
    )
    result = call("evaluate", str(tmp_path / "odd"), "other.txt", "--adaptive")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)


# Records


@windows
def test_each_record_is_read_from_a_zero_state_in_separate_pieces(window: int | None) -> None:
    rng, end = np.random.default_rng(0), V - 1
    records = [
        rng.integers(0, 3, length).tolist() for length in (3, PIECE - 1, PIECE, 2 * PIECE + 5, 1)
    ]
    ids = np.concatenate([[*record, end] for record in records]).astype(np.uint8)
    read, counted, states = list[list[int]](), list[int](), list[bool]()
    model = network("lstm", window)

    def watch(_module: object, inputs: Any, _output: object) -> None:
        read.append(inputs[0][:, 0].tolist())
        states.append(inputs[1] is None)

    hook = model.register_forward_hook(watch)
    found = learn(model, ids, end, records=True, on_progress=counted.append)
    hook.remove()
    expected = [
        ([end, *record])[start : start + PIECE]
        for record in records
        for start in range(0, len(record) + 1, PIECE)
    ]
    assert read == expected
    assert states == [piece[0] == end for piece in expected]
    assert counted == [len(piece) for piece in expected]
    assert (found.characters, found.records) == (len(ids), 5)


def test_the_first_record_has_the_static_loss_and_later_ones_a_lower_one() -> None:
    end, record = V - 1, [0, 1, 2, 3, 2, 1, 0]
    ids = np.array([*record, end], np.uint8)
    static = evaluate(network(), ids, end, records=True).nats_per_character
    assert adapt(network(), ids, end, records=True).nats_per_character == pytest.approx(
        static, rel=1e-5
    )
    assert adapt(network(), np.tile(ids, 60), end, records=True).nats_per_character < 0.98 * static
