"""The clients of this process's open streams: how many there may be, who has gone, who does not read.

The log's ticker looks at all of them twice a second, in one system call; a stream pays nothing per event for it.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from functools import partial
from inspect import GEN_RUNNING, getgeneratorstate
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

from ..errors import TooManyStreams
from ..log.follow import Follower
from ..threads import plain_poll
from . import request_log

logger = logging.getLogger(__name__)

GONE = getattr(select, "POLLRDHUP", 0)
"""The peer has closed its side. It says so whatever is still to be read, and below TLS, too; Linux only."""
SOCKETS = ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket")
"""Where gunicorn (its own workers and its pywsgi ones) and `flask run` put a connection's socket."""

Body = Generator[bytes, None, None]


class Client:
    """The client of one stream, from its admission until its response is closed.

    Attributes:
        streaming: it has been given a stream.
    """

    __slots__ = ("__weakref__", "_body", "_connection", "_cut", "_extra", "_follower", "_leave", "streaming")

    def __init__(self, connection: Any, leave: Callable[[], object]) -> None:
        self.streaming = False
        self._connection = connection
        self._leave = leave
        self._follower: Follower | None = None
        self._body: Body | None = None
        self._cut = False
        self._extra: dict[str, str] = {}

    def follow(self, follower: Follower, body: Body, extra: dict[str, str]) -> None:
        """Note what the client is sent: its place in a run's log, and the generator that the server iterates.

        Args:
            extra: for log records.
        """
        self._follower, self._body, self._extra = follower, body, extra
        self.streaming = True

    def leave(self) -> None:
        """Give the place back; however often it is called, from any thread."""
        self._leave()

    def let_go(self) -> None:
        """End the stream of a client that has gone."""
        if self._follower is not None:
            self._follower.close()

    def cut_if_stuck(self, now: float, seconds: float) -> None:
        """Close the connection of a client that has not taken for so long what the server sends it.

        While the body stands at its `yield`, the server is busy with what the follower gave out last.
        """
        if self._follower is None or self._body is None or self._cut:
            return
        if getgeneratorstate(self._body) == GEN_RUNNING or now - self._follower.wrote_at <= seconds:
            return
        self._cut = True
        logger.info("a client that does not read is let go [%s]", request_log.readable(self._extra), extra=self._extra)
        self._follower.close()
        # By a duplicate, as gevent would tell the greenlet that sends of a closed file instead of a broken pipe, and
        # a TLS socket would say goodbye first. Reading and sending end for both.
        with suppress(OSError), socket.socket(fileno=os.dup(_fileno(self._connection))) as twin:
            twin.shutdown(socket.SHUT_RDWR)

    @property
    def descriptor(self) -> int:
        """The file descriptor of its connection; -1 where there is none to be had, or its stream is over."""
        return -1 if self._follower is None or self._follower.closed else _fileno(self._connection)


def _fileno(connection: Any) -> int:
    try:
        return int(connection.fileno())
    except (AttributeError, OSError, ValueError):  # there is none, or it was closed meanwhile
        return -1


class Clients:
    """The clients of this process.

    Args:
        limit: open streams at once.
        send_seconds: how long a client may take nothing of what it is sent.
    """

    def __init__(self, limit: int, send_seconds: float) -> None:
        self._limit = limit
        self._send_seconds = send_seconds
        # Weak: a response that a host's own code drops without closing it gives its place back as well.
        self._open: WeakValueDictionary[int, Client] = WeakValueDictionary()
        self._numbers = count()
        self._lock = threading.Lock()  # never held across a switch, so it may be from before a fork and a patch

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, environ: Mapping[str, Any]) -> Client:
        """Give a place to the client of a request.

        Raises:
            TooManyStreams: there is none; nothing was begun.
        """
        with self._lock:
            if len(self._open) >= self._limit:
                raise TooManyStreams("This server has as many streams open as it may have; try again in a moment.")
            number = next(self._numbers)
            client = Client(connection_of(environ), partial(self._open.pop, number, None))
            self._open[number] = client
        return client

    def look(self, now: float) -> None:
        """Let go of the clients that have gone or do not read; called by the log's ticker."""
        there = [client for ref in self._open.valuerefs() if (client := ref()) is not None]
        for client in there:
            client.cut_if_stuck(now, self._send_seconds)
        poll = plain_poll() if GONE else None
        if poll is None:
            return
        by_descriptor = {client.descriptor: client for client in there}
        by_descriptor.pop(-1, None)
        for descriptor in by_descriptor:
            poll.register(descriptor, GONE)
        for descriptor, _ in poll.poll(0) if by_descriptor else ():
            by_descriptor[descriptor].let_go()


def connection_of(environ: Mapping[str, Any]) -> Any:
    """Return something with the `fileno` of a request's connection, or None where the server gives nothing."""
    if not str(environ.get("SERVER_PROTOCOL", "")).startswith("HTTP/1"):
        return None  # HTTP/2 has many streams on one connection
    for name in SOCKETS:
        if name in environ:
            return environ[name]
    # gevent's pywsgi: the reader that the request was read from, a file over the socket.
    return getattr(environ.get("wsgi.input"), "rfile", None)
