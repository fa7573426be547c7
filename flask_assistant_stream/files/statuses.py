"""The stored statuses of vector stores and their files, kept current with as few storage requests as possible.

Two keys in a vector store's `extra` say whether its record is current: `changed` names the last change by this library,
`settled` the change after which all files were finished. While both are equal, no request is sent. A change during a
request leaves them different, in whatever order the writes arrive.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

from ..errors import NotFound, RequestError, UpstreamError
from ..loggers import logger_of
from ..per_process import PerProcess
from ..protocol.objects import Object
from ..storages.base import DELETING, Storage
from ..storages.vector_store_files import IN_PROGRESS, members
from ..stores.base import Kind, Record, Store

logger = logger_of(__name__)

READ_SECONDS = 5.0
"""How long one refresh may read files that have become ready; the next refresh reads the rest."""
MAX_KEYS = 10_000

VOLATILE = ("usage_bytes", "file_counts", "status", "last_active_at", "expires_at")
"""The fields of a vector store that indexing and use change; the others change by `update` alone."""

GONE = {"code": "server_error", "message": "The file is not in the vector store any more."}


def new_change() -> Object:
    """Return the `extra` keys of a vector store that has changed, so that the next refresh sends a request."""
    return {"changed": secrets.token_hex(8)}


def is_settled(vector_store: Record) -> bool:
    """Return whether all files in a vector store were finished after its last change."""
    return bool(vector_store.extra.get("changed") == vector_store.extra.get("settled"))


def unknown_vector_store(vector_store_id: str, param: str | None = None) -> NotFound:
    """Return the error for a vector store that does not exist, or is another owner's."""
    return NotFound(f"No vector store found with id '{vector_store_id}'.", param=param)


class StatusRefresher:
    """Refreshes the records of vector stores and of the files in them.

    Args:
        now: seconds since the epoch.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        storage: Storage,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._storage = storage
        self._now = now
        self._clock = clock
        self._throttle = Throttle(storage.ask_seconds, clock)

    def mark_changed(self, vector_store: Record) -> None:
        """Record a change; the next refresh sends a request at once.

        Raises:
            NotFound: the vector store was deleted, or is being deleted.
        """
        try:
            owner, id = vector_store.owner, vector_store.id
            record = self._store.update(Kind.VECTOR_STORE, owner, id, extra=new_change())
        except NotFound:
            raise unknown_vector_store(vector_store.id) from None
        if record.extra.get(DELETING):
            raise unknown_vector_store(vector_store.id)

    def refresh(self, vector_store: Record, *, waiting: bool = False) -> Record:
        """Return the current record of a vector store, or the last known one if it is too early for a request.

        The records of its files are refreshed as well. If the upstream fails, the failure is logged and the last known
        record returned.

        Args:
            waiting: a file in it is known to be unfinished.
        """
        if is_settled(vector_store) and not waiting and not self._may_have_expired(vector_store):
            return vector_store
        # The key names the change: after a new one, no caller waits for the interval of the last one.
        if not self.is_due(f"{vector_store.id} {vector_store.extra.get('changed')}"):
            return vector_store
        try:
            return self._read(vector_store)
        except (UpstreamError, RequestError) as error:
            logger.warning("vector store %s not read, last known status used: %s", vector_store.id, error)
            return vector_store

    def is_alive(self, vector_store: Record) -> bool:
        """Return whether a vector store has not expired; send a request only if its recorded expiry has passed."""
        if self._may_have_expired(vector_store):
            vector_store = self.refresh(vector_store)
        return bool(vector_store.body["status"] != "expired")

    def is_due(self, key: str) -> bool:
        """Return whether a request about `key` is due; if so, start its next interval."""
        return self._throttle.take(key)

    def write_member(self, member: Record, body: Object) -> None:
        """Write the result of indexing a file, if it is still in the vector store."""
        changes = {key: value for key, value in body.items() if key in ("status", "last_error", "usage_bytes")}
        try:
            self._store.update(Kind.VECTOR_STORE_FILE, member.owner, member.id, body=changes)
        except NotFound:
            return

    def _may_have_expired(self, vector_store: Record) -> bool:
        """Return whether the recorded expiry has passed; use may have moved the real one."""
        body = vector_store.body
        return body["status"] != "expired" and body.get("expires_at") is not None and body["expires_at"] <= self._now()

    def _read(self, vector_store: Record) -> Record:
        owner, id, change = vector_store.owner, vector_store.id, vector_store.extra.get("changed")
        pending = [member for member in members(self._store, owner, id) if member.body["status"] == IN_PROGRESS]
        try:
            unfinished = self._storage.unfinished(owner, id) if pending else set()
            unread = self._read_finished(owner, [m for m in pending if m.extra["file_id"] not in unfinished])
            waiting = len(unfinished.intersection(m.extra["file_id"] for m in pending)) + unread
            if waiting == len(pending) > 0 and vector_store.extra.get("read") == change:
                return vector_store
            body = self._storage.read_vector_store(owner, id)
        except NotFound:
            return self._write_lost(vector_store, pending)
        settled = not waiting and not body["file_counts"]["in_progress"]
        extra = {"read": change, "settled": change if settled else ""}
        return self._write(vector_store, {key: body[key] for key in VOLATILE}, extra)

    def _read_finished(self, owner: str, finished: list[Record]) -> int:
        """Read the files that are no longer being indexed; return how many were not read in time."""
        deadline, unread = self._clock() + READ_SECONDS, 0
        for number, member in enumerate(finished):
            if self._clock() > deadline:
                return unread + len(finished) - number
            file_id = member.extra["file_id"]
            try:
                body = self._storage.read_attached(owner, member.parent, file_id)
            except NotFound:
                body = {"status": "failed", "last_error": GONE}
            if body["status"] == IN_PROGRESS:  # the upstream's list was ahead of the file
                unread += 1
            else:
                self.write_member(member, body)
        return unread

    def _write_lost(self, vector_store: Record, pending: list[Record]) -> Record:
        """Write that the upstream has lost a vector store: its unfinished files have failed."""
        logger.warning("vector store %s lost by the upstream", vector_store.id)
        for member in pending:
            self.write_member(member, {"status": "failed", "last_error": GONE})
        counts = dict(vector_store.body["file_counts"])
        counts["failed"] += counts["in_progress"]
        counts["in_progress"] = 0
        change = vector_store.extra.get("changed")
        body, extra = {"status": "expired", "file_counts": counts}, {"read": change, "settled": change}
        return self._write(vector_store, body, extra)

    def _write(self, vector_store: Record, body: Object, extra: Object) -> Record:
        try:
            return self._store.update(Kind.VECTOR_STORE, vector_store.owner, vector_store.id, body=body, extra=extra)
        except NotFound:  # deleted meanwhile
            return vector_store


class Throttle:
    """Allows an action once per interval and key, in each process.

    Args:
        seconds: the interval.
        clock: monotonic seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._taken: dict[str, float] = {}
        self._lock = PerProcess(threading.Lock)

    def take(self, key: str) -> bool:
        """Return whether the action is due; if so, start the next interval."""
        with self._lock.get():
            now = self._clock()
            last = self._taken.pop(key, None)
            if last is not None and now - last < self._seconds:
                self._taken[key] = last
                return False
            self._taken[key] = now  # at the end: the first key is the oldest
            while len(self._taken) > MAX_KEYS:
                self._taken.pop(next(iter(self._taken)))
            return True
