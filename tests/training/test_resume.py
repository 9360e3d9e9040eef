"""An interrupted run ends in the same bytes as an uninterrupted one, and a run that cannot be
resumed is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn.api import reports
from charrnn.storage import checkpoint as checkpoints
from charrnn.storage.checkpoint import Checkpoint
from charrnn.storage.run import Run
from charrnn.training.model import CELLS
from charrnn.training.start import launch
from charrnn.training.trainer import Trainer

N = 12
# 924 characters, 832 of them for training: 4 lanes of 208, 5 chunks of 40 per epoch, so that an
# epoch ends after step 5
KNOBS = {
    "corpus": ["corpus.txt"], "name": "run", "steps": N, "batch_size": 4, "sequence_length": 40, "hidden_size": 16, "num_layers": 2,
    "embedding_size": 8, "dropout": 0.3, "learning_rate": 0.01, "report_every": 4, "eval_every": 3, "save_every": None,
    "sample_every": None, "threads": 1, "counts": 2,
}  # fmt: skip


def prepare(where: Path, corpus: Path) -> Path:
    """Create a directory that contains the corpus."""
    where.mkdir()
    shutil.copy(corpus, where)
    return where


def outcome(where: Path) -> dict[str, bytes]:
    """All the bytes that a run leaves at step N, and the text that the model generates."""
    step = where / "checkpoints/run" / f"step-{N:08d}"
    files = {
        name: (step / name).read_bytes()
        for name in ("model.safetensors", "trainer.safetensors", "trainer.json", "config.json")
    }
    files["metrics.jsonl"] = (where / "checkpoints/run/metrics.jsonl").read_bytes()
    files["sample"] = charrnn.load(step).generate(length=50, seed=1).encode()
    return files


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_n_steps_equal_k_steps_and_n_minus_k_in_a_new_process(
    cell: str, num_layers: int, corpus: Path, here: Path, processes: Any
) -> None:
    knobs = KNOBS | {"cell": cell, "num_layers": num_layers}
    whole = prepare(here / "whole", corpus)
    assert processes.run(cwd=str(whole), knobs=knobs) == {"steps": N}
    expected = outcome(whole)
    for k in (1, 5, N - 1):
        broken = prepare(here / f"broken-{k}", corpus)
        assert processes.run(cwd=str(broken), knobs=knobs, stop_at=k) == {"steps": k}
        assert not (broken / "checkpoints/run" / f"step-{N:08d}").exists()
        assert processes.run(cwd=str(broken), knobs={"name": "run"}, resume=True) == {
            "steps": N - k
        }
        assert outcome(broken) == expected


@pytest.mark.xdist_group("two threads")
def test_a_run_of_two_threads_is_resumed_to_the_same_bytes(
    corpus: Path, here: Path, processes: Any
) -> None:
    knobs = KNOBS | {"threads": 2, "num_layers": 1}
    whole, broken = prepare(here / "whole", corpus), prepare(here / "broken", corpus)
    processes.run(cwd=str(whole), knobs=knobs)
    assert processes.run(cwd=str(broken), knobs=knobs, stop_at=5) == {"steps": 5}
    assert processes.run(cwd=str(broken), knobs={"name": "run"}, resume=True) == {"steps": N - 5}
    assert outcome(broken) == outcome(whole)


def test_a_run_on_records_is_resumed_across_epochs_to_the_same_bytes(
    corpus: Path, here: Path, processes: Any
) -> None:
    # words: 11 distinct ones, one of them held out, the others 14 or 28 times each: at least 126,
    # so 32 batches of 4 per epoch
    knobs = KNOBS | {"separator": " ", "batch_size": 32, "num_layers": 1, "copy_window": 40}
    whole, broken = prepare(here / "whole", corpus), prepare(here / "broken", corpus)
    processes.run(cwd=str(whole), knobs=knobs)
    assert processes.run(cwd=str(broken), knobs=knobs, stop_at=5) == {"steps": 5}
    seen = (broken / "checkpoints/run/records.jsonl.gz").read_bytes()
    (broken / "checkpoints/run/records.jsonl.gz").unlink()
    assert processes.run(cwd=str(broken), knobs=knobs, resume=True) == {"steps": N - 5}
    assert outcome(broken) == outcome(whole)
    assert (
        (broken / "checkpoints/run/records.jsonl.gz").read_bytes()
        == seen
        == (whole / "checkpoints/run/records.jsonl.gz").read_bytes()
    )
    about = checkpoints.read(whole / "checkpoints/run" / f"step-{N:08d}").about
    assert about["epochs"] > 1
    assert about["records"]["val"] == 1


def test_a_killed_run_is_resumed_from_its_last_checkpoint_to_the_same_bytes(
    corpus: Path, here: Path, processes: Any
) -> None:
    whole, broken = prepare(here / "whole", corpus), prepare(here / "broken", corpus)
    knobs = KNOBS | {"save_every": 2}
    processes.run(cwd=str(whole), knobs=knobs)
    assert processes.run(cwd=str(broken), knobs=knobs, kill_at=7) == {"killed": True}
    assert processes.run(cwd=str(broken), knobs=knobs, resume=True) == {"steps": N - 6}
    assert outcome(broken) == outcome(whole)


def test_ten_interruptions_leave_no_trace(corpus: Path, here: Path, processes: Any) -> None:
    whole, broken = prepare(here / "whole", corpus), prepare(here / "broken", corpus)
    processes.run(cwd=str(whole), knobs=KNOBS)
    for k in range(1, N - 1):
        assert processes.run(cwd=str(broken), knobs=KNOBS, resume=k > 1, stop_at=k) == {"steps": 1}
    assert processes.run(cwd=str(broken), knobs=KNOBS, resume=True) == {"steps": 2}
    assert outcome(broken) == outcome(whole)


def test_watching_a_run_does_not_change_it(corpus: Path, here: Path, processes: Any) -> None:
    watched, alone = prepare(here / "watched", corpus), prepare(here / "alone", corpus)
    processes.run(
        cwd=str(watched),
        knobs=KNOBS
        | {
            "eval_every": 1,
            "sample_every": 2,
            "save_every": 3,
            "report_every": 1,
            "keep": 1,
            "patience": None,
        },
    )
    processes.run(cwd=str(alone), knobs=KNOBS | {"eval_every": None, "report_every": 100})
    for name in ("model.safetensors", "trainer.safetensors"):
        assert outcome(watched)[name] == outcome(alone)[name]


def finish(given: dict[str, Any], resume: bool = True) -> None:
    for _ in reports(launch(given, resume=resume)):
        pass


@pytest.fixture
def half(corpus: Path, here: Path) -> Path:
    """The checkpoint of a run that was stopped after 6 of 12 steps."""
    trainer = launch(KNOBS | {"num_layers": 1})
    for report in reports(trainer):
        trainer.stop_requested = report.step == 6
    return here / "checkpoints/run/step-00000006"


def change(path: Path, name: str, piece: Callable[[Any], Any], where: str) -> None:
    """Perturb one piece of a checkpoint and rewrite it, so that the files are valid and only the
    value is wrong."""
    found = checkpoints.read(path, trainer=True)
    holder: Any = getattr(found, where)
    holder[name] = piece(holder[name])
    checkpoints.write(path, found)


def pieces(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    return [("weights", name) for name in checkpoint.weights] + [
        ("trainer_tensors", name) for name in checkpoint.trainer_tensors
    ]


def test_every_saved_tensor_is_needed_to_end_in_the_same_bytes(half: Path, here: Path) -> None:
    run = here / "checkpoints/run"
    shutil.copytree(run, here / "kept")
    finish({"name": "run"})
    expected = outcome(here)
    names = pieces(checkpoints.read(half, trainer=True))
    # weights; step, exp_avg and exp_avg_sq for each; the state of the lanes
    assert len(names) == 14 + 3 * 14 + 1
    for where, name in names:
        shutil.rmtree(run)
        shutil.copytree(here / "kept", run)
        change(half, name, lambda value: np.asarray(value + 0.5, np.float32), where)
        finish({"name": "run"})
        assert outcome(here)["trainer.safetensors"] != expected["trainer.safetensors"], name


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("step", lambda step: step + 1),
        ("loss_sum", lambda total: total + 1),
        ("loss_count", lambda count: count + 1),
        ("metrics_bytes", lambda size: size - 1),
        ("config", lambda config: config | {"seed": 1}),
        ("config", lambda config: config | {"learning_rate": 0.02}),
        ("config", lambda config: config | {"dropout": 0.1}),
        ("config", lambda config: config | {"sequence_length": 41}),
    ],
)
def test_every_saved_number_is_needed_to_end_in_the_same_bytes(
    name: str, piece: Callable[[Any], Any], half: Path, here: Path
) -> None:
    shutil.copytree(here / "checkpoints/run", here / "kept")
    finish({"name": "run"})
    expected = outcome(here)
    shutil.rmtree(here / "checkpoints/run")
    shutil.copytree(here / "kept", here / "checkpoints/run")
    change(half, name, piece, "trainer")
    finish({"name": "run"})
    assert outcome(here) != expected


@pytest.mark.parametrize(
    "name",
    [
        "state",
        "optimizer.step.head.bias",
        "optimizer.exp_avg.embedding.weight",
        "optimizer.exp_avg_sq.head.weight",
    ],
)
def test_a_missing_tensor_is_an_error(name: str, half: Path, here: Path) -> None:
    found = checkpoints.read(half, trainer=True)
    del found.trainer_tensors[name]
    checkpoints.write(half, found)
    with pytest.raises(charrnn.ResumeError) as error:
        launch({"name": "run"}, resume=True)
    path = Path("checkpoints/run/step-00000006")
    assert (
        str(error.value)
        == f"{path} cannot be resumed: {name!r} is missing or invalid; move it away to resume from an earlier checkpoint"
    )


def refusal(given: dict[str, Any], text: str | None = None) -> str:
    with pytest.raises(charrnn.ResumeError) as error:
        launch(given, text=text, resume=True)
    return str(error.value)


@pytest.mark.parametrize(
    ("given", "was"),
    [
        ({"hidden_size": 32}, "`hidden_size` cannot be changed to 32: the run checkpoints/run has 16"),
        ({"cell": "gru"}, "`cell` cannot be changed to 'gru': the run checkpoints/run has 'lstm'"),
        ({"num_layers": 2}, "`num_layers` cannot be changed to 2: the run checkpoints/run has 1"),
        ({"learning_rate": 0.02}, "`learning_rate` cannot be changed to 0.02: the run checkpoints/run has 0.01"),
        ({"batch_size": 8}, "`batch_size` cannot be changed to 8: the run checkpoints/run has 4"),
        ({"seed": 3}, "`seed` cannot be changed to 3: the run checkpoints/run has 0"),
        ({"val_fraction": 0.2}, "`val_fraction` cannot be changed to 0.2: the run checkpoints/run has 0.1"),
    ],
)  # fmt: skip
def test_a_changed_knob_is_refused_by_name(given: dict[str, Any], was: str, half: Path) -> None:
    assert (
        refusal({"name": "run"} | given)
        == f"{was}; leave it out to resume, or start another run with `name`"
    )


RESTORE = "; restore the old text, or start another run with `name`"


@pytest.mark.parametrize(
    ("edit", "difference"),
    [
        (
            lambda text: text + "!",
            "924 characters and 21 symbols then, 925 and 22 now (only in one of them: '!')",
        ),
        (lambda text: text[1:], "924 characters and 21 symbols then, 923 and 21 now"),
        (
            lambda text: text.replace("time", "item", 1),
            "924 characters and 21 symbols then, 924 and 21 now, in another order or number",
        ),
    ],
)
def test_a_changed_corpus_is_refused_with_the_difference(
    edit: Callable[[str], str], difference: str, half: Path, corpus: Path
) -> None:
    corpus.write_text(edit(corpus.read_text()))
    expected = f"the text has changed since the run checkpoints/run started: {difference}{RESTORE}"
    assert refusal({"name": "run"}) == expected


def test_a_run_is_found_by_its_corpus_or_as_the_newest(half: Path, corpus: Path) -> None:
    assert launch({"corpus": ["corpus.txt"]}, resume=True).step == 6
    assert launch({}, resume=True).step == 6


def test_the_command_that_started_a_run_resumes_it(half: Path) -> None:
    assert launch(KNOBS | {"num_layers": 1}, resume=True).step == 6


def test_the_original_batch_size_may_be_given_for_a_shrunk_batch(corpus: Path, here: Path) -> None:
    given = KNOBS | {"batch_size": 64, "steps": 2}  # 832 // 16 = 52 is the first to reach 40
    finish(given, resume=False)
    assert launch(given | {"steps": 3}, resume=True).config.train.batch_size == 16


def test_a_missing_run_is_reported(corpus: Path, here: Path) -> None:
    assert refusal({"name": "run"}) == (
        "nothing to resume: the run checkpoints/run does not exist (runs in checkpoints: none); start it without `resume=True`"
    )


def test_a_run_without_a_checkpoint_is_reported(corpus: Path, here: Path) -> None:
    launch(KNOBS)
    assert refusal({"name": "run"}) == (
        "nothing to resume: the run checkpoints/run has no checkpoint yet (runs in checkpoints: none); "
        "start it with `overwrite=True`"
    )


def test_a_finished_run_is_reported_and_continues_to_a_later_end(
    half: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.training.resume.available_threads", lambda: KNOBS["threads"])
    finish({"name": "run"})
    expected = (
        "the run checkpoints/run has finished its 12 steps; to train longer, run "
        "`charrnn train --resume --name run --minutes 5 --patience none`"
    )
    assert refusal({"name": "run"}) == expected
    assert (
        refusal({"name": "run", "steps": 5})
        == "`steps` must be at least 12, where the run checkpoints/run already is, got 5"
    )
    said: list[str] = []
    trainer = launch({"name": "run", "steps": 15}, resume=True, tell=said.append)
    steps = [report.step for report in trainer.run()]
    assert steps == [13, 14, 15, 15]  # the last report is the final evaluation
    assert said == [
        "the run will end at step 15 instead of 12; the learning rate is that of a run of 15 steps",
        "resuming checkpoints/run after step 12 of 15",
    ]


def test_a_run_killed_before_its_final_loss_computes_it_on_resuming(half: Path, here: Path) -> None:
    finish({"name": "run"})
    run = Run(here / "checkpoints/run")
    final = run.metrics.read_bytes()
    run.metrics.write_bytes(b"".join(final.splitlines(keepends=True)[:-1]))
    finish({"name": "run"})
    assert run.metrics.read_bytes() == final


def test_a_damaged_last_checkpoint_is_set_aside_and_the_previous_one_resumed(
    half: Path, here: Path
) -> None:
    (half / "trainer.safetensors").write_bytes(b"")
    said: list[str] = []
    trainer = launch({"name": "run"}, resume=True, tell=said.append)
    size = checkpoints.read(here / "damaged", trainer=True) if (here / "damaged").exists() else None
    assert size is None
    assert trainer.step == 3  # validated, and the best so far, at step 3
    assert said[0].startswith(
        "checkpoints/run/step-00000006/trainer.safetensors is damaged: it has 0 bytes instead of "
    )
    assert said[0].endswith("; it was renamed to damaged-step-00000006")


def test_metrics_are_truncated_to_the_checkpoint(half: Path, here: Path) -> None:
    metrics = here / "checkpoints/run/metrics.jsonl"
    before = metrics.read_bytes()
    metrics.write_bytes(before + b'{"step": 7}\n{"st')
    launch({"name": "run"}, resume=True)
    assert metrics.read_bytes() == before


def test_lost_metrics_are_an_error(half: Path, here: Path) -> None:
    metrics = here / "checkpoints/run/metrics.jsonl"
    size = metrics.stat().st_size
    metrics.write_bytes(b"")
    assert refusal({"name": "run"}) == (
        f"checkpoints/run/metrics.jsonl has 0 bytes, but {size} were written by step 6; "
        "restore the file, or start another run with `name`"
    )


def test_a_changed_number_of_threads_is_reported(half: Path) -> None:
    said: list[str] = []
    launch({"name": "run", "threads": 2}, resume=True, tell=said.append)
    assert (
        said[0] == "the run was trained with threads 1 and continues with 2; "
        "the result is as good, but not bit for bit that of an uninterrupted run"
    )


def test_a_changed_number_of_cores_is_reported(half: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.training.resume.available_threads", lambda: 3)
    said: list[str] = []
    launch({"name": "run"}, resume=True, tell=said.append)
    assert said[0] == (
        "this machine has 3 cores, but the run continues with `threads=1`, to stay reproducible bit for bit"
    )


def test_a_run_in_bf16_continues_in_fp32_without_bf16_support(
    half: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as left by another machine
    change(half, "config", lambda config: config | {"precision": "bf16"}, "trainer")
    monkeypatch.setattr("charrnn.training.resume.bf16_works", lambda device: False)
    said: list[str] = []
    trainer = launch({"name": "run"}, resume=True, tell=said.append)
    assert (
        said[0] == "the run was trained with precision bf16 and continues with fp32; "
        "the result is as good, but not bit for bit that of an uninterrupted run"
    )
    assert trainer.config.train.precision == "fp32"
    assert list(trainer.run())[-1].step == N


def test_metrics_contain_nothing_that_depends_on_the_machine(half: Path, here: Path) -> None:
    finish({"name": "run"})
    lines = [
        json.loads(line)
        for line in (here / "checkpoints/run/metrics.jsonl").read_text().splitlines()
    ]
    # every 4 steps, and every 3 with a validation loss
    assert [line["step"] for line in lines[:-1]] == [3, 4, 6, 8, 9, 12]
    assert {frozenset(line) for line in lines[:-1]} == {
        frozenset({"step", "learning_rate", "train_loss", "grad_norm", "val_loss"})
    }
    assert set(lines[-1]) == {"step", "final_val_loss", "final_train_loss", "characters"}


def test_a_later_end_is_remembered_even_if_not_reached(half: Path, here: Path) -> None:
    finish({"name": "run"})
    launch({"name": "run", "steps": 15}, resume=True)  # and killed before its first checkpoint
    assert launch({"name": "run"}, resume=True).steps == 15


def test_finding_a_run_by_its_corpus_takes_precedence_over_its_name(half: Path, here: Path) -> None:
    (here / "other").mkdir()
    (here / "other/run.txt").write_text("something else, and long enough to learn from\n" * 20)
    small = {"steps": 2, "hidden_size": 8, "num_layers": 1, "dropout": 0.1, "threads": 1}
    finish(small | {"corpus": ["other/run.txt"], "name": "b"}, resume=False)
    trainer = launch({"corpus": ["other/run.txt"], "steps": 4}, resume=True)  # not checkpoints/run
    assert trainer.directory == Run(Path("checkpoints/b"))


# Patience

# Training makes this validation text ever less likely, because its symbols do not occur in the
# training part. So the first validation is the best.
WORSENING = "ab" * 90 + "cd" * 10
EARLY_STOP_KNOBS = KNOBS | {
    "corpus": ["worse.txt"], "steps": 30, "batch_size": 2, "hidden_size": 8, "num_layers": 1, "embedding_size": 4, "eval_every": 2,
    "patience": 3, "save_every": 2, "keep": 9, "threads": 1, "learning_rate": 1.0, "dropout": 0.1, "counts": None,
}  # fmt: skip


def all_files(where: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(where)): path.read_bytes()
        for path in sorted(where.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that stopped early, and one that was interrupted after its first step. Shared, so not
    to be changed."""
    where = tmp_path_factory.mktemp("patience")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        (where / "worse.txt").write_text(WORSENING)
        finish(EARLY_STOP_KNOBS, resume=False)
        stop(launch(EARLY_STOP_KNOBS | {"name": "begun"}), 1)
    return where


