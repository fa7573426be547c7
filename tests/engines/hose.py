"""A server that answers one request with bytes for as long as the client reads them."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterable, Iterator

SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = SSE + b"Transfer-Encoding: chunked\r\n\r\n"
PLAIN = SSE + b"\r\n"
BLOCK = 16_384
DELTA = b'data: {"type":"response.output_text.delta","delta":"' + b"x" * 200 + b'"}\n\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


FLOODS: dict[str, tuple[bytes, bytes]] = {
    "header line": (SSE + b"X-Endless: ", b"x" * BLOCK),
    "header name": (SSE, b"x" * BLOCK),
    "headers": (SSE, b"X-One: 1\r\n" * (BLOCK // 10)),
    "status line": (b"HTTP/1.1 200 ", b"O" * BLOCK),
    "1xx responses": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 400),
    "chunk extension": (CHUNKED + b"5;", b"x" * BLOCK),
    "chunk size": (CHUNKED, b"0" * BLOCK),
    "trailers": (CHUNKED + chunk(b": hi\n\n") + b"0\r\n", b"X-One: 1\r\n" * (BLOCK // 10)),
    "event": (PLAIN + b"data: ", b"x" * 65_536),
    "line feeds in an event": (PLAIN + b"data: ", b"x\ndata: " * 8192),
    "text": (PLAIN, DELTA * 200),
    "comments": (PLAIN, b": hi\n\n" * 8192),
    "empty events": (PLAIN, b"\n\n" * 32_768),
}
"""Name → the start, and what follows without an end."""


@contextlib.contextmanager
def hose(*answers: Iterable[bytes]) -> Iterator[int]:
    """Yield the port of a server that sends each connection one of the answers."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    for data in answer:
                        connection.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(server.getsockname()[1])
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def endless(name: str) -> Iterator[bytes]:
    start, more = FLOODS[name]
    return itertools.chain([start], itertools.repeat(more))
