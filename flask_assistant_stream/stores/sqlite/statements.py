"""The statements of the SQLite store, each on a given connection; none begins or ends a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import ThreadBusy
from ...protocol.events import dump
from ...protocol.run_states import RUN_ACTIVE, RunStatus
from ..base import (
    BELOW_VECTOR_STORE,
    PER_OWNER,
    AppendResult,
    Kind,
    Projection,
    Record,
    Row,
    RunRecord,
    already_exists,
    not_found,
)

Connection = sqlite3.Connection

PURGE_RUNS = 200
PURGE_ROWS = 5_000
"""Limits of one purge, so that it never delays a write for long."""

_RECORD = "r.kind, r.owner, r.parent, r.position, r.body, r.extra"
_RUN = "u.epoch, u.due_at, u.cancel_requested, u.active, u.last_seq, u.state"
RUNS = f"SELECT {_RECORD}, {_RUN} FROM runs u CROSS JOIN records r ON r.kind = 'thread.run' AND r.id = u.id"
ALL = f"SELECT {_RECORD}, {_RUN} FROM records r LEFT JOIN runs u ON r.kind = 'thread.run' AND u.id = r.id"
PLACE = "SELECT position FROM records WHERE kind = 'thread.run' AND id = ?"
"""The position where a run's messages begin; they have a turn of the thread to themselves."""
_INSERT = "INSERT INTO records (kind, id, owner, parent, position, body, extra) VALUES (?, ?, ?, ?, ?, ?, ?)"
_KEEP_PLACE = "INSERT OR REPLACE INTO deleted VALUES (?, ?, ?, ?, ?, ?)"
_STANDS = "SELECT 1 FROM records WHERE kind = ? AND id = ?"
_INSERT_RUN = """
    INSERT INTO runs (id, thread_id, status, epoch, due_at, cancel_requested, active, last_seq, state)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PROJECT = """
    INSERT INTO records (kind, id, owner, parent, position, body, seq)
    SELECT ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?)
    ON CONFLICT (kind, id, owner) DO UPDATE SET
        body = json_set(excluded.body, '$.metadata', json(json_extract(records.body, '$.metadata'))),
        seq = excluded.seq
    WHERE excluded.seq > records.seq
"""
_APPEND = """
    INSERT OR IGNORE INTO log (run_id, first, last, epoch, token, packed, state)
    SELECT ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?)
"""
LOG = """
    SELECT run_id, first, last, epoch, token, packed, state FROM log
    WHERE run_id = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND ended_at < ?2)
"""
"""A run's rows unless the run ended before a time: an expired log is not readable even if it is still stored."""
PACKED = 5
"""The column of `LOG` with the events."""

_BELOW = {Kind.THREAD: (Kind.MESSAGE, Kind.RUN), Kind.VECTOR_STORE: BELOW_VECTOR_STORE}


def to_json(value: object) -> str:
    """Return a value as stored JSON."""
    return dump(value).decode("ascii")


def allot_turns(connection: Connection, owner: str, thread_id: str, turns: int, touched: Mapping[str, Any]) -> int:
    """Reserve the next turns of a thread, set keys of its `extra`, and return the last of the turns."""
    thread = "WHERE kind = 'thread' AND id = ? AND owner = ?"
    row = connection.execute(f"SELECT turns, extra FROM records {thread}", (thread_id, owner)).fetchone()
    if row is None:
        raise not_found(Kind.THREAD, thread_id)
    last: int = row[0] + turns
    extra = to_json({**json.loads(row[1]), **touched}) if touched else row[1]
    connection.execute(f"UPDATE records SET turns = ?, extra = ? {thread}", (last, extra, thread_id, owner))
    return last


def insert_record(connection: Connection, record: Record) -> None:
    """Insert a record that has its position; for a run also its lease and state."""
    if isinstance(record, RunRecord):
        _insert_run(connection, record)
    values = (record.kind.value, record.id, record.owner, record.parent, record.position)
    try:
        if record.kind not in PER_OWNER and connection.execute(_STANDS, values[:2]).fetchone():
            raise sqlite3.IntegrityError
        connection.execute(_INSERT, (*values, to_json(record.body), to_json(record.extra)))
    except sqlite3.IntegrityError:
        raise already_exists(record.kind, record.id) from None


