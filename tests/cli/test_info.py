"""charrnn info: what a model is, as text and as JSON, and the list of runs."""

import hashlib
import json
import math
import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import charrnn
from charrnn.advice.verdict import verdict
from charrnn.cli.descriptions import short_number, size_in_words, verdict_in_words
from charrnn.corpus.corpus import Corpus
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.manifest import read_manifest
from charrnn.storage.run import Run
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
        f"model:      LSTM with 2 layers of 8 units, embedding 4, copy window 8192, counts 2, dropout 0.1, {parameters(STEP):,} parameters\n"
        'symbols:    21 characters: "\\n ,.;Nabcdehiklmnostw"\n'
        "corpus:     corpus.txt: 831 characters for training, 93 for validation\n"
        f"trained:    step 4 of 4, best at step 4 after 0.40 passes over the text, with charrnn {charrnn.__version__}\n"
        f"loss:       validation loss {loss(lines('corpus')[-1]['final_val_loss'])}\n"
        f"sha256:     {sha256(STEP)}\n"
        f"verdict:    {verdict_in_words(judged['text'], judged['command'])}\n"
        "kept:       step-00000002, step-00000003, step-00000004\n"
    )


def test_info_of_bytes_without_validation(runs: Path) -> None:
    step = "checkpoints/bytes/step-00000004"
    assert call("info", "bytes").stdout == (
        f"checkpoint: {step}\n"
        f"model:      GRU with 2 layers of 8 units, embedding 4, copy window 8192, counts 2, dropout 0, {parameters(step):,} parameters\n"
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


def saved(run: str) -> str:
    seconds = Run(Path("checkpoints") / run).last_saved()
    assert seconds is not None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def about(run: str, step: int) -> dict[str, Any]:
    """What JSON says of the run on characters."""
    path = f"checkpoints/{run}/step-{step:08d}"
    corpus = Corpus.of(TEXT, 0.1)
    judged, counted = verdict(Run(Path("checkpoints") / run)), corpus.yardstick
    assert judged and counted
    return {
        "run": run, "checkpoint": path, "cell": "lstm", "num_layers": 2, "hidden_size": 8, "embedding_size": 4, "dropout": 0.1,
        "copy_window": 8192, "counts": 2, "verdict": asdict(judged) if step == 4 else None, "yardstick": asdict(counted),
        "unigram_loss": corpus.unigram_loss,
        "unit": "char", "vocab_size": 21, "symbols": "\n ,.;Nabcdehiklmnostw", "sha256": sha256(path),
        "final_val_loss": lines(run)[-1]["final_val_loss"] if step == 4 else None, "charrnn": charrnn.__version__,
        "corpus": ["corpus.txt"], "epochs": step / 10, "parameters": parameters(path), "step": step, "steps": 4, "trained_steps": 4,
        "saved": saved(run), "disk_bytes": Run(Path("checkpoints") / run).size(),
        "train_characters": 831, "val_characters": 93, "val_loss": lines(run)[step - 1]["val_loss"], "records": None,
        "minutes": None, "automatic": ["report_every", "eval_every", "save_every"], "from": None,
        "data": {
            "encoding": "utf-8", "encoding_errors": "strict", "newlines": "keep", "normalize": None, "separator": None, "column": None, "min_count": 1, "unit": "char",
            "val_fraction": 0.1,
            "val": None,
        },
    }  # fmt: skip


@pytest.mark.parametrize(("run", "step"), [("corpus", 4), ("checkpoints/corpus/step-00000003", 3)])
def test_json_is_one_object(run: str, step: int, runs: Path) -> None:
    result = call("info", run, "--json")
    assert (result.exit_code, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    assert json.loads(result.stdout) == about("corpus", step)


def date(run: str) -> str:
    """When a run was saved, in local time, as the list shows it."""
    saved = Run(Path("checkpoints") / run).last_saved()
    assert saved is not None
    return datetime.fromtimestamp(saved).isoformat(" ")[:16]


def kib(run: str) -> str:
    """The disk use of a small run."""
    return size_in_words(Run(Path("checkpoints") / run).size())


def test_without_a_run_all_are_listed_in_a_table_the_newest_first(runs: Path) -> None:
    result, nats = call("info"), lines("corpus")[-1]["final_val_loss"]
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "name    date              corpus      size    loss  bits/char  verdict        disk use\n"
        f"corpus  {date('corpus')}  corpus.txt  {short_number(parameters(STEP))}  {nats:.4f}      {nats / math.log(2):.3f}  under-trained  {kib('corpus'):>8}\n"
        f"bytes   {date('bytes')}  corpus.txt  {short_number(parameters('checkpoints/bytes/step-00000004'))}       -          -  no validation  {kib('bytes'):>8}\n"
    )


def test_sort_orders_the_list_and_its_json(runs: Path) -> None:
    def names(order: str) -> list[str]:
        listed = [line.split()[0] for line in call("info", "--sort", order).stdout.splitlines()]
        found = json.loads(call("info", "--sort", order, "--json").stdout)
        assert listed[1:] == [run["run"] for run in found]
        return listed[1:]

    assert names("date") == names("loss") == ["corpus", "bytes"]
    assert names("name") == names("size") == ["bytes", "corpus"]


def test_sort_with_a_run_is_a_usage_error(runs: Path) -> None:
    result = call("info", "corpus", "--sort", "loss")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr
        == "Error: --sort is for the list of all runs; leave it out, or leave out RUN\n"
    )


