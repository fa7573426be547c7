"""Log rows and projections of many runs in a few bulk writes.

Each update finds its document by `_id` (an upsert also by `parent`, which chooses the shard) and checks its conditions
in the update itself: five hundred updates are five hundred look-ups, whatever the server's query planner does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from ..base import AppendResult, Kind, Projection, Record, Row
from ..rules import append_result, changed_threads, projected_run
from .documents import change_if, literal, record_id, row_id, row_to_document, to_document
from .runs import update_runs
from .schema import COLLECTIONS, LOG, RUNS, Db
from .starting import DUPLICATE_KEY
from .threads import raise_revisions


def existing_runs(db: Db, ids: Iterable[str]) -> set[str]:
    """Return which of these runs exist and are not being deleted."""
    run_ids = [*ids]
    # With room for one more, the first batch is known to be the last.
    documents = db[RUNS].find({"_id": {"$in": run_ids}}, {"deleted": True}, batch_size=len(run_ids) + 1)
    return {document["_id"] for document in documents if not document.get("deleted")}


def append_rows(db: Db, rows: Sequence[Row], expires_at: datetime) -> list[AppendResult]:
    """Append rows to the log; those of deleted runs are refused."""
    if not rows:
        return []
    there = existing_runs(db, {row.run_id for row in rows})
    wanted = [row for row in rows if row.run_id in there]
    taken = {(wanted[n].run_id, wanted[n].first) for n in _insert_rows(db, wanted, expires_at)}
    tokens = _tokens(db, taken)
    own = {row_id(row.run_id, row.first): row.token for row in wanted}
    stored = own | tokens
    return [append_result(row, stored.get(row_id(row.run_id, row.first))) for row in rows]


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
    """Write the messages and steps, the revisions of their threads, the expiry of ended logs, then the runs.

    The runs come last: if the worker dies in between, they are still active, and their takeovers do all of it again.
    """
    for kind in (Kind.MESSAGE, Kind.RUN_STEP):
        _apply_objects(db, kind, projections)
    ended = [projection.run for projection in projections if projected_run(projection).ends]
    # A start raises the revision before its messages only; whoever read in between notices at the latest here.
    raise_revisions(db, changed_threads(projections) | {(run.owner, run.parent) for run in ended})
    if ended:
        db[LOG].update_many({"run_id": {"$in": [run.id for run in ended]}}, {"$set": {"expires_at": expires_at}})
    update_runs(db, [projected_run(projection) for projection in projections])


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
    """Return the upsert of an object, which the server evaluates as `rules.projected_object` does."""
    new = {"$eq": [{"$type": "$owner"}, "missing"]}
    newer = {"$and": [{"$lt": ["$seq", seq]}, {"$eq": ["$owner", literal(record.owner)]}]}
    kept = {"$cond": [{"$eq": [{"$type": "$body.metadata"}, "missing"]}, {}, {"metadata": "$body.metadata"}]}
    first = {"$literal": {**to_document(record), "seq": seq}}
    version = {"seq": seq, "body": {"$mergeObjects": [literal(record.body), kept]}}
    changes = {"$cond": [new, first, version]}
    query = {"_id": record_id(record.kind, record.owner, record.id), "parent": record.parent}
    return UpdateOne(query, change_if({"$or": [new, newer]}, changes), upsert=True)


def _duplicates(error: BulkWriteError) -> list[int]:
    """Return the indexes of writes whose key is taken; raise the error if anything else failed."""
    failed = error.details["writeErrors"]
    if error.details.get("writeConcernErrors") or any(write["code"] != DUPLICATE_KEY for write in failed):
        raise error
    return [write["index"] for write in failed]
