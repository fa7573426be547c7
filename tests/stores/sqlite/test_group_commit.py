"""Group commit: which writes are done together, and what a failure does to the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from flask_assistant_stream.errors import StoreError
from flask_assistant_stream.stores.sqlite.group_commit import GroupCommit, Job

SECONDS = 20.0


class Killed(BaseException):
    """A killed greenlet raises no `Exception`."""


class Gate:
    """Executes groups; the first one waits until `open` is set."""

    def __init__(self) -> None:
        self.groups: list[list[Any]] = []
        self.entered = threading.Event()
        self.open = threading.Event()
        self.errors: dict[int, BaseException] = {}
        self.group: GroupCommit[Any] = GroupCommit(self.execute)

    def execute(self, jobs: Sequence[Job[Any]]) -> None:
        number = len(self.groups)
        self.groups.append([job.work for job in jobs])
        if not number:
            self.entered.set()
            assert self.open.wait(SECONDS)
        if number in self.errors:
            raise self.errors[number]
        for job in jobs:
            job.value = f"{job.work} done"

    def write_in_threads(self, works: Sequence[str]) -> dict[str, Any]:
        """Start a write, then the others one by one while it is in progress; return their results or errors."""
        results: dict[str, Any] = {}

        def write(work: str) -> None:
            try:
                results[work] = self.group.write(work)
            except BaseException as error:
                results[work] = error

        threads = [threading.Thread(target=write, args=(work,)) for work in works]
        threads[0].start()
        assert self.entered.wait(SECONDS)
        for count, thread in enumerate(threads[1:], 1):
            thread.start()
            wait_for(lambda: self.group.waiting == count)  # noqa: B023
        self.open.set()
        for thread in threads:
            thread.join(SECONDS)
            assert not thread.is_alive()
        return results


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_writes_that_arrive_meanwhile_are_done_together() -> None:
    gate = Gate()
    assert gate.write_in_threads("abcd") == {work: f"{work} done" for work in "abcd"}
    assert [gate.group.write("e"), gate.group.write("f")] == ["e done", "f done"]
    assert gate.groups == [["a"], ["b", "c", "d"], ["e"], ["f"]]


def test_a_failed_group_fails_for_its_writes_only() -> None:
    gate = Gate()
    gate.errors[1] = StoreError("disk full")
    results = gate.write_in_threads("abc")
    assert results["a"] == "a done"
    assert [str(results["b"]), str(results["c"])] == ["disk full", "disk full"]
    assert results["b"] is not results["c"], "two threads that raise one error mix their tracebacks"
    assert gate.group.write("d") == "d done"


def test_a_killed_leader_passes_the_lead_on() -> None:
    gate = Gate()
    gate.errors[0] = Killed()
    results = gate.write_in_threads("abc")
    assert isinstance(results.pop("a"), Killed)
    assert results == {"b": "b done", "c": "c done"}


def test_the_group_of_a_killed_leader_fails() -> None:
    gate = Gate()
    gate.errors[1] = Killed()
    results = gate.write_in_threads("abc")
    assert isinstance(results["b"], Killed)
    assert isinstance(results["c"], StoreError)
    assert gate.group.write("d") == "d done"


def test_a_waiting_write_that_is_killed_passes_the_lead_on(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    wait = Job.wait

    def killed(job: Job[Any]) -> None:
        if job.work == "b":
            wait_for(lambda: job.leads)  # chosen as the leader, but killed before it runs
            raise Killed
        wait(job)

    monkeypatch.setattr(Job, "wait", killed)
    results = gate.write_in_threads("abc")
    assert isinstance(results.pop("b"), Killed)
    assert results == {"a": "a done", "c": "c done"}
    assert gate.group.write("d") == "d done"
