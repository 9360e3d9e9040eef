"""charrnn report: a page and a model card, with what they say and what they leave out."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

import charrnn
from tests.command import SMALL, TEXT, Trained, call
from tests.surprise.test_surprise_map import Text


@pytest.fixture(autouse=True)
def home(text_run: Trained, byte_run: Trained, record_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for where in (text_run.where, byte_run.where, record_runs):
        shutil.copytree(where, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def report(*args: str) -> tuple[str, str]:
    """What is written, and what is said on stderr."""
    result = call("report", *args)
    assert result.exit_code == 0, result.stderr
    return Path(result.stdout.removesuffix("\n")).read_text(), result.stderr


def test_the_page_says_what_the_run_is() -> None:
    page, _ = report("corpus")
    model = charrnn.load("corpus")
    text = Text(page).text
    assert model.sha256 in text
    assert "drawn with seed 1" in text
    assert "LSTM with 2 layers of 8 units" in text
    assert "charrnn train --config config.yaml --name another" in text
    for temperature in (0.5, 0.8, 1.1):
        assert f"Temperature {temperature}" in text
        assert model.generate(length=400, seed=1, temperature=temperature) in text
    assert len(page.encode()) < 500_000


def test_the_page_is_one_file_whose_policy_allows_its_picture() -> None:
    page, _ = report("corpus")
    assert "<svg" in page
    assert not re.search(r"<script|<link|\bstyle=|src=|@import", page)
    assert page.count("<style>") == 1
    assert 'stroke="currentColor"' in page


def test_the_map_is_of_the_validation_part() -> None:
    page, _ = report("corpus")
    text = Path("corpus.txt").read_text()
    held_out = text[-charrnn.load("corpus").about["val_characters"] :]
    (shown,) = re.findall(r'<pre class="surprise" dir="auto">\n(.*?)</pre>', page, re.DOTALL)
    assert Text(shown).text.replace("\u21b5", "") == held_out[:1000]


def test_the_map_of_records_has_whole_records() -> None:
    page, _ = report("list", "-o", "page.html")
    (shown,) = re.findall(r'<pre class="surprise" dir="auto">\n(.*?)</pre>', page, re.DOTALL)
    records = Text(shown).text.replace("\u21b5", "").removesuffix(";\n").split(";\n")
    assert set(records) <= set(re.split(";\n", Path("list.txt").read_text().removesuffix("\n")))
    assert len(records) > 1


def test_what_cannot_be_shown_is_said() -> None:
    Path("corpus.txt").write_text("another text " * 80)
    page, said = report("corpus")
    notice = "no surprise map: the corpus has changed since the run read it"
    assert notice in said
    assert notice in page
    Path("corpus.txt").unlink()
    assert "no surprise map: there is no file corpus.txt" in report("corpus")[1]
    shutil.rmtree("checkpoints/corpus/originality", ignore_errors=True)
    Path("corpus.txt").write_text(TEXT.replace("clock", "block", 1))  # of the same length
    assert notice in report("corpus")[1]
    assert "no surprise map: the run has no validation part" in report("bytes")[1]


def test_copies_are_shown_if_there_is_an_index() -> None:
    page, said = report("corpus")
    assert "the run has no index of its corpus; `charrnn originality corpus` builds it" in said
    assert call("originality", "corpus", "corpus.txt").exit_code == 0
    page, said = report("corpus")
    assert said == ""
    assert "What the samples copy from the corpus" in page
    assert "temperature 0.5: " in page


def test_the_model_card_has_front_matter_and_the_same_facts() -> None:
    result = call("report", "corpus", "--markdown")
    assert result.stdout == "checkpoints/corpus/README.md\n"
    card = Path("checkpoints/corpus/README.md").read_text()
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "charrnn",
        "pipeline_tag": "text-generation",
        "license": None,
        "tags": ["char-rnn", "text-generation"],
    }
    model = charrnn.load("corpus")
    assert model.sha256 in body
    assert f"```text\n{model.generate(length=400, seed=1, temperature=0.5)}\n```" in body
    assert call("info", "corpus").exit_code == 0  # the card does not disturb the run


def test_a_card_keeps_its_licence_and_is_removed_with_its_run() -> None:
    card = Path("checkpoints/corpus/README.md")
    assert call("report", "corpus", "--markdown").exit_code == 0
    card.write_text(card.read_text().replace("# fill in, for instance: mit", "cc0-1.0"))
    assert call("report", "corpus", "--markdown").exit_code == 0
    assert "\nlicense: cc0-1.0\n" in card.read_text()
    assert call("remove", "corpus", "--yes").exit_code == 0
    assert not card.exists()


def test_a_readme_of_somebody_else_is_kept() -> None:
    readme = Path("checkpoints/corpus/README.md")
    readme.write_text("mine")
    result = call("report", "corpus", "--markdown")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: checkpoints/corpus/README.md was not written by charrnn; "
        "give --output to write another file\n"
    )
    assert call("remove", "corpus", "--yes").exit_code == 1
    assert readme.read_text() == "mine"


def test_a_checkpoint_outside_of_a_run_needs_an_output() -> None:
    shutil.copytree("checkpoints/corpus/step-00000004", "shared")
    result = call("report", "shared", "--markdown")
    assert (result.exit_code, result.stderr) == (
        2, "Error: shared is not in the directory of a run; give --output\n"
    )  # fmt: skip
    card, _ = report("shared", "--markdown", "-o", "card.md")
    assert "charrnn.load('shared')" in card


def test_nothing_of_a_name_becomes_a_part_of_the_card() -> None:
    Path("a|b`<i>.txt").write_text(TEXT)
    assert call("train", "a|b`<i>.txt", "--name", "n", *SMALL).exit_code == 0
    card, _ = report("n", "--markdown")
    assert "<i>" not in card.split("```")[0]
    assert "| corpus | a\\|b\\`&lt;i&gt;.txt: " in card


def test_records_that_do_not_end_leave_out_the_samples() -> None:
    text = "".join("ab " * number + ";" for number in range(200, 220))
    Path("long.txt").write_text(text)
    assert call("train", "long.txt", "--name", "long", *SMALL, "--separator", ";").exit_code == 0
    page, said = report("long")
    assert "no sample at temperature 0.5: " in said
    assert "no sample at temperature 0.5: " in page


def test_the_same_run_gives_the_same_page() -> None:
    assert report("names", "-o", "a.html")[0] == report("names", "-o", "b.html")[0]


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["none"], "there is no run or checkpoint 'none'"),
        (["corpus", "-o", "corpus.txt"], "--output would overwrite corpus.txt"),
        (["corpus", "-o", "none/a.html"], "--output: "),
        (["corpus", "-o", "-"], "--output needs the name of a file, got -; give one"),
    ],
)
def test_an_error_is_one_line(args: list[str], error: str) -> None:
    result = call("report", *args)
    assert (result.exit_code > 0, result.stdout) == (True, "")
    assert result.stderr.startswith(f"Error: {error}")