def _insert_run(connection: Connection, run: RunRecord) -> None:
    state = None if run.state is None else to_json(run.state)
    values = (run.id, run.parent, run.body["status"], run.epoch, run.due_at, run.cancel_requested, run.active)
    try:
        connection.execute(_INSERT_RUN, (*values, run.last_seq, state))
    except sqlite3.IntegrityError:
        if connection.execute("SELECT 1 FROM runs WHERE id = ?", (run.id,)).fetchone():
            raise already_exists(run.kind, run.id) from None
        (busy,) = connection.execute("SELECT id FROM runs WHERE thread_id = ? AND active", (run.parent,)).fetchone()
        raise ThreadBusy(run.parent, busy) from None


def get_record(connection: Connection, kind: Kind, owner: str, id: str, parent: str | None) -> Record:
    """Return a record of an owner; NotFound if the owner has none."""
    sql = f"{ALL} WHERE r.kind = ? AND r.id = ? AND r.owner = ?"
    row = connection.execute(sql, (kind.value, id, owner)).fetchone()
    if row is None or parent not in (None, row[2]):
        raise not_found(kind, id)
    return to_record(row)


def place_of(connection: Connection, kind: Kind, owner: str, id: str, parent: str) -> tuple[int, str]:
    """Return position and id of a record in its list, also of a deleted one; NotFound if it was never there."""
    for table in ("records", "deleted"):
        sql = f"SELECT position, id FROM {table} WHERE kind = ? AND id = ? AND owner = ? AND parent = ?"
        place: tuple[int, str] | None = connection.execute(sql, (kind.value, id, owner, parent)).fetchone()
        if place is not None:
            return place
    raise not_found(kind, id)


def get_run(connection: Connection, run_id: str) -> RunRecord:
    """Return a run of any owner."""
    return to_run(connection.execute(f"{RUNS} WHERE u.id = ?", (run_id,)).fetchone())


def stored_size(row: Sequence[Any]) -> int:
    """Return the bytes of a row of `ALL`, which has ASCII."""
    return len(row[4]) + len(row[5])


def to_record(row: Sequence[Any]) -> Record:
    """Read a row of `ALL`."""
    if row[6] is not None:
        return to_run(row)
    kind, owner, parent, position, body, extra = row[:6]
    return Record(Kind(kind), owner, json.loads(body), parent, position, json.loads(extra))


def to_run(row: Sequence[Any]) -> RunRecord:
    """Read a row of `RUNS`."""
    _, owner, parent, position, body, extra, epoch, due_at, cancel, active, last_seq, state = row
    known = None if state is None else json.loads(state)
    place = (Kind.RUN, owner, json.loads(body), parent, position, json.loads(extra))
    return RunRecord(*place, epoch, due_at, bool(cancel), bool(active), last_seq, known)


def to_row(row: Sequence[Any]) -> Row:
    """Read a row of `LOG`."""
    run_id, first, last, epoch, token, packed, state = row
    return Row(run_id, first, last, epoch, token, packed, None if state is None else json.loads(state))


def _row_values(row: Row) -> tuple[Any, ...]:
    """Return the values that `_APPEND` takes."""
    state = None if row.state is None else to_json(row.state)
    return row.run_id, row.first, row.last, row.epoch, row.token, row.packed, state, row.run_id


def append_rows(connection: Connection, rows: Sequence[Row]) -> list[AppendResult]:
    """Append rows to the log; those of deleted runs are refused."""
    if connection.executemany(_APPEND, [_row_values(row) for row in rows]).rowcount == len(rows):
        return [AppendResult.STORED] * len(rows)
    return [AppendResult.STORED if _token_at(connection, row) == row.token else AppendResult.REFUSED for row in rows]


def _token_at(connection: Connection, row: Row) -> str | None:
    """Return the token of the row in a row's place; None if there is none."""
    sql = "SELECT token FROM log WHERE run_id = ? AND first = ?"
    stored = connection.execute(sql, (row.run_id, row.first)).fetchone()
    return None if stored is None else stored[0]


def apply_projections(connection: Connection, projections: Sequence[Projection], now: float) -> None:
    """Write the messages and steps, then the runs."""
    values = [
        (o.kind.value, o.id, o.owner, o.parent, o.position, to_json(o.body), seq, projection.run.id)
        for projection in projections
        for o, seq in zip(projection.objects, projection.seqs, strict=True)
    ]
    connection.executemany(_PROJECT, values)
    for projection in projections:
        _apply_to_run(connection, projection, now)


