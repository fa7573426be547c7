"""The SQLite store: the suite, and what is its own: addresses, durability, what things cost, when logs go."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.errors import ConfigError, NotFound, StoreError
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import AppendResult, Kind, Projection, Record, Store
from flask_assistant_stream.stores.sqlite import SQLiteStore, connections, statements
from flask_assistant_stream.stores.sqlite.group_commit import Job
from flask_assistant_stream.testing.store_blobs import BlobSuite
from flask_assistant_stream.testing.store_material import ANN, a_message, a_row, a_start, a_thread, changed
from flask_assistant_stream.testing.store_passages import PassageSuite
from flask_assistant_stream.testing.store_suite import StoreSuite
from tests.mongodb_server import OpenStore, opened


class TestSuite(StoreSuite, BlobSuite, PassageSuite):
    @pytest.fixture
    def open_store(self, sqlite_url: str) -> Iterator[OpenStore]:
        yield from opened(sqlite_url)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[SQLiteStore]:
    store = SQLiteStore(sqlite_url)
    yield store
    store.close()


# -- the address ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://store.db", "sqlite:///path"),
        ("sqlite:///", "sqlite:///path"),
        ("sqlite:///:memory:", "lose everything"),
        ("sqlite:////nowhere/at/all/store.db", "folder"),
        ("sqlite:///store.db?synchronous=off", "synchronous"),
    ],
)
def test_an_address_that_will_not_do(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_store(url)


def test_nothing_is_touched_before_the_first_call(store: Store, path: Path) -> None:
    assert not path.exists()
    store.open()
    assert path.exists()


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "100% #1"
    odd.mkdir()
    monkeypatch.chdir(tmp_path)
    store = make_store("sqlite:///100% #1/store.db")
    monkeypatch.chdir("/")
    store.open()
    store.close()
    assert (odd / "store.db").exists()


@pytest.mark.parametrize(("query", "level"), [("", 1), ("?synchronous=normal", 1), ("?synchronous=FULL", 2)])
def test_how_far_a_commit_reaches(sqlite_url: str, query: str, level: int) -> None:
    store = SQLiteStore(sqlite_url + query)
    told = store._connections.read(lambda connection: connection.execute("PRAGMA synchronous").fetchone())
    mode = store._connections.read(lambda connection: connection.execute("PRAGMA journal_mode").fetchone())
    store.close()
    assert (told, mode) == ((level,), ("wal",))


# -- what may go wrong ----------------------------------------------------------------------------------------


def test_a_damaged_file(store: Store, path: Path) -> None:
    path.write_bytes(b"This is no database. " * 100)
    for call in (store.open, store.ping, lambda: store.insert(a_thread()), lambda: store.due(0)):
        with pytest.raises(StoreError):
            call()


def test_one_bad_write_of_a_group_undoes_only_itself(store: SQLiteStore) -> None:
    """Whether it raises our own error or the driver's, and also when the driver takes no such value."""
    thread = store.insert(a_thread())

    def writing(value: str) -> Callable[[sqlite3.Connection], None]:
        return lambda connection: (
            connection.execute("INSERT INTO log VALUES (?, 1, 1, 1, '', '', NULL)", (value,)) and None
        )

    def refused(connection: sqlite3.Connection) -> None:
        writing("never")(connection)
        raise NotFound("gone")

    jobs = [Job[Any](work) for work in (writing("a"), refused, writing("a"), writing("\ud800"), writing("b"))]
    store._connections._execute(jobs)
    assert [type(job.error) for job in jobs] == [type(None), NotFound, StoreError, StoreError, type(None)]
    logged = store._connections.read(lambda connection: connection.execute("SELECT run_id FROM log").fetchall())
    assert logged == [("a",), ("b",)]
    with pytest.raises(StoreError):
        store.get(Kind.THREAD, ANN, "\ud800")
    assert store.get(Kind.THREAD, ANN, thread.id) == thread


# -- the cost of things ---------------------------------------------------------------------------------------


def plans(store: SQLiteStore, call: Callable[[], object]) -> list[str]:
    """Return how SQLite finds what a call reads."""
    statements_seen: list[str] = []
    store._connections.read(lambda connection: connection.set_trace_callback(statements_seen.append))
    call()
    store._connections.read(lambda connection: connection.set_trace_callback(None))
    seen = [sql for sql in statements_seen if sql.lstrip().startswith("SELECT")]
    assert seen
    return [
        str(step[3])
        for sql in seen
        for step in store._connections.read(
            lambda connection, sql=sql: connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
        )
    ]


def test_a_page_costs_the_same_in_a_long_list(store: SQLiteStore) -> None:
    thread = store.insert(a_thread())
    run = store.start(a_start(thread, "Hello"))
    middle = store.insert(a_message(thread))
    store.append([a_row(run, seq) for seq in range(2, 9)])
    pages: list[dict[str, Any]] = [{}, {"after": middle.id}, {"before": middle.id}, {"order": "asc"}]
    listed = [{"kind": Kind.MESSAGE, "parent": thread.id, **page} for page in pages]
    listed.append({"kind": Kind.MESSAGE, "parent": thread.id, "run_id": run.id})
    for wanted in ({"kind": Kind.THREAD}, {"kind": Kind.RUN, "parent": thread.id}, *listed):
        steps = plans(store, lambda wanted=wanted: store.list(owner=ANN, **wanted))
        assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps
        assert any("records_listed" in step for step in steps)
    for call in (lambda: store.read(run.id, after=4), lambda: store.last_row(run.id)):
        assert not [step for step in plans(store, call) if step.startswith("SCAN r") or "TEMP" in step]
    store.due(0)  # it drops old logs the first time
    steps = plans(store, lambda: store.due(1e12))
    assert any("runs_due" in step for step in steps)
    assert not [step for step in steps if step.startswith("SCAN") and "USING INDEX" not in step]


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def test_logs_go_when_their_time_after_the_end_is_over(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "PURGE_ROWS", 3)
    clock = Clock()

    def rows(run: Record) -> int:
        sql = "SELECT count(*) FROM log WHERE run_id = ?"
        return store._connections.read(lambda connection: int(connection.execute(sql, (run.id,)).fetchone()[0]))

    store = SQLiteStore(sqlite_url, log_seconds=100, clock=clock)
    ended, active = [store.start(a_start(store.insert(a_thread()), due_at=9e9)) for _ in range(2)]
    store.append([a_row(run, seq) for run in (ended, active) for seq in range(2, 8)])
    clock.time += 1000
    projection = Projection(ended, changes=changed(ended, "completed"), last_seq=8)
    assert store.commit([(a_row(ended, 8), projection)]) == [AppendResult.STORED]
    clock.time += 99
    store.due(clock())
    assert len(store.read(ended.id)) == 8
    clock.time += 70
    for left in (5, 2, 0):
        store.due(clock())
        assert rows(ended) == left
    assert len(store.read(active.id)) == 7
    assert store.get(Kind.RUN, ANN, ended.id).body["status"] == "completed"
    store.close()


def test_a_purge_that_fails_holds_up_no_sweep(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    run = store.start(a_start(store.insert(a_thread()), due_at=5.0))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert [due.id for due in store.due(10.0)] == [run.id]
    holder.close()
    assert "expired run logs not deleted" in caplog.text
    assert os.fspath(path) not in caplog.text
