"""charrnn train: what it prints, writes and refuses; a run that cannot start leaves nothing."""

import gzip
import json
import math
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

import charrnn
from charrnn.advice.verdict import verdict
from charrnn.cli.descriptions import verdict_in_words
from charrnn.config.cores import available_threads
from charrnn.storage.run import Run
from tests.command import SMALL, TEXT, Trained, call

NETWORK = "training checkpoints/corpus: LSTM with 2 layers of 8 units"
FIRST = f"{NETWORK} on 831 characters (93 more for validation), fp32 on cpu, 1 thread"
EXISTS = "Error: the run checkpoints/corpus already exists; continue it with --resume, start another with --name, or delete it with --overwrite\n"


@pytest.fixture
def trained(text_run: Trained, here: Path) -> Path:
    """A copy of that run in the working directory; the run's directory."""
    shutil.copytree(text_run.where, here, dirs_exist_ok=True)
    return Path("checkpoints/corpus")


def files(directory: Path) -> dict[str, tuple[bytes, int]]:
    """Every file, with its bytes and the time of its last change."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def model_of(run: str, step: int = 4) -> bytes:
    return Path(f"{run}/step-{step:08d}/model.safetensors").read_bytes()


def metrics(run: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]


def config(run: str | Path) -> dict[str, Any]:
    values = yaml.safe_load((Path(run) / "config.yaml").read_text())
    assert isinstance(values, dict)
    return values


# What it says and writes


def in_words(nats: float) -> str:
    return f"{nats:.4f} ({nats / math.log(2):.3f} bits per character)"


def test_train_prints_these_lines_on_stderr_and_nothing_on_stdout(text_run: Trained) -> None:
    *steps, _ = metrics(text_run.where / "checkpoints/corpus")
    assert [line["step"] for line in steps] == [1, 2, 3, 4]
    shown = [
        re.escape(
            f"step {line['step']} of 4: training loss {line['train_loss']:.4f}, validation loss {in_words(line['val_loss'])}, "
        )
        + r"[\d,]+ characters/s, \d+:\d\d left, saved"
        for line in steps
    ]
    best = min(steps, key=lambda line: float(line["val_loss"]))["step"]
    done = re.escape(f" minutes; the best checkpoint is checkpoints/corpus/step-{best:08d}")
    reading = re.escape("measuring the final validation loss on 93 characters")
    found = verdict(Run(text_run.where / "checkpoints/corpus"))
    assert found is not None
    assert found.command is not None
    proposed = found.command.partition(" --runs-dir")[0]  # it was in the working directory
    judged = re.escape(verdict_in_words(found.text, proposed))
    expected = [
        re.escape(FIRST),
        *shown,
        reading,
        rf"done in \d+\.\d{done}",
        judged,
        re.escape("generate text with: charrnn sample corpus"),
    ]
    assert (text_run.result.exit_code, text_run.result.stdout) == (0, "")
    assert re.fullmatch("\n".join(expected) + "\n", text_run.result.stderr)


def test_there_is_little_to_read_before_the_first_step_and_one_line_per_validation(
    here: Path,
) -> None:
    """Also with notices on the text, and with everything planned but the steps."""
    Path("corpus.txt").write_bytes("\ufeff".encode() + TEXT.encode().replace(b"\n", b"\r\n", 2))
    result = call(
        "train",
        "corpus.txt",
        "--steps=4",
        "--eval-every=2",
        "--report-every=1",
        "--sample-every=none",
        "--threads=1",
        "--precision=fp32",
    )
    assert result.exit_code == 0
    lines = result.stderr.splitlines()
    steps = [line.partition(":")[0] for line in lines if line.startswith("step ")]
    before = lines[: lines.index(next(line for line in lines if line.startswith("step ")))]
    assert steps == ["step 2 of 4", "step 4 of 4"]
    assert [line.split()[0] for line in before] == [
        "corpus.txt",  # begins with a byte order mark
        "corpus.txt",  # mixes line ends
        "the",  # training text is too short for the batch
        "plan:",
        "training",
    ]


def test_a_run_leaves_these_files_and_no_others(trained: Path) -> None:
    model = [
        "config.json",
        "counts.safetensors",
        "generation_config.json",
        "manifest.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert sorted(path.name for path in trained.iterdir()) == [
        "config.yaml",
        "metrics.jsonl",
        "step-00000002",
        "step-00000003",
        "step-00000004",
    ]
    for step in trained.glob("step-*"):
        assert sorted(path.name for path in step.iterdir()) == sorted(
            [*model, "trainer.json", "trainer.safetensors"]
        )


def test_the_written_configuration_is_resolved_and_names_every_knob(trained: Path) -> None:
    assert config(trained) == {
        "corpus": ["corpus.txt"], "base": "none", "name": "corpus", "runs_dir": "checkpoints", "unit": "char", "encoding": "utf-8",
        "encoding_errors": "strict", "newlines": "keep", "normalize": "none", "separator": "none", "column": "none", "min_count": 1, "val_fraction": 0.1, "val": "none",
        "cell": "lstm", "hidden_size": 8,
        "num_layers": 2, "embedding_size": 4, "copy_window": 8192, "counts": 2, "dropout": 0.1, "minutes": "none", "steps": 4, "batch_size": 4,
        "sequence_length": 20, "learning_rate": 0.004, "weight_decay": 0.01, "clip_norm": 1.0, "rehearse": 0.0, "seed": 0, "report_every": 1,
        "eval_every": 1, "save_every": 1, "sample_every": "none", "patience": 4, "keep": 3, "on_save_error": "stop", "threads": 1,
        "device": "cpu", "precision": "fp32",
    }  # fmt: skip


def test_the_written_configuration_makes_the_same_run_again_byte_for_byte(trained: Path) -> None:
    result = call("train", "--config", "checkpoints/corpus/config.yaml", "--name", "again")
    assert result.exit_code == 0
    assert model_of("checkpoints/again") == model_of("checkpoints/corpus")
    assert (
        Path("checkpoints/again/metrics.jsonl").read_bytes()
        == Path("checkpoints/corpus/metrics.jsonl").read_bytes()
    )
    assert config("checkpoints/again") == config("checkpoints/corpus") | {"name": "again"}


def test_a_path_on_the_command_line_goes_before_the_corpus_of_the_configuration(
    trained: Path,
) -> None:
    Path("other.txt").write_text(TEXT.upper())
    assert (
        call(
            "train", "other.txt", "--config", "checkpoints/corpus/config.yaml", "--name", "other"
        ).exit_code
        == 0
    )
    assert config("checkpoints/other")["corpus"] == ["other.txt"]
    assert model_of("checkpoints/other") != model_of("checkpoints/corpus")


def test_flag_environment_and_yaml_reach_the_run(corpus: Path) -> None:
    Path("run.yaml").write_text("hidden_size: 1\nnum_layers: 1\nkeep: 1\n")
    variables = {
        "CHARRNN_TRAIN_HIDDEN_SIZE": "6",
        "CHARRNN_TRAIN_NUM_LAYERS": "3",
        "CHARRNN_TRAIN_STEPS": "2",
        "CHARRNN_TRAIN_DEVICE": "cpu",
    }
    result = call(
        "train",
        "corpus.txt",
        "-c",
        "run.yaml",
        "--hidden-size",
        "5",
        "--sequence-length",
        "20",
        env=variables,
    )
    assert result.exit_code == 0
    found = config("checkpoints/corpus")
    assert {name: found[name] for name in ("hidden_size", "num_layers", "keep", "steps", "embedding_size")} == {
        "hidden_size": 5, "num_layers": 3, "keep": 1, "steps": 2, "embedding_size": 64,
    }  # fmt: skip
    assert [path.name for path in Path("checkpoints/corpus").glob("step-*")] == ["step-00000002"]


def test_minutes_become_steps_that_are_reported_and_recorded(corpus: Path) -> None:
    small = [flag for flag in SMALL if not flag.startswith("--steps")]
    result = call("train", "corpus.txt", *small, "--minutes", "0.01")
    assert result.exit_code == 0
    steps, minutes = config("checkpoints/corpus")["steps"], config("checkpoints/corpus")["minutes"]
    assert minutes == "none"
    assert re.match(
        r"(\d+ steps? fits? into 0.01 minutes on this machine|0.01 minutes are over before the first step; training one step)\n",
        result.stderr,
    )
    assert metrics("checkpoints/corpus")[-2]["step"] == steps


def test_without_held_out_text_there_is_no_validation_loss(corpus: Path) -> None:
    result = call("train", "corpus.txt", *SMALL, "--val-fraction", "0")
    assert (result.exit_code, result.stdout) == (0, "")
    first, done, write = result.stderr.splitlines()
    assert first == FIRST.replace("831", "924").replace("93 more", "0 more")
    assert re.fullmatch(
        r"done in \d+\.\d minutes; the best checkpoint is checkpoints/corpus/step-00000004", done
    )
    assert write == "generate text with: charrnn sample corpus"


# Where the text comes from


def first_line(result: Result) -> str:
    return result.stderr.splitlines()[0]


def test_standard_input_makes_the_run_named_stdin_with_the_same_weights(trained: Path) -> None:
    result = call("train", "-", *SMALL, input=TEXT)
    assert result.exit_code == 0
    assert first_line(result) == FIRST.replace("corpus", "stdin")
    assert model_of("checkpoints/stdin") == model_of("checkpoints/corpus")


def test_several_files_are_one_text_in_their_order_named_by_the_first(trained: Path) -> None:
    Path("b.txt").write_text(TEXT[:600])
    Path("a.txt").write_text(TEXT[600:])
    result = call("train", "b.txt", "a.txt", *SMALL)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[:2] == [
        "b.txt does not end with a newline; one was added before the next file",
        FIRST.replace("corpus", "b").replace("831", "832"),
    ]
    assert call("train", "corpus.txt", "b.txt", *SMALL, "--overwrite").exit_code == 0
    assert config("checkpoints/corpus")["corpus"] == ["corpus.txt", "b.txt"]


def test_a_directory_is_its_txt_files_sorted_and_names_the_run(trained: Path) -> None:
    Path("poems").mkdir()
    Path("poems/b.txt").write_text(TEXT[66:])
    Path("poems/a.txt").write_text(TEXT[:66])
    Path("poems/c.md").write_text("not read")
    result = call("train", "poems", *SMALL)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[:2] == [
        "reading 2 files of poems: a.txt, b.txt; skipped c.md "
        "(only *.txt files that are not hidden are read)",
        FIRST.replace("corpus", "poems"),
    ]
    assert model_of("checkpoints/poems") == model_of("checkpoints/corpus")


def test_a_gz_file_is_the_text_in_it_and_names_the_run_without_gz(trained: Path) -> None:
    Path("packed.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    result = call("train", "packed.txt.gz", *SMALL)
    assert result.exit_code == 0
    assert first_line(result) == FIRST.replace("corpus", "packed")
    assert model_of("checkpoints/packed") == model_of("checkpoints/corpus")


def test_bytes_are_256_symbols(here: Path) -> None:
    Path("corpus.txt").write_bytes(b"\xff\x00" * 200)
    result = call("train", "corpus.txt", *SMALL, "--unit", "byte")
    assert result.exit_code == 0
    assert first_line(result) == FIRST.replace("831", "360").replace("93 more", "40 more")
    assert charrnn.load("checkpoints/corpus").vocabulary.unit == "byte"


def test_a_short_corpus_shrinks_the_batch_and_says_so(here: Path) -> None:
    Path("short.txt").write_text(TEXT[:40])
    result = call("train", "short.txt", *SMALL)
    assert result.exit_code == 0
    assert first_line(result) == (
        "the training text of 36 characters is too short for batches of 4 x 20 characters; "
        "using `--batch-size 1` and `--sequence-length 20`"
    )
    assert (
        config("checkpoints/short")["batch_size"],
        config("checkpoints/short")["sequence_length"],
    ) == (1, 20)


def test_a_corpus_of_one_symbol_trains_and_writes_it(here: Path) -> None:
    Path("a.txt").write_text("a" * 200)
    result = call("train", "a.txt", *SMALL)
    assert result.exit_code == 0
    assert metrics("checkpoints/a")[-1] == {
        "step": 1,
        "final_val_loss": 0.0,
        "characters": 20,
        "final_train_loss": 0.0,
    }
    assert call("sample", "a", "-n", "5", "-s", "1").stdout == "aaaaa\n"


BAD = {
    "missing.txt": (None, "there is no file missing.txt (in {here}); check the name"),
    "empty.txt": (b"", "there is no text in empty.txt; give another file"),
    "tiny.txt": (b"ab\n", "the corpus must have at least 4 characters, got 3; give more text"),
    "latin.txt": (
        "Un\ncafé noir".encode("cp1252") + b"\n",
        "latin.txt is not valid utf-8: 0xe9 at byte 6 (line 2); "
        "try `--encoding cp1252` and check the text, or replace invalid bytes by U+FFFD with `--encoding-errors replace`",
    ),
    "broken.gz": (b"no gzip", "broken.gz is not a gzip file, or is damaged; copy it again, "
                              "or rename it without .gz if it is plain text"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_corpus_is_one_line_and_leaves_nothing(name: str, here: Path) -> None:
    data, error = BAD[name]
    if data is not None:
        Path(name).write_bytes(data)
    before = sorted(here.iterdir())
    result = call("train", name, *SMALL)
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        f"Error: {error.format(here=here)}\n",
    )
    assert sorted(here.iterdir()) == before


def test_no_corpus_at_all_is_one_line(here: Path) -> None:
    result = call("train")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == "Error: no corpus was given; give a text file, a directory of *.txt files, or - for standard input\n"
    )
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", ["train", "plan"])
@pytest.mark.parametrize(
    ("args", "exit_code", "error"),
    [
        (["no.txt"], 1, "there is no file no.txt (in {here}); check the name"),
        (["texts"], 1, "the directory texts contains no *.txt files; give the files themselves"),
        (["no.txt", "--steps", "0"], 2, "--steps must be a whole number from 1 to 1,000,000,000, or none; got 0"),
        ([], 1, "no corpus was given; give a text file, a directory of *.txt files, or - for standard input"),
    ],
    ids=["missing", "directory", "usage", "none"],
)  # fmt: skip
def test_a_corpus_is_looked_for_before_pytorch_is_imported(
    command: str, args: list[str], exit_code: int, error: str, here: Path
) -> None:
    Path("texts").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in sys.modules if name.startswith("charrnn.training")]:
            patch.delitem(sys.modules, name)
        patch.setitem(sys.modules, "torch", None)  # an import of it fails
        result = call(command, *args)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr == f"Error: {error.format(here=here)}\n"


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--encoding", "klingon"], "--encoding must be a text encoding, such as utf-8, cp1252, latin-1, cp1251, shift_jis or gb18030, "
                                    "got 'klingon'"),
        (["--unit", "byte", "--newlines", "lf"], "--newlines cannot be used with `--unit byte`, which reads raw bytes, got 'lf'; "
                                                 "leave one of them out"),
        (["--name", "a/b"], "--name must be a directory name of at most 200 characters, without slashes, "
                            "that does not begin with step- or a dot, got 'a/b'"),
        (["--name", ".."], "--name must be a directory name of at most 200 characters, without slashes, "
                           "that does not begin with step- or a dot, got '..'"),
        (["--name", "step-00000001"], "--name must be a directory name of at most 200 characters, without slashes, "
                                      "that does not begin with step- or a dot, got 'step-00000001'"),
        (["--resume", "--overwrite"], "--resume and --overwrite exclude each other; give one of them"),
    ],
)  # fmt: skip
def test_invalid_knobs_are_usage_errors_and_leave_nothing(
    flags: list[str], error: str, corpus: Path, here: Path
) -> None:
    result = call("train", "corpus.txt", *SMALL, *flags)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {error}\n")
    assert list(here.iterdir()) == [corpus]


def test_a_notice_on_the_text_comes_before_the_first_line(here: Path) -> None:
    Path("corpus.txt").write_bytes("\ufeff".encode() + TEXT.encode().replace(b"\n", b"\r\n", 2))
    result = call("train", "corpus.txt", *SMALL, "--newlines", "lf")
    assert result.stderr.splitlines()[:2] == [
        "corpus.txt begins with a byte order mark, which was left out",
        FIRST,
    ]
    result = call("train", "corpus.txt", *SMALL, "--overwrite")
    assert result.stderr.splitlines()[1] == (
        "corpus.txt mixes line endings (2 CRLF, 12 LF), which were kept; `--newlines lf` converts all to LF"
    )


# A run that is there


def test_an_existing_run_is_refused_and_not_touched(trained: Path) -> None:
    before = files(trained)
    result = call("train", "corpus.txt", *SMALL)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", EXISTS)
    assert files(trained) == before


def test_another_name_starts_another_run(trained: Path) -> None:
    before = files(trained)
    assert first_line(call("train", "corpus.txt", *SMALL, "--name", "my other")) == FIRST.replace(
        "corpus", "my other"
    )
    assert files(trained) == before
    assert model_of("checkpoints/my other") == model_of("checkpoints/corpus")


def test_overwrite_leaves_nothing_of_the_old_run(trained: Path) -> None:
    result = call("train", "corpus.txt", *SMALL, "--steps", "1", "--overwrite")
    assert result.exit_code == 0
    assert sorted(path.name for path in trained.iterdir()) == [
        "config.yaml",
        "metrics.jsonl",
        "step-00000001",
    ]


@pytest.mark.parametrize(
    "args",
    [
        ["missing.txt", "--name", "corpus"],
        ["corpus.txt", "--encoding", "klingon"],
        ["corpus.txt", "--steps", "0"],
    ],
)
def test_overwrite_does_not_delete_a_run_when_the_new_one_cannot_begin(
    args: list[str], trained: Path
) -> None:
    before = files(trained)
    assert call("train", *SMALL, *args, "--overwrite").exit_code in (1, 2)
    assert files(trained) == before


def test_overwrite_does_not_delete_what_no_run_wrote(trained: Path) -> None:
    (trained / "notes.md").write_text("mine")
    before = files(trained)
    result = call("train", "corpus.txt", *SMALL, "--overwrite")
    message = (
        "Error: checkpoints/corpus was not deleted: it contains files that charrnn did not write (notes.md); "
        "move them, or choose another --name\n"
    )
    assert (result.exit_code, result.stderr) == (1, message)
    assert files(trained) == before


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_runs_dir_is_where_the_run_goes(how: str, corpus: Path, here: Path) -> None:
    flags, env = (
        (["--runs-dir", "models/mine"], {})
        if how == "flag"
        else ([], {"CHARRNN_TRAIN_RUNS_DIR": "models/mine"})
    )
    result = call("train", "corpus.txt", *SMALL, *flags, env=env)
    assert first_line(result) == FIRST.replace("checkpoints", "models/mine")
    assert sorted(path.name for path in here.iterdir()) == ["corpus.txt", "models"]
    assert config("models/mine/corpus")["runs_dir"] == "models/mine"


@pytest.mark.parametrize("flags", [[], ["--runs-dir", "models"], ["--name", "my own"]])
def test_the_last_line_is_a_command_that_works(flags: list[str], corpus: Path) -> None:
    last = call("train", "corpus.txt", *SMALL, *flags).stderr.splitlines()[-1]
    assert last.startswith("generate text with: charrnn sample ")
    result = call(*shlex.split(last.removeprefix("generate text with: charrnn ")))
    assert (result.exit_code, len(result.stdout)) == (0, 501)


# Resume


def test_resume_continues_to_a_later_end(trained: Path) -> None:
    result = call("train", "--resume", "--steps", "6")
    assert (result.exit_code, result.stdout) == (0, "")
    lines = [
        line
        for line in result.stderr.splitlines()
        if not line.startswith(f"this machine has {available_threads()} cores, ")
    ]
    assert lines[:3] == [
        "the run will end at step 6 instead of 4; the learning rate is that of a run of 6 steps",
        "resuming checkpoints/corpus after step 4 of 6",
        FIRST,
    ]
    assert [line.partition(":")[0] for line in lines[3:-4]] == ["step 5 of 6", "step 6 of 6"]
    assert lines[-4] == "measuring the final validation loss on 93 characters"
    assert lines[-1] == "generate text with: charrnn sample corpus"
    assert [line["step"] for line in metrics(trained)[:-1]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "args", [[], ["corpus.txt"], ["--name", "corpus"], ["-c", "checkpoints/corpus/config.yaml"]]
)
def test_resuming_a_finished_run_is_refused_however_it_is_found(
    args: list[str], trained: Path
) -> None:
    before = files(trained)
    result = call("train", *args, "--resume")
    assert (result.exit_code, result.stdout, result.stderr) == (
        1, "", "Error: the run checkpoints/corpus has finished its 4 steps; to train longer, run "
        "`charrnn train --resume --name corpus --minutes 5 --patience none`\n",
    )  # fmt: skip
    assert files(trained) == before


REFUSED = {
    "--hidden-size=9": "--hidden-size cannot be changed to 9: the run checkpoints/corpus has 8; "
                       "leave it out to resume, or start another run with --name",
    "--steps=3": "--steps must be at least 4, where the run checkpoints/corpus already is, got 3",
    "--name=other": "nothing to resume: the run checkpoints/other does not exist (runs in checkpoints: corpus); "
                    "start it without --resume",
    "other.txt": "nothing to resume: the run checkpoints/other does not exist (runs in checkpoints: corpus); "
                 "start it without --resume",
    "--runs-dir=models": "nothing to resume: the run models does not exist (runs in models: none); start it without --resume",
}  # fmt: skip


@pytest.mark.parametrize("arg", REFUSED)
def test_resume_refuses_what_would_be_another_run_in_one_line(arg: str, trained: Path) -> None:
    before = files(trained)
    result = call("train", "--resume", arg)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"Error: {REFUSED[arg]}\n")
    assert files(trained) == before


def test_resume_without_any_run_is_one_line_and_leaves_nothing(corpus: Path, here: Path) -> None:
    result = call("train", "corpus.txt", "--resume")
    assert (result.exit_code, result.stdout, result.stderr) == (
        1, "", "Error: nothing to resume: the run checkpoints/corpus does not exist (runs in checkpoints: none); "
               "start it without --resume\n",
    )  # fmt: skip
    assert list(here.iterdir()) == [corpus]


def test_resume_refuses_a_changed_corpus_and_names_the_difference(trained: Path) -> None:
    Path("corpus.txt").write_text(TEXT + "!")
    result = call("train", "--resume", "--steps", "6")
    assert (result.exit_code, result.stderr) == (
        1, "Error: the text has changed since the run checkpoints/corpus started: "
           "924 characters and 21 symbols then, 925 and 22 now (only in one of them: '!'); "
           "restore the old text, or start another run with --name\n",
    )  # fmt: skip


def test_a_run_on_standard_input_is_resumed_only_with_its_text(here: Path) -> None:
    assert call("train", "-", *SMALL, input=TEXT).exit_code == 0
    result = call("train", "--resume", "--steps", "6")
    assert (result.exit_code, result.stderr) == (
        1, "Error: the run checkpoints/stdin read its text from standard input; pipe the same text in again, with - as the path\n",
    )  # fmt: skip
    assert call("train", "-", "--resume", "--steps", "6", input=TEXT).exit_code == 0
