"""charrnn info: what a model is, as text and as JSON, and the list of runs."""

import hashlib
import json
import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.corpus.corpus import Corpus
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.run import Run
from charrnn.storage.verdict import verdict
from tests.command import TEXT, Trained, call

STEP = "checkpoints/corpus/step-00000004"


@pytest.fixture
def runs(text_run: Trained, byte_run: Trained, here: Path) -> Path:
    """The working directory: a run on characters, and an older one on bytes without validation."""
    for run in (text_run, byte_run):
        shutil.copytree(run.where / "checkpoints", "checkpoints", dirs_exist_ok=True)
    return here


def sha256(step: str) -> str:
    return hashlib.sha256(Path(f"{step}/model.safetensors").read_bytes()).hexdigest()


def lines(run: str) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for line in Path(f"checkpoints/{run}/metrics.jsonl").read_text().splitlines()
    ]


def parameters(step: str) -> int:
    return sum(weight.size for weight in checkpoints.read(Path(step)).weights.values())


def loss(nats: float) -> str:
    return f"{nats:.4f} ({nats / math.log(2):.3f} bits per character)"


def test_info_of_a_run_says_all_this(runs: Path) -> None:
    result, judged = call("info", "corpus"), about("corpus", 4)["verdict"]
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"checkpoint: {STEP}\n"
        f"model:      LSTM with 2 layers of 8 units, embedding 4, copy window 8192, dropout 0.1, {parameters(STEP):,} parameters\n"
        'symbols:    21 characters: "\\n ,.;Nabcdehiklmnostw"\n'
        "corpus:     corpus.txt: 831 characters for training, 93 for validation\n"
        f"trained:    step 4 of 4, best at step 4 after 0.40 passes over the text, with charrnn {charrnn.__version__}\n"
        f"loss:       validation loss {loss(lines('corpus')[-1]['final_val_loss'])}\n"
        f"sha256:     {sha256(STEP)}\n"
        f"verdict:    {judged['text']} Next: `{judged['command']}`\n"
        "kept:       step-00000002, step-00000003, step-00000004\n"
    )


def test_info_of_bytes_without_validation(runs: Path) -> None:
    step = "checkpoints/bytes/step-00000004"
    assert call("info", "bytes").stdout == (
        f"checkpoint: {step}\n"
        f"model:      GRU with 2 layers of 8 units, embedding 4, copy window 8192, dropout 0, {parameters(step):,} parameters\n"
        "symbols:    256 bytes\n"
        "corpus:     corpus.txt: 924 characters for training, 0 for validation\n"
        f"trained:    step 4 of 4, best at step 4 after 0.36 passes over the text, with charrnn {charrnn.__version__}\n"
        "loss:       no validation loss\n"
        f"sha256:     {sha256(step)}\n"
        "kept:       step-00000002, step-00000003, step-00000004\n"
    )


def test_info_of_an_earlier_checkpoint_has_the_loss_it_was_saved_with(runs: Path) -> None:
    step = "checkpoints/corpus/step-00000003"
    found = call("info", step).stdout.splitlines()
    assert found[0] == f"checkpoint: {step}"
    assert (
        found[4]
        == f"trained:    step 4 of 4, best at step 3 after 0.30 passes over the text, with charrnn {charrnn.__version__}"
    )
    assert (
        found[5]
        == f"loss:       validation loss {loss(lines('corpus')[2]['val_loss'])} (measured during training)"
    )


