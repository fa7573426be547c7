"""A store that is away before, during and for longer than a run, under gunicorn's gevent workers."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.log.run_log import WINDOW
from flask_assistant_stream.protocol.events import RUN_ENDINGS, Event
from flask_assistant_stream.testing.decode import text_of
from flask_assistant_stream.testing.store_material import at_once
from tests.fake_upstream import UpstreamProcess
from tests.server_process import Answer, OpenStream, ServerProcess, gunicorn, serving, texts
from tests.store_troubles import TROUBLES, Full, Locked, Trouble
from tests.translation.checker import check

LEASE = 2.0
PATIENCE = 60.0
REFUSED_SECONDS = 12.0
"""What a request may take to be refused: SQLite waits 5 seconds for a lock, behind one that waits already."""
LONG = "@@script:text?n=600&delay=0.004@@"
WORDS = "".join(f" w{number}" for number in range(600))
ENDLESS = "@@script:text?n=20000&delay=0.01@@"


@pytest.fixture(params=TROUBLES)
def trouble(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Trouble]:
    made: Trouble = TROUBLES[request.param](tmp_path)
    yield made
    made.close()


@contextmanager
def serve(trouble: Trouble, folder: Path, played: UpstreamProcess, **settings: str) -> Iterator[ServerProcess]:
    """Serve on two workers that know their store."""
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
            try:
                for line in self.stream.lines():
                    if self._leaving:
                        return
                    if line.strip():
                        told = json.loads(line)
                        self.events.append(Event(told["seq"], told["event"], json.dumps(told["data"]).encode()))
                        self.moved_at = time.monotonic()
                    else:
                        self.heartbeats += 1
            except (OSError, http.client.HTTPException):
                pass

    @property
    def last(self) -> int:
        return self.events[-1].seq if self.events else 0

    @property
    def reading(self) -> bool:
        return self._thread.is_alive()

    @property
    def quiet_for(self) -> float:
        return time.monotonic() - self.moved_at

    @property
    def endings(self) -> list[str]:
        return [event.name for event in self.events if event.name in RUN_ENDINGS]

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
    """503, and nothing goes upstream, then or later; nothing of it is stored."""
    with serve(trouble, tmp_path / "server", played) as server:
        thread_id = server.chat("hello").run["thread_id"]
        history, threads = server.messages(thread_id), server.get("/threads").body
        before = requests(played)
        trouble.begin(server)
        time.sleep(1.1)  # what was heard from a server a second ago says that it is there
        begun = time.monotonic()
        for refused in at_once(
            lambda: server.post("/chat/stream", {"content": "Nobody hears this."}),
            lambda: server.post("/chat/stream", {"content": "Nor this.", "threadId": thread_id}),
        ):
            assert isinstance(refused, Answer)
            assert refused.status == 503, refused.body
            assert refused.json["error"]["code"] == "store_unavailable"
            assert refused.headers["Retry-After"]
            assert b"127.0.0.1" not in refused.body
        assert time.monotonic() - begun < REFUSED_SECONDS
        assert slowest_health(server) < 1
        read = server.get(f"/threads/{thread_id}/messages?order=asc")
        assert read.status == (200 if trouble.readable else 503)
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
        soon(lambda: here.quiet_for > 1 and there.quiet_for > 1)
        assert here.last < 600, "the run waits"
        ahead = here.last - there.last
        # What is stored can be read elsewhere; from a server that is away the last moment's rows were not yet.
        assert 0 < ahead <= (WINDOW if trouble.readable else 2 * WINDOW)
        beats = here.heartbeats
        soon(lambda: here.heartbeats > beats)
        assert slowest_health(server) < 1
        assert here.reading
        assert there.reading
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
    """The run is given up, and has one end when the store is back; nobody was told of another."""
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
            told = numbered(tail.events)
            assert {seq: told[seq] for seq in told if seq in stored} == {
                seq: stored[seq] for seq in stored if seq in told
            }
            lost = [seq for seq in told if seq not in stored]
            assert len(lost) <= WINDOW
        said = text_of(whole)
        assert texts(server.messages(thread_id))[1:] == [("assistant", said)]
        assert server.chat("And now?", threadId=thread_id).run["status"] == "completed"


def test_the_troubles_are_of_both_stores() -> None:
    assert {Locked, Full} < set(TROUBLES.values())
    assert len(TROUBLES) == 4
