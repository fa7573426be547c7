"""Fixtures of the stores' tests; failed assertions of the suites show their values."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from flask_assistant_stream.stores.sqlite import SQLiteStore

PARTS = ("records", "reads", "lines", "forks", "model", "runs", "rules", "log", "blobs", "passages")

pytest.register_assert_rewrite(*(f"flask_assistant_stream.testing.store_{part}" for part in PARTS))
pytest.register_assert_rewrite("tests.stores.old_data_suite", "tests.old_data.reads")


class Clock:
    """A clock that the test sets."""

    time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(sqlite_url: str) -> Path:
    """The file of the SQLite store."""
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SQLiteStore]:
    """A store on a new SQLite file."""
    store = SQLiteStore(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def locked(path: Path) -> Callable[[], AbstractContextManager[None]]:
    """Return a context that holds the file's write lock."""

    @contextmanager
    def lock() -> Iterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            yield
            holder.execute("ROLLBACK")

    return lock


class Spy:
    """Records the statements of every SQLite connection that is opened from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connections: list[sqlite3.Connection] = []
        self._statements: list[str] = []
        self._connect = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", self._record)

    def _record(self, *arguments: object, **options: object) -> sqlite3.Connection:
        self.connections.append(self._connect(*arguments, **options))  # type: ignore[call-overload]
        self.connections[-1].set_trace_callback(self._statements.append)
        return self.connections[-1]

    def statements(self, call: Callable[[], object]) -> list[str]:
        """Return the statements of a call."""
        self._statements.clear()
        call()
        return [*self._statements]

    def plan(self, sql: str) -> list[str]:
        """Return the steps of a statement's query plan."""
        return [str(step[3]) for step in self.connections[0].execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    """A spy; request it before the store."""
    return Spy(monkeypatch)
