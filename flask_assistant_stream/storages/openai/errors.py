"""Turn an upstream's refusal of a call about files into an error for our clients, without secrets. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import AssistantStreamError, NotFound, RequestError, UpstreamError
from ...translation.failures import Failure
from ...upstream import Upstream, retry_after

REFUSALS = frozenset((400, 409, 413, 415, 422))
"""Statuses of an invalid request."""

CREDENTIALS = "The upstream rejected the credentials of this server."
BUSY = "The upstream has too many requests at the moment; try again later."
INVALID_RESPONSE = "The upstream returned an invalid response."
TIMED_OUT = "The upstream did not respond in time."
UNREACHABLE = "The upstream cannot be reached, or closed the connection."


def refused(status: int, headers: Mapping[str, str], body: Any, upstream: Upstream, now: float) -> AssistantStreamError:
    """Return the error for a response with a status of 300 and above.

    Args:
        headers: names in lower case.
        body: decoded: an error object in any known shape, text, or None.
        upstream: masks its secrets in the message.
        now: seconds since the epoch.
    """
    if status in (401, 403):
        return UpstreamError(CREDENTIALS)
    if status == 429:
        return UpstreamError(BUSY, status=429, retry_after=retry_after(headers, now))
    message = upstream.masked(_message(body))
    if status == 404:
        return NotFound(message)
    if status in REFUSALS:
        return RequestError(message)
    slow = status in (408, 504)
    return UpstreamError(TIMED_OUT if slow else f"The upstream failed ({status}).", status=504 if slow else 502)


def _message(body: Any) -> str:
    """Return the message of an error body: one line of limited length, without anything that looks like a key."""
    error = body if isinstance(body, dict) else None
    message = str(Failure(message=Failure.of(error).message).last_error()["message"])
    return " ".join(message.split())
