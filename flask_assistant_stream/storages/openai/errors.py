"""What an upstream's refusal of a call about files is to our clients: whose fault it is, in words without secrets.

Pure: it knows no client library and no connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import AssistantStreamError, NotFound, RequestError, UpstreamError
from ...protocol.failures import Failure
from ...upstream import Upstream, retry_after

REFUSALS = frozenset((400, 409, 413, 415, 422))
"""Statuses that say that what was asked cannot be done."""

CREDENTIALS = "The upstream refused the credentials of this server."
BUSY = "The upstream has too many requests at the moment; try again later."
NONSENSE = "The upstream answered what is no answer to this."
SLOW = "The upstream did not answer in time."
UNREACHABLE = "The upstream cannot be reached, or broke off."


def refused(status: int, headers: Mapping[str, str], body: Any, upstream: Upstream, now: float) -> AssistantStreamError:
    """Make the error for an answer of 300 and above.

    Args:
        headers: names in lower case.
        body: as it was decoded: an error object in any known shape, text, or nothing.
        upstream: its secrets are masked.
        now: seconds since the epoch.
    """
    if status in (401, 403):
        return UpstreamError(CREDENTIALS)
    if status == 429:
        return UpstreamError(BUSY, status=429, retry_after=retry_after(headers, now))
    said = upstream.masked(_message(body))
    if status == 404:
        return NotFound(said)
    if status in REFUSALS:
        return RequestError(said)
    slow = status in (408, 504)
    return UpstreamError(SLOW if slow else f"The upstream failed ({status}).", status=504 if slow else 502)


def _message(body: Any) -> str:
    """Return the message of an error body: one line, not endless, without what looks like a key."""
    error = body if isinstance(body, dict) else None
    message = str(Failure(message=Failure.of(error).message).last_error()["message"])
    return " ".join(message.split())
