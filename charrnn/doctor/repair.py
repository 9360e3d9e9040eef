"""Repairs what an inspection found, and writes the files of a corpus as one."""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from charrnn.doctor.inspection import Examination
from charrnn.doctor.letters import without_misread, without_mixed_words
from charrnn.doctor.lines import HYPHEN, LICENCE, LONG_LINE, Lines, hashes_of_lines
from charrnn.doctor.shape import TAG
from charrnn.doctor.source import Block, OnProgress, Source

# What each repair changes, in one word for one and several. The first three are always made.
REPAIRS = {
    "bom": ("byte order mark", "byte order marks"),
    "line-ends": ("line end", "line ends"),
    "encoding": ("character", "characters"),
    "control-characters": ("character", "characters"),
    "normalization": ("letter", "letters"),
    "mixed-script": ("word", "words"),
    "rare-characters": ("character", "characters"),
    "markup": ("tag", "tags"),
    "hyphenation": ("word", "words"),
    "repeated-lines": ("line", "lines"),
    "duplicates": ("line", "lines"),
}
_REMOVED = re.compile(r"\n{3,}")

Change = tuple[str, int]  # a text, and the number of changes made to it


class Repair:
    """Some repairs of a corpus, and how many changes each has made.

    Args:
        sources: the files.
        fixes: the kinds of findings to repair.
        on_progress: called with the number of bytes of each block read; the files are read twice.

    Attributes:
        changes: by kind; complete after the last block.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        fixes: Iterable[str],
        on_progress: OnProgress,
    ) -> None:
        self.sources = [source for source in sources if source.is_text]
        self.fixes = set(fixes)
        self.on_progress = on_progress
        self.changes = Counter[str]()
        self.steps = dict[str, Callable[[str], Change]]()
        self._seen = set[int]()
        self._heads = set[int]()
        self._pages = set[tuple[str, int]]()
        if self.fixes & {"control-characters", "rare-characters", "repeated-lines"}:
            self._examine()
        for kind, step in {
            "encoding": without_misread,
            "normalization": _normalized,
            "mixed-script": without_mixed_words,
            "markup": _without_tags,
        }.items():
            if kind in self.fixes:
                self.steps[kind] = step

    def blocks(self) -> Iterator[str]:
        """The repaired text, block by block, with LF line ends."""
        texts = map(self._changed, self._kept_blocks())
        if "hyphenation" in self.fixes:
            return self._with_whole_words(texts)
        return texts

    def _examine(self) -> None:
        """Read the files once for what must be known of all of them."""
        examination = Examination()
        for source in self.sources:
            examination.read(source, self.on_progress)
        characters = examination.characters
        if "control-characters" in self.fixes:
            removed = dict.fromkeys(characters.removable(), "")
            self.steps["control-characters"] = lambda text: _translated(text, removed)
        if "rare-characters" in self.fixes:
            nearest = characters.nearest_of_rare()
            self.steps["rare-characters"] = lambda text: _translated(text, nearest)
        if "repeated-lines" in self.fixes:
            self._remember(examination.lines)

    def _remember(self, lines: Lines) -> None:
        heads, _ = lines.repeated()
        self._heads = {head.hash for head in heads}
        self._pages = {(page.place.file, page.place.line) for page in lines.pages()}

    def _kept_blocks(self) -> Iterator[Block]:
        """The blocks without the lines that are left out."""
        for source in self.sources:
            skips = "repeated-lines" in self.fixes and self._has_start(source)
            for block in source.blocks(self.on_progress):
                kept, skips = self._kept(block, skips)
                yield block._replace(text=kept)
            mark = source.head.startswith(b"\xef\xbb\xbf")
            self.changes["bom"] += mark
            self.changes["line-ends"] += source.line_ends["CRLF"] + source.line_ends["CR"]

    def _has_start(self, source: Source) -> bool:
        """Whether a line says where a book begins, after a licence."""
        head = source.head.decode(source.encoding, "replace")
        return bool(re.search(r"^\*\*\* ?start of", head, re.MULTILINE | re.IGNORECASE))

    def _kept(self, block: Block, skips: bool) -> tuple[str, bool]:
        """A block without the lines that are left out, and whether the next ones are, too."""
        if not self.fixes & {"repeated-lines", "duplicates"}:
            return block.text, False
        starts, ends, hashes = hashes_of_lines(block)
        kept = []
        lines = zip(starts.tolist(), ends.tolist(), hashes.tolist(), strict=True)
        for number, (start, end, line_hash) in enumerate(lines, block.line):
            line = block.text[start : end + 1]
            if skips or self._is_boilerplate(line, line_hash, block.file, number):
                self.changes["repeated-lines"] += 1
                if LICENCE.match(line):
                    skips = self._is_end(line, skips)
                continue
            if "duplicates" in self.fixes and end - start >= LONG_LINE:
                if line_hash in self._seen:
                    self.changes["duplicates"] += 1
                    continue
                self._seen.add(line_hash)
            kept.append(line)
        return "".join(kept), skips

    def _is_boilerplate(self, line: str, line_hash: int, file: str, number: int) -> bool:
        """Whether a line is no part of the text itself."""
        if "repeated-lines" not in self.fixes:
            return False
        is_page = (file, number) in self._pages
        return is_page or line_hash in self._heads or bool(LICENCE.match(line))

    def _is_end(self, line: str, skips: bool) -> bool:
        """Whether the lines after one that belongs to a licence are left out."""
        if re.match(r"\*\*\* ?start of", line, re.IGNORECASE):
            return False
        if re.match(r"\*\*\* ?end of", line, re.IGNORECASE):
            return True
        return skips

    def _changed(self, block: Block) -> str:
        text = block.text
        for kind, step in self.steps.items():
            text, number = step(text)
            self.changes[kind] += number
        return text

    def _with_whole_words(self, texts: Iterable[str]) -> Iterator[str]:
        """The same text, in which no word is divided at the end of a line."""
        held_back = ""  # the last line, whose word may go on in the next block
        for text in texts:
            joined, number = HYPHEN.subn("", held_back + text)
            self.changes["hyphenation"] += number
            cut = joined.rfind("\n", 0, max(0, len(joined) - 1)) + 1
            held_back = joined[cut:]
            yield joined[:cut]
        yield held_back


def _normalized(text: str) -> Change:
    composed = unicodedata.normalize("NFC", text)
    return composed, len(text) - len(composed)


def _without_tags(text: str) -> Change:
    """A text without tags, and with characters in place of entities, such as &amp;."""
    plain, number = TAG.subn("", text)
    plain = html.unescape(plain)
    return _REMOVED.sub("\n\n", plain), number


def _translated(text: str, table: dict[int, str]) -> Change:
    number = sum(text.count(chr(code)) for code in table)
    return text.translate(table), number