def test_a_run_without_a_checkpoint_and_a_half_removed_one_are_reported(runs: Path) -> None:
    for step in Run(Path("checkpoints/corpus")).steps():
        shutil.rmtree(step)
    Path("checkpoints/bytes").rename("checkpoints/.bytes.gone")
    Path("checkpoints/notes").mkdir()
    result, left = call("info"), Run(runs / "checkpoints/.bytes.gone")
    assert result.stdout == (
        "name    date  corpus  size  loss  bits/char  verdict        disk use\n"
        f"corpus  -     -          -     -          -  no checkpoint  {kib('corpus'):>8}\n"
    )
    assert result.stderr == (
        "corpus: the run checkpoints/corpus has no checkpoint yet; wait for its first one, or start it again with --overwrite\n"
        f"{left.path} ({size_in_words(left.size())}) is left over from an interrupted removal; "
        "delete it with `charrnn remove bytes`\n"
    )


def test_two_runs_are_compared_in_what_differs(runs: Path) -> None:
    shutil.copytree("checkpoints/corpus", "checkpoints/other")
    for name in ("config.yaml", "metrics.jsonl"):
        path = Path("checkpoints/other") / name
        text = (
            path.read_text().replace("dropout: 0.1", "dropout: 0.2").replace("seed: 0", "seed: 7")
        )
        nats = lines("corpus")[-1]["final_val_loss"]
        path.write_text(text.replace(f'"final_val_loss": {nats}', '"final_val_loss": 0.1'))
    result = call("info", "corpus", "other")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "                    corpus  other\n"
        f"validation loss     {nats:.4f}  0.1000\n"
        f"bits per character  {nats / math.log(2):.3f}   0.144\n"
        "seed                0       7\n"
        "\n"
        f"other is better: its validation loss is {nats - 0.1:.4f} ({(nats - 0.1) / math.log(2):.3f} bits per character, "
        f"{1 - 0.1 / nats:.1%}) lower than that of corpus.\n"
    )


def test_the_json_of_two_runs_is_a_list_of_their_objects(runs: Path) -> None:
    found = json.loads(call("info", "corpus", "bytes", "--json").stdout)
    assert found == [about("corpus", 4), json.loads(call("info", "bytes", "--json").stdout)]


def test_the_list_as_json_is_a_list_of_the_same_objects(runs: Path) -> None:
    found = json.loads(call("info", "--json").stdout)
    assert found == [about("corpus", 4), json.loads(call("info", "bytes", "--json").stdout)]


def test_a_run_that_cannot_be_read_does_not_hide_the_others(runs: Path) -> None:
    for step in Path("checkpoints/bytes").glob("step-*"):
        (step / "model.safetensors").write_bytes(b"")
    result = call("info")
    assert result.exit_code == 0
    listed = [line.split() for line in result.stdout.splitlines()[1:]]
    assert [(words[0], words[-3]) for words in listed] == [
        ("corpus", "under-trained"),
        ("bytes", "damaged"),
    ]
    size = read_manifest(Path("checkpoints/bytes/step-00000004"))["model.safetensors"]
    assert result.stderr == (
        "bytes: checkpoints/bytes/step-00000004/model.safetensors is damaged: it has 0 bytes instead of "
        f"{size['bytes']}; copy it again, or use another checkpoint\n"
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
