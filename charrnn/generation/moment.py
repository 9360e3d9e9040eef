"""Moment: all that a session is at some moment, and how a file keeps it. Knows nothing of texts and of how they are written."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.generation.decode import REACH
from charrnn.generation.network import Network, State
from charrnn.generation.state import packed, unpacked
from charrnn.recall import Memory

MOST_BYTES = 4  # of a character in UTF-8


class Place(NamedTuple):
    """Where the network was behind a character that it drew."""

    characters: int  # that had been drawn
    state: State
    logits: Any
    read: int  # ids in the history


class Moment(NamedTuple):
    """All that a session is, but for its texts and its history, which only grow or are cut."""

    state: State
    logits: Any
    read: int  # ids in the history
    held: str  # drawn and read, and not given yet
    beyond: tuple[int, ...]  # the last of the ids, from the first of ``places`` on; none where nothing is held
    places: tuple[Place, ...]  # from the last character given on, to the newest
    random: dict[str, Any]
    pending: bytes
    pieces: int  # of the text
    ended: bool


def to_values(moment: Moment, ids: Sequence[int], network: Network) -> dict[str, Any]:
    """A moment, and the ids that were read, as values of JSON."""
    random = {name: str(value) for name, value in moment.random["state"].items()}  # too large for JSON elsewhere
    places = moment.places if moment.held else ()
    return {
        "h": packed(moment.state.h), "c": packed(moment.state.c), "ids": packed(np.array(ids[-_reach(network) :], np.int32)),
        "random": moment.random | {"state": random}, "pending": base64.b64encode(moment.pending).decode(), "held": moment.held,
        "ended": moment.ended, "beyond": [
            [places[-1].characters - place.characters, moment.read - place.read, packed(place.state.h), packed(place.state.c)]
            for place in places
        ],
    }  # fmt: skip


def from_values(values: Mapping[str, Any], network: Network, random: Mapping[str, Any]) -> tuple[Moment, list[int]]:
    """The moment and the ids in such values.

    Args:
        values: from a file.
        network: that goes on.
        random: a state of its kind of generator.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError, zlib.error: they are none.
    """
    ids = unpacked(values["ids"], np.int32, _reach(network)).tolist()
    if ids and not 0 <= min(ids) <= max(ids) < network.vocab_size:
        raise ValueError("it has read symbols that the model does not have")
    told, held, ended = values["random"], values["held"], values["ended"]
    numbers = {name: int(told["state"][name]) for name in random["state"]}
    if not isinstance(held, str) or not isinstance(ended, bool):
        raise TypeError("held is no text, or ended is not true or false")
    pending = base64.b64decode(values["pending"], validate=True)
    held.encode()  # refuses half a character
    if len(pending) >= MOST_BYTES:
        raise ValueError("no character has so many bytes")
    state, places = _state(network, values["h"], values["c"], ids), list[Place]()
    for characters, symbols, h, c in values["beyond"]:
        read = len(ids) - min(count(symbols), len(ids))
        at = _state(network, h, c, ids[:read])
        places.append(Place(len(held) - count(characters), at, network.logits(at), read))
    if bool(held) != bool(places) or (places and not places[0].characters <= 0 < places[-1].characters == len(held)):
        raise ValueError("what was drawn and not given is not whole")
    random = {**random, "state": numbers, "has_uint32": told["has_uint32"], "uinteger": told["uinteger"]}
    logits = network.logits(state) if ids else None
    beyond = tuple(ids[places[0].read :]) if places else ()
    return Moment(state, logits, len(ids), held, beyond, tuple(places), random, pending, 0, ended), ids


def count(value: Any) -> int:
    """A number of things; ValueError where it is none."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of things")
    return value


def _reach(network: Network) -> int:
    """The most ids that a file keeps."""
    return max(REACH, network.copy_window + 16)


def _state(network: Network, h: str, c: str, ids: Sequence[int]) -> State:
    """A state behind some ids."""
    blank = network.zero_state()
    found = unpacked(h, np.float32, blank.h.size), unpacked(c, np.float32, blank.c.size)
    if (found[0].shape, found[1].shape) != (blank.h.shape, blank.c.shape) or not all(np.isfinite(part).all() for part in found):
        raise ValueError("the state is not of this network's size, or holds what is no number")
    return State(*found, (Memory.of(network.copy_window, ids),) if network.copy_window else ())
