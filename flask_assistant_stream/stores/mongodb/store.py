"""The MongoDB store: a collection for each kind of record, one for log rows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from ...errors import StoreError
from ..base import (
    BELOW,
    CURSOR_SECONDS,
    IN_TURNS,
    ON_LINES,
    OWNED,
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
    already_exists,
    first_fitting,
    not_found,
    placed,
    stored_projections,
)
from ..lines import Span
from ..rules import as_thread, cancellation, claim, placed_in_turn
from .blobs import MongoDBBlobs
from .changes import MongoDBPush
from .connection import MongoDBConnection
from .documents import Document, assignments, record_id, to_document, to_record, to_row, to_run
from .lists import default_spans, deleted_id, place_of, read_list, read_of_owner
from .passages import MongoDBPassages
from .runs import insert_run, renew_runs, update_run
from .schema import COLLECTIONS, DELETED, LOG, RUNS, Db
from .starting import start_run
from .threads import raise_revisions, switch_line, take_turns
from .writing import append_rows, apply_projections, existing_runs

CLOCK_SECONDS = 60.0
"""How often the server's clock is read."""
ABANDONED = timedelta(days=30)
"""How much longer the rows of a run stay that never ends, for example because it was deleted."""


class MongoDBStore(MongoDBBlobs, MongoDBPassages, MongoDBPush, Store):
    """One MongoDB database.

    Args:
        url: `mongodb://…` or `mongodb+srv://…`; the default database is `assistant_stream`.
        log_seconds: how long a run's events stay after its end.
    """

    def __init__(self, url: str, *, log_seconds: float = 86400.0) -> None:
        self._connection = MongoDBConnection(url)
        self._log_seconds = log_seconds
        self._offset: float | None = None
        self._measure_at = 0.0
        self._last_position = 0

    def open(self) -> None:
        with self._connection.database():
            pass

    def close(self) -> None:
        self._connection.close()

    def ping(self) -> None:
        with self._connection.admin() as admin:
            admin.command("ping")

    def now(self) -> float:
        """Return the server's time, from a monotonic local clock that is set to the server's once a minute.

        The network delay makes it late, never early, so no lease is claimed before its end. Clocks drift by
        milliseconds in a minute. Even a wrong time only causes delays: epoch and log decide which worker writes.
        """
        offset = self._offset
        if offset is None or time.monotonic() >= self._measure_at:
            offset = self._measure(offset)
        return offset + time.monotonic()

    def _measure(self, last_offset: float | None) -> float:
        self._measure_at = time.monotonic() + CLOCK_SECONDS  # other threads use the last offset meanwhile
        try:
            with self._connection.admin() as admin:
                server_time: float = admin.command("hello")["localTime"].timestamp()
        except StoreError:
            if last_offset is None:
                raise
            return last_offset
        self._offset = server_time - time.monotonic()
        return self._offset

    # -- records ------------------------------------------------------------------------------------------

    def insert(self, record: Record) -> Record:
        with self._connection.database() as db:
            stored = record
            if record.kind in IN_TURNS:
                turns = 0 if record.position else 1
                thread = take_turns(db, record.owner, record.parent, turns, revises=record.kind in ON_LINES)
                _, stored = placed_in_turn(thread, record)
            stored = as_thread(placed(stored, stored.position or self._next_position()))
            if isinstance(stored, RunRecord):
                insert_run(db, stored)
                return stored
            try:
                db[COLLECTIONS[record.kind]].insert_one(to_document(stored))
            except DuplicateKeyError:
                raise already_exists(record.kind, record.id) from None
            finally:
                if record.kind in ON_LINES:  # once more, as `_revising` does
                    raise_revisions(db, [(record.owner, record.parent)])
            return stored

    def find(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> Record | None:
        with self._connection.database() as db:
            document = db[COLLECTIONS[kind]].find_one({"_id": record_id(kind, owner, id)})
        if document is None or document["owner"] != owner or parent not in (None, document["parent"]):
            return None
        return to_record(kind, document)

    def get_many(self, kind: Kind, owner: str, ids: Iterable[str]) -> dict[str, Record]:
        keys = [record_id(kind, owner, id) for id in ids]
        if not keys:
            return {}
        with self._connection.database() as db:
            documents = db[COLLECTIONS[kind]].find({"_id": {"$in": keys}})
            records = [to_record(kind, document) for document in documents if document["owner"] == owner]
        return {record.id: record for record in records}

    def update(
        self, kind: Kind, owner: str, id: str, *, parent: str | None = None, body: Changes = None, extra: Changes = None
    ) -> Record:
        changes = assignments("body", body or {}) | assignments("extra", extra or {})
        if not changes:
            return self.get(kind, owner, id, parent=parent)
        on_line = self.get(kind, owner, id, parent=parent) if kind in ON_LINES else None
        query: Document = {"_id": record_id(kind, owner, id), "owner": owner}
        if parent is not None:
            query["parent"] = parent
        with self._connection.database() as db, _revising(db, on_line):
            document = db[COLLECTIONS[kind]].find_one_and_update(
                query, {"$set": changes}, return_document=ReturnDocument.AFTER
            )
            if document is None:
                raise not_found(kind, id)
            return to_record(kind, document)

    def delete(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> None:
        record = self.get(kind, owner, id, parent=parent)
        with self._connection.database() as db, _revising(db, record):
            self._keep_place(db, record)
            # What belongs to the record goes first, so that an interrupted delete can be repeated.
            if kind is Kind.RUN:
                _delete_runs(db, {"_id": id, "owner": owner})
                return
            for below in reversed(BELOW.get(kind, ())):  # runs before messages: their workers write those
                _delete_below(db, below, {"owner": owner, "parent": id})
            db[COLLECTIONS[kind]].delete_one({"_id": record_id(kind, owner, id), "owner": owner})

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
        with self._connection.database() as db:
            low, high = (
                cursor if cursor is None else place_of(db, kind, owner, cursor, parent)
                for cursor in ((after, before) if order == "asc" else (before, after))
            )
            parts = default_spans(db, kind, owner, parent) if spans is None else spans
            page = read_list(db, (kind, owner, parent), parts, low, high, limit, descending=descending)
        return Page(page.records[::-1], page.has_more) if backwards else page

    def of_owner(self, owner: str, kind: Kind, *, after: Record | None = None, limit: int = 500) -> Page:
        with self._connection.database() as db:
            return read_of_owner(db, kind, owner, after, limit)

    def switch(self, owner: str, thread_id: str, line: int) -> ThreadRecord:
        with self._connection.database() as db:
            return switch_line(db, owner, thread_id, line)

    def has_owners_without(self, text: str) -> bool:
        others = {"owner": {"$not": {"$regex": re.escape(text)}}}
        with self._connection.database() as db:
            return any(db[COLLECTIONS[kind]].find_one(others, {"_id": True}) is not None for kind in OWNED)

    # -- runs ---------------------------------------------------------------------------------------------

    def start(self, start: Start) -> RunRecord:
        self._connection.expect_answers()
        with self._connection.database() as db:
            return start_run(db, start, self._next_position(), self._expiry(ABANDONED))

    def claim(
        self, run: RunRecord, *, due_at: float, if_due: float | None = None, extra: Changes = None
    ) -> RunRecord | None:
        with self._connection.database() as db:
            return update_run(db, run.owner, claim(run, due_at, if_due, extra))

    def renew(self, runs: Sequence[tuple[str, int]], due_at: float) -> None:
        with self._connection.database() as db:
            renew_runs(db, runs, due_at)

    def request_cancel(self, owner: str, run_id: str, *, due_at: float) -> RunRecord:
        with self._connection.database() as db:
            noted = update_run(db, owner, cancellation(run_id, due_at)) or self.get(Kind.RUN, owner, run_id)
        assert isinstance(noted, RunRecord)
        return noted

    def cancel_requested(self, run_ids: Sequence[str]) -> set[str]:
        # Few runs of a database have a pending cancel, so an index on it finds them at once.
        pending = {"cancel_requested": True, "active": True}
        with self._connection.database() as db:
            return {document["_id"] for document in db[RUNS].find(pending, {"_id": True})}.intersection(run_ids)

    def due(self, now: float, limit: int = 100) -> Runs:
        with self._connection.database() as db:
            documents = db[RUNS].find({"active": True, "due_at": {"$lte": now}}).sort("due_at").limit(limit)
            return [to_run(document) for document in documents]

    # -- the log ------------------------------------------------------------------------------------------

    def append(self, rows: Sequence[Row]) -> AppendResults:
        with self._connection.database() as db:
            return append_rows(db, rows, self._expiry(ABANDONED))

    def project(self, projections: Sequence[Projection]) -> None:
        with self._connection.database() as db:
            there = existing_runs(db, [projection.run.id for projection in projections])
            apply_projections(db, [p for p in projections if p.run.id in there], self._expiry())

    def commit(self, writes: Sequence[tuple[Row, Projection | None]]) -> AppendResults:
        with self._connection.database() as db:
            results = append_rows(db, [row for row, _ in writes], self._expiry(ABANDONED))
            apply_projections(db, stored_projections(writes, results), self._expiry())
            return results

    def read(self, run_id: str, after: int = 0, limit: int = 500) -> Rows:
        with self._connection.database() as db:
            with db[LOG].find({"run_id": run_id, "last": {"$gt": after}}).sort("last").limit(limit) as cursor:
                documents, _ = first_fitting(self._kept(cursor), lambda document: len(document["packed"]), limit)
            return [to_row(document) for document in documents]

    def last_row(self, run_id: str) -> Row | None:
        with self._connection.database() as db:
            documents = db[LOG].find({"run_id": run_id}).sort("last", DESCENDING).limit(1)
            return next((to_row(document) for document in self._kept(documents)), None)

    def projected(self, run_id: str) -> int | None:
        with self._connection.database() as db:
            run = db[RUNS].find_one({"_id": run_id}, {"last_seq": 1})
            return None if run is None else int(run["last_seq"])

    def _kept(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Skip expired rows: the server deletes them up to a minute late."""
        now = datetime.fromtimestamp(self.now(), timezone.utc)
        return (document for document in documents if document["expires_at"] > now)

    # -- positions and times ------------------------------------------------------------------------------

    def _next_position(self) -> int:
        self._last_position = max(self._last_position + 1, int(self.now() * 1e9))
        return self._last_position

    def _keep_place(self, db: Db, record: Record) -> None:
        """Store the place of a record before it is deleted."""
        expires_at = datetime.fromtimestamp(self.now() + CURSOR_SECONDS, timezone.utc)
        place = {"owner": record.owner, "parent": record.parent, "position": record.position, "expires_at": expires_at}
        key = record_id(record.kind, record.owner, record.id)
        db[DELETED].replace_one({"_id": deleted_id(record.kind, key)}, place, upsert=True)

    def _expiry(self, more: timedelta = timedelta()) -> datetime:
        seconds = timedelta(seconds=self._log_seconds)
        return datetime.fromtimestamp(self.now(), timezone.utc) + seconds + more


@contextmanager
def _revising(db: Db, record: Record | None) -> Iterator[None]:
    """Raise the revision of the thread that a record is on, before and after the block that changes it.

    If the process dies in between, the revision has grown; if a reader comes in between, it grows once more.
    """
    threads = [(record.owner, record.parent)] if record is not None and record.kind in ON_LINES else []
    raise_revisions(db, threads)
    try:
        yield
    finally:  # also if the answer of the write was lost
        raise_revisions(db, threads)


def _delete_below(db: Db, kind: Kind, which: Document) -> None:
    if kind is Kind.RUN:
        _delete_runs(db, which)
    else:
        db[COLLECTIONS[kind]].delete_many(which)


def _delete_runs(db: Db, which: Document) -> None:
    """Delete runs with their logs and steps.

    Marks them first, so that their workers store nothing more and a repeated delete finds them.
    """
    db[RUNS].update_many(which, {"$set": {"deleted": True}})
    ids = [run["_id"] for run in db[RUNS].find(which, {"_id": True})]
    if ids:
        db[LOG].delete_many({"run_id": {"$in": ids}})
        db[COLLECTIONS[Kind.RUN_STEP]].delete_many({"owner": which["owner"], "parent": {"$in": ids}})
        db[RUNS].delete_many({"_id": {"$in": ids}})
