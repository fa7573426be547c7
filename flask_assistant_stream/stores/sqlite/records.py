"""Statements about records and threads. None of this package's statements begins or ends a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import ThreadBusy
from ...protocol.events import dump
from ..base import BELOW, ON_LINES, PER_OWNER, Kind, Record, RunRecord, ThreadRecord, already_exists, not_found
from ..lines import Line, Lines

Connection = sqlite3.Connection

_COLUMNS = (
    "r.kind, r.owner, r.parent, r.position, r.body, r.extra, r.line, r.last_turn, r.revision, r.lines,"
    " u.epoch, u.due_at, u.cancel_requested, u.active, u.last_seq, u.state, u.dialect, u.line"
)
RUNS = f"SELECT {_COLUMNS} FROM leases u CROSS JOIN records r ON r.kind = 'thread.run' AND r.id = u.id"
ALL = f"SELECT {_COLUMNS} FROM records r LEFT JOIN leases u ON r.kind = 'thread.run' AND u.id = r.id"
_INSERT = """
    INSERT INTO records (kind, id, owner, parent, position, body, extra, line, seq, last_turn, revision, lines)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?11, ?12, ?13
    WHERE ?10 OR NOT EXISTS (SELECT 1 FROM records WHERE kind = ?1 AND id = ?2)
"""
"""Value 10 says that other owners may have the same id."""
_INSERT_RUN = """
    INSERT INTO leases (id, thread_id, status, epoch, due_at, cancel_requested, active, last_seq, state, dialect, line)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_KINDS = {kind.value: kind for kind in Kind}
"""A look-up costs a tenth of `Kind(...)`, and a page has many records."""
_KEEP_PLACE = "INSERT OR REPLACE INTO deleted VALUES (?, ?, ?, ?, ?, ?)"


def to_json(value: object) -> str:
    """Return a value as stored JSON."""
    return dump(value).decode("ascii")


def insert_record(connection: Connection, record: Record, seq: int = 0) -> None:
    """Insert a record in its place, as version `seq` of the object; for a run also its lease and state."""
    if isinstance(record, RunRecord):
        _insert_run(connection, record)
    place = (record.kind.value, record.id, record.owner, record.parent, record.position)
    line = record.line if record.kind in ON_LINES else 0  # the runs of all lines are in one list
    extra = to_json(record.extra) if record.extra else "{}"
    content = (to_json(record.body), extra, line, seq, record.kind in PER_OWNER)
    try:
        inserted = connection.execute(_INSERT, (*place, *content, *_thread_values(record))).rowcount
    except sqlite3.IntegrityError:
        inserted = 0
    if not inserted:
        raise already_exists(record.kind, record.id)


def _thread_values(record: Record) -> tuple[int, int, str | None]:
    """Return what a thread has beside its record."""
    if not isinstance(record, ThreadRecord):
        return 0, 0, None
    return record.turns, record.revision, to_json(record.lines) if record.lines else None


def _insert_run(connection: Connection, run: RunRecord) -> None:
    state = None if run.state is None else to_json(run.state)
    values = (run.id, run.parent, run.body["status"], run.epoch, run.due_at, run.cancel_requested, run.active)
    try:
        connection.execute(_INSERT_RUN, (*values, run.last_seq, state, run.dialect, run.line))
    except sqlite3.IntegrityError:
        if connection.execute("SELECT 1 FROM leases WHERE id = ?", (run.id,)).fetchone():
            raise already_exists(run.kind, run.id) from None
        raise_if_busy(connection, run.parent)
        raise


def raise_if_busy(connection: Connection, thread_id: str) -> None:
    """Raise ThreadBusy if a thread has an active run."""
    busy = connection.execute("SELECT id FROM leases WHERE thread_id = ? AND active", (thread_id,)).fetchone()
    if busy is not None:
        raise ThreadBusy(thread_id, busy[0])


def find_record(connection: Connection, kind: Kind, owner: str, id: str, parent: str | None) -> Record | None:
    """Return a record of an owner; None if the owner has none below that parent."""
    sql = f"{ALL} WHERE r.kind = ? AND r.id = ? AND r.owner = ?"
    row = connection.execute(sql, (kind.value, id, owner)).fetchone()
    return None if row is None or parent not in (None, row[2]) else to_record(row)


