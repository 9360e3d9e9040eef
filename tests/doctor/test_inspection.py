"""Every planted fault is found at its place, and nothing is found in clean texts."""

import gzip
import random
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charrnn.config.run_config import DataConfig
from charrnn.doctor.finding import EXCERPT, KINDS, Finding
from charrnn.doctor.inspection import first_look, inspect
from charrnn.errors import ConfigError, CorpusError

# Prose in ten scripts, from which clean texts are made.
SENTENCES = {
    "Latin": "The old man sat at the window and looked at the river. Spring came late, and the snow had not melted yet. "
    "They will be here soon, he said, and closed the book. The dog raised its head and fell asleep again.",
    "Cyrillic": "Старик сидел у окна и смотрел на реку. Весна пришла поздно, и снег ещё не сошёл. "
    "Скоро приедут, сказал он и закрыл книгу. Собака подняла голову и снова уснула.",
    "Greek": "Ο γέρος καθόταν στο παράθυρο και κοιτούσε το ποτάμι. Η άνοιξη ήρθε αργά και το χιόνι δεν είχε λιώσει ακόμη. "
    "Σύντομα θα έρθουν, είπε, και έκλεισε το βιβλίο.",
    "Hebrew": "הזקן ישב ליד החלון והביט בנהר. האביב בא מאוחר והשלג עדיין לא נמס. בקרוב יבואו, אמר וסגר את הספר.",
    "Arabic": "جلس الرجل العجوز عند النافذة ينظر إلى النهر. جاء الربيع متأخرا ولم يذب الثلج بعد. قال سيصلون قريبا وأغلق الكتاب.",
    "Persian": "پیرمرد کنار پنجره نشسته بود و به رودخانه نگاه می\u200cکرد. بهار دیر آمد و برف هنوز آب نشده بود.",
    "Devanagari": "बूढ़ा आदमी खिड़की के पास बैठा नदी को देख रहा था। वसंत देर से आया और बर्फ अभी तक नहीं पिघली थी।",
    "Chinese": "老人坐在窗边看着河。春天来得很晚，雪还没有化。他们很快就要来了，他说，然后合上了书。狗抬起头，又睡着了。",
    "Japanese": "老人は窓のそばに座って川を見ていた。春は遅く来て、雪はまだ溶けていなかった。もうすぐ来るよ、と彼は言って本を閉じた。",
    "Korean": "노인은 창가에 앉아 강을 바라보았다. 봄은 늦게 왔고 눈은 아직 녹지 않았다. 곧 올 거야, 그는 말하고 책을 덮었다.",
}  # fmt: skip
WORDS = SENTENCES["Latin"].replace(".", "").replace(",", "").lower().split()


def prose(script: str = "Latin", lines: int = 400, seed: int = 0) -> str:
    """Paragraphs of sentences whose words, or clauses where there are no spaces, are shuffled."""
    rng = random.Random(seed)
    text = SENTENCES[script]
    marks = ".。।，、,"
    plain = "".join(" " if char in marks else char for char in text)
    parts = plain.split() if " " in text else list(plain.replace(" ", ""))
    joint = " " if " " in text else ""
    stop = next(mark for mark in ".。।" if mark in text)
    paragraphs = []
    for _ in range(lines):
        sentences = []
        for _ in range(rng.randint(1, 4)):
            sentences.append(joint.join(rng.choices(parts, k=rng.randint(6, 18))) + stop)
        paragraphs.append(" ".join(sentences))
    return "\n\n".join(paragraphs) + "\n"


def found(text: str | bytes, name: str = "a.txt", **how: Any) -> list[Finding]:
    """What is found in a file of the working directory."""
    data = text if isinstance(text, bytes) else text.encode()
    Path(name).write_bytes(data)
    return list(inspect(name, **how).findings)


def one(findings: list[Finding], kind: str) -> Finding:
    """The only finding of a kind."""
    (finding,) = [finding for finding in findings if finding.kind == kind]
    return finding


@pytest.mark.parametrize("script", SENTENCES)
def test_nothing_is_found_in_a_clean_text(script: str, here: Path) -> None:
    assert found(prose(script)) == []


