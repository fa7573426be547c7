"""Changes of runs, each a condition and its changes in one update."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from ...errors import StoreError, ThreadBusy
from ...protocol.run_states import RunStatus
from ..base import RunRecord, already_exists
from ..rules import Due, RunUpdate, renewal
from .documents import Document, change_if, literal, merged, to_document, to_run
from .schema import RUNS, Db

ATTEMPTS = 3


def update_run(db: Db, owner: str, update: RunUpdate) -> RunRecord | None:
    """Change an owner's run, and return it as it is then; None if the update does not allow it."""
    allowed = {"_id": update.run_id, "owner": owner, "$expr": _condition(update)}
    changed = db[RUNS].find_one_and_update(allowed, _change(update), return_document=ReturnDocument.AFTER)
    return None if changed is None else to_run(changed)


def update_runs(db: Db, updates: Iterable[RunUpdate]) -> None:
    """Change the runs whose update allows it."""
    changes = [UpdateOne({"_id": update.run_id}, _change(update)) for update in updates]
    if changes:
        db[RUNS].bulk_write(changes, ordered=False)


def renew_runs(db: Db, runs: Iterable[tuple[str, int]], due_at: float) -> None:
    """Extend the leases of runs, given by id and epoch: one write for all of an epoch, whose change is the same."""
    by_epoch: dict[int, list[str]] = {}
    for run_id, epoch in runs:
        by_epoch.setdefault(epoch, []).append(run_id)
    for epoch, ids in by_epoch.items():
        db[RUNS].update_many({"_id": {"$in": ids}}, _change(renewal(ids[0], epoch, due_at)))


def _condition(update: RunUpdate) -> Document:
    """Return `RunUpdate.allowed` as an expression for the server."""
    conditions: list[Any] = ["$active"]
    if update.epoch is not None:
        conditions.append({"$eq": ["$epoch", update.epoch]})
    if update.status is not None:
        conditions.append({"$eq": ["$body.status", literal(update.status)]})
    if update.due_until is not None:
        conditions.append({"$lte": ["$due_at", update.due_until]})
    if update.held:
        conditions += [{"$not": ["$cancel_requested"]}, {"$ne": ["$body.status", RunStatus.REQUIRES_ACTION.value]}]
    return {"$and": conditions}


def _change(update: RunUpdate) -> list[Document]:
    """Return `RunUpdate.applied` as an update by the server, of a run that allows it."""
    changes: Document = {}
    if update.claims:
        changes["epoch"] = {"$add": ["$epoch", 1]}
    if update.due_at is not None:
        changes["due_at"] = {
            Due.AT: update.due_at,
            Due.AT_MOST: {"$min": ["$due_at", update.due_at]},
            Due.UNLESS_CANCELLED: {"$cond": ["$cancel_requested", "$due_at", update.due_at]},
        }[update.due]
    if update.cancels:
        changes["cancel_requested"] = True
    if update.last_seq:
        changes["last_seq"] = {"$max": ["$last_seq", update.last_seq]}
    if update.state is not None:
        changes["state"] = literal(update.state)
    if update.ends:
        changes["active"] = False
    for name, values in (("body", update.body), ("extra", update.extra)):
        if values:
            changes[name] = merged(f"${name}", values)
    return change_if(_condition(update), changes)


def insert_run(db: Db, run: RunRecord, *, begun: str = "") -> None:
    """Insert a run, marked with the start that `begun` it; Duplicate or ThreadBusy as `Store.start`."""
    for _ in range(ATTEMPTS):
        try:
            db[RUNS].insert_one({**to_document(run), "begun": begun})
            return
        except DuplicateKeyError:
            if db[RUNS].find_one({"_id": run.id}, {"_id": True}):
                raise already_exists(run.kind, run.id) from None
            busy = active_run(db, run.parent)
            if busy is not None:
                raise ThreadBusy(run.parent, busy["_id"]) from None
    raise StoreError(f"Thread {run.parent} is used by many runs at once. Try again.")


def active_run(db: Db, thread_id: str) -> Document | None:
    """Return `_id` and line of the active run of a thread."""
    return db[RUNS].find_one({"parent": thread_id, "active": True}, {"line": True})
