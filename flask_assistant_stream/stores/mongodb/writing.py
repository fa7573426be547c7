"""Log rows and projections of many runs in a few bulk writes.

Each update finds its document by `_id` (an upsert also by `parent`, which chooses the shard) and checks its conditions
in the update itself: five hundred updates are five hundred look-ups, whatever the server's query planner does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from ...protocol.run_states import RUN_ACTIVE, RunStatus
from ..base import AppendResult, Kind, Projection, Record, Row
from .connection import COLLECTIONS, LOG, RUNS, Db
from .documents import Document, change_if, encode, literal, record_id, row_id, row_to_document
from .starting import DUPLICATE_KEY


def existing_runs(db: Db, ids: Iterable[str]) -> set[str]:
    """Return which of these runs exist and are not being deleted."""
    run_ids = [*ids]
    documents = db[RUNS].find({"_id": {"$in": run_ids}}, {"deleted": True}, batch_size=len(run_ids))
    return {document["_id"] for document in documents if not document.get("deleted")}


def append_rows(db: Db, rows: Sequence[Row], expires_at: datetime) -> list[AppendResult]:
    """Append rows to the log; those of deleted runs are refused."""
    if not rows:
        return []
    there = existing_runs(db, {row.run_id for row in rows})
    wanted = [row for row in rows if row.run_id in there]
    taken = {(wanted[n].run_id, wanted[n].first) for n in _insert_rows(db, wanted, expires_at)}
    tokens = _tokens(db, taken)
    return [
        AppendResult.STORED
        if row.run_id in there and tokens.get(row_id(row.run_id, row.first), row.token) == row.token
        else AppendResult.REFUSED
        for row in rows
    ]


def _insert_rows(db: Db, rows: Sequence[Row], expires_at: datetime) -> list[int]:
    """Insert rows and return the indexes of those whose place is taken."""
    if not rows:
        return []
    try:
        db[LOG].insert_many([row_to_document(row, expires_at) for row in rows], ordered=False)
    except BulkWriteError as error:
        return _duplicates(error)
    return []


def _tokens(db: Db, places: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Return the tokens of the rows in some places, by row id."""
    ids = [row_id(run_id, first) for run_id, first in places]
    documents = db[LOG].find({"_id": {"$in": ids}}, {"token": True}) if ids else ()
    return {document["_id"]: document["token"] for document in documents}


def apply_projections(db: Db, projections: Sequence[Projection], expires_at: datetime) -> None:
    """Write the messages and steps, then the expiry of the logs of ended runs, then the runs.

    The expiry comes first: if the worker dies in between, the run is still active, and its takeover sets it again.
    """
    for kind in (Kind.MESSAGE, Kind.RUN_STEP):
        _apply_objects(db, kind, projections)
    ended = [projection.run.id for projection in projections if _ends(projection)]
    if ended:
        db[LOG].update_many({"run_id": {"$in": ended}}, {"$set": {"expires_at": expires_at}})
    runs = [_run_change(projection) for projection in projections]
    if runs:
        db[RUNS].bulk_write(runs)


def _apply_objects(db: Db, kind: Kind, projections: Sequence[Projection]) -> None:
    versions = [
        (record, seq)
        for projection in projections
        for record, seq in zip(projection.objects, projection.seqs, strict=True)
        if record.kind is kind
    ]
    if not versions:
        return
    updates = [_version(*version) for version in versions]
    try:
        db[COLLECTIONS[kind]].bulk_write(updates, ordered=False)
    except BulkWriteError as error:  # another worker has inserted one at the same moment
        db[COLLECTIONS[kind]].bulk_write([updates[n] for n in _duplicates(error)], ordered=False)


def _version(record: Record, seq: int) -> UpdateOne:
    """Return the upsert of an object, which replaces only an older version and keeps metadata, place and `extra`."""
    owner = literal(record.owner)
    place = {"owner": record.owner, "parent": record.parent, "position": record.position, "extra": encode(record.extra)}
    newer = [{"$lt": [{"$ifNull": ["$seq", -1]}, seq]}, {"$eq": [{"$ifNull": ["$owner", owner]}, owner]}]
    kept = {"$cond": [{"$eq": [{"$type": "$body.metadata"}, "missing"]}, {}, {"metadata": "$body.metadata"}]}
    body = {"$mergeObjects": [literal(record.body), kept]}
    version = {"$mergeObjects": [{"$literal": place}, "$$ROOT", {"seq": seq, "body": body}]}
    query = {"_id": record_id(record.kind, record.owner, record.id), "parent": record.parent}
    return UpdateOne(query, change_if({"$and": newer}, version), upsert=True)


def _run_change(projection: Projection) -> UpdateOne:
    """Return the update of an active run with the writer's epoch (`spec/run-protocol.md#epochs`)."""
    run = projection.run
    writable = {"$and": [{"$eq": ["$epoch", run.epoch]}, "$active"]}
    changes: Document = {
        "last_seq": {"$max": ["$last_seq", projection.last_seq]},
        "body": {"$mergeObjects": ["$body", literal(projection.changes)]},
    }
    if _ends(projection):
        changes["active"] = False
    if projection.due_at is not None:
        changes["due_at"] = {"$cond": ["$cancel_requested", "$due_at", projection.due_at]}
    if projection.state is not None:
        changes["state"] = literal(projection.state)
    return UpdateOne({"_id": run.id}, change_if(writable, changes))


def _ends(projection: Projection) -> bool:
    status = projection.changes.get("status")
    return status is not None and RunStatus(status) not in RUN_ACTIVE


def _duplicates(error: BulkWriteError) -> list[int]:
    """Return the indexes of writes whose key is taken; raise the error if anything else failed."""
    failed = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(write["code"] != DUPLICATE_KEY for write in failed):
        raise error
    return [write["index"] for write in failed]
