"""A repair removes the fault it is for, counts what it changed, and changes nothing else."""

import textwrap
from pathlib import Path

import pytest

from charrnn.config.arguments import ignore
from charrnn.doctor.inspection import inspect
from charrnn.doctor.repair import REPAIRS, Repair
from charrnn.doctor.source import Source
from tests.doctor.test_inspection import FAULTS, prose


def repaired(text: str | bytes, *fixes: str) -> tuple[str, dict[str, int]]:
    """The repaired text of a file of the working directory, and the number of changes."""
    data = text if isinstance(text, bytes) else text.encode()
    Path("a.txt").write_bytes(data)
    repair = Repair([Source("a.txt")], fixes, ignore)
    whole = "".join(repair.blocks())
    return whole, {kind: number for kind, number in repair.changes.items() if number}


@pytest.mark.parametrize(
    ("kind", "text", "expected", "number"),
    [
        ("control-characters", "a\u200bb\x1bc\0d", "abcd", 3),
        ("control-characters", "\u0645\u06cc\u200c\u06a9\u0631\u062f", "\u0645\u06cc\u200c\u06a9\u0631\u062f", 0),
        ("normalization", "cafe\u0301", "caf\u00e9", 1),
        ("mixed-script", "the r\u0456ver, k\u03a9", "the river, k\u03a9", 1),
        ("mixed-script", "\u043c\u043e\u0441\u043aBa", "\u043c\u043e\u0441\u043a\u0412\u0430", 1),
        ("encoding", "d\u00c3\u00a9j\u00c3\u00a0 \u00e2\u20ac\u2122vu", "d\u00e9j\u00e0 \u2019vu", 3),
        ("markup", "<p>a &amp; <b>b</b></p>\n\n\n\n<i>c</i>", "a & b\n\nc", 6),
        ("hyphenation", "the ri-\nver, 1-\n2, a - b", "the river, 1-\n2, a - b", 1),
        ("duplicates", "a line of twenty letters\nb\na line of twenty letters\nb\n", "a line of twenty letters\nb\nb\n", 1),
    ],
)  # fmt: skip
def test_each_repair_changes_what_it_is_for(
    kind: str, text: str, expected: str, number: int, here: Path
) -> None:
    changes = {kind: number} if number else {}
    assert repaired(text, kind) == (expected, changes)
    others = set(REPAIRS) - {kind}
    if kind != "markup":  # which also shortens empty lines
        assert repaired(expected, *others)[0] == expected


@pytest.mark.parametrize(
    "fault", [name for name in FAULTS if (FAULTS[name][3] or "").startswith("--fix")]
)
def test_a_repaired_fault_is_not_found_again(fault: str, here: Path) -> None:
    change, kind, _, fix = FAULTS[fault]
    lines = prose().split("\n")
    change(lines)
    text, changes = repaired("\n".join(lines), str(fix).removeprefix("--fix "))
    assert sum(changes.values()) > 0
    Path("b.txt").write_text(text)
    assert kind not in {finding.kind for finding in inspect("b.txt").findings}


def test_running_heads_and_page_numbers_are_left_out_and_nothing_else(here: Path) -> None:
    lines = prose().split("\n")
    clean = "\n".join(lines)
    for page in range(1, 20):
        lines[42 * page : 42 * page] = ["THE OLD MAN", f"{page}"]
    assert repaired("\n".join(lines), "repeated-lines") == (clean, {"repeated-lines": 38})


def test_heads_with_numbers_are_left_out_and_nothing_else(here: Path) -> None:
    lines = prose().split("\n")
    clean = "\n".join(lines)
    for page in range(1, 20):
        lines[41 * page : 41 * page] = [f"{page} THE OLD MAN" if page % 2 else f"The river {page}"]
    assert repaired("\n".join(lines), "repeated-lines") == (clean, {"repeated-lines": 19})


