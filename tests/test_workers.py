"""Real gunicorn gevent workers under load and under the knife, with the offline engine's pace.

Workers that are killed on either store are in `tests/chaos/test_workers_die.py`.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from flask_assistant_stream.protocol.events import RUN_ENDINGS
from tests.example_server import ExampleServer, gunicorn_server

pytestmark = pytest.mark.slow

LEASE = 2.0
PATIENCE = 60.0
STREAMS = 200


@dataclass
class Reader:
    """A client that reads a stream line by line and records the times."""

    server: ExampleServer
    connection: http.client.HTTPConnection
    answer: http.client.HTTPResponse
    events: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    broken: bool = False

    def read_until(self, name: str) -> None:
        """Read on until an event of that name, or the end."""
        for _ in self:
            if self.events[-1]["event"] == name:
                return

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            for line in self.answer:
                if line.strip():
                    self.events.append(json.loads(line))
                    self.times.append(time.monotonic())
                    yield self.events[-1]
        except (OSError, http.client.HTTPException, json.JSONDecodeError):
            self.broken = True

    def read_all(self) -> None:
        for _ in self:
            pass
        self.connection.close()

    @property
    def names(self) -> list[str]:
        return [event["event"] for event in self.events]

    @property
    def run(self) -> tuple[str, str]:
        run = next(event["data"] for event in self.events if event["event"] == "thread.run.created")
        return run["thread_id"], run["id"]

    @property
    def text(self) -> str:
        return "".join(
            part["text"]["value"]
            for event in self.events
            if event["event"] == "thread.message.delta"
            for part in event["data"]["delta"]["content"]
        )


_connections: list[http.client.HTTPConnection] = []


@pytest.fixture(autouse=True)
def _no_connection_left() -> Iterator[None]:
    yield
    while _connections:
        _connections.pop().close()


def connect(server: ExampleServer, seconds: float = PATIENCE) -> http.client.HTTPConnection:
    place = urlsplit(server.url)
    _connections.append(http.client.HTTPConnection(place.hostname or "", place.port, timeout=seconds))
    return _connections[-1]


def open_reader(server: ExampleServer, method: str, path: str, body: object = None) -> Reader:
    connection = connect(server)
    connection.request(method, urlsplit(server.url).path + path, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    return Reader(server, connection, answer)


def post(server: ExampleServer, content: str, thread_id: str | None = None) -> Reader:
    thread = {} if thread_id is None else {"threadId": thread_id}
    return open_reader(server, "POST", "/chat/stream", {"content": content, **thread})


def resume(server: ExampleServer, reader: Reader) -> Reader:
    """Resume as a page does after a reload: from the last number it has."""
    thread_id, run_id = reader.run
    path = f"/threads/{thread_id}/runs/{run_id}/stream?after={reader.events[-1]['seq']}"
    return open_reader(server, "GET", path)


def worker_of(reader: Reader) -> int:
    """Return the process that serves a reader: the worker that has the other end of its connection."""
    sock = reader.connection.sock
    assert isinstance(sock, socket.socket)
    ours, theirs = f":{sock.getsockname()[1]:04X}", f":{sock.getpeername()[1]:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next(line[9] for line in lines if line[1].endswith(theirs) and line[2].endswith(ours))
    for worker in workers(reader.server):
        for link in Path(f"/proc/{worker}/fd").iterdir():
            try:
                if os.readlink(link) == f"socket:[{inode}]":
                    return worker
            except OSError:  # closed meanwhile
                continue
    raise AssertionError("no worker has this connection")


def workers(server: ExampleServer) -> list[int]:
    pid = server.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def endings(names: list[str]) -> list[str]:
    return [name for name in names if name in RUN_ENDINGS]


def messages(server: ExampleServer, thread_id: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = server.get(f"/threads/{thread_id}/messages?order=asc&limit=100").json["data"]
    return data


@pytest.fixture
def two_workers(tmp_path: Path, sqlite_url: str) -> Iterator[ExampleServer]:
    pace = {"ASSISTANT_OFFLINE_DELAY_SECONDS": "0.1", "ASSISTANT_LEASE_SECONDS": str(LEASE)}
    with gunicorn_server(tmp_path / "instance", "--workers", "2", ASSISTANT_STORE=sqlite_url, **pace) as server:
        deadline = time.monotonic() + PATIENCE
        while len(workers(server)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield server


def test_a_killed_workers_run_is_ended_by_the_other(two_workers: ExampleServer) -> None:
    server = two_workers
    reader = post(server, "What is the answer?")
    reader.read_until("thread.message.delta")
    for _ in range(5):  # what was shown half a second ago is stored
        next(iter(reader))
    os.kill(worker_of(reader), signal.SIGKILL)
    killed = time.monotonic()
    reader.read_all()
    assert endings(reader.names) == [], "a broken stream has no ending"
    again = resume(server, reader)
    again.read_all()
    assert endings(again.names) == ["thread.run.failed"]
    assert time.monotonic() - killed < LEASE + 1 + 4, "the other worker, on a busy machine, within the lease + 1 s"
    numbers = [event["seq"] for event in reader.events + again.events]
    assert numbers == sorted(set(numbers)), "no number means two events"
    assert again.events[-1]["data"]["last_error"]["code"] == "server_error"
    thread_id, run_id = reader.run
    asked, answered = messages(server, thread_id)
    assert asked["content"][0]["text"]["value"] == "What is the answer?"
    assert answered["status"] == "incomplete"
    assert answered["content"][0]["text"]["value"]
    whole = open_reader(server, "GET", f"/threads/{thread_id}/runs/{run_id}/stream")
    whole.read_all()
    assert answered["content"][0]["text"]["value"] == whole.text
    following = post(server, "And now?", thread_id)
    following.read_all()
    assert endings(following.names) == ["thread.run.completed"]
    assert len(messages(server, thread_id)) == 4


def test_a_worker_that_slept_past_its_lease_says_nothing_more(two_workers: ExampleServer) -> None:
    server = two_workers
    reader = post(server, "What is the answer?")
    reader.read_until("thread.message.delta")
    sleeper = worker_of(reader)
    thread_id, run_id = reader.run
    os.kill(sleeper, signal.SIGSTOP)
    try:
        path = f"/threads/{thread_id}/runs/{run_id}/stream"
        other = ended_elsewhere(server, path, sleeper)
    finally:
        os.kill(sleeper, signal.SIGCONT)
    assert endings(other.names) == ["thread.run.failed"]
    reader.read_all()
    assert endings(reader.names) == ["thread.run.failed"], "its readers follow the store"
    assert reader.names[-1] == "thread.run.failed"
    again = open_reader(server, "GET", f"/threads/{thread_id}/runs/{run_id}/stream")
    again.read_all()
    assert [e["seq"] for e in again.events] == [e["seq"] for e in other.events]
    assert {e["seq"]: e for e in reader.events}.items() >= {
        e["seq"]: e for e in again.events if e["seq"] in {r["seq"] for r in reader.events}
    }.items(), "a number means one event, whoever tells it"


def ended_elsewhere(server: ExampleServer, path: str, sleeper: int) -> Reader:
    """Read a run to its end on a worker that is awake; drop connections of the sleeping one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection = connect(server, LEASE + 5)
        connection.request("GET", urlsplit(server.url).path + path)
        try:
            reader = Reader(server, connection, connection.getresponse())
        except TimeoutError:
            continue
        reader.read_all()
        if endings(reader.names):
            return reader
    raise AssertionError("no worker ended the run")


