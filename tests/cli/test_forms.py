"""charrnn sample with a form and a guard: what is on stdout has the one and keeps to the other, and
all else is an error first."""

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


def test_each_option_is_kept_and_all_together(home: Path) -> None:
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


def test_where_nobody_says_how_long_there_is_room_for_all_lines(home: Path) -> None:
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


def test_no_more_is_copied_than_may_be(home: Path) -> None:
    text = written("corpus", "--max-copy", "6", "-n", "300", "--temperature", "0.3")
    assert len(text) == 300
    assert not [text[at : at + 7] for at in range(294) if text[at : at + 7] in TEXT]
    assert (home / "checkpoints/corpus/originality/about.json").exists()


def test_the_index_is_told_once_and_opened_after_that(home: Path) -> None:
    first, second = (
        call("sample", "corpus", "--max-copy", "9", "-n", "20", "--seed", "1") for _ in range(2)
    )
    assert first.stderr.startswith("indexed the corpus: 924 characters, ")
    assert second.stderr == "checkpoints/corpus/step-00000004, seed 1\n"
    assert first.stdout == second.stdout


def test_what_was_taken_back_is_told(home: Path) -> None:
    told = list[str]()
    # "Now is " is seven characters of the corpus, and only "t" goes on from it
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
        ]
        result = call("sample", "corpus", *args)
        assert result.stdout == "Now ib hee\n"
        told += [line for line in result.stderr.splitlines() if line.startswith("took back ")]
    assert 0 < len(told) < 12
    assert all(
        re.fullmatch(r"took back \d+ characters behind which all would have been copied", line)
        for line in told
    )


def test_what_two_records_copy_together_is_no_copy(home: Path) -> None:
    result = call(
        "sample", "names", "--num-samples", "40", "--max-copy", "2", "--originality", "--seed", "1"
    )
    assert re.search(r"^longest: [012] characters", result.stderr, re.MULTILINE)


def test_originality_is_told_of_what_was_written(home: Path) -> None:
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
    assert lines[2] == "longest: 31 characters at position 1, from corpus.txt, line 1"
    shares = "100.0 % in passages of 20 or more, 0.0 % in passages of 40 or more, 0.0 % in passages of 80 or more"
    assert lines[3] == f"copied: of 31 characters, {shares}"
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


def test_records_have_their_form_and_copy_no_more_than_they_may(home: Path) -> None:
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
    assert "drew " in result.stderr
    result = call(
        "sample", "names", "--num-samples", "5", "--max-copy", "3", "--originality", "--seed", "2"
    )
    for record in result.stdout.splitlines():
        assert not [
            record[at : at + 4] for at in range(len(record) - 3) if record[at : at + 4] in NAMES
        ]
    assert "longest: " in result.stderr


def test_a_prompt_is_a_part_of_a_record_and_none_of_a_running_text(home: Path) -> None:
    result = call("sample", "names", "--prompt", "co", "--match", "c.{4,6}", "--seed", "1")
    assert re.fullmatch("co.{3,5}\n", result.stdout)
    assert re.fullmatch(
        "the [a-z]{3}\n",
        call("sample", "corpus", "--prompt", "the ", "--match", "[a-z]{3}", "--seed", "1").stdout,
    )


NONE = "no text of the characters that may be written does that; leave one out, or change it"
GOES_ON = "a story that goes on is one, and ends at its --length; leave one of them out"
LACKS = "it names 'ß' (U+00DF, LATIN SMALL LETTER SHARP S), which the model has not seen; leave that out"
LEAVE = "give one, or leave them out"
ONE = "leave one of them out"
BOTH = f"no text can have both lengths; {ONE}"
WRONG: list[tuple[str, int, str]] = [
    ("--contains ß", 1, f"contains 'ß': {LACKS}"),
    ("--contains bell --without el", 2, f"contains 'bell' and without 'el': {NONE}"),
    (
        "--contains bell -n 3",
        2,
        "contains 'bell': no text of 3 characters does that; give another length",
    ),
    (
        "--contains bell --exact-length 9 -n 9",
        2,
        "length and exact_length: both are given, and both say how long the text is; leave one of them out",
    ),
    (
        "--match (a",
        2,
        "match: '(a' lacks a ) (character 2); docs/constraints.md lists what there is",
    ),
    ("--exact-length 5 --length-between 6 9", 2, f"exact_length 5 and length_between 6 9: {BOTH}"),
    (
        "--length-between 9 6",
        2,
        "length: from 9 to 6 is not possible; give the smaller number first",
    ),
    (
        "--particles 4",
        2,
        f"particles: they do nothing without --max-copy or a constraint, such as --contains; {LEAVE}",
    ),
    (
        "--corpus x",
        2,
        "corpus: it does nothing without --max-copy or --originality; give one of them, or leave it out",
    ),
    (
        "--contains a --until line",
        2,
        "until and constraint: a text with a form ends where that says; leave one of them out",
    ),
    ("--contains a --save-state s", 2, f"save_state and contains: {GOES_ON}"),
    ("--max-copy 5 --load-state s", 2, f"load_state and max_copy: {GOES_ON}"),
    (
        "--max-copy 3 --contains clock",
        2,
        "max_copy and contains 'clock': it holds more than 3 characters of the corpus; give a larger --max-copy",
    ),
]


@pytest.mark.parametrize(("words", "code", "message"), WRONG)
def test_what_cannot_be_is_an_error_before_the_first_character(
    home: Path, words: str, code: int, message: str
) -> None:
    result = call("sample", "corpus", *words.split())
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1] == f"Error: {message}"
