"""SessionState: all that a session is at some moment, and how a file keeps it. Knows nothing of
texts and of how they are written."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from charrnn.copy_window import Memory
from charrnn.generation.decode import REACH
from charrnn.generation.network import Network, State
from charrnn.generation.session_file import packed, unpacked
from charrnn.vocab import MOST_BYTES


class Place(NamedTuple):
    """Where the network was behind a character that it drew."""

    characters: int  # that had been drawn
    state: State  # without memories, as everywhere here: they are made anew of the ids
    read: int  # ids in the history
    pending: bytes  # the beginning of a character


class SessionState(NamedTuple):
    """All that a session is, but for its texts and its history, which only grow or are cut."""

    state: State
    read: int  # ids in the history
    held: str  # drawn and read, and not given yet
    beyond: tuple[
        int, ...
    ]  # the last of the ids, from the first of ``places`` on; none where nothing is held
    places: tuple[Place, ...]  # from the last character given on, to the newest
    random: dict[str, Any]
    pending: bytes
    pieces: int  # of the text
    ended: bool


def to_values(moment: SessionState, ids: Sequence[int], network: Network) -> dict[str, Any]:
    """A moment, and the ids that were read, as values of JSON."""
    random = {
        name: str(value) for name, value in moment.random["state"].items()
    }  # too large for JSON elsewhere
    return {
        "h": packed(moment.state.h), "c": packed(moment.state.c), "ids": packed(np.array(ids[-reach(network) :], np.int32)),
        "random": moment.random | {"state": random}, "pending": base64.b64encode(moment.pending).decode(), "held": moment.held,
        "ended": moment.ended, "beyond": [
            [
                moment.places[-1].characters - place.characters, moment.read - place.read, packed(place.state.h), packed(place.state.c),
                base64.b64encode(place.pending).decode(),
            ]
            for place in moment.places
        ],
    }  # fmt: skip


def from_values(
    values: Mapping[str, Any], network: Network, random: Mapping[str, Any]
) -> tuple[SessionState, list[int]]:
    """The moment and the ids in such values.

    Args:
        values: from a file.
        network: that goes on.
        random: a state of its kind of generator.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError, zlib.error: they are none.
    """
    ids = unpacked(values["ids"], np.int32, reach(network)).tolist()
    if ids and not 0 <= min(ids) <= max(ids) < network.vocab_size:
        raise ValueError("it has read symbols that the model does not have")
    told, held, ended = values["random"], values["held"], values["ended"]
    numbers = {name: int(told["state"][name]) for name in random["state"]}
    if not isinstance(held, str) or not isinstance(ended, bool):
        raise TypeError("held is no text, or ended is not true or false")
    held.encode()  # refuses half a character
    places = [
        Place(
            len(held) - count(characters),
            _state(network, h, c),
            len(ids) - min(count(symbols), len(ids)),
            _begun(pending),
        )
        for characters, symbols, h, c, pending in values["beyond"]
    ]
    if bool(held) != bool(places) or (
        places and not places[0].characters <= 0 < places[-1].characters == len(held)
    ):
        raise ValueError("what was drawn and not given is not whole")
    random = {
        **random,
        "state": numbers,
        "has_uint32": told["has_uint32"],
        "uinteger": told["uinteger"],
    }
    beyond, state = (
        tuple(ids[places[0].read :]) if places else (),
        _state(network, values["h"], values["c"]),
    )
    return SessionState(
        state, len(ids), held, beyond, tuple(places), random, _begun(values["pending"]), 0, ended
    ), ids


def bare(state: State) -> State:
    """A state without memories, of which each keeps all that was read."""
    return State(state.h, state.c, ())


def remembered(state: State, ids: Sequence[int], network: Network) -> State:
    """A bare state with the memory of what was read."""
    return State(
        state.h, state.c, (Memory.of(network.copy_window, ids),) if network.copy_window else ()
    )


def count(value: Any) -> int:
    """A number of things; ValueError where it is none."""
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is no number of things")
    return value


def reach(network: Network) -> int:
    """How many of the ids that were read count."""
    return max(REACH, network.copy_window + 16)


def _begun(text: str) -> bytes:
    """The beginning of a character."""
    pending = base64.b64decode(text, validate=True)
    if len(pending) >= MOST_BYTES:
        raise ValueError("no character has so many bytes")
    return pending


def _state(network: Network, h: str, c: str) -> State:
    blank = network.zero_state()
    found = unpacked(h, np.float32, blank.h.size), unpacked(c, np.float32, blank.c.size)
    if (found[0].shape, found[1].shape) != (blank.h.shape, blank.c.shape) or not all(
        np.isfinite(part).all() for part in found
    ):
        raise ValueError("the state is not of this network's size, or holds what is no number")
    return State(*found, ())
