"""Store the beginning of a run in several writes; if one fails, the earlier ones are undone.

If the process dies in between, at most a run without events is left, which a sweep ends like any abandoned run. A
message never exists without its run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pymongo
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, DuplicateKeyError

from ...errors import Duplicate, StoreError, ThreadBusy
from ...loggers import logger_of
from ..base import TURN, Kind, Record, RunRecord, Start, already_exists, not_found, placed
from .connection import COLLECTIONS, LOG, RUNS, THREADS, Db
from .documents import Document, assignments, change_if, literal, row_to_document, to_document

logger = logger_of(__name__)

MESSAGES = COLLECTIONS[Kind.MESSAGE]
DUPLICATE_KEY = 11000
ATTEMPTS = 3
UNDO_SECONDS = 2.0

Undo = Callable[[], object]


class Beginning:
    """One start of a run; `undo` reverses `begin`. `position` is a new thread's, `expires_at` the first row's."""

    def __init__(self, db: Db, start: Start, position: int, expires_at: Any) -> None:
        self._db = db
        self._start = start
        self._position = position
        self._expires_at = expires_at
        self._undo: list[Undo] = []

    def begin(self) -> RunRecord:
        """Write the thread, the run, its messages and its first row, in this order."""
        start = self._start
        turn = self._use_thread() if start.thread is None else self._make_thread(start.thread)
        run = self._insert_run(replace(start.run, position=(turn + 1) * TURN))
        self._insert_messages(turn * TURN)
        self._insert_row()
        return run

    def undo(self) -> None:
        """Undo the writes, newest first; stops at the first failure, so that no message is left without its run."""
        try:
            with pymongo.timeout(UNDO_SECONDS):
                for undo in reversed(self._undo):
                    undo()
        except Exception as error:
            logger.warning("start not undone, a sweep will end the run: %s", type(error).__name__)

    def _make_thread(self, thread: Record) -> int:
        position = thread.position or self._position
        document = to_document(replace(thread, position=position, extra={**thread.extra, **self._start.touched}))
        document |= {"turns": 2, "begun": self._start.row.token}
        # Once another start has used the thread, this one must not delete it.
        mine = {"_id": thread.id, "turns": 2, "begun": self._start.row.token}
        self._insert(THREADS, document, mine, str(already_exists(thread.kind, thread.id)))
        return 1

    def _use_thread(self) -> int:
        run, touched = self._start.run, self._start.touched
        before = allot_turns(self._db, run.owner, run.parent, 2, touched)
        if touched:
            self._undo.append(lambda: _untouch(self._db, run.parent, touched, before))
        return int(before["turns"]) + 1

    def _insert_run(self, run: RunRecord) -> RunRecord:
        token = self._start.row.token
        # If the result of this insert is unknown, the existing run may be that of the same request elsewhere.
        mine = {"_id": run.id, "owner": run.owner, "parent": run.parent, "epoch": run.epoch, "begun": token}
        self._undo.append(lambda: self._db[RUNS].delete_one(mine))
        try:
            insert_run(self._db, run, begun=token)
        except (Duplicate, ThreadBusy):
            self._undo.pop()  # the existing run belongs to another start
            raise
        return run

    def _insert_messages(self, position: int) -> None:
        messages = [placed(message, position + number) for number, message in enumerate(self._start.messages)]
        if not messages:
            return
        # Only this start has the positions of the turn, so an older message is never deleted.
        mine = {
            "_id": {"$in": [message.id for message in messages]},
            "parent": self._start.run.parent,
            "position": {"$gte": position, "$lt": position + TURN},
        }
        self._undo.append(lambda: self._db[MESSAGES].delete_many(mine))
        try:
            self._db[MESSAGES].insert_many([to_document(message) for message in messages])
        except BulkWriteError as error:
            if any(failed["code"] == DUPLICATE_KEY for failed in error.details["writeErrors"]):
                raise Duplicate("A message with one of these ids already exists.") from None
            raise

    def _insert_row(self) -> None:
        row = self._start.row
        document = row_to_document(row, self._expires_at)
        mine = {"_id": document["_id"], "token": row.token}
        self._insert(LOG, document, mine, f"The log of run '{row.run_id}' already exists.")

    def _insert(self, collection: str, document: Document, mine: Document, duplicate: str) -> None:
        self._undo.append(lambda: self._db[collection].delete_one(mine))
        try:
            self._db[collection].insert_one(document)
        except DuplicateKeyError:
            self._undo.pop()
            raise Duplicate(duplicate) from None


def allot_turns(db: Db, owner: str, thread_id: str, turns: int, touched: Mapping[str, Any]) -> Document:
    """Reserve the next turns of an owner's thread, set keys of its `extra`, and return its document before that."""
    changes = {"turns": {"$add": ["$turns", turns]}, "extra": {"$mergeObjects": ["$extra", literal(touched)]}}
    before = db[THREADS].find_one_and_update(
        {"_id": thread_id},
        change_if({"$eq": ["$owner", literal(owner)]}, changes),
        projection={"owner": True, "turns": True, "extra": True},
        return_document=ReturnDocument.BEFORE,
    )
    if before is None or before["owner"] != owner:
        raise not_found(Kind.THREAD, thread_id)
    return before


def insert_run(db: Db, run: RunRecord, *, begun: str = "") -> None:
    """Insert a run, marked with the start that `begun` it; Duplicate or ThreadBusy as `Store.start`."""
    for _ in range(ATTEMPTS):
        try:
            db[RUNS].insert_one({**to_document(run), "begun": begun})
            return
        except DuplicateKeyError:
            if db[RUNS].find_one({"_id": run.id}, {"_id": True}):
                raise already_exists(run.kind, run.id) from None
            busy = db[RUNS].find_one({"parent": run.parent, "active": True}, {"_id": True})
            if busy is not None:
                raise ThreadBusy(run.parent, busy["_id"]) from None
    raise StoreError(f"Thread {run.parent} is used by many runs at once. Try again.")


def _untouch(db: Db, thread_id: str, touched: Mapping[str, Any], before: Document) -> None:
    """Restore keys of a thread, unless another start has used the thread or set them meanwhile."""
    ours, extra = assignments("extra", touched), before["extra"]
    old = {path: extra[path.removeprefix("extra.")] for path in ours if path.removeprefix("extra.") in extra}
    change: Document = {"$unset": dict.fromkeys(ours.keys() - old.keys(), "")} if ours.keys() - old.keys() else {}
    if old:
        change["$set"] = old
    db[THREADS].update_one({"_id": thread_id, "turns": before["turns"] + 2, **ours}, change)
