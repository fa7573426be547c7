"""A worker reads waiting files, renews its claims, and sees to what other workers have left."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from flask_assistant_stream.errors import StoreError
from flask_assistant_stream.storages.local.indexer import LOOK_SECONDS, Indexer
from flask_assistant_stream.storages.local.pending import Claim
from tests.files.worlds import Clock
from tests.waiting import soon

LEASE = 9.0


class Waiting:
    """Files that wait, in memory, and what an indexer did with them."""

    def __init__(self, *file_ids: str) -> None:
        self.file_ids = list(file_ids)
        self.calls: list[str] = []
        self.error: Exception | None = None

    def any(self) -> bool:
        self.calls.append("any")
        return bool(self.file_ids)

    def claim(self) -> Claim | None:
        if self.error is not None:
            raise self.error
        return Claim("ann", self.file_ids.pop(0), 1, 0.0) if self.file_ids else None

    def renew(self, claim: Claim) -> bool:
        self.calls.append(f"renew {claim.file_id}")
        return True

    def fail(self, claim: Claim) -> None:
        self.calls.append(f"fail {claim.file_id}")

    def release(self, claim: Claim) -> None:
        self.calls.append(f"release {claim.file_id}")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def indexer(waiting: Waiting, read: Callable[[Claim], None], clock: Clock) -> Indexer:
    pending: object = waiting
    return Indexer(pending, read, threads=1, lease_seconds=LEASE, clock=clock)  # type: ignore[arg-type]


def test_all_waiting_files_are_read_after_a_wake(clock: Clock) -> None:
    waiting, read = Waiting("a", "b", "c"), list[str]()
    reading = indexer(waiting, lambda claim: read.append(claim.file_id), clock)
    reading.wake()
    soon(lambda: read == ["a", "b", "c"])
    waiting.file_ids = ["d"]
    reading.wake()
    soon(lambda: read[3:] == ["d"])
    reading.stop(lambda: None)


def test_an_idle_worker_looks_rarely(clock: Clock) -> None:
    waiting = Waiting()
    reading = indexer(waiting, lambda _: None, clock)
    threads = threading.active_count()
    for _ in range(int(LOOK_SECONDS / 0.25)):
        reading.look()
        clock.move(0.25)
    assert waiting.calls == ["any"]
    reading.look()
    assert waiting.calls == ["any", "any"]
    assert threading.active_count() == threads


def test_a_worker_finds_what_another_one_has_left(clock: Clock) -> None:
    waiting, read = Waiting("left"), list[str]()
    reading = indexer(waiting, lambda claim: read.append(claim.file_id), clock)
    reading.look()
    soon(lambda: read == ["left"])
    reading.stop(lambda: None)


def test_claims_are_renewed_while_their_files_are_read_and_released_at_the_end(clock: Clock) -> None:
    waiting, begun, end = Waiting("a"), threading.Event(), threading.Event()

    def read(_: Claim) -> None:
        begun.set()
        end.wait()

    reading = indexer(waiting, read, clock)
    reading.wake()
    begun.wait()
    for _ in range(4):
        reading.look()
        clock.move(LEASE / 6)
    assert waiting.calls == ["renew a"] * 2
    reading.stop(end.set)
    assert waiting.calls[2:] == ["release a"]


def test_a_store_that_fails_loses_no_file_and_ends_no_thread(clock: Clock) -> None:
    waiting, read, down = Waiting("a", "b"), list[str](), [True]

    def read_or_fail(claim: Claim) -> None:
        if down[0]:
            raise StoreError("down")
        read.append(claim.file_id)

    reading = indexer(waiting, read_or_fail, clock)
    assert not reading.read_next()
    assert waiting.calls == ["release a"]
    waiting.error = StoreError("down")
    assert not reading.read_next()
    waiting.error, down[0] = None, False
    assert reading.read_next()
    assert read == ["b"]
    assert not reading.read_next()


def test_an_unexpected_error_counts_as_an_attempt(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Claim) -> None:
        raise ValueError("unexpected")

    waiting = Waiting("a")
    assert indexer(waiting, fail, clock).read_next()
    assert waiting.calls == ["fail a"]
    assert "file a not read" in caplog.text
