"""Explanation: the probability of each character of a text, and the likeliest other ones."""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.config.arguments import ignore, short_repr
from charrnn.corpus.records import KnownItem
from charrnn.generation.network import Network
from charrnn.generation.sampling import log_probabilities
from charrnn.generation.text_kinds import whole_ids
from charrnn.vocab import Vocabulary, utf8

ALTERNATIVES = 5
MOST_ROWS = 4096  # symbols that are looked at together
MOST_LOGITS = 1 << 20  # logits that are looked at together

Array = NDArray[Any]
OnProgress = Callable[[int], object]


class Character(NamedTuple):
    """A character of a text, as a model sees it.

    In a model of bytes, the rank, the entropy and the alternatives are those of its first byte.

    Args:
        character: or the separator after a record.
        log_probability: in nats, given everything before it.
        rank: 1 if no other symbol was likelier.
        entropy: of the prediction, in nats.
        alternatives: the likeliest symbols, each with its probability.
    """

    character: str
    log_probability: float
    rank: int
    entropy: float
    alternatives: tuple[tuple[str, float], ...]

    @property
    def bits(self) -> float:
        """How surprising the character is: the negative binary logarithm of its probability."""
        return -self.log_probability / math.log(2)


@dataclass(frozen=True, repr=False, eq=False)
class Explanation(Sequence[Character]):
    """The characters of a text, as a model sees them; a sequence of ``Character``.

    Args:
        characters: n of them; those that end a record are the separator.
        log_probabilities: (n,) in nats.
        ranks: (n,) from 1.
        entropies: (n,) of the predictions, in nats.
        likeliest: (n, k) ids of the likeliest symbols.
        probabilities: (n, k) of these.
        symbols: (V,) the text of each id.
        offsets: (n,) where the characters are in the text that was given.
    """

    characters: Sequence[str]
    log_probabilities: Array
    ranks: Array
    entropies: Array
    likeliest: Array
    probabilities: Array
    symbols: Sequence[str]
    offsets: Array

    def __len__(self) -> int:
        return len(self.characters)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._part(index)
        texts = [self.symbols[idx] for idx in self.likeliest[index].tolist()]
        probabilities = self.probabilities[index].tolist()
        return Character(
            character=self.characters[index],
            log_probability=float(self.log_probabilities[index]),
            rank=int(self.ranks[index]),
            entropy=float(self.entropies[index]),
            alternatives=tuple(zip(texts, probabilities, strict=True)),
        )

    def __repr__(self) -> str:
        return (
            f"Explanation({short_repr(self.text)}, {len(self):,} characters, "
            f"{self.bits_per_character:.3f} bits per character)"
        )

    def _repr_html_(self) -> str:
        """The text coloured by surprise, for a notebook."""
        from charrnn.surprise.surprise_map import notebook_map

        return notebook_map(self)

    @property
    def text(self) -> str:
        """The text, in which each record is followed by the separator."""
        return "".join(self.characters)

    @property
    def bits(self) -> Array:
        """(n,) how surprising each character is, in bits."""
        return -self.log_probabilities / math.log(2)

    @property
    def nats_per_character(self) -> float:
        """The loss: the mean negative log-probability."""
        return -float(np.mean(self.log_probabilities))

    @property
    def bits_per_character(self) -> float:
        return self.nats_per_character / math.log(2)

    def most_surprising(self, count: int) -> list[int]:
        """The places of the least likely characters, the most surprising first."""
        order = np.argsort(self.log_probabilities, kind="stable")
        places: list[int] = order[:count].tolist()
        return places

    def _part(self, part: slice) -> "Explanation":
        return Explanation(
            self.characters[part],
            self.log_probabilities[part],
            self.ranks[part],
            self.entropies[part],
            self.likeliest[part],
            self.probabilities[part],
            self.symbols,
            self.offsets[part],
        )


def explain(
    network: Network,
    vocabulary: Vocabulary,
    prime: int,
    items: Sequence[KnownItem],
    *,
    separator: str = "\n",
    alternatives: int = ALTERNATIVES,
    on_progress: OnProgress = ignore,
) -> Explanation:
    """Read a text, and note what the network expected at each place.

    Args:
        network: predicts; its counts stay fixed.
        vocabulary: knows every character.
        prime: id of the symbol that is read first.
        items: the text, or several records, each of which is read on its own.
        separator: how the end of a record is shown.
        alternatives: the number of likely symbols to keep for each place.
        on_progress: called with numbers of characters that were read.
    """
    steps = explain_in_steps(
        network,
        vocabulary,
        prime,
        items,
        separator=separator,
        alternatives=alternatives,
        on_progress=on_progress,
    )
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            explanation: Explanation = finished.value
            return explanation


