"""charrnn sample with a model of records: the requested number of whole ones, one a line, that
pass; and the report on them."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import Result

import charrnn
from charrnn.cli.console import format_loss
from charrnn.corpus.corpus import Corpus
from charrnn.storage.seen_records import read_seen_records
from tests.command import BY_HEART, NAMES, call

ACCEPT_N = "grep -q n"


WIDE = ["\u6771\u4eac", "\u5927\u962a", "\u5948\u826f\u5e02", "ana", "\u6771\u5927", "\u962a"]


@pytest.fixture(autouse=True)
def home(record_runs: Path, here: Path) -> Path:
    """The working directory: a run on names, one a line, and one on the same between semicolons."""
    shutil.copytree(record_runs, here, dirs_exist_ok=True)
    return here


def lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    assert result.stdout.endswith("\n")
    return result.stdout[:-1].split("\n")


def test_so_many_whole_records_are_written_one_a_line_and_said(home: Path) -> None:
    for number in (1, 2, 50):
        result = call("sample", "names", "--num-samples", str(number), "-s", "4")
        assert len(lines(result)) == number
        assert result.stderr == "checkpoints/names/step-00000150, seed 4\n"


def test_a_record_is_the_same_however_many_are_asked_for_and_what_python_draws() -> None:
    many = lines(call("sample", "names", "--num-samples", "80", "-s", "4"))
    assert lines(call("sample", "names", "--num-samples", "3", "-s", "4")) == many[:3]
    assert [record.text for record in charrnn.load("names").records(80, seed=4)] == many
    assert lines(call("sample", "names", "--num-samples", "80", "-s", "5")) != many


def test_each_record_is_followed_by_the_separator_of_the_corpus() -> None:
    result = call("sample", "list", "--num-samples", "5", "-s", "1")
    assert result.stdout == "".join(
        f"{record.text};\n" for record in charrnn.load("list").records(5, seed=1)
    )


def test_unique_records_are_distinct_and_new_ones_are_not_in_the_corpus() -> None:
    plain = lines(call("sample", "names", "--num-samples", "60", "-s", "1"))
    assert len(set(plain)) < 60
    assert set(plain) & set(NAMES)
    result = call("sample", "names", "--num-samples", "60", "-s", "1", "--unique", "--new")
    found = lines(result)
    assert len(set(found)) == 60
    assert not set(found) & set(NAMES)
    said = re.fullmatch(
        r".*\nkept 60 of (\d+) records; dropped (\d+) repeated, (\d+) in the corpus\n",
        result.stderr,
    )
    assert said
    drawn, repeated, known = map(int, said.groups())
    assert drawn == 60 + repeated + known
    everything = [record.text for record in charrnn.load("names").records(drawn, seed=1)]
    assert known == sum(text in NAMES for text in everything) or repeated > 0
    assert found == list(dict.fromkeys(text for text in everything if text not in NAMES))


def test_the_set_that_is_kept_is_that_of_both_parts(home: Path) -> None:
    assert read_seen_records(home / "checkpoints/names/records.jsonl.gz") == frozenset(NAMES)


def test_accept_keeps_those_on_which_a_command_exits_with_0() -> None:
    result = call("sample", "names", "--num-samples", "10", "-s", "1", "--accept", ACCEPT_N)
    assert all("n" in line for line in lines(result))
    assert re.search(r"\nkept 10 of \d+ records; dropped \d+ not accepted\n$", result.stderr)


def test_accept_is_given_the_record_and_a_newline_and_its_output_goes_nowhere(home: Path) -> None:
    result = call(
        "sample",
        "names",
        "--num-samples",
        "3",
        "-s",
        "1",
        "--accept",
        "tee -a seen.txt; echo noise",
    )
    assert (home / "seen.txt").read_text() == result.stdout


def test_a_command_that_cannot_be_run_is_one_line() -> None:
    result = call(
        "sample", "names", "--num-samples", "3", "--accept", "no-such-command-anywhere 2>/dev/null"
    )
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1] == (
        "Error: --accept: the shell cannot run 'no-such-command-anywhere 2>/dev/null' (exit code 127); check its name and its permissions"
    )


def test_too_few_records_are_shown_and_an_error(tmp_path: Path) -> None:
    flags = ["--num-samples", "5000", "-s", "1", "--unique", "--max-tries", "100"]
    result = call("sample", "names", *flags)
    kept = result.stdout.splitlines()
    assert result.exit_code == 1
    assert 0 < len(kept) == len(set(kept)) < 100
    assert result.stderr.splitlines()[-1] == (
        f"Error: found only {len(kept)} of 5,000 records in 100 tries (dropped {100 - len(kept)} repeated); "
        "give a larger --max-tries, or a higher --temperature"
    )
    into_file = call("sample", "names", *flags, "-o", str(tmp_path / "out.txt"))
    assert (into_file.exit_code, into_file.stdout) == (1, "")
    assert (tmp_path / "out.txt").read_text() == result.stdout


def test_a_prompt_begins_each_record_and_can_be_hidden() -> None:
    flags = ["--num-samples", "20", "-s", "1", "-p", "an"]
    found = lines(call("sample", "names", *flags))
    assert all(line.startswith("an") for line in found)
    assert lines(call("sample", "names", *flags, "--hide-prompt")) == [line[2:] for line in found]


def test_the_length_of_bytes_is_in_characters(home: Path) -> None:
    (home / "wide.txt").write_text("\n".join(WIDE * 8) + "\n", encoding="utf-8")
    assert call("train", "wide.txt", "--records", "--unit", "byte", *BY_HEART).exit_code == 0
    model = charrnn.load("wide")
    assert model.about["records"]["lengths"] == [1, 2, 2, 3, 3]
    result = call("sample", "wide", "--num-samples", "40", "-s", "1", "--report", "--length", "3")
    assert max(map(len, lines(result))) == 3
    assert (
        "record lengths in the corpus: shortest 1, lower quartile 2, median 2, upper quartile 3, longest 3"
        in result.stderr
    )
    assert max(len(record.text.encode()) for record in model.records(40, seed=1, length=3)) == 9
    assert {
        len(record.text) for record in model.records(20, seed=1, length=1, max_tries=10_000)
    } == {1}


def test_a_prompt_longer_than_the_length_is_refused() -> None:
    result = call("sample", "names", "--prompt", "anna", "--length", "3")
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr
        == "Error: --prompt has 4 characters, but a record may have at most 3; give a larger --length\n"
    )
    assert lines(call("sample", "names", "--prompt", "anna", "--length", "4", "-s", "1")) == [
        "anna"
    ]


def test_a_record_that_does_not_end_within_the_length_is_dropped_and_counted() -> None:
    result = call("sample", "names", "--num-samples", "40", "-s", "1", "--length", "3")
    assert max(map(len, lines(result))) == 3
    assert re.search(r"\nkept 40 of \d+ records; dropped \d+ too long\n$", result.stderr)


def test_json_says_which_record_it_is() -> None:
    model = charrnn.load("names")
    found = [
        json.loads(line)
        for line in lines(
            call(
                "sample", "names", "--num-samples", "5", "-s", "1", "--json", "--new", "--ban", "o"
            )
        )
    ]
    drawn = list(model.records(5, seed=1, new=True, ban="o"))
    assert [(each["text"], each["number"], each["log_probability"]) for each in found] == [
        record[:3] for record in drawn
    ]
    assert found[0]["settings"]["ban"] == "o"
    assert {(each["seed"], each["model"], each["prompt"]) for each in found} == {
        (1, model.sha256, "")
    }


def test_the_report_says_what_can_be_counted() -> None:
    result = call("sample", "names", "--num-samples", "60", "-s", "1", "--report")
    found = lines(result)
    distinct = set(found)
    lengths = sorted(map(len, found))
    said = result.stderr.splitlines()[1:]
    assert said[0] == f"unique: {len(distinct)} of 60"
    new = len(distinct - set(NAMES))
    known = len(distinct) - new
    assert known > 1
    assert said[1] == f"new: {new} of {len(distinct)}; {known} are in the corpus"
    assert said[2].startswith(f"record lengths: shortest {lengths[0]}, ")
    assert said[2].endswith(f", longest {lengths[-1]}")
    assert (
        said[3]
        == "record lengths in the corpus: shortest 2, lower quartile 3, median 3, upper quartile 4, longest 4"
    )


def test_a_set_that_is_gone_or_damaged_is_one_line(home: Path) -> None:
    known = home / "checkpoints/list/records.jsonl.gz"
    data = known.read_bytes()
    for broken, why in ((None, "is missing"), (data[:-9], "is damaged"), (b"text", "is damaged")):
        known.unlink(missing_ok=True)
        if broken is not None:
            known.write_bytes(broken)
        result = call("sample", "list", "--new")
        assert (result.exit_code, result.stdout) == (1, "")
        assert why in result.stderr
        assert "records.jsonl.gz" in result.stderr.splitlines()[-1]
        report = call("sample", "list", "--report")
        assert report.exit_code == 0
        assert "new: unknown: " in report.stderr
    known.unlink()  # as the error says; the run is at its end, and it is written anew all the same
    result = call("train", "--resume", "--name", "list")
    assert "records.jsonl.gz was missing and has been recreated" in result.stderr
    assert "has finished its" in result.stderr
    assert known.read_bytes() == data


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (["--stop", "x"], "--stop"),
        (["--until", "line"], "--until"),
        (["--best-of", "3"], "--best-of"),
        (["--save-state", "x"], "--save-state"),
    ],
)
def test_options_for_running_text_are_an_error_for_records(flags: list[str], name: str) -> None:
    result = call("sample", "names", *flags)
    assert (result.exit_code, result.stdout) == (2, "")
    assert (
        result.stderr
        == f"Error: {name} is not for records, which checkpoints/names/step-00000150 writes; leave it out\n"
    )


def test_evaluate_gives_nats_per_record_and_counts_the_ends(home: Path) -> None:
    (home / "few.txt").write_text("ana\nbo\n\nben\n")
    found = json.loads(call("evaluate", "names", "few.txt", "--json").stdout)
    model = charrnn.load("names")
    scores = [model.score(name) for name in ("ana", "bo", "ben")]
    assert [len(each) for each in scores] == [4, 3, 4]  # the end counted
    assert (found["records"], found["characters"]) == (3, 11)
    assert found["nats_per_record"] == pytest.approx(
        -sum(each.sum() for each in scores) / 3, rel=1e-4
    )
    assert found["nats_per_character"] == pytest.approx(
        -sum(each.sum() for each in scores) / 11, rel=1e-4
    )
    loss = format_loss(found["nats_per_character"])
    per_record = f"{found['nats_per_record']:.3f} per record"
    words = call("evaluate", "names", "few.txt").stdout
    assert words == f"loss {loss} on 11 characters (3 records, each with its end), {per_record}\n"
    adaptive = json.loads(call("evaluate", "names", "few.txt", "--json", "--adaptive").stdout)
    assert (adaptive["records"], adaptive["mode"]) == (3, "adaptive")


def test_info_and_the_verdict_speak_of_records() -> None:
    about = call("info", "names").stdout
    assert 'symbols:    9 characters and the end of a record: "abcdeinot"\n' in about
    assert re.search(
        r"corpus: +names.txt: \d+ characters \(\d+ records\) for training, \d+ \(2 records\) for validation\n",
        about,
    )
    assert re.search(r"loss: +validation loss .+ bits per character\)\n", about)


def test_training_without_records_proposes_them_and_with_both_is_refused(home: Path) -> None:
    (home / "many.txt").write_text(
        "".join(f"{name}{number}\n" for name in NAMES for number in range(20))
    )
    small = [*BY_HEART, "--steps=1", "--sequence-length=20"]
    said = "this text looks like a list with one item per line; use --records to learn each item separately and generate whole items\n"
    assert said in call("train", "many.txt", *small).stderr
    assert said in call("plan", "many.txt", *small).stderr
    assert said not in call("train", "many.txt", *small, "--records", "--overwrite").stderr
    result = call("train", "many.txt", "--records", "--separator", ";")
    assert result.exit_code == 2
    assert (
        result.stderr
        == "Error: --records and --separator ';' exclude each other; give one of them\n"
    )
    assert "train many.txt" in call("plan", "many.txt", *small, "--records").stderr
    assert " --records" in call("plan", "many.txt", *small, "--records").stderr


def test_plan_counts_records_and_those_that_come_again(home: Path) -> None:
    result = call("plan", "names.txt", "--records", *BY_HEART)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == (
        # 48 lines of 16 names: two held out, each once; the others three times, so that two thirds
        # of their letters stood there before
        f"text: {len(plan_characters()):,} characters (10 different ones, 3 of which occur fewer than 10 times) in 44 records; "
        f"{plan_repeated():.1%} of it consists of repeated records"
    )
    assert "batches of 8 records" in result.stdout
    found = json.loads(call("plan", "names.txt", "--records", *BY_HEART, "--json").stdout)
    assert found["corpus"]["records"] == 44
    assert found["knobs"]["separator"] == "\n"


def parts() -> tuple[list[str], list[str]]:
    """What is learned from and what is held out of the names."""
    about = charrnn.load("names").about["records"]
    assert about["val"] == 2
    corpus = Corpus.of("\n".join(NAMES * 3), 0.1, "\n")
    texts = list(corpus.records())
    return texts[:-2], texts[-2:]


def plan_characters() -> str:
    return "".join(f"{name}|" for part in parts() for name in part)


def plan_repeated() -> float:
    learned, _ = parts()
    return 2 / 3 * sum(map(len, learned)) / len(plan_characters())


def test_a_model_of_running_text_refuses_what_only_records_have(home: Path) -> None:
    assert (
        call(
            "train",
            "names.txt",
            *BY_HEART,
            "--steps=1",
            "--name",
            "running",
            "--sequence-length=20",
        ).exit_code
        == 0
    )
    for flags, name in (
        (["--unique"], "--unique"),
        (["--new"], "--new"),
        (["--accept", "x"], "--accept"),
        (["--max-tries", "5"], "--max-tries"),
    ):
        result = call("sample", "running", *flags)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(
            f"Error: {name} is for records, but checkpoints/running/step-00000001 writes continuous text; leave it out, or train"
        )


def test_several_jobs_write_the_same_lines() -> None:
    flags = ["sample", "names", "--num-samples", "100", "-s", "4", "--json", "--unique", "--new"]
    one = call(*flags, "--length", "9", "--max-tries", "9000")
    three = call(*flags, "--length", "9", "--max-tries", "9000", "--jobs", "3")
    assert (three.exit_code, three.stdout, three.stderr) == (one.exit_code, one.stdout, one.stderr)
    assert len(one.stdout.splitlines()) > 32
