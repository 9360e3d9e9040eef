"""A run that continues from a model keeps what the model knows, and learns the rest."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import charrnn
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.count_table import CountTable
from charrnn.context_mixing.counting import (
    FOLDS,
    NEW_WEIGHT,
    count_followers,
    fold_counts,
    grow_table,
    merge_tables,
)
from charrnn.errors import CharRNNError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.run import Run
from charrnn.training.evaluate import load_model
from charrnn.training.model import CELLS
from charrnn.training.start import launch
from charrnn.training.trainer import Trainer
from charrnn.vocab import Vocabulary

pytestmark = pytest.mark.usefixtures("here", "one_thread")
cells = pytest.mark.parametrize("cell", CELLS)

OLD = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
NEW = "E\u0301 l'heure, dit la cloche; c'est l'heure, dit le clocher \u00e9t\u00e9.\n" * 14
KNOBS: dict[str, Any] = {
    "steps": 12, "batch_size": 4, "sequence_length": 40, "hidden_size": 8, "num_layers": 2, "embedding_size": 4,
    "learning_rate": 0.01, "dropout": 0.1, "threads": 1, "device": "cpu", "precision": "fp32", "counts": 2,
    "eval_every": 4, "save_every": 4, "report_every": 1, "sample_every": None,
}  # fmt: skip
FURTHER = {
    name: value
    for name, value in KNOBS.items()
    if name not in ("hidden_size", "num_layers", "embedding_size", "counts")
}


def train(text: str, **knobs: Any) -> charrnn.TextModel:
    return charrnn.train(text=text, **knobs)


@pytest.fixture
def base() -> Path:
    """The best checkpoint of a run on the old text, ``checkpoints/base``."""
    train(OLD, name="base", **KNOBS)
    return Run(Path("checkpoints/base")).best()


def new(**knobs: Any) -> Trainer:
    trainer = launch(FURTHER | {"name": "new", "base": "base"} | knobs, text=NEW, overwrite=True)
    trainer.release()
    return trainer


def refusal(text: str, **knobs: Any) -> str:
    with pytest.raises(CharRNNError) as error:
        train(text, name="new", base="base", **(FURTHER | knobs))
    assert not Path("checkpoints/new").exists()
    return str(error.value)


# The vocabulary and the weights


def test_new_characters_follow_the_known_ones(base: Path) -> None:
    old = checkpoints.read(base).vocabulary.symbols
    vocabulary = new().corpus.vocabulary
    added = "".join(sorted(set(NEW) - set(OLD)))
    assert vocabulary.symbols == old + added
    assert set(added) == set("E'ru\u00e9\u0301") - set(OLD)


@cells
def test_before_training_the_model_predicts_known_characters_as_the_base_does(cell: str) -> None:
    train(OLD, name="base", **(KNOBS | {"cell": cell}))
    checkpoint = checkpoints.read(Run(Path("checkpoints/base")).best())
    old = load_model(checkpoint, "cpu").eval()
    trainer = new()
    V = len(checkpoint.vocabulary)
    ids = torch.from_numpy(trainer.corpus.vocabulary.encode(OLD[:60]).astype(np.int64))[:, None]
    with torch.no_grad():
        expected, _ = old(ids)
        found, _ = trainer.loop.model.eval()(ids)
    assert found.shape[-1] > V
    torch.testing.assert_close(found[..., :V], expected, atol=1e-5, rtol=0)
    for name, weight in checkpoint.weights.items():
        grown = trainer.loop.weights()[name]
        np.testing.assert_array_equal(grown[: len(weight)], weight)


def test_a_new_character_begins_like_a_similar_one_and_as_frequent_as_it_is(base: Path) -> None:
    trainer = new()
    symbols = trainer.corpus.vocabulary.symbols
    weights = trainer.loop.weights()
    embedding = weights["embedding.weight"]
    known = checkpoints.read(base).weights["embedding.weight"]
    # like the letter without its accent; the combining accent resembles none
    np.testing.assert_array_equal(embedding[symbols.index("\u00e9")], embedding[symbols.index("e")])
    np.testing.assert_allclose(embedding[symbols.index("\u0301")], known.mean(axis=0), rtol=1e-6)
    place = symbols.index("\u00e9")
    assert not weights["head.weight"][place].any()
    share = NEW.count("\u00e9") / len(NEW)
    assert weights["head.bias"][place] == pytest.approx(math.log(share))


def test_the_end_of_a_record_stays_the_last_symbol() -> None:
    names = "anna\nbob\ncarla\ndora\nemil\nfritz\n" * 3
    knobs = {name: value for name, value in KNOBS.items() if name != "batch_size"}
    train(names, name="base", separator="\n", copy_window=None, **knobs)
    checkpoint = checkpoints.read(Run(Path("checkpoints/base")).best())
    more = {name: value for name, value in FURTHER.items() if name != "batch_size"}
    trainer = launch(more | {"name": "new", "base": "base"}, text="zo\u00eb\nyves\nann\n" * 9)
    trainer.release()
    vocabulary = trainer.corpus.vocabulary
    assert vocabulary.records
    assert vocabulary.symbols == checkpoint.vocabulary.symbols + "svy\u00eb"
    for name in ("embedding.weight", "head.weight", "head.bias"):
        grown = trainer.loop.weights()[name]
        np.testing.assert_array_equal(grown[-1], checkpoint.weights[name][-1])
    assert len(grown) == len(vocabulary)


def test_characters_of_the_base_are_never_too_rare() -> None:
    train(OLD, name="base", **KNOBS)
    trainer = launch(
        FURTHER | {"name": "new", "base": "base", "min_count": 5}, text=NEW[:56] * 12 + "NxQ"
    )
    trainer.release()
    assert "N" in trainer.corpus.vocabulary.symbols
    assert "Q" not in trainer.corpus.vocabulary.symbols


# What must fit


def test_the_network_is_that_of_the_base_and_cannot_be_another(base: Path) -> None:
    assert refusal(NEW, hidden_size=9) == (
        f"`hidden_size` cannot be 9: {base} has `hidden_size=8`; leave it out, or train a new "
        "model without `base`"
    )
    trainer = new(hidden_size=8)
    assert trainer.config.model.num_layers == 2
    assert trainer.config.base == str(base)
    assert trainer.config.train.learning_rate == 0.01


def test_the_learning_rate_is_lower_unless_it_is_given(base: Path) -> None:
    given = {name: value for name, value in FURTHER.items() if name != "learning_rate"}
    trainer = launch(given | {"name": "new", "base": "base"}, text=NEW)
    trainer.release()
    assert trainer.config.train.learning_rate == 2e-3


@pytest.mark.parametrize(
    ("knobs", "reason"),
    [
        (
            {"separator": "\n"},
            "`separator` cannot be '\\n': {} writes continuous text, not records",
        ),
        ({"unit": "byte"}, "`unit` cannot be 'byte': {} has `unit='char'`"),
        ({"normalize": "nfc"}, "`normalize` cannot be 'nfc': {} has `normalize=None`"),
    ],
)
def test_a_text_that_is_read_in_another_way_is_refused(
    base: Path, knobs: dict[str, Any], reason: str
) -> None:
    expected = reason.format(base) + "; leave it out, or train a new model without `base`"
    assert refusal(NEW, **knobs) == expected


def test_a_base_that_does_not_exist_is_an_error(base: Path) -> None:
    with pytest.raises(CharRNNError, match="there is no run or checkpoint 'nope'"):
        train(NEW, name="new", base="nope", **FURTHER)


def test_a_shared_checkpoint_without_trainer_is_a_base(base: Path) -> None:
    for path in base.glob("trainer.*"):
        path.unlink()
    assert train(NEW, name="new", base=str(base), **FURTHER)


# Training


def outcome(name: str) -> dict[str, bytes]:
    step = Path("checkpoints") / name / "step-00000012"
    files = ("model.safetensors", "trainer.safetensors", "tokenizer.json", "counts.bin")
    found = {path: (step / path).read_bytes() for path in files if (step / path).exists()}
    assert len(found) >= 3
    return found


@pytest.mark.parametrize("stop_at", [1, 5, 11])
def test_an_interrupted_run_is_resumed_to_the_same_bytes_without_its_base(
    base: Path, stop_at: int
) -> None:
    train(NEW, name="whole", base="base", **FURTHER)
    train(
        NEW, name="broken", base="base", on_report=lambda report: report.step != stop_at, **FURTHER
    )
    shutil.rmtree("checkpoints/base")
    train(NEW, name="broken", resume=True)
    assert outcome("broken") == outcome("whole")
    about = checkpoints.read(Path("checkpoints/broken/step-00000012")).about
    assert about["from"]["name"] == "base"


def test_resuming_accepts_the_same_base_and_refuses_another(base: Path) -> None:
    train(NEW, name="new", base="base", on_report=lambda report: report.step < 5, **FURTHER)
    train(OLD, name="other", **KNOBS)
    with pytest.raises(CharRNNError, match="`base` cannot be changed to"):
        train(NEW, name="new", base="other", resume=True)
    assert train(NEW, name="new", base="base", resume=True)


def test_the_checkpoints_say_what_the_run_continued_from(base: Path) -> None:
    trainer = new()
    before = trainer.loop.validate()
    for _ in trainer.run():
        pass
    checkpoint = checkpoints.read(base)
    assert checkpoints.read(trainer.directory.best()).about["from"] == {
        "name": "base",
        "step": checkpoint.about["step"],
        "sha256": checkpoint.sha256,
        "val_loss": pytest.approx(before),
    }


def test_what_was_learned_helps() -> None:
    network = {"hidden_size": 32, "dropout": 0.0, "counts": None, "copy_window": None}
    train(OLD, name="base", **(KNOBS | network | {"steps": 400}))
    text = "said the bell, then is the time; Now said the clock is the time.\n" * 5
    few = {"steps": 10, "eval_every": 10, "dropout": 0.0}
    further = train(text, name="further", base="base", **(FURTHER | few))
    scratch = train(text, name="scratch", **(KNOBS | network | few))
    assert further.about["val_loss"] < 0.7 * scratch.about["val_loss"]


# Counts


def test_the_counts_of_both_texts_are_added() -> None:
    old = Vocabulary.of("ab")
    both = Vocabulary("char", "abc")
    base = count_followers(Contexts(old), old.encode("abab" * 5)).table
    grown = grow_table(base, old.end, Contexts(both))
    new = count_followers(Contexts(both), both.encode("acab" * 5)).table
    merged = merge_tables(grown, new)
    # what came after "ba":
    row = merged.rows_of_text(both.encode("aba"))[-1, 0]
    first, last = merged.starts[row], merged.starts[row + 1]
    symbols = merged.symbols[first:last].tolist()
    # b came 9 times in the first text; c came 4 times in the second
    assert both.decode(symbols) == "bc"
    assert merged.counts[first:last].tolist() == [9, NEW_WEIGHT * 4]


def test_in_training_the_surroundings_of_a_place_are_left_out_of_the_new_counts() -> None:
    vocabulary = Vocabulary.of("abcdefghij ")
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 11, 500).astype(np.uint8)
    earlier = rng.integers(0, 11, 300).astype(np.uint8)
    reader = Contexts(vocabulary)
    base = count_followers(reader, earlier).table
    new = count_followers(reader, ids)
    folded = fold_counts(merge_tables(base, new.table), new)
    assert folded.fold_counts.shape == (len(folded.counts), FOLDS + 1)
    in_new = of_pairs(new.table, NEW_WEIGHT * new.fold_counts.astype(int))
    in_both = of_pairs(folded.table, folded.fold_counts)
    assert len(in_both) > len(in_new) > 100
    nothing = [0] * (FOLDS + 1)
    for pair, counts in in_both.items():
        assert counts == in_new.get(pair, nothing)
    for pair, counts in of_pairs(folded.table, folded.counts[:, None]).items():
        assert counts[0] >= sum(in_both[pair])


def of_pairs(table: CountTable, values: NDArray[Any]) -> dict[tuple[int, int], list[int]]:
    """A row of values (P, ...) for each pair of a context and a follower."""
    contexts = np.repeat(table.contexts, np.diff(table.starts)).tolist()
    pairs = zip(contexts, table.symbols.tolist(), strict=True)
    return dict(zip(pairs, values.tolist(), strict=True))


def test_a_model_without_counts_stays_without(base: Path) -> None:
    train(OLD, name="base", overwrite=True, **(KNOBS | {"counts": None}))
    trainer = new()
    assert trainer.config.model.counts is None
    assert trainer.loop.model.table is None


# Messages


def test_the_new_characters_and_the_loss_before_training_are_reported(base: Path) -> None:
    notices: list[str] = []
    train(NEW, name="new", base="base", on_notice=notices.append, **FURTHER)
    about = json.loads((Run(Path("checkpoints/new")).best() / "config.json").read_text())["about"]
    loss = about["from"]["val_loss"]
    added = "".join(sorted(set(NEW) - set(OLD)))
    assert (
        f"continuing from {base}; before training, its loss on this text is {loss:.4f}; "
        f"{len(added)} new characters: {json.dumps(added, ensure_ascii=False)}" in notices
    )