# --- planted faults: what is changed in a clean text, and what is found ---

Fault = Callable[[list[str]], None]


def insert(place: int, what: str) -> Fault:
    """Insert something after some characters of every hundredth line."""

    def change(lines: list[str]) -> None:
        for number in range(0, len(lines), 100):
            lines[number] = lines[number][:place] + what + lines[number][place:]

    return change


def divide(lines: list[str]) -> None:
    """Divide a word of every tenth line with text."""
    for number in range(0, len(lines), 20):
        line = lines[number]
        if word := re.search(r"\b[a-z]{4}", line):
            middle = word.start() + 2
            lines[number] = f"{line[:middle]}-\n{line[middle:]}"


def number_pages(lines: list[str]) -> None:
    for page in range(1, 20):
        lines.insert(41 * page, f"- {page} -")


def head_pages(lines: list[str]) -> None:
    for page in range(1, 20):
        lines.insert(41 * page, "THE OLD MAN")


def number_both_heads(lines: list[str]) -> None:
    for page in range(2, 21):
        head = f"{page}  THE OLD MAN" if page % 2 else f"The river  {page}"
        lines.insert(41 * page, head)


def number_heads(lines: list[str]) -> None:
    for page in range(1, 20):
        lines.insert(41 * page, f"{page}  THE OLD MAN")


def wrap(lines: list[str]) -> None:
    lines[:] = [part for line in lines for part in textwrap.wrap(line, 60) or [""]]


def repeat_lines(lines: list[str]) -> None:
    for number in range(0, len(lines), 8):
        lines[number] = "This line is in the file again and again, and is long enough."


def repeat_passage(lines: list[str]) -> None:
    lines[600:600] = lines[100:130]


def repeat_at_end(lines: list[str]) -> None:
    lines[-40:] = lines[100:140]


def licence(lines: list[str]) -> None:
    lines[0:0] = ["Project Gutenberg's book", "*** START OF THE PROJECT GUTENBERG EBOOK ***"]


def composed_and_not(lines: list[str]) -> None:
    lines[0] += " café"
    lines[4] += " cafe\u0301"


