"""R13: a run is not resumed as a different one, and the error names the difference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CharRNNError
from charrnn.storage.run import Run
from charrnn.training.start import launch

TEXT = "Now is the time, said the clock; then is the time, said the bell.\n" * 14
KNOBS = {
    "corpus": ["corpus.txt"], "steps": 4, "batch_size": 4, "sequence_length": 20, "hidden_size": 4, "num_layers": 1, "embedding_size": 2,
    "dropout": 0.1, "threads": 1, "device": "cpu", "precision": "fp32", "sample_every": None,
}  # fmt: skip

pytestmark = pytest.mark.usefixtures("one_thread")


def text(new: str) -> Callable[[], dict[str, Any]]:
    def change() -> dict[str, Any]:
        Path("corpus.txt").write_text(new)
        return {}

    return change


def given(**knobs: Any) -> Callable[[], dict[str, Any]]:
    return lambda: knobs


def cut_metrics() -> dict[str, Any]:
    path = Path("checkpoints/corpus/metrics.jsonl")
    path.write_bytes(path.read_bytes()[:-10])
    return {}


MUTATIONS = {
    "one character changed": (text(TEXT[:100] + "b" + TEXT[101:]), "in another order or number"),
    "one character added": (text(TEXT + "b"), "924 characters and 21 symbols then, 925 and 21 now"),
    "one character removed": (
        text(TEXT[:-1]),
        "924 characters and 21 symbols then, 923 and 21 now",
    ),
    "one symbol added": (text(TEXT[:-2] + "é\n"), "(only in one of them: 'é')"),
    "different line ends": (text(TEXT.replace("\n", "\r\n")), "'\\r'"),
    "the text is missing": (lambda: Path("corpus.txt").unlink() or {}, "the text of the run"),
    "another cell": (given(cell="gru"), "`cell` cannot be changed to 'gru': "),
    "another size": (given(hidden_size=8), "`hidden_size` cannot be changed to 8: "),
    "more layers": (given(num_layers=2), "`num_layers` cannot be changed to 2: "),
    "another seed": (given(seed=1), "`seed` cannot be changed to 1: "),
    "another learning rate": (
        given(learning_rate=0.5),
        "`learning_rate` cannot be changed to 0.5: ",
    ),
    "another batch": (given(batch_size=8), "`batch_size` cannot be changed to 8: "),
    "another unit": (given(unit="byte"), "`unit` cannot be changed to 'byte': "),
    "another dropout": (given(dropout=0.5), "`dropout` cannot be changed to 0.5: "),
    "another split": (given(val_fraction=0.2), "`val_fraction` cannot be changed to 0.2: "),
    "another window": (given(copy_window=None), "`copy_window` cannot be changed to None: "),
    "another precision": (given(precision="bf16"), "`precision` cannot be changed to 'bf16': "),
    "an end in the past": (given(steps=2), "`steps` must be at least 3, "),
    "truncated metrics": (cut_metrics, "metrics.jsonl has "),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_run_is_refused_with_the_difference(name: str, here: Path, tally: Any) -> None:
    Path("corpus.txt").write_text(TEXT)
    trainer = launch(KNOBS)
    for report in trainer.run():
        trainer.stop_requested = report.step == 3
    run = Run(Path("checkpoints/corpus"))
    change, what = MUTATIONS[name]
    knobs = change()
    files = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(CharRNNError) as error:
        launch({"name": "corpus"} | knobs, resume=True)
    assert what in str(error.value)
    assert "\n" not in str(error.value)
    # nothing was changed
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == files
    tally(1, "changed runs that were refused")
