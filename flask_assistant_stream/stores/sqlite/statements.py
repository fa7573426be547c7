"""The statements of the SQLite store, each on a given connection; none begins or ends a transaction.

`stores.rules` decides what changes; here it is read and written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...errors import ThreadBusy
from ...protocol.events import dump
from ..base import (
    BELOW,
    ON_LINES,
    PER_OWNER,
    AppendResult,
    Kind,
    Projection,
    Record,
    Row,
    RunRecord,
    ThreadRecord,
    already_exists,
    not_found,
)
from ..lines import EVERYTHING, Line, Lines, Span, clipped, spans_of
from ..rules import Lease, RunUpdate, append_result, changed_threads, projected_object, projected_run

Connection = sqlite3.Connection
Place = tuple[int, str]
"""Position and id of a record in its list."""

PURGE_RUNS = 200
PURGE_ROWS = 5_000
"""Limits of one purge, so that it never delays a write for long."""

_COLUMNS = (
    "r.kind, r.owner, r.parent, r.position, r.body, r.extra, r.line, r.last_turn, r.revision, r.lines,"
    " u.epoch, u.due_at, u.cancel_requested, u.active, u.last_seq, u.state, u.dialect, u.line"
)
RUNS = f"SELECT {_COLUMNS} FROM runs u CROSS JOIN records r ON r.kind = 'thread.run' AND r.id = u.id"
ALL = f"SELECT {_COLUMNS} FROM records r LEFT JOIN runs u ON r.kind = 'thread.run' AND u.id = r.id"
_INSERT = """
    INSERT INTO records (kind, id, owner, parent, position, body, extra, line, seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_KEEP_PLACE = "INSERT OR REPLACE INTO deleted VALUES (?, ?, ?, ?, ?, ?)"
_INSERT_RUN = """
    INSERT INTO runs (id, thread_id, status, epoch, due_at, cancel_requested, active, last_seq, state, dialect, line)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE_RUN = """
    UPDATE runs SET epoch = ?, status = ?, due_at = ?, cancel_requested = ?, active = ?, last_seq = ?,
        state = coalesce(?, state), ended_at = ?
    WHERE id = ?
"""
_APPEND = """
    INSERT OR IGNORE INTO log (run_id, first, last, epoch, token, packed, state, dialect)
    SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?)
"""
LOG = """
    SELECT run_id, first, last, epoch, token, packed, state, dialect FROM log
    WHERE run_id = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE id = ?1 AND ended_at < ?2)
"""
"""A run's rows unless the run ended before a time: an expired log is not readable even if it is still stored."""
PACKED = 5
"""The column of `LOG` with the events."""


def to_json(value: object) -> str:
    """Return a value as stored JSON."""
    return dump(value).decode("ascii")


# -- records ------------------------------------------------------------------------------------------------


def insert_record(connection: Connection, record: Record) -> None:
    """Insert a record in its place; for a run also its lease and state."""
    if isinstance(record, RunRecord):
        _insert_run(connection, record)
    if record.kind not in PER_OWNER and _is_taken(connection, record.kind, record.id):
        raise already_exists(record.kind, record.id)
    try:
        _insert_row(connection, record)
    except sqlite3.IntegrityError:
        raise already_exists(record.kind, record.id) from None


def _insert_row(connection: Connection, record: Record, seq: int = 0) -> None:
    line = record.line if record.kind in ON_LINES else 0  # the runs of all lines are in one list
    place = (record.kind.value, record.id, record.owner, record.parent, record.position)
    connection.execute(_INSERT, (*place, to_json(record.body), to_json(record.extra), line, seq))


def _is_taken(connection: Connection, kind: Kind, id: str) -> bool:
    sql = "SELECT 1 FROM records WHERE kind = ? AND id = ?"
    return connection.execute(sql, (kind.value, id)).fetchone() is not None


def _insert_run(connection: Connection, run: RunRecord) -> None:
    state = None if run.state is None else to_json(run.state)
    values = (run.id, run.parent, run.body["status"], run.epoch, run.due_at, run.cancel_requested, run.active)
    try:
        connection.execute(_INSERT_RUN, (*values, run.last_seq, state, run.dialect, run.line))
    except sqlite3.IntegrityError:
        if lease_of(connection, run.id) is not None:
            raise already_exists(run.kind, run.id) from None
        raise_if_busy(connection, run.parent)
        raise


def raise_if_busy(connection: Connection, thread_id: str) -> None:
    """Raise ThreadBusy if a thread has an active run."""
    busy = connection.execute("SELECT id FROM runs WHERE thread_id = ? AND active", (thread_id,)).fetchone()
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


