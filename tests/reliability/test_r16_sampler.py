"""R16: the sampler at its limits draws an allowed symbol or raises an error that names the setting,
and its distribution is correct."""

import math
import random
from typing import Any

import numpy as np
import pytest

from charrnn.errors import CharRNNError, ConfigError, GenerationError
from charrnn.generation.sampling import Sampler, probabilities

LIMITS: dict[str, list[Any]] = {
    "temperature": [0, 0.0, -0.0, 1e-300, 1e-6, 0.1, 0.8, 1, 10.0, 1e6],
    "top_k": [None, 1, 2, 5, 6, 10**9],
    "top_p": [None, 1e-300, 1e-9, 0.5, 1 - 1e-16, 1, 1.0],
    "min_p": [None, 0, 0.0, 1e-300, 0.5, 1, 1.0],
}
PAST_LIMITS: dict[str, list[Any]] = {
    "temperature": [-1e-9, 1e6 + 1, math.nan, math.inf, -math.inf, True, "1", None],
    "top_k": [0, -1, 1.0, math.nan, "3", True],
    "top_p": [0, 0.0, -1e-9, 1.0001, math.nan, "0.5"],
    "min_p": [-1e-9, 1.0001, math.nan, "0.5"],
}
LOGITS = [-np.inf, -1e30, -100.0, -1.0, 0.0, 1e-30, 1.0, 1.0, 100.0, 3e38]


@pytest.mark.counted(20_000)
def test_any_setting_draws_an_allowed_symbol_or_is_an_error(tries: int, tally: Any) -> None:
    rng, drawn_from = random.Random(16), 0
    for seed in range(tries):
        settings = {name: rng.choice(values) for name, values in LIMITS.items()}
        sampler = Sampler(**settings)
        logits = np.array([rng.choice(LOGITS) for _ in range(rng.randrange(1, 7))], np.float32)
        if rng.random() < 0.1:
            logits[rng.randrange(len(logits))] = math.nan
        kind = np.isnan(logits).any() or not np.isfinite(logits).any()
        try:
            drawn = sampler(logits, np.random.default_rng(seed))
        except GenerationError:
            assert kind, (settings, logits)
            continue
        drawn_from += 1
        assert not kind, (settings, logits)
        assert 0 <= drawn < len(logits)
        assert logits[drawn] > -np.inf
        if settings["top_k"] == 1 or settings["temperature"] == 0:
            assert drawn == int(np.argmax(logits))
    assert drawn_from > tries / 2
    tally(tries, "settings of the sampler at their limits")


def test_any_setting_past_its_limits_is_an_error_that_names_it(tally: Any) -> None:
    cases = [(name, value) for name, values in PAST_LIMITS.items() for value in values]
    for name, value in cases:
        with pytest.raises(ConfigError, match=f"^`{name}` must be "):
            Sampler(**{name: value})
    tally(len(cases), "settings of the sampler past their limits")


SETTINGS = [
    {"temperature": 1.0}, {"temperature": 0.5}, {"temperature": 2.0}, {"temperature": 1e6}, {"top_k": 3}, {"top_k": 3, "temperature": 0.7},
    {"top_p": 0.9}, {"top_p": 0.3}, {"min_p": 0.1}, {"min_p": 0.5}, {"top_k": 6, "top_p": 0.8, "temperature": 1.3},
    {"top_p": 0.95, "min_p": 0.02, "temperature": 0.9},
]  # fmt: skip
DRAWS = 100_000


def expected(
    logits: np.ndarray,
    temperature: float = 0.8,
    top_k: int | None = None,
    top_p: float | None = None,
    min_p: float | None = None,
) -> Any:
    """The probabilities by hand: plain loops over symbols sorted by probability."""
    weights = [math.exp((value - max(logits)) / temperature) for value in logits]
    p = {idx: weight / sum(weights) for idx, weight in enumerate(weights)}

    def kept(these: list[int]) -> dict[int, float]:
        total = sum(p[idx] for idx in these)
        return {idx: p[idx] / total for idx in these}

    def ranked() -> list[int]:
        return sorted(p, key=lambda idx: (-p[idx], idx))

    if top_k is not None:
        p = kept(ranked()[:top_k])
    if top_p is not None:
        these, total = [], 0.0
        for idx in ranked():
            if total < top_p:
                these.append(idx)
            total += p[idx]
        p = kept(these)
    if min_p is not None:
        p = kept([idx for idx in p if p[idx] >= min_p * max(p.values())])
    return np.array([p.get(idx, 0.0) for idx in range(len(logits))])


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_symbols_are_drawn_with_the_correct_probabilities(
    settings: dict[str, Any], tally: Any
) -> None:
    """Chi-squared over 100,000 draws; by chance one in a million correct samplers would fail."""
    logits = np.array([2.0, 1.5, 1.0, 0.0, -0.5, -1.0, -3.0, 0.9], np.float64)
    p = expected(logits, **settings)
    np.testing.assert_allclose(probabilities(Sampler(**settings).filtered(logits)), p, atol=1e-12)
    drawn = Sampler(**settings)(np.tile(logits, (DRAWS, 1)), np.random.default_rng(1))
    counts = np.bincount(drawn, minlength=len(logits))
    assert not counts[p == 0].any()
    there = p > 0
    statistic = float(((counts[there] - DRAWS * p[there]) ** 2 / (DRAWS * p[there])).sum())
    degrees = int(there.sum()) - 1
    # Wilson and Hilferty 1931: the cube root of chi-squared over its degrees is nearly normal; 4.75
    # deviations are one in a million
    bound = (
        degrees * (1 - 2 / (9 * degrees) + 4.75 * math.sqrt(2 / (9 * degrees))) ** 3
        if degrees
        else 0.0
    )
    assert statistic <= bound
    tally(1, f"settings whose distribution was tested over {DRAWS:,} draws")


def test_nothing_can_be_drawn_if_everything_is_banned(tally: Any) -> None:
    for size in (1, 2, 50):
        with pytest.raises(CharRNNError):
            Sampler()(np.full(size, -np.inf), np.random.default_rng(0))
    tally(3, "distributions with everything banned")
