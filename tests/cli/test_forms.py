"""charrnn sample with constraints and --max-copy: the output satisfies them, or an error comes
first."""

import json
import re
import shutil
from pathlib import Path

import pytest

from charrnn.generation.constraints.forms import Acrostic, Lines
from charrnn.text_model import load
from tests.command import NAMES, TEXT, Trained, call


@pytest.fixture
def home(
    text_run: Trained, record_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The working directory: a run on a text and one on records."""
    shutil.copytree(text_run.where, tmp_path / "home")
    shutil.copytree(record_runs, tmp_path / "home", dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def written(*args: str) -> str:
    result = call("sample", *args, "--seed=3")
    assert result.exit_code == 0, result.stderr
    assert result.stdout[-1] == "\n"
    return result.stdout[:-1]


def test_each_constraint_holds_alone_and_with_the_others(home: Path) -> None:
    assert re.fullmatch(r"[a-z ]{5,20}\.", written("corpus", "--match", r"[a-z ]{5,20}\."))
    assert "bell" in written("corpus", "--contains", "bell", "-n", "40", "--stop", "ß")
    assert not set("th") & set(written("corpus", "--without", "t", "--without", "h", "-n", "40"))
    assert len(written("corpus", "--exact-length", "37")) == 37
    assert 20 <= len(written("corpus", "--length-between", "20", "30")) <= 30
    lines = written("corpus", "--acrostic", "Nib", "--line-length", "3", "12").split("\n")
    assert "".join(line[0] for line in lines) == "Nib"
    assert all(3 <= len(line) <= 12 for line in lines)
    assert len(written("corpus", "--lines", "4", "-n", "200").split("\n")) == 4
    text = written(
        "corpus",
        "--lines",
        "2",
        "--acrostic",
        "N",
        "--contains",
        "bell",
        "--contains",
        "time",
        "--without",
        ",",
        "--exact-length",
        "60",
    )
    assert text[0] == "N"
    assert (len(text), text.count("\n"), text.count(",")) == (60, 1, 0)
    assert "bell" in text
    assert "time" in text


def test_an_acrostic_has_as_many_lines_as_letters_unless_more_are_asked_for(home: Path) -> None:
    assert written("corpus", "--acrostic", "is", "--line-length", "2", "9").count("\n") == 1
    assert (
        written("corpus", "--acrostic", "is", "--lines", "4", "--line-length", "2", "9").count("\n")
        == 3
    )


def test_the_command_writes_what_python_writes(home: Path) -> None:
    form = Acrostic("bit") & Lines(3, 2, 9)
    assert written("corpus", "--acrostic", "bit", "--line-length", "2", "9") == load(
        "corpus"
    ).generate(constraint=form, seed=3)
    one = load("corpus").generate(constraint=form, seed=3, particles=1)
    assert (
        written("corpus", "--acrostic", "bit", "--line-length", "2", "9", "--particles", "1") == one
    )


def test_the_default_length_has_room_for_all_lines(home: Path) -> None:
    lines = written("corpus", "--lines", "3", "--line-length", "200", "220").split("\n")
    assert [200 <= len(line) <= 220 for line in lines] == [True] * 3
    found = json.loads(
        call("sample", "corpus", "--lines", "3", "--line-length", "200", "220", "--json").stdout
    )
    assert found["settings"]["length"] == 663
    assert (
        call(
            "sample", "corpus", "--lines", "3", "--line-length", "200", "220", "-n", "500"
        ).exit_code
        == 2
    )
    assert len(load("corpus").generate(constraint=Lines(3, 200, 220), seed=1)) >= 602


def test_escapes_and_the_environment_reach_a_form(home: Path) -> None:
    assert "l.\nN" in written("corpus", "--contains", r"l.\nN", "-n", "60")
    result = call(
        "sample",
        "corpus",
        "-n",
        "60",
        env={"CHARRNN_SAMPLE_CONTAINS": "said the clock", "CHARRNN_SAMPLE_WITHOUT": ","},
    )
    assert "said the clock" in result.stdout
    assert "," not in result.stdout


def test_several_texts_and_json_say_what_was_asked_for(home: Path) -> None:
    result = call(
        "sample",
        "corpus",
        "--contains",
        "bell",
        "-n",
        "30",
        "--num-samples",
        "3",
        "--json",
        "--seed",
        "5",
        "--max-copy",
        "9",
    )
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["seed"] for each in found] == [5, 6, 7]
    assert all("bell" in each["text"] and len(each["text"]) == 30 for each in found)
    assert {name: found[0]["settings"][name] for name in ("contains", "particles", "max_copy")} == {
        "contains": ["bell"], "particles": 8, "max_copy": 9,
    }  # fmt: skip
    plain = json.loads(call("sample", "corpus", "-n", "5", "--json").stdout)
    assert not {"contains", "particles", "max_copy"} & set(plain["settings"])


def test_no_more_than_max_copy_is_copied(home: Path) -> None:
    text = written("corpus", "--max-copy", "6", "-n", "300", "--temperature", "0.3")
    assert len(text) == 300
    assert not [text[at : at + 7] for at in range(294) if text[at : at + 7] in TEXT]
    assert (home / "checkpoints/corpus/originality/about.json").exists()


def test_the_index_is_reported_once_and_reused(home: Path) -> None:
    first, second = (
        call("sample", "corpus", "--max-copy", "9", "-n", "20", "--seed", "1") for _ in range(2)
    )
    assert first.stderr.startswith("indexed the corpus: 924 characters, ")
    assert second.stderr == "checkpoints/corpus/step-00000004, seed 1\n"
    assert first.stdout == second.stdout


def test_characters_taken_back_are_reported(home: Path) -> None:
    told = list[str]()
    # "Now is " is seven characters of the corpus, and only "t" may follow it
    for seed in range(12):
        args = [
            "--match",
            "Now (is the|ib hee)",
            "--max-copy",
            "7",
            "--particles",
            "1",
            "--seed",
            str(seed),
            "--temperature",
            "30",
        ]
        result = call("sample", "corpus", *args)
        assert result.stdout == "Now ib hee\n"
        told += [line for line in result.stderr.splitlines() if line.startswith("rewrote ")]
    assert 0 < len(told) < 12
    assert all(
        re.fullmatch(r"rewrote \d+ characters that would have copied the corpus", line)
        for line in told
    )


def test_what_two_records_copy_together_is_no_copy(home: Path) -> None:
    result = call(
        "sample", "names", "--num-samples", "40", "--max-copy", "2", "--originality", "--seed", "1"
    )
    assert re.search(r"the longest match is [12] characters? at", result.stderr)


def test_originality_reports_on_the_new_text(home: Path) -> None:
    (home / "copy.txt").write_text("Now is the time, said the clock")
    result = call(
        "sample",
        "corpus",
        "--match",
        "Now is the time, said the clock",
        "--originality",
        "--seed",
        "1",
        "--hide-prompt",
    )
    assert result.stdout == "Now is the time, said the clock\n"
    lines = result.stderr.splitlines()
    assert lines[2] == "copied: 100.0% of 31 characters, in 1 passage of 20 or more"
    assert lines[3].startswith("  31 characters at position 1, from corpus.txt, line 1: ")
    told = call("originality", "corpus", "copy.txt").stdout.splitlines()
    assert told == lines[2:]


def test_a_corpus_that_has_moved_is_named(home: Path) -> None:
    (home / "corpus.txt").rename(home / "moved.txt")
    result = call("sample", "corpus", "--max-copy", "9", "-n", "20")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no file corpus.txt" in result.stderr
    assert "--corpus" in result.stderr
    assert (
        call("sample", "corpus", "--max-copy", "9", "-n", "20", "--corpus", "moved.txt").exit_code
        == 0
    )


def test_records_satisfy_constraints_and_max_copy(home: Path) -> None:
    result = call(
        "sample",
        "names",
        "--num-samples",
        "6",
        "--match",
        "[a-e].*n.*",
        "--unique",
        "--report",
        "--seed",
        "2",
    )
    records = result.stdout.splitlines()
    assert len(set(records)) == 6
    assert all(re.fullmatch("[a-e].*n.*", record) for record in records)
    assert "\nunique: 6 of 6\n" in result.stderr
    result = call(
        "sample", "names", "--num-samples", "5", "--max-copy", "3", "--originality", "--seed", "2"
    )
    for record in result.stdout.splitlines():
        assert not [
            record[at : at + 4] for at in range(len(record) - 3) if record[at : at + 4] in NAMES
        ]
    assert "the longest match is 3 characters" in result.stderr


def test_a_constraint_includes_the_prompt_of_a_record_only(home: Path) -> None:
    result = call("sample", "names", "--prompt", "co", "--match", "c.{4,6}", "--seed", "1")
    assert re.fullmatch("co.{3,5}\n", result.stdout)
    assert re.fullmatch(
        "the [a-z]{3}\n",
        call("sample", "corpus", "--prompt", "the ", "--match", "[a-z]{3}", "--seed", "1").stdout,
    )


COMBINED = "cannot be combined; leave one of them out"
WRONG: list[tuple[str, int, str]] = [
    (
        "--contains ß",
        1,
        "--contains 'ß' needs 'ß' (U+00DF, LATIN SMALL LETTER SHARP S), which the model has not seen; remove it",
    ),
    (
        "--contains bell --without el",
        2,
        "no text that the model can write satisfies --contains 'bell' and --without 'el'; change one of them, or leave it out",
    ),
    (
        "--contains bell -n 3",
        2,
        "no text of 3 characters satisfies --contains 'bell'; give a larger --length",
    ),
    (
        "--contains bell --exact-length 9 -n 9",
        2,
        "--length and --exact-length both set the length of the text; leave one of them out",
    ),
    (
        "--match (a",
        2,
        "--match '(a' is missing a ) (at character 2); see docs/constraints.md for the supported syntax",
    ),
    (
        "--exact-length 5 --length-between 6 9",
        2,
        "no length satisfies --exact-length 5 and --length-between 6 9; leave one of them out",
    ),
    (
        "--length-between 9 6",
        2,
        "--length-between must give the smaller number first, got 9 and 6",
    ),
    (
        "--particles 4",
        2,
        "--particles has no effect without --max-copy or a constraint, such as --contains; give one of them, or leave it out",
    ),
    (
        "--corpus x",
        2,
        "--corpus has no effect without --max-copy or --originality; give one of them, or leave it out",
    ),
    (
        "--contains a --until line",
        2,
        "--until cannot be combined with a constraint, which decides where the text ends; leave one of them out",
    ),
    ("--contains a --save-state s", 2, f"--save-state and --contains {COMBINED}"),
    ("--max-copy 5 --load-state s", 2, f"--load-state and --max-copy {COMBINED}"),
    (
        "--max-copy 3 --contains clock",
        2,
        "--contains 'clock' copies more than 3 consecutive characters of the corpus; give a larger --max-copy",
    ),
]


@pytest.mark.parametrize(("words", "code", "message"), WRONG)
def test_an_impossible_request_is_an_error_before_the_first_character(
    home: Path, words: str, code: int, message: str
) -> None:
    result = call("sample", "corpus", *words.split())
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1] == f"Error: {message}"
