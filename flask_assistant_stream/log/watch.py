"""Wake the readers of runs that other workers write, where the store can push; elsewhere readers poll.

Knows neither engines nor HTTP. The process listens to the store only while it has such readers: most readers are on
the worker that writes their run, and listening delivers every row of every worker.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from typing import Any, cast

from ..errors import StoreError
from ..loggers import logger_of
from ..stores.base import Store
from ..stores.capabilities import Push
from .signals import Signal

logger = logger_of(__name__)

POLL_SECONDS = 0.075
"""How often a reader polls a store that does not push."""
PUSHED_POLL_SECONDS = 1.0
"""How often a reader polls while the store pushes."""
LINGER_SECONDS = 10.0
"""How long the process listens after its last reader has left."""
PAUSE_SECONDS = 30.0
"""The longest pause before listening again to a store that failed."""


class LogWatch:
    """Wakes the readers of one process; until then each polls every `poll_seconds`."""

    def __init__(self, store: Store) -> None:
        self.poll_seconds = POLL_SECONDS
        self._push = store if isinstance(store, Push) else None
        self.renew()

    def renew(self) -> bool:
        """Reset for this process, with locks of its own. Return whether the store may push."""
        self._readers: dict[str, set[Signal]] = {}
        self._lock = threading.Lock()
        self._wanted = Signal()
        return self._push is not None

    def add(self, run_id: str, reader: Signal) -> None:
        """Set `reader` whenever the run's log grows."""
        with self._lock:
            self._readers.setdefault(run_id, set()).add(reader)
        self._wanted.set()

    def discard(self, run_id: str, reader: Signal) -> None:
        """Stop waking a reader."""
        with self._lock:
            readers = self._readers.get(run_id, set())
            readers.discard(reader)
            if not readers:
                self._readers.pop(run_id, None)

    def wake(self) -> None:
        """Make `watch_until` look at its event."""
        self._wanted.set()

    def watch_until(self, stopped: threading.Event) -> None:
        """Listen to the store while there are readers; the body of a thread. Returns if the server cannot push."""
        failures = 0
        while not stopped.is_set():
            self._wanted.wait()
            if not self._readers:
                continue
            try:
                if not self._can_push():
                    return
                self._listen(stopped)
                failures = 0
            except Exception as error:
                failures = 1 if self.poll_seconds != POLL_SECONDS else failures + 1
                if failures == 1:
                    reason = error.message if isinstance(error, StoreError) else type(error).__name__
                    logger.info("the store has stopped pushing, readers poll it: %s", reason)
                self._wanted.set()
            finally:
                self._set_poll(POLL_SECONDS)
            if failures:
                stopped.wait(min(PAUSE_SECONDS, 0.5 * 2 ** min(failures, 6)))

    def _can_push(self) -> bool:
        can = cast(Push, self._push).pushes()
        if not can:
            logger.info(
                "the store's server cannot push: readers of other workers' runs poll it every %g s", POLL_SECONDS
            )
        return can

    def _listen(self, stopped: threading.Event) -> None:
        """Wake readers until none has been here for `LINGER_SECONDS`."""
        needed_at = time.monotonic()
        grown: Any = cast(Push, self._push).grown()
        with closing(grown):
            for run_id in grown:
                if stopped.is_set():
                    return
                self._set_poll(PUSHED_POLL_SECONDS)
                if run_id is not None:
                    self._wake(run_id)
                if self._readers:
                    needed_at = time.monotonic()
                elif time.monotonic() - needed_at > LINGER_SECONDS:
                    return

    def _set_poll(self, seconds: float) -> None:
        """Set how often readers poll; if that changes, wake them all: the store did not report earlier growth."""
        if self.poll_seconds != seconds:
            self.poll_seconds = seconds
            for run_id in list(self._readers):
                self._wake(run_id)

    def _wake(self, run_id: str) -> None:
        for reader in tuple(self._readers.get(run_id, ())):
            reader.set()
