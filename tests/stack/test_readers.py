"""Clients that leave, that do not read and that are too many, on real servers. Heartbeats are too rare to help.

Measured times are printed; what is asserted leaves room for a machine that is busy.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fake_upstream import FakeUpstream
from tests.server_process import EXAMPLE, FACTORY, FLASK_RUN, GTHREAD, PREFIX, OpenStream, ServerProcess, serving
from tests.server_process import gunicorn as gevent

HEARTBEAT = 120
PATIENCE = 60.0
NOTICED = 5.0
"""Promised: a second, and a quarter of one until the run is cancelled. A heartbeat would take two minutes."""
SEND = 2.0
GRACE = 2.0
SERVERS = {"gevent": gevent(), "gthread": (*GTHREAD, FACTORY), "pywsgi": EXAMPLE, "flask run": FLASK_RUN}

Serve = Callable[..., ServerProcess]


@pytest.fixture
def serve(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Serve]:
    """Return a function that starts a server over the upstream."""
    with ExitStack() as stack:

        def start(command: tuple[str, ...], **settings: object) -> ServerProcess:
            options = {"heartbeat_seconds": HEARTBEAT, **settings}
            environment = {f"ASSISTANT_{name.upper()}": str(value) for name, value in options.items()}
            return stack.enter_context(serving(command, tmp_path / "server", upstream=upstream.base_url, **environment))

        yield start


def stalled(server: ServerProcess) -> OpenStream:
    """Open a stream whose upstream falls silent, and read its first text."""
    stream = server.open("/chat/stream", {"content": "@@script:stall?after=3@@"})
    stream.read_until("thread.message.delta")
    return stream


def ended(server: ServerProcess, stream: OpenStream) -> str:
    """Return the last status of a run."""
    return str(server.get(f"{stream.run_path}/stream").run["status"])


@pytest.mark.parametrize("name", SERVERS)
def test_a_client_that_has_gone_is_noticed_while_the_upstream_is_silent(
    name: str, serve: Serve, upstream: FakeUpstream
) -> None:
    server = serve(SERVERS[name], on_disconnect="cancel")
    took = []
    for _ in range(3):
        stream = stalled(server)
        time.sleep(0.1)  # let it be silent
        left = time.monotonic()
        stream.leave()
        assert upstream.gone.acquire(timeout=PATIENCE)
        took.append(time.monotonic() - left)
        assert ended(server, stream) == "cancelled"
    print(f"\n{name}: the upstream request is closed after {', '.join(f'{seconds:.2f}' for seconds in took)} s")
    assert min(took) < NOTICED


@pytest.mark.parametrize("name", SERVERS)
def test_a_run_goes_on_without_readers_by_default(name: str, serve: Serve, upstream: FakeUpstream) -> None:
    server = serve(SERVERS[name])
    with server.opened("/chat/stream", {"content": "@@script:text?n=25&delay=0.05@@"}) as stream:
        stream.read_until("thread.message.delta")
        stream.leave()
    assert ended(server, stream) == "completed"
    assert not upstream.gone.acquire(timeout=0)


@contextmanager
def unread(server: ServerProcess, method: str, path: str, body: object = None) -> Iterator[socket.socket]:
    """Send a request and read nothing of the answer."""
    place, content = urlsplit(server.origin), b"" if body is None else json.dumps(body).encode()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((place.hostname, place.port))
        head = f"{method} {PREFIX}{path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(content)}\r\n\r\n"
        client.sendall(head.encode() + content)
        yield client


def memory(server: ServerProcess) -> float:
    """Return the resident megabytes of a server and its workers."""
    return sum(server.resident_kilobytes(pid) for pid in (server.process.pid, *server.workers)) / 1024


@pytest.mark.parametrize("name", SERVERS)
def test_a_client_that_does_not_read_is_disconnected(name: str, serve: Serve, upstream: FakeUpstream) -> None:
    server = serve(SERVERS[name], on_disconnect="cancel", send_timeout_seconds=SEND)
    server.chat("hello")
    began = time.monotonic()
    with unread(server, "POST", "/chat/stream", {"content": "@@script:flood?size=50000&times=120@@"}) as client:
        assert upstream.gone.acquire(timeout=PATIENCE), "its run has lost its last reader"
        took = time.monotonic() - began
        client.settimeout(PATIENCE)
        got = 0
        with suppress(ConnectionError):
            while piece := client.recv(1 << 16):
                got += len(piece)
    print(f"\n{name}: disconnected {took:.1f} s after the request, {got / 1e6:.1f} MB were under way")
    assert took > SEND
    assert "client disconnected: it does not read" in server.log
    assert server.get("/health").status == 200


@pytest.mark.parametrize("name", ["gevent", "gthread"])
def test_readers_that_do_not_read_take_little_memory_and_delay_no_other(
    name: str, serve: Serve, upstream: FakeUpstream
) -> None:
    readers, size, times = 10, 10_000, 750
    server = serve(SERVERS[name], send_timeout_seconds=PATIENCE)
    server.chat("hello")
    before = memory(server)
    asked = {"content": f"@@script:flood?size={size}&times={times}&delay=0.001@@"}
    with server.opened("/chat/stream", asked) as stream, ExitStack() as stack:
        for _ in range(readers):
            stack.enter_context(unread(server, "GET", f"{stream.run_path}/stream"))
        said = 0
        while said < size * times:
            stream.read_until("thread.message.delta")
            said += stream.body.count(b"x")
            stream.body = b""
        grown = memory(server) - before
        assert server.post(f"{stream.run_path}/cancel").status == 200
        assert b"thread.run.cancelled" in stream.read_bytes()
    print(f"\n{name}: {readers} readers that do not read {said / 1e6:.1f} MB: {grown:+.1f} MB")
    assert grown < readers * said / 1e6 / 3, "no reader keeps the answer"


def admitted(server: ServerProcess) -> dict[str, Any]:
    """Send a message until there is room for its stream; a place is free a moment after the last byte was read."""
    begun = time.monotonic()
    while (answer := server.post("/chat/stream", {"content": "hello"})).status == 503:
        assert time.monotonic() - begun < PATIENCE
        time.sleep(0.05)
    return answer.run


@pytest.mark.parametrize("name", SERVERS)
def test_too_many_streams(name: str, serve: Serve, upstream: FakeUpstream) -> None:
    server = serve(SERVERS[name], max_streams=3, on_disconnect="cancel")
    streams = [stalled(server) for _ in range(3)]
    threads = [thread["id"] for thread in server.get("/threads").json["data"]]
    refused = server.post("/chat/stream", {"content": "hello"})
    assert (refused.status, refused.json["error"]["code"]) == (503, "too_many_streams")
    assert refused.headers["Retry-After"] == "1"
    assert server.get("/health").status == 200
    assert [thread["id"] for thread in server.get("/threads").json["data"]] == threads, "nothing was stored"
    assert len(upstream.requests) == 3
    left = time.monotonic()
    streams[0].leave()
    assert admitted(server)["status"] == "completed"
    print(f"\n{name}: the next stream is admitted {time.monotonic() - left:.2f} s after one has gone")
    assert admitted(server)["status"] == "completed", "an answer that was read has given its place back"
    for stream in streams:
        stream.leave()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a worker within the context."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_run_waits_for_readers_on_any_worker(serve: Serve, upstream: FakeUpstream) -> None:
    server = serve(gevent("--workers", "2"), on_disconnect="grace", grace_seconds=GRACE)
    stream = stalled(server)
    (executes,) = re.findall(
        rf"^(\d+) INFO \S+: run started .*run_id={stream.headers['X-Run-Id']}\b", server.log, re.MULTILINE
    )
    with ExitStack() as stack:
        with frozen(int(executes)):  # only the other worker can accept a connection
            back = stack.enter_context(server.opened(f"{stream.run_path}/stream"))
        back.read_until("thread.message.delta")
        stream.leave()
        assert not upstream.gone.acquire(timeout=2 * GRACE), "a client reads it, on the worker that does not run it"
        left = time.monotonic()
        back.leave()
        assert upstream.gone.acquire(timeout=PATIENCE)
    took = time.monotonic() - left
    print(f"\ngrace: cancelled {took:.2f} s after the last reader had gone")
    assert took > GRACE - 0.1
    assert ended(server, stream) == "cancelled"


def test_a_run_without_a_new_reader_is_cancelled(serve: Serve, upstream: FakeUpstream) -> None:
    server = serve(gevent(), on_disconnect="grace", grace_seconds=GRACE)
    stream = stalled(server)
    stream.leave()
    with server.opened(f"{stream.run_path}/stream") as back:
        back.read_until("thread.message.delta")
        assert not upstream.gone.acquire(timeout=2 * GRACE)
    left = time.monotonic()
    back.leave()
    assert upstream.gone.acquire(timeout=PATIENCE)
    assert time.monotonic() - left > GRACE - 0.1
    assert ended(server, stream) == "cancelled"