def get_record(connection: Connection, kind: Kind, owner: str, id: str, parent: str | None) -> Record:
    """Return what `find_record` returns; NotFound instead of None."""
    record = find_record(connection, kind, owner, id, parent)
    if record is None:
        raise not_found(kind, id)
    return record


def get_thread(connection: Connection, owner: str, id: str) -> ThreadRecord:
    """Return a thread; NotFound if the owner has none."""
    thread = get_record(connection, Kind.THREAD, owner, id, None)
    assert isinstance(thread, ThreadRecord)
    return thread


def update_thread(connection: Connection, before: ThreadRecord, thread: ThreadRecord) -> None:
    """Write what the rules have changed of a thread."""
    changed: dict[str, Any] = {"last_turn": thread.turns, "revision": thread.revision}
    if thread.extra != before.extra:
        changed["extra"] = to_json(thread.extra)
    if thread.lines is not before.lines:
        changed["lines"] = to_json(thread.lines)
    columns = ", ".join(f"{column} = ?" for column in changed)
    where = "kind = 'thread' AND id = ? AND owner = ?"
    connection.execute(f"UPDATE records SET {columns} WHERE {where}", (*changed.values(), thread.id, thread.owner))


def raise_revisions(connection: Connection, threads: Iterable[tuple[str, str]]) -> None:
    """Raise the revisions of threads, given as (owner, id)."""
    sql = "UPDATE records SET revision = revision + 1 WHERE kind = 'thread' AND owner = ? AND id = ?"
    connection.executemany(sql, threads)


def delete_record(connection: Connection, record: Record, now: float) -> None:
    """Delete an existing record and the records below it, and keep its place."""
    kind, owner, id = record.kind, record.owner, record.id
    connection.execute(_KEEP_PLACE, (kind.value, id, owner, record.parent, record.position, now))
    if kind is Kind.THREAD:
        sql = "SELECT id FROM records WHERE kind = 'thread.run' AND owner = ? AND parent = ?"
        _delete_below_runs(connection, owner, [run_id for (run_id,) in connection.execute(sql, (owner, id))])
    if kind is Kind.RUN:
        _delete_below_runs(connection, owner, [id])
    connection.execute("DELETE FROM records WHERE kind = ? AND id = ? AND owner = ?", (kind.value, id, owner))
    for kind_below in BELOW.get(kind, ()):
        below = "DELETE FROM records WHERE kind = ? AND owner = ? AND parent = ?"
        connection.execute(below, (kind_below.value, owner, id))
    if kind in ON_LINES:
        raise_revisions(connection, [(owner, record.parent)])


def _delete_below_runs(connection: Connection, owner: str, run_ids: Sequence[str]) -> None:
    """Delete the logs, steps and leases of runs."""
    steps = "DELETE FROM records WHERE kind = 'thread.run.step' AND owner = ? AND parent = ?"
    connection.executemany(steps, [(owner, run_id) for run_id in run_ids])
    for table, column in (("log", "run_id"), ("leases", "id")):
        connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(run_id,) for run_id in run_ids])


def to_record(row: Sequence[Any]) -> Record:
    """Read a row of `ALL`."""
    if row[10] is not None:
        return to_run(row)
    kind, owner, parent, position, body, extra, line, turns, revision, lines = row[:10]
    record = (_KINDS[kind], owner, json.loads(body), parent, position, json.loads(extra), line)
    return ThreadRecord(*record, turns, revision, to_lines(lines)) if kind == "thread" else Record(*record)


def to_run(row: Sequence[Any]) -> RunRecord:
    """Read a row of `RUNS`."""
    _, owner, parent, position, body, extra, *_ = row
    epoch, due_at, cancel, active, last_seq, state, dialect, line = row[10:]
    known = None if state is None else json.loads(state)
    record = (Kind.RUN, owner, json.loads(body), parent, position, json.loads(extra), line)
    return RunRecord(*record, epoch, due_at, bool(cancel), bool(active), last_seq, known, dialect)


def to_lines(stored: str | None) -> Lines:
    """Read the lines of a thread."""
    return () if stored is None else tuple(Line(*line) for line in json.loads(stored))
