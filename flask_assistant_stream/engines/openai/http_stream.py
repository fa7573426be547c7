"""One HTTP request and its streamed answer on one connection: bytes of the body as they arrive, no time-out.

Lean on purpose: a C parser fed from the socket (see the project's performance notes). It knows no retries, no JSON
and no upstream; who iterates is not disturbed by who closes.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping

import httptools

from .http_connect import Address, HTTPConnection

READ_BYTES = 65536


class Broken(OSError):
    """The connection ended, or what it brought is not HTTP."""


class Exchange:
    """A request on a connection and its answer.

    `send`, `read_head`, `read` and `discard` belong to one thread; `abort` may be called from any other.

    Attributes:
        status: of the answer, 0 before its head was read.
        headers: of the answer, names in lower case; of repeated ones the last.
        complete: the whole body has been received.
        started: a byte of the answer has been received.
        reusable: the body is complete, and the connection can carry another request.
    """

    def __init__(self, connection: HTTPConnection) -> None:
        self.connection = connection
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.started = False
        self.reusable = False
        self._garbled = False
        self._sock = connection.sock
        self._parts: list[bytes] = []
        self.on_body = self._parts.append  # httptools calls it: a C method, and no frame per chunk
        self._parser = httptools.HttpResponseParser(self)

    def send(self, head: bytes, body: bytes) -> None:
        """Send a request; `head` is what `request_head` made."""
        self._sock.sendall(head + body)

    def read_head(self) -> None:
        """Wait for the status and headers.

        Raises:
            OSError: the connection broke, or the answer is not HTTP.
        """
        while not self.status:
            if self._garbled or not self._receive():
                raise Broken("the answer is not HTTP" if self._garbled else "it was closed before an answer came")

    def read(self) -> bytes:
        """Return what has arrived of the body, waiting if nothing has; empty at its end.

        Raises:
            OSError: the connection broke off before the body's end.
        """
        parts = self._parts
        while not parts:
            if self.complete:
                return b""
            if self._garbled:
                raise Broken("the answer is not HTTP")
            if not self._receive():
                self._end_of_connection()
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return data

    def read_until(self, deadline: float) -> bytes | None:
        """Like `read`, but None where `deadline` (of `time.monotonic`) passes first."""
        wait = deadline - time.monotonic()
        if not self._parts and not self.complete and wait <= 0:
            return None
        self._sock.settimeout(max(wait, 0.001))
        try:
            return self.read()
        except TimeoutError:
            return None
        finally:
            with contextlib.suppress(OSError):
                self._sock.settimeout(None)

    def read_rest(self, limit: int, seconds: float) -> bytes:
        """Return the rest of the body, at most about `limit` bytes and for `seconds`; what is broken off counts too."""
        deadline, body = time.monotonic() + seconds, b""
        with contextlib.suppress(OSError):
            while len(body) < limit and (data := self.read_until(deadline)):
                body += data
        return body[:limit]

    def abort(self) -> None:
        """Break the connection: whoever waits in `read` gets an OSError or the end. From any thread."""
        with contextlib.suppress(OSError, ValueError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def discard(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def _receive(self) -> bool:
        """Feed the parser with one read from the socket; False at the end of the connection."""
        try:
            data = self._sock.recv(READ_BYTES)
            if data:
                self.started = True
                self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._garbled = True  # what was read before it is still handed out
        except ValueError:  # TLS, when `abort` came in between
            raise Broken("the connection was closed") from None
        return bool(data)

    def _end_of_connection(self) -> None:
        """A body without a length ends with its connection; any other is cut off."""
        if "content-length" in self.headers or "transfer-encoding" in self.headers:
            raise Broken("the connection was closed in the middle of the answer")
        self.complete = True

    # httptools calls these

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Take the status; 1xx answers come before the real one."""
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status
        else:
            self.headers.clear()

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        if self.status:
            self.complete, self.reusable = True, bool(self._parser.should_keep_alive())


def request_head(
    address: Address, connection: HTTPConnection, headers: Mapping[str, str], length: int | None = None
) -> bytes:
    """Write the head of a POST with a JSON body of `length` bytes, or of a GET without a body.

    `headers` were checked: no line break in any.
    """
    lines = [f"{'GET' if length is None else 'POST'} {connection.target} HTTP/1.1", f"Host: {address.authority}"]
    lines += [f"{name}: {value}" for name, value in (*headers.items(), *connection.proxy_headers.items())]
    lines += [*([] if length is None else [f"Content-Length: {length}"]), "", ""]
    return "\r\n".join(lines).encode("latin-1")
