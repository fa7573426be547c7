"""Many abandoned runs: they end in parallel, and this worker's own leases are renewed meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, cast

import pytest

from flask_assistant_stream.errors import StoreError
from flask_assistant_stream.runs.execution import Execution
from flask_assistant_stream.runs.sweeper import AT_ONCE, DUE_RUNS, Sweeper
from flask_assistant_stream.runs.takeover import Takeover
from flask_assistant_stream.stores.base import Kind, RunRecord, Store

LEASE = 0.3
PATIENCE = 30.0


def run(number: int) -> RunRecord:
    return RunRecord(Kind.RUN, "anna", {"id": f"run_{number}", "status": "in_progress"}, "thread_1")


class Stored:
    """A store in which runs are due, and which counts how often leases are renewed."""

    def __init__(self, count: int) -> None:
        self.runs = [run(number) for number in range(count)]
        self.renewals = 0

    def now(self) -> float:
        return 0.0

    def due(self, now: float, limit: int) -> list[RunRecord]:
        return self.runs[:limit]

    def renew(self, runs: object, lease_end: float) -> None:
        self.renewals += 1

    def cancel_requested(self, run_ids: object) -> list[str]:
        return []


class Ender:
    """Ends runs after `ready` is set; the broken ones fail."""

    def __init__(self, *broken: str) -> None:
        self.ready = threading.Event()
        self.begun = 0
        self.ended: list[str] = []
        self._broken = broken
        self._lock = threading.Lock()

    def finish(self, run: RunRecord, *, if_due: float | None = None) -> None:
        if run.id in self._broken:
            raise StoreError("broken")
        with self._lock:
            self.begun += 1
        assert self.ready.wait(PATIENCE)
        self.ended.append(run.id)


def sweeper(store: Stored, ender: Ender, *mine: RunRecord) -> Sweeper:
    executions: Any = {one.id: type("Mine", (), {"run": one}) for one in mine}
    return Sweeper(cast(Store, store), cast(Takeover, ender), cast("dict[str, Execution]", executions), LEASE)


def test_own_leases_are_renewed_while_others_runs_are_ended() -> None:
    store, ender = Stored(3 * AT_ONCE), Ender()
    sweep = threading.Thread(target=sweeper(store, ender, run(1000)).sweep)
    sweep.start()
    waited = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if store.renewals >= 3 and ender.begun == AT_ONCE:
            break
        waited.wait(0.01)
    assert (store.renewals >= 3, ender.begun) == (True, AT_ONCE), "side by side, but not all at once"
    ender.ready.set()
    sweep.join(PATIENCE)
    assert sorted(ender.ended) == sorted(run.id for run in store.runs)


def test_runs_that_cannot_be_ended_hold_up_no_others() -> None:
    broken = [f"run_{number}" for number in range(AT_ONCE - 1)]
    store, ender = Stored(2 * AT_ONCE), Ender(*broken)
    ender.ready.set()
    with pytest.raises(StoreError):
        sweeper(store, ender).sweep()
    assert sorted([*ender.ended, *broken]) == sorted(run.id for run in store.runs)


def test_own_runs_are_left_alone() -> None:
    store, ender = Stored(2), Ender()
    ender.ready.set()
    sweeper(store, ender, store.runs[0]).sweep()
    assert ender.ended == ["run_1"]


def test_runs_of_newer_workers_are_left_alone_and_hide_no_others() -> None:
    store, ender = Stored(2 * DUE_RUNS + 3), Ender()
    ender.ready.set()
    store.runs[:-3] = [replace(one, dialect="sagas") for one in store.runs[:-3]]
    sweep = sweeper(store, ender).sweep
    for _ in range(3):  # each reads beyond those that the one before left alone
        sweep()
    assert sorted(ender.ended) == sorted(one.id for one in store.runs[-3:])
