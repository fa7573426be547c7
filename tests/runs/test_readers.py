"""A run after its last reader disconnects, on this or another worker; time is moved, not waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from flask_assistant_stream.errors import RequestError
from flask_assistant_stream.runs.readers import MARK_SECONDS, Readers
from flask_assistant_stream.runs.start_request import RunPosition
from flask_assistant_stream.stores.base import Store
from flask_assistant_stream.testing.scripted import call, unfinished
from tests.runs.workers import Worker

GRACE = 30.0


class Time:
    """A clock for all workers."""

    skipped = 0.0


class ReadWorker(Worker):
    """One process's view, with the readers of its runs."""

    def __init__(self, store: Store, time: Time, grace: float | None, *scripts: Any) -> None:
        super().__init__(store, *scripts, lease_seconds=10_000)
        real_now = store.now
        store.now = lambda: real_now() + time.skipped  # type: ignore[method-assign]
        self.cancelled: list[str] = []
        self.readers = Readers(store, self.log, self.cancel, grace, clock=store.now)

    def cancel(self, owner: str, thread_id: str, run_id: str) -> dict[str, Any]:
        self.cancelled.append(run_id)
        return self.runner.cancel(owner, thread_id, run_id)

    def join(self, attached: RunPosition, *, began: bool = False) -> Callable[[], None]:
        return self.readers.join("ann", attached, began=began)


Make = Callable[..., ReadWorker]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def worker(open_store: Callable[[], Store], time: Time) -> Iterator[Make]:
    made: list[ReadWorker] = []
    gate = threading.Event()

    def make(grace: float | None, *scripts: Any) -> ReadWorker:
        """Make a worker whose runs say something and then wait, unless told otherwise."""
        made.append(ReadWorker(open_store(), time, grace, *(scripts or [[*unfinished("Well"), gate]] * 2)))
        return made[-1]

    yield make
    gate.set()
    for each in made:
        with suppress(RequestError):
            each.runner.stop()


def test_a_run_continues_by_default(worker: Make, time: Time) -> None:
    one = worker(None)
    attached = one.start()
    one.join(attached, began=True)()
    time.skipped = 1000
    one.readers.look()
    assert not one.cancelled
    one.runner.cancel("ann", attached.thread_id, attached.run_id)


def test_cancelled_at_once(worker: Make) -> None:
    one = worker(0.0)
    attached = one.start()
    leaves = [one.join(attached, began=True), one.join(attached)]
    one.readers.look()
    leaves[0]()
    leaves[0]()
    one.readers.look()
    assert not one.cancelled, "one still reads"
    leaves[1]()
    one.readers.look()
    assert (one.cancelled, one.read(attached.run_id)[-1].name) == ([attached.run_id], "thread.run.cancelled")
    one.readers.look()
    assert len(one.cancelled) == 1


def test_cancelled_when_no_reader_returns_in_time(worker: Make, time: Time) -> None:
    one = worker(GRACE)
    attached = one.start()
    one.join(attached, began=True)()
    time.skipped += GRACE - 5
    one.readers.look()
    leave = one.join(attached)
    time.skipped += 1000
    one.readers.look()
    leave()
    time.skipped += GRACE - 5
    one.readers.look()
    assert not one.cancelled, "the time begins anew"
    time.skipped += 10
    one.readers.look()
    assert one.cancelled == [attached.run_id]


def test_a_reader_on_another_worker_counts_until_it_leaves(worker: Make, time: Time) -> None:
    one, other = worker(GRACE), worker(GRACE)
    attached = one.start()
    one.join(attached, began=True)()
    leave = other.join(attached)
    other.readers.look()
    for _ in range(20):
        time.skipped += MARK_SECONDS / 2
        other.readers.look()
        one.readers.look()
    assert not one.cancelled
    leave()
    other.readers.look()
    one.readers.look()
    time.skipped += GRACE - 5
    one.readers.look()
    assert not one.cancelled
    time.skipped += 10
    one.readers.look()
    assert one.cancelled == [attached.run_id]
    assert not other.cancelled


def test_a_reader_on_a_worker_that_died_counts_no_longer_than_it_can_vouch(worker: Make, time: Time) -> None:
    one, other = worker(0.0), worker(0.0)
    attached = one.start()
    leave = one.join(attached, began=True)
    other.join(attached)
    other.readers.look()
    leave()
    one.readers.look()
    assert not one.cancelled
    time.skipped += MARK_SECONDS + 1
    one.readers.look()
    assert one.cancelled == [attached.run_id]


def test_two_workers_vouch_for_themselves(worker: Make, time: Time) -> None:
    one, second, third = worker(0.0), worker(0.0), worker(0.0)
    attached = one.start()
    one.join(attached, began=True)()
    leave, _ = second.join(attached), third.join(attached)
    second.readers.look()
    third.readers.look()
    leave()
    second.readers.look()
    one.readers.look()
    assert not one.cancelled, "the third one still reads"


def test_a_run_without_a_stream_has_no_reader_to_lose(worker: Make, time: Time) -> None:
    one, other = worker(0.0), worker(0.0)
    attached = one.start()
    for leave in (one.join(attached), other.join(attached)):
        other.readers.look()
        leave()
        one.readers.look()
        other.readers.look()
    time.skipped += 1000
    one.readers.look()
    assert not one.cancelled + other.cancelled
    one.runner.cancel("ann", attached.thread_id, attached.run_id)


def test_a_run_that_waits_for_its_client_has_not_lost_it(worker: Make, time: Time) -> None:
    one = worker(0.0, call("get_weather", {}))
    attached = one.start()
    leave = one.join(attached, began=True)
    assert one.read(attached.run_id)[-1].name == "thread.run.requires_action"
    leave()
    one.readers.look()
    assert not one.cancelled
    assert one.run(attached.run_id).body["status"] == "requires_action"


def test_a_deleted_run(worker: Make) -> None:
    one, other = worker(0.0), worker(0.0)
    attached = one.start()
    leave = one.join(attached, began=True)
    other.join(attached)
    one.runner.delete_thread("ann", attached.thread_id)
    leave()
    other.readers.look()
    one.readers.look()
    assert not one.cancelled
