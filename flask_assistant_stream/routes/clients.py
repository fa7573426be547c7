"""The clients of this process's open streams: their limit, and the end of those that have gone or do not read.

The log's ticker checks all of them twice a second in one system call, so a stream has no cost per event.
"""

from __future__ import annotations

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
from ..loggers import logger_of
from ..threads import patched, plain_poll
from . import request_log

logger = logger_of(__name__)

GONE = getattr(select, "POLLRDHUP", 0)
"""The peer has closed its side. The flag does not wait for unread data and works below TLS; Linux only."""
SOCKETS = ("gunicorn.socket", "gunicorn.sock", "werkzeug.socket")
"""The environ keys of a connection's socket in gunicorn, gunicorn with pywsgi, and `flask run`."""

ONE_AT_A_TIME = (
    "this server serves one request at a time: a stream occupies it until its end, so every other request waits. Use "
    "threads or gevent, such as gunicorn --worker-class gevent"
)

Body = Generator[bytes, None, None]


class Client:
    """The client of one stream, from its admission to the end of its response."""

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
        """Set the follower of the run, the generator that the server iterates, and the `extra` of log records."""
        self._follower, self._body, self._extra = follower, body, extra
        self.streaming = True

    def leave(self) -> None:
        """Free the place, from any thread; repeated calls do nothing."""
        self._leave()

    def disconnected(self) -> None:
        """End the stream of a client that has closed its connection."""
        if self._follower is not None:
            self._follower.close()

    def cut_if_stuck(self, now: float, seconds: float) -> None:
        """Close the connection of a client that has not read for `seconds`.

        While the body waits at a `yield`, the server is sending the follower's last events.
        """
        if self._follower is None or self._body is None or self._cut:
            return
        if getgeneratorstate(self._body) == GEN_RUNNING or now - self._follower.wrote_at <= seconds:
            return
        self._cut = True
        logger.info("client disconnected: it does not read [%s]", request_log.readable(self._extra), extra=self._extra)
        self._follower.close()
        shut_down(self._connection, socket.SHUT_RDWR)

    @property
    def descriptor(self) -> int:
        """The file descriptor of its connection; -1 without one, or after the stream's end."""
        return -1 if self._follower is None or self._follower.closed else _fileno(self._connection)


def shut_down(connection: Any, how: int) -> None:
    """End reading from a connection, sending to it, or both, from any thread; nothing if it has no socket.

    On a duplicate: on the socket itself, gevent would report a closed file instead of a broken pipe, and TLS would send
    a close message first. The shutdown affects both.
    """
    with suppress(OSError), socket.socket(fileno=os.dup(_fileno(connection))) as twin:
        twin.shutdown(how)


def _fileno(connection: Any) -> int:
    try:
        return int(connection.fileno())
    except (AttributeError, OSError, ValueError):  # none, or closed meanwhile
        return -1


class Clients:
    """The clients of this process: at most `limit`, each disconnected once it has not read for `send_seconds`."""

    def __init__(self, limit: int, send_seconds: float) -> None:
        self._limit = limit
        self._send_seconds = send_seconds
        # Weak: a response that a host drops without closing it frees its place, too.
        self._open: WeakValueDictionary[int, Client] = WeakValueDictionary()
        self._numbers = count()
        self._lock = threading.Lock()  # never held across a switch, so a fork or a patch is safe
        self._warned = False

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, environ: Mapping[str, Any]) -> Client:
        """Count a request's client as an open stream and return it; TooManyStreams if the limit is reached."""
        if not self._warned and serves_one_at_a_time(environ):
            self._warned = True
            logger.warning("%s", ONE_AT_A_TIME)
        with self._lock:
            if len(self._open) >= self._limit:
                raise TooManyStreams("This server has reached its limit of open streams; try again in a moment.")
            number = next(self._numbers)
            client = Client(connection_of(environ), partial(self._open.pop, number, None))
            self._open[number] = client
        return client

    def check(self, now: float) -> None:
        """End the streams of clients that have gone or do not read; the log's ticker calls it."""
        clients = [client for ref in self._open.valuerefs() if (client := ref()) is not None]
        for client in clients:
            client.cut_if_stuck(now, self._send_seconds)
        poll = plain_poll() if GONE else None
        if poll is None:
            return
        by_descriptor = {client.descriptor: client for client in clients}
        by_descriptor.pop(-1, None)
        for descriptor in by_descriptor:
            poll.register(descriptor, GONE)
        for descriptor, _ in poll.poll(0) if by_descriptor else ():
            by_descriptor[descriptor].disconnected()


def serves_one_at_a_time(environ: Mapping[str, Any]) -> bool:
    """Return whether the server of a request serves no other one meanwhile, such as gunicorn's sync worker.

    A test client names no server. gevent's own server reports no threads, and needs none.
    """
    server = environ.get("SERVER_SOFTWARE") or environ.get("uwsgi.version")
    return bool(server) and not environ.get("wsgi.multithread", True) and not patched()


def connection_of(environ: Mapping[str, Any]) -> Any:
    """Return an object with the `fileno` of a request's connection; None if the server has none in its environ."""
    if not str(environ.get("SERVER_PROTOCOL", "")).startswith("HTTP/1"):
        return None  # a connection of HTTP/2 has many streams
    for name in SOCKETS:
        if name in environ:
            return environ[name]
    # gevent's pywsgi has the request's reader, a file over the socket.
    return getattr(environ.get("wsgi.input"), "rfile", None)
