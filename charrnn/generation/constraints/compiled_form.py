"""Form: a constraint compiled for a vocabulary and a length; tells which symbols may come next.

V  symbols     C  classes of symbols     S  states
"""

from collections.abc import Sequence, Set
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError, VocabularyError
from charrnn.generation.constraints.dfa import Table, compile_constraint, product
from charrnn.generation.constraints.forms import Constraint, Length, bounds
from charrnn.generation.constraints.lookahead import Lookahead
from charrnn.vocab import Vocabulary, describe

MAX_CACHED = 1 << 14  # states and places whose NextSymbols are kept
MAX_CACHED_GAINS = 1 << 23  # numbers in them; about 75 MB
ASCII = "".join(map(chr, range(128)))

Array = NDArray[Any]


class NextSymbols(NamedTuple):
    """What may come next in a text.

    Args:
        gains: (V,) nats to add to the logits: the lookahead after each symbol, less the offset;
            minus infinity for what must not be drawn. None if all are 0.
        allowed: (V,) the symbols that can be written; drawing any other ends the text. None if all
            can.
        must_end: whether the text has to end here.
    """

    gains: Array | None
    allowed: Array | None
    must_end: bool


class Form:
    """A constraint compiled for one vocabulary and length.

    The lookahead of a state is the log-probability of finishing a text from there, if symbols are
    drawn by their frequencies alone. It steers the text early; it is minus infinity only where no
    text can be finished.

    Args:
        constraint: what the text must satisfy.
        vocabulary: of the model. In a model of bytes only ASCII is used, since constraints are
            about characters.
        length: characters of the text; if it ends by itself, the most that it may have.
        banned: ids that are never drawn.
        frequencies: (V,) of the symbols; None for equal ones.

    Raises:
        ConfigError: no text can satisfy it; the message says which constraints contradict each
            other.
        VocabularyError: it needs a character that the model has not seen.
    """

    def __init__(
        self,
        constraint: Constraint,
        vocabulary: Vocabulary,
        length: int,
        banned: Set[int] = frozenset(),
        frequencies: Array | None = None,
    ) -> None:
        symbols = vocabulary.symbols or ASCII
        _check_needs(constraint, symbols, vocabulary.unit)
        self.end = vocabulary.end
        self.low, self.high = bounds(constraint, length, ends=vocabulary.records)
        self.least, _ = bounds(constraint, length, ends=True)
        usable = list[int]()
        chars = ""
        for idx, char in enumerate(symbols):
            if idx not in banned:
                usable.append(idx)
                chars += char
        ids = np.array(usable, np.intp)
        shares = _shares(frequencies, len(vocabulary))
        self._shares = shares[ids]  # of the usable symbols
        self._end_share = None
        if self.end >= 0:
            self._end_share = float(shares[self.end])
        parts = list[Constraint]()
        for part in constraint.parts():
            if not isinstance(part, Length):
                parts.append(part)
        self.constrained = bool(parts)
        if not parts:
            parts = [constraint]  # of lengths alone; its automaton accepts everything
        tables = list[Table]()
        for part in parts:
            table = compile_constraint(part, chars, self._shares, self._end_share)
            tables.append(table)
        table = reduce(product, tables)
        self._accepts = table.accepts
        self._lookahead = self._look_ahead(table)
        if self.lookahead(0, 0) == -np.inf:
            lengths = [str(part) for part in constraint.parts() if isinstance(part, Length)]
            names = [length.split()[0] for length in lengths] or ["`length`"]
            raise ConfigError(self._why_impossible(parts, tables, " or ".join(names)))
        self._class_of = np.full(len(vocabulary), table.num_classes, np.int32)
        self._class_of[ids] = table.classes
        # One more class is for symbols that are never written.
        self._after = _with_column(table.next, table.dead)  # (S + 1, C + 1)
        self._ending = _with_column(table.ending, False)  # (S + 1, C + 1)
        self._next_symbols: dict[tuple[int, int | None, bool], NextSymbols] = {}
        self._most_cached = min(MAX_CACHED, MAX_CACHED_GAINS // len(vocabulary))

    @property
    def size(self) -> int:
        """The bytes that it takes, without its cache."""
        return self._lookahead.size + int(self._after.nbytes) + int(self._ending.nbytes)

    def begin(self, ids: Sequence[int]) -> int:
        """The state after the beginning of a text.

        Raises:
            ConfigError: no text can begin like this.
        """
        state = 0
        for idx in ids:
            state = self.after(state, int(idx))
        length = len(ids)
        if length > self.high:
            raise ConfigError(
                f"`prompt` has {length:,} characters, but the whole text may have at most "
                f"{self.high:,}; give a larger `length`"
            )
        if self.lookahead(state, length) == -np.inf:
            raise ConfigError(
                "no text that begins with this prompt satisfies the constraint; "
                "give another `prompt`"
            )
        return state

    def after(self, state: int, idx: int) -> int:
        """The state after a symbol."""
        symbol_class = self._class_of[idx]
        return int(self._after[state, symbol_class])

    def may_end(self, state: int, written: int) -> bool:
        """Whether the text may end in this state, after ``written`` characters."""
        if not self.low <= written <= self.high:
            return False
        return bool(self._accepts[state])

    def may_stop(self, state: int, written: int) -> bool:
        """Whether the text may end here before a stop string.

        It may be shorter than the requested length, unless a constraint sets its length.
        """
        if not self.least <= written <= self.high:
            return False
        return bool(self._accepts[state])

    def lookahead(self, state: int, written: int) -> float:
        """The log-probability of finishing a text from here, after ``written`` characters."""
        _, layer = self._lookahead.layer(written)
        difference = float(layer[state])
        offset = self.lookahead_offset(written)
        return difference + offset

    def lookahead_offset(self, written: int) -> float:
        """What ``lookahead_by_symbol`` and ``NextSymbols.gains`` omit after ``written`` symbols.

        It is the same for all states, so it does not affect which symbol is drawn.
        """
        return self._lookahead.offset(written)

    def lookahead_by_symbol(self, state: int, written: int) -> Array:
        """(V,) the lookahead after each symbol, less the offset; not of the end of a record."""
        if written >= self.high:
            vocab_size = len(self._class_of)
            return np.full(vocab_size, -np.inf)
        _, layer = self._lookahead.layer(written + 1)  # (S + 1,)
        after = self._after[state]  # (C + 1,)
        by_class = layer[after]
        by_symbol: Array = by_class[self._class_of]
        return by_symbol.astype(np.float64)

    def next_symbols(self, state: int, written: int) -> NextSymbols:
        """What may come next in this state, after ``written`` characters."""
        number = None
        if written < self.high:
            number, _ = self._lookahead.layer(written + 1)
        long_enough = self.low <= written
        key = (state, number, long_enough)
        known = self._next_symbols.get(key)
        if known is not None:
            return known
        if len(self._next_symbols) >= self._most_cached:
            self._next_symbols.clear()
        following = self._find_next_symbols(state, written)
        self._next_symbols[key] = following
        return following

    def _find_next_symbols(self, state: int, written: int) -> NextSymbols:
        gains = self.lookahead_by_symbol(state, written)
        allowed = gains > -np.inf
        may_end = self.may_end(state, written)
        running_text = self.end < 0
        if may_end:
            ending: Any = self.end
            if running_text:
                ending = self._ending[state]  # (C + 1,)
                ending = ending[self._class_of] & ~allowed
            gains[ending] = 0.0  # the text is finished: probability 1
        must_end = may_end and running_text and not allowed.any()
        return NextSymbols(
            gains=gains if gains.any() else None,
            allowed=None if allowed.all() else allowed,
            must_end=must_end,
        )

    def _look_ahead(self, table: Table) -> Lookahead:
        return Lookahead(table, self._shares, self._end_share, self.low, self.high)

    def _why_impossible(
        self,
        parts: Sequence[Constraint],
        tables: Sequence[Table],
        length: str,
    ) -> str:
        """An error message that names the fewest constraints that no text satisfies.

        Args:
            parts: the constraints, without lengths.
            tables: their automata.
            length: the name of what sets the length.
        """
        culprits = list(zip(parts, tables, strict=True))
        for pair in list(culprits):
            others = [other for other in culprits if other is not pair]
            if others and _is_empty(self._look_ahead(_product_of(others))):
                culprits = others
        names = " and ".join(str(constraint) for constraint, _ in culprits)
        table = _product_of(culprits)
        if not table.accepts.any():
            change = "change it, or leave it out"
            if len(culprits) > 1:
                change = "change one of them, or leave it out"
            return f"no text that the model can write satisfies {names}; {change}"
        shorter = Lookahead(table, self._shares, self._end_share, 0, self.high)
        which = "a larger" if _is_empty(shorter) else "another"
        return f"no text of {self._length()} characters satisfies {names}; give {which} {length}"

    def _length(self) -> str:
        if self.low == self.high:
            return f"{self.high:,}"
        if not self.low:
            return f"up to {self.high:,}"
        return f"{self.low:,} to {self.high:,}"


def _is_empty(lookahead: Lookahead) -> bool:
    """Whether no text can be written."""
    _, layer = lookahead.layer(0)
    start = layer[0]
    return bool(start == -np.inf)


def _shares(frequencies: Array | None, vocab_size: int) -> Array:
    """(V,) the frequencies, scaled to sum to 1; equal ones for None."""
    if frequencies is None:
        return np.full(vocab_size, 1 / vocab_size)
    shares: Array = frequencies / frequencies.sum()
    return shares


def _with_column(table: Array, value: int) -> Array:
    """A table with one more column, filled with a value."""
    num_states = len(table)
    shape = (num_states, 1)
    column = np.full(shape, value, table.dtype)
    return np.concatenate([table, column], axis=1)


def _product_of(compiled: Sequence[tuple[Constraint, Table]]) -> Table:
    tables = [table for _, table in compiled]
    return reduce(product, tables)


def _check_needs(constraint: Constraint, symbols: str, unit: str) -> None:
    """Raise an error if a constraint needs a character that the model cannot write."""
    problem = "which the model has not seen"
    if unit == "byte":
        problem = "but constraints on a model of bytes can contain only ASCII characters"
    for part in constraint.parts():
        for char in part.needs:
            if char not in symbols:
                raise VocabularyError(f"{part} needs {describe(char)}, {problem}; remove it")