FAULTS: dict[str, tuple[Fault, str, int, str | None]] = {
    # change, kind, count, fix
    "wrapped": (wrap, "wrapped-lines", 742, "--fix wrapped-lines"),
    "NUL": (insert(3, "\0"), "control-characters", 8, "--fix control-characters"),
    "escape": (insert(3, "\x1b"), "control-characters", 8, "--fix control-characters"),
    "zero-width space": (insert(3, "\u200b"), "control-characters", 8, "--fix control-characters"),
    "soft hyphen": (insert(3, "\u00ad"), "control-characters", 8, "--fix control-characters"),
    "joiner": (insert(3, "\u200d"), "control-characters", 8, "--fix control-characters"),
    "mark of direction": (insert(3, "\u200f"), "control-characters", 8, "--fix control-characters"),
    "override": (insert(3, "\u202e"), "control-characters", 8, "--fix control-characters"),
    "private": (insert(3, "\ue000"), "control-characters", 8, "--fix control-characters"),
    "lost": (
        insert(3, "\ufffd"),
        "control-characters",
        8,
        "convert the original file again, with its right encoding",
    ),
    "rare": (insert(3, "%"), "rare-characters", 1, "--min-count 10"),
    "Cyrillic": (insert(0, "r\u0456ver "), "mixed-script", 8, "--fix mixed-script"),
    "Greek": (insert(0, "riv\u03bfr "), "mixed-script", 8, "--fix mixed-script"),
    "mojibake": (insert(3, "\u00c3\u00a9"), "encoding", 8, "--fix encoding"),
    "two forms": (composed_and_not, "normalization", 1, "--normalize nfc"),
    "divided words": (divide, "hyphenation", 39, "--fix hyphenation"),
    "page numbers": (number_pages, "repeated-lines", 19, "--fix repeated-lines"),
    "running heads": (head_pages, "repeated-lines", 19, "--fix repeated-lines"),
    "numbered heads": (number_heads, "repeated-lines", 19, "--fix repeated-lines"),
    "repeated lines": (repeat_lines, "repeated-lines", 99, "--fix duplicates"),
    "passage": (repeat_passage, "duplicates", 1, "--fix duplicates"),
    "licence": (licence, "repeated-lines", 1, "--fix repeated-lines"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(fault: str, here: Path) -> None:
    change, kind, count, fix = FAULTS[fault]
    lines = prose().split("\n")
    change(lines)
    findings = found("\n".join(lines))
    kinds = {finding.kind for finding in findings}
    assert kinds - {"rare-characters"} == {kind} - {"rare-characters"}  # what is planted is rare
    finding = one(findings, kind)
    assert (finding.count, finding.fix) == (count, fix)
    assert finding.places


def test_all_faults_of_one_file_are_found(here: Path) -> None:
    lines = prose().split("\n")
    for change, *_ in FAULTS.values():
        change(lines)
    text = "\n".join(lines) + "\r\nthe end\r\n"
    kinds = {finding.kind for finding in found(b"\xef\xbb\xbf" + text.encode())}
    expected = {kind for _, kind, *_ in FAULTS.values()} | {"line-ends", "bom"}
    # what is planted is rare, and so much of it divides lines that few still look wrapped
    assert kinds >= expected - {"rare-characters", "wrapped-lines"}


def test_a_passage_in_both_parts_is_found(here: Path) -> None:
    lines = prose().split("\n")
    repeat_at_end(lines)
    messages = [finding.message for finding in found("\n".join(lines))]
    assert any("which is for validation, also occurs before it" in text for text in messages)


def test_places_are_counted_from_one_and_show_the_surroundings(here: Path) -> None:
    text = "first\nsecond \u200b line\n" + prose()
    place = one(found(text), "control-characters").places[0]
    assert (str(place), place.text) == ("a.txt:2:8", "second \u200b line")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_numbers_do_not_depend_on_the_line_ends(ending: str, here: Path) -> None:
    text = ("a\nb\nc \u200b\n" + prose()).replace("\n", ending)
    place = one(found(text.encode()), "control-characters").places[0]
    assert (place.line, place.column) == (3, 3)


def test_a_fault_far_into_a_large_file_has_its_line(here: Path) -> None:
    text = prose(lines=12_000)  # more than two blocks
    cut = text.index("\n", 1_500_000) + 1
    findings = found(text[:cut] + "here \u200b\n" + text[cut:])
    place = one(findings, "control-characters").places[0]
    assert (place.line, place.column) == (text.count("\n", 0, cut) + 1, 6)


def test_heads_of_left_and_right_pages_are_found(here: Path) -> None:
    lines = prose().split("\n")
    number_both_heads(lines)
    finding = one(found("\n".join(lines)), "repeated-lines")
    assert finding.message == (
        "19 lines are heads of pages with the number of the page, most often 'The river' (10 times)"
    )


def test_titles_with_numbers_are_no_heads(here: Path) -> None:
    lines = prose().split("\n")
    for sonnet in range(1, 20):
        lines[40 * sonnet : 40 * sonnet] = [f"Sonnet {sonnet}", ""]
    assert found("\n".join(lines)) == []


def test_indented_heads_are_found(here: Path) -> None:
    lines = prose().split("\n")
    for page in range(1, 20):
        lines.insert(41 * page, f"   {page}   THE OLD MAN  ")
    assert one(found("\n".join(lines)), "repeated-lines").count == 19


def verse(words: int) -> str:
    rng = random.Random(0)
    return "\n".join(" ".join(rng.choices(WORDS, k=words)) for _ in range(600))


@pytest.mark.parametrize(
    "text",
    [
        verse(8),  # lines of 30 to 50 characters
        "\n".join(f"{n % 97:04d} 12.5 {n % 89:05d} 17.25 {n % 83:06d} abcdef ghijkl" for n in range(600)),
        prose(lines=200),
        "\n".join("C1(N)" * (n % 12 + 3) for n in range(600)),
        "\n".join(f"    value_{n} = compute({'x' * (n % 40)}, {n % 7})" for n in range(600)),
    ],
)  # fmt: skip
def test_lines_that_are_not_wrapped_are_no_finding(text: str, here: Path) -> None:
    assert "wrapped-lines" not in {finding.kind for finding in found(text)}


# --- bytes ---


def test_the_likely_encodings_are_shown_with_a_line(here: Path) -> None:
    text = "Der Junge trug Käse über die Brücke, und der Müller öffnete die Tür.\n" + prose()
    finding = one(found(text.encode("cp1252")), "encoding")
    assert finding.fix == "--encoding cp1252"
    assert (
        "it may be cp1252 ('Der Junge trug Käse über die Brücke, und der Mülle')" in finding.message
    )
    assert (str(finding.places[0]), finding.places[0].text) == ("a.txt:1:17", "e4")
    assert finding.count == 6


def test_invalid_bytes_in_utf8_are_named(here: Path) -> None:
    text = "Der Junge trug Käse über die Brücke.\n".encode() * 20
    finding = one(found(text + b"a \xff b\n" + text), "encoding")
    assert (finding.count, finding.fix) == (1, "--encoding-errors replace")
    assert str(finding.places[0]) == "a.txt:21:3"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_wide_encodings_without_a_mark_are_recognized(encoding: str, here: Path) -> None:
    finding = one(found(prose().encode(encoding)), "encoding")
    assert finding.fix == f"--encoding {encoding}"


def test_a_given_encoding_is_used(here: Path) -> None:
    data = "Брюки, ночь, улица, фонарь.\n".encode("cp1251") * 9
    assert "encoding" in {finding.kind for finding in found(data)}
    assert "encoding" not in {finding.kind for finding in found(data, encoding="cp1251")}
    assert one(found(data, encoding="ascii"), "encoding").count == 9 * 20
    with pytest.raises(ConfigError, match="`encoding` must be a text encoding"):
        inspect("a.txt", encoding="klingon")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\r\nb\n", "a.txt mixes line ends: 1 CRLF, 1 LF"),
        ("a\rb\rc", "the lines of a.txt end with CR, as on old Macs"),
    ],
)
def test_line_ends_are_reported_if_they_are_mixed_or_old(
    text: str, message: str, here: Path
) -> None:
    finding = one(found(text), "line-ends")
    assert (finding.message, finding.fix) == (message, "--newlines lf")


