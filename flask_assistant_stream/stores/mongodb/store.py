"""The MongoDB store: a collection for each kind of record, one for log rows."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from ...errors import StoreError
from ...protocol.run_states import RunStatus
from ..base import (
    BELOW_VECTOR_STORE,
    CURSOR_SECONDS,
    OWNED,
    TURN,
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
    already_exists,
    first_fitting,
    not_found,
    placed,
    stored_projections,
)
from .blobs import MongoDBBlobs
from .changes import MongoDBPush
from .connection import COLLECTIONS, DELETED, LOG, RUNS, Db, MongoDBConnection
from .documents import (
    UNREAD,
    Document,
    assignments,
    change_if,
    decode_document,
    record_id,
    size_of,
    to_document,
    to_record,
    to_row,
    to_run,
)
from .passages import MongoDBPassages
from .starting import Beginning, allot_turns, insert_run
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
            stored = placed(record, record.position or self._position_of(db, record))
            if isinstance(stored, RunRecord):
                insert_run(db, stored)
                return stored
            if record.kind is Kind.MESSAGE and record.position:
                _find(db, Kind.THREAD, record.owner, record.parent, None)
            try:
                db[COLLECTIONS[record.kind]].insert_one(to_document(stored))
            except DuplicateKeyError:
                raise already_exists(record.kind, record.id) from None
            return stored

    def get(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> Record:
        with self._connection.database() as db:
            return to_record(kind, _find(db, kind, owner, id, parent))

    def update(
        self, kind: Kind, owner: str, id: str, *, parent: str | None = None, body: Changes = None, extra: Changes = None
    ) -> Record:
        changes = assignments("body", body or {}) | assignments("extra", extra or {})
        if not changes:
            return self.get(kind, owner, id, parent=parent)
        with self._connection.database() as db:
            document = db[COLLECTIONS[kind]].find_one_and_update(
                _query(kind, owner, id, parent), {"$set": changes}, return_document=ReturnDocument.AFTER
            )
            if document is None:
                raise not_found(kind, id)
            return to_record(kind, document)

    def delete(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> None:
        # What belongs to the record goes first, so that an interrupted delete can be repeated.
        with self._connection.database() as db:
            document = _find(db, kind, owner, id, parent)
            self._keep_place(db, kind, document)
            query = {"_id": document["_id"], "owner": owner}
            if kind is Kind.THREAD:
                _delete_runs(db, {"owner": owner, "parent": id})
                db[COLLECTIONS[Kind.MESSAGE]].delete_many({"owner": owner, "parent": id})
            for below in BELOW_VECTOR_STORE if kind is Kind.VECTOR_STORE else ():
                db[COLLECTIONS[below]].delete_many({"owner": owner, "parent": id})
            if kind is Kind.RUN:
                _delete_runs(db, query)
            else:
                db[COLLECTIONS[kind]].delete_one(query)

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
        way = DESCENDING if (order == "desc") is not backwards else ASCENDING
        listed: Document = {"owner": owner, "parent": parent}
        if run_id is not None:
            listed["body.run_id"] = run_id
        with self._connection.database() as db:
            collection = db[COLLECTIONS[kind]]
            bounds: list[Document] = []
            for cursor, follows in ((after, True), (before, False)):
                if cursor is not None:
                    place = _place(db, kind, owner, cursor, parent)
                    bounds.append(_beyond(*place, "$lt" if (order == "desc") is follows else "$gt"))
            where = {**listed, "$and": bounds} if bounds else listed
            order_by = [("position", way), ("_id", way)]
            with collection.with_options(UNREAD).find(where).sort(order_by).limit(limit + 1) as cursor:
                documents, has_more = first_fitting(cursor, size_of, limit)
        page = [to_record(kind, decode_document(document)) for document in documents]
        return Page(page[::-1] if backwards else page, has_more)

    def has_owners_without(self, text: str) -> bool:
        others = {"owner": {"$not": {"$regex": re.escape(text)}}}
        with self._connection.database() as db:
            return any(db[COLLECTIONS[kind]].find_one(others, {"_id": True}) is not None for kind in OWNED)

    # -- runs ---------------------------------------------------------------------------------------------

    def start(self, start: Start) -> RunRecord:
        self._connection.expect_answers()
        with self._connection.database() as db:
            beginning = Beginning(db, start, self._next_position(), self._expiry(ABANDONED))
            try:
                return beginning.begin()
            except BaseException:
                beginning.undo()
                raise

    def claim(
        self, run: RunRecord, *, due_at: float, if_due: float | None = None, extra: Changes = None
    ) -> RunRecord | None:
        status = run.body["status"]
        same = {
            **_query(Kind.RUN, run.owner, run.id, run.parent),
            "epoch": run.epoch,
            "body.status": status,
            "active": True,
        }
        if if_due is not None:
            same["due_at"] = {"$lte": if_due}
        changes: Document = {"due_at": due_at, **assignments("extra", extra or {})}
        if status == RunStatus.REQUIRES_ACTION.value:
            changes["body.status"] = RunStatus.QUEUED.value
        with self._connection.database() as db:
            claimed = db[RUNS].find_one_and_update(
                same, {"$inc": {"epoch": 1}, "$set": changes}, return_document=ReturnDocument.AFTER
            )
            return None if claimed is None else to_run(claimed)

    def renew(self, runs: Sequence[tuple[str, int]], due_at: float) -> None:
        leased = {"$ne": ["$body.status", RunStatus.REQUIRES_ACTION.value]}
        by_epoch: dict[int, list[str]] = {}
        for run_id, epoch in runs:
            by_epoch.setdefault(epoch, []).append(run_id)
        with self._connection.database() as db:
            for epoch, ids in by_epoch.items():
                held = ["$active", {"$eq": ["$epoch", epoch]}, {"$not": ["$cancel_requested"]}, leased]
                db[RUNS].update_many({"_id": {"$in": ids}}, change_if({"$and": held}, {"due_at": due_at}))

    def request_cancel(self, owner: str, run_id: str, *, due_at: float) -> RunRecord:
        change = {"$set": {"cancel_requested": True}, "$min": {"due_at": due_at}}
        with self._connection.database() as db:
            active = {**_query(Kind.RUN, owner, run_id, None), "active": True}
            noted = db[RUNS].find_one_and_update(active, change, return_document=ReturnDocument.AFTER)
            return to_run(_find(db, Kind.RUN, owner, run_id, None) if noted is None else noted)

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

    def _position_of(self, db: Db, record: Record) -> int:
        if record.kind in (Kind.MESSAGE, Kind.RUN):
            return (int(allot_turns(db, record.owner, record.parent, 1, {})["turns"]) + 1) * TURN
        return self._next_position()

    def _next_position(self) -> int:
        self._last_position = max(self._last_position + 1, int(self.now() * 1e9))
        return self._last_position

    def _keep_place(self, db: Db, kind: Kind, deleted: Document) -> None:
        """Store the place of a record before it is deleted."""
        expires_at = datetime.fromtimestamp(self.now() + CURSOR_SECONDS, timezone.utc)
        place = {**{key: deleted[key] for key in ("owner", "parent", "position")}, "expires_at": expires_at}
        db[DELETED].replace_one({"_id": _deleted_id(kind, deleted["_id"])}, place, upsert=True)

    def _expiry(self, more: timedelta = timedelta()) -> datetime:
        seconds = timedelta(seconds=self._log_seconds)
        return datetime.fromtimestamp(self.now(), timezone.utc) + seconds + more


def _query(kind: Kind, owner: str, id: str, parent: str | None) -> Document:
    query: Document = {"_id": record_id(kind, owner, id), "owner": owner}
    return query if parent is None else {**query, "parent": parent}


def _find(db: Db, kind: Kind, owner: str, id: str, parent: str | None) -> Document:
    document = db[COLLECTIONS[kind]].find_one({"_id": record_id(kind, owner, id)})
    if document is None or document["owner"] != owner or parent not in (None, document["parent"]):
        raise not_found(kind, id)
    return document


def _place(db: Db, kind: Kind, owner: str, id: str, parent: str) -> tuple[int, str]:
    """Return position and `_id` of a record in its list, also of a deleted one; NotFound if it was never there."""
    key, listed = record_id(kind, owner, id), {"owner": owner, "parent": parent}
    for collection, query in ((COLLECTIONS[kind], {"_id": key}), (DELETED, {"_id": _deleted_id(kind, key)})):
        if document := db[collection].find_one({**query, **listed}, {"position": True}):
            return document["position"], key
    raise not_found(kind, id)


def _deleted_id(kind: Kind, key: str) -> str:
    return f"{kind.value}/{key}"


def _beyond(position: int, key: str, way: str) -> Document:
    """Return the condition for the records on one side of a record in the order of (position, id)."""
    same_place = {"position": position, "_id": {way: key}}
    # The first condition is redundant but bounds the index scan, which `$or` does not.
    return {"position": {f"{way}e": position}, "$or": [{"position": {way: position}}, same_place]}


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
