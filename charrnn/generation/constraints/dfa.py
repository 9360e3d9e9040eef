"""Form: constraints compiled to one finite automaton over a vocabulary, and what may be written
next so that it can still accept.

Each constraint becomes a table over classes of symbols that are alike to it; tables are multiplied
two by two, only states that can be reached and can still accept being kept. What is left of the
length is no part of the states (see lookahead.py). Knows nothing of networks.

    V  symbols     C  classes of them     S  states
"""

from array import array
from collections.abc import Hashable, Sequence, Set
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, VocabularyError
from charrnn.generation.constraints.forms import Constraint, Length, bounds
from charrnn.generation.constraints.lookahead import Lookahead
from charrnn.vocab import Vocabulary, describe

MOST_STATES = 200_000
MOST_TRANSITIONS = 2_000_000  # of a table, states x classes
# of an expression while it is compiled; some 2 s, in which up to 250 MB of states are made
MOST_WORK = 5_000_000
TINY = 1e-30  # of a probability
CACHED = 1 << 14  # places whose hopes are kept

Array = NDArray[Any]


class Table(NamedTuple):
    """An automaton over classes of symbols; its start is state 0, and the last row is the dead
    state.

    Args:
        next: (S + 1, C) the state after a symbol of each class.
        accepts: (S + 1,).
        classes: (V,) the class of each symbol.
        forced: (S + 1,) by how much likelier what can follow is where the model goes along with
            what is forced on it.
        leaves: (S + 1, C) the symbols that a constraint does not let follow which ends a text so;
            they end it where it may end.
    """

    next: Array
    accepts: Array
    classes: Array
    forced: Array
    leaves: Array


def compile_one(
    constraint: Constraint, symbols: str, shares: Array, end_share: float | None = None
) -> Table:
    """The table of one constraint, by walking it from its start.

    Args:
        constraint: one.
        symbols: that may be written.
        shares: (V,) how frequent they are.
        end_share: and the end of a record; None where a text ends by a symbol that cannot follow.

    Raises:
        ConfigError: it has too many states or transitions, or takes too much work.
    """
    most_work = constraint.work + MOST_WORK
    numbers: dict[Hashable, int] = {}
    class_of = array("i")
    for char in symbols:
        class_of.append(numbers.setdefault(constraint.alike(char), len(numbers)))
        if constraint.work > most_work:
            raise _too_large(constraint, "takes too much work to compile")
    classes = np.array(class_of, np.int32)
    chars = [
        symbols[place] for place in np.unique(classes, return_index=True)[1]
    ]  # one of each class
    table, accepts = _walked(constraint, chars, most_work)
    table, merged = _distinct_columns(table)  # classes that turn out to be the same
    classes = merged[classes]
    whole = _trimmed(
        Table(table, accepts, classes, np.ones(len(table)), np.zeros(table.shape, np.bool_))
    )
    if constraint.ends:
        whole = whole._replace(leaves=whole.next == len(whole.next) - 1)
    if not constraint.followed:
        return whole
    follow = (whole.next < len(whole.next) - 1) @ np.bincount(classes, shares, table.shape[1])
    allowed = (
        np.where(whole.accepts, 1.0, follow)
        if end_share is None
        else follow + whole.accepts * end_share
    )
    return whole._replace(forced=1 / np.maximum(allowed, TINY))


def _walked(constraint: Constraint, chars: Sequence[str], most_work: int) -> tuple[Array, Array]:
    """(S + 1, C) the state after each of some characters, and (S + 1,) whether a text may end
    there; the dead state is the last."""
    states = {constraint.start: 0}
    waiting: list[Any] = [constraint.start]
    accepts = list[bool]()
    transitions = array("i")  # from each state by each class; -1 for none
    for state in waiting:  # grows on the way
        accepts.append(bool(constraint.accepts(state)))
        for char in chars:
            after = constraint.step(state, char)
            if constraint.work > most_work:
                raise _too_large(constraint, "takes too much work to compile")
            if after is None:
                transitions.append(-1)
                continue
            number = states.setdefault(after, len(states))
            if number == len(waiting):
                waiting.append(after)
            transitions.append(number)
        if len(states) > MOST_STATES:
            raise _too_large(constraint, f"has more than {MOST_STATES:,} states")
        if len(states) * len(chars) > MOST_TRANSITIONS:
            raise _too_large(
                constraint, f"has more than {MOST_TRANSITIONS:,} transitions between states"
            )
    dead = len(waiting)
    table = np.frombuffer(transitions, np.int32).reshape(dead, len(chars))
    table = np.concatenate(
        [np.where(table < 0, dead, table), np.full((1, len(chars)), dead, np.int32)]
    )
    return table, np.array([*accepts, False])


