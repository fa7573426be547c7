"""Statements about the rows of run logs, and about what expires."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from ..base import AppendResult, Row
from ..rules import append_result
from .records import to_json

Connection = sqlite3.Connection

PURGE_RUNS = 200
PURGE_ROWS = 5_000
"""Limits of one purge, so that it never delays a write for long."""

_APPEND = """
    INSERT OR IGNORE INTO log (run_id, first, last, epoch, token, packed, state, dialect)
    SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM leases WHERE id = ?)
"""
LOG = """
    SELECT run_id, first, last, epoch, token, packed, state, dialect FROM log
    WHERE run_id = ?1 AND NOT EXISTS (SELECT 1 FROM leases WHERE id = ?1 AND ended_at < ?2)
"""
"""A run's rows unless the run ended before a time: an expired log is not readable even if it is still stored."""
PACKED = 5
"""The column of `LOG` with the events."""


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
    sql = "SELECT id FROM leases WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?"
    expired = connection.execute(sql, (before, PURGE_RUNS)).fetchall()
    drop = "DELETE FROM log WHERE rowid IN (SELECT rowid FROM log WHERE run_id = ? ORDER BY first LIMIT ?)"
    left = PURGE_ROWS
    for (run_id,) in expired:
        left -= connection.execute(drop, (run_id, left)).rowcount
        if left <= 0:
            return True
        connection.execute("UPDATE leases SET ended_at = NULL WHERE id = ?", (run_id,))
    return len(expired) == PURGE_RUNS


def purge_places(connection: Connection, before: float) -> bool:
    """Forget places of records that were deleted before a time. Return whether there are more."""
    sql = "DELETE FROM deleted WHERE rowid IN (SELECT rowid FROM deleted WHERE deleted_at < ? LIMIT ?)"
    return connection.execute(sql, (before, PURGE_ROWS)).rowcount == PURGE_ROWS