@pytest.mark.parametrize("store", ["sqlite_url", "busy_mongodb_url"])
def test_many_streams_at_once_all_complete_side_by_side(
    tmp_path: Path, store: str, request: pytest.FixtureRequest
) -> None:
    pace = {"ASSISTANT_OFFLINE_DELAY_SECONDS": "0.15", "ASSISTANT_STORE": request.getfixturevalue(store)}
    with gunicorn_server(tmp_path / "instance", "--workers", "1", **pace) as server:
        readers: list[Reader] = []

        def talk(number: int) -> None:
            reader = post(server, f"Hello from number {number}")
            readers.append(reader)
            reader.read_all()

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * PATIENCE)
        assert len(readers) == STREAMS
        assert {tuple(endings(reader.names)) for reader in readers} == {("thread.run.completed",)}
        for reader in readers:
            assert [event["seq"] for event in reader.events] == list(range(1, len(reader.events) + 1))
        assert len({reader.run for reader in readers}) == STREAMS
        # Side by side: when the first one ends, nearly all have begun.
        first_end = min(reader.times[-1] for reader in readers)
        begun = [reader for reader in readers if reader.times[0] < first_end]
        assert len(begun) > STREAMS * 0.9


def test_a_locked_store_stops_neither_the_loop_nor_the_deltas(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    pace = {"ASSISTANT_OFFLINE_DELAY_SECONDS": "0.05", "ASSISTANT_STORE": f"sqlite:///{store}"}
    with gunicorn_server(tmp_path / "instance", "--workers", "1", **pace) as server:
        reader = post(server, "Tell me a lot")
        reader.read_until("thread.message.delta")
        other = sqlite3.connect(store, isolation_level=None)
        slowest, seen = 0.0, len(reader.events)
        other.execute("BEGIN IMMEDIATE")
        try:
            for _ in range(20):
                started = time.monotonic()
                assert server.get("/health").status == 200
                slowest = max(slowest, time.monotonic() - started)
                next(iter(reader))
        finally:
            other.execute("ROLLBACK")
            other.close()
        assert len(reader.events) >= seen + 20, "deltas go on while the store is locked, up to the bound"
        assert slowest < 1.0, "health waits for no store (a frozen loop would have waited for the lock)"
        reader.read_all()
        assert endings(reader.names) == ["thread.run.completed"]
        assert messages(server, reader.run[0])[-1]["content"][0]["text"]["value"] == reader.text
