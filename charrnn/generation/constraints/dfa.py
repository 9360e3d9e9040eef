"""Compile constraints to one deterministic finite automaton over a vocabulary.

Each constraint becomes a table over classes of symbols that it treats alike. Tables are multiplied
pairwise, and only states that can be reached and can still lead to acceptance are kept. The number
of characters left is not part of the states (see lookahead.py).

    V  symbols     C  classes of symbols     S  states
"""

from array import array
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError
from charrnn.generation.constraints.forms import Constraint
from charrnn.generation.interruption import pause_point

MAX_STATES = 200_000
MAX_TRANSITIONS = 2_000_000  # of a table, states x classes
# to compile an expression: about 2 s, in which up to 250 MB of states are created
MAX_WORK = 5_000_000
MIN_SHARE = 1e-30  # so that no boost is infinite
UNREACHABLE = -1  # stands for the dead state until its number is known

Array = NDArray[Any]


class Table(NamedTuple):
    """An automaton over classes of symbols; state 0 is the start and the last one is dead.

    Args:
        next: (S + 1, C) the state after a symbol of each class.
        accepts: (S + 1,) whether a text may end there.
        classes: (V,) the class of each symbol.
        boosts: (S + 1,) for a constraint that the model is assumed to follow, the factor by which
            symbols that may follow are likelier than their frequency; otherwise 1.
        ending: (S + 1, C) the symbols that a constraint with ``ends`` does not allow next; they end
            the text where it may end.
    """

    next: Array
    accepts: Array
    classes: Array
    boosts: Array
    ending: Array

    @property
    def dead(self) -> int:
        """The number of the dead state, S."""
        return len(self.next) - 1

    @property
    def num_classes(self) -> int:
        """C."""
        num_classes: int = self.next.shape[1]
        return num_classes


def compile_constraint(
    constraint: Constraint,
    symbols: str,
    shares: Array,
    end_share: float | None = None,
) -> Table:
    """Compile one constraint to a table, by exploring it from its start.

    Args:
        constraint: a single one.
        symbols: the symbols that may be written.
        shares: (V,) the frequency of each.
        end_share: the frequency of the end of a record; None for continuous text, which ends at a
            symbol that cannot follow.

    Raises:
        ConfigError: it has too many states or transitions, or takes too long.
    """
    max_work = constraint.work + MAX_WORK
    classes = _classify(constraint, symbols, max_work)
    _, first_of_class = np.unique(classes, return_index=True)
    chars = [symbols[place] for place in first_of_class]
    after, accepts = _explore(constraint, chars, max_work)
    after, merged = _distinct_columns(after)  # classes that turn out to be the same
    table = Table(
        next=after,
        accepts=accepts,
        classes=merged[classes],
        boosts=np.ones(len(after)),
        ending=np.zeros(after.shape, np.bool_),
    )
    table = _trimmed(table)
    if constraint.ends:
        table = table._replace(ending=table.next == table.dead)
    if constraint.followed:
        table = table._replace(boosts=_boosts(table, shares, end_share))
    return table


def _classify(constraint: Constraint, symbols: str, max_work: int) -> Array:
    """(V,) the class of each symbol: one number for all that the constraint treats alike."""
    numbers: dict[Hashable, int] = {}
    classes = array("i")
    for char in symbols:
        key = constraint.alike(char)
        number = numbers.setdefault(key, len(numbers))
        classes.append(number)
        if constraint.work > max_work:
            raise _too_large(constraint, "takes too long to compile")
    return np.array(classes, np.int32)


