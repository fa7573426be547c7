"""The codes of `last_error` (`spec/assistants.md#last-errors`)."""

from __future__ import annotations

from .objects import Object

SERVER_ERROR = "server_error"
RATE_LIMIT = "rate_limit_exceeded"
INVALID_PROMPT = "invalid_prompt"


def step_error(error: Object) -> Object:
    """Return a run's `last_error` with a code that a step may have."""
    return error if error["code"] == RATE_LIMIT else {**error, "code": SERVER_ERROR}
