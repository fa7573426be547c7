"""A store that is away before, during and for longer than a run, under gunicorn's gevent workers."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.protocol.dialects import ASSISTANTS
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.stores.base import WINDOW
from flask_assistant_stream.testing.decode import text_of
from flask_assistant_stream.testing.store_material import at_once
from tests.fake_upstream import UpstreamProcess
from tests.server_process import Answer, OpenStream, ServerProcess, gunicorn, serving, texts
from tests.store_troubles import TROUBLES, Full, Locked, Trouble
from tests.translation.checker import check

LEASE = 2.0
PATIENCE = 60.0
REFUSED_SECONDS = 12.0
"""Seconds until a request is rejected: SQLite waits 5 for a lock, behind another waiting request."""
LONG = "@@script:text?n=600&delay=0.004@@"
WORDS = "".join(f" w{number}" for number in range(600))
ENDLESS = "@@script:text?n=20000&delay=0.01@@"


@pytest.fixture(params=TROUBLES)
def trouble(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trouble]:
    trouble: Trouble = TROUBLES[request.param](tmp_path)
    yield trouble
    trouble.close()


@contextmanager
def serve(trouble: Trouble, folder: Path, played: UpstreamProcess, **settings: str) -> Iterator[ServerProcess]:
    """Serve on two workers that have used their store."""
    pace = {"ASSISTANT_HEARTBEAT_SECONDS": "0.5", **settings}
    with serving(gunicorn("--workers", "2"), folder, store=trouble.url, upstream=played.base_url, **pace) as server:
        soon(lambda: len(server.workers) == 2)
        for _ in range(2):
            assert server.chat("@@script:text?n=20@@").run["status"] == "completed"
        yield server


def soon(condition: Callable[[], object], what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Tail:
    """A reader in a thread of its own."""

    def __init__(self, server: ServerProcess, path: str, body: object = None) -> None:
        self.events: list[Event] = []
        self.heartbeats = 0
        self.stream: OpenStream | None = None
        self.worker = 0
        self.moved_at = time.monotonic()
        self._leaving = False
        self._thread = threading.Thread(target=self._read, args=(server, path, body), daemon=True)
        self._thread.start()
        soon(lambda: self.worker, "no answer")

    def _read(self, server: ServerProcess, path: str, body: object) -> None:
        with server.opened(path, body) as self.stream:
            self.worker = self.stream.worker(server)
            with suppress(OSError, http.client.HTTPException):
                for line in self.stream.lines():
                    if self._leaving:
                        return
                    if line.strip():
                        event = json.loads(line)
                        self.events.append(Event(event["seq"], event["event"], json.dumps(event["data"]).encode()))
                        self.moved_at = time.monotonic()
                    else:
                        self.heartbeats += 1

    @property
    def last(self) -> int:
        return self.events[-1].seq if self.events else 0

    @property
    def reading(self) -> bool:
        return self._thread.is_alive()

    @property
    def endings(self) -> list[str]:
        return [event.name for event in self.events if event.name in ASSISTANTS.run_endings]

    def join(self) -> list[Event]:
        self._thread.join(PATIENCE)
        assert not self.reading
        return self.events

    def leave(self) -> None:
        self._leaving = True


def begin(server: ServerProcess, content: str) -> tuple[Tail, Tail]:
    """Start a run and return a reader on the worker that runs it and one on the other."""
    here = Tail(server, "/chat/stream", {"content": content})
    assert here.stream is not None
    soon(lambda: here.last > 20)
    for _ in range(50):
        there = Tail(server, f"{here.stream.run_path}/stream?after=0")
        if there.worker != here.worker:
            return here, there
        there.leave()
    raise AssertionError("every connection went to one worker")


def numbered(events: list[Event]) -> dict[int, tuple[str, Any]]:
    return {event.seq: (event.name, event.object()) for event in events}


def requests(played: UpstreamProcess) -> int:
    return len(played.told()["requests"])


def slowest_health(server: ServerProcess, times: int = 10) -> float:
    slowest = 0.0
    for _ in range(times):
        begun = time.monotonic()
        assert server.get("/health").status == 200
        slowest = max(slowest, time.monotonic() - begun)
    return slowest


def test_before_a_run(trouble: Trouble, tmp_path: Path, played: UpstreamProcess) -> None:
    """Requests get 503; nothing is sent upstream or stored, then or later."""
    with serve(trouble, tmp_path / "server", played) as server:
        thread_id = server.chat("hello").run["thread_id"]
        history, threads = server.messages(thread_id), server.get("/threads").body
        before = requests(played)
        trouble.begin(server)
        time.sleep(1.1)  # an answer of the last second would count as a sign of life
        begun = time.monotonic()
        for refused in at_once(
            lambda: server.post("/chat/stream", {"content": "Nobody hears this."}),
            lambda: server.post("/chat/stream", {"content": "Nor this.", "threadId": thread_id}),
        ):
            assert isinstance(refused, Answer)
            assert (refused.status, refused.json["error"]["code"]) == (503, "store_unavailable"), refused.body
            assert refused.headers["Retry-After"]
            assert b"127.0.0.1" not in refused.body
        assert time.monotonic() - begun < REFUSED_SECONDS
        assert slowest_health(server) < 1
        status = server.get(f"/threads/{thread_id}/messages?order=asc").status
        assert status == (200 if trouble.readable else 503)
        trouble.end(server)
        soon(lambda: server.get("/health/ready").status == 200)
        soon(lambda: server.get("/threads").status == 200)
        assert server.messages(thread_id) == history
        assert server.get("/threads").body == threads
        assert len(server.get(f"/v1/threads/{thread_id}/runs").json["data"]) == 1
        assert requests(played) == before
        assert server.chat("And now?", threadId=thread_id).run["status"] == "completed"
        assert requests(played) == before + 1


def test_during_a_run(trouble: Trouble, tmp_path: Path, played: UpstreamProcess) -> None:
    """The run pauses at its bound and goes on; no reader misses anything."""
    with serve(trouble, tmp_path / "server", played) as server:
        before = requests(played)
        here, there = begin(server, LONG)
        trouble.begin(server)
        soon(lambda: time.monotonic() - max(here.moved_at, there.moved_at) > 1)
        assert here.last < 600, "the run waits"
        ahead = here.last - there.last
        # The other worker reads stored rows only; a server that is away does not return the last moment's rows.
        assert 0 < ahead <= (WINDOW if trouble.readable else 2 * WINDOW)
        beats = here.heartbeats
        soon(lambda: here.heartbeats > beats)
        assert slowest_health(server) < 1
        assert (here.reading, there.reading) == (True, True)
        trouble.end(server)
        for tail in (here, there):
            events = tail.join()
            assert text_of(events) == WORDS
            check(events)
            assert tail.endings == ["thread.run.completed"]
        assert numbered(here.events) == numbered(there.events)
        assert requests(played) == before + 1
        assert here.stream is not None
        assert texts(server.messages(here.stream.headers["X-Thread-Id"]))[1:] == [("assistant", WORDS)]


def test_for_longer_than_the_lease(trouble: Trouble, tmp_path: Path, played: UpstreamProcess) -> None:
    """The run is given up, and has one end when the store is back; no reader received another."""
    with serve(trouble, tmp_path / "server", played, ASSISTANT_LEASE_SECONDS=str(LEASE)) as server:
        here, there = begin(server, ENDLESS)
        assert here.stream is not None
        path, thread_id = here.stream.run_path, here.stream.headers["X-Thread-Id"]
        trouble.begin(server)
        begun = time.monotonic()
        soon(lambda: "could not be stored in time" in server.log)
        assert LEASE <= time.monotonic() - begun < LEASE + 3
        time.sleep(1)
        assert here.endings == there.endings == []
        assert slowest_health(server) < 1
        trouble.end(server)
        back = time.monotonic()
        soon(lambda: server.get(f"{path}/stream?after=0").status == 200)
        whole = server.get(f"{path}/stream?after=0").events
        assert time.monotonic() - back < LEASE + 1 + 3, "the lease, a second, and a busy machine"
        fold = check(whole, gaps=True)
        assert fold.run is not None
        assert (fold.run["status"], fold.run["last_error"]["code"]) == ("failed", "server_error")
        stored = numbered(whole)
        for tail in (here, there):
            tail.join()
            assert tail.endings in ([], ["thread.run.failed"]), "a stream may break off; it never ends otherwise"
            if trouble.readable:
                assert tail.endings == ["thread.run.failed"], server.log
            received = numbered(tail.events)
            both = received.keys() & stored.keys()
            assert {seq: received[seq] for seq in both} == {seq: stored[seq] for seq in both}
            assert len(received.keys() - stored.keys()) <= WINDOW
        assert texts(server.messages(thread_id))[1:] == [("assistant", text_of(whole))]
        assert server.chat("And now?", threadId=thread_id).run["status"] == "completed"


def test_the_troubles_are_of_both_stores() -> None:
    assert {Locked, Full} < set(TROUBLES.values())
    assert len(TROUBLES) == 4
