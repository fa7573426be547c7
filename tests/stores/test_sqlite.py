"""The SQLite store: the suite, addresses, durability, expired logs."""

from __future__ import annotations

import gzip
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.errors import ConfigError, NotFound, StoreError
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import AppendResult, Kind, Projection, Record, Store
from flask_assistant_stream.stores.sqlite import SQLiteStore, connections, log
from flask_assistant_stream.stores.sqlite.group_commit import Job
from flask_assistant_stream.testing.store_blobs import BlobSuite
from flask_assistant_stream.testing.store_material import ANN, a_row, a_start, a_thread, changed
from flask_assistant_stream.testing.store_passages import PassageSuite
from flask_assistant_stream.testing.store_suite import StoreSuite
from tests.mongodb_server import OpenStore, opened
from tests.stores.conftest import Clock, Spy
from tests.stores.old_data_suite import OldData, OldDataSuite


class TestSuite(StoreSuite, BlobSuite, PassageSuite):
    @pytest.fixture
    def open_store(self, sqlite_url: str) -> Iterator[OpenStore]:
        yield from opened(sqlite_url)


class TestOldData(OldDataSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def new_copy(cls, old: OldData, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
        def new_copy() -> str:
            path = tmp_path_factory.mktemp("old") / "store.db"
            path.write_bytes(gzip.decompress((old.folder / "sqlite.db.gz").read_bytes()))
            return f"sqlite:///{path}"

        return new_copy


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
def test_an_invalid_address(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_store(url)


def test_the_file_is_created_at_the_first_call_below_the_first_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "100% #1" / "store.db"
    path.parent.mkdir()
    monkeypatch.chdir(tmp_path)
    store = make_store("sqlite:///100% #1/store.db")
    monkeypatch.chdir("/")
    assert not path.exists()
    store.open()
    store.close()
    assert path.exists()


@pytest.mark.parametrize(("query", "level"), [("", 1), ("?synchronous=normal", 1), ("?synchronous=FULL", 2)])
def test_durability_of_a_commit(spy: Spy, sqlite_url: str, query: str, level: int) -> None:
    store = SQLiteStore(sqlite_url + query)
    store.open()
    (connection,) = spy.connections
    assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_damaged_file(store: Store, path: Path) -> None:
    path.write_bytes(b"This is no database. " * 100)
    for call in (store.open, store.ping, lambda: store.insert(a_thread()), lambda: store.due(0)):
        with pytest.raises(StoreError):
            call()


def test_a_failed_write_of_a_group_undoes_only_itself(store: SQLiteStore, path: Path) -> None:
    """For our own errors, the driver's, and values that the driver rejects."""
    thread = store.insert(a_thread())

    def writing(value: str) -> Callable[[sqlite3.Connection], None]:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO log (run_id, first, last, epoch, token, packed) VALUES (?, 1, 1, 1, '', '')", (value,)
            )

        return write

    def refused(connection: sqlite3.Connection) -> None:
        writing("never")(connection)
        raise NotFound("gone")

    jobs = [Job[Any](work) for work in (writing("a"), refused, writing("a"), writing("\ud800"), writing("b"))]
    group = connections.SQLiteConnections(path, "normal")
    group.execute(jobs)
    assert [type(job.error) for job in jobs] == [type(None), NotFound, StoreError, StoreError, type(None)]
    logged = group.read(lambda connection: connection.execute("SELECT run_id FROM log").fetchall())
    group.close()
    assert logged == [("a",), ("b",)]
    with pytest.raises(StoreError):
        store.get(Kind.THREAD, ANN, "\ud800")
    assert store.get(Kind.THREAD, ANN, thread.id) == thread


def test_expired_logs_are_deleted(sqlite_url: str, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PURGE_ROWS", 3)

    def rows(run: Record) -> int:
        sql = "SELECT count(*) FROM log WHERE run_id = ?"
        with closing(sqlite3.connect(path)) as connection:
            return int(connection.execute(sql, (run.id,)).fetchone()[0])

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


def test_places_of_deleted_records_expire(
    sqlite_url: str, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "PURGE_ROWS", 2)
    store = SQLiteStore(sqlite_url, clock=clock)
    for _ in range(5):
        store.delete(Kind.THREAD, ANN, store.insert(a_thread()).id)
    clock.time += 86_000
    recent = store.insert(a_thread())
    store.delete(Kind.THREAD, ANN, recent.id)
    clock.time += 500
    for left in (4, 2, 1, 1):
        store.due(clock())
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM deleted").fetchone() == (left,)
    assert store.list(Kind.THREAD, ANN, after=recent.id).records == []
    store.close()


def test_a_failed_purge_does_not_fail_a_sweep(
    store: Store,
    path: Path,
    locked: Callable[[], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.05)
    run = store.start(a_start(store.insert(a_thread()), due_at=5.0))
    with locked():
        assert [due.id for due in store.due(10.0)] == [run.id]
    assert "expired run logs not deleted" in caplog.text
    assert os.fspath(path) not in caplog.text