def _apply_to_run(connection: Connection, projection: Projection, now: float) -> None:
    """Change a run if it is active and in the epoch of its writer."""
    run, changes = projection.run, projection.changes
    status = changes.get("status")
    ended = status is not None and RunStatus(status) not in RUN_ACTIVE
    state = None if projection.state is None else to_json(projection.state)
    ends = (not ended, now if ended else None)
    written = connection.execute(
        "UPDATE runs SET status = coalesce(?, status), active = ?, ended_at = ?, last_seq = max(last_seq, ?),"
        " due_at = CASE WHEN cancel_requested THEN due_at ELSE coalesce(?, due_at) END, state = coalesce(?, state)"
        " WHERE id = ? AND epoch = ? AND active",
        (status, *ends, projection.last_seq, projection.due_at, state, run.id, run.epoch),
    ).rowcount
    if written and changes:
        change_run(connection, run, "body", changes)


def set_status(connection: Connection, run: RunRecord, status: RunStatus) -> None:
    """Set the status of a run."""
    connection.execute("UPDATE runs SET status = ? WHERE id = ?", (status.value, run.id))
    change_run(connection, run, "body", {"status": status.value})


def change_run(connection: Connection, run: RunRecord, column: str, changes: Mapping[str, Any]) -> None:
    """Set keys of a run's `body` or `extra`."""
    where = "WHERE kind = 'thread.run' AND id = ? AND owner = ?"
    (stored,) = connection.execute(f"SELECT {column} FROM records {where}", (run.id, run.owner)).fetchone()
    changed = to_json({**json.loads(stored), **changes})
    connection.execute(f"UPDATE records SET {column} = ? {where}", (changed, run.id, run.owner))


def delete_record(connection: Connection, record: Record, now: float) -> None:
    """Delete an existing record and the records below it, and keep its place."""
    kind, owner, id = record.kind, record.owner, record.id
    connection.execute(_KEEP_PLACE, (kind.value, id, owner, record.parent, record.position, now))
    connection.execute("DELETE FROM records WHERE kind = ? AND id = ? AND owner = ?", (kind.value, id, owner))
    for kind_below in _BELOW.get(kind, ()):
        below = "DELETE FROM records WHERE kind = ? AND owner = ? AND parent = ?"
        connection.execute(below, (kind_below.value, owner, id))
    if kind is Kind.THREAD:
        _delete_runs(connection, owner, "thread_id", id)
    if kind is Kind.RUN:
        _delete_runs(connection, owner, "id", id)


def _delete_runs(connection: Connection, owner: str, column: str, value: str) -> None:
    """Delete the logs, steps and leases of runs."""
    which = f"(SELECT id FROM runs WHERE {column} = ?)"
    steps = f"DELETE FROM records WHERE kind = 'thread.run.step' AND owner = ? AND parent IN {which}"
    connection.execute(steps, (owner, value))
    connection.execute(f"DELETE FROM log WHERE run_id IN {which}", (value,))
    connection.execute(f"DELETE FROM runs WHERE {column} = ?", (value,))


def purge_logs(connection: Connection, before: float) -> bool:
    """Delete logs of runs that ended before a time, the oldest first. Return whether there are more.

    Clears `ended_at`, so that the next purge skips the run.
    """
    sql = "SELECT id FROM runs WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?"
    expired = connection.execute(sql, (before, PURGE_RUNS)).fetchall()
    drop = "DELETE FROM log WHERE rowid IN (SELECT rowid FROM log WHERE run_id = ? ORDER BY first LIMIT ?)"
    left = PURGE_ROWS
    for (run_id,) in expired:
        left -= connection.execute(drop, (run_id, left)).rowcount
        if left <= 0:
            return True
        connection.execute("UPDATE runs SET ended_at = NULL WHERE id = ?", (run_id,))
    return len(expired) == PURGE_RUNS


def purge_places(connection: Connection, before: float) -> bool:
    """Forget places of records that were deleted before a time. Return whether there are more."""
    sql = "DELETE FROM deleted WHERE rowid IN (SELECT rowid FROM deleted WHERE deleted_at < ? LIMIT ?)"
    return connection.execute(sql, (before, PURGE_ROWS)).rowcount == PURGE_ROWS
