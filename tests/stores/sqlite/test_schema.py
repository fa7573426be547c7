"""Migrations of the SQLite file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.errors import ConfigError
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind, placed
from flask_assistant_stream.stores.capabilities import Passages
from flask_assistant_stream.stores.sqlite.records import insert_record
from flask_assistant_stream.stores.sqlite.schema import MIGRATIONS, migrate
from flask_assistant_stream.testing.store_material import ANN, a_thread

FIRST = "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('one')"
SECOND = "ALTER TABLE notes ADD COLUMN stars INTEGER DEFAULT 5"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        yield opened


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_older_file_is_migrated_with_its_data(connection: sqlite3.Connection) -> None:
    migrate(connection, (FIRST,))
    assert version(connection) == 1
    for _ in range(2):
        migrate(connection, (FIRST, SECOND))
        assert connection.execute("SELECT text, stars FROM notes").fetchall() == [("one", 5)]
        assert version(connection) == 2


def test_a_failed_migration_leaves_the_file_unchanged(connection: sqlite3.Connection) -> None:
    migrate(connection, (FIRST,))
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, (FIRST, SECOND, "CREATE TABLE broken ("))
    assert version(connection) == 1
    assert connection.execute("SELECT * FROM notes").fetchall() == [("one",)]


def test_a_newer_file_is_rejected(path: Path, connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    store = make_store(f"sqlite:///{path}")
    for call in (store.open, lambda: store.insert(a_thread())):
        with pytest.raises(ConfigError, match=r"upgrade the package"):
            call()
    store.close()


OPEN = """
import sys
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.testing.store_material import a_thread
store = make_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
store.insert(a_thread())
store.close()
"""


def test_several_processes_may_create_the_file_at_once(path: Path) -> None:
    command, pipe = [sys.executable, "-c", OPEN, f"sqlite:///{path}"], subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    assert [process.stdout and process.stdout.readline() for process in processes] == ["ready\n"] * 4
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    store = make_store(f"sqlite:///{path}")
    assert len(store.list(Kind.THREAD, ANN).records) == 4
    store.close()


def test_a_file_of_the_first_version_keeps_its_data(path: Path, connection: sqlite3.Connection) -> None:
    migrate(connection, MIGRATIONS[:1])
    thread = a_thread(title="Kept")
    insert_record(connection, placed(thread, 7))
    store = make_store(f"sqlite:///{path}")
    assert store.get(Kind.THREAD, ANN, thread.id) == placed(thread, 7)
    assert isinstance(store, Passages)
    store.write_passages(ANN, "file", ["apples"])
    assert [hit.text for hit in store.search_passages(ANN, ["file"], "apple", 1)] == ["apples"]
    assert version(connection) == len(MIGRATIONS) == 3
    store.close()


class WithoutFTS5(sqlite3.Connection):
    """Behaves like an SQLite without FTS5."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return super().execute(sql.replace("fts5_source_id", "no_such_function"), *values)


def test_an_sqlite_without_fts5_is_rejected(
    path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even for a file that another SQLite has created: otherwise uploads would fail halfway."""
    migrate(connection)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=WithoutFTS5, **options))
    for where in (path, path.with_name("new.db")):
        store = make_store(f"sqlite:///{where}")
        with pytest.raises(ConfigError, match="without FTS5"):
            store.open()
        store.close()
