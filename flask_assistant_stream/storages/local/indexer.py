"""Reads waiting files in the background: a thread of each worker for each extraction process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from ...errors import StoreError
from ...loggers import logger_of
from ...per_process import PerProcess, ProcessThreads
from .pending import Claim, PendingFiles

logger = logger_of(__name__)

LOOK_SECONDS = 5.0
"""How often a worker looks for files that another worker has added or left."""


class _Here:
    """What one worker reads."""

    def __init__(self) -> None:
        self.wanted = threading.Event()
        self.claims: set[Claim] = set()
        self.look_at = 0.0
        self.renew_at = 0.0


class Indexer:
    """Claims waiting files and reads them, one after the other in each thread.

    Args:
        read: reads a claimed file, stores the result and removes the file; StoreError if the store fails.
        threads: how many files a worker reads at the same time.
        lease_seconds: how long a worker may be silent before another one reads its files.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        pending: PendingFiles,
        read: Callable[[Claim], None],
        *,
        threads: int,
        lease_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pending = pending
        self._read = read
        self._lease_seconds = lease_seconds
        self._count = threads
        self._clock = clock
        self._here = PerProcess(_Here)
        self._threads = ProcessThreads(self._prepare)

    def wake(self) -> None:
        """Start to read what waits; the threads of this process start with the first call."""
        self._here.get().wanted.set()
        self._threads.wake()

    def look(self) -> None:
        """Renew the claims of this worker, and see to files that another one has left.

        Called a few times a second; costs one small read in `LOOK_SECONDS` if nothing waits.
        """
        here, now = self._here.get(), self._clock()
        if here.claims and now >= here.renew_at:
            here.renew_at = now + self._lease_seconds / 3
            for claim in list(here.claims):
                self._pending.renew(claim)
        if now >= here.look_at and len(here.claims) < self._count:
            here.look_at = now + LOOK_SECONDS
            if self._pending.any():
                self.wake()

    def stop(self, end_reading: Callable[[], None]) -> None:
        """Stop the threads of this process, and leave their files to other workers.

        Args:
            end_reading: ends what the threads wait for.
        """
        here = self._here.get()

        def interrupt() -> None:
            for claim in list(here.claims):  # first: what ends now says nothing about a file
                with suppress(StoreError):
                    self._pending.release(claim)
            end_reading()
            here.wanted.set()

        self._threads.stop(interrupt)

    def read_next(self) -> bool:
        """Claim and read one file; return False if none waits or the store fails."""
        try:
            claim = self._pending.claim()
        except StoreError as error:
            logger.warning("no file can be claimed, the store does not answer: %s", error.message)
            return False
        if claim is None:
            return False
        claims = self._here.get().claims
        claims.add(claim)
        try:
            self._read(claim)
        except StoreError as error:
            logger.warning("file %s not read, the store does not answer: %s", claim.file_id, error.message)
            with suppress(StoreError):
                self._pending.release(claim)
            return False
        except Exception:
            logger.exception("file %s not read", claim.file_id)
            with suppress(StoreError):
                self._pending.fail(claim)
        finally:
            claims.discard(claim)
        return True

    def _prepare(self) -> Mapping[str, Callable[[threading.Event], None]]:
        return {f"index-{number}": partial(self._work, self._here.get().wanted) for number in range(self._count)}

    def _work(self, wanted: threading.Event, stopped: threading.Event) -> None:
        while not stopped.is_set():
            wanted.wait()
            wanted.clear()
            while not stopped.is_set() and self.read_next():
                pass
