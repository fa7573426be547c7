"""Connections to one SQLite file: lent to one native thread at a time, never across a fork.

Every call goes to a native thread where threads are greenlets, so a lock held elsewhere never stops the loop.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ...errors import AssistantStreamError, StoreError
from ...per_process import PerProcess
from ...threads import run_blocking
from .group_commit import GroupCommit, Job
from .schema import migrate

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

BUSY_SECONDS = 5.0
"""How long a write waits for another process's before it fails."""

WAL_BYTES = 64 << 20
"""What is left of the write-ahead log after a burst made it grow."""

UNSTORABLE = (UnicodeError, OverflowError)
"""What the driver raises for a value that SQLite cannot hold: the fault of one call, not of the connection."""


class _Process:
    """What one process has of the file."""

    def __init__(self, execute: Callable[[Sequence[Job[Work]]], None]) -> None:
        self.idle: deque[sqlite3.Connection] = deque()
        self.group: GroupCommit[Work] = GroupCommit(execute)
        self.migrated = False


class Connections:
    """Reads and grouped writes on one file.

    Args:
        path: of the file; made when first used.
        synchronous: SQLite's `synchronous`, `normal` or `full`.
    """

    def __init__(self, path: Path, synchronous: str) -> None:
        self._path = path
        self._synchronous = synchronous
        # A forked child never closes its parent's connections: that would drop the parent's locks.
        self._processes = PerProcess(lambda: _Process(lambda jobs: run_blocking(self._execute, jobs)))

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` reads.

        Raises:
            StoreError: SQLite failed.
        """
        result: T = run_blocking(self._read, work)
        return result

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns, its writes committed together with those of others.

        `work` may be undone and never half done; what it raises undoes it alone.

        Raises:
            StoreError: SQLite failed; nothing is written unless the process died in the commit.
        """
        result: T = self._processes.get().group.write(work)
        return result

    def close(self) -> None:
        """Close the idle connections of this process."""
        process = self._processes.get()
        while process.idle:
            process.idle.pop().close()
        process.migrated = False

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lent() as connection:
            return work(connection)

    def _execute(self, jobs: Sequence[Job[Work]]) -> None:
        """Do a group of writes in one transaction; the connection is closed, which undoes all, where that fails."""
        with self._lent() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                _attempt(connection, job)
            connection.execute("COMMIT")

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; one that failed is not used again."""
        process = self._processes.get()
        try:
            try:
                connection = process.idle.pop()
            except IndexError:
                connection = self._connect(process)
            try:
                yield connection
            except BaseException as error:
                if connection.in_transaction or not isinstance(error, (AssistantStreamError, *UNSTORABLE)):
                    connection.close()
                else:
                    process.idle.append(connection)
                raise
            process.idle.append(connection)
        except (sqlite3.Error, *UNSTORABLE) as error:
            raise _store_error(error) from error

    def _connect(self, process: _Process) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            if not process.migrated:
                _to_wal(connection)
                migrate(connection)
                process.migrated = True
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection


def _attempt(connection: sqlite3.Connection, job: Job[Work]) -> None:
    """Do one write of a group so that its failure undoes nothing else."""
    connection.execute("SAVEPOINT job")
    try:
        job.value = job.work(connection)
    except (AssistantStreamError, sqlite3.Error, *UNSTORABLE) as error:
        if not connection.in_transaction:  # SQLite has rolled back all of it: the disk is full or broken
            raise
        connection.execute("ROLLBACK TO job")
        job.error = error if isinstance(error, AssistantStreamError) else _store_error(error)
    connection.execute("RELEASE job")


def _to_wal(connection: sqlite3.Connection) -> None:
    """Switch a file to WAL mode, for good; SQLite does not wait for others at that, so the waiting is ours."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)


def _store_error(error: Exception) -> StoreError:
    if isinstance(error, sqlite3.Error):
        return StoreError(f"The SQLite store failed: {error}")
    return StoreError(f"SQLite cannot hold a value: {type(error).__name__}")