def test_a_byte_order_mark_is_a_small_finding(here: Path) -> None:
    assert one(found(b"\xef\xbb\xbf" + prose().encode()), "bom").fix == "--fix bom"


# --- what a file looks like ---


ROWS = [(number, f'a poem, the {number}th; it\'s "short"') for number in range(30)]


@pytest.mark.parametrize(
    ("name", "text", "kind", "fix"),
    [
        ("a.txt", "".join(f"{word}{n}\n" for n in range(40) for word in WORDS[:9]), "list", "--records"),
        ("a.csv", "id,text\n" + "".join(f'{n},"{text}"\n' for n, text in ROWS).replace('"short"', "short"), "columns", "--column text"),
        ("a.tsv", "id\tbody\n" + "".join(f"{n}\t{text}\n" for n, text in ROWS), "columns", "--column body"),
        ("a.jsonl", "".join(f'{{"id": {n}, "poem": "a poem {n}"}}\n' for n, _ in ROWS), "columns", "--column poem"),
        ("a.html", "<!DOCTYPE html><body>" + "<p>Hello &amp; goodbye</p>\n" * 20, "markup", "--fix markup"),
        ("a.xml", "<?xml version='1.0'?><a>" + "<b>Hello</b>\n" * 20 + "</a>", "markup", "--fix markup"),
        ("a.pdf", "%PDF-1.4 and so on", "not-text", "pdftotext a.pdf a.txt"),
    ],
)  # fmt: skip
def test_files_that_are_no_plain_text_are_recognized(
    name: str, text: str, kind: str, fix: str, here: Path
) -> None:
    findings = found(text, name)
    assert [(finding.kind, finding.fix) for finding in findings] == [(kind, fix)]


