"""Guard: refuses requests from elsewhere before anything of them is read.

A page in a browser can send requests to a server on the same machine. So the Host header must name
the server (else a stranger's domain could be made to point here: DNS rebinding), an Origin header
must be the server's own, bodies must be JSON, which a page cannot send elsewhere without asking
first, and no CORS header is ever sent.
"""

import hmac
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from charrnn.serve.problem import Problem

LOCAL = ("localhost", "127.0.0.1", "::1")
SAFE_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

ASGI = Callable[[Any, Any, Any], Awaitable[None]]


class Guard:
    """A layer around an ASGI application.

    Args:
        inner: the application.
        hosts: names that the Host header may have; empty for any.
        api_key: that every request but /health must bring; None for no key.
    """

    def __init__(self, inner: ASGI, hosts: Collection[str], api_key: str | None) -> None:
        self.inner = inner
        self.hosts = {host.lower() for host in hosts}
        self.api_key = api_key

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return

        async def send_safely(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                present = {name for name, _ in headers}
                for name, value in SAFE_HEADERS.items():
                    if name.encode() not in present:
                        headers.append((name.encode(), value.encode()))
                message = {**message, "headers": headers}
            await send(message)

        try:
            self._check(scope["method"], scope["path"], Headers(scope=scope))
        except Problem as problem:
            answer = JSONResponse(problem.as_dict(), problem.status, problem.headers)
            await answer(scope, receive, send_safely)
            return
        await self.inner(scope, receive, send_safely)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        """Refuse a request by its headers.

        Raises:
            Problem: it is refused.
        """
        host = headers.get("host", "")
        if self.hosts and _name_of(host) not in self.hosts:
            raise Problem(403, f"the Host header must be one of {', '.join(sorted(self.hosts))}")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise Problem(403, "requests from pages of other origins are refused")
        is_open = self.api_key is None or path == "/health"
        if not is_open and not has_key(headers, str(self.api_key)):
            raise Problem(401, "a valid API key is needed", None, {"WWW-Authenticate": "Bearer"})
        if method == "POST":
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise Problem(415, "the content type must be application/json")


def has_key(headers: Headers, api_key: str) -> bool:
    """Whether a request brings the key; compared in constant time."""
    _, _, key = headers.get("authorization", "").partition(" ")
    return hmac.compare_digest(key.encode("latin-1"), api_key.encode())


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
