"""The SQLite store: a table of records, one of the runs' leases and states, one of log rows."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs

from ...errors import ConfigError, Duplicate, StoreError
from ...loggers import logger_of
from ...threads import PROBE
from ..base import (
    CURSOR_SECONDS,
    IN_TURNS,
    ON_LINES,
    OWNED,
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
    ThreadRecord,
    first_fitting,
    placed,
    stored_projections,
)
from ..lines import Span
from ..rules import as_thread, begin, cancellation, claim, new_thread, placed_in_turn, renewal, with_line
from .blobs import SQLiteBlobs
from .connections import SQLiteConnections
from .lists import default_spans, place_of, select_list, stored_size
from .log import LOG, PACKED, append_rows, purge_logs, purge_places, to_row
from .passages import SQLitePassages
from .records import (
    ALL,
    RUNS,
    delete_record,
    find_record,
    get_record,
    get_thread,
    insert_record,
    raise_if_busy,
    raise_revisions,
    to_json,
    to_record,
    to_run,
    update_thread,
)
from .runs import apply_projections, get_run, lease_of, update_run

logger = logger_of(__name__)

Connection = sqlite3.Connection

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
            stored = record
            if record.kind in IN_TURNS:
                before = get_thread(connection, record.owner, record.parent)
                thread, stored = placed_in_turn(before, record)
                update_thread(connection, before, thread)
            stored = as_thread(placed(stored, stored.position or self._next_position()))
            insert_record(connection, stored)
            return stored

        return self._connections.write(work)

    def find(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> Record | None:
        return self._connections.read(lambda connection: find_record(connection, kind, owner, id, parent))

    def get_many(self, kind: Kind, owner: str, ids: Iterable[str]) -> dict[str, Record]:
        sql = f"{ALL} WHERE r.kind = ? AND r.owner = ? AND r.id IN (SELECT value FROM json_each(?))"
        wanted = {*ids}
        values = (kind.value, owner, to_json([*wanted]))
        records = self._connections.read(lambda connection: [*map(to_record, connection.execute(sql, values))])
        return {record.id: record for record in records if record.id in wanted}  # SQLite cuts an id at a NUL

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
            if kind in ON_LINES:
                raise_revisions(connection, [(owner, record.parent)])
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
        spans: Sequence[Span] | None = None,
    ) -> Page:
        # `before` alone reads backwards, so that the page ends next to it.
        backwards = before is not None and after is None
        descending = (order == "desc") is not backwards

        def work(connection: Connection) -> Page:
            first, last = (
                cursor if cursor is None else place_of(connection, kind, owner, cursor, parent)
                for cursor in ((after, before) if order == "asc" else (before, after))
            )
            parts = default_spans(connection, kind, owner, parent) if spans is None else spans
            listed = (kind, owner, parent)
            selected = select_list(connection, listed, parts, first, last, limit + 1, descending=descending)
            rows, has_more = first_fitting(selected, stored_size, limit)
            page = [to_record(row) for row in rows]
            return Page(page[::-1] if backwards else page, has_more)

        return self._connections.read(work)

    def of_owner(self, owner: str, kind: Kind, *, after: Record | None = None, limit: int = 500) -> Page:
        where = "r.kind = ? AND r.owner = ?"
        values: tuple[str | int, ...] = (kind.value, owner)
        if after is not None:
            where += " AND (r.parent, r.line, r.position, r.id) > (?, ?, ?, ?)"
            values += (after.parent, after.line if kind in ON_LINES else 0, after.position, after.id)
        sql = f"{ALL} WHERE {where} ORDER BY r.parent, r.line, r.position, r.id LIMIT ?"

        def work(connection: Connection) -> Page:
            rows, has_more = first_fitting(connection.execute(sql, (*values, limit + 1)), stored_size, limit)
            return Page([to_record(row) for row in rows], has_more)

        return self._connections.read(work)

    def switch(self, owner: str, thread_id: str, line: int) -> ThreadRecord:
        def work(connection: Connection) -> ThreadRecord:
            before = get_thread(connection, owner, thread_id)
            thread = with_line(before, line)
            raise_if_busy(connection, thread_id)
            update_thread(connection, before, thread)
            return thread

        return self._connections.write(work)

    def has_owners_without(self, text: str) -> bool:
        kinds = [kind.value for kind in OWNED]
        sql = f"SELECT 1 FROM records WHERE kind IN ({', '.join('?' * len(kinds))}) AND instr(owner, ?) = 0 LIMIT 1"
        return self._connections.read(lambda connection: connection.execute(sql, (*kinds, text)).fetchone()) is not None

    # -- runs ---------------------------------------------------------------------------------------------

    def start(self, start: Start) -> RunRecord:
        def work(connection: Connection) -> RunRecord:
            run = start.run
            if start.thread is None:
                before = get_thread(connection, run.owner, run.parent)
                placed_start = begin(before, start)
                update_thread(connection, before, placed_start.thread)
            else:
                placed_start = begin(new_thread(start.thread, self._next_position()), start)
                insert_record(connection, placed_start.thread)
            for record in (placed_start.run, *placed_start.messages):
                insert_record(connection, record)
            if append_rows(connection, [start.row]) != [AppendResult.STORED]:
                raise Duplicate(f"The log of run '{run.id}' already exists.")
            return placed_start.run

        return self._connections.write(work)

    def claim(
        self, run: RunRecord, *, due_at: float, if_due: float | None = None, extra: Changes = None
    ) -> RunRecord | None:
        update, now = claim(run, due_at, if_due, extra), self.now()

        def work(connection: Connection) -> RunRecord | None:
            changed = update_run(connection, update, lease_of(connection, run.id), now)
            return None if changed is None else get_run(connection, run.id)

        return self._connections.write(work)

    def renew(self, runs: Sequence[tuple[str, int]], due_at: float) -> None:
        now = self.now()

        def work(connection: Connection) -> None:
            for run_id, epoch in runs:
                update_run(connection, renewal(run_id, epoch, due_at), lease_of(connection, run_id), now)

        self._connections.write(work)

    def request_cancel(self, owner: str, run_id: str, *, due_at: float) -> RunRecord:
        now = self.now()

        def work(connection: Connection) -> RunRecord:
            get_record(connection, Kind.RUN, owner, run_id, None)
            update_run(connection, cancellation(run_id, due_at), lease_of(connection, run_id), now)
            return get_run(connection, run_id)

        return self._connections.write(work)

    def cancel_requested(self, run_ids: Sequence[str]) -> set[str]:
        sql = "SELECT id FROM leases WHERE active AND cancel_requested AND id IN (SELECT value FROM json_each(?))"
        wanted = to_json(list(run_ids))
        pending = self._connections.read(lambda connection: [row[0] for row in connection.execute(sql, (wanted,))])
        return {*pending}.intersection(run_ids)

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
        sql = "SELECT last_seq FROM leases WHERE id = ?"
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