@pytest.fixture
def early_stop(two: Path, here: Path) -> Path:
    """The directory of a run of 30 steps that stopped early: best at step 2, stale at 4, 6 and 8."""
    shutil.copytree(two, here, dirs_exist_ok=True)
    run = Run(here / "checkpoints/run")
    assert [path.name for path in run.steps()] == [f"step-{step:08d}" for step in (2, 4, 6, 8)]
    assert run.final()
    return run.path


def stop(trainer: Trainer, after: int) -> None:
    for report in reports(trainer):
        trainer.stop_requested = report.step == after


def stopped(after: int) -> Path:
    """The last checkpoint of a run with the same knobs, interrupted after its first step and after
    this one."""
    stop(launch({"name": "begun"}, resume=True), after)
    begun = Run(Path("checkpoints/begun"))
    shutil.rmtree(begun.step(1))
    return begun.steps()[-1]


@pytest.mark.parametrize("after", [2, 3, 4, 5, 6, 7])
def test_a_run_interrupted_between_stale_validations_ends_in_the_same_bytes(
    after: int, early_stop: Path
) -> None:
    assert stopped(after).name == f"step-{after:08d}"
    finish({"name": "begun"})
    begun, whole = all_files(early_stop.with_name("begun")), all_files(early_stop)
    kept = {
        name: data
        for name, data in begun.items()
        if name in whole and not name.endswith(("trainer.json", "manifest.json", ".yaml"))
    }
    assert {name: whole[name] for name in kept} == kept
    assert {name.split("/")[0] for name in kept} == {
        "metrics.jsonl",
        *(f"step-{step:08d}" for step in (2, 4, 6, 8)),
    }
    ends = [json.loads(files["step-00000008/trainer.json"]) for files in (begun, whole)]
    # everything is the same except the name
    assert ends[0] | {"config": ends[0]["config"] | {"name": "run"}} == ends[1]
    assert Run(early_stop.with_name("begun")).steps()[-1].name == "step-00000008"