def about(run: str, step: int) -> dict[str, Any]:
    """What JSON says of the run on characters."""
    path = f"checkpoints/{run}/step-{step:08d}"
    judged, counted = verdict(Run(Path("checkpoints") / run)), Corpus.of(TEXT, 0.1).yardstick
    assert judged and counted
    return {
        "run": run, "checkpoint": path, "cell": "lstm", "num_layers": 2, "hidden_size": 8, "embedding_size": 4, "dropout": 0.1,
        "copy_window": 8192, "verdict": asdict(judged) if step == 4 else None, "yardstick": asdict(counted),
        "unit": "char", "vocab_size": 21, "symbols": "\n ,.;Nabcdehiklmnostw", "sha256": sha256(path),
        "final_val_loss": lines(run)[-1]["final_val_loss"] if step == 4 else None, "charrnn": charrnn.__version__,
        "corpus": ["corpus.txt"], "epochs": step / 10, "parameters": parameters(path), "step": step, "steps": 4, "trained_steps": 4,
        "train_characters": 831, "val_characters": 93, "val_loss": lines(run)[step - 1]["val_loss"], "records": None,
        "data": {
            "encoding": "utf-8", "encoding_errors": "strict", "newlines": "keep", "normalize": None, "separator": None, "unit": "char",
            "val_fraction": 0.1,
        },
    }  # fmt: skip


@pytest.mark.parametrize(("run", "step"), [("corpus", 4), ("checkpoints/corpus/step-00000003", 3)])
def test_json_is_one_object(run: str, step: int, runs: Path) -> None:
    result = call("info", run, "--json")
    assert (result.exit_code, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    assert json.loads(result.stdout) == about("corpus", step)


def test_without_a_run_there_is_one_line_for_each_the_newest_first(runs: Path) -> None:
    result = call("info")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"corpus: LSTM 2 x 8, step 4 of 4, best at step 4, "
        f"validation loss {loss(lines('corpus')[-1]['final_val_loss'])}\n"
        "bytes: GRU 2 x 8, step 4 of 4, best at step 4, no validation loss\n"
    )


def test_the_list_as_json_is_a_list_of_the_same_objects(runs: Path) -> None:
    found = json.loads(call("info", "--json").stdout)
    assert found == [about("corpus", 4), json.loads(call("info", "bytes", "--json").stdout)]


def test_a_run_that_cannot_be_read_does_not_hide_the_others(runs: Path) -> None:
    for step in Path("checkpoints/bytes").glob("step-*"):
        (step / "model.safetensors").write_bytes(b"")
    result = call("info")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("corpus: LSTM 2 x 8, ")
    assert (
        "checkpoints/bytes/step-00000004/model.safetensors is damaged: it has 0 bytes"
        in result.stdout + result.stderr
    )


def test_a_best_checkpoint_that_is_not_the_last_is_the_one_shown(runs: Path) -> None:
    found = checkpoints.read(Path(STEP))
    found.about.update(step=5, steps=5, val_loss=9.9)
    checkpoints.write(Path("checkpoints/corpus/step-00000005"), found)
    shown = call("info", "corpus").stdout.splitlines()
    assert shown[0] == f"checkpoint: {STEP}"
    assert shown[-1] == "kept:       step-00000002, step-00000003, step-00000004, step-00000005"


def test_runs_dir_is_where_the_runs_are(runs: Path) -> None:
    listed = call("info").stdout
    Path("checkpoints").rename("models")
    assert call("info", "--runs-dir", "models").stdout == listed
    assert call("info", env={"CHARRNN_INFO_RUNS_DIR": "models"}).stdout == listed
    assert (
        call("info", "corpus", "--runs-dir", "models").stdout.splitlines()[0]
        == "checkpoint: models/corpus/step-00000004"
    )


def test_without_any_run_a_line_says_what_to_do_and_nothing_is_printed(here: Path) -> None:
    result = call("info")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"no runs in {here}/checkpoints; train one with `charrnn train FILE`\n"


def test_without_any_run_json_is_an_empty_list(here: Path) -> None:
    result = call("info", "--json")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "[]\n", "")


def test_a_run_that_is_not_there_is_one_line(runs: Path) -> None:
    result = call("info", "nothing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == "Error: there is no run or checkpoint 'nothing'; runs in checkpoints: corpus, bytes\n"
    )


def test_a_damaged_checkpoint_is_one_line(runs: Path) -> None:
    (Path(STEP) / "tokenizer.json").unlink()
    result = call("info", STEP)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: {STEP}/tokenizer.json cannot be read: No such file or directory; "
        "copy the whole directory again, or use another checkpoint\n"
    )
