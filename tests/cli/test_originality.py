"""charrnn originality: what it says of a text and of a corpus, to the last character, and what it
refuses."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import Result

from tests.command import call

LINES = [f"{number} bottles of beer on the wall\n" for number in range(40, 0, -1)]
TEXT = "".join(LINES)
STEP = "checkpoints/corpus/step-00000001"
SMALL = [
    "--steps=1", "--hidden-size=4", "--num-layers=1", "--dropout=0", "--embedding-size=2", "--batch-size=2", "--sequence-length=8",
    "--device=cpu", "--precision=fp32", "--threads=1", "--sample-every=none",
]  # fmt: skip


def originality(*args: str, **settings: Any) -> Result:
    return call("originality", *args, **settings)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a run on characters, one on bytes and one on records."""
    where = tmp_path_factory.mktemp("originality")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(where)
        threads = torch.get_num_threads()
        Path("corpus.txt").write_text(TEXT)
        for name, args in {
            "corpus": [],
            "bytes": ["--unit", "byte"],
            "records": ["--records"],
        }.items():
            assert call("train", "corpus.txt", "--name", name, *SMALL, *args).exit_code == 0
        yield where
        torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def home(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, a copy of that, with a text that has copied twice."""
    shutil.copytree(trained, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    Path("text.txt").write_text(
        "<No> 17 bottles of beer on the wall\n16 bottles; of beer on the wall\n3"
    )
    return tmp_path / "home"


def test_the_report_of_a_text_is_this() -> None:
    result = originality("corpus", "text.txt")
    assert result.exit_code == 0
    assert result.stdout == (
        "copied: 91.3% of 69 characters, in 2 passages of 20 or more\n"
        '  41 characters at position 6, from corpus.txt, line 24: "17 bottles of beer on the wall\\n16 bottles"\n'
        '  22 characters at position 48, from corpus.txt, line 1: " of beer on the wall\\n3"\n'
    )
    made, step = result.stderr.splitlines()
    assert re.fullmatch(
        r"indexed the corpus: 1,231 characters, \d+\.\d s, 0\.0 MB in checkpoints/corpus/originality",
        made,
    )
    assert step == STEP
    assert originality("corpus", "text.txt").stderr == f"{STEP}\n"


def test_standard_input_is_a_file_too() -> None:
    assert (
        originality("corpus", "-", input=Path("text.txt").read_text()).stdout
        == originality("corpus", "text.txt").stdout
    )


def test_as_json_it_is_one_object() -> None:
    result = originality("corpus", "text.txt", "--json", "--min-length", "41")
    longest = {"start": 5, "length": 41, "place": {"file": "corpus.txt", "line": 24}}
    assert json.loads(result.stdout) == {
        "characters": 69,
        "shares": {"20": 63 / 69, "40": 41 / 69, "80": 0.0},
        "longest": longest,
        "copies": [longest],
    }
    assert result.stdout.count("\n") == 1


def test_the_shortest_that_is_listed_can_be_given() -> None:
    lines = originality("corpus", "text.txt", "--min-length", "23").stdout.splitlines()
    assert lines == [
        "copied: 59.4% of 69 characters, in 1 passage of 23 or more",  # 41 / 69
        '  41 characters at position 6, from corpus.txt, line 24: "17 bottles of beer on the wall\\n16 bottles"',
    ]
    assert originality("corpus", "text.txt", "--min-length", "42").stdout == (
        "nothing of 42 characters or more was copied; the longest match is 41 characters at "
        'position 6, from corpus.txt, line 24: "17 bottles of beer on the wall\\n16 bottles"\n'
    )


def test_more_than_ten_are_counted() -> None:
    Path("many.txt").write_text("".join(f"<{number} bottles of beer>" for number in range(10, 22)))
    lines = originality("corpus", "many.txt", "--min-length", "10").stdout.splitlines()
    assert lines[0].endswith(", in 12 passages of 10 or more")
    assert len(lines) == 12
    assert lines[-1] == "  and 2 more; --json lists all"


def test_a_text_without_copies_is_reported_and_so_are_notices_about_it() -> None:
    Path("other.txt").write_bytes(b"\xef\xbb\xbfXYZ")
    result = originality("corpus", "other.txt")
    assert result.stdout == "nothing was copied: no character of the text is in the corpus\n"
    assert result.stderr.endswith("other.txt begins with a byte order mark, which was left out\n")


def test_held_out_text_of_which_nothing_was_learned_is_said() -> None:
    Path("halves.txt").write_text("a" * 900 + "b" * 100)
    assert call("train", "halves.txt", *SMALL).exit_code == 0
    assert (
        originality("halves").stdout.splitlines()[-1]
        == "validation part: no character of it is also in the training part"
    )


def test_marked_shows_the_text_with_brackets_and_escapes_control_characters() -> None:
    Path("text.txt").write_text("\x1b[2J 17 bottles of beer on the wall\n<b>")
    result = originality("corpus", "text.txt", "--marked")
    assert result.stdout.startswith(
        "\\x1b[2J \u27e617 bottles of beer on the wall\n\u27e7<b>\n\ncopied: 79.5% of 39 characters, "
    )


def test_on_a_terminal_marks_are_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    import charrnn.cli.originality as module

    monkeypatch.setattr(module.sys, "stdout", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert module._marked("a\nb", copied=True) == "\x1b[30m\x1b[43ma\nb\x1b[0m"
    assert module._marked("a\nb", copied=False) == "a\nb"
    monkeypatch.setenv("NO_COLOR", "1")
    assert module._marked("a\nb", copied=True) == "\u27e6a\nb\u27e7"


class Marks(HTMLParser):
    """The text of a page's <pre>, and what is marked there, with its label."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.marks, self.inside, self.tags = (
            "",
            list[list[str]](),
            list[str](),
            set[str](),
        )
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside.append(tag)
        self.tags.add(tag)
        if tag == "mark":
            self.marks.append([dict(attrs)["aria-label"] or "", ""])

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "pre" in self.inside:
            self.text += data
        if "mark" in self.inside:
            self.marks[-1][1] += data


