"""charrnn score: each character, the places, a page, two models; and what it refuses."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

import charrnn
from charrnn.pages import render
from tests.command import BY_HEART, SMALL, TEXT, Trained, call
from tests.surprise.test_surprise_map import Text

STEP = "checkpoints/corpus/step-00000004"
WORDS = "the bell said to the clock, it is time;\nXthe Bell\n"


@pytest.fixture(autouse=True)
def home(text_run: Trained, byte_run: Trained, record_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """The working directory: runs on characters, bytes and records, and a text."""
    for where in (text_run.where, byte_run.where, record_runs):
        shutil.copytree(where, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    Path("other.txt").write_text(WORDS)


def objects(*args: str) -> list[dict]:
    result = call("score", *args, "--json")
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize("run", ["corpus", "bytes", "names"])
def test_the_sum_is_that_of_evaluate(run: str) -> None:
    file = "names.txt" if run == "names" else "other.txt"
    characters = objects(run, file)
    evaluated = json.loads(call("evaluate", run, file, "--json").stdout)
    total = sum(character["log_probability"] for character in characters)
    symbols = evaluated["characters"]
    assert -total / symbols == pytest.approx(evaluated["nats_per_character"], abs=1e-4)
    if run != "bytes":
        assert len(characters) == symbols


def test_json_has_an_object_for_each_character() -> None:
    characters = objects("corpus", "other.txt", "--alternatives", "2")
    assert "".join(c["character"] for c in characters) == WORDS.replace("X", "").replace("B", "")
    assert list(characters[0]) == [
        "character", "log_probability", "rank", "entropy", "alternatives"
    ]  # fmt: skip
    assert all(len(c["alternatives"]) == 2 for c in characters)
    explained = charrnn.load("corpus").explain("the bell")
    assert characters[4]["rank"] == explained[4].rank
    assert characters[4]["alternatives"] == [list(pair) for pair in explained[4].alternatives[:2]]


def test_the_most_surprising_places_are_listed_with_line_and_column() -> None:
    result = call("score", "corpus", "other.txt", "--places", "3")
    assert result.stderr == (
        "skipped 2 characters (4.0% of the text) that the model has not seen: "
        "'X' (U+0058, LATIN CAPITAL LETTER X) once, 'B' (U+0042, LATIN CAPITAL LETTER B) once\n"
        f"{STEP}\n"
    )
    summary, empty, title, *places = result.stdout.splitlines()
    assert re.fullmatch(r"loss [\d.]+ \([\d.]+ bits per character\) on 48 characters", summary)
    assert (empty, title) == ("", "The most surprising places:")
    explanation = charrnn.load("corpus").explain(WORDS, unknown="skip")
    assert len(places) == 3
    for line, place in zip(places, explanation.most_surprising(3), strict=True):
        before = explanation.text[:place]
        match = re.match(
            r"  other\.txt:(\d+):(\d+)  '(.)': ([\d.]+) bits, rank \d+; expected '", line
        )
        assert match
        line, column = int(match[1]), int(match[2])
        assert line == before.count("\n") + 1
        shown = WORDS.splitlines(keepends=True)[line - 1][column - 1]
        assert match[3] == {" ": "\u2423", "\n": "\u21b5"}.get(shown, shown)
        assert float(match[4]) == pytest.approx(explanation[place].bits, abs=0.06)
    assert call("score", "corpus", "other.txt", "--places", "0").stdout == f"{summary}\n"


def test_lines_are_those_of_the_file_although_empty_records_are_left_out() -> None:
    lines = ["anna", "", "", "qqq", "zoe", "ben"]
    Path("list.txt").write_text("\n".join(lines) + "\n")
    result = call("score", "names", "list.txt", "--places", "100")
    places = dict(re.findall(r"list\.txt:(\d+:\d+)  '(.)'", result.stdout))
    for place, char in places.items():
        line, column = map(int, place.split(":"))
        assert (lines[line - 1] + "\u21b5")[column - 1] == char
    assert {"1:1": "a", "6:1": "b", "6:3": "n", "5:3": "e"}.items() <= places.items()


def test_a_terminal_gets_the_text_in_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.cli.score.has_colour", lambda stream: True)
    Path("other.txt").write_text("the bell\x1b[31m\n")
    result = call("score", "corpus", "other.txt", "--unknown", "skip", color=True)
    plain = re.sub(r"\x1b\[[\d;]*m", "", result.stdout)
    assert plain.startswith(" under 1 bit   1 to 3   3 to 5   5 to 8   8 or more \n\nthe bell")
    assert "\x1b[38;5;16m\x1b[48;5;230m" in result.stdout
    assert "\x1b" not in plain


def test_the_page_has_the_whole_text_and_a_strict_policy() -> None:
    result = call("score", "corpus", "other.txt", "--html", "page.html")
    assert result.stderr.endswith("wrote page.html\n")
    page = Path("page.html").read_text()
    assert "<script" not in page
    assert " style=" not in page
    assert "default-src &#39;none&#39;; style-src &#39;sha256-" in page
    text = Text(page).text
    assert "the bell said to the clock, it is time;" in text.replace("\u21b5", "")
    assert "The most surprising places" in text


def test_a_page_needs_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setattr(render.importlib.util, "find_spec", lambda name: None)
    result = call("score", "corpus", "other.txt", "--html", "page.html")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: web pages need Jinja; install it with: pip install 'charrnn[report]'\n"
    )


def test_two_models_are_compared() -> None:
    assert call("train", "corpus.txt", *SMALL, "--steps=40", "--name=other", "-q").exit_code == 0
    Path("long.txt").write_text(TEXT * 5)  # of more than 20 blocks
    result = call("score", "other", "long.txt", "--compare", "corpus", "--places", "2", "--html", "page.html")  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "compared with checkpoints/corpus/step-00000004\n" in result.stderr
    assert "other predicts it better, by " in result.stdout
    assert "(95% interval " in result.stdout
    places = result.stdout.split("The places where the models differ most:\n")[1].splitlines()
    assert len(places) == 2
    assert all(re.search(r"[\d.]+ bits for other, [\d.]+ for corpus", place) for place in places)
    (comparison,) = objects("other", "long.txt", "--compare", "corpus")
    first, second = (charrnn.load(name).score(TEXT * 5) for name in ("other", "corpus"))
    assert comparison["difference"] == pytest.approx((first - second).mean())
    assert comparison["low"] < comparison["difference"] < comparison["high"]
    assert "other better by 1 to 2" in Path("page.html").read_text()


def test_the_places_of_a_comparison_are_those_of_the_file() -> None:
    Path("list.txt").write_text("anna\n\nqben\n")
    assert call("train", "list.txt", "--records", *BY_HEART, "--name=q").exit_code == 0
    result = call("score", "q", "list.txt", "--compare", "names", "--places", "100")
    places = dict(re.findall(r"list\.txt:(\d+:\d+)  '(.)'", result.stdout))
    assert places == {
        "1:1": "a", "1:2": "n", "1:3": "n", "1:4": "a", "1:5": "\u21b5",
        "3:2": "b", "3:3": "e", "3:4": "n", "3:5": "\u21b5",
    }  # fmt: skip
    assert (
        "skipped 1 character (12.5% of the text) that the model has not seen: 'q'" in result.stderr
    )
    assert "but the text is too short to be sure" in result.stdout


@pytest.mark.parametrize("run", ["corpus", "names"])
def test_characters_are_replaced_in_texts_and_in_records(run: str) -> None:
    Path("text.txt").write_text("Anna\nben\n")
    result = call("score", run, "text.txt", "--unknown", "replace", "--places", "0")
    assert result.exit_code == 0, result.stderr
    assert "read 'a' for 'A'" in result.stderr or "'a'" in result.stderr


def test_standard_input_has_a_name() -> None:
    result = call("score", "corpus", "-", "--places", "1", input="the bell\n")
    assert "  stdin:1:" in result.stdout


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["corpus", "none.txt"], "there is no file none.txt"),
        (["corpus", "other.txt", "--unknown", "error"], "the model has not seen the character 'X'"),
        (["corpus", "other.txt", "--compare", "names"], "--compare needs two models of the same kind of text"),
        (["corpus", "other.txt", "--compare", "none"], "there is no run"),
        (["bytes", "invalid.txt"], "invalid.txt is not UTF-8: the first invalid byte is number 2"),
        (["corpus", "other.txt", "--html", "other.txt"], "--html would overwrite other.txt, which is also FILE"),
        (["corpus", "other.txt", "--html", "corpus.txt"], "--html would overwrite corpus.txt, which is also the corpus"),
        (["corpus", "other.txt", "--html", "-"], "--html needs the name of a file, got -; give one"),
    ],
)  # fmt: skip
def test_an_error_is_one_line(args: list[str], error: str) -> None:
    Path("invalid.txt").write_bytes(b"a\xff")
    result = call("score", *args)
    assert (result.exit_code > 0, result.stdout) == (True, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert error in last
