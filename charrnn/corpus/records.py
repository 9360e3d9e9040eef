"""Records: a text as items of their own, one after another, and which of them are held out. Knows nothing of ids."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from charrnn.errors import CorpusError

Text = TypeVar("Text", str, bytes)


class Split(NamedTuple):
    """Records to learn from, with those that stand there more than once as often as they do, and records held out, each once."""

    train: list[str] | list[bytes]
    val: list[str] | list[bytes]
    notices: list[str]


def split(text: Text, separator: str, val_fraction: float) -> Split:
    """A text as records; a random share of the distinct ones is held out, the same whatever their order in the text.

    Which ones hangs on each record alone: they are taken in the order of their hashes, so that a record that is held out stays so,
    but for a few, when others are added.

    Args:
        text: str, or bytes.
        separator: what stands between two records; an empty record is none. Beside a newline, the CR before it is left out.
        val_fraction: of the distinct records.

    Raises:
        CorpusError: there are not two distinct records.
    """
    items = _items(text, separator)
    kept = [item for item in items if item]
    distinct = list(dict.fromkeys(kept))
    if len(distinct) < 2:
        raise CorpusError(
            f"the corpus has {len(distinct)} distinct records between {separator!r}, at least 2 are needed; give another --separator"
        )
    count = min(max(1, round(len(distinct) * val_fraction)), len(distinct) - 1) if val_fraction else 0
    val = set(sorted(distinct, key=_hash)[:count])
    notices = []
    if empty := len(items) - len(kept):
        notices.append(f"{empty:,} empty records were left out")
    if repeated := len(kept) - len(distinct):
        notices.append(f"{repeated:,} of {len(kept):,} records stand there more than once; none of them is both learned from and held out")
    return Split([item for item in kept if item not in val], [item for item in distinct if item in val], notices)


def _items(text: Text, separator: str) -> list[Text]:
    mark = separator.encode() if isinstance(text, bytes) else separator
    items = text.split(mark)
    if separator == "\n":
        items = [item.removesuffix(b"\r" if isinstance(item, bytes) else "\r") for item in items]
    return items if items[-1] else items[:-1]  # what stands behind the last separator is no record


def _hash(item: str | bytes) -> bytes:
    data = item if isinstance(item, bytes) else item.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16).digest()


def joined(items: Iterable[str], end: str) -> str:
    """Records with an end behind each."""
    return "".join(item + end for item in items)