def test_the_page_holds_the_text_its_marks_and_where_they_stand() -> None:
    result = originality("corpus", "text.txt", "--html", "page.html")
    assert result.stdout == originality("corpus", "text.txt").stdout
    assert result.stderr.endswith("wrote page.html\n")
    page = Marks(Path("page.html").read_text(encoding="utf-8"))
    assert page.text.strip("\n") == Path("text.txt").read_text()
    assert page.marks == [
        ["41 characters, corpus.txt, line 24", "17 bottles of beer on the wall\n16 bottles"],
        ["22 characters, corpus.txt, line 1", " of beer on the wall\n3"],
    ]


def test_nothing_of_a_text_or_a_name_becomes_a_part_of_the_page() -> None:
    evil = "<script>alert('&amp;')</script></pre>\"\0\x1b"
    Path('corpus<b>".txt').write_text(evil + TEXT)
    Path("<i>.txt").write_text("{0}" + evil)
    assert call("train", 'corpus<b>".txt', "--name", "evil", *SMALL).exit_code == 0
    assert originality("evil", "<i>.txt", "--html", "page.html").exit_code == 0
    page = Marks(Path("page.html").read_text(encoding="utf-8"))
    assert not page.tags & {"script", "b", "i"}
    shown = evil.replace("\0", "\ufffd").replace("\x1b", "\ufffd")
    assert page.marks == [[f'{len(evil)} characters, corpus<b>".txt, line 1', shown]]
    assert page.text.strip("\n") == "{0}" + shown


def test_a_model_of_bytes_reads_any_bytes() -> None:
    Path("any").write_bytes(b"\xff\0" + TEXT[100:200].encode() + "\u00e4".encode())
    result = originality("bytes", "any", "--json")
    assert json.loads(result.stdout)["longest"] == {
        "start": 2,
        "length": 100,
        "place": {"file": "corpus.txt", "line": 4},
    }
    assert "\\x00\u27e6" in originality("bytes", "any", "--marked").stdout


