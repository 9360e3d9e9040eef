"""The characters of a text that are left out, because a model does not know them."""

from collections import Counter
from dataclasses import dataclass

from charrnn.corpus.separators import items
from charrnn.vocab import Vocabulary, describe

MOST_FREQUENT = 10  # skipped characters that are listed


@dataclass(frozen=True)
class Skipped:
    """The characters of a file that were left out, because the model does not know them.

    Args:
        characters: their number.
        share: the same, as a share of the file's characters, without separators of records.
        records: the number of records of which nothing was left, and which were left out, too.
        most_frequent: the most frequent of them, each with its count; at most MOST_FREQUENT.
    """

    characters: int = 0
    share: float = 0.0
    records: int = 0
    most_frequent: tuple[tuple[str, int], ...] = ()

    def described(self, most: int) -> list[tuple[str, int]]:
        """The most frequent characters with code point and name, each with its count."""
        return [(describe(char), count) for char, count in self.most_frequent[:most]]


def skipped_characters(
    vocabulary: Vocabulary,
    text: str | bytes,
    separator: str | None,
) -> Skipped:
    """What ``known_items`` leaves out of a text."""
    if vocabulary.unit == "byte" or isinstance(text, bytes):
        return Skipped()
    known = {*vocabulary.symbols, *(char for char, _ in vocabulary.replaced)}
    counts: Counter[str] = Counter()
    num_characters = 0
    num_records = 0
    for _, item in items(text, separator):
        assert isinstance(item, str)
        num_characters += len(item)
        distinct = set(item)
        if distinct <= known:
            continue
        counts.update(item)
        if distinct.isdisjoint(known):
            num_records += 1
    unknown = Counter({char: count for char, count in counts.items() if char not in known})
    return Skipped(
        characters=unknown.total(),
        share=unknown.total() / max(1, num_characters),
        records=num_records,
        most_frequent=tuple(unknown.most_common(MOST_FREQUENT)),
    )
