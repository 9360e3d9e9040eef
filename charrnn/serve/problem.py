"""Problem: an error with a status, in the shape of OpenAI's API."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from charrnn.errors import CharRNNError, CheckpointError

logger = logging.getLogger(__name__)

# the fields of a request whose names are not those of the library's arguments
FIELDS = {"length": "max_tokens", "bias": "logit_bias", "constraint": "match"}
KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Problem(Exception):  # noqa: N818, also for what is not an error of this program
    """What is wrong with a request.

    Args:
        status: of the answer.
        message: for people.
        param: the field that is wrong, if it is one.
        headers: of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.headers = dict(headers or {})

    def as_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        kind = KINDS.get(self.status)
        if kind is None:
            kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": self.message, "type": kind, "param": self.param, "code": None}
        return {"error": error}


def problem_of(error: CharRNNError) -> Problem:
    """What an error of the library says, with the field that it names.

    An error in a file of the run is the server's, and its message has paths, so it goes to the log.
    """
    if isinstance(error, CheckpointError):
        logger.warning("%s", error)
        return Problem(503, "a file of the run that this needs is missing; see the server's log")
    message = str(error)
    named = re.search(r"`(\w+)`", message)
    param = FIELDS.get(named[1], named[1]) if named else None
    return Problem(400, message, param)
