"""From what somebody asks for in characters to the fields of Sampler, which knows ids. Knows
nothing of networks."""

import math
import numbers
import secrets
from collections.abc import Mapping
from typing import Any

from charrnn.config.arguments import string, whole_number
from charrnn.config.knobs import knobs
from charrnn.errors import ConfigError
from charrnn.generation.sampling import Sampler
from charrnn.vocab import Vocabulary, composed, describe

NAMES = (*knobs(Sampler), "bias", "ban", "processors")


def settings_of(vocabulary: Vocabulary, sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Sampler for settings as ``TextModel.generate`` takes them.

    Raises:
        ConfigError: there is no such setting, or one is not possible.
        VocabularyError: a character of the bias is unknown.
    """
    for name in sampling:
        if name not in NAMES:
            raise ConfigError(
                f"{name!r} is not a setting of the sampler; give one of {', '.join(NAMES)}"
            )
    settings = {
        name: value for name, value in sampling.items() if name not in ("bias", "ban", "processors")
    }
    bias, ban, processors = (
        sampling.get("bias") or {},
        sampling.get("ban") or "",
        sampling.get("processors") or (),
    )
    if not isinstance(bias, Mapping) or not isinstance(ban, str):
        raise ConfigError(
            "bias and ban: give a mapping of characters to nats, such as {'eE': -2.0}, and a string of characters"
        )
    if not isinstance(processors, list | tuple) or not all(map(callable, processors)):
        raise ConfigError(
            f"processors: {processors!r} is not possible; give a list of functions (ids, logits) -> logits"
        )
    if bias or ban:
        settings["bias"] = bias_of(vocabulary, bias, ban)
    if "processors" in sampling:
        settings["processors"] = tuple(processors)
    return settings


def bias_of(
    vocabulary: Vocabulary, bias: Mapping[str, float], ban: str
) -> tuple[tuple[int, float], ...]:
    """What is added to which symbol: so many nats to each of some characters, minus infinity to
    those that are banned.

    Raises:
        ConfigError: a number is not possible, no character is left, or one has several bytes in a
            model of bytes.
        VocabularyError: a character that shall be likelier or less likely is unknown; one that is
            banned may be.
    """
    values = dict[int, float]()
    for chars, value in bias.items():
        string("bias", chars)
        if (
            isinstance(value, bool)
            or not isinstance(value, numbers.Real)
            or not math.isfinite(value)
        ):
            raise ConfigError(f"bias: {chars}={value!r} is not possible; give a number of nats")
        for idx in _one_symbol_each(vocabulary, chars, "bias"):
            values[idx] = values.get(idx, 0.0) + float(value)
    banned, _ = _known(vocabulary, ban)
    values |= dict.fromkeys(_one_symbol_each(vocabulary, banned, "ban"), -math.inf)
    if len(set(banned)) == len(vocabulary.symbols) > 0:
        raise ConfigError(
            f"ban: all {len(vocabulary.symbols)} characters of the model are banned; leave one"
        )
    return tuple(sorted(values.items()))


def not_banned(vocabulary: Vocabulary, ban: str) -> list[str]:
    """A sentence on each character of a ban that the model never writes as one, so that nothing is
    banned for it."""
    return [
        f"ban: the model never writes {describe(char)} as one character"
        for char in dict.fromkeys(_known(vocabulary, ban)[1])
    ]


def _known(vocabulary: Vocabulary, chars: str) -> tuple[str, str]:
    """Of some characters those that are symbols, and the others; a letter and its marks are one
    where not all of them are symbols."""
    if vocabulary.unit == "byte":
        return chars, ""
    symbols, meant, place = frozenset(vocabulary.symbols), list[str](), 0
    while place < len(chars):
        char, typed = next(
            (found for found in composed(chars, place) if not symbols.issuperset(found[1])),
            (chars[place], chars[place]),
        )
        meant.append(char)
        place += len(typed)
    return "".join(char for char in meant if char in symbols), "".join(
        char for char in meant if char not in symbols
    )


def _one_symbol_each(vocabulary: Vocabulary, chars: str, name: str) -> list[int]:
    if vocabulary.unit == "byte" and not chars.isascii():
        raise ConfigError(
            f"{name}: {chars!r} is not possible: the model writes bytes, and a character beyond ASCII has several"
        )
    return [int(idx) for idx in vocabulary.encode(chars)]


def seed_of(seed: int | None) -> int:
    """The seed that somebody gave, or another one each time."""
    return secrets.randbelow(2**32) if seed is None else whole_number("seed", seed)
