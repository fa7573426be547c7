"""Migrations of the SQLite file."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.errors import ConfigError, StoreError
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.stores.capabilities import Passages
from flask_assistant_stream.stores.sqlite import schema
from flask_assistant_stream.stores.sqlite.schema import MIGRATIONS, migrate
from flask_assistant_stream.testing.store_material import ANN, a_message, a_thread

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
    thread = a_thread()
    values = (thread.id, ANN, json.dumps(thread.body))
    connection.execute("INSERT INTO records VALUES ('thread', ?, ?, '', 7, 0, ?, '{}', 3)", values)
    store = make_store(f"sqlite:///{path}")
    stored = store.get_thread(ANN, thread.id)
    assert (stored.body, stored.position, stored.turns, stored.revision, stored.lines) == (thread.body, 7, 3, 0, ())
    assert isinstance(store, Passages)
    store.write_passages(ANN, "file", ["apples"])
    assert [hit.text for hit in store.search_passages(ANN, ["file"], "apple", 1)] == ["apples"]
    assert version(connection) == len(MIGRATIONS)
    store.close()


MIGRATE = """
import sqlite3, sys
from flask_assistant_stream.stores.sqlite import schema
class Slow(sqlite3.Connection):
    def execute(self, sql, *values):
        if sql == "COMMIT":
            print("migrated, not committed", flush=True)
            sys.stdin.readline()
        return super().execute(sql, *values)
schema.migrate(sqlite3.connect(sys.argv[1], isolation_level=None, factory=Slow))
"""


@pytest.fixture
def migrating(path: Path, connection: sqlite3.Connection) -> Iterator[subprocess.Popen[str]]:
    """A file of an older version, and a process that migrates it and stops before the end."""
    connection.execute("PRAGMA journal_mode = WAL")
    migrate(connection, MIGRATIONS[:-1])
    command, pipe = [sys.executable, "-c", MIGRATE, str(path)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "migrated, not committed\n"
        yield process
        process.kill()


def test_a_killed_migration_leaves_the_file_to_the_next_process(
    path: Path, connection: sqlite3.Connection, migrating: subprocess.Popen[str]
) -> None:
    migrating.kill()
    migrating.wait()
    assert version(connection) == len(MIGRATIONS) - 1
    store = make_store(f"sqlite:///{path}")
    assert store.insert(a_thread()).position
    assert version(connection) == len(MIGRATIONS)
    store.close()


def test_a_process_waits_for_another_one_that_migrates(path: Path, migrating: subprocess.Popen[str]) -> None:
    store = make_store(f"sqlite:///{path}")
    with ThreadPoolExecutor(1) as other:
        opening = other.submit(store.open)
        with pytest.raises(TimeoutError):
            opening.result(timeout=0.2)
        migrating.communicate("go on\n", timeout=60)
        opening.result(timeout=60)
    store.close()


def test_a_migration_that_takes_too_long_is_an_error_that_says_so(
    path: Path, migrating: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "WAIT_SECONDS", 0.1)
    store = make_store(f"sqlite:///{path}")
    with pytest.raises(StoreError, match="must be migrated, and another process has held it"):
        store.open()
    assert migrating.poll() is None
    store.close()


def test_a_process_whose_file_was_migrated_meanwhile_writes_nothing(
    path: Path, connection: sqlite3.Connection, migrate_again: Callable[[], None]
) -> None:
    """An older process beside a newer one: its statements may not fit the file."""
    store = make_store(f"sqlite:///{path}")
    thread = store.insert(a_thread())
    rows = connection.execute("SELECT count(*) FROM records").fetchone()
    migrate_again()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"version \d+ now, this process supports \d+: restart it"):
            store.insert(a_message(thread))
    assert connection.execute("SELECT count(*) FROM records").fetchone() == rows
    store.close()


@pytest.fixture
def migrate_again(connection: sqlite3.Connection) -> Callable[[], None]:
    """Return what a newer version of the package does with the file."""
    return lambda: migrate(connection, (*MIGRATIONS, "CREATE TABLE newer (text TEXT)"))


def test_statements_of_an_older_version_fail(path: Path, connection: sqlite3.Connection) -> None:
    """A process that has the file open since before lines cannot write without regard to them."""
    make_store(f"sqlite:///{path}").open()
    for statement in ("SELECT turns FROM records", "UPDATE runs SET epoch = 2", "SELECT 1 FROM runs WHERE id = 'a'"):
        with pytest.raises(sqlite3.OperationalError, match="no such"):
            connection.execute(statement)


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