@pytest.mark.parametrize(("more", "last"), [(1, 6), (-1, 10)])
def test_the_number_of_stale_validations_is_saved_and_needed(
    more: int, last: int, early_stop: Path
) -> None:
    last_checkpoint = stopped(5)
    found = checkpoints.read(last_checkpoint, trainer=True).trainer
    assert found and found["stale"] == 1
    change(last_checkpoint, "stale", lambda stale: stale + more, "trainer")
    finish({"name": "begun"})
    assert Run(early_stop.with_name("begun")).steps()[-1].name == f"step-{last:08d}"


def test_a_checkpoint_without_the_number_of_stale_validations_is_an_error(early_stop: Path) -> None:
    path = stopped(5)
    found = checkpoints.read(path, trainer=True)
    assert found.trainer
    del found.trainer["stale"]
    checkpoints.write(path, found)
    assert (
        refusal({"name": "begun"})
        == f"{path} cannot be resumed: 'stale' is missing or invalid; move it away to resume from an earlier checkpoint"
    )


def test_a_run_that_stopped_early_is_resumed_only_with_another_patience(early_stop: Path) -> None:
    before = all_files(early_stop)
    for given, flags in (
        ({}, ""),
        ({"patience": 3}, ""),
        ({"patience": 1}, ""),
        ({"steps": 60}, "--steps 60 "),
    ):
        assert refusal({"name": "run"} | given) == (
            f"the run checkpoints/run stopped at step 8 of 30 because the validation loss stopped improving "
            f"(best at step 2); to continue anyway, run `charrnn train --resume --name run {flags}--patience none`"
        )
    assert all_files(early_stop) == before


@pytest.mark.parametrize(("patience", "last"), [(None, 30), (4, 10)])
def test_resuming_with_more_patience_equals_having_had_it_from_the_start(
    patience: int | None, last: int, early_stop: Path
) -> None:
    finish({"name": "run", "patience": patience})
    found = all_files(early_stop)
    assert Run(early_stop).steps()[-1].name == f"step-{last:08d}"
    assert found["metrics.jsonl"].count(b"final_val_loss") == 1
    assert Run(early_stop).final() is not None
    finish({**EARLY_STOP_KNOBS, "patience": patience, "name": "patient"}, resume=False)
    patient = all_files(early_stop.with_name("patient"))
    for name in (
        "metrics.jsonl",
        *(f"step-{last:08d}/{file}" for file in ("model.safetensors", "trainer.safetensors")),
    ):
        assert found[name] == patient[name]


def test_a_stopped_run_killed_before_its_final_loss_computes_it_on_resuming(
    early_stop: Path,
) -> None:
    expected = all_files(early_stop)
    metrics = early_stop / "metrics.jsonl"
    metrics.write_bytes(b"".join(metrics.read_bytes().splitlines(keepends=True)[:-1]))
    finish({"name": "run"})
    assert all_files(early_stop) == expected
