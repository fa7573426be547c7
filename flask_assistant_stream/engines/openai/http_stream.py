"""One HTTP request and its streamed response on one connection, without a time-out.

A C parser is fed from the socket, for speed (docs/performance.md). Retries and JSON are the engine's.
"""

from __future__ import annotations

import contextlib
import functools
import re
import socket
import time
import zlib
from collections.abc import Mapping
from importlib import metadata

import httptools

from ...errors import ConfigError, EngineError
from .content_encoding import Inflater, inflater_of
from .http_connect import Address, Broken, HTTPConnection

READ_BYTES = 65536
HEAD_BYTES, HEADERS = 65536, 256
"""Limits of a response's head, with all 1xx responses before it."""
FRAMING_BYTES = 65536
"""Limit of bytes without content between two pieces of content: chunk extensions, trailers."""
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Exchange:
    """A request on a connection and its response.

    `send`, `read_head`, `read` and `discard` belong to one thread; `abort` may be called from any other.

    Attributes:
        status: of the response; 0 before its head is read.
        headers: of the response, names in lower case; the last one of repeated names.
        complete: the whole body was received.
        started: the first byte of the response was received.
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
        self._inflater: Inflater | None = None
        self._sock = connection.sock
        self._parts: list[bytes] = []
        self.on_body = self._parts.append  # httptools calls it: a C method, and no frame per chunk
        self._deadline: float | None = None
        self._parser = httptools.HttpResponseParser(self)

    def send(self, head: bytes, body: bytes) -> None:
        """Send a request; `head` comes from `request_head`."""
        self._sock.sendall(head + body)

    def read_head(self) -> None:
        """Wait for the status and headers.

        Raises:
            OSError: the connection broke, or the response is not HTTP.
            EngineError: the head is over a limit, or names an unknown content encoding.
        """
        size = 0
        while not self.status:
            if self._garbled:
                raise Broken("the response is not HTTP")
            received = self._receive()
            if not received:
                raise Broken("it was closed before a response came")
            size += received
            if size > HEAD_BYTES and not self.status:
                raise EngineError(f"The upstream sent a response head of more than {HEAD_BYTES} bytes.")
            if len(self.headers) > HEADERS:
                raise EngineError(f"The upstream sent a response head of more than {HEADERS} headers.")
            time.sleep(0)  # a socket that always has data never blocks: yield to other greenlets
        self._inflater = inflater_of(self.headers.get("content-encoding", ""))

    def read(self) -> bytes:
        """Return the received part of the body, waiting for some; empty at its end.

        Raises:
            OSError: the connection broke off before the body's end, or its compression is damaged.
            EngineError: the framing is over a limit.
        """
        return self._content() if self._inflater is None else self._inflated(self._inflater)

    def read_until(self, deadline: float) -> bytes | None:
        """Like `read`, but return None if `deadline` (of `time.monotonic`) passes first."""
        self._deadline = deadline
        try:
            return self.read()
        except TimeoutError:
            return None
        finally:
            self._deadline = None
            with contextlib.suppress(OSError):
                self._sock.settimeout(None)

    def read_rest(self, limit: int, seconds: float) -> bytes:
        """Return the rest of the body, at most `limit` bytes within `seconds`, also of a broken response."""
        deadline, body = time.monotonic() + seconds, bytearray()
        with contextlib.suppress(OSError):
            while len(body) < limit and (data := self.read_until(deadline)):
                body += data
                time.sleep(0)  # as in `read_head`
        return bytes(body[:limit])

    def abort(self) -> None:
        """Break the connection, which ends a waiting `read` with an OSError or the end. From any thread."""
        with contextlib.suppress(OSError, ValueError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def discard(self) -> None:
        """Close the connection."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def _content(self) -> bytes:
        """Return the received part of the body as it came."""
        parts, framing = self._parts, 0
        while not parts:
            if self.complete:
                return b""
            if self._garbled:
                raise Broken("the response is not HTTP")
            received = self._receive()
            if not received:
                self._end_of_connection()
            elif not parts:
                framing += received
                if framing > FRAMING_BYTES:
                    raise EngineError(f"The upstream sent more than {FRAMING_BYTES} bytes of framing without content.")
                time.sleep(0)  # as in `read_head`
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return data

    def _inflated(self, inflater: Inflater) -> bytes:
        """Return the next decoded piece of a compressed body."""
        try:
            while True:
                data = b"" if inflater.pending else self._content()
                if piece := inflater.feed(data):
                    return piece
                if not data and not inflater.pending:
                    break
        except zlib.error:
            raise Broken("its compressed data is damaged") from None
        if not inflater.ended:
            raise Broken("its compressed data ends too early")
        return b""

    def _receive(self) -> int:
        """Feed the parser with one read from the socket; return its size, 0 at the end of the connection."""
        if self._deadline is not None:
            wait = self._deadline - time.monotonic()
            if wait <= 0:
                raise TimeoutError
            self._sock.settimeout(wait)
        try:
            data = self._sock.recv(READ_BYTES)
            if data:
                self.started = True
                self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._garbled = True  # the data before it is still returned
        except ValueError:  # TLS, after `abort`
            raise Broken("the connection was closed") from None
        return len(data)

    def _end_of_connection(self) -> None:
        """Complete a body without a length; any other body is cut off."""
        if "content-length" in self.headers or "transfer-encoding" in self.headers:
            raise Broken("the connection was closed in the middle of the response")
        self.complete = True

    # httptools calls these

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header; trailers are skipped."""
        if not self.status:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Store the status; 1xx responses precede the final one."""
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status
        else:
            self.headers.clear()

    def on_message_complete(self) -> None:
        """Mark the end of the body."""
        if self.status:
            self.complete, self.reusable = True, bool(self._parser.should_keep_alive())


def request_head(
    address: Address, connection: HTTPConnection, headers: Mapping[str, str], length: int | None = None
) -> bytes:
    """Return the head of a POST with a JSON body of `length` bytes, or of a GET without a body.

    `headers` are checked before: they contain no line break.
    """
    lines = [f"{'GET' if length is None else 'POST'} {connection.target} HTTP/1.1", f"Host: {address.authority}"]
    lines += [f"{name}: {value}" for name, value in (*headers.items(), *connection.proxy_headers.items())]
    lines += [*([] if length is None else [f"Content-Length: {length}"]), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def request_headers(organization: str | None, project: str | None, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of every request; `extra` (the key and the configured ones) win.

    Raises:
        ConfigError: a name or value is not valid in HTTP.
    """
    headers = {
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": f"flask-assistant-stream/{_version()}",
        "OpenAI-Organization": organization or "",
        "OpenAI-Project": project or "",
    }
    names = {name.lower(): name for name in headers}
    for name, value in extra.items():
        headers[names.get(name.lower(), name)] = value
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigError(f"The upstream header {name!r} cannot be sent: use Latin-1 without line breaks.")
    return {name: value for name, value in headers.items() if value}


@functools.cache
def _version() -> str:
    return metadata.version("flask-assistant-stream")
