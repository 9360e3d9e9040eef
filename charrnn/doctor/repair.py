"""Repairs what an inspection found, and writes the files of a corpus as one."""

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from charrnn.doctor.characters import Characters
from charrnn.doctor.letters import (
    Letters,
    num_composed,
    without_misread,
    without_mixed_words,
)
from charrnn.doctor.lines import HYPHEN, LICENCE, LONG_LINE, MOST_LINES, Lines, hashes_of_lines
from charrnn.doctor.shape import TAG
from charrnn.doctor.source import Block, OnProgress, Source
from charrnn.doctor.wrapping import Wrapped, join_lines

# What each repair changes, in a word for one and for several. Byte order marks and line ends are
# repaired in any case.
REPAIRS = {
    "bom": ("byte order mark", "byte order marks"),
    "line-ends": ("line end", "line ends"),
    "encoding": ("character", "characters"),
    "markup": ("tag", "tags"),
    "normalization": ("letter", "letters"),
    "mixed-script": ("word", "words"),
    "control-characters": ("character", "characters"),
    "rare-characters": ("character", "characters"),
    "hyphenation": ("word", "words"),
    "wrapped-lines": ("line", "lines"),
    "repeated-lines": ("line", "lines"),
    "duplicates": ("line", "lines"),
}
# Repairs that need to know the whole text.
OF_THE_WHOLE = {
    "encoding",
    "control-characters",
    "rare-characters",
    "repeated-lines",
    "wrapped-lines",
}
_SCRIPT = re.compile(r"<(script|style)\b.{0,100000}?</\1>", re.IGNORECASE | re.DOTALL)
_EMPTY_LINES = re.compile(r"\n{3,}")
HEAD_OF_LICENCE = 1 << 16  # characters before which a book begins, after a licence

