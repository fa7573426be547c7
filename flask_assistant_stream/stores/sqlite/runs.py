"""Statements about runs: their leases, and projections of their events."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..base import Projection, Record, RunRecord
from ..rules import Lease, RunUpdate, changed_threads, projected_object, projected_run
from .records import RUNS, insert_record, raise_revisions, to_json, to_run

Connection = sqlite3.Connection

_UPDATE_RUN = """
    UPDATE leases SET epoch = ?, status = ?, due_at = ?, cancel_requested = ?, active = ?, last_seq = ?,
        state = coalesce(?, state), ended_at = ?
    WHERE id = ?
"""


def get_run(connection: Connection, run_id: str) -> RunRecord:
    """Return a run of any owner."""
    return to_run(connection.execute(f"{RUNS} WHERE u.id = ?", (run_id,)).fetchone())


def lease_of(connection: Connection, run_id: str) -> Lease | None:
    """Return the lease of a run; None if there is no such run."""
    sql = "SELECT epoch, status, due_at, cancel_requested, active, last_seq FROM leases WHERE id = ?"
    row = connection.execute(sql, (run_id,)).fetchone()
    return None if row is None else Lease(*row)


def update_run(connection: Connection, update: RunUpdate, lease: Lease | None, now: float) -> Lease | None:
    """Change a run with this lease and return the lease after that; None if the update does not allow it."""
    if lease is None or not update.allowed(lease):
        return None
    after = update.applied(lease)
    state = None if update.state is None else to_json(update.state)
    connection.execute(_UPDATE_RUN, (*after, state, now if update.ends else None, update.run_id))
    for column, changes in (("body", update.body), ("extra", update.extra)):
        if changes:
            _merge(connection, update.run_id, column, changes)
    return after


def _merge(connection: Connection, run_id: str, column: str, changes: Mapping[str, Any]) -> None:
    """Set keys of a run's `body` or `extra`."""
    where = "WHERE kind = 'thread.run' AND id = ?"
    (stored,) = connection.execute(f"SELECT {column} FROM records {where}", (run_id,)).fetchone()
    changed = to_json({**json.loads(stored), **changes})
    connection.execute(f"UPDATE records SET {column} = ? {where}", (changed, run_id))


def apply_projections(connection: Connection, projections: Sequence[Projection], now: float) -> None:
    """Write the messages and steps of runs, then the runs; nothing of a deleted run."""
    there = []
    for projection in projections:
        lease = lease_of(connection, projection.run.id)
        if lease is not None:
            there.append(projection)
            for new, seq in zip(projection.objects, projection.seqs, strict=True):
                _project(connection, new, seq)
            update_run(connection, projected_run(projection), lease, now)
    raise_revisions(connection, changed_threads(there))


def _project(connection: Connection, new: Record, seq: int) -> None:
    """Write a version of an object if it replaces the stored one."""
    stored, stored_seq = None, 0
    sql = "SELECT owner, body, seq FROM records WHERE kind = ? AND id = ?"
    if row := connection.execute(sql, (new.kind.value, new.id)).fetchone():
        owner, body, stored_seq = row
        stored = Record(new.kind, owner, json.loads(body))
    version = projected_object(new, seq, stored, stored_seq)
    if version is not None and stored is None:
        insert_record(connection, version, seq)
    elif version is not None:
        values = (to_json(version.body), seq, new.kind.value, new.id, version.owner)
        connection.execute("UPDATE records SET body = ?, seq = ? WHERE kind = ? AND id = ? AND owner = ?", values)
