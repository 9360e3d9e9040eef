"""charrnn evaluate: the static loss of a file, as text and as JSON, and what it refuses."""

import json
import math
import shutil
from pathlib import Path

import pytest

import charrnn
from tests.command import SMALL, TEXT, Trained, call

STEP = "checkpoints/corpus/step-00000004"


@pytest.fixture(autouse=True)
def home(two_steps: Path, byte_run: Trained, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a run on characters whose best checkpoint, step 4, is not its last,
    step 5; and one on bytes."""
    shutil.copytree(byte_run.where / "checkpoints", two_steps / "checkpoints", dirs_exist_ok=True)
    monkeypatch.chdir(two_steps)
    return two_steps


@pytest.fixture
def text(tmp_path: Path) -> tuple[Path, str]:
    """Another text of known characters, longer than what is read at once."""
    words = ("the bell said to the clock, it is time;\n" * 60)[7:]
    path = tmp_path / "other.txt"
    path.write_text(words)
    return path, words


def test_the_loss_is_that_of_scoring_every_character_with_carried_state(
    text: tuple[Path, str],
) -> None:
    path, words = text
    result = call("evaluate", "corpus", str(path), "--json")
    nats = -charrnn.load(STEP).score(words).mean()
    assert (result.exit_code, result.stderr) == (0, f"{STEP}\n")
    assert result.stdout.count("\n") == 1
    assert list(json.loads(result.stdout)) == [
        "characters",
        "nats_per_character",
        "bits_per_character",
        "mode",
        "skipped",
    ]
    assert json.loads(result.stdout) == {
        "characters": len(words),
        "nats_per_character": pytest.approx(nats, rel=1e-5),
        "bits_per_character": pytest.approx(nats / math.log(2), rel=1e-5),
        "mode": "static",
        "skipped": {"characters": 0, "most_frequent": []},
    }


def test_the_text_form_is_one_line(text: tuple[Path, str]) -> None:
    path, words = text
    nats = -charrnn.load(STEP).score(words).mean()
    result = call("evaluate", "corpus", str(path))
    assert (result.exit_code, result.stderr) == (0, f"{STEP}\n")
    assert (
        result.stdout
        == f"loss {nats:.4f} ({nats / math.log(2):.3f} bits per character) on 2,393 characters\n"
    )


@pytest.mark.parametrize("run", ["corpus", "checkpoints/corpus", STEP])
def test_run_is_a_name_a_runs_directory_or_a_checkpoints(run: str) -> None:
    assert call("evaluate", run, "corpus.txt").stderr == f"{STEP}\n"


def test_a_later_worse_checkpoint_is_evaluated_where_it_is_named() -> None:
    later = "checkpoints/corpus/step-00000005"
    best, worse = call("evaluate", "corpus", "corpus.txt"), call("evaluate", later, "corpus.txt")
    assert worse.stderr == f"{later}\n"
    assert float(worse.stdout.split()[1]) == pytest.approx(
        -charrnn.load(later).score(TEXT).mean(), abs=1e-4
    )
    assert worse.stdout != best.stdout


def test_runs_dir_is_where_a_name_is_looked_for(
    home: Path, here: Path, text: tuple[Path, str]
) -> None:
    result = call("evaluate", "corpus", str(text[0]), "--runs-dir", str(home / "checkpoints"))
    assert (result.exit_code, result.stderr) == (0, f"{home / STEP}\n")


def test_a_model_of_bytes_evaluates_any_bytes(home: Path, tmp_path: Path) -> None:
    (tmp_path / "any").write_bytes(bytes(range(256)) * 5)
    found = json.loads(call("evaluate", "bytes", str(tmp_path / "any"), "--json").stdout)
    assert found["characters"] == 1280
    assert math.isfinite(found["nats_per_character"])


def test_standard_input_is_a_file_too() -> None:
    assert (
        call("evaluate", "corpus", "-", input=TEXT).stdout
        == call("evaluate", "corpus", "corpus.txt").stdout
    )


def test_the_file_is_read_as_the_flags_say(tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_bytes(TEXT.replace("\n", "\r\n").encode("utf-16"))
    result = call(
        "evaluate", "corpus", str(tmp_path / "odd.txt"), "--encoding", "utf-16", "--newlines", "lf"
    )
    assert (result.exit_code, result.stdout) == (0, call("evaluate", "corpus", "corpus.txt").stdout)


def test_the_file_is_read_as_the_corpus_was_where_no_flag_says_otherwise(here: Path) -> None:
    Path("wide.txt").write_bytes(TEXT.encode("utf-16"))
    assert call("train", "wide.txt", *SMALL, "--encoding", "utf-16").exit_code == 0
    assert call("evaluate", "wide", "wide.txt").exit_code == 0


E_ACUTE = "'é' (U+00E9, LATIN SMALL LETTER E WITH ACUTE)"


def test_an_unknown_character_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_text("the café\n", encoding="utf-8")
    result = call("evaluate", "corpus", str(tmp_path / "odd.txt"), "--unknown", "error")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: the model has not seen the character 'f' (U+0066, LATIN SMALL LETTER F), at position 7 of the text; "
        "leave it out with `--unknown skip`\n"
    )


def evaluated(tmp_path: Path, text: str, *flags: str) -> tuple[str, str]:
    """What ``evaluate corpus`` prints of a text, on stdout and stderr."""
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    result = call("evaluate", "corpus", str(tmp_path / "text.txt"), *flags)
    assert result.exit_code == 0
    return result.stdout, result.stderr


def test_unknown_characters_are_skipped_and_reported(tmp_path: Path) -> None:
    out, plain = evaluated(tmp_path, "the éclé\n" * 3), evaluated(tmp_path, "the cl\n" * 3)
    notice = (
        f"skipped 6 characters (22.2% of the text) that the model has not seen: {E_ACUTE} 6 times"
    )
    assert out == (f"{plain[0][:-1]} (6 characters skipped)\n", f"{notice}\n{STEP}\n")


def test_of_many_unknown_characters_the_most_frequent_are_named(tmp_path: Path) -> None:
    out, err = evaluated(tmp_path, "the 11112223345\n")
    plain = evaluated(tmp_path, "the \n")[0]
    assert out == f"{plain[:-1]} (11 characters skipped)\n"
    assert err == (
        "skipped 11 characters (68.8% of the text) that the model has not seen: most often "
        "'1' (U+0031, DIGIT ONE) 4 times, '2' (U+0032, DIGIT TWO) 3 times, "
        "'3' (U+0033, DIGIT THREE) 2 times, '4' (U+0034, DIGIT FOUR) once; "
        f"the loss describes only the rest of the text\n{STEP}\n"
    )
    assert json.loads(evaluated(tmp_path, "the 11112\n", "--json")[0])["skipped"] == {
        "characters": 5,
        "most_frequent": [{"character": "1", "count": 4}, {"character": "2", "count": 1}],
    }


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("ann\n1\n", "1 record had only such characters and was left out"),
        ("ann\n1\n1\n", "2 records had only such characters and were left out"),
    ],
)
def test_records_that_are_left_out_are_reported(
    text: str, end: str, record_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(record_runs)
    (tmp_path / "text.txt").write_text(text)
    result = call("evaluate", "names", str(tmp_path / "text.txt"))
    assert result.stderr.splitlines()[0].endswith(f"; {end}")


def test_skipped_records_are_counted(
    record_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(record_runs)
    (tmp_path / "text.txt").write_text("ann\n123\nb1ob\n")
    result = call("evaluate", "names", str(tmp_path / "text.txt"), "--json")
    found = json.loads(result.stdout)
    assert (found["records"], found["characters"]) == (2, 8)
    assert found["skipped"] == {
        "characters": 4,
        "records": 1,
        "most_frequent": [
            {"character": "1", "count": 2},
            {"character": "2", "count": 1},
            {"character": "3", "count": 1},
        ],
    }


def test_an_unknown_character_may_be_replaced_and_is_said(tmp_path: Path) -> None:
    out = evaluated(tmp_path, "the éclé\n" * 3, "--unknown", "replace")
    said = f"wrote 'e' instead of 'é': the model does not know {E_ACUTE}"
    assert out == (evaluated(tmp_path, "the ecle\n" * 3)[0], f"{said}\n{STEP}\n")


BAD = {
    "missing.txt": (None, "there is no file {path} (in {here}); check the name"),
    "empty.txt": (b"", "there is no text in {path}; give another file"),
    "latin.txt": (
        "the\ncafé noir".encode("cp1252"),
        "{path} is not valid utf-8: 0xe9 at byte 7 (line 2); "
        "try `--encoding cp1252` and check the text, or replace invalid bytes by U+FFFD with `--encoding-errors replace`",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line(name: str, home: Path, tmp_path: Path) -> None:
    data, error = BAD[name]
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    result = call("evaluate", "corpus", str(path))
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        f"Error: {error.format(path=path, here=home)}\n",
    )


def test_a_file_of_which_nothing_is_known_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "odd.txt"
    path.write_text("€€€")
    result = call("evaluate", "corpus", str(path), "--unknown", "skip")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == f"Error: nothing is left of {path}: it is empty, or the model knows none of its characters; give another text\n"
    )


@pytest.mark.parametrize("args", [[], ["corpus"]])
def test_run_and_file_must_both_be_given(args: list[str]) -> None:
    result = call("evaluate", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    missing = "FILE" if args else "RUN"
    assert result.stderr == (
        f"Error: {missing} is missing; the command is `charrnn evaluate [OPTIONS] RUN FILE`\n"
    )


def test_a_run_that_is_not_there_is_one_line() -> None:
    result = call("evaluate", "nothing", "corpus.txt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == "Error: there is no run or checkpoint 'nothing'; runs in checkpoints: corpus, bytes\n"
    )


def test_a_bad_value_is_a_usage_error_that_says_where_it_comes_from() -> None:
    expected = "Error: --newlines must be one of keep, lf, got 'crlf'"
    flag = call("evaluate", "corpus", "corpus.txt", "--newlines", "crlf")
    variable = call("evaluate", "corpus", "corpus.txt", env={"CHARRNN_EVALUATE_NEWLINES": "crlf"})
    assert (flag.exit_code, flag.stderr) == (2, f"{expected}\n")
    assert (variable.exit_code, variable.stderr) == (
        2,
        f"{expected} in CHARRNN_EVALUATE_NEWLINES\n",
    )
