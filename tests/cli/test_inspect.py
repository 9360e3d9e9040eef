"""What inspect prints, writes and refuses."""

import json
from pathlib import Path

import pytest

from charrnn.config.shell import command
from tests.command import SMALL, call
from tests.doctor.test_inspection import prose


@pytest.fixture
def faulty(here: Path) -> Path:
    """A text with two faults."""
    path = here / "my book.txt"
    path.write_text("the r\u0456ver \u200b runs\n" * 10 + prose())
    return path


def test_each_finding_has_its_places_and_its_command(faulty: Path) -> None:
    result = call("inspect", "my book.txt")
    size = len(faulty.read_text())
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"2 findings in {size:,} characters\n"
        "\n"
        "control-characters: 10 invisible characters: '\\u200b' (U+200B, ZERO WIDTH SPACE)\n"
        "  my book.txt:1:11  the r\u0456ver \\u200b runs\n"
        "  fix: charrnn inspect 'my book.txt' --fix control-characters --write 'my book-fixed.txt'\n"
        "\n"
        "mixed-script: 10 words have look-alike letters of another script: r\u0456ver\n"
        "  my book.txt:1:5  r\u0456ver\n"
        "  fix: charrnn inspect 'my book.txt' --fix mixed-script --write 'my book-fixed.txt'\n"
    )


def test_a_clean_text_is_said_to_be_clean(here: Path) -> None:
    Path("a.txt").write_text(prose())
    assert call("inspect", "a.txt").stdout == f"nothing was found in {len(prose()):,} characters\n"


def test_json_is_one_object(faulty: Path) -> None:
    result = json.loads(call("inspect", "my book.txt", "--json").stdout)
    assert list(result) == ["files", "characters", "findings"]
    assert result["files"] == ["my book.txt"]
    first = result["findings"][0]
    assert list(first) == ["kind", "message", "count", "places", "fix"]
    assert first["places"] == [
        {"file": "my book.txt", "line": 1, "column": 11, "text": "the r\u0456ver \u200b runs"}
    ]


def test_the_repaired_copy_is_written_and_the_file_stays(faulty: Path) -> None:
    before = faulty.read_bytes()
    result = call(
        "inspect", "my book.txt", "--fix", "control-characters, mixed-script", "--write", "new.txt"
    )
    assert result.exit_code == 0
    assert result.stderr == (
        "wrote new.txt in UTF-8; changed mixed-script: 10 words, control-characters: 10 characters\n"
    )
    assert Path("new.txt").read_text() == "the river  runs\n" * 10 + prose()
    assert faulty.read_bytes() == before
    assert call("inspect", "new.txt").stdout.startswith("nothing was found")


def test_a_text_in_another_encoding_is_written_in_utf8(here: Path) -> None:
    text = (
        "Über den Wäldern lag Nebel, als die Müllerin die Tür öffnete. Schön, daß du früh kommst.\n"
    )
    Path("a.txt").write_bytes(text.encode("cp1252"))
    result = call("inspect", "a.txt", "--fix", "encoding", "--write", "b.txt")
    assert Path("b.txt").read_text("utf-8") == text
    assert "a.txt was read as cp1252" in result.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--write", "b.txt"], "--write needs --fix, which says what to repair; give both"),
        (["--fix", "encoding"], "--fix needs --write, since no file is changed in place; give both"),
        (["--fix", "all", "--write", "b.txt"], "got 'all'"),
        (["--fix", "encoding", "--write", "-"], "--write needs the name of a file, got -; give one"),
        (["--fix", "encoding", "--write", "a.txt"], "--write would overwrite a.txt, which is also FILE a.txt; give another file"),
        (["--encoding", "klingon"], "--encoding must be a text encoding"),
    ],
)  # fmt: skip
def test_wrong_options_are_one_line_and_change_nothing(
    flags: list[str], message: str, here: Path
) -> None:
    Path("a.txt").write_text("a text\n")
    result = call("inspect", "a.txt", *flags)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("data", [None, b"", bytes(range(32)) * 50])
def test_bad_input_is_one_line(data: bytes | None, here: Path) -> None:
    if data is not None:
        Path("a.txt").write_bytes(data)
    result = call("inspect", "a.txt")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith("Error: ")


def test_standard_input_is_inspected(here: Path) -> None:
    result = call("inspect", "-", input="a \u200b b\n" + prose())
    assert "  -:1:3  a \\u200b b\n" in result.stdout


def test_nothing_is_written_if_no_file_is_text(here: Path) -> None:
    Path("a.pdf").write_bytes(b"%PDF-1.7 and so on")
    result = call("inspect", "a.pdf", "--fix", "encoding", "--write", "b.txt")
    assert result.exit_code == 1
    assert not Path("b.txt").exists()
    assert "nothing was written: no file is plain text" in result.stderr


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", ["train", "plan"])
def test_training_begins_with_the_two_most_serious_findings(name: str, faulty: Path) -> None:
    with faulty.open("a") as file:
        file.write("d\u00c3\u00a9j\u00c3\u00a0 d\u00c3\u00a9j\u00c3\u00a0\n")
    lines = call(name, "my book.txt", *SMALL).stderr.splitlines()
    assert lines[:3] == [
        "4 characters of UTF-8 were decoded as another encoding before: \u00c3\u00a9 for \u00e9, \u00c3\u00a0 for \u00e0",
        "10 invisible characters: '\\u200b' (U+200B, ZERO WIDTH SPACE)",
        f"more about this, and how to repair it: {command(['inspect'], ['my book.txt'])}",
    ]


@pytest.mark.usefixtures("one_thread")
def test_quiet_training_says_nothing_about_the_text(faulty: Path) -> None:
    assert call("train", "my book.txt", *SMALL, "--quiet").stderr == ""


def test_commands_have_the_encoding_that_the_file_needs(here: Path) -> None:
    text = (
        "\u0413\u0434\u0435 \u0431\u044b\u043b \u0441\u0442\u0430\u0440\u0438\u043a?\r\n\u041d\u0430 \u0440\u0435\u043a\u0435.\n"
        * 9
    )
    Path("a.txt").write_bytes(text.encode("cp1251"))
    shown = call("inspect", "a.txt").stdout
    assert "  fix: charrnn train a.txt --encoding cp1251\n" in shown
    assert "  fix: charrnn train a.txt --encoding cp1251 --newlines lf\n" in shown


def test_invalid_bytes_of_the_copy_are_counted(here: Path) -> None:
    Path("a.txt").write_bytes("caf\u00e9 th\u00e9\n".encode() * 9 + b"a \xff b\n")
    result = call("inspect", "a.txt", "--fix", "encoding", "--write", "b.txt")
    assert "1 invalid byte sequence of a.txt became U+FFFD" in result.stderr
    assert Path("b.txt").read_text().endswith("a \ufffd b\n")


@pytest.mark.usefixtures("one_thread")
def test_training_on_utf16_without_a_mark_is_one_line(here: Path) -> None:
    Path("a.txt").write_bytes(prose().encode("utf-16-le"))
    result = call("train", "a.txt", *SMALL, "--encoding", "utf-16")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "byte order mark" in result.stderr
