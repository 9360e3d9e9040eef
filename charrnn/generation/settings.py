"""Translate sampling settings, given in characters, to the fields of Sampler, which takes ids."""

import math
import numbers
import secrets
from collections.abc import Mapping
from typing import Any

from charrnn.config.arguments import string, whole_number
from charrnn.config.knobs import knobs
from charrnn.errors import ConfigError
from charrnn.generation.sampling import Sampler
from charrnn.generation.text_kinds import can_write, has_one_id_each
from charrnn.vocab import Vocabulary, composed, describe

IN_CHARACTERS = ("bias", "ban", "processors")
NAMES = (*knobs(Sampler), *IN_CHARACTERS)


def settings_of(vocabulary: Vocabulary, sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of Sampler for settings of ``TextModel.generate``.

    Raises:
        ConfigError: a setting is unknown or invalid.
        VocabularyError: a character of the bias is unknown.
    """
    for name in sampling:
        if name not in NAMES:
            raise ConfigError(f"{name!r} is not a sampling setting; use one of {', '.join(NAMES)}")
    settings = {name: value for name, value in sampling.items() if name not in IN_CHARACTERS}
    bias = sampling.get("bias") or {}
    ban = sampling.get("ban") or ""
    processors = sampling.get("processors") or ()
    if not isinstance(bias, Mapping):
        raise ConfigError(
            "`bias` must be a mapping of characters to numbers, such as {'eE': -2.0}, "
            f"got {bias!r}"
        )
    if not isinstance(ban, str):
        raise ConfigError(f"`ban` must be a string of characters, got {ban!r}")
    if not isinstance(processors, list | tuple) or not all(map(callable, processors)):
        raise ConfigError(
            f"`processors` must be a list of functions (ids, logits) -> logits, got {processors!r}"
        )
    if bias or ban:
        settings["bias"] = bias_of(vocabulary, bias, ban)
    if "processors" in sampling:
        settings["processors"] = tuple(processors)
    return settings


def bias_of(
    vocabulary: Vocabulary,
    bias: Mapping[str, float],
    ban: str,
) -> tuple[tuple[int, float], ...]:
    """Pairs of an id and the nats added to its logit: minus infinity for a banned character.

    Args:
        vocabulary: of the model.
        bias: characters, and the nats for each of them.
        ban: characters, some of which the model may not know.

    Raises:
        ConfigError: a number is not finite, every character is banned, or a character takes several
            bytes in a model of bytes.
        VocabularyError: a character of ``bias`` is unknown.
    """
    values = dict[int, float]()
    for chars, nats in bias.items():
        string("bias", chars)
        if not _is_finite(nats):
            raise ConfigError(f"`bias` must be a finite number for {chars!r}, got {nats!r}")
        for idx in _one_id_each(vocabulary, chars, "bias"):
            values[idx] = values.get(idx, 0.0) + float(nats)
    for idx in _banned(vocabulary, ban):
        values[idx] = -math.inf
    return tuple(sorted(values.items()))


def _banned(vocabulary: Vocabulary, ban: str) -> list[int]:
    """The ids of the characters of a ban that the model knows."""
    chars, _ = _split_known(vocabulary, ban)
    ids = _one_id_each(vocabulary, chars, "ban")
    num_symbols = len(vocabulary.symbols)
    if num_symbols and len(set(chars)) == num_symbols:
        raise ConfigError(
            f"`ban` contains all {num_symbols} characters of the model; leave at least one"
        )
    return ids


def _is_finite(value: Any) -> bool:
    """Whether a value is a finite number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    return math.isfinite(value)


def not_banned(vocabulary: Vocabulary, ban: str) -> list[str]:
    """A notice on each character of a ban that the model never writes as one character."""
    _, unknown = _split_known(vocabulary, ban)
    return [
        f"`ban` has no effect on {describe(char)}: the model never writes that character"
        for char in dict.fromkeys(unknown)
    ]


def _split_known(vocabulary: Vocabulary, chars: str) -> tuple[str, str]:
    """The characters that are symbols, and the others.

    Characters that compose to one, such as a letter and its accents, count as that one if some of
    them are not symbols.
    """
    if can_write(vocabulary, chars):
        return chars, ""
    symbols = frozenset(vocabulary.symbols)
    known = list[str]()
    unknown = list[str]()
    place = 0
    while place < len(chars):
        char = chars[place]
        length = 1
        for whole, parts in composed(chars, place):
            if not symbols.issuperset(parts):
                char = whole
                length = len(parts)
                break
        if char in symbols:
            known.append(char)
        else:
            unknown.append(char)
        place += length
    return "".join(known), "".join(unknown)


def _one_id_each(vocabulary: Vocabulary, chars: str, name: str) -> list[int]:
    """The id of each of some characters.

    Raises:
        ConfigError: one has several ids.
        VocabularyError: one is unknown.
    """
    if not has_one_id_each(vocabulary, chars):
        raise ConfigError(
            f"`{name}` can contain only ASCII characters for a model of bytes, got {chars!r}"
        )
    return [int(idx) for idx in vocabulary.encode(chars)]


def seed_of(seed: int | None) -> int:
    """The seed that a user gave, or a random one."""
    if seed is None:
        return secrets.randbelow(2**32)
    return whole_number("seed", seed)
