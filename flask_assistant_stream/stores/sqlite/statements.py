"""The statements of the SQLite store, each on a connection that is lent to it; none begins or ends a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import Duplicate, NotFound, ThreadBusy
from ...protocol.events import dump
from ...protocol.run_states import RUN_ACTIVE, RunStatus
from ..base import Kind, Outcome, Projection, Record, Row, RunRecord

Connection = sqlite3.Connection

PURGE_RUNS = 100
"""How many runs' logs one purge drops at most: it never holds up a write for long."""

_RECORD = "r.kind, r.owner, r.parent, r.position, r.body, r.extra"
_RUN = "u.epoch, u.due_at, u.cancel_requested, u.active, u.last_seq, u.state"
RUNS = f"SELECT {_RECORD}, {_RUN} FROM runs u JOIN records r ON r.kind = 'thread.run' AND r.id = u.id"
ALL = f"SELECT {_RECORD}, {_RUN} FROM records r LEFT JOIN runs u ON r.kind = 'thread.run' AND u.id = r.id"
_INSERT = "INSERT INTO records (kind, id, owner, parent, position, body, extra) VALUES (?, ?, ?, ?, ?, ?, ?)"
_PROJECT = """
    INSERT INTO records (kind, id, owner, parent, position, body, seq)
    SELECT ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM runs WHERE id = ?)
    ON CONFLICT (kind, id, owner) DO UPDATE SET
        body = json_set(excluded.body, '$.metadata', json(json_extract(records.body, '$.metadata'))),
        seq = excluded.seq
    WHERE excluded.seq > records.seq
"""
APPEND = "INSERT OR IGNORE INTO log (run_id, first, last, epoch, token, packed, state) VALUES (?, ?, ?, ?, ?, ?, ?)"
LOG = "SELECT run_id, first, last, epoch, token, packed, state FROM log WHERE run_id = ?"


def to_json(value: object) -> str:
    """Return JSON as it is stored."""
    return dump(value).decode("ascii")


def allot_turns(connection: Connection, owner: str, thread_id: str, turns: int, touched: Mapping[str, Any]) -> int:
    """Allot the thread's next turns and return the last of them; set keys of its `extra`."""
    extra = get_record(connection, Kind.THREAD, owner, thread_id, None).extra
    extra.update(touched)
    extra["turns"] = turn = extra.get("turns", 0) + turns
    connection.execute(
        "UPDATE records SET extra = ? WHERE kind = 'thread' AND id = ? AND owner = ?",
        (to_json(extra), thread_id, owner),
    )
    return int(turn)


def insert_record(connection: Connection, record: Record) -> None:
    """Insert a record; its position is set."""
    values = (record.kind.value, record.id, record.owner, record.parent, record.position)
    try:
        connection.execute(_INSERT, (*values, to_json(record.body), to_json(record.extra)))
    except sqlite3.IntegrityError:
        raise Duplicate(f"A {record.kind.value} with id '{record.id}' stands already.") from None


def insert_run(connection: Connection, run: RunRecord) -> None:
    """Insert what the run protocol keeps of a run."""
    sql = "INSERT INTO runs (id, thread_id, status, epoch, due_at, active, last_seq) VALUES (?, ?, ?, ?, ?, 1, ?)"
    values = (run.id, run.parent, run.body["status"], run.epoch, run.due_at, run.last_seq)
    try:
        connection.execute(sql, values)
    except sqlite3.IntegrityError:
        busy = connection.execute("SELECT id FROM runs WHERE thread_id = ? AND active", (run.parent,)).fetchone()
        if busy is None or busy[0] == run.id:
            raise Duplicate(f"A run with id '{run.id}' stands already.") from None
        raise ThreadBusy(run.parent, busy[0]) from None


def get_record(connection: Connection, kind: Kind, owner: str, id: str, parent: str | None) -> Record:
    """Return a record of an owner, or raise `NotFound`."""
    sql = f"{ALL} WHERE r.kind = ? AND r.id = ? AND r.owner = ?"
    row = connection.execute(sql, (kind.value, id, owner)).fetchone()
    if row is None or parent not in (None, row[2]):
        raise NotFound(f"No {kind.value.rpartition('.')[2]} found with id '{id}'.")
    return to_record(row)


