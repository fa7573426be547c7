"""A store that is away, seen from inside one process: who gives up what, and when."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_assistant_stream.errors import StoreError
from flask_assistant_stream.log import run_log
from flask_assistant_stream.protocol import ids
from flask_assistant_stream.protocol.events import RUN_ENDINGS
from flask_assistant_stream.runs.start_request import StartRequest
from flask_assistant_stream.runs.sweeper import Sweeper
from flask_assistant_stream.runs.takeover import Takeover
from flask_assistant_stream.stores.base import Kind, Store
from flask_assistant_stream.testing.scripted import text
from flask_assistant_stream.testing.store_material import ANN, a_start, a_thread
from tests.mongodb_server import OpenStore
from tests.runs.test_run_protocol import ASSISTANT, HELLO, LEASE, Worker, endings

PATIENCE = 30.0


def soon(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def one(open_store: OpenStore) -> Iterator[Worker]:
    made = Worker(open_store(), text("Here I am."))
    yield made
    made.runner.stop()


class Hanging:
    """Commits that take until they are released, and land then."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release, self.landed = threading.Event(), threading.Event()
        self._commit = store.commit
        monkeypatch.setattr(store, "commit", self._hang)

    def _hang(self, writes: Any) -> Any:
        assert self.release.wait(PATIENCE)
        outcomes = self._commit(writes)
        self.landed.set()
        return outcomes


def test_a_write_that_hangs_is_not_waited_for_beyond_the_deadline(one: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    one.log.deadline_seconds = 0.5
    hanging = Hanging(one.store, monkeypatch)
    attached = one.runner.start(StartRequest(ANN, ASSISTANT, HELLO))
    begun = time.monotonic()
    soon(lambda: one.log.writer(attached.run_id) is None)
    assert 0.5 <= time.monotonic() - begun < 5
    assert not hanging.landed.is_set()
    assert one.run(attached.run_id).active, "nobody says that it has ended"
    hanging.release.set()  # and it lands after all
    soon(hanging.landed.is_set)
    one.skipped = LEASE + 1
    one.sweep()
    whole = one.events(attached.run_id)
    assert len([event for event in whole if event.name in RUN_ENDINGS]) == 1
    with one.log.follow(attached.run_id) as follower:
        assert [event for events in follower for event in events] == whole


def test_a_process_that_slept_does_not_take_its_own_sleep_for_an_outage(
    one: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up: list[float] = []
    one.log.on_tick[:] = [given_up.append]
    one.log.deadline_seconds = 60.0
    real, skipped = time.monotonic, [0.0]

    class Clock:
        monotonic = staticmethod(lambda: real() + skipped[0])
        sleep = staticmethod(time.sleep)

    monkeypatch.setattr(run_log, "time", Clock)
    one.log.wake()
    soon(lambda: len(given_up) >= 1)
    skipped[0] = 1000.0
    ticks = len(given_up)
    soon(lambda: len(given_up) >= ticks + 2)
    gaps = [after - before for before, after in itertools.pairwise(given_up)]
    assert max(gaps) >= 1000.0 + 2 * 0.9 * run_log.TICK_SECONDS, "the first tick after the sleep is left out"


@pytest.mark.parametrize("asks", ["renew", "due", "now"])
def test_leases_are_renewed_before_anybody_takes_them_after_an_outage(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, asks: str
) -> None:
    lease = 3.0
    store = open_store()
    thread = store.insert(a_thread())
    run = store.start(a_start(thread, due_at=store.now() - 1))
    failed_at: list[float] = []
    real = getattr(store, asks)

    def away(*arguments: Any, **named: Any) -> Any:
        if len(failed_at) < 2:
            failed_at.append(time.monotonic())
            raise StoreError("away")
        return real(*arguments, **named)

    takeover = Takeover(store, lease, ids.new_id)
    finished: list[float] = []
    finish = takeover.finish

    def finishing(*arguments: Any, **options: Any) -> None:
        finished.append(time.monotonic())
        finish(*arguments, **options)

    monkeypatch.setattr(takeover, "finish", finishing)
    executions: dict[str, Any] = {"run_of_mine": type("Mine", (), {"run": run})()} if asks == "renew" else {}
    monkeypatch.setattr(store, asks, away)
    sweeper = Sweeper(store, takeover, executions, lease)
    sweeper.wake()
    try:
        soon(lambda: finished)
    finally:
        sweeper.stop()
    assert len(failed_at) == 2
    assert lease / 3 <= finished[0] - failed_at[-1] < lease + 1
    ended = store.get(Kind.RUN, ANN, run.id)
    soon(lambda: store.get(Kind.RUN, ANN, run.id).body["status"] == "failed")
    assert ended.parent == thread.id
    assert endings([event for row in store.read(run.id) for event in row.events]) == ["thread.run.failed"]