def test_the_report_of_a_corpus_is_this() -> None:
    result = originality("corpus")
    assert result.exit_code == 0
    assert result.stdout == (
        "repeated: 0.0% of 1,231 characters are in passages of 80 or more that occur more than once\n"
        "validation part: of 124 characters, 96.8% are in passages of 20 or more that are also in the training part\n"
        'longest: 31 characters, first in corpus.txt, line 7: "4 bottles of beer on the wall\\n3"\n'
    )
    assert originality("corpus").stderr == f"{STEP}\n"


def test_a_corpus_that_repeats_itself_says_where() -> None:
    Path("one.txt").write_text(TEXT)
    Path("two.txt").write_text("Once more:\n" + TEXT[:200] + "!\n")
    assert call("train", "one.txt", "two.txt", *SMALL, "--val-fraction", "0").exit_code == 0
    found = originality("one").stdout.splitlines()
    assert found == [
        "repeated: 27.7% of 1,444 characters are in passages of 80 or more that occur more than once",
        f"  200 characters, one.txt, line 1 and two.txt, line 2: {json.dumps(TEXT[:60])}...",
        "validation part: none",
    ]
    as_json = json.loads(originality("one", "--json").stdout)
    assert as_json == {
        "characters": 1444,
        "repeated": 400 / 1444,
        "passages": [
            {
                "length": 200,
                "places": [{"file": "one.txt", "line": 1}, {"file": "two.txt", "line": 2}],
                "text": TEXT[:200],
            },
        ],
        "held": None,
    }


def test_records_have_a_report_too() -> None:
    found = json.loads(originality("records", "--json").stdout)
    assert found["characters"] == 1231
    assert "\n" not in found["held"]["text"]
    assert (found["held"]["longest"]["length"], found["held"]["shares"]["40"]) == (29, 0.0)
    count = found["held"]["characters"]
    lines = originality("records").stdout.splitlines()
    assert lines[1].startswith(
        f"validation part: of {count} characters (without the ends of records), "
    )


def test_no_pytorch_is_needed(home: Path) -> None:
    code = "import sys; from charrnn.cli.main import cli; cli(sys.argv[1:], standalone_mode=False); print('torch' in sys.modules)"
    for args in (["corpus", "text.txt"], ["corpus"]):
        ran = subprocess.run(
            [sys.executable, "-c", code, "originality", *args],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.stdout.splitlines()[-1] == "False", ran.stderr


def test_the_corpus_may_have_moved() -> None:
    Path("corpus.txt").rename("moved.txt")
    refused = originality("corpus", "text.txt")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert re.fullmatch(
        r"Error: the corpus of \S+ cannot be read: there is no file corpus\.txt .*; if it has moved, give its new path as --corpus\n",
        refused.stderr,
    )
    assert (
        "from moved.txt, line 24"
        in originality("corpus", "text.txt", "--corpus", "moved.txt").stdout
    )


@pytest.mark.parametrize(
    ("args", "code", "error"),
    [
        (
            ["corpus", "text.txt", "--marked", "--json"],
            2,
            "--marked and --json both write to standard output; give one of them, or --html PATH",
        ),
        (
            ["corpus", "--marked"],
            2,
            "--marked needs a text to compare with the corpus; give a FILE",
        ),
        (
            ["corpus", "--html", "page.html"],
            2,
            "--html needs a text to compare with the corpus; give a FILE",
        ),
        (
            ["nothing"],
            1,
            "there is no run or checkpoint 'nothing'; runs in checkpoints: .*",
        ),
        (["corpus", "nothing.txt"], 1, r"there is no file nothing\.txt \(in .*\); check the name"),
    ],
)
def test_what_cannot_be_is_one_line(args: list[str], code: int, error: str) -> None:
    originality("corpus", "text.txt")  # makes the index, which is said
    result = originality(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    assert re.fullmatch(rf"({STEP}\n)?Error: {error}\n", result.stderr)


def test_a_damaged_index_is_one_line() -> None:
    originality("corpus", "text.txt")
    path = Path("checkpoints/corpus/originality/order.bin")
    path.write_bytes(path.read_bytes()[:-1])
    result = originality("corpus", "text.txt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: checkpoints/corpus/originality is damaged: order.bin is not a file of 4,924 bytes; "
        "delete the directory to have it rebuilt\n"
    )
