"""SessionState: the state of a session at one moment, and its conversion to and from JSON."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.config.knobs import knobs
from charrnn.context_mixing.contexts import LONGEST, MODULUS, Reading
from charrnn.generation.network import Network, State
from charrnn.generation.sampling import Sampler
from charrnn.generation.session_file import NewerError, packed, unpacked
from charrnn.generation.writer import reach
from charrnn.vocab import MOST_BYTES

# Network states here have no memories; those are rebuilt from the ids.


class Place(NamedTuple):
    """Where the network was after a character that it drew.

    Args:
        characters: the number drawn so far.
        state: of the network.
        read: ids in the history.
        pending: the bytes of an unfinished character.
    """

    characters: int
    state: State
    read: int
    pending: bytes


class SessionState(NamedTuple):
    """The state of a session, without its texts and its history, which only grow or are cut.

    Args:
        state: of the network.
        read: ids in the history.
        held: text that was drawn and read, but not given yet.
        beyond: the ids from the first of ``places`` on; empty if nothing is held.
        places: from the last character given to the newest one drawn.
        random: the state of the random generator.
        pending: the bytes of an unfinished character.
        pieces: the number of texts.
        ended: whether a record has ended.
    """

    state: State
    read: int
    held: str
    beyond: tuple[int, ...]
    places: tuple[Place, ...]
    random: dict[str, Any]
    pending: bytes
    pieces: int
    ended: bool


def to_values(moment: SessionState, ids: Sequence[int], network: Network) -> dict[str, Any]:
    """A session's state, and the ids that were read, as JSON values."""
    # the numbers are too large for JSON in other languages
    numbers = {name: str(value) for name, value in moment.random["state"].items()}
    recent = ids[-reach(network) :]
    return {
        "h": packed(moment.state.h),
        "c": packed(moment.state.c),
        "reading": _reading_values(moment.state),
        "ids": packed(np.array(recent, np.int32)),
        "random": moment.random | {"state": numbers},
        "pending": base64.b64encode(moment.pending).decode(),
        "held": moment.held,
        "ended": moment.ended,
        "beyond": [_place_values(place, moment) for place in moment.places],
    }


def _place_values(place: Place, moment: SessionState) -> list[Any]:
    """A place as JSON values, with its numbers counted back from the newest place."""
    return [
        moment.places[-1].characters - place.characters,
        moment.read - place.read,
        packed(place.state.h),
        packed(place.state.c),
        _reading_values(place.state),
        base64.b64encode(place.pending).decode(),
    ]


def _reading_values(state: State) -> list[str] | None:
    """What contexts are computed from, as strings: the numbers are too large for JSON."""
    if not isinstance(state.reading, Reading):
        return None
    last, *hashes = state.reading
    return [str(number) for number in (*last, *hashes)]


def from_values(
    values: Mapping[str, Any],
    network: Network,
    random: Mapping[str, Any],
) -> tuple[SessionState, list[int]]:
    """The state and the ids that ``to_values`` converted.

    Args:
        values: from a file.
        network: continues from there.
        random: a state of the same kind of random generator.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError, zlib.error: the values are damaged.
    """
    ids = unpacked(values["ids"], np.int32, reach(network)).tolist()
    if ids and not 0 <= min(ids) <= max(ids) < network.vocab_size:
        raise ValueError("it has ids that the model does not have")
    random = _random(values["random"], random)
    held = values["held"]
    ended = values["ended"]
    if not isinstance(held, str) or not isinstance(ended, bool):
        raise TypeError("held must be a string, and ended a boolean")
    held.encode()  # raises an error for half a surrogate pair
    places = _places(values["beyond"], len(held), len(ids), network)
    beyond = []
    if places:
        beyond = ids[places[0].read :]
    moment = SessionState(
        state=_state(network, values["h"], values["c"], values.get("reading")),
        read=len(ids),
        held=held,
        beyond=tuple(beyond),
        places=tuple(places),
        random=random,
        pending=_pending(values["pending"]),
        pieces=0,
        ended=ended,
    )
    return moment, ids