def get_run(connection: Connection, run_id: str) -> RunRecord:
    """Return a run of any owner."""
    return to_run(connection.execute(f"{RUNS} WHERE u.id = ?", (run_id,)).fetchone())


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
    connection.execute("DELETE FROM records WHERE kind = ? AND id = ? AND owner = ?", (kind.value, id, owner))
    for kind_below in BELOW.get(kind, ()):
        below = "DELETE FROM records WHERE kind = ? AND owner = ? AND parent = ?"
        connection.execute(below, (kind_below.value, owner, id))
    if kind is Kind.THREAD:
        _delete_runs(connection, owner, "thread_id", id)
    if kind is Kind.RUN:
        _delete_runs(connection, owner, "id", id)
    if kind in ON_LINES:
        raise_revisions(connection, [(owner, record.parent)])


def _delete_runs(connection: Connection, owner: str, column: str, value: str) -> None:
    """Delete the logs, steps and leases of runs."""
    which = f"(SELECT id FROM runs WHERE {column} = ?)"
    steps = f"DELETE FROM records WHERE kind = 'thread.run.step' AND owner = ? AND parent IN {which}"
    connection.execute(steps, (owner, value))
    connection.execute(f"DELETE FROM log WHERE run_id IN {which}", (value,))
    connection.execute(f"DELETE FROM runs WHERE {column} = ?", (value,))


# -- lists --------------------------------------------------------------------------------------------------


def place_of(connection: Connection, kind: Kind, owner: str, id: str, parent: str) -> Place:
    """Return the place of a record in its list, also of a deleted one; NotFound if it was never there."""
    for table in ("records", "deleted"):
        sql = f"SELECT position, id FROM {table} WHERE kind = ? AND id = ? AND owner = ? AND parent = ?"
        place: Place | None = connection.execute(sql, (kind.value, id, owner, parent)).fetchone()
        if place is not None:
            return place
    raise not_found(kind, id)


def default_spans(connection: Connection, kind: Kind, owner: str, parent: str) -> Sequence[Span]:
    """Return the spans of a list that none are given for."""
    if kind not in ON_LINES:
        return EVERYTHING
    sql = "SELECT lines FROM records WHERE kind = 'thread' AND id = ? AND owner = ?"
    row = connection.execute(sql, (parent, owner)).fetchone()
    return () if row is None else spans_of(_to_lines(row[0]))


def select_list(
    connection: Connection,
    listed: tuple[Kind, str, str],
    spans: Sequence[Span],
    low: Place | None,
    high: Place | None,
    limit: int,
    *,
    descending: bool,
) -> Iterator[Sequence[Any]]:
    """Yield the rows of a list between two places: one indexed read for each span, until no more are taken."""
    kind, owner, parent = listed
    way = "DESC" if descending else "ASC"
    parts = list(clipped(spans, low[0] if low else 0, high[0] if high else None))
    for line, first, end in reversed(parts) if descending else parts:
        where = "r.kind = ? AND r.owner = ? AND r.parent = ? AND r.line = ? AND r.position >= ?"
        values: list[Any] = [kind.value, owner, parent, line, first]
        if end is not None:
            where, values = f"{where} AND r.position < ?", [*values, end]
        for place, beyond in ((low, ">"), (high, "<")):
            if place is not None:
                where, values = f"{where} AND (r.position, r.id) {beyond} (?, ?)", [*values, *place]
        sql = f"{ALL} WHERE {where} ORDER BY r.position {way}, r.id {way} LIMIT ?"
        yield from connection.execute(sql, (*values, limit))


def stored_size(row: Sequence[Any]) -> int:
    """Return the bytes of a row of `ALL`, which has ASCII."""
    return len(row[4]) + len(row[5]) + len(row[9] or "")


def to_record(row: Sequence[Any]) -> Record:
    """Read a row of `ALL`."""
    if row[10] is not None:
        return to_run(row)
    kind, owner, parent, position, body, extra, line, turns, revision, lines = row[:10]
    record = (Kind(kind), owner, json.loads(body), parent, position, json.loads(extra), line)
    return ThreadRecord(*record, turns, revision, _to_lines(lines)) if kind == "thread" else Record(*record)