def explain_in_steps(
    network: Network,
    vocabulary: Vocabulary,
    prime: int | None,
    items: Sequence[KnownItem],
    *,
    separator: str,
    alternatives: int,
    on_progress: OnProgress = ignore,
    most_rows: int = MOST_ROWS,
) -> Generator[None, None, Explanation]:
    """Like ``explain``, but yields after each part of at most ``most_rows`` symbols.

    If ``prime`` is None, the first symbol of an item is read without being predicted, and counts as
    equally likely as any other.
    """
    symbols = _texts_of(vocabulary, separator)
    count = min(alternatives, len(symbols))
    rows_together = min(most_rows, max(1, MOST_LOGITS // len(symbols)))
    parts: list[tuple[Array, ...]] = []
    logits: list[Array] = []
    targets: list[int] = []
    for logits_of_one, idx in _predictions(network, vocabulary, prime, items):
        logits.append(logits_of_one)
        targets.append(idx)
        if len(targets) == rows_together:
            parts.append(_examined(np.stack(logits), np.array(targets), count))
            on_progress(len(targets))
            yield None
            logits = []
            targets = []
    if targets:
        parts.append(_examined(np.stack(logits), np.array(targets), count))
        on_progress(len(targets))
        yield None
    fields = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    log_probs, ranks, entropies, likeliest, probs = fields
    characters, offsets = _characters(vocabulary, items, separator)
    if vocabulary.unit == "byte":
        starts = _starts(characters, separator if vocabulary.records else None)
        log_probs = np.add.reduceat(log_probs, starts)
        ranks = ranks[starts]
        entropies = entropies[starts]
        likeliest = likeliest[starts]
        probs = probs[starts]
    return Explanation(
        characters, log_probs, ranks, entropies, likeliest, probs, symbols, np.array(offsets)
    )


def _predictions(
    network: Network,
    vocabulary: Vocabulary,
    prime: int | None,
    items: Sequence[KnownItem],
) -> Iterator[tuple[Array, int]]:
    """The logits (V,) before each symbol, and its id."""
    for item in items:
        state = network.zero_state()
        last = prime
        for idx in whole_ids(vocabulary, item.text):
            if last is None:
                logits = np.zeros(network.vocab_size, np.float32)
            else:
                logits, state = network.step(last, state)
            yield logits, idx
            last = idx


def _examined(logits: Array, targets: Array, count: int) -> tuple[Array, ...]:
    """The fields of an Explanation for n symbols.

    Args:
        logits: (n, V) before them.
        targets: (n,) their ids.
        count: of the likeliest symbols.
    """
    log_probs = log_probabilities(logits.astype(np.float64))  # (n, V)
    rows = np.arange(len(targets))
    of_targets = log_probs[rows, targets]
    ranks = 1 + (log_probs > of_targets[:, None]).sum(axis=1)
    probs = np.exp(log_probs)
    terms = probs * np.where(probs > 0, log_probs, 0.0)
    order = np.argsort(-log_probs, axis=1, kind="stable")[:, :count]  # (n, k)
    return (
        of_targets,
        ranks.astype(np.int32),
        -terms.sum(axis=1),
        order.astype(np.int32),
        np.take_along_axis(probs, order, axis=1),
    )


def _texts_of(vocabulary: Vocabulary, separator: str) -> list[str]:
    """The text of each id: (V,)."""
    if vocabulary.unit == "byte":
        texts = [chr(value) if value < 128 else f"\\x{value:02x}" for value in range(256)]
    else:
        texts = list(vocabulary.symbols)
    if vocabulary.records:
        texts.append(separator)
    return texts


def _characters(
    vocabulary: Vocabulary,
    items: Sequence[KnownItem],
    separator: str,
) -> tuple[list[str], list[int]]:
    """The characters, with the ends of records, and where they are in the text."""
    characters: list[str] = []
    offsets: list[int] = []
    for item in items:
        characters += item.text
        offsets += [item.start + place for place in item.places]
        if vocabulary.records:
            characters.append(separator)
            offsets.append(item.end)
    return characters, offsets


def _starts(characters: Sequence[str], separator: str | None) -> Array:
    """The place of the first byte of each character; the end of a record is one symbol."""
    sizes = [1 if char == separator else len(utf8(char)) for char in characters]
    return np.cumsum([0, *sizes[:-1]])