def get_run(connection: Connection, run_id: str) -> RunRecord:
    """Return a run of any owner."""
    return to_run(connection.execute(f"{RUNS} WHERE u.id = ?", (run_id,)).fetchone())


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


def row_values(row: Row) -> tuple[Any, ...]:
    """Return the values that `APPEND` takes."""
    state = None if row.state is None else to_json(row.state)
    return row.run_id, row.first, row.last, row.epoch, row.token, row.packed, state


def append_rows(connection: Connection, rows: Sequence[Row]) -> list[Outcome]:
    """Append rows to the log."""
    inserted = connection.executemany(APPEND, [row_values(row) for row in rows]).rowcount
    if inserted == len(rows):
        return [Outcome.STORED] * len(rows)
    sql = "SELECT token FROM log WHERE run_id = ? AND first = ?"
    tokens = [connection.execute(sql, (row.run_id, row.first)).fetchone()[0] for row in rows]
    return [Outcome.STORED if token == row.token else Outcome.REFUSED for row, token in zip(rows, tokens, strict=True)]


def apply_projections(connection: Connection, projections: Sequence[Projection], now: float) -> None:
    """Write what stored rows say: messages and steps, then the runs."""
    values = [
        (o.kind.value, o.id, o.owner, o.parent, o.position, to_json(o.body), seq, projection.run.id)
        for projection in projections
        for o, seq in zip(projection.objects, projection.seqs, strict=True)
    ]
    connection.executemany(_PROJECT, values)
    for projection in projections:
        if projection.changes:
            _apply_run_changes(connection, projection, now)


def _apply_run_changes(connection: Connection, projection: Projection, now: float) -> None:
    """Write a run's changes where the epoch is still its writer's and the run has not ended."""
    run, changes = projection.run, projection.changes
    ended = RunStatus(changes["status"]) not in RUN_ACTIVE
    state = None if projection.state is None else to_json(projection.state)
    written = connection.execute(
        "UPDATE runs SET status = ?, active = ?, ended_at = ?, last_seq = max(last_seq, ?),"
        " due_at = coalesce(?, due_at), state = coalesce(?, state) WHERE id = ? AND epoch = ? AND active",
        (
            changes["status"],
            not ended,
            now if ended else None,
            projection.last_seq,
            projection.due_at,
            state,
            run.id,
            run.epoch,
        ),
    ).rowcount
    if written:
        _change_body(connection, run, changes)


def set_status(connection: Connection, run: RunRecord, status: RunStatus) -> None:
    """Set a run's status, nothing else of it."""
    connection.execute("UPDATE runs SET status = ? WHERE id = ?", (status.value, run.id))
    _change_body(connection, run, {"status": status.value})


def _change_body(connection: Connection, run: RunRecord, changes: Mapping[str, Any]) -> None:
    where = "WHERE kind = 'thread.run' AND id = ? AND owner = ?"
    (body,) = connection.execute(f"SELECT body FROM records {where}", (run.id, run.owner)).fetchone()
    changed = to_json({**json.loads(body), **changes})
    connection.execute(f"UPDATE records SET body = ? {where}", (changed, run.id, run.owner))


def delete_below(connection: Connection, owner: str, thread_id: str) -> None:
    """Remove what is below a thread."""
    below = "SELECT id FROM runs WHERE thread_id = ?"
    connection.execute(f"DELETE FROM log WHERE run_id IN ({below})", (thread_id,))
    connection.execute(
        f"DELETE FROM records WHERE kind = 'thread.run.step' AND owner = ? AND parent IN ({below})",
        (owner, thread_id),
    )
    for kind in ("thread.message", "thread.run"):
        connection.execute("DELETE FROM records WHERE kind = ? AND owner = ? AND parent = ?", (kind, owner, thread_id))
    connection.execute("DELETE FROM runs WHERE thread_id = ?", (thread_id,))


def purge_logs(connection: Connection, before: float) -> None:
    """Drop the logs of runs that ended before then; `ended_at` is cleared so that a run is looked at once."""
    sql = "SELECT id FROM runs WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?"
    expired = connection.execute(sql, (before, PURGE_RUNS)).fetchall()
    connection.executemany("DELETE FROM log WHERE run_id = ?", expired)
    connection.executemany("UPDATE runs SET ended_at = NULL WHERE id = ?", expired)
