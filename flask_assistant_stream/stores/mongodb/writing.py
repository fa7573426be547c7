"""Log rows and projections of many runs in a few bulk writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from ...protocol.run_states import RUN_ACTIVE, RunStatus
from ..base import Kind, Outcome, Projection, Record, Row
from .connection import COLLECTIONS, LOG, RUNS, Db
from .documents import Document, assignments, encode, record_id, row_id, row_to_document
from .starting import DUPLICATE_KEY


def existing_runs(db: Db, ids: Iterable[str]) -> set[str]:
    """Return which of these runs stand."""
    found = db[RUNS].find({"_id": {"$in": [*ids]}, "deleted": {"$ne": True}}, {"_id": True})
    return {document["_id"] for document in found}


def append_rows(db: Db, rows: Sequence[Row], expires_at: datetime) -> list[Outcome]:
    """Append rows to the log, those of runs that stand."""
    if not rows:
        return []
    there = existing_runs(db, {row.run_id for row in rows})
    wanted = [row for row in rows if row.run_id in there]
    taken = {(wanted[n].run_id, wanted[n].first) for n in _insert_rows(db, wanted, expires_at)}
    tokens = _tokens(db, taken)
    return [
        Outcome.STORED
        if row.run_id in there and tokens.get(row_id(row.run_id, row.first), row.token) == row.token
        else Outcome.REFUSED
        for row in rows
    ]


def _insert_rows(db: Db, rows: Sequence[Row], expires_at: datetime) -> list[int]:
    """Insert rows and return which of them found their place taken."""
    if not rows:
        return []
    try:
        db[LOG].insert_many([row_to_document(row, expires_at) for row in rows], ordered=False)
    except BulkWriteError as error:
        return _duplicates(error)
    return []


def _tokens(db: Db, places: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Return whose rows stand at some places, by row id."""
    ids = [row_id(run_id, first) for run_id, first in places]
    found = db[LOG].find({"_id": {"$in": ids}}, {"token": True}) if ids else ()
    return {document["_id"]: document["token"] for document in found}


def apply_projections(db: Db, projections: Sequence[Projection], expires_at: datetime) -> None:
    """Write what stored rows say: messages and steps, then the runs; the logs of those that end get their date.

    They get it before their run has ended: a worker that dies in between leaves an active run, and whoever takes
    that over dates its log again.
    """
    for kind in (Kind.MESSAGE, Kind.RUN_STEP):
        _apply_objects(db, kind, projections)
    ended = [projection.run.id for projection in projections if _ends(projection)]
    if ended:
        db[LOG].update_many({"run_id": {"$in": ended}}, {"$set": {"expires_at": expires_at}})
    runs = [UpdateOne(_writable(projection), _run_change(projection)) for projection in projections]
    if runs:
        db[RUNS].bulk_write(runs, ordered=False)


def _apply_objects(db: Db, kind: Kind, projections: Sequence[Projection]) -> None:
    versions = [
        (record, seq)
        for projection in projections
        for record, seq in zip(projection.objects, projection.seqs, strict=True)
        if record.kind is kind
    ]
    if not versions:
        return
    try:
        db[COLLECTIONS[kind]].bulk_write([_version(*version, upsert=True) for version in versions], ordered=False)
    except BulkWriteError as error:
        # Either a version as new stands, or another worker has inserted an older one at this very moment.
        again = [_version(*versions[n], upsert=False) for n in _duplicates(error)]
        db[COLLECTIONS[kind]].bulk_write(again, ordered=False)


def _version(record: Record, seq: int, *, upsert: bool) -> UpdateOne:
    """Return what replaces an older version of an object; its metadata, place and extra stay as stored."""
    body = dict(record.body)
    first = {"parent": record.parent, "position": record.position, "extra": encode(record.extra)}
    if "metadata" in body:
        first["body.metadata"] = encode(body.pop("metadata"))
    older = {"_id": record_id(record.kind, record.owner, record.id), "owner": record.owner, "seq": {"$lt": seq}}
    change = {"$set": {**assignments("body", body), "seq": seq}, "$setOnInsert": first}
    return UpdateOne(older, change, upsert=upsert)


def _writable(projection: Projection) -> Document:
    """Return the condition under which a run may be written (run protocol 7)."""
    return {"_id": projection.run.id, "epoch": projection.run.epoch, "active": True}


def _run_change(projection: Projection) -> Document:
    changes = assignments("body", projection.changes)
    if _ends(projection):
        changes["active"] = False
    if projection.due_at is not None:
        changes["due_at"] = projection.due_at
    if projection.state is not None:
        changes["state"] = encode(projection.state)
    change: Document = {"$max": {"last_seq": projection.last_seq}}
    return {**change, "$set": changes} if changes else change


def _ends(projection: Projection) -> bool:
    status = projection.changes.get("status")
    return status is not None and RunStatus(status) not in RUN_ACTIVE


def _duplicates(error: BulkWriteError) -> list[int]:
    """Return which writes of a bulk found their key taken; raises the error if anything else went wrong."""
    failed = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(one["code"] != DUPLICATE_KEY for one in failed):
        raise error
    return [one["index"] for one in failed]
