"""Connections to one SQLite file: lent to one native thread at a time, never across a fork.

Every call goes to a native thread where threads are greenlets, so a lock held elsewhere never stops the loop.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ...errors import AssistantStreamError, StoreError
from ...threads import run_blocking
from .group_commit import GroupCommit, Job
from .schema import migrate

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

BUSY_SECONDS = 5.0
"""How long a write waits for another process's before it fails."""


class Connections:
    """Reads and grouped writes on one file.

    Args:
        path: of the file; made when first used.
        synchronous: SQLite's `synchronous`, `normal` or `full`.
    """

    def __init__(self, path: Path, synchronous: str) -> None:
        self._path = path
        self._synchronous = synchronous
        self._idle: deque[sqlite3.Connection] = deque()
        self._pid = os.getpid()
        self._migrated = False
        self._group: GroupCommit[Work] = GroupCommit(lambda jobs: run_blocking(self._execute, jobs))

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
        self._after_fork()
        result: T = self._group.write(work)
        return result

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()
        self._migrated = False

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lent() as connection:
            return work(connection)

    def _execute(self, jobs: Sequence[Job[Work]]) -> None:
        """Do a group of writes in one transaction."""
        with self._lent() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                for job in jobs:
                    self._attempt(connection, job)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _attempt(self, connection: sqlite3.Connection, job: Job[Work]) -> None:
        """Do one write of a group so that its failure undoes nothing else."""
        connection.execute("SAVEPOINT job")
        try:
            job.value = job.work(connection)
        except (AssistantStreamError, sqlite3.Error) as error:
            if not connection.in_transaction:  # SQLite has rolled back all of it: the disk is full or broken
                raise
            connection.execute("ROLLBACK TO job")
            job.error = error if isinstance(error, AssistantStreamError) else _store_error(error)
        connection.execute("RELEASE job")

    @contextmanager
    def _lent(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection; one that failed is not used again."""
        self._after_fork()
        try:
            connection = self._idle.pop() if self._idle else self._connect()
        except IndexError:  # another thread was quicker
            connection = self._connect()
        except sqlite3.Error as error:
            raise _store_error(error) from None
        try:
            yield connection
        except AssistantStreamError:
            self._idle.append(connection)
            raise
        except sqlite3.Error as error:
            connection.close()
            raise _store_error(error) from None
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            if not self._migrated:
                _to_wal(connection)
                migrate(connection)
                self._migrated = True
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _after_fork(self) -> None:
        """Forget the parent's connections without closing them: closing would drop the parent's locks."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            _inherited.extend(self._idle)
            self._idle = deque()
            self._group = GroupCommit(lambda jobs: run_blocking(self._execute, jobs))


def _to_wal(connection: sqlite3.Connection) -> None:
    """Switch a file to WAL mode, for good; SQLite does not wait for others at that, so the waiting is ours."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.01)


_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process, kept so that they are never closed here."""


def _store_error(error: sqlite3.Error) -> StoreError:
    return StoreError(f"The SQLite store failed: {error}")
