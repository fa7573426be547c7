"""Bodies that never end: their connections are closed in time, others are served meanwhile, slow uploads go through."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.fake_upstream import UpstreamProcess
from tests.server_process import FACTORY, GTHREAD, PREFIX, ServerProcess, gunicorn, serving
from tests.stack.uploads import form, of

FIRST_SECONDS = 2
CONFIG = f"""
def post_worker_init(worker):
    from flask_assistant_stream.routes import receiving
    receiving.FIRST_SECONDS = {FIRST_SECONDS}
"""
SLACK = 6.0
"""The ticker's interval, and what a busy machine may add."""
COMMANDS = {"gevent": gunicorn(), "gthread": (*GTHREAD, FACTORY)}
BODIES = {"gevent": 100, "gthread": 12}
"""With gthread each has one of 16 threads."""


@pytest.fixture(params=COMMANDS)
def site(
    request: pytest.FixtureRequest, played: UpstreamProcess, tmp_path: Path
) -> Iterator[tuple[ServerProcess, int]]:
    (tmp_path / "config.py").write_text(CONFIG)
    command = (*COMMANDS[request.param][:-1], "--config", str(tmp_path / "config.py"), COMMANDS[request.param][-1])
    with serving(command, tmp_path, upstream=played.base_url) as server:
        yield server, BODIES[request.param]


def begun(server: ServerProcess, path: str, *headers: str, method: str = "POST") -> socket.socket:
    """Send the head of a request and return its connection."""
    place = urlsplit(server.origin)
    connection = socket.create_connection((place.hostname, place.port or 80), timeout=30)
    lines = [f"{method} {PREFIX}{path} HTTP/1.1", f"Host: {place.netloc}", "X-User: anna", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode())
    return connection


MULTIPART = "Content-Type: multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
KINDS = [
    ("/threads", ("Content-Length: 100000",), b" "),
    ("/threads", ("Transfer-Encoding: chunked",), b"1\r\n \r\n"),
    ("/files", (MULTIPART, "Content-Length: 100000"), b"a"),
    ("/files", (MULTIPART, "Transfer-Encoding: chunked"), b"1\r\na\r\n"),
]
"""Path, headers, and what comes again and again."""


def test_bodies_that_never_end(site: tuple[ServerProcess, int]) -> None:
    server, count = site
    server.get("/threads")
    with ExitStack() as opened:
        connections = []
        for number in range(count):
            path, headers, drop = KINDS[number % len(KINDS)]
            connections.append((opened.enter_context(begun(server, path, *headers)), drop))
        ends = threading.Event()

        def drip() -> None:
            while not ends.wait(0.2):
                for connection, drop in connections[::2]:  # the others send nothing
                    try:
                        connection.sendall(drop)
                    except OSError:
                        continue

        dripping = threading.Thread(target=drip)
        dripping.start()
        start = time.monotonic()
        try:
            served = []
            while time.monotonic() - start < FIRST_SECONDS - 0.5:
                asked = time.monotonic()
                assert server.get("/threads", headers=of("ben")).status == 200
                served.append(time.monotonic() - asked)
            assert max(served) < 1.0, "others are served meanwhile"
            for connection, _ in connections:
                status, body = answer(connection)
                assert (status, json.loads(body)["error"]["code"]) == (408, "request_timeout"), body
            assert time.monotonic() - start < FIRST_SECONDS + SLACK
        finally:
            ends.set()
            dripping.join()


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read an answer to the end of its connection."""
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:  # of the rest of the body
        pass
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_a_slow_upload_goes_through(site: tuple[ServerProcess, int]) -> None:
    """It takes longer than any body may, but sends steadily."""
    server, _ = site
    sent = form("slow.txt", b"slow words\n" * 40_000, purpose="assistants")
    data = sent["body"]
    headers = (f"Content-Length: {len(data)}", f"Content-Type: {sent['headers']['Content-Type']}")
    begin, pieces = time.monotonic(), 25
    with begun(server, "/v1/files", *headers, "Connection: close") as connection:
        size = -(-len(data) // pieces)
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])
            time.sleep((FIRST_SECONDS + 1.5) / pieces)
        status, body = answer(connection)
    assert time.monotonic() - begin > FIRST_SECONDS + 1
    assert status == 200, body
    assert json.loads(body)["bytes"] == 11 * 40_000
