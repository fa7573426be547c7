"""The tables, and the migrations from each version to the next. A released migration never changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ...errors import ConfigError, StoreError

WAIT_SECONDS = 30.0
"""How long a process waits for another one that migrates the file."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE records (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        parent TEXT NOT NULL,
        position INTEGER NOT NULL,
        seq INTEGER NOT NULL DEFAULT 0,
        body TEXT NOT NULL,
        extra TEXT NOT NULL DEFAULT '{}',
        turns INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (kind, id, owner)
    );
    CREATE INDEX records_listed ON records (kind, owner, parent, position, id);
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        thread_id TEXT NOT NULL,
        status TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        due_at REAL NOT NULL,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        active INTEGER NOT NULL,
        last_seq INTEGER NOT NULL DEFAULT 0,
        state TEXT,
        ended_at REAL
    );
    CREATE UNIQUE INDEX runs_one_active ON runs (thread_id) WHERE active;
    CREATE INDEX runs_due ON runs (due_at) WHERE active;
    CREATE INDEX runs_logged ON runs (ended_at) WHERE ended_at IS NOT NULL;
    CREATE TABLE log (
        run_id TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        token TEXT NOT NULL,
        packed BLOB NOT NULL,
        state TEXT,
        PRIMARY KEY (run_id, first)
    );
    """,
    """
    CREATE TABLE blobs (
        key TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        id TEXT NOT NULL,
        size INTEGER NOT NULL DEFAULT 0,
        complete INTEGER NOT NULL DEFAULT 0,
        touched_at REAL NOT NULL
    );
    CREATE UNIQUE INDEX blobs_complete ON blobs (owner, id) WHERE complete;
    CREATE INDEX blobs_incomplete ON blobs (touched_at) WHERE NOT complete;
    CREATE TABLE blob_pieces (
        key TEXT NOT NULL,
        number INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (key, number)
    );
    CREATE TABLE passages (
        id INTEGER PRIMARY KEY,
        owner TEXT NOT NULL,
        file_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        text TEXT NOT NULL,
        UNIQUE (owner, file_id, number)
    );
    CREATE VIRTUAL TABLE passage_words USING fts5(
        owner, words, tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* Co'"
    )
    """,
    """
    CREATE TABLE deleted (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        owner TEXT NOT NULL,
        parent TEXT NOT NULL,
        position INTEGER NOT NULL,
        deleted_at REAL NOT NULL,
        PRIMARY KEY (kind, id, owner)
    );
    CREATE INDEX deleted_oldest ON deleted (deleted_at)
    """,
    # Lines of threads. The new names keep out a process with an older version that has the file open: each of its
    # statements about runs and turns fails, or it would write without regard to lines.
    """
    ALTER TABLE runs RENAME TO leases;
    ALTER TABLE records RENAME COLUMN turns TO last_turn;
    ALTER TABLE records ADD COLUMN line INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE records ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE records ADD COLUMN lines TEXT;
    ALTER TABLE leases ADD COLUMN line INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE leases ADD COLUMN dialect TEXT NOT NULL DEFAULT 'assistants';
    ALTER TABLE log ADD COLUMN dialect TEXT NOT NULL DEFAULT 'assistants';
    DROP INDEX records_listed;
    CREATE INDEX records_listed ON records (kind, owner, parent, line, position, id)
    """,
)


def migrate(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Migrate a file to the newest version: as a whole or not at all, while other processes wait.

    Raises:
        ConfigError: a newer version of this library wrote the file, or this SQLite has no FTS5.
        StoreError: another process has held the file for `WAIT_SECONDS`.
    """
    _require_fts5(connection)
    newest = len(migrations)
    if _version(connection) == newest:
        return
    _begin(connection)
    try:
        version = _version(connection)
        if version > newest:
            raise ConfigError(
                f"The SQLite file has schema version {version}, this flask-assistant-stream supports {newest}: "
                "upgrade the package or set ASSISTANT_STORE to another file."
            )
        for step in migrations[version:]:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {newest}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute("ROLLBACK")
        raise


def check_version(connection: sqlite3.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Raise StoreError within a write if another process has migrated the file since this process opened it."""
    version = _version(connection)
    if version != len(migrations):
        raise StoreError(
            f"The SQLite file has schema version {version} now, this process supports {len(migrations)}: "
            "restart it with the version of the package that has migrated the file."
        )


def _begin(connection: sqlite3.Connection) -> None:
    """Begin the transaction of a migration; an index of a large file takes longer than other writes may wait."""
    (busy,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000:.0f}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise StoreError(
            f"The SQLite file must be migrated, and another process has held it for {WAIT_SECONDS:g} seconds: it "
            "migrates a large file, or hangs. Try again when it has finished."
        ) from None
    finally:
        connection.execute(f"PRAGMA busy_timeout = {busy}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _require_fts5(connection: sqlite3.Connection) -> None:
    """Reject an SQLite without FTS5, even for a file that another SQLite has migrated."""
    try:
        connection.execute("SELECT fts5_source_id()").fetchone()
    except sqlite3.OperationalError as error:
        if "no such function" not in str(error):
            raise
        raise ConfigError(
            f"ASSISTANT_STORE: the SQLite {sqlite3.sqlite_version} of this Python was built without FTS5, which the "
            "SQLite store needs to search files: use another build of Python or SQLite, or a MongoDB store."
        ) from None