# --- files ---


def test_several_files_are_one_text(here: Path) -> None:
    lines = prose().split("\n")
    Path("a.txt").write_text("\n".join(lines))
    Path("b.txt").write_text(prose(seed=1) + "\n".join(lines[100:140]) + "\n")
    inspection = inspect(["a.txt", "b.txt"])
    assert inspection.files == ("a.txt", "b.txt")
    finding = next(each for each in inspection.findings if "twice" in each.message)
    assert finding.places[0].file == "b.txt"
    assert "is in a.txt:" in finding.message


def test_directories_and_compressed_files_are_read(here: Path) -> None:
    Path("texts").mkdir()
    Path("texts/a.txt").write_text("one \u200b\n" + prose())
    Path("b.gz").write_bytes(gzip.compress(("two \u200b\n" + prose(seed=1)).encode()))
    assert one(list(inspect(["texts", "b.gz"]).findings), "control-characters").count == 2


def test_findings_are_sorted_by_severity(here: Path) -> None:
    lines = prose().split("\n")
    for change, *_ in FAULTS.values():
        change(lines)
    severities = [KINDS.index(finding.kind) for finding in found("\n".join(lines))]
    assert severities == sorted(severities)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "there is no text in a.txt; give another file"),
        (bytes(range(32)) * 50, "a.txt is not plain text: many of its bytes are not characters in any encoding; give a text file"),
    ],
)  # fmt: skip
def test_a_file_without_text_is_an_error(data: bytes, message: str, here: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        found(data)
    assert str(caught.value) == message


def test_a_missing_file_is_an_error(here: Path) -> None:
    with pytest.raises(CorpusError, match=r"there is no file none.txt"):
        inspect("none.txt")


def test_each_byte_read_is_progress(here: Path) -> None:
    data = prose().encode()
    Path("a.txt").write_bytes(data)
    read: list[int] = []
    inspect("a.txt", on_progress=read.append)
    assert sum(read) == len(data)


# --- a first look ---


def test_the_first_look_leaves_out_what_reading_reports(here: Path) -> None:
    text = "\ufeffone\r\ntwo \u200b three\n" + prose()
    Path("a.txt").write_text(text, newline="")
    assert [finding.kind for finding in first_look(["a.txt"], DataConfig())] == [
        "control-characters"
    ]
    assert first_look(["a.txt"], DataConfig(unit="byte")) == []
    assert first_look(["none.txt"], DataConfig()) == []


def test_the_first_look_respects_what_is_chosen(here: Path) -> None:
    lines = prose().split("\n")
    repeat_lines(lines)
    composed_and_not(lines)
    Path("a.txt").write_text("\n".join(lines))
    kinds = [finding.kind for finding in first_look(["a.txt"], DataConfig())]
    assert kinds == ["normalization", "repeated-lines"]
    chosen = DataConfig(normalize="nfc", separator="\n")
    assert first_look(["a.txt"], chosen) == []


@pytest.mark.campaign
def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    """A gigabyte in less than 500 MB."""
    path = tmp_path / "large.txt"
    with path.open("w") as file:
        for seed in range(600):
            file.write(prose(lines=12_000, seed=seed))
    script = (
        "import resource, sys; from charrnn.doctor.inspection import inspect; inspect(sys.argv[1]); "
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    ran = subprocess.run([sys.executable, "-c", script, path], capture_output=True, check=True)
    assert path.stat().st_size > 1e9
    assert int(ran.stdout) < 500_000


# --- texts that look faulty, and faults that are easily missed ---


@pytest.mark.parametrize(
    "text",
    [
        prose() + "*** End of Book One ***\n" + prose(seed=1),
        prose() + "He spoke of Project Gutenberg and Creative Commons.\n",
        prose()
        + "CAF\u00c9\u00bb CAF\u00c9\u201d CAF\u00c9\u2026 \u00c9COLE \u00c9T\u00c9 " * 20
        + "\n",
        prose("Devanagari") + "\u095c\u0947 \u0958\u0932\u092e " * 20 + "\n",
        prose() + "k\u03a9 \u00b5m M\u03a9 " * 20 + "\n",
    ],
    ids=["ends of parts", "mentions", "capitals before quotes", "exclusions", "units"],
)
def test_what_only_looks_like_a_fault_is_not_found(text: str, here: Path) -> None:
    assert found(text) == []


def test_numbers_are_no_page_numbers(here: Path) -> None:
    numbers = "".join(f"{number % 9973}\n" for number in range(40_000))
    kinds = {finding.kind for finding in found(numbers)}
    assert "repeated-lines" not in kinds


def test_page_numbers_may_skip_and_begin_again(here: Path) -> None:
    lines = prose().split("\n")
    for place, page in enumerate([1, 2, 3, 5, 6, 7, 8, 9, 1, 2, 3, 4, 6, 7, 8, 9], 1):
        lines.insert(41 * place, f"{page}")
    assert one(found("\n".join(lines)), "repeated-lines").count == 16


def test_a_text_that_is_there_twice_is_in_both_parts(here: Path) -> None:
    messages = [finding.message for finding in found(prose() * 2)]
    assert any(re.match("(9[0-9]|100)% of the last tenth", message) for message in messages)


def test_utf16_with_a_mark_needs_its_encoding(here: Path) -> None:
    finding = one(found(prose().encode("utf-16")), "encoding")
    assert finding.fix == "--encoding utf-16"


def test_utf16_without_the_mark_that_it_needs_is_an_error(here: Path) -> None:
    with pytest.raises(CorpusError, match="does not begin with a byte order mark"):
        found(prose().encode("utf-16-le"), encoding="UTF-16")
    assert found(prose().encode("utf-16-le"), encoding="UTF_16LE") == []


def test_a_file_that_is_cut_in_a_character_is_utf8(here: Path) -> None:
    text = prose("Cyrillic").encode()
    finding = one(found(text + "\u044f".encode()[:1]), "encoding")
    assert finding.fix == "--encoding-errors replace"
    line = text.count(b"\n") + 1
    assert str(finding.places[0]) == f"a.txt:{line}:1"


@pytest.mark.parametrize("shift", range(3))
def test_large_files_in_east_asian_encodings_are_recognized(shift: int, here: Path) -> None:
    text = "x" * shift + prose("Japanese", lines=2_000)
    finding = one(found(text.encode("shift_jis")), "encoding")
    assert finding.fix == "--encoding shift_jis"


def test_invalid_bytes_in_a_later_block_have_their_place(here: Path) -> None:
    text = prose(lines=8_000).encode()
    assert len(text) > 1 << 20
    finding = one(found(text + b"ab \xff c\n"), "encoding")
    assert str(finding.places[0]) == f"a.txt:{text.count(10) + 1}:4"
    assert finding.count == 1


def test_the_first_look_at_a_large_text_ends_anywhere(here: Path) -> None:
    text = "\u200b" * 10 + prose("Cyrillic", lines=8_000)
    for shift in range(2):
        Path("a.txt").write_text("x" * shift + text)
        kinds = [finding.kind for finding in first_look(["a.txt"], DataConfig())]
        assert kinds == ["control-characters"]


def test_the_first_look_says_nothing_about_a_file_that_is_refused(here: Path) -> None:
    Path("a.txt").write_bytes(prose().encode("utf-16-le") + b"\x00")
    assert first_look(["a.txt"], DataConfig(encoding="utf-16")) == []
    Path("b.txt").write_bytes(b"\xe9 \x00" + prose().encode())
    assert first_look(["b.txt"], DataConfig()) == []
    replaced = first_look(["b.txt"], DataConfig(encoding_errors="replace"))
    assert {finding.kind for finding in replaced} == {"control-characters"}


def test_places_are_cut(here: Path) -> None:
    finding = one(found("<p>" + "a" * 1000 + "\u200b" + "</p>\n" * 90), "control-characters")
    assert max(len(place.text) for place in finding.places) <= EXCERPT