@pytest.mark.parametrize("block", [1 << 20, 100])
def test_wrapped_paragraphs_become_lines(
    block: int, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.doctor.source.BLOCK", block)
    text = prose()
    lines = [textwrap.wrap(line, 60) or [""] for line in text.split("\n")]
    wrapped = "\n".join("\n".join(parts) for parts in lines)
    number = wrapped.count("\n") - text.count("\n")
    assert repaired(wrapped, "wrapped-lines") == (text, {"wrapped-lines": number})
    assert repaired(text, "wrapped-lines") == (text, {})


def test_indented_lines_and_dashes(here: Path) -> None:
    lines = [
        "the old man sat at the window and looked",
        "at the river that was, oh, far, far away--",
        "and he said it again and again, that it",
        "was far",
    ]
    paragraphs = ["\n".join(lines), "\t" + "\n".join(lines), "\u3000" + "\n".join(lines)]
    whole, _ = repaired("\n".join(paragraphs * 60) + "\n", "wrapped-lines")
    line = f"{lines[0]} {lines[1]}{lines[2]} {lines[3]}\n"
    assert whole == f"{line}\t{line}\u3000{line}" * 60


def test_words_are_joined_before_lines(here: Path) -> None:
    lines = [
        "the old man sat at the window and looked",
        "at the river that was far far away from",
        "him, with its new and some old boats, riv-",
        "er of snow",
    ]
    whole, changes = repaired("\n".join([*lines, "", ""]) * 100, "wrapped-lines", "hyphenation")
    assert changes == {"hyphenation": 100, "wrapped-lines": 200}
    assert whole == (" ".join(lines).replace("- ", "") + "\n\n") * 100


def test_what_surrounds_a_book_is_left_out(here: Path) -> None:
    book = prose()
    text = (
        "Project Gutenberg's book\nby somebody\n*** START OF THE PROJECT GUTENBERG EBOOK ***\n"
        f"{book}*** END OF THE PROJECT GUTENBERG EBOOK ***\nThe terms\n"
    )
    assert repaired(text, "repeated-lines") == (book, {"repeated-lines": 5})


def test_rare_characters_become_the_nearest_one_or_are_left_out(here: Path) -> None:
    assert repaired(prose() + "na\u00efve\n", "rare-characters") == (
        prose() + "naive\n",
        {"rare-characters": 1},
    )
    assert repaired(prose() + "%\n", "rare-characters") == (
        prose() + "\n",
        {"rare-characters": 1},
    )


@pytest.mark.parametrize("text", ["a \u00e9\n", prose("Chinese")])
def test_characters_that_are_not_reported_as_rare_are_kept(text: str, here: Path) -> None:
    assert repaired(text, "rare-characters") == (text, {})


def test_repairs_are_made_in_an_order_in_which_none_spoils_another(here: Path) -> None:
    # the second half of a misread character is a control character or a soft hyphen
    text = "d\u00c3\u00adas \u00d1\u0081 &shy;x f\u043ex <b>y</b>\n"
    whole, _ = repaired(text + prose(), *REPAIRS)
    assert whole == "d\u00edas \u0441 x fox y\n" + prose()


@pytest.mark.parametrize(
    "text",
    [
        "one\n*** End of Book One ***\ntwo\n",
        "*** Start of something ***\none\n",
        "He spoke of Project Gutenberg.\nAnd of Creative Commons.\n",
        "no line end at all, Project Gutenberg",
    ],
)
def test_lines_that_only_look_like_a_licence_are_kept(text: str, here: Path) -> None:
    assert repaired(text, "repeated-lines") == (text, {})


def test_files_without_a_last_line_end_are_not_joined_to_one_line(here: Path) -> None:
    Path("a.txt").write_text("one")
    Path("b.txt").write_text("two")
    repair = Repair([Source("a.txt"), Source("b.txt")], [], ignore)
    assert "".join(repair.blocks()) == "one\ntwo"


def test_scripts_and_styles_are_no_text(here: Path) -> None:
    text = "<style>p {}</style><p>one</p><SCRIPT>let x;\n</SCRIPT> two\n"
    assert repaired(text, "markup")[0] == "one two\n"


@pytest.mark.parametrize(
    ("data", "expected", "changes"),
    [
        (b"\xef\xbb\xbfa\r\nb\rc\n", "a\nb\nc\n", {"bom": 1, "line-ends": 2}),
        ("caf\u00e9 \u00fcber k\u00e4se\n".encode("cp1252") * 9, "caf\u00e9 \u00fcber k\u00e4se\n" * 9, {}),
        ((prose() + "caf\u00e9").encode("utf-16"), prose() + "caf\u00e9", {}),
    ],
)  # fmt: skip
def test_the_copy_is_utf8_with_lf_line_ends_and_without_a_mark(
    data: bytes, expected: str, changes: dict[str, int], here: Path
) -> None:
    assert repaired(data) == (expected, changes)


def test_words_divided_between_two_blocks_are_joined(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.doctor.source.BLOCK", 8)
    assert (
        repaired("the ri-\nver ran to the s-\nea\n", "hyphenation")[0]
        == "the river ran to the sea\n"
    )


def test_several_files_become_one(here: Path) -> None:
    Path("a.txt").write_text("a line of twenty letters\n")
    Path("b.txt").write_text("another of twenty letters\na line of twenty letters\n")
    repair = Repair([Source("a.txt"), Source("b.txt")], ["duplicates"], ignore)
    assert "".join(repair.blocks()) == "a line of twenty letters\nanother of twenty letters\n"
