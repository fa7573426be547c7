"""The SQLite store: a table of records, one of the runs' leases and states, one of log rows."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ...errors import ConfigError, Duplicate, StoreError
from ...loggers import logger_of
from ...protocol.run_states import RunStatus
from ...threads import PROBE
from ..base import (
    CURSOR_SECONDS,
    OWNED,
    TURN,
    AppendResult,
    AppendResults,
    Changes,
    Kind,
    Order,
    Page,
    Projection,
    Record,
    Row,
    Rows,
    RunRecord,
    Runs,
    Start,
    Store,
    first_fitting,
    placed,
    stored_projections,
)
from .blobs import SQLiteBlobs
from .connections import SQLiteConnections
from .passages import SQLitePassages
from .statements import (
    ALL,
    LOG,
    PACKED,
    PLACE,
    RUNS,
    allot_turns,
    append_rows,
    apply_projections,
    change_run,
    delete_record,
    get_record,
    get_run,
    insert_record,
    place_of,
    purge_logs,
    purge_places,
    set_status,
    stored_size,
    to_json,
    to_record,
    to_row,
    to_run,
)

logger = logger_of(__name__)

Connection = sqlite3.Connection
Values = list[Any]

PURGE_SECONDS = 60.0
"""How often expired logs are deleted."""


class SQLiteStore(SQLiteBlobs, SQLitePassages, Store):
    """One SQLite file for the processes of one host.

    A commit survives the death of any process. A power cut may undo the last commits without damaging the file;
    `?synchronous=full` prevents that, at the cost of a disk flush per group of writes.

    Args:
        url: `sqlite:///relative/path` or `sqlite:////absolute/path`, not percent-encoded.
        log_seconds: how long a run's events stay after its end.
        clock: the seconds since the epoch.
    """

    def __init__(self, url: str, *, log_seconds: float = 86400.0, clock: Callable[[], float] = time.time) -> None:
        address, _, query = url.partition("?")
        path = Path(address.removeprefix("sqlite:///"))
        synchronous = parse_qs(query).get("synchronous", ["normal"])[-1].lower()
        if not address.startswith("sqlite:///") or not path.name or path.name == ":memory:":
            raise ConfigError(
                "ASSISTANT_STORE: write sqlite:///path/to/file (relative) or sqlite:////path/to/file (absolute). "
                "A store in memory is not possible: it would lose everything."
            )
        if synchronous not in ("normal", "full"):
            raise ConfigError("ASSISTANT_STORE: `synchronous` must be normal or full.")
        if not os.path.isdir(path.parent) or not os.access(path.parent, os.W_OK | os.X_OK):
            raise ConfigError(f"ASSISTANT_STORE: the folder of {path.name} does not exist or is not writable.")
        self._connections = SQLiteConnections(path.absolute(), synchronous)
        self._clock = clock
        self._log_seconds = log_seconds
        self._last_position = 0
        self._purge_at = 0.0

    def open(self) -> None:
        self.ping()

    def close(self) -> None:
        self._connections.close()

    def ping(self) -> None:
        sql = "SELECT 1 FROM records LIMIT 1"
        self._connections.read(lambda connection: connection.execute(sql).fetchone(), PROBE)

    def now(self) -> float:
        return self._clock()

    # -- records ------------------------------------------------------------------------------------------

    def insert(self, record: Record) -> Record:
        def work(connection: Connection) -> Record:
            position = record.position
            if record.kind in (Kind.MESSAGE, Kind.RUN):
                turn = allot_turns(connection, record.owner, record.parent, 0 if position else 1, {})
                position = position or turn * TURN
            stored = placed(record, position or self._next_position())
            insert_record(connection, stored)
            return stored

        return self._connections.write(work)

    def get(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> Record:
        return self._connections.read(lambda connection: get_record(connection, kind, owner, id, parent))

    def update(
        self, kind: Kind, owner: str, id: str, *, parent: str | None = None, body: Changes = None, extra: Changes = None
    ) -> Record:
        def work(connection: Connection) -> Record:
            record = get_record(connection, kind, owner, id, parent)
            record.body.update(body or {})
            record.extra.update(extra or {})
            connection.execute(
                "UPDATE records SET body = ?, extra = ? WHERE kind = ? AND id = ? AND owner = ?",
                (to_json(record.body), to_json(record.extra), kind.value, id, owner),
            )
            return record

        return self._connections.write(work)

    def delete(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> None:
        def work(connection: Connection) -> None:
            delete_record(connection, get_record(connection, kind, owner, id, parent), self.now())

        self._connections.write(work)

    def list(
        self,
        kind: Kind,
        owner: str,
        *,
        parent: str = "",
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
        run_id: str | None = None,
    ) -> Page:
        # `before` alone reads backwards, so that the page ends next to it.
        backwards = before is not None and after is None
        descending = (order == "desc") is not backwards

        def work(connection: Connection) -> Page:
            where = "r.kind = ? AND r.owner = ? AND r.parent = ?"
            values: Values = [kind.value, owner, parent]
            for cursor, follows in ((after, True), (before, False)):
                if cursor is not None:
                    where += f" AND (r.position, r.id) {'<' if (order == 'desc') is follows else '>'} (?, ?)"
                    values += place_of(connection, kind, owner, cursor, parent)
            if run_id is not None:
                where += f" AND r.position BETWEEN ({PLACE}) AND ({PLACE}) + ? AND json_extract(r.body, '$.run_id') = ?"
                values += [run_id, run_id, TURN, run_id]
            way = "DESC" if descending else "ASC"
            sql = f"{ALL} WHERE {where} ORDER BY r.position {way}, r.id {way} LIMIT ?"
            rows, has_more = first_fitting(connection.execute(sql, (*values, limit + 1)), stored_size, limit)
            page = [to_record(row) for row in rows]
            return Page(page[::-1] if backwards else page, has_more)

        return self._connections.read(work)

    def has_owners_without(self, text: str) -> bool:
        kinds = [kind.value for kind in OWNED]
        sql = f"SELECT 1 FROM records WHERE kind IN ({', '.join('?' * len(kinds))}) AND instr(owner, ?) = 0 LIMIT 1"
        return self._connections.read(lambda connection: connection.execute(sql, (*kinds, text)).fetchone()) is not None

    # -- runs ---------------------------------------------------------------------------------------------

    def start(self, start: Start) -> RunRecord:
        def work(connection: Connection) -> RunRecord:
            run = start.run
            if start.thread is not None:
                insert_record(connection, placed(start.thread, self._next_position()))
            turn = allot_turns(connection, run.owner, run.parent, 2, start.touched)
            run = replace(run, position=turn * TURN)
            insert_record(connection, run)
            for number, message in enumerate(start.messages):
                insert_record(connection, placed(message, (turn - 1) * TURN + number))
            if append_rows(connection, [start.row]) != [AppendResult.STORED]:
                raise Duplicate(f"The log of run '{run.id}' already exists.")
            return run

        return self._connections.write(work)

    def claim(
        self, run: RunRecord, *, due_at: float, if_due: float | None = None, extra: Changes = None
    ) -> RunRecord | None:
        def work(connection: Connection) -> RunRecord | None:
            changed = connection.execute(
                "UPDATE runs SET epoch = epoch + 1, due_at = ?"
                " WHERE id = ? AND epoch = ? AND status = ? AND active AND due_at <= ?",
                (due_at, run.id, run.epoch, run.body["status"], float("inf") if if_due is None else if_due),
            ).rowcount
            if changed and run.body["status"] == RunStatus.REQUIRES_ACTION.value:
                set_status(connection, run, RunStatus.QUEUED)
            if changed and extra:
                change_run(connection, run, "extra", extra)
            return get_run(connection, run.id) if changed else None

        return self._connections.write(work)

    def renew(self, runs: Sequence[tuple[str, int]], due_at: float) -> None:
        sql = "UPDATE runs SET due_at = ? WHERE id = ? AND epoch = ? AND active AND NOT cancel_requested"
        sql += f" AND status != '{RunStatus.REQUIRES_ACTION.value}'"
        values = [(due_at, run_id, epoch) for run_id, epoch in runs]
        self._connections.write(lambda connection: connection.executemany(sql, values) and None)

    def request_cancel(self, owner: str, run_id: str, *, due_at: float) -> RunRecord:
        def work(connection: Connection) -> RunRecord:
            get_record(connection, Kind.RUN, owner, run_id, None)
            connection.execute(
                "UPDATE runs SET cancel_requested = 1, due_at = min(due_at, ?) WHERE id = ? AND active",
                (due_at, run_id),
            )
            return get_run(connection, run_id)

        return self._connections.write(work)

    def cancel_requested(self, run_ids: Sequence[str]) -> set[str]:
        sql = "SELECT id FROM runs WHERE active AND cancel_requested AND id IN (SELECT value FROM json_each(?))"
        wanted = to_json(list(run_ids))
        return self._connections.read(lambda connection: {row[0] for row in connection.execute(sql, (wanted,))})

    def due(self, now: float, limit: int = 100) -> Runs:
        if now >= self._purge_at:
            self._purge(now)
        sql = f"{RUNS} WHERE u.active AND u.due_at <= ? ORDER BY u.due_at LIMIT ?"
        return self._connections.read(lambda connection: [to_run(row) for row in connection.execute(sql, (now, limit))])

    # -- the log ------------------------------------------------------------------------------------------

    def append(self, rows: Sequence[Row]) -> AppendResults:
        return self._connections.write(lambda connection: append_rows(connection, rows))

    def project(self, projections: Sequence[Projection]) -> None:
        now = self.now()
        self._connections.write(lambda connection: apply_projections(connection, projections, now))

    def commit(self, writes: Sequence[tuple[Row, Projection | None]]) -> AppendResults:
        now = self.now()

        def work(connection: Connection) -> AppendResults:
            results = append_rows(connection, [row for row, _ in writes])
            apply_projections(connection, stored_projections(writes, results), now)
            return results

        return self._connections.write(work)

    def read(self, run_id: str, after: int = 0, limit: int = 500) -> Rows:
        # Starts at the row that holds `after + 1`, so that a read costs the same in a long log.
        sql = (
            f"{LOG} AND first >= (SELECT coalesce(max(first), 0) FROM log WHERE run_id = ?1 AND first <= ?3 + 1)"
            " AND last > ?3 ORDER BY first LIMIT ?4"
        )
        values = (run_id, self.now() - self._log_seconds, after, limit)

        def work(connection: Connection) -> Rows:
            rows, _ = first_fitting(connection.execute(sql, values), lambda row: len(row[PACKED]), limit)
            return [to_row(row) for row in rows]

        return self._connections.read(work)

    def last_row(self, run_id: str) -> Row | None:
        sql = f"{LOG} ORDER BY first DESC LIMIT 1"
        values = (run_id, self.now() - self._log_seconds)
        row = self._connections.read(lambda connection: connection.execute(sql, values).fetchone())
        return to_row(row) if row else None

    def projected(self, run_id: str) -> int | None:
        sql = "SELECT last_seq FROM runs WHERE id = ?"
        row = self._connections.read(lambda connection: connection.execute(sql, (run_id,)).fetchone())
        return row[0] if row else None

    def _purge(self, now: float) -> None:
        self._purge_at = now + PURGE_SECONDS
        try:
            logs = self._connections.write(lambda connection: purge_logs(connection, now - self._log_seconds))
            places = self._connections.write(lambda connection: purge_places(connection, now - CURSOR_SECONDS))
        except StoreError as error:  # retried later: no run depends on it
            logger.warning("expired run logs not deleted: %s", error)
            return
        if logs or places:
            self._purge_at = now

    def _next_position(self) -> int:
        self._last_position = max(self._last_position + 1, int(self.now() * 1e9))
        return self._last_position
