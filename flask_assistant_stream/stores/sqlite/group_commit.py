"""Group commit: writes that arrive during a write are then done together, by one of the waiting threads.

Has no thread of its own: a thread that finds no write in progress leads the group. Knows no database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from ...errors import StoreError

Work = TypeVar("Work")


class Job(Generic[Work]):
    """One waiting write; the executor sets its `value` or `error`."""

    __slots__ = ("_turn", "error", "leads", "value", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.value: Any = None
        self.error: BaseException | None = None
        self.leads = False
        self._turn = threading.Lock()
        self._turn.acquire()

    def wake(self) -> None:
        """Wake the waiting thread: its write is done, or it leads the next group."""
        self._turn.release()

    def wait(self) -> None:
        """Wait for `wake`."""
        self._turn.acquire()


class GroupCommit(Generic[Work]):
    """Collects writes into groups.

    Args:
        execute: does a group and sets each job's `value` or `error`; one call at a time. An exception of it becomes
            the error of all jobs.
    """

    def __init__(self, execute: Callable[[Sequence[Job[Work]]], None]) -> None:
        self._execute = execute
        self._lock = threading.Lock()
        self._waiting: list[Job[Work]] = []
        self._busy = False

    @property
    def waiting(self) -> int:
        """The number of writes that wait for the current group."""
        return len(self._waiting)

    def write(self, work: Work) -> Any:
        """Do one write, alone or in a group. Return its value or raise its error."""
        job = Job(work)
        with self._lock:
            self._waiting.append(job)
            job.leads = not self._busy
            self._busy = True
        if not job.leads:
            self._wait(job)
        if job.leads:
            self._lead(job)
        if job.error is not None:
            raise job.error
        return job.value

    def _wait(self, job: Job[Work]) -> None:
        """Wait for the group's leader; a killed thread passes the lead on."""
        try:
            job.wait()
        except BaseException:
            with self._lock:
                if job in self._waiting:
                    self._waiting.remove(job)
                chosen = job.leads
            if chosen:
                self._pass_on()
            raise

    def _lead(self, own: Job[Work]) -> None:
        with self._lock:
            group, self._waiting = self._waiting, []
        try:
            self._execute(group)
        except BaseException as error:
            for job in group:
                job.error = error if job is own else _for_another(error)
        finally:
            for job in group:
                job.leads = False
                if job is not own:
                    job.wake()
            self._pass_on()

    def _pass_on(self) -> None:
        with self._lock:
            self._busy = bool(self._waiting)
            if not self._waiting:
                return
            following = self._waiting[0]
            following.leads = True
        following.wake()


def _for_another(error: BaseException) -> Exception:
    """Return the error for another thread of the group: an exception object of its own."""
    if isinstance(error, StoreError):
        return StoreError(error.message)
    if isinstance(error, Exception):
        return error
    return StoreError("The write was interrupted; whether it was stored is unknown.")  # the leader was killed
