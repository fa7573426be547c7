"""Store the beginning of a run in several writes; if one fails, the earlier ones are undone.

If the process dies in between, at most a run without events is left, which a sweep ends like any abandoned run. A
message never exists without its run, and a line that a start begins is not the active one before it has its messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import pymongo
from pymongo.errors import BulkWriteError, DuplicateKeyError

from ...errors import Duplicate, StoreError, ThreadBusy
from ...loggers import logger_of
from ..base import Record, RunRecord, Start, ThreadRecord, already_exists
from ..lines import active_line
from ..rules import START_TURNS, PlacedStart, begin, new_thread
from .documents import Document, assignments, row_to_document, to_document
from .runs import insert_run
from .schema import LOG, MESSAGES, RUNS, THREADS, Db
from .threads import get_thread, raise_revisions, remove_line, set_lines, take_turns

logger = logger_of(__name__)

DUPLICATE_KEY = 11000
ATTEMPTS = 5
"""Starts on a thread whose lines change meanwhile."""
UNDO_SECONDS = 2.0

Undo = Callable[[], object]


def start_run(db: Db, start: Start, position: int, expires_at: datetime) -> RunRecord:
    """Store the beginning of a run as `Store.start` does; `position` is a new thread's, `expires_at` the row's."""
    for _ in range(ATTEMPTS):
        writes = _Writes(db, start, position, expires_at)
        try:
            return writes.write()
        except _LinesChanged:
            if not writes.undo():
                break
        except BaseException:
            writes.undo()
            raise
    raise StoreError(f"Thread {start.run.parent} is switched between its lines meanwhile. Try again.")


class _LinesChanged(Exception):
    """Somebody has switched the line of the thread since the start has read it."""


class _Writes:
    """The writes of one attempt; `undo` reverses `write`."""

    def __init__(self, db: Db, start: Start, position: int, expires_at: datetime) -> None:
        self._db = db
        self._start = start
        self._position = position
        self._expires_at = expires_at
        self._undo: list[Undo] = []

    def write(self) -> RunRecord:
        """Write thread, run, messages, lines and first row, in this order."""
        start = self._start
        if start.thread is not None:
            new = self._make_thread(start.thread)
            self._insert_run(new.run)
            self._insert_messages(new.messages)
            self._insert_row()
            return new.run
        before = self._take_turns()
        there = begin(before, start)
        self._insert_run(there.run)
        if before.lines and start.fork is None:
            self._check_line(there.run)
        self._insert_messages(there.messages)
        if start.fork is not None:
            self._set_lines(before, there.thread)
        self._insert_row()
        return there.run

    def undo(self) -> bool:
        """Undo the writes, newest first; stop at the first failure, so that no message is left without its run."""
        try:
            with pymongo.timeout(UNDO_SECONDS):
                for undo in reversed(self._undo):
                    undo()
        except Exception as error:
            logger.warning("start not undone, a sweep will end the run: %s", type(error).__name__)
            return False
        return True

    def _make_thread(self, thread: Record) -> PlacedStart:
        there = begin(new_thread(thread, self._position), self._start)
        token = self._start.row.token
        # Once another start has used the thread, this one must not delete it.
        mine = {"_id": thread.id, "turns": there.thread.turns, "begun": token}
        document = {**to_document(there.thread), "begun": token}
        self._insert(THREADS, document, mine, str(already_exists(thread.kind, thread.id)))
        return there

    def _take_turns(self) -> ThreadRecord:
        run, touched = self._start.run, self._start.touched
        before = take_turns(self._db, run.owner, run.parent, START_TURNS, touched=touched)
        if touched:
            self._undo.append(lambda: self._untouch(before))
        return before

    def _untouch(self, before: ThreadRecord) -> None:
        """Restore keys of the thread, unless another start has used the thread or set them meanwhile."""
        ours = assignments("extra", self._start.touched)
        old = assignments("extra", {key: before.extra[key] for key in self._start.touched if key in before.extra})
        change: Document = {"$unset": dict.fromkeys(ours.keys() - old.keys(), "")} if ours.keys() - old.keys() else {}
        if old:
            change["$set"] = old
        self._db[THREADS].update_one({"_id": before.id, "turns": before.turns + START_TURNS, **ours}, change)

    def _insert_run(self, run: RunRecord) -> None:
        token = self._start.row.token
        # If the result of this insert is unknown, the existing run may be that of the same request elsewhere.
        mine = {"_id": run.id, "owner": run.owner, "parent": run.parent, "epoch": run.epoch, "begun": token}
        self._undo.append(lambda: self._db[RUNS].delete_one(mine))
        try:
            insert_run(self._db, run, begun=token)
        except (Duplicate, ThreadBusy):
            self._undo.pop()  # the existing run belongs to another start
            raise

    def _check_line(self, run: RunRecord) -> None:
        """Look at the lines again now that the run keeps others from switching (`threads.switch_line`)."""
        if active_line(get_thread(self._db, run.owner, run.parent).lines) != run.line:
            raise _LinesChanged

    def _insert_messages(self, messages: Sequence[Record]) -> None:
        if not messages:
            return
        # Only this start has the positions of the turn, so an older message is never deleted.
        positions = {"$gte": messages[0].position, "$lte": messages[-1].position}
        run = self._start.run
        mine = {"_id": {"$in": [message.id for message in messages]}, "parent": run.parent, "position": positions}
        # A reader may have seen them: the revision grows again when they are gone.
        self._undo.append(lambda: raise_revisions(self._db, [(run.owner, run.parent)]))
        self._undo.append(lambda: self._db[MESSAGES].delete_many(mine))
        try:
            self._db[MESSAGES].insert_many([to_document(message) for message in messages])
        except BulkWriteError as error:
            if any(failed["code"] == DUPLICATE_KEY for failed in error.details["writeErrors"]):
                raise Duplicate("A message with one of these ids already exists.") from None
            raise

    def _set_lines(self, before: ThreadRecord, after: ThreadRecord) -> None:
        place = (self._db, before.owner, before.id)
        self._undo.append(lambda: remove_line(*place, active_line(after.lines)))
        if not set_lines(*place, after.lines, before=before.lines):
            raise _LinesChanged

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
