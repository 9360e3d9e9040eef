"""An HTTP API for models that clients of OpenAI's API speak; needs Starlette and uvicorn.

``app`` is a plain ASGI application, to be mounted elsewhere or run by ``charrnn serve``.
"""

from typing import Any


def app(models: Any, **settings: Any) -> Any:
    """The API for some models; the arguments are those of ``charrnn.serve.http_api.app``."""
    from charrnn.serve.http_api import app as build

    return build(models, **settings)