def _random(values: Mapping[str, Any], random: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: int(values["state"][name]) for name in random["state"]}
    return {
        **random,
        "state": numbers,
        "has_uint32": values["has_uint32"],
        "uinteger": values["uinteger"],
    }


def _places(values: Iterable[Any], characters: int, read: int, network: Network) -> list[Place]:
    places = []
    for characters_left, ids_left, h, c, *readings, pending in values:
        place = Place(
            characters=characters - count(characters_left),
            state=_state(network, h, c, *readings),
            read=read - min(count(ids_left), read),
            pending=_pending(pending),
        )
        places.append(place)
    whole = not places and not characters
    if places and characters:
        whole = places[0].characters <= 0 < places[-1].characters == characters
    if not whole:
        raise ValueError("the held text does not match its places")
    return places


def _pending(text: str) -> bytes:
    """The bytes of an unfinished character."""
    pending = base64.b64decode(text, validate=True)
    if len(pending) >= MOST_BYTES:
        raise ValueError("an unfinished character has too many bytes")
    return pending


def _state(network: Network, h: str, c: str, reading: Any = None) -> State:
    blank = network.zero_state()
    state = State(
        unpacked(h, np.float32, blank.h.size),
        unpacked(c, np.float32, blank.c.size),
        (),
        _reading(network, reading),
    )
    for part, blank_part in ((state.h, blank.h), (state.c, blank.c)):
        if part.shape != blank_part.shape or not np.isfinite(part).all():
            raise ValueError("the network's state has another size, or is not finite")
    return state


def _reading(network: Network, values: Any) -> Reading | None:
    """What contexts are computed from; sessions of models without counts have none."""
    if network.mixer is None:
        return None
    numbers = [int(value) for value in values]
    if len(numbers) != LONGEST + 4 or not 0 <= min(numbers) <= max(numbers) < MODULUS:
        raise ValueError("what the contexts are computed from is damaged")
    if max(numbers[:LONGEST]) > network.vocab_size:
        raise ValueError("the last symbols are not symbols of the model")
    return Reading(tuple(numbers[:LONGEST]), *numbers[LONGEST:])


def sampler_to_values(sampler: Sampler) -> dict[str, Any]:
    """A sampler as JSON values; of its processors, only their number."""
    bias = []
    banned = []
    for idx, nats in sampler.bias:
        if nats == -math.inf:
            banned.append(idx)
        else:
            bias.append([idx, nats])
    settings = {name: getattr(sampler, name) for name in knobs(Sampler)}
    return {
        "sampler": settings,
        "processors": len(sampler.processors),
        "banned": banned,
        "bias": bias,
    }


def sampler_from_values(
    values: Mapping[str, Any],
    network: Network,
) -> tuple[Sampler, int]:
    """The sampler that ``sampler_to_values`` converted, and the number of its processors.

    A setting that the values lack, because an earlier version saved them, has its default.

    Raises:
        NewerError: a setting is unknown.
        KeyError, TypeError, ValueError, AttributeError, ConfigError: the values are damaged.
    """
    bias: dict[int, float] = {}
    for value, nats in values["bias"]:
        idx = _id(value, network)
        bias[idx] = _number(nats)
    for value in values["banned"]:
        idx = _id(value, network)
        bias[idx] = -math.inf
    settings = values["sampler"]
    unknown = settings.keys() - knobs(Sampler).keys()
    if unknown:
        raise NewerError(f"it has the setting {min(unknown)!r}")
    pairs = sorted(bias.items())
    sampler = Sampler(**settings, bias=tuple(pairs))
    return sampler, count(values["processors"])


def count(value: Any) -> int:
    """Check that a value is an integer ≥ 0.

    Raises:
        ValueError: it is not.
    """
    if type(value) is not int or value < 0:
        raise ValueError(f"a number must be an integer ≥ 0, got {value!r}")
    return value


def _id(idx: Any, network: Network) -> int:
    if type(idx) is not int or not 0 <= idx < network.vocab_size:
        raise ValueError(f"{idx!r} is not the id of a symbol of the model")
    return idx


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"a bias must be a finite number, got {value!r}")
    return float(value)
