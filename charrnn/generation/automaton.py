"""Form: constraints compiled to one finite automaton over a vocabulary, and what may be written next so that it can still accept.

Each constraint becomes a table over classes of symbols that are alike to it; tables are multiplied two by two, only states that can be
reached and can still accept being kept. What is left of the length is no part of the states (see hope.py). Knows nothing of networks.

    V  symbols     C  classes of them     S  states
"""

from collections.abc import Hashable, Sequence, Set
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, VocabularyError
from charrnn.generation.constraints import Constraint, Length, bounds
from charrnn.generation.hope import Hopes
from charrnn.vocab import Vocabulary, describe

MOST_STATES = 200_000
MOST_PAIRS = 1 << 26  # of states, of which some are reached
TINY = 1e-30  # of a probability
CACHED = 1 << 14  # places whose hopes are kept

Array = NDArray[Any]


class Table(NamedTuple):
    """An automaton over classes of symbols; its start is state 0, and the last row is the dead state.

    Args:
        next: (S + 1, C) the state after a symbol of each class.
        accepts: (S + 1,).
        classes: (V,) the class of each symbol.
        forced: (S + 1,) by how much likelier what can follow is where the model goes along with what is forced on it.
        leaves: (S + 1, C) the symbols that a constraint does not let follow which ends a text so; they end it where it may end.
    """

    next: Array
    accepts: Array
    classes: Array
    forced: Array
    leaves: Array


def compile_one(constraint: Constraint, symbols: str, shares: Array, end_share: float | None = None) -> Table:
    """The table of one constraint, by walking it from its start.

    Args:
        constraint: one.
        symbols: that may be written.
        shares: (V,) how frequent they are.
        end_share: and the end of a record; None where a text ends by a symbol that cannot follow.

    Raises:
        ConfigError: it has too many states.
    """
    numbers: dict[Hashable, int] = {}
    classes = np.array([numbers.setdefault(constraint.alike(char), len(numbers)) for char in symbols], np.int32)
    chars = [symbols[place] for place in np.unique(classes, return_index=True)[1]]  # one of each class
    found, rows, accepts = {constraint.start: 0}, list[list[int]](), list[bool]()
    waiting: list[Any] = [constraint.start]
    for state in waiting:  # grows on the way
        accepts.append(bool(constraint.accepts(state)))
        after = [constraint.step(state, char) for char in chars]
        for each in after:
            if each is not None and each not in found:
                found[each] = len(found)
                waiting.append(each)
        if len(found) > MOST_STATES:
            raise ConfigError(f"{constraint}: it has more than {MOST_STATES:,} states; give smaller counts, or a simpler one")
        rows.append([-1 if each is None else found[each] for each in after])
    table = np.array(rows, np.int32).reshape(len(rows), len(chars))
    laid_out = np.concatenate([np.where(table < 0, len(rows), table), np.full((1, len(chars)), len(rows), np.int32)])
    laid_out, alike = np.unique(laid_out, axis=1, return_inverse=True)  # classes that turn out to be the same
    classes = alike.reshape(-1)[classes].astype(np.int32)
    whole = _trimmed(Table(laid_out, np.array([*accepts, False]), classes, np.ones(len(laid_out)), np.zeros(laid_out.shape, np.bool_)))
    if constraint.ends:
        whole = whole._replace(leaves=whole.next == len(whole.next) - 1)
    if not constraint.followed:
        return whole
    follow = (whole.next < len(whole.next) - 1) @ np.bincount(classes, shares, laid_out.shape[1])
    allowed = np.where(whole.accepts, 1.0, follow) if end_share is None else follow + whole.accepts * end_share
    return whole._replace(forced=1 / np.maximum(allowed, TINY))


