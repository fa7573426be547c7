"""The lock of migrations: a document with the time until which its owner has it, on the server's clock."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from ...errors import StoreError
from ...per_process import ProcessThreads
from .documents import Document

LOCK = "migration"
LEASE = timedelta(seconds=20)
"""How long the lock of a killed process stays."""
WAIT_SECONDS = 30.0
"""How long a call waits for another one that migrates: longer than `LEASE`."""
POLL_SECONDS = 0.1


@contextmanager
def migrating(meta: Collection[Document]) -> Iterator[None]:
    """Hold the lock; it stays held however long the block takes.

    Raises:
        StoreError: another process has held it for `WAIT_SECONDS`.
    """
    owner = secrets.token_hex(8)
    deadline = time.monotonic() + WAIT_SECONDS
    while not _acquire(meta, owner):
        if time.monotonic() > deadline:
            raise still_migrating()
        time.sleep(POLL_SECONDS)
    renewal = ProcessThreads(lambda: {"migration": partial(_renew_until, meta, owner)})
    renewal.wake()
    try:
        yield
    finally:
        renewal.stop()
        meta.delete_one({"_id": LOCK, "owner": owner})


def still_migrating() -> StoreError:
    """Return the error for a call that has waited for a migration in vain."""
    return StoreError(
        f"Another process has been migrating the MongoDB database for {WAIT_SECONDS:g} seconds. "
        "Try again when it has finished."
    )


def _acquire(meta: Collection[Document], owner: str) -> bool:
    now = _now(meta)
    meta.delete_one({"_id": LOCK, "until": {"$lte": now}})
    try:
        meta.insert_one({"_id": LOCK, "owner": owner, "until": now + LEASE})
    except DuplicateKeyError:
        return False
    return True


def _renew_until(meta: Collection[Document], owner: str, stopped: threading.Event) -> None:
    while not stopped.wait(LEASE.total_seconds() / 4):
        try:
            meta.update_one({"_id": LOCK, "owner": owner}, {"$set": {"until": _now(meta) + LEASE}})
        except PyMongoError:  # if it fails until the lease ends, two processes do the same step, which is harmless
            continue


def _now(meta: Collection[Document]) -> datetime:
    now: datetime = meta.database.client.admin.command("hello")["localTime"]
    return now
