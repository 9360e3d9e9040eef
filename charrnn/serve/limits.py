"""Limits: what a request may ask for, so that no client can exhaust the server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The most that is accepted.

    Args:
        body: bytes of a request.
        body_seconds: in which it must arrive.
        prompt: characters of all prompts of a request.
        length: characters to generate, over all texts of a request.
        scored: characters whose probabilities a request may ask for.
        alternatives: for all of these together.
        texts: that a request may draw.
        constraint: characters of a regular expression, and of all required and forbidden strings.
        compile_seconds: that compiling the constraints may take.
        seconds: that a request may take.
        streams: requests that are answered at the same time; further ones get 429.
        ahead: pieces that a stream may be ahead of its client.
    """

    body: int = 1 << 20
    body_seconds: float = 20.0
    prompt: int = 200_000
    length: int = 100_000
    scored: int = 20_000
    alternatives: int = 100_000
    texts: int = 64
    constraint: int = 500
    compile_seconds: float = 10.0
    seconds: float = 300.0
    streams: int = 256
    ahead: int = 256
