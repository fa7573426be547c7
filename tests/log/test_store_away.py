"""A store that fails, seen from one process: which runs are lost, and when leases are renewed."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from flask_assistant_stream.errors import StoreError
from flask_assistant_stream.log import run_log
from flask_assistant_stream.protocol import ids
from flask_assistant_stream.runs.sweeper import Sweeper
from flask_assistant_stream.runs.takeover import Takeover
from flask_assistant_stream.stores.base import Kind, Store
from flask_assistant_stream.testing.scripted import text
from flask_assistant_stream.testing.store_material import ANN, a_start, a_thread
from tests.mongodb_server import OpenStore
from tests.runs.workers import LEASE, Worker, endings
from tests.waiting import soon

PATIENCE = 30.0


@pytest.fixture
def worker(open_store: OpenStore) -> Iterator[Worker]:
    worker = Worker(open_store(), text("Here I am."))
    yield worker
    worker.runner.stop()


class Hanging:
    """Commits that wait for `release` and then succeed."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release, self.landed = threading.Event(), threading.Event()
        self._commit = store.commit
        monkeypatch.setattr(store, "commit", self._hang)

    def _hang(self, writes: Any) -> Any:
        assert self.release.wait(PATIENCE)
        results = self._commit(writes)
        self.landed.set()
        return results


def test_a_hanging_write_loses_its_run_at_the_deadline(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker.log.deadline_seconds = 0.5
    hanging = Hanging(worker.store, monkeypatch)
    attached = worker.start()
    begun = time.monotonic()
    soon(lambda: worker.log.writer(attached.run_id) is None)
    assert 0.5 <= time.monotonic() - begun < 5
    assert not hanging.landed.is_set()
    assert worker.run(attached.run_id).active, "no worker has ended it"
    hanging.release.set()  # and it succeeds after all
    soon(hanging.landed.is_set)
    worker.sweep(LEASE + 1)
    whole = worker.events(attached.run_id)
    assert (len(endings(whole)), worker.read(attached.run_id)) == (1, whole)


@pytest.mark.slow
def test_a_suspended_process_does_not_lose_its_runs(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks_at: list[float] = []
    worker.log.on_tick[:] = [ticks_at.append]
    worker.log.deadline_seconds = 60.0
    real, skipped = time.monotonic, [0.0]

    class Clock:
        monotonic = staticmethod(lambda: real() + skipped[0])
        sleep = staticmethod(time.sleep)

    monkeypatch.setattr(run_log, "time", Clock)
    worker.log.wake()
    soon(lambda: len(ticks_at) >= 1)
    skipped[0] = 1000.0
    ticks = len(ticks_at)
    soon(lambda: len(ticks_at) >= ticks + 2)
    gaps = [after - before for before, after in itertools.pairwise(ticks_at)]
    assert max(gaps) >= 1000.0 + 2 * 0.9 * run_log.TICK_SECONDS, "the first tick after the suspension is skipped"


@pytest.mark.slow
@pytest.mark.parametrize("asks", ["renew", "due", "now"])
def test_leases_are_renewed_before_claims_after_an_outage(
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
