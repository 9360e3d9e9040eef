"""The page to write in: files that the server sends as they are, from serve/page/."""

from collections.abc import Awaitable, Callable
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# The types that mimetypes knows differ from machine to machine.
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page_routes() -> list[Route]:
    """The page itself at ``/``, and what it loads under ``/page/``."""
    routes = []
    for file in resources.files("charrnn.serve").joinpath("page").iterdir():
        _, dot, suffix = file.name.rpartition(".")
        path = "/" if file.name == "index.html" else f"/page/{file.name}"
        answer = Response(
            file.read_bytes(),
            media_type=TYPES[dot + suffix],
            headers={"content-security-policy": POLICY, "cache-control": "no-cache"},
        )
        routes.append(Route(path, _always(answer)))
    return routes


def _always(answer: Response) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        return answer

    return endpoint