Change = tuple[str, int]  # a text, and the number of changes made to it
Step = Callable[[str], Change]


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
        self.steps: dict[str, Step] = {}  # in the order in which they are made
        self._seen: set[int] = set()  # hashes of long lines
        self._heads: set[int] = set()
        self._pages: set[tuple[str, int]] = set()
        self._wrapped: Wrapped | None = None
        if self.fixes & OF_THE_WHOLE:
            self._examine()
        else:
            self._add_steps(None, None)

    def blocks(self) -> Iterator[str]:
        """The repaired text, block by block, with LF line ends."""
        texts: Iterator[str] = map(self._changed, self._kept_blocks())
        if "hyphenation" in self.fixes:
            texts = self._with_whole_words(texts)
        if self._wrapped is not None:
            texts = self._with_long_lines(texts, self._wrapped.width)
        return texts

    def _examine(self) -> None:
        """Read the files once for what must be known of all of them."""
        characters = Characters()
        letters = Letters(characters)
        lines = Lines()
        for block in self._read():
            characters.read(block)
            letters.read(block)
            lines.read(block)
        self._add_steps(letters, None)
        if self.fixes & {"control-characters", "rare-characters"}:
            # of the text after the other repairs, in which some of them are gone
            characters = Characters()
            for block in self._read():
                text, _ = self._repaired(block.text)
                characters.read(block._replace(text=text))
            self._add_steps(letters, characters)
        if "repeated-lines" in self.fixes:
            self._heads = {head.hash for head in lines.repeats().heads}
            pages = lines.pages()
            for _, numbers in lines.numbered_heads():
                pages += numbers
            self._pages = {(page.place.file, page.place.line) for page in pages}
        if "wrapped-lines" in self.fixes:
            self._wrapped = lines.wrapped()

    def _read(self) -> Iterator[Block]:
        for source in self.sources:
            yield from source.blocks(self.on_progress)

    def _add_steps(self, letters: Letters | None, characters: Characters | None) -> None:
        """The repairs of a block of text, in the order of REPAIRS, as far as enough is known."""
        steps: dict[str, Step] = {
            "markup": _without_tags,
            "normalization": _normalized,
            "mixed-script": without_mixed_words,
        }
        if letters is not None:
            leads = letters.misread_leads()
            steps["encoding"] = lambda text: without_misread(text, leads)
        if characters is not None:
            removed = dict.fromkeys(characters.removable(), "")
            steps["control-characters"] = lambda text: _translated(text, removed)
            nearest = characters.replacements()
            steps["rare-characters"] = lambda text: _translated(text, nearest)
        self.steps = {kind: steps[kind] for kind in REPAIRS if kind in self.fixes & steps.keys()}

    def _repaired(self, text: str) -> tuple[str, Counter[str]]:
        """A text after all steps, and the number of changes of each."""
        changes = Counter[str]()
        for kind, step in self.steps.items():
            text, number = step(text)
            changes[kind] += number
        return text, changes

    def _changed(self, block: Block) -> str:
        text, changes = self._repaired(block.text)
        self.changes += changes
        return text

    def _kept_blocks(self) -> Iterator[Block]:
        """The blocks without the lines that are left out; each file ends with a newline."""
        for number, source in enumerate(self.sources, 1):
            is_outside = "repeated-lines" in self.fixes and _has_licence(source)
            last = "\n"
            for block in source.blocks(self.on_progress):
                kept, is_outside = self._kept(block, is_outside)
                last = (last + kept)[-1]
                yield block._replace(text=kept)
            if last != "\n" and number < len(self.sources):
                yield Block(source.path, "\n", 0, 1, 1)
            self.changes["bom"] += source.head.startswith(b"\xef\xbb\xbf")
            self.changes["line-ends"] += source.line_ends["CRLF"] + source.line_ends["CR"]

    def _kept(self, block: Block, is_outside: bool) -> tuple[str, bool]:
        """A block without the lines that are left out, and whether its end is outside of the book.

        Args:
            block: of a file.
            is_outside: whether its beginning is, in the licence around the book.
        """
        if not self.fixes & {"repeated-lines", "duplicates"}:
            return block.text, False
        starts, ends, hashes = hashes_of_lines(block)
        kept = []
        lines = zip(starts.tolist(), ends.tolist(), hashes.tolist(), strict=True)
        for number, (start, end, line_hash) in enumerate(lines, block.line):
            line = block.text[start : end + 1]
            mark = LICENCE.match(line) if "repeated-lines" in self.fixes else None
            if mark is not None:
                is_outside = mark[1].lower() == "end"
            is_page = (block.file, number) in self._pages
            if mark is not None or is_outside or is_page or line_hash in self._heads:
                self.changes["repeated-lines"] += 1
            elif self._is_repeated(line_hash, end - start):
                self.changes["duplicates"] += 1
            else:
                kept.append(line)
        return "".join(kept), is_outside

    def _is_repeated(self, line_hash: int, length: int) -> bool:
        """Whether a long line occurred before; it is remembered."""
        if "duplicates" not in self.fixes or length < LONG_LINE:
            return False
        if line_hash in self._seen:
            return True
        if len(self._seen) < MOST_LINES:
            self._seen.add(line_hash)
        return False

    def _with_whole_words(self, texts: Iterable[str]) -> Iterator[str]:
        """The same text, in which no word is hyphenated at the end of a line."""
        held_back = ""  # the end, where a word may continue in the next block
        for text in texts:
            joined, number = HYPHEN.subn("", held_back + text)
            self.changes["hyphenation"] += number
            held_back = joined[-3:]
            yield joined[:-3]
        yield held_back

    def _with_long_lines(self, texts: Iterable[str], width: int) -> Iterator[str]:
        """The same text, in which a paragraph is one line."""
        for text, number in join_lines(texts, width):
            self.changes["wrapped-lines"] += number
            yield text


def _has_licence(source: Source) -> bool:
    """Whether a line says where a book begins, after a licence."""
    head = source.head.decode(source.encoding, "replace")
    mark = LICENCE.search(head[:HEAD_OF_LICENCE])
    return mark is not None and mark[1].lower() == "start"


def _normalized(text: str) -> Change:
    if unicodedata.is_normalized("NFC", text):
        return text, 0
    composed = unicodedata.normalize("NFC", text)
    return composed, num_composed(text, composed)


def _without_tags(text: str) -> Change:
    """A text without tags, and with characters in place of entities, such as &amp;."""
    text, num_scripts = _SCRIPT.subn("", text)
    plain, number = TAG.subn("", text)
    plain = html.unescape(plain)
    return _EMPTY_LINES.sub("\n\n", plain), num_scripts + number


def _translated(text: str, table: dict[int, str]) -> Change:
    number = sum(text.count(chr(code)) for code in table)
    return text.translate(table), number