def _too_large(constraint: Constraint, how: str) -> ConfigError:
    return ConfigError(f"{constraint}: it {how}; give smaller counts, or a simpler one")


def _distinct_columns(table: Array) -> tuple[Array, Array]:
    """The columns of a table of states, each once and in order, and the number that each column has
    now."""
    columns = [
        column.tobytes() for column in table.T.astype(">i4", order="C")
    ]  # bytes in the order of the numbers
    place = {column: idx for idx, column in enumerate(columns)}
    ordered = sorted(place)
    number = {column: idx for idx, column in enumerate(ordered)}
    distinct = table[:, np.array([place[column] for column in ordered], np.intp)]
    return distinct, np.array([number[column] for column in columns], np.int32)


def product(a: Table, b: Table) -> Table:
    """The table that accepts what both accept; only pairs of states that can be reached are made.

    Raises:
        ConfigError: there are too many of them.
    """
    too_many = ConfigError(
        "the constraints together have too many states; give fewer of them, or smaller counts"
    )
    pairs, classes = np.unique(np.stack([a.classes, b.classes]), axis=1, return_inverse=True)
    class_pairs = list(zip(*pairs.tolist(), strict=True))
    columns = len(b.next)  # a pair of states is row * columns + column
    dead_row = len(a.next) - 1
    dead_column = columns - 1
    next_row = a.next.tolist()
    next_column = b.next.tolist()
    number = {0: 0}  # of each pair that can be reached
    transitions = array("q")  # the pairs after these; -1 where one of the two states is dead
    level = [0]
    while level:
        if len(number) > MOST_STATES or len(number) * len(class_pairs) > MOST_TRANSITIONS:
            raise too_many
        reached: set[int] = set()
        for pair in level:
            rows = next_row[pair // columns]
            cols = next_column[pair % columns]
            for class_a, class_b in class_pairs:
                row = rows[class_a]
                column = cols[class_b]
                if row == dead_row or column == dead_column:
                    transitions.append(-1)
                else:
                    transitions.append(row * columns + column)
                    reached.add(row * columns + column)
            if len(reached) > MOST_STATES:
                raise too_many
        level = sorted(reached.difference(number))
        for pair in level:
            number[pair] = len(number)
    states = np.array(list(number), np.int64)
    dead = len(states)
    number[-1] = dead
    after = np.fromiter((number[pair] for pair in transitions), np.int32, len(transitions))
    table = np.concatenate(
        [after.reshape(dead, len(class_pairs)), np.full((1, len(class_pairs)), dead, np.int32)]
    )
    accepts = np.append(a.accepts[states // columns] & b.accepts[states % columns], False)
    forced = np.append(a.forced[states // columns] * b.forced[states % columns], 1.0)
    leaves = a.leaves[states // columns][:, pairs[0]] | b.leaves[states % columns][:, pairs[1]]
    leaves = np.concatenate([leaves, np.zeros((1, leaves.shape[1]), np.bool_)])
    return _trimmed(Table(table, accepts, classes.reshape(-1).astype(np.int32), forced, leaves))


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
    """(S + 1,) the states from which one that accepts can be reached, each transition being looked
    at once."""
    into, columns = after.reshape(-1), after.shape[1]
    order = np.argsort(into, kind="stable")  # transitions, by the state that they lead into
    starts = np.searchsorted(into[order], np.arange(len(after) + 1))
    good, frontier = accepts.copy(), np.flatnonzero(accepts)
    while len(frontier):
        counts = starts[frontier + 1] - starts[frontier]
        offsets = np.repeat(starts[frontier] - np.cumsum(counts) + counts, counts) + np.arange(
            counts.sum()
        )
        before = np.unique(order[offsets] // columns)
        frontier = before[~good[before]]
        good[frontier] = True
    return good


class Ahead(NamedTuple):
    """What may come next in a text.

    Args:
        gains: (V,) nats of hope that each symbol gains, less the scale, minus infinity for what
            must not be drawn; None for none at all.
        follow: (V,) the symbols that can be written; one drawn beside these ends the text. None for
            all.
        over: whether the text has to end here.
    """

    gains: Array | None
    follow: Array | None
    over: bool


class Form:
    """What a text must look like, ready to be walked.

    For each state and place there is a hope, the logarithm of a probability that a text is finished
    from there: that of symbols drawn by their frequencies alone, which leads the way; minus
    infinity only where none can be.

    Args:
        constraint: that it must satisfy.
        vocabulary: of the model. Of bytes only the ASCII ones are used: a text has a form in
            characters.
        length: characters of it, or, where it ends by itself, at most.
        banned: ids that are never drawn.
        frequencies: (V,) of the symbols; None for equal ones.

    Raises:
        ConfigError: no text can satisfy it; the message says which constraints exclude each other.
        VocabularyError: it needs a character that the model lacks.
    """

    def __init__(
        self,
        constraint: Constraint,
        vocabulary: Vocabulary,
        length: int,
        banned: Set[int] = frozenset(),
        frequencies: Array | None = None,
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
        tables = [
            compile_one(part, usable, shares[places], self._end_share)
            for part in parts or [Length(0)]
        ]
        self._table = reduce(product, tables)
        self._found = self._hopes_in(self._table, shares[places])
        if self.hope(0, 0) == -np.inf:
            raise ConfigError(self._why_not(parts, tables, shares[places]))
        self._ahead: dict[tuple[int, int | None, bool], Ahead] = {}
        rows, never = self._table.next.shape  # the class of what is never written
        self._class_of = np.full(V, never, np.int32)
        self._class_of[places] = self._table.classes
        self._after = np.concatenate(
            [self._table.next, np.full((rows, 1), rows - 1, np.int32)], axis=1
        )
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
            raise ConfigError(
                f"prompt: it has {len(ids):,} characters, and the whole text may have {self.high:,}; give a larger --length"
            )
        if self.hope(state, len(ids)) == -np.inf:
            raise ConfigError(
                "prompt: no text that begins with it has the form that is asked for; give another"
            )
        return state

    def after(self, state: int, idx: int) -> int:
        """The state after a symbol."""
        return int(self._after[state, self._class_of[idx]])

    def may_end(self, state: int, written: int) -> bool:
        """Whether the text may end here, ``written`` characters long."""
        return self.low <= written <= self.high and bool(self._table.accepts[state])

    def may_stop(self, state: int, written: int) -> bool:
        """Whether it may end here before a stop string: it need not be as long as was asked for,
        unless by a constraint."""
        return self.least <= written <= self.high and bool(self._table.accepts[state])

    def hope(self, state: int, written: int) -> float:
        """Of finishing a text from here."""
        return float(self._found.layer(written)[1][state]) + self.scale(written)

    def scale(self, written: int) -> float:
        """What ``hopes`` and ``Ahead.gains`` leave off after so many symbols."""
        return self._found.scale(written)

    def hopes(self, state: int, written: int) -> Array:
        """(V,) of finishing it after each symbol, less the scale; the end of a record is not among
        them."""
        if written >= self.high:
            return np.full(len(self._class_of), -np.inf)
        hopes: Array = self._found.layer(written + 1)[1][self._after[state]][self._class_of].astype(
            np.float64
        )
        return hopes

    def ahead(self, state: int, written: int) -> Ahead:
        """What may come next."""
        place = (
            state,
            self._found.layer(written + 1)[0] if written < self.high else None,
            self.low <= written,
        )
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
            found = self._ahead[place] = Ahead(
                gains if gains.any() else None, None if follow.all() else follow, over
            )
        return found

    def _hopes_in(self, table: Table, shares: Array) -> Lookahead:
        weights = np.bincount(table.classes, shares, table.next.shape[1])
        return Lookahead(
            table.next,
            table.accepts,
            table.forced,
            table.leaves,
            weights,
            self._end_share,
            self.low,
            self.high,
        )

    def _why_not(self, parts: Sequence[Constraint], tables: Sequence[Table], shares: Array) -> str:
        """Which of the constraints leave no text: the fewest of them."""
        limit = (
            f"{self.high:,}"
            if self.low == self.high
            else f"up to {self.high:,}"
            if not self.low
            else f"{self.low:,} to {self.high:,}"
        )
        kept = list(range(len(parts)))
        for number in list(kept):  # one that the others do without is left out
            others = [other for other in kept if other != number]
            if others and self._is_empty(
                reduce(product, [tables[other] for other in others]), shares
            ):
                kept = others
        which = " and ".join(str(parts[number]) for number in kept)
        if not reduce(product, [tables[number] for number in kept]).accepts.any():
            return f"{which}: no text of the characters that may be written does that; leave one out, or change it"
        return f"{which}: no text of {limit} characters does that; give another length"

    def _is_empty(self, table: Table, shares: Array) -> bool:
        return bool(self._hopes_in(table, shares).layer(0)[1][0] == -np.inf)


def _check_needs(constraint: Constraint, symbols: str, unit: str) -> None:
    why = (
        "which the model has not seen"
        if unit == "char"
        else "and a model of bytes writes a form in ASCII"
    )
    for part in constraint.parts():
        if missing := [char for char in part.needs if char not in symbols]:
            raise VocabularyError(f"{part}: it names {describe(missing[0])}, {why}; leave that out")
