"""Changes of threads: their turns, their revision, their lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo import UpdateOne

from ...errors import NotFound, StoreError, ThreadBusy
from ..base import Kind, ThreadRecord, not_found
from ..lines import Line, Lines, active_line
from ..rules import with_line
from .documents import Document, change_if, encode, literal, merged, to_thread
from .runs import active_run
from .schema import THREADS, Db

NO_CHANGES: Mapping[str, Any] = {}
ATTEMPTS = 10
"""Attempts to change lines that others change at the same time."""


def get_thread(db: Db, owner: str, id: str) -> ThreadRecord:
    """Return an owner's thread; NotFound if there is none."""
    document = db[THREADS].find_one({"_id": id})
    if document is None or document["owner"] != owner:
        raise not_found(Kind.THREAD, id)
    return to_thread(document)


def take_turns(
    db: Db, owner: str, id: str, turns: int, *, revises: bool = True, touched: Mapping[str, Any] = NO_CHANGES
) -> ThreadRecord:
    """Reserve the next turns of a thread, raise its revision, set keys of its `extra`, and return it before that."""
    changes: Document = {"turns": {"$add": ["$turns", turns]}}
    if revises:
        changes |= _REVISED
    if touched:
        changes["extra"] = merged("$extra", touched)
    before = db[THREADS].find_one_and_update({"_id": id}, change_if(_owned(owner), changes))
    if before is None or before["owner"] != owner:
        raise not_found(Kind.THREAD, id)
    return to_thread(before)


def raise_revisions(db: Db, threads: Iterable[tuple[str, str]]) -> None:
    """Raise the revision of threads, given by owner and id."""
    updates = [UpdateOne({"_id": id}, change_if(_owned(owner), _REVISED)) for owner, id in threads]
    if updates:
        db[THREADS].bulk_write(updates, ordered=False)


def set_lines(db: Db, owner: str, id: str, lines: Lines, *, before: Lines) -> bool:
    """Set the lines of a thread and raise its revision; False if they are not those of `before`."""
    same = {"_id": id, "owner": owner, "lines": encode(before) or None}
    change: Document = {"$set": {"lines": encode(lines)}} if lines else {"$unset": {"lines": ""}}
    return bool(db[THREADS].update_one(same, {**change, "$inc": {"revision": 1}}).matched_count)


def remove_line(db: Db, owner: str, id: str, number: int) -> None:
    """Take the newest line, on which no other begins, from a thread that has it."""
    for _ in range(ATTEMPTS):
        try:
            before = get_thread(db, owner, id).lines
        except NotFound:  # deleted meanwhile, with its lines
            return
        lines = tuple(line for line in before if line.number != number)
        if lines == before or set_lines(db, owner, id, () if lines == (Line(0),) else lines, before=before):
            return
    raise StoreError(f"The lines of thread {id} change all the time.")


def switch_line(db: Db, owner: str, id: str, line: int) -> ThreadRecord:
    """Make a line the active one, as `Store.switch` does.

    No transaction spans the thread and its runs. So this looks for an active run before and after it sets the line, and
    sets the line of such a run again; a start looks at the line after it has inserted its run. Whichever comes second
    sees the other.
    """
    thread = get_thread(db, owner, id)
    with_line(thread, line)
    busy = active_run(db, id)
    if busy is not None:
        raise ThreadBusy(id, busy["_id"])
    before, put = thread.lines, thread.lines
    for _ in range(ATTEMPTS):
        # A run on a line that does not exist is that of a fork, which fails unless it has seen the lines as they are.
        known = {each.number for each in thread.lines}
        used = line if busy is None else busy.get("line", 0)
        target = used if used in known else line
        if active_line(thread.lines) == target:
            if busy is not None and target != line:
                raise ThreadBusy(id, busy["_id"])
            return thread
        back = thread.lines == put and active_line(before) == target
        lines = before if back else with_line(thread, target).lines
        if set_lines(db, owner, id, lines, before=thread.lines):
            before, put = thread.lines, lines
        busy = active_run(db, id)
        thread = get_thread(db, owner, id)
    raise StoreError(f"Thread {id} is switched and continued at once, again and again. Try again.")


def _owned(owner: str) -> Document:
    return {"$eq": ["$owner", literal(owner)]}


_REVISED: Document = {"revision": {"$add": [{"$ifNull": ["$revision", 0]}, 1]}}
