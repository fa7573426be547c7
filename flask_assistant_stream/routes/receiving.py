"""Request bodies that are being received: a client that sends for ever, or nothing, does not hold its place for ever.

A read from a connection cannot be given a deadline: servers repeat it until they have all that was asked for. So the
log's ticker looks at all of them twice a second, and ends reading from the connection of one that is late.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.wsgi import LimitedStream

from ..errors import ReceivedTooSlowly, RequestError
from .clients import connection_of, shut_down

FIRST_SECONDS = 20.0
"""How long any body may take."""
BYTES_PER_SECOND = 8 * 1024
"""How many received bytes add a second. A phone with a weak signal sends faster."""


class _IncomingBody:
    """The body of one request."""

    __slots__ = ("_begun", "_request", "late")

    def __init__(self, request: Request, now: float) -> None:
        self.late = False
        self._begun = now
        self._request = request

    def end_if_late(self, now: float) -> None:
        received = received_bytes(self._request) or 0
        if not self.late and now - self._begun > FIRST_SECONDS + received / BYTES_PER_SECOND:
            self.late = True
            shut_down(connection_of(self._request.environ), socket.SHUT_RD)


def received_bytes(request: Request) -> int | None:
    """Return how many bytes of a body were read; None before the first, or if a hook of the host read it unlimited."""
    stream = vars(request).get("stream")  # werkzeug's, set at its first use
    return stream.tell() if isinstance(stream, LimitedStream) else None


class Receiving:
    """The bodies that this process receives."""

    def __init__(self) -> None:
        self._bodies: set[_IncomingBody] = set()

    @contextmanager
    def in_time(self, request: Request) -> Iterator[None]:
        """Bound the time that the context needs to read a request's body.

        Raises:
            ReceivedTooSlowly: the time was over, and reading failed.
        """
        body = _IncomingBody(request, time.monotonic())
        self._bodies.add(body)
        try:
            yield
        except (RequestError, ClientDisconnected):
            if not body.late:
                raise
            raise ReceivedTooSlowly(
                f"The body did not arrive in time: it has {FIRST_SECONDS:g} seconds, and one more for each "
                f"{BYTES_PER_SECOND} bytes received. Send it again over a faster connection."
            ) from None
        finally:
            self._bodies.discard(body)

    def check(self, now: float) -> None:
        """End the reading of bodies that are late; the log's ticker calls it."""
        for body in list(self._bodies):
            body.end_if_late(now)
