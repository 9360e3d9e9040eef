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
        texts: that a request may draw.
        constraint: characters of a regular expression, and of each required or forbidden string.
        seconds: that a request may take once its turn has come.
        streams: requests that are answered at the same time; further ones get 429.
        ahead: pieces that a stream may be ahead of its client.
    """

    body: int = 1 << 20
    body_seconds: float = 20.0
    prompt: int = 200_000
    length: int = 100_000
    texts: int = 64
    constraint: int = 500
    seconds: float = 300.0
    streams: int = 256
    ahead: int = 256