def _explore(constraint: Constraint, chars: Sequence[str], max_work: int) -> tuple[Array, Array]:
    """Find all states that can be reached by some characters.

    Returns:
        (S + 1, C) the state after each character, and (S + 1,) whether a text may end there.
    """
    numbers = {constraint.start: 0}
    states: list[Any] = [constraint.start]
    accepts = list[bool]()
    transitions = array("i")  # from each state, by each character
    for state in states:  # the list grows during the loop
        pause_point()
        may_end = bool(constraint.accepts(state))
        accepts.append(may_end)
        for char in chars:
            after = constraint.step(state, char)
            if constraint.work > max_work:
                raise _too_large(constraint, "takes too long to compile")
            if after is None:
                transitions.append(UNREACHABLE)
                continue
            number = numbers.setdefault(after, len(numbers))
            if number == len(states):
                states.append(after)
            transitions.append(number)
        if len(numbers) > MAX_STATES:
            raise _too_large(constraint, f"has more than {MAX_STATES:,} states")
        num_transitions = len(numbers) * len(chars)
        if num_transitions > MAX_TRANSITIONS:
            limit = f"{MAX_TRANSITIONS:,} transitions between states"
            raise _too_large(constraint, f"has more than {limit}")
    dead = len(states)
    accepts.append(False)
    table = np.frombuffer(transitions, np.int32)
    table = table.reshape(dead, len(chars))
    table = np.where(table == UNREACHABLE, dead, table)
    return _with_dead_row(table, dead), np.array(accepts)


def _too_large(constraint: Constraint, problem: str) -> ConfigError:
    return ConfigError(f"{constraint} {problem}; give smaller counts, or a simpler constraint")


def _with_dead_row(rows: Array, value: int) -> Array:
    """(S + 1, C) the rows (S, C) of all states, and a row for the dead one filled with a value."""
    num_classes = rows.shape[1]
    shape = (1, num_classes)
    dead_row = np.full(shape, value, rows.dtype)
    return np.concatenate([rows, dead_row])


def _distinct_columns(table: Array) -> tuple[Array, Array]:
    """The distinct columns of a table of states, in order, and the new number of each column."""
    # Big-endian bytes sort in the same order as the numbers.
    columns = table.T
    big_endian = columns.astype(">i4", order="C")
    keys = [column.tobytes() for column in big_endian]
    place_of = dict[bytes, int]()
    for place, key in enumerate(keys):
        place_of[key] = place
    places = list[int]()
    number_of = dict[bytes, int]()
    for number, key in enumerate(sorted(place_of)):
        number_of[key] = number
        places.append(place_of[key])
    numbers = [number_of[key] for key in keys]
    distinct = table[:, places]
    return distinct, np.array(numbers, np.int32)


def _boosts(table: Table, shares: Array, end_share: float | None) -> Array:
    """(S + 1,) the reciprocal of the total frequency of what may follow in each state."""
    class_shares = np.bincount(table.classes, shares, table.num_classes)
    may_follow = table.next < table.dead  # (S + 1, C)
    allowed: Array = may_follow @ class_shares
    if end_share is None:
        allowed = np.where(table.accepts, 1.0, allowed)
    else:
        allowed += table.accepts * end_share
    allowed = np.maximum(allowed, MIN_SHARE)
    return 1 / allowed


def product(a: Table, b: Table) -> Table:
    """The table that accepts the texts that both tables accept.

    Only pairs of states that can be reached are created.

    Raises:
        ConfigError: there are too many pairs.
    """
    classes_a, classes_b, classes = _common_classes(a, b)
    pairs, after = _reachable_pairs(a, b, classes_a, classes_b)
    num_b = len(b.next)
    states_a, states_b = np.divmod(pairs, num_b)
    accepts = a.accepts[states_a] & b.accepts[states_b]
    boosts = a.boosts[states_a] * b.boosts[states_b]
    ending_a = a.ending[states_a]
    ending_a = ending_a[:, classes_a]
    ending_b = b.ending[states_b]
    ending_b = ending_b[:, classes_b]
    table = Table(
        next=after,
        accepts=np.append(accepts, False),
        classes=classes,
        boosts=np.append(boosts, 1.0),
        ending=_with_dead_row(ending_a | ending_b, False),
    )
    return _trimmed(table)


def _common_classes(a: Table, b: Table) -> tuple[Array, Array, Array]:
    """Classes of symbols that both tables treat alike.

    Returns:
        (C,) the class of ``a`` that each belongs to, (C,) that of ``b``, and (V,) the common class
        of each symbol.
    """
    both = np.stack([a.classes, b.classes])  # (2, V)
    distinct, classes = np.unique(both, axis=1, return_inverse=True)  # (2, C), (V,)
    classes_a, classes_b = distinct
    classes = classes.reshape(-1)
    classes = classes.astype(np.int32)
    return classes_a, classes_b, classes