def to_run(row: Sequence[Any]) -> RunRecord:
    """Read a row of `RUNS`."""
    _, owner, parent, position, body, extra, *_ = row
    epoch, due_at, cancel, active, last_seq, state, dialect, line = row[10:]
    known = None if state is None else json.loads(state)
    record = (Kind.RUN, owner, json.loads(body), parent, position, json.loads(extra), line)
    return RunRecord(*record, epoch, due_at, bool(cancel), bool(active), last_seq, known, dialect)


def _to_lines(stored: str | None) -> Lines:
    return () if stored is None else tuple(Line(*line) for line in json.loads(stored))


# -- runs ---------------------------------------------------------------------------------------------------


def lease_of(connection: Connection, run_id: str) -> Lease | None:
    """Return the lease of a run; None if there is no such run."""
    sql = "SELECT epoch, status, due_at, cancel_requested, active, last_seq FROM runs WHERE id = ?"
    row = connection.execute(sql, (run_id,)).fetchone()
    return None if row is None else Lease(*row)


def update_run(connection: Connection, update: RunUpdate, lease: Lease | None, now: float) -> bool:
    """Change a run with this lease, and return whether the update allows it."""
    if lease is None or not update.allowed(lease):
        return False
    state = None if update.state is None else to_json(update.state)
    values = (*update.applied(lease), state, now if update.ends else None, update.run_id)
    connection.execute(_UPDATE_RUN, values)
    for column, changes in (("body", update.body), ("extra", update.extra)):
        if changes:
            _merge(connection, update.run_id, column, changes)
    return True


def _merge(connection: Connection, run_id: str, column: str, changes: Mapping[str, Any]) -> None:
    """Set keys of a run's `body` or `extra`."""
    where = "WHERE kind = 'thread.run' AND id = ?"
    (stored,) = connection.execute(f"SELECT {column} FROM records {where}", (run_id,)).fetchone()
    changed = to_json({**json.loads(stored), **changes})
    connection.execute(f"UPDATE records SET {column} = ? {where}", (changed, run_id))


def apply_projections(connection: Connection, projections: Sequence[Projection], now: float) -> None:
    """Write the messages and steps of runs, then the runs; nothing of a deleted run."""
    leases = {projection.run.id: lease_of(connection, projection.run.id) for projection in projections}
    there = [projection for projection in projections if leases[projection.run.id] is not None]
    for projection in there:
        for new, seq in zip(projection.objects, projection.seqs, strict=True):
            _project(connection, new, seq)
    raise_revisions(connection, changed_threads(there))
    for projection in there:
        update_run(connection, projected_run(projection), lease_of(connection, projection.run.id), now)


def _project(connection: Connection, new: Record, seq: int) -> None:
    """Write a version of an object if it replaces the stored one."""
    stored, stored_seq = None, 0
    sql = "SELECT owner, body, seq FROM records WHERE kind = ? AND id = ?"
    if row := connection.execute(sql, (new.kind.value, new.id)).fetchone():
        owner, body, stored_seq = row
        stored = Record(new.kind, owner, json.loads(body))
    version = projected_object(new, seq, stored, stored_seq)
    if version is not None and stored is None:
        _insert_row(connection, version, seq)
    elif version is not None:
        values = (to_json(version.body), seq, new.kind.value, new.id, version.owner)
        connection.execute("UPDATE records SET body = ?, seq = ? WHERE kind = ? AND id = ? AND owner = ?", values)


# -- the log ------------------------------------------------------------------------------------------------


def to_row(row: Sequence[Any]) -> Row:
    """Read a row of `LOG`."""
    run_id, first, last, epoch, token, packed, state, dialect = row
    return Row(run_id, first, last, epoch, token, packed, None if state is None else json.loads(state), dialect)


def _row_values(row: Row) -> tuple[Any, ...]:
    """Return the values that `_APPEND` takes."""
    state = None if row.state is None else to_json(row.state)
    return row.run_id, row.first, row.last, row.epoch, row.token, row.packed, state, row.dialect, row.run_id


def append_rows(connection: Connection, rows: Sequence[Row]) -> list[AppendResult]:
    """Append rows to the log; those of deleted runs are refused."""
    if connection.executemany(_APPEND, [_row_values(row) for row in rows]).rowcount == len(rows):
        return [AppendResult.STORED] * len(rows)
    return [append_result(row, _token_at(connection, row)) for row in rows]


def _token_at(connection: Connection, row: Row) -> str | None:
    """Return the token of the row in a row's place; None if there is none."""
    sql = "SELECT token FROM log WHERE run_id = ? AND first = ?"
    stored = connection.execute(sql, (row.run_id, row.first)).fetchone()
    return None if stored is None else stored[0]


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
