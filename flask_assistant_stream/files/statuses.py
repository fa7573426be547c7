"""What is known of vector stores and of the files that are being indexed in them, asked for as rarely as it can be.

A vector store's `extra` says whether its record is up to date: `changed` names the last change that this library
made in it, `settled` the change after which everything was found finished. While the two are the same, nobody is
asked. A change that comes while the storage is asked leaves them different, whatever the order of the writes.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

from ..errors import NotFound, RequestError, UpstreamError
from ..protocol.objects import Object
from ..storages.base import DELETING, Storage
from ..storages.vector_store_files import IN_PROGRESS, members
from ..stores.base import Kind, Record, Store
from .throttle import Throttle

logger = logging.getLogger(__name__)

ASK_SECONDS = 5.0
"""How long one read may ask after files that have become ready; the rest of them is asked for by the next."""

VOLATILE = ("usage_bytes", "file_counts", "status", "last_active_at", "expires_at")
"""What a vector store's indexing and use change of it; all else changes by `update` alone."""

GONE = {"code": "server_error", "message": "The file is not in the vector store any more."}


def unsettle(store: Store, owner: str, vector_store_id: str) -> None:
    """Note a change in a vector store, if it is still there, so that the next read asks."""
    try:
        store.update(Kind.VECTOR_STORE, owner, vector_store_id, extra=new_change())
    except NotFound:
        return


def new_change() -> Object:
    """Make the `extra` keys of a vector store that has changed."""
    return {"changed": secrets.token_hex(8)}


def is_settled(vector_store: Record) -> bool:
    """Say whether everything in a vector store was finished after its last change."""
    return bool(vector_store.extra.get("changed") == vector_store.extra.get("settled"))


class Statuses:
    """Keeps the records of vector stores up to date.

    Args:
        now: seconds since the epoch.
        clock: seconds, growing.
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

    def changed(self, owner: str, vector_store_id: str) -> None:
        """Note a change; the next read asks at once.

        Raises:
            NotFound: the vector store is gone, or on its way.
        """
        record = self._store.update(Kind.VECTOR_STORE, owner, vector_store_id, extra=new_change())
        if record.extra.get(DELETING):
            raise NotFound(f"Vector store {vector_store_id} is being deleted.")

    def refreshed(self, vector_store: Record, *, waiting: bool = False) -> Record:
        """Return a vector store as it is now, or as it was last known where it is not yet time to ask again.

        The records of its files are brought up to date as well. An upstream that fails is logged: what is known
        is returned.

        Args:
            waiting: a file in it is known to be unfinished.
        """
        if is_settled(vector_store) and not waiting and not self._may_have_expired(vector_store):
            return vector_store
        if not self._throttle.take(f"{vector_store.id} {vector_store.extra.get('changed')}"):  # a change asks at once
            return vector_store
        try:
            return self._ask(vector_store)
        except (UpstreamError, RequestError) as error:
            logger.warning("Vector store %s is shown as last known: %s", vector_store.id, error)
            return vector_store

    def alive(self, vector_store: Record) -> bool:
        """Say whether a vector store has not expired; asks only where its time may be over."""
        if self._may_have_expired(vector_store):
            vector_store = self.refreshed(vector_store)
        return bool(vector_store.body["status"] != "expired")

    def take_turn(self, key: str) -> bool:
        """Say whether it is time to ask after something else, such as a batch."""
        return self._throttle.take(key)

    def _may_have_expired(self, vector_store: Record) -> bool:
        """Say whether the time of a vector store is over: its use may have moved it on."""
        body = vector_store.body
        return body["status"] != "expired" and body.get("expires_at") is not None and body["expires_at"] <= self._now()

    def _ask(self, vector_store: Record) -> Record:
        owner, id, change = vector_store.owner, vector_store.id, vector_store.extra.get("changed")
        pending = [member for member in members(self._store, owner, id) if member.body["status"] == IN_PROGRESS]
        try:
            unfinished = self._storage.unfinished(owner, id) if pending else set()
            left = self._finish(owner, [m for m in pending if m.extra["file_id"] not in unfinished])
            waiting = len(unfinished.intersection(m.extra["file_id"] for m in pending)) + left
            if waiting == len(pending) > 0 and vector_store.extra.get("read") == change:
                return vector_store
            body = self._storage.read_vector_store(owner, id)
        except NotFound:
            return self._lost(vector_store, pending)
        settled = not waiting and not body["file_counts"]["in_progress"]
        extra = {"read": change, "settled": change if settled else ""}
        return self._write(vector_store, {key: body[key] for key in VOLATILE}, extra)

    def _finish(self, owner: str, ready: list[Record]) -> int:
        """Read the files that are not being indexed any more; return how many could not be read in time."""
        deadline, left = self._clock() + ASK_SECONDS, 0
        for number, member in enumerate(ready):
            if self._clock() > deadline:
                return left + len(ready) - number
            file_id = member.extra["file_id"]
            try:
                body = self._storage.read_attached(owner, member.parent, file_id)
            except NotFound:
                body = {"status": "failed", "last_error": GONE}
            if body["status"] == IN_PROGRESS:  # the list ran ahead of it
                left += 1
            else:
                self.write_member(member, body)
        return left

    def write_member(self, member: Record, body: Object) -> None:
        """Write what has become of a file in a vector store, if it is still there."""
        changes = {key: value for key, value in body.items() if key in ("status", "last_error", "usage_bytes")}
        try:
            self._store.update(Kind.VECTOR_STORE_FILE, member.owner, member.id, body=changes)
        except NotFound:
            return

    def _lost(self, vector_store: Record, pending: list[Record]) -> Record:
        """Note that the upstream has a vector store no more: nothing in it will ever be finished."""
        logger.warning("Vector store %s is not at the upstream any more.", vector_store.id)
        for member in pending:
            self.write_member(member, {"status": "failed", "last_error": GONE})
        counts = dict(vector_store.body["file_counts"])
        counts["failed"] += counts["in_progress"]
        counts["in_progress"] = 0
        change = vector_store.extra.get("changed")
        return self._write(
            vector_store, {"status": "expired", "file_counts": counts}, {"read": change, "settled": change}
        )

    def _write(self, vector_store: Record, body: Object, extra: Object) -> Record:
        try:
            return self._store.update(Kind.VECTOR_STORE, vector_store.owner, vector_store.id, body=body, extra=extra)
        except NotFound:  # deleted meanwhile
            return vector_store
