"""The filters, and Sampler: from logits to the next symbol. Knows nothing of models and of text.

A filter is a pure function ``(logits (..., V), value) -> logits (..., V)``: minus infinity for what is removed, and at least
one symbol is left. To add one: a function, a field of Sampler, a line in ``Sampler.filtered``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.config import Checked, knob
from charrnn.errors import GenerationError

Logits = NDArray[Any]
ROUNDING = 1e-12  # so that a symbol exactly at a bound falls on the side that arithmetic by hand puts it


def apply_temperature(logits: Logits, temperature: float) -> Logits:
    """Divide by the temperature (Ackley et al. 1985), the largest being made 0; 0 keeps the first of the likeliest alone."""
    with np.errstate(over="ignore", invalid="ignore"):  # a tiny temperature takes the unlikely ones to minus infinity
        shifted: Logits = logits - logits.max(axis=-1, keepdims=True)
        if temperature:
            shifted /= temperature
    return shifted if temperature else apply_top_k(shifted, 1)


def apply_top_k(logits: Logits, top_k: int) -> Logits:
    """Keep exactly the k likeliest symbols (Fan et al. 2018); of equal ones, those with the smaller ids."""
    if top_k >= logits.shape[-1]:
        return logits
    order = np.argsort(-logits, axis=-1, kind="stable")
    return _without(logits, order[..., top_k:])


def apply_top_p(logits: Logits, top_p: float) -> Logits:
    """Keep the fewest likeliest symbols that have the probability p together (Holtzman et al. 2020)."""
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
    """Keep the symbols that are at least p times as likely as the likeliest (Nguyen et al. 2024)."""
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


def draw(logits: Logits, rng: np.random.Generator) -> Any:
    """One symbol from each distribution: an id for logits (V,), ids (B,) for (B, V). The largest of each must be 0."""
    ends = np.exp(logits).cumsum(axis=-1)
    if not (ends[-1] >= 1 if ends.ndim == 1 else (ends[..., -1] >= 1).all()):  # the largest weight is exp(0)
        raise GenerationError("the network gave a logit that is not a number; the checkpoint is not fit to sample from, use another one")
    if ends.ndim == 1:
        return int(ends.searchsorted(rng.random() * ends[-1], side="right"))  # the product is below its last factor
    marks = rng.random(ends.shape[:-1])[..., None] * ends[..., -1:]
    return (ends <= marks).sum(axis=-1)


@dataclass(frozen=True)
class Sampler(Checked):
    """How the next symbol is drawn; called with logits (V,) or (B, V) and a generator it gives an id, or ids (B,)."""

    temperature: float = knob(0.8, "below 1 safer, above 1 wilder; 0 always takes the likeliest character", low=0, high=10**6, short="-t")
    top_k: int | None = knob(None, "draw from the k likeliest characters only", low=1, none=True, short="-k")
    top_p: float | None = knob(
        None, "draw from the fewest likeliest characters that have probability p together", above=0, high=1, none=True
    )
    min_p: float | None = knob(None, "draw from the characters at least p times as likely as the likeliest", low=0, high=1, none=True)

    def filtered(self, logits: Logits) -> Logits:
        """The logits that are drawn from, the largest of which is 0; the order of the lines is the order of the filters."""
        logits = apply_temperature(logits, self.temperature)
        logits = logits if self.top_k is None else apply_top_k(logits, self.top_k)
        logits = logits if self.top_p is None else apply_top_p(logits, self.top_p)
        return logits if self.min_p is None else apply_min_p(logits, self.min_p)

    def __call__(self, logits: Logits, rng: np.random.Generator) -> Any:
        return draw(self.filtered(logits.astype(np.float64)), rng)


def _without(logits: Logits, removed: NDArray[np.intp]) -> Logits:
    kept = logits.copy()
    np.put_along_axis(kept, removed, -np.inf, axis=-1)
    return kept
