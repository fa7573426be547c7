"""Count the readers of runs, and end a run after its last reader disconnects.

The worker that executes a run decides. It knows its own readers; other workers mark the stored run for theirs, only
where runs end with their readers.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ..errors import RequestError
from ..log.run_log import RunLog
from ..per_process import PerProcess
from ..protocol.objects import Object
from ..stores.base import Kind, RunRecord, Store
from .start_request import RunPosition

MARK = "read_until_"
"""Starts the keys of a run's `extra` with the time until which a worker has readers, by the store's clock."""
MARK_SECONDS = 10.0
LOOK_SECONDS = 1.0
"""How often a run with readers on other workers only is checked."""

Cancel = Callable[[str, str, str], Object]
"""Takes owner, thread id and run id."""


@dataclass(slots=True)
class _ReadRun:
    """A run with readers here. `left_at` and `look_at`, of the next check, are monotonic; `marked` is of the store."""

    owner: str
    thread_id: str
    readers: int = 0
    left_at: float = 0.0
    look_at: float = 0.0
    marked: bool = False


class Readers:
    """Counts readers by run.

    Args:
        grace_seconds: how long a run continues without readers; None for to its end.
    """

    def __init__(
        self,
        store: Store,
        log: RunLog,
        cancel: Cancel,
        grace_seconds: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._log = log
        self._cancel = cancel
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._ours: dict[str, _ReadRun] = {}
        """Runs that a streaming request started here: they may end with their readers."""
        self._others: dict[str, _ReadRun] = {}
        """Runs of other workers with readers here."""
        # Never held during a wait, so a lock from before a fork or gevent's patching is safe.
        self._lock = threading.Lock()
        self._mark_key = PerProcess(lambda: MARK + secrets.token_hex(4))

    def join(self, owner: str, position: RunPosition, *, began: bool) -> Callable[[], None]:
        """Count a reader of a run, and return the function to call when it disconnects.

        Args:
            began: the reader's request started or continued the run.
        """
        run_id = position.run_id
        if self._grace_seconds is None:
            return _nothing
        here = self._log.writer(run_id) is not None
        with self._lock:
            if (began and here) or run_id in self._ours:
                runs = self._ours
            elif began or here:  # ended already, or started without a stream
                return _nothing
            else:
                runs = self._others
            run = runs.setdefault(run_id, _ReadRun(owner, position.thread_id))
            run.readers += 1
        return _Leaving(self, run)

    def left(self, run: _ReadRun) -> None:
        """Count a reader less."""
        with self._lock:
            run.readers -= 1
            run.left_at = run.look_at = self._clock()

    def look(self) -> None:
        """End the runs without readers, and mark the runs of other workers with readers here; called by every sweep.

        Raises:
            StoreError: the store does not answer; the next call continues.
        """
        for run_id, run in list(self._ours.items()):
            if self._log.writer(run_id) is None:
                self._drop(self._ours, run_id, run, even_if_read=True)
            elif not run.readers and self._clock() >= max(run.look_at, run.left_at + (self._grace_seconds or 0.0)):
                self._end_unless_read(run_id, run)
        for run_id, run in list(self._others.items()):
            if not run.readers:
                self._drop(self._others, run_id, run)
                if run.marked:
                    self._mark(run_id, run, 0.0)
            elif self._clock() >= run.look_at:
                self._mark(run_id, run, MARK_SECONDS)

    def _end_unless_read(self, run_id: str, run: _ReadRun) -> None:
        """Cancel a run after its grace time, unless it has readers on other workers or has ended."""
        try:
            record = self._store.get(Kind.RUN, run.owner, run_id, parent=run.thread_id)
            marked = max((value for key, value in record.extra.items() if key.startswith(MARK)), default=0.0)
            left = marked + (self._grace_seconds or 0.0) - self._store.now()
            if left > 0:
                run.look_at = self._clock() + min(left, LOOK_SECONDS)
                return
            if run.readers:  # a reader returned just now
                return
            assert isinstance(record, RunRecord)
            if record.active and not record.cancel_requested:
                self._cancel(run.owner, run.thread_id, run_id)
        except RequestError:  # the run has ended or was deleted
            pass
        self._drop(self._ours, run_id, run)

    def _mark(self, run_id: str, run: _ReadRun, seconds: float) -> None:
        """Mark the stored run as read by this worker for `seconds`; 0 clears the mark."""
        with suppress(RequestError):  # the run was deleted
            extra = {self._mark_key.get(): self._store.now() + seconds}
            self._store.update(Kind.RUN, run.owner, run_id, parent=run.thread_id, extra=extra)
        run.marked = True
        run.look_at = self._clock() + MARK_SECONDS / 3

    def _drop(self, runs: dict[str, _ReadRun], run_id: str, run: _ReadRun, *, even_if_read: bool = False) -> None:
        with self._lock:
            if runs.get(run_id) is run and (even_if_read or not run.readers):
                del runs[run_id]


class _Leaving:
    """Counts the reader once, however often it is called."""

    def __init__(self, readers: Readers, run: _ReadRun) -> None:
        self._readers = readers
        self._run: _ReadRun | None = run

    def __call__(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            self._readers.left(run)


def _nothing() -> None:
    """Disconnect from a run whose readers are not counted."""
