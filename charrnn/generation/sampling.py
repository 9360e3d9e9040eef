"""The filters, and Sampler: from logits to the next symbol. Knows nothing of models and of text.

A filter is a pure function ``(logits (..., V), value) -> logits (..., V)``: minus infinity for what
is removed, and at least one symbol is left. To add one: a function, a field of Sampler, a line in
``Sampler.adjusted`` or ``Sampler.cut``.

A processor is a filter of a user's own: ``(ids, logits (V,)) -> logits (V,)``, with the ids that
were read so far.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.config.knobs import Checked, knob
from charrnn.errors import ConfigError, GenerationError

Logits = NDArray[Any]
Ids = NDArray[Any]
Processor = Callable[[Ids, Logits], Logits]
NO_IDS = np.empty(0, np.int32)
DRY_BASE, DRY_LENGTH = 1.2, 16
LONGEST_SPAN = 256  # symbols; a repetition is not followed further back
MOST_PENALTY = 1e4  # nats
LOWEST_SAFE_TEMPERATURE = 1e-3  # a temperature that takes nothing to minus infinity
ROUNDING = (
    1e-12  # so that a symbol exactly at a bound falls on the side that arithmetic by hand puts it
)


class Generator(Protocol):
    """What draws: ``numpy.random.Generator``, or one for each of B streams."""

    def random(self, size: Any = None) -> Any:
        """Numbers from 0 up to 1, of a shape."""


def apply_bias(logits: Logits, bias: Sequence[tuple[int, float]]) -> Logits:
    """Add so many nats to the logits of some symbols; minus infinity bans one."""
    changed = logits.copy()
    for idx, value in bias:
        changed[..., idx] += value
    return changed


def apply_dry(
    logits: Logits, ids: Ids, dry: float, base: float = DRY_BASE, length: int = DRY_LENGTH
) -> Logits:
    """Make it harder to go on with what stood there before ("don't repeat yourself", p-e-w 2024, in
    llama.cpp).

    Where the last n symbols, ``length`` or more, stood earlier in ``ids``, what followed there
    loses ``dry * base ** (n - length)`` nats; of several such places the longest counts. Single
    symbols, which any text repeats, are left alone.

    Args:
        logits: (V,).
        ids: (n,) what was read so far.
        dry: nats.
        base: 1 or more.
        length: in symbols.
    """
    n = len(ids)
    if n <= length:
        return logits
    places = np.flatnonzero(ids[:-1] == ids[-1])  # where the newest symbol stood earlier
    penalties = np.zeros(len(logits))
    for same in range(1, min(n, LONGEST_SPAN) + 1):  # the last ``same`` symbols stand at ``places``
        if same >= length:
            penalty = min(dry * base ** (same - length), MOST_PENALTY)
            penalties[ids[places + 1]] = penalty
            if penalty == MOST_PENALTY:
                break
        places = places[np.searchsorted(places, same) :]
        places = places[ids[places - same] == ids[-1 - same]] if same < n else places[:0]
        if not len(places):
            break
    return logits - penalties if penalties.any() else logits


def apply_processors(logits: Logits, ids: Ids, processors: Sequence[Processor]) -> Logits:
    """What a user's own filters make of the logits (V,), one after another.

    Raises:
        GenerationError: one gives no logits of the same shape, NaN or plus infinity, or removes
            every symbol.
    """
    for processor in processors:
        name = getattr(processor, "__name__", type(processor).__name__)
        given = np.asarray(processor(ids, logits.copy()))
        if given.shape != logits.shape or not np.issubdtype(given.dtype, np.floating):
            raise GenerationError(
                f"the processor {name} gave {given.dtype} {given.shape}; it must give logits {logits.shape}, as it gets them"
            )
        if not np.isfinite(given.max()):
            raise GenerationError(
                f"the processor {name} left no symbol, or gave what is no number; it must leave one"
            )
        logits = given.astype(np.float64)
    return logits


def apply_temperature(logits: Logits, temperature: float) -> Logits:
    """Divide by the temperature (Ackley et al. 1985), the largest being made 0; 0 keeps the first
    of the likeliest alone."""
    if (
        logits.ndim == 1
        and temperature > LOWEST_SAFE_TEMPERATURE
        and math.isfinite(top := np.maximum.reduce(logits))
    ):
        mild: Logits = (logits - top) / temperature  # the same as below, with less ado
        return mild
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # a tiny temperature takes the unlikely ones to minus infinity
        shifted: Logits = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
        if temperature:
            shifted /= temperature
    return shifted if temperature else apply_top_k(shifted, 1)


def apply_top_k(logits: Logits, top_k: int) -> Logits:
    """Keep exactly the k likeliest symbols (Fan et al. 2018); of equal ones, those with the smaller
    ids."""
    if top_k >= logits.shape[-1]:
        return logits
    order = np.argsort(-logits, axis=-1, kind="stable")
    return _without(logits, order[..., top_k:])


def apply_top_p(logits: Logits, top_p: float) -> Logits:
    """Keep the fewest likeliest symbols that have the probability p together (Holtzman et al.
    2020)."""
    if top_p == 1:
        return logits
    order = np.argsort(-logits, axis=-1, kind="stable")
    with np.errstate(invalid="ignore"):  # what is no number stays none, for draw to find
        ranked = np.take_along_axis(probabilities(logits), order, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked  # what the likelier ones have together
    removed = before >= top_p - ROUNDING
    removed[..., 0] = False
    keep = np.empty_like(removed)
    np.put_along_axis(keep, order, ~removed, axis=-1)
    return np.where(keep, logits, -np.inf)


def apply_min_p(logits: Logits, min_p: float) -> Logits:
    """Keep the symbols that are at least p times as likely as the likeliest (Nguyen et al.
    2024)."""
    with np.errstate(divide="ignore"):
        least = logits.max(axis=-1, keepdims=True) + np.log(min_p) - ROUNDING
    return np.where(logits >= least, logits, -np.inf)


def probabilities(logits: Logits) -> Logits:
    """Softmax on the last axis."""
    weights: Logits = np.exp(logits - logits.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def log_probabilities(logits: Logits) -> Logits:
    """The natural logarithm of the softmax on the last axis."""
    shifted: Logits = logits - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def draw(logits: Logits, rng: Generator) -> Any:
    """One symbol from each distribution: an id for logits (V,), ids (B,) for (B, V). The largest of
    each must be 0."""
    ends = np.add.accumulate(np.exp(logits), axis=-1)
    if not (
        ends[-1] >= 1 if ends.ndim == 1 else (ends[..., -1] >= 1).all()
    ):  # the largest weight is exp(0)
        raise GenerationError(
            "the network gave a logit that is not a number; the checkpoint is not fit to sample from, use another one"
        )
    if ends.ndim == 1:
        return int(
            ends.searchsorted(rng.random() * ends[-1], side="right")
        )  # the product is below its last factor
    marks = rng.random(ends.shape[:-1])[..., None] * ends[..., -1:]
    return (ends <= marks).sum(axis=-1)


@dataclass(frozen=True)
class Sampler(Checked):
    """How the next symbol is drawn; called with logits (V,) or (B, V) and a generator it gives an
    id, or ids (B,).

    Two fields are no knobs: ``bias``, pairs of an id and the nats that are added to it, and
    ``processors``.
    """

    dry: float | None = knob(
        None, "nats that a character loses which would go on with a repetition of dry-length characters; more for longer ones", above=0,
        high=100, none=True,
    )  # fmt: skip
    dry_base: float = knob(
        DRY_BASE,
        "by how much that grows with each character of a longer repetition",
        low=1,
        high=10,
    )
    dry_length: int = knob(
        DRY_LENGTH, "characters that may be repeated without a loss", low=1, high=LONGEST_SPAN
    )
    temperature: float = knob(
        0.8,
        "below 1 safer, above 1 wilder; 0 always takes the likeliest character",
        low=0,
        high=10**6,
        short="-t",
    )
    top_k: int | None = knob(
        None, "draw from the k likeliest characters only", low=1, none=True, short="-k"
    )
    top_p: float | None = knob(
        None,
        "draw from the fewest likeliest characters that have probability p together",
        above=0,
        high=1,
        none=True,
    )
    min_p: float | None = knob(
        None,
        "draw from the characters at least p times as likely as the likeliest",
        low=0,
        high=1,
        none=True,
    )

    bias: tuple[tuple[int, float], ...] = ()
    processors: tuple[Processor, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.bias, tuple) or not all(
            isinstance(pair, tuple) and len(pair) == 2 for pair in self.bias
        ):
            raise ConfigError(f"bias: must be a tuple of pairs (id, nats), got {self.bias!r}")
        if not isinstance(self.processors, tuple) or not all(map(callable, self.processors)):
            raise ConfigError(f"processors: must be a tuple of functions, got {self.processors!r}")

    def filtered(self, logits: Logits, ids: Any = NO_IDS) -> Logits:
        """The logits that are drawn from, the largest of which is 0."""
        return self.cut(apply_temperature(self.adjusted(logits, ids), self.temperature))

    def adjusted(self, logits: Logits, ids: Any = NO_IDS) -> Logits:
        """Before the temperature; the order of the lines, here and in ``cut``, is the order of the
        filters."""
        logits = apply_bias(logits, self.bias) if self.bias else logits
        return self._by_history(logits, ids) if self.dry is not None or self.processors else logits

    def cut(self, logits: Logits) -> Logits:
        """Behind the temperature; the largest of the logits is 0, and stays."""
        logits = logits if self.top_k is None else apply_top_k(logits, self.top_k)
        logits = logits if self.top_p is None else apply_top_p(logits, self.top_p)
        return logits if self.min_p is None else apply_min_p(logits, self.min_p)

    def __call__(self, logits: Logits, rng: Generator, ids: Any = NO_IDS) -> Any:
        """Draw.

        Args:
            logits: (V,) or (B, V).
            rng: what draws.
            ids: (n,) what was read so far, for the filters that look back; of B streams a list of B
                arrays.
        """
        return draw(self.filtered(logits.astype(np.float64), ids), rng)

    def _by_history(self, logits: Logits, ids: Any) -> Logits:
        if logits.ndim > 1:
            return np.stack([self._by_history(*each) for each in zip(logits, ids, strict=True)])
        logits = (
            logits
            if self.dry is None
            else apply_dry(logits, ids, self.dry, self.dry_base, self.dry_length)
        )
        return apply_processors(logits, ids, self.processors)


def _without(logits: Logits, removed: NDArray[np.intp]) -> Logits:
    kept = logits.copy()
    np.put_along_axis(kept, removed, -np.inf, axis=-1)
    return kept
