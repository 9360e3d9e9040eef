"""From logits to the next symbol: the filters, and Sampler, which applies them.

A filter is a pure function ``(logits (..., V), value) -> logits (..., V)``. It removes a symbol by
setting its logit to minus infinity, and leaves at least one. To add a filter, write a function, a
field of Sampler, and a line in ``Sampler.adjusted`` or ``Sampler.cut``.

A processor is a filter that the user supplies: ``(ids, logits (V,)) -> logits (V,)``, where ``ids``
are the ids read so far.
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
DRY_BASE = 1.2
DRY_LENGTH = 16
LONGEST_SPAN = 256  # symbols; longer repetitions count as this long
MOST_PENALTY = 1e4  # nats
LOWEST_SAFE_TEMPERATURE = 1e-3  # dividing by this never overflows to minus infinity
# so that a symbol exactly at a threshold is kept or removed as in exact arithmetic
ROUNDING = 1e-12


class Generator(Protocol):
    """A source of random numbers: ``numpy.random.Generator``, or one for B streams at once."""

    def random(self, size: Any = None) -> Any:
        """Numbers in [0, 1), of a shape."""


def apply_bias(logits: Logits, bias: Sequence[tuple[int, float]]) -> Logits:
    """Add a number of nats to the logits of some symbols; minus infinity bans one."""
    changed = logits.copy()
    for idx, value in bias:
        changed[..., idx] += value
    return changed


def apply_dry(
    logits: Logits,
    ids: Ids,
    dry: float,
    base: float = DRY_BASE,
    length: int = DRY_LENGTH,
) -> Logits:
    """Make it harder to continue a repetition ("don't repeat yourself", p-e-w 2024, in llama.cpp).

    If the last n symbols, ``length`` or more, occurred earlier in ``ids``, the symbol that
    followed there loses ``dry * base ** (n - length)`` nats; of several such places the longest
    match counts. Shorter repetitions, which occur in any text, are not penalized.

    Args:
        logits: (V,).
        ids: (n,) read so far.
        dry: nats.
        base: 1 or more.
        length: in symbols.
    """
    n = len(ids)
    if n <= length:
        return logits
    penalties = np.zeros(len(logits))
    places = np.flatnonzero(ids[:-1] == ids[-1])  # where the newest symbol occurred earlier
    # In each round the last ``matched`` symbols also end at each of ``places``.
    for matched in range(1, min(n, LONGEST_SPAN) + 1):
        if matched >= length:
            penalty = min(dry * base ** (matched - length), MOST_PENALTY)
            penalties[ids[places + 1]] = penalty
            if penalty == MOST_PENALTY:
                break
        if matched == n:
            break
        places = places[np.searchsorted(places, matched) :]
        places = places[ids[places - matched] == ids[-1 - matched]]
        if not len(places):
            break
    if not penalties.any():
        return logits
    return logits - penalties


def apply_processors(logits: Logits, ids: Ids, processors: Sequence[Processor]) -> Logits:
    """Apply the user's processors to the logits (V,), one after another.

    Raises:
        GenerationError: one returns another shape, NaN or plus infinity, or removes every symbol.
    """
    for processor in processors:
        result = np.asarray(processor(ids, logits.copy()))
        if result.shape != logits.shape or not np.issubdtype(result.dtype, np.floating):
            raise GenerationError(
                f"the processor {_name(processor)} returned {result.dtype} {result.shape}; "
                f"it must return floating-point logits {logits.shape}"
            )
        if not np.isfinite(result.max()):
            raise GenerationError(
                f"the processor {_name(processor)} removed every symbol, or returned NaN or "
                "infinity; it must leave at least one finite logit"
            )
        logits = result.astype(np.float64)
    return logits


def _name(processor: Processor) -> str:
    return getattr(processor, "__name__", type(processor).__name__)


def apply_temperature(logits: Logits, temperature: float) -> Logits:
    """Make the largest logit 0 and divide by the temperature (Ackley et al. 1985).

    Temperature 0 keeps only the likeliest symbol, the first of several.
    """
    if logits.ndim == 1 and temperature > LOWEST_SAFE_TEMPERATURE:
        top = np.maximum.reduce(logits)
        if math.isfinite(top):
            scaled: Logits = (logits - top) / temperature  # same as below, with less overhead
            return scaled
    # a tiny temperature takes unlikely symbols to minus infinity
    with np.errstate(over="ignore", invalid="ignore"):
        shifted: Logits = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
        if temperature:
            shifted /= temperature
    if not temperature:
        return apply_top_k(shifted, 1)
    return shifted


def apply_top_k(logits: Logits, top_k: int) -> Logits:
    """Keep the k likeliest symbols (Fan et al. 2018); of equal ones, those with smaller ids."""
    if top_k >= logits.shape[-1]:
        return logits
    order = np.argsort(-logits, axis=-1, kind="stable")
    return _without(logits, order[..., top_k:])


def apply_top_p(logits: Logits, top_p: float) -> Logits:
    """Keep the fewest symbols whose probabilities add up to p (Holtzman et al. 2020)."""
    if top_p == 1:
        return logits
    order = np.argsort(-logits, axis=-1, kind="stable")
    # NaN stays NaN, which draw refuses
    with np.errstate(invalid="ignore"):
        of_all = probabilities(logits)
    ranked = np.take_along_axis(of_all, order, axis=-1)
    before = np.cumsum(ranked, axis=-1) - ranked  # the sum over all likelier symbols
    removed = before >= top_p - ROUNDING
    removed[..., 0] = False
    keep = np.empty_like(removed)
    np.put_along_axis(keep, order, ~removed, axis=-1)
    return np.where(keep, logits, -np.inf)


def apply_min_p(logits: Logits, min_p: float) -> Logits:
    """Keep symbols at least p times as likely as the likeliest (Nguyen et al. 2024)."""
    with np.errstate(divide="ignore"):
        log_min_p = np.log(min_p)
    top = logits.max(axis=-1, keepdims=True)
    least = top + log_min_p - ROUNDING
    return np.where(logits >= least, logits, -np.inf)


def probabilities(logits: Logits) -> Logits:
    """Softmax on the last axis."""
    top = logits.max(axis=-1, keepdims=True)
    weights: Logits = np.exp(logits - top)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def log_probabilities(logits: Logits) -> Logits:
    """The natural logarithm of the softmax on the last axis."""
    shifted: Logits = logits - logits.max(axis=-1, keepdims=True)
    total = np.exp(shifted).sum(axis=-1, keepdims=True)
    shifted -= np.log(total)
    return shifted


def draw(logits: Logits, rng: Generator) -> Any:
    """Draw one symbol from each distribution: an id for logits (V,), ids (B,) for (B, V).

    The largest logit of each must be 0.
    """
    cumulative = np.add.accumulate(np.exp(logits), axis=-1)
    if cumulative.ndim == 1:
        total = cumulative[-1]
        if not total >= 1:  # the largest weight is exp(0)
            raise _not_a_number()
        mark = rng.random() * total  # below the total
        return int(cumulative.searchsorted(mark, side="right"))
    totals = cumulative[..., -1:]  # (B, 1)
    if not (totals >= 1).all():
        raise _not_a_number()
    random = rng.random(cumulative.shape[:-1])  # (B,)
    marks = random[..., None] * totals  # (B, 1)
    return (cumulative <= marks).sum(axis=-1)


def _not_a_number() -> GenerationError:
    return GenerationError(
        "the network produced a logit that is not a number; "
        "this checkpoint cannot be sampled from, use another one"
    )


@dataclass(frozen=True)
class Sampler(Checked):
    """Sampling parameters, and a function that draws the next symbol with them.

    Called with logits (V,) or (B, V) and a generator, it returns an id, or ids (B,).

    Two fields are not knobs: ``bias``, pairs of an id and the nats added to its logit, and
    ``processors``.
    """

    dry: float | None = knob(
        None,
        "penalty, subtracted from the logarithm of the probability, on continuing a repetition of "
        "dry-length or more characters; larger for longer ones",
        above=0,
        high=100,
        none=True,
    )
    dry_base: float = knob(
        DRY_BASE,
        "factor by which that penalty grows with each further repeated character",
        low=1,
        high=10,
    )
    dry_length: int = knob(
        DRY_LENGTH,
        "length of the shortest repetition that is penalized, in characters",
        low=1,
        high=LONGEST_SPAN,
    )
    temperature: float = knob(
        0.8,
        "how random the text is: below 1 safer, above 1 wilder; 0 always takes the likeliest "
        "character",
        low=0,
        high=10**6,
        short="-t",
    )
    top_k: int | None = knob(
        None,
        "draw only from the k likeliest characters",
        low=1,
        none=True,
        short="-k",
    )
    top_p: float | None = knob(
        None,
        "draw only from the likeliest characters whose probabilities add up to p",
        above=0,
        high=1,
        none=True,
    )
    min_p: float | None = knob(
        None,
        "draw only from characters at least p times as likely as the likeliest one",
        low=0,
        high=1,
        none=True,
    )

    bias: tuple[tuple[int, float], ...] = ()
    processors: tuple[Processor, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        bias = self.bias
        if not isinstance(bias, tuple) or not all(map(_is_pair, bias)):
            raise ConfigError(f"`bias` must be a tuple of pairs (id, nats), got {bias!r}")
        processors = self.processors
        if not isinstance(processors, tuple) or not all(map(callable, processors)):
            raise ConfigError(f"`processors` must be a tuple of functions, got {processors!r}")

    def __call__(self, logits: Logits, rng: Generator, ids: Any = NO_IDS) -> Any:
        """Draw the next symbol.

        Args:
            logits: (V,) or (B, V).
            rng: a source of random numbers.
            ids: (n,) read so far, for the filters that look back; for B streams a list of B arrays.
        """
        filtered = self.filtered(logits.astype(np.float64), ids)
        return draw(filtered, rng)

    @property
    def looks_back(self) -> bool:
        """Whether it depends on the ids that were read so far."""
        return self.dry is not None or bool(self.processors)

    def filtered(self, logits: Logits, ids: Any = NO_IDS) -> Logits:
        """The logits to draw from, the largest of which is 0."""
        adjusted = self.adjusted(logits, ids)
        return self.cut(apply_temperature(adjusted, self.temperature))

    # The filters are applied in the order of the lines of the next two methods.

    def adjusted(self, logits: Logits, ids: Any = NO_IDS) -> Logits:
        """The logits after the filters that precede the temperature."""
        if self.bias:
            logits = apply_bias(logits, self.bias)
        if self.looks_back:
            logits = self._adjusted_by_history(logits, ids)
        return logits

    def cut(self, logits: Logits) -> Logits:
        """The logits after the filters that follow the temperature; the largest must be 0."""
        if self.top_k is not None:
            logits = apply_top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = apply_top_p(logits, self.top_p)
        if self.min_p is not None:
            logits = apply_min_p(logits, self.min_p)
        return logits

    def _adjusted_by_history(self, logits: Logits, ids: Any) -> Logits:
        if logits.ndim > 1:
            streams = zip(logits, ids, strict=True)
            rows = [self._adjusted_by_history(*stream) for stream in streams]
            return np.stack(rows)
        if self.dry is not None:
            logits = apply_dry(logits, ids, self.dry, self.dry_base, self.dry_length)
        return apply_processors(logits, ids, self.processors)


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2


def _without(logits: Logits, removed: NDArray[np.intp]) -> Logits:
    remaining = logits.copy()
    np.put_along_axis(remaining, removed, -np.inf, axis=-1)
    return remaining
