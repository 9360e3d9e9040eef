"""Line endings and Unicode normalization of the texts of a corpus, block by block."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from charrnn.config.run_config import DataConfig

NORMAL_FORMS: dict[str, Literal["NFC", "NFKC"]] = {
    "nfc": "NFC",
    "nfkc": "NFKC",
}
LINE_ENDS = ("CRLF", "LF", "CR")
# Characters that never compose with the one before: below the combining marks, CJK punctuation and
# ideographs.
_NEVER_COMPOSES = re.compile("[\0-\u02ff\u3000-\u3029\u4e00-\u9fff]")


class Cleaner:
    """Converts texts to the configured line endings and normal form; reports mixed line endings.

    Args:
        config: ``newlines`` and ``normalize``.
        notices: a list to which sentences for the user are appended.
    """

    def __init__(self, config: DataConfig, notices: list[str]) -> None:
        self.config = config
        self.notices = notices
        self._line_ends = Counter[str]()  # of all texts, by kind
        self._is_mix_reported = False

    def clean(self, texts: Iterable[str], name: str) -> Iterator[str]:
        """The blocks of one text, cleaned; ``name`` is its name in a notice."""
        line_ends = Counter[str]()
        texts = self._with_line_ends(texts, line_ends)
        if self.config.normalize is not None:
            texts = _normalized(texts, NORMAL_FORMS[self.config.normalize])
        yield from texts
        self._report_mix(line_ends, name)
        self._line_ends.update(line_ends)

    def add_newline(self) -> str:
        """A newline to insert between two texts, counted like their own."""
        self._line_ends["LF"] += 1
        return "\n"

    def finish(self) -> None:
        """Report texts whose line endings are consistent in each, but differ between them."""
        if not self._is_mix_reported:
            self._report_mix(self._line_ends, "the corpus")

    def _with_line_ends(self, texts: Iterable[str], counts: Counter[str]) -> Iterator[str]:
        """Count the line endings, and convert them to LF if configured."""
        for text in _uncut_line_ends(texts):
            count_line_ends(text, counts)
            yield with_lf(text) if self.config.newlines == "lf" else text

    def _report_mix(self, counts: Counter[str], name: str) -> None:
        if self.config.newlines == "lf":
            return
        kinds = [kind for kind in LINE_ENDS if counts[kind]]
        if len(kinds) < 2:
            return
        self._is_mix_reported = True
        listed = ", ".join(f"{counts[kind]:,} {kind}" for kind in kinds)
        self.notices.append(
            f"{name} mixes line endings ({listed}), which were kept; "
            '`newlines="lf"` converts all to LF'
        )


def count_line_ends(text: str, counts: Counter[str]) -> None:
    """Add the line endings of a text, by kind; it must not be cut between a CR and an LF."""
    num_crlf = text.count("\r\n")
    counts["CRLF"] += num_crlf
    counts["LF"] += text.count("\n") - num_crlf
    counts["CR"] += text.count("\r") - num_crlf


def with_lf(text: str) -> str:
    """A text in which every line ends with LF."""
    if "\r" not in text:
        return text
    return re.sub("\r\n?", "\n", text)


def _uncut_line_ends(texts: Iterable[str]) -> Iterator[str]:
    """The same text in blocks, none of which ends between a CR and an LF."""
    held_back = ""
    for text in texts:
        text = held_back + text
        held_back = ""
        if text.endswith("\r"):
            text = text[:-1]
            held_back = "\r"
        yield text
    yield held_back


def _normalized(texts: Iterable[str], form: Literal["NFC", "NFKC"]) -> Iterator[str]:
    """Normalize a text; the end of a block that may compose with the next one is held back."""
    held_back = ""
    for text in texts:
        text = held_back + text
        cut = _last_boundary(text)
        held_back = text[cut:]
        yield unicodedata.normalize(form, text[:cut])
    yield unicodedata.normalize(form, held_back)


def _last_boundary(text: str) -> int:
    """The last place in a text across which nothing composes; 0 if there is none."""
    for place in range(len(text) - 1, 0, -1):
        if _NEVER_COMPOSES.match(text, place):
            return place
    return 0