def _reachable_pairs(a: Table, b: Table, classes_a: Array, classes_b: Array) -> tuple[Array, Array]:
    """The pairs of states that can be reached, breadth first.

    The pair of state i of ``a`` and state j of ``b`` is written ``i * len(b.next) + j``.

    Returns:
        (S,) the pairs, and (S + 1, C) the number of the pair after each of them.

    Raises:
        ConfigError: there are too many pairs.
    """
    too_many = ConfigError(
        "the constraints together have too many states; give fewer constraints or smaller counts"
    )
    pairs_of_classes = zip(classes_a.tolist(), classes_b.tolist(), strict=True)
    class_pairs = list(pairs_of_classes)
    num_b = len(b.next)
    dead_a = a.dead
    dead_b = b.dead
    next_a = a.next.tolist()
    next_b = b.next.tolist()
    numbers = {0: 0}
    transitions = array("q")
    level = [0]
    while level:
        num_transitions = len(numbers) * len(class_pairs)
        if len(numbers) > MAX_STATES or num_transitions > MAX_TRANSITIONS:
            raise too_many
        reached: set[int] = set()
        for pair in level:
            pause_point()
            after_a = next_a[pair // num_b]
            after_b = next_b[pair % num_b]
            for class_a, class_b in class_pairs:
                state_a = after_a[class_a]
                state_b = after_b[class_b]
                if state_a == dead_a or state_b == dead_b:
                    transitions.append(UNREACHABLE)
                    continue
                following = state_a * num_b + state_b
                transitions.append(following)
                reached.add(following)
            if len(reached) > MAX_STATES:
                raise too_many
        level = sorted(reached.difference(numbers))
        for pair in level:
            numbers[pair] = len(numbers)
    dead = len(numbers)
    pairs = np.array(list(numbers), np.int64)
    numbers[UNREACHABLE] = dead
    following_numbers = (numbers[pair] for pair in transitions)
    after = np.fromiter(following_numbers, np.int32, len(transitions))
    after = after.reshape(dead, len(class_pairs))
    return pairs, _with_dead_row(after, dead)


def _trimmed(table: Table) -> Table:
    """Remove the states that cannot lead to acceptance; the start is always kept."""
    alive = _leading_to_acceptance(table.next, table.accepts)
    kept = alive.copy()
    kept[0] = True
    kept[-1] = False
    dead = kept.sum()
    number = np.full(len(kept), dead, np.int32)
    number[kept] = np.arange(dead)
    rows = np.flatnonzero(kept)
    rows = np.append(rows, table.dead)
    after = table.next[rows]
    after = np.where(alive[after], number[after], dead)
    after = after.astype(np.int32)
    return Table(
        next=after,
        accepts=table.accepts[rows],
        classes=table.classes,
        boosts=table.boosts[rows],
        ending=table.ending[rows],
    )


def _leading_to_acceptance(after: Array, accepts: Array) -> Array:
    """(S + 1,) whether each state can lead to acceptance; visits each transition once."""
    num_states, num_classes = after.shape
    into = after.reshape(-1)  # the state that each transition leads into
    by_target = np.argsort(into, kind="stable")  # transitions, sorted by ``into``
    states = np.arange(num_states + 1)
    starts = np.searchsorted(into[by_target], states)  # where those into each state begin
    alive = accepts.copy()
    frontier = np.flatnonzero(accepts)
    while len(frontier):
        first = starts[frontier]
        end = starts[frontier + 1]
        counts = end - first
        # first[0], first[0] + 1, ... (counts[0] of them), then first[1], ...
        total = np.cumsum(counts)
        skipped = first - total + counts
        skipped = np.repeat(skipped, counts)
        places = skipped + np.arange(total[-1])
        transitions = by_target[places]
        sources = np.unique(transitions // num_classes)
        is_new = ~alive[sources]
        frontier = sources[is_new]
        alive[frontier] = True
    return alive
