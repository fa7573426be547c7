"""Connections to one SQLite file: each used by one native thread at a time, never across a fork.

Under gevent every call runs in a native thread, so a lock that another process holds never stops the loop.
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
from ...threads import STORE, NativePool
from .group_commit import GroupCommit, Job
from .schema import check_version, migrate

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

BUSY_SECONDS = 5.0
"""How long a write waits for another process before it fails."""

WAL_BYTES = 64 << 20
"""The size to which the write-ahead log is cut after a burst."""

UNSTORABLE = (UnicodeError, OverflowError)
"""The driver's errors for a value that SQLite cannot store; the connection stays usable."""


class _OfProcess:
    """The idle connections and the group commit of one process."""

    def __init__(self, execute: Callable[[Sequence[Job[Work]]], None]) -> None:
        self.idle: deque[sqlite3.Connection] = deque()
        self.group: GroupCommit[Work] = GroupCommit(execute)
        self.migrated = False


class SQLiteConnections:
    """Reads and grouped writes on one file, created at its first use; `synchronous` is `normal` or `full`."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self._path = path
        self._synchronous = synchronous
        # A forked child never closes its parent's connections: that would release the parent's locks.
        self._processes = PerProcess(lambda: _OfProcess(lambda jobs: STORE.run(self.execute, jobs)))

    def read(self, work: Callable[[sqlite3.Connection], T], threads: NativePool = STORE) -> T:
        """Return what `work` reads; StoreError if SQLite failed."""
        result: T = threads.run(self._read, work)
        return result

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns after its writes are committed, together with those of other threads.

        All of its writes are committed or none; an exception of it undoes only them.

        Raises:
            StoreError: SQLite failed and nothing was written.
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
        with self._borrowed() as connection:
            return work(connection)

    def execute(self, jobs: Sequence[Job[Work]]) -> None:
        """Do a group of writes in one transaction; a failure closes the connection, which undoes all of them."""
        with self._borrowed() as connection:
            connection.execute("BEGIN IMMEDIATE")
            check_version(connection)
            for job in jobs:
                _attempt(connection, job)
            connection.execute("COMMIT")

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        """Give an idle or new connection; a failed one is closed."""
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

    def _connect(self, process: _OfProcess) -> sqlite3.Connection:
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
    """Do one write of a group; its failure undoes no other."""
    connection.execute("SAVEPOINT job")
    try:
        job.value = job.work(connection)
    except Exception as error:
        if not connection.in_transaction:  # SQLite has rolled the group back: the disk is full or broken
            raise
        connection.execute("ROLLBACK TO job")
        job.error = _store_error(error) if isinstance(error, (sqlite3.Error, *UNSTORABLE)) else error
    connection.execute("RELEASE job")


def _to_wal(connection: sqlite3.Connection) -> None:
    """Switch a file to WAL mode, permanently; retries, because SQLite does not wait for other processes here."""
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
    return StoreError(f"SQLite cannot store a value: {type(error).__name__}")