def product(a: Table, b: Table) -> Table:
    """The table that accepts what both accept; only pairs of states that can be reached are made.

    Raises:
        ConfigError: there are too many of them.
    """
    pairs, classes = np.unique(np.stack([a.classes, b.classes]), axis=1, return_inverse=True)
    rows, columns = len(a.next), len(b.next)
    too_many = ConfigError("the constraints together have too many states; give fewer of them, or smaller counts")
    if rows * columns > MOST_PAIRS:
        raise too_many
    number = np.full(rows * columns, -1, np.int32)  # of each pair that was reached
    number[0], levels, count = 0, [np.zeros(1, np.int64)], 1
    while len(levels[-1]):
        after = np.unique(_pair(a, b, levels[-1], pairs))
        fresh = after[(number[after] < 0) & _alive(a, b, after)]
        number[fresh] = np.arange(count, count + len(fresh))
        count += len(fresh)
        levels.append(fresh)
        if count > MOST_STATES:
            raise too_many
    states = np.concatenate(levels)
    after = number[_pair(a, b, states, pairs)]
    table = np.concatenate([np.where(after < 0, count, after), np.full((1, pairs.shape[1]), count)]).astype(np.int32)
    accepts = np.append(a.accepts[states // columns] & b.accepts[states % columns], False)
    forced = np.append(a.forced[states // columns] * b.forced[states % columns], 1.0)
    leaves = a.leaves[states // columns][:, pairs[0]] | b.leaves[states % columns][:, pairs[1]]
    leaves = np.concatenate([leaves, np.zeros((1, leaves.shape[1]), np.bool_)])
    return _trimmed(Table(table, accepts, classes.reshape(-1).astype(np.int32), forced, leaves))


def _pair(a: Table, b: Table, states: Array, pairs: Array) -> Array:
    """(n, C) the pairs after each of some pairs."""
    columns = len(b.next)
    after: Array = a.next[states // columns][:, pairs[0]].astype(np.int64) * columns + b.next[states % columns][:, pairs[1]]
    return after


def _alive(a: Table, b: Table, states: Array) -> Array:
    alive: Array = (states // len(b.next) < len(a.next) - 1) & (states % len(b.next) < len(b.next) - 1)
    return alive


def _trimmed(table: Table) -> Table:
    """Without the states from which nothing accepts; the start stays, whatever it is."""
    good = _leading_to(table.next, table.accepts)
    kept = good.copy()
    kept[0], kept[-1] = True, False
    number = np.full(len(kept), kept.sum(), np.int32)
    number[kept] = np.arange(kept.sum())
    rows = np.append(np.flatnonzero(kept), len(kept) - 1)
    after = table.next[rows]
    after = np.where(good[after], number[after], kept.sum()).astype(np.int32)
    return Table(after, table.accepts[rows], table.classes, table.forced[rows], table.leaves[rows])


def _leading_to(after: Array, accepts: Array) -> Array:
    """(S + 1,) the states from which one that accepts can be reached, each transition being looked at once."""
    into, columns = after.reshape(-1), after.shape[1]
    order = np.argsort(into, kind="stable")  # transitions, by the state that they lead into
    starts = np.searchsorted(into[order], np.arange(len(after) + 1))
    good, frontier = accepts.copy(), np.flatnonzero(accepts)
    while len(frontier):
        counts = starts[frontier + 1] - starts[frontier]
        offsets = np.repeat(starts[frontier] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        before = np.unique(order[offsets] // columns)
        frontier = before[~good[before]]
        good[frontier] = True
    return good


class Ahead(NamedTuple):
    """What may come next in a text.

    Args:
        gains: (V,) nats of hope that each symbol gains, less the scale, minus infinity for what must not be drawn; None for none at all.
        follow: (V,) the symbols that can be written; one drawn beside these ends the text. None for all.
        over: whether the text has to end here.
    """

    gains: Array | None
    follow: Array | None
    over: bool


class Form:
    """What a text must look like, ready to be walked.

    For each state and place there is a hope, the logarithm of a probability that a text is finished from there: that of symbols drawn
    by their frequencies alone, which leads the way; minus infinity only where none can be.

    Args:
        constraint: that it must satisfy.
        vocabulary: of the model. Of bytes only the ASCII ones are used: a text has a form in characters.
        length: characters of it, or, where it ends by itself, at most.
        banned: ids that are never drawn.
        frequencies: (V,) of the symbols; None for equal ones.

    Raises:
        ConfigError: no text can satisfy it; the message says which constraints exclude each other.
        VocabularyError: it needs a character that the model lacks.
    """

    def __init__(
        self, constraint: Constraint, vocabulary: Vocabulary, length: int, banned: Set[int] = frozenset(), frequencies: Array | None = None
    ) -> None:
        symbols = vocabulary.symbols or "".join(map(chr, range(128)))
        _check_needs(constraint, symbols, vocabulary.unit)
        self.end, V = vocabulary.end, len(vocabulary)
        self.low, self.high = bounds(constraint, length, ends=vocabulary.records)
        self.least, _ = bounds(constraint, length, ends=True)
        places = np.array([idx for idx in range(len(symbols)) if idx not in banned], np.intp)
        usable = "".join(symbols[idx] for idx in places)
        parts = [part for part in constraint.parts() if not isinstance(part, Length)]
        self.constrained = bool(parts)
        shares = np.full(V, 1 / V) if frequencies is None else frequencies / frequencies.sum()
        self._end_share = float(shares[self.end]) if self.end >= 0 else None
        tables = [compile_one(part, usable, shares[places], self._end_share) for part in parts or [Length(0)]]
        self._table = reduce(product, tables)
        self._found = self._hopes_in(self._table, shares[places])
        if self.hope(0, 0) == -np.inf:
            raise ConfigError(self._why_not(parts, tables, shares[places]))
        self._ahead: dict[tuple[int, int | None, bool], Ahead] = {}
        rows, never = self._table.next.shape  # the class of what is never written
        self._class_of = np.full(V, never, np.int32)
        self._class_of[places] = self._table.classes
        self._after = np.concatenate([self._table.next, np.full((rows, 1), rows - 1, np.int32)], axis=1)
        self._leaves = np.concatenate([self._table.leaves, np.zeros((rows, 1), np.bool_)], axis=1)

    def begin(self, ids: Sequence[int]) -> int:
        """The state after the beginning of a text.

        Raises:
            ConfigError: none can begin so.
        """
        state = 0
        for idx in ids:
            state = self.after(state, int(idx))
        if len(ids) > self.high:
            raise ConfigError(f"prompt: it has {len(ids):,} characters, and the whole text may have {self.high:,}; give a larger --length")
        if self.hope(state, len(ids)) == -np.inf:
            raise ConfigError("prompt: no text that begins with it has the form that is asked for; give another")
        return state

    def after(self, state: int, idx: int) -> int:
        """The state after a symbol."""
        return int(self._after[state, self._class_of[idx]])

    def may_end(self, state: int, written: int) -> bool:
        """Whether the text may end here, ``written`` characters long."""
        return self.low <= written <= self.high and bool(self._table.accepts[state])

    def may_stop(self, state: int, written: int) -> bool:
        """Whether it may end here before a stop string: it need not be as long as was asked for, unless by a constraint."""
        return self.least <= written <= self.high and bool(self._table.accepts[state])

    def hope(self, state: int, written: int) -> float:
        """Of finishing a text from here."""
        return float(self._found.layer(written)[1][state]) + self.scale(written)

    def scale(self, written: int) -> float:
        """What ``hopes`` and ``Ahead.gains`` leave off after so many symbols."""
        return self._found.scale(written)

    def hopes(self, state: int, written: int) -> Array:
        """(V,) of finishing it after each symbol, less the scale; the end of a record is not among them."""
        if written >= self.high:
            return np.full(len(self._class_of), -np.inf)
        hopes: Array = self._found.layer(written + 1)[1][self._after[state]][self._class_of].astype(np.float64)
        return hopes

    def ahead(self, state: int, written: int) -> Ahead:
        """What may come next."""
        place = (state, self._found.layer(written + 1)[0] if written < self.high else None, self.low <= written)
        found = self._ahead.get(place)
        if found is None:
            if len(self._ahead) >= CACHED:
                self._ahead.clear()
            gains = self.hopes(state, written)
            follow, may_end = gains > -np.inf, self.may_end(state, written)
            if may_end:
                leaves = self._leaves[state][self._class_of] & ~follow if self.end < 0 else self.end
                gains[leaves] = 0.0  # what ends it leaves nothing to hope for
            over = may_end and self.end < 0 and not follow.any()
            found = self._ahead[place] = Ahead(gains if gains.any() else None, None if follow.all() else follow, over)
        return found

    def _hopes_in(self, table: Table, shares: Array) -> Hopes:
        weights = np.bincount(table.classes, shares, table.next.shape[1])
        return Hopes(table.next, table.accepts, table.forced, table.leaves, weights, self._end_share, self.low, self.high)

    def _why_not(self, parts: Sequence[Constraint], tables: Sequence[Table], shares: Array) -> str:
        """Which of the constraints leave no text: the fewest of them."""
        limit = f"{self.high:,}" if self.low == self.high else f"up to {self.high:,}" if not self.low else f"{self.low:,} to {self.high:,}"
        kept = list(range(len(parts)))
        for number in list(kept):  # one that the others do without is left out
            others = [other for other in kept if other != number]
            if others and self._is_empty(reduce(product, [tables[other] for other in others]), shares):
                kept = others
        which = " and ".join(str(parts[number]) for number in kept)
        if not reduce(product, [tables[number] for number in kept]).accepts.any():
            return f"{which}: no text of the characters that may be written does that; leave one out, or change it"
        return f"{which}: no text of {limit} characters does that; give another length"

    def _is_empty(self, table: Table, shares: Array) -> bool:
        return bool(self._hopes_in(table, shares).layer(0)[1][0] == -np.inf)


def _check_needs(constraint: Constraint, symbols: str, unit: str) -> None:
    why = "which the model has not seen" if unit == "char" else "and a model of bytes writes a form in ASCII"
    for part in constraint.parts():
        if missing := [char for char in part.needs if char not in symbols]:
            raise VocabularyError(f"{part}: it names {describe(missing[0])}, {why}; leave that out")
