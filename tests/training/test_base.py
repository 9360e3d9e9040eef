"""A run that continues from a model keeps what the model knows, and learns the rest."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import charrnn
from charrnn.advice.verdict import verdict
from charrnn.cli.console import format_loss
from charrnn.context_mixing.contexts import Contexts
from charrnn.context_mixing.count_table import CountTable
from charrnn.context_mixing.counting import (
    FOLDS,
    count_followers,
    fold_counts,
    grow_table,
    merge_tables,
)
from charrnn.corpus.batches import PADDING
from charrnn.errors import CharRNNError, ConfigError, CorpusError, ResumeError
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.manifest import COUNTS
from charrnn.storage.run import Run
from charrnn.storage.seen_records import read_seen_records
from charrnn.training.evaluate import load_model
from charrnn.training.loop import TrainingLoop
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


def test_a_new_character_is_read_like_a_similar_one(base: Path) -> None:
    trainer = new()
    symbols = trainer.corpus.vocabulary.symbols
    weights = trainer.loop.weights()
    embedding = weights["embedding.weight"]
    known = checkpoints.read(base).weights["embedding.weight"]
    # like the letter without its accent; the combining accent resembles none
    np.testing.assert_array_equal(embedding[symbols.index("\u00e9")], embedding[symbols.index("e")])
    np.testing.assert_allclose(embedding[symbols.index("\u0301")], known.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("counts", [2, None])
def test_before_training_a_new_character_is_about_as_probable_as_it_is_frequent(
    counts: int | None,
) -> None:
    train(OLD, name="base", **(KNOBS | {"counts": counts, "copy_window": None, "steps": 100}))
    trainer = new()
    vocabulary = trainer.corpus.vocabulary
    ids = vocabulary.encode(NEW[:200]).astype(np.int64)
    with torch.no_grad():
        logits, _ = trainer.loop.model.eval()(torch.from_numpy(ids)[:, None])
    mean = logits.softmax(dim=-1).mean(dim=(0, 1))
    for char in "\u00e9\u0301":
        share = NEW.count(char) / len(NEW)
        assert share / 3 < mean[vocabulary.symbols.index(char)] < 3 * share


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
        f"`hidden_size` must be 8, got 9: that is what {base} has; leave it out, or train a new "
        "model without `base`"
    )
    trainer = new(hidden_size=8)
    assert trainer.config.model.num_layers == 2
    assert trainer.config.base == str(base)
    assert trainer.config.train.learning_rate == 0.01


def test_the_learning_rate_depends_on_how_well_the_base_does(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ("learning_rate", "dropout")
    given = {name: value for name, value in FURTHER.items() if name not in chosen}
    for loss, rate in ((1e-3, 5e-4), (1e3, 4e-3)):
        monkeypatch.setattr(TrainingLoop, "validate", lambda self, loss=loss: loss)
        trainer = launch(given | {"name": "new", "base": "base"}, text=NEW, overwrite=True)
        trainer.release()
        assert trainer.config.train.learning_rate == rate
        assert "learning_rate" in trainer.automatic


@pytest.mark.parametrize(
    ("knobs", "reason"),
    [
        (
            {"separator": "\n"},
            "`separator` must be None, got '\\n': {} writes continuous text, not records",
        ),
        ({"unit": "byte"}, "`unit` must be 'char', got 'byte': that is what {} has"),
        ({"normalize": "nfc"}, "`normalize` must be None, got 'nfc': that is what {} has"),
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


def test_the_base_cannot_be_overwritten(base: Path) -> None:
    with pytest.raises(ConfigError) as error:
        launch(FURTHER | {"name": "base", "base": "base"}, text=NEW, overwrite=True)
    assert str(error.value) == (
        "the run checkpoints/base, which `overwrite` would delete, is the one to continue from; "
        "choose another `name`"
    )
    assert base.is_dir()


def test_bytes_continue_as_bytes() -> None:
    train(OLD.encode(), name="base", unit="byte", **KNOBS)
    trainer = launch(FURTHER | {"name": "new", "base": "base"}, text=NEW.encode())
    trainer.release()
    assert len(trainer.corpus.vocabulary) == 256
    assert trainer.config.data.unit == "byte"


def test_characters_that_the_base_replaced_are_still_replaced() -> None:
    train(OLD + "B\u00df", name="base", min_count=2, **KNOBS)
    model = train(NEW, name="new", base="base", **FURTHER)
    assert ("B", "b") in model.vocabulary.replaced


def test_without_a_validation_part_there_is_no_loss_before_training(base: Path) -> None:
    trainer = new(val_fraction=0)
    assert trainer.lineage is not None
    assert trainer.lineage["val_loss"] is None


# Training


def outcome(name: str) -> dict[str, bytes]:
    step = Path("checkpoints") / name / "step-00000012"
    files = ("model.safetensors", "trainer.safetensors", "tokenizer.json", COUNTS)
    return {path: (step / path).read_bytes() for path in files}


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
        "corpus": checkpoint.about["corpus"],
        "data": checkpoint.about["data"],
        "val_loss": pytest.approx(before),
        "old_val_loss": None,
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
    assert merged.counts[first:last].tolist() == [9, 4]


def test_in_training_the_surroundings_of_a_place_are_left_out_of_the_new_counts() -> None:
    vocabulary = Vocabulary.of("abcdefghij ")
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 11, 500).astype(np.uint8)
    earlier = rng.integers(0, 11, 300).astype(np.uint8)
    reader = Contexts(vocabulary)
    base = count_followers(reader, earlier).table
    new = count_followers(reader, ids)
    folded = fold_counts(merge_tables(base, new.table), [new], 1)
    assert folded.fold_counts.shape == (len(folded.counts), FOLDS + 1)
    in_new = of_pairs(new.table, new.fold_counts)
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
        f"continuing from {base}; before training, its loss on this text is {format_loss(loss)}; "
        f"{len(added)} new characters: {json.dumps(added, ensure_ascii=False)}" in notices
    )


# Records


NAMES = "anna\nbob\ncarla\ndora\nemil\nfritz\n" * 3
OF_RECORDS = {name: value for name, value in KNOBS.items() if name != "batch_size"}


def test_records_of_the_base_are_not_new(here: Path) -> None:
    train(NAMES, name="base", separator="\n", **OF_RECORDS)
    further = {name: value for name, value in FURTHER.items() if name != "batch_size"}
    train("zo\u00eb\nyves\nann\n" * 9, name="new", base="base", **further)
    found = read_seen_records(Run(Path("checkpoints/new")).seen_records)
    assert found == frozenset(NAMES.split()) | {"zo\u00eb", "yves", "ann"}


def test_the_counts_at_the_beginning_of_a_record_are_kept_if_characters_are_added() -> None:
    old = Vocabulary("char", "ab", records=True)
    ids = np.array([0, 1, 2, 0, 1, 2, 0, 0, 2] * 20)  # ab, ab, aa
    table = count_followers(Contexts(old), ids).table
    larger = Vocabulary("char", "abc", records=True)
    grown = grow_table(table, old.end, Contexts(larger))
    row = grown.rows_of_text(np.array([0]))[0, 0]  # an a at the beginning
    first, last = grown.starts[row], grown.starts[row + 1]
    assert dict(
        zip(grown.symbols[first:last].tolist(), grown.counts[first:last].tolist(), strict=True)
    ) == {0: 20, 1: 40}


# Rehearsal


@pytest.fixture
def files(here: Path) -> Path:
    """A run on ``old.txt``, and ``new.txt``."""
    (here / "old.txt").write_text(OLD, encoding="utf-8")
    (here / "new.txt").write_text(NEW, encoding="utf-8")
    charrnn.train("old.txt", name="base", **KNOBS)
    return here


REHEARSING = FURTHER | {"corpus": ["new.txt"], "name": "new", "base": "base", "rehearse": 0.25}


def test_a_share_of_the_lanes_reads_the_old_text(files: Path) -> None:
    trainer = launch(REHEARSING)
    trainer.release()
    corpus = trainer.corpus
    assert corpus.old is not None
    vocabulary = corpus.vocabulary
    new = vocabulary.decode(corpus.train) * 2  # each is read as a ring
    old = vocabulary.decode(corpus.old.train) * 2
    for step in range(7):
        batch = trainer.loop.batches.batch(step)
        lanes = [vocabulary.decode(lane) for lane in batch.x.T]
        assert len(lanes) == 4
        assert all(lane in new for lane in lanes[:3])
        assert lanes[3] in old
        assert batch.counted is not None
        assert batch.counted.folds is not None
        outside = 2 * FOLDS
        assert set(batch.counted.folds[:, :3].ravel()) <= {*range(FOLDS), outside}
        assert set(batch.counted.folds[:, 3]) <= {*range(FOLDS, 2 * FOLDS), outside}


def test_a_rehearsing_run_is_resumed_to_the_same_bytes(files: Path) -> None:
    for name, stop_at in (("whole", None), ("broken", 5)):
        trainer = launch(REHEARSING | {"name": name})
        for report in trainer.run():
            trainer.stop_requested = report.step == stop_at
    shutil.rmtree("checkpoints/base")
    for _ in launch({"name": "broken"}, resume=True).run():
        pass
    assert outcome("broken") == outcome("whole")


def test_a_model_that_rehearses_forgets_less(files: Path) -> None:
    more = {"steps": 60, "dropout": 0.0, "patience": None}
    losses = {}
    for rehearse in (0.0, 0.5):
        name = f"rehearse-{rehearse}"
        for _ in launch(REHEARSING | more | {"name": name, "rehearse": rehearse}).run():
            pass
        model = charrnn.load(f"checkpoints/{name}/step-00000060")
        losses[rehearse] = -float(model.score(OLD[-200:]).mean())
    assert losses[0.5] < losses[0.0]


def test_the_verdict_says_what_was_forgotten(files: Path) -> None:
    run = launch(REHEARSING | {"patience": None})
    list(run.run())
    base = checkpoints.read(run.directory.best()).about["from"]
    final = run.directory.final()
    judged = verdict(run.directory)
    assert final is not None
    assert judged is not None
    before = base["old_val_loss"] / math.log(2)
    after = final["final_old_val_loss"] / math.log(2)
    assert f" On its own text, it had {before:.3f}; now it has {after:.3f}. " in judged.text


def test_records_are_rehearsed_in_the_same_batches(here: Path) -> None:
    (here / "old.txt").write_text(NAMES)
    (here / "new.txt").write_text("zo\u00eb\nyves-michel\nann\n" * 9, encoding="utf-8")
    charrnn.train("old.txt", name="base", separator="\n", **OF_RECORDS)
    trainer = launch(REHEARSING | {"batch_size": 4})
    trainer.release()
    vocabulary = trainer.corpus.vocabulary
    for step in range(6):
        batch = trainer.loop.batches.batch(step)
        T, B = batch.x.shape
        assert B == 4
        ids = batch.y[:, 3]
        name = vocabulary.decode(ids[(ids != PADDING) & (ids != vocabulary.end)])
        assert name in NAMES.split()
        assert batch.counted is not None
        assert batch.counted.rows.shape[:2] == (T, B)
    assert list(trainer.run())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda: Path("old.txt").unlink(), "old.txt"),
        (lambda: Path("old.txt").write_text(OLD + "%"), "it has characters that the model"),
        (lambda: Path("old.txt").write_text(OLD[:100]), "it has only 90 characters"),
    ],
    ids=["missing", "changed", "short"],
)
def test_an_old_text_that_cannot_be_rehearsed_is_an_error(
    files: Path, change: Callable[[], object], reason: str
) -> None:
    change()
    with pytest.raises(CorpusError) as error:
        launch(REHEARSING)
    message = str(error.value)
    assert message.startswith("the text of base cannot be rehearsed: ")
    assert reason in message
    assert message.endswith("; restore it, or give `rehearse=0`")


def test_rehearsing_needs_a_base(files: Path) -> None:
    with pytest.raises(ConfigError) as error:
        launch({"corpus": ["new.txt"], "rehearse": 0.2})
    assert str(error.value) == (
        "`rehearse` is 0.2, but there is no model to continue from; give `base`"
    )


def test_rehearsing_needs_two_lanes(files: Path) -> None:
    with pytest.raises(ConfigError) as error:
        launch(REHEARSING | {"batch_size": 1})
    assert str(error.value) == (
        "`rehearse` needs batches of at least 2 texts, but `batch_size` is 1"
    )


# Damage


def test_damaged_counts_of_a_run_with_a_base_are_an_error_on_resuming(base: Path) -> None:
    train(NEW, name="new", base="base", on_report=lambda report: report.step < 5, **FURTHER)
    for path in Path("checkpoints/new").glob(f"step-*/{COUNTS}"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.unlink()
        path.write_bytes(data)
    with pytest.raises(ResumeError) as error:
        train(NEW, name="new", resume=True)
    assert str(error.value) == (
        "the counts of checkpoints/new are damaged, and those of its base's text cannot be "
        f"counted again; copy {COUNTS} again, or start another run with `name`"
    )
