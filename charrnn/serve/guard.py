"""Guard: refuses requests from elsewhere before anything of them is read.

A page in a browser can send requests to a server on the same machine. So the Host header must name
the server (else a stranger's domain could be made to point here: DNS rebinding), an Origin header
must be the server's own, bodies must be JSON, which a page cannot send elsewhere without asking
first, and CORS headers are sent only to origins that the server was told to allow.
"""

import hmac
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from charrnn.serve.problem import Problem

LOCAL = ("localhost", "127.0.0.1", "::1")
SAFE_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-max-age": "600",
}

ASGI = Callable[[Any, Any, Any], Awaitable[None]]


class Guard:
    """A layer around an ASGI application.

    Args:
        inner: the application.
        hosts: names that the Host header may have; empty for any.
        api_key: that requests must bring, but for /health and the page; None for no key.
        origins: of pages elsewhere that may send requests.
    """

    def __init__(
        self,
        inner: ASGI,
        hosts: Collection[str],
        api_key: str | None,
        origins: Collection[str] = (),
    ) -> None:
        self.inner = inner
        self.hosts = {host.lower() for host in hosts}
        self.api_key = api_key
        self.origins = {origin.lower().rstrip("/") for origin in origins}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return

        headers = Headers(scope=scope)
        added = dict(SAFE_HEADERS)
        origin = headers.get("origin", "")
        is_allowed = origin.lower() in self.origins
        if is_allowed:
            added |= {"access-control-allow-origin": origin, "vary": "origin"}

        async def send_safely(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", []))
                present = {name for name, _ in own}
                for name, value in added.items():
                    if name.encode() not in present:
                        own.append((name.encode(), value.encode("latin-1")))
                message = {**message, "headers": own}
            await send(message)

        try:
            self._check_source(headers)
            if is_allowed and scope["method"] == "OPTIONS":
                # a browser asks before it sends the request of a page
                asked = headers.get("access-control-request-headers", "content-type")
                allowed = PREFLIGHT | {"access-control-allow-headers": asked}
                await Response(status_code=204, headers=allowed)(scope, receive, send_safely)
                return
            self._check(scope["method"], _path_of(scope), headers)
        except Problem as problem:
            answer = JSONResponse(problem.as_dict(), problem.status, problem.headers)
            await answer(scope, receive, send_safely)
            return
        await self.inner(scope, receive, send_safely)

    def _check_source(self, headers: Headers) -> None:
        """Refuse a request by where it comes from.

        Raises:
            Problem: it is refused.
        """
        host = headers.get("host", "")
        if self.hosts and _name_of(host) not in self.hosts:
            raise Problem(403, f"the Host header must be one of {', '.join(sorted(self.hosts))}")
        origin = headers.get("origin")
        if origin is None or origin.lower() in self.origins:
            return
        if origin.partition("://")[2].lower() != host.lower():
            raise Problem(403, "requests from pages of other origins are refused")

    def _check(self, method: str, path: str, headers: Headers) -> None:
        """Refuse a request without the key, or with something else than JSON.

        Raises:
            Problem: it is refused.
        """
        is_open = self.api_key is None or path in ("/", "/health") or path.startswith("/page/")
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


def _path_of(scope: Any) -> str:
    """The path within the application, which may be mounted in another one."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
