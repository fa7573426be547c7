"""Search of files in the app's own store: no key, no network. A file is read in the background, once it is uploaded.

It has no data of its own: it reads the records that `Files` and `VectorStores` write, writes the passages of the store,
and stores the result of reading in a file's record.
"""

# ruff: noqa: ARG002 (arguments that other storages need)

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ...errors import NotFound, RequestError, TooManySearches
from ...extraction.extract import ending
from ...extraction.extractor import TextExtractor
from ...loggers import logger_of
from ...per_process import PerProcess
from ...protocol import ids, objects
from ...protocol.objects import Object
from ...stores.base import Kind, Record, Store
from ...stores.capabilities import Blobs, FoundPassage, Passages
from ...turns import Turns
from .. import vector_store_files
from ..base import Storage, Upload
from ..vector_store_files import EXPIRES_AT, IN_PROGRESS, members
from .filters import matches
from .indexer import Indexer
from .pending import PendingFiles
from .reading import CODE, INDEXED, MESSAGE, NOTE, FileReading, status_of

logger = logger_of(__name__)

DAY = 86_400
TOUCH_SECONDS = 60
"""Maximum delay of the stored `last_active_at` of a vector store."""
LEASE_SECONDS = 15.0

DEFAULT_RESULTS = 10
PASSAGES_PER_RESULT = 5
"""Maximum of passages in a search result."""

SEARCHES = 2
"""Searches at once in a process, of different owners. More would not be faster: a search computes."""
WAITING_SEARCHES = 16
"""Requests of an owner that may wait; the next one is refused, because each holds a connection or a thread."""

SEARCHED = "assistants"
"""The purpose of files that are read when they are uploaded."""

Fields = Mapping[str, Any]


class LocalStorage(Storage):
    """Indexes and searches files in the app's store.

    Args:
        store: a `Store` that is also `Blobs` and `Passages`.
        shared: ids of the configured vector stores that runs of every owner search.
        now: seconds since the epoch.
        extractor: reads the files; by default in this process, while a file is uploaded or attached.
    """

    name = "offline"
    ask_seconds = 0.0
    indexes_kept_bytes = True

    def __init__(
        self,
        store: Store,
        *,
        shared: Sequence[str] = (),
        new_id: ids.NewId = ids.new_id,
        now: Callable[[], float] = time.time,
        extractor: TextExtractor | None = None,
    ) -> None:
        if not isinstance(store, Blobs) or not isinstance(store, Passages):
            raise TypeError(
                f"{type(store).__name__} cannot search: let it inherit from stores.Blobs and stores.Passages."
            )
        self._store = store
        self._blobs: Blobs = store
        self._passages: Passages = store
        self._shared = frozenset(shared)
        self._missed: set[str] = set()
        self._turns = PerProcess(lambda: Turns(SEARCHES, per_owner=1))
        self._new_id = new_id
        self._clock = now
        self.extract_with(extractor or TextExtractor(processes=0))

    def extract_with(self, extractor: TextExtractor, lease_seconds: float = LEASE_SECONDS) -> None:
        """Let another extractor read the files; before the first call.

        Args:
            lease_seconds: how long a worker may be silent before another worker reads its files.
        """
        self._pending = PendingFiles(self._store, lease_seconds)
        self._extractor = extractor
        self._at_once = not extractor.processes
        self.searchable = extractor.searchable
        self._reading = FileReading(self._store, self._blobs, self._passages, extractor, self._pending)
        read = self._reading.read_claimed
        self._indexer = Indexer(self._pending, read, threads=extractor.processes, lease_seconds=lease_seconds)

    def look(self) -> None:
        if not self._at_once:
            self._indexer.look()

    def stop(self) -> None:
        if not self._at_once:
            self._indexer.stop(self._extractor.stop)

    # -- files --------------------------------------------------------------------------------------------

    def create_file(self, owner: str, upload: Upload) -> Object:
        """Build the object of a file, and let it wait to be read; its bytes are in the store already."""
        id = self._new_id(ids.FILE)
        read = upload.purpose == SEARCHED and ending(upload.filename) in self.searchable
        if read and not self._at_once:  # before the record, so that no crash between them leaves it unread
            self._pending.add(owner, id)
        status = "uploaded" if read else "processed"
        now, after = self._now(), upload.expires_after
        expires_at = now + after["seconds"] if after else None  # `Files` deletes it then
        return objects.file(id, now, upload.filename, upload.size, upload.purpose, status=status, expires_at=expires_at)

    def file_stored(self, record: Record) -> Record:
        if record.body["status"] != "uploaded":
            return record
        if self._at_once:
            return self._reading.read(record)
        self._indexer.wake()
        return record

    def delete_file(self, owner: str, file_id: str) -> None:
        self._pending.remove(file_id)
        self._passages.delete_passages(owner, file_id)

    # -- vector stores ------------------------------------------------------------------------------------

    def create_vector_store(self, owner: str, fields: Fields) -> Object:
        now = self._now()
        body = objects.vector_store(
            self._new_id(ids.VECTOR_STORE),
            now,
            fields.get("name"),
            description=fields.get("description"),
            expires_after=fields.get("expires_after"),
            metadata=fields.get("metadata"),
        )
        return {**body, "expires_at": _expires_at(body["expires_after"], now)}

    def read_vector_store(self, owner: str, vector_store_id: str) -> Object:
        body = self._get(Kind.VECTOR_STORE, owner, vector_store_id).body
        counts: dict[str, int] = {}
        size = 0
        for indexed in self._statuses(owner, members(self._store, owner, vector_store_id)):
            counts[indexed["status"]] = counts.get(indexed["status"], 0) + 1
            size += indexed["usage_bytes"]
        status = "expired" if self._expired(body) else "in_progress" if counts.get("in_progress") else "completed"
        return {**body, "file_counts": objects.file_counts(counts), "usage_bytes": size, "status": status}

    def update_vector_store(self, owner: str, vector_store_id: str, fields: Fields) -> Object:
        """Return the changed vector store; the caller stores it."""
        body = {**self._get(Kind.VECTOR_STORE, owner, vector_store_id).body, "last_active_at": self._now()}
        if "name" in fields:
            body["name"] = fields["name"] or ""
        if "metadata" in fields:
            body["metadata"] = dict(fields["metadata"] or {})
        if "expires_after" in fields:
            body["expires_after"] = fields["expires_after"]
        body["expires_at"] = _expires_at(body["expires_after"], body["last_active_at"])
        return body

    def delete_vector_store(self, owner: str, vector_store_id: str) -> None:
        """Do nothing: a vector store consists of its records."""

    def search(self, owner: str, vector_store_id: str, query: str, options: Fields) -> list[Object]:
        """Return a result for each file with its best passages, the best file first."""
        threshold = (options.get("ranking_options") or {}).get("score_threshold") or 0.0
        limit = options.get("max_num_results") or DEFAULT_RESULTS
        vector_store = self._get(Kind.VECTOR_STORE, owner, vector_store_id)
        turns = self._turns.get()
        if turns.waiting_of(owner) >= WAITING_SEARCHES:
            raise TooManySearches("Too many searches of yours wait for their turn. Try again in a moment.")
        with turns.turn(owner):
            files = self._searchable_members(vector_store, options.get("filters"))
            hits = self._passages.search_passages(owner, list(files), query, limit * PASSAGES_PER_RESULT)
        results: dict[str, Object] = {}
        for passage in hits:
            if passage.score < threshold:
                continue
            result = results.setdefault(passage.file_id, _result(files[passage.file_id], passage))
            if len(result["content"]) < PASSAGES_PER_RESULT:
                result["content"].append({"type": "text", "text": passage.text})
        return list(results.values())[:limit]

    def find(self, owner: str, vector_store_ids: Sequence[str], query: str, limit: int) -> list[Object]:
        with self._turns.get().turn(owner):
            return self._find(owner, vector_store_ids, query, limit)

    def _find(self, owner: str, vector_store_ids: Sequence[str], query: str, limit: int) -> list[Object]:
        hits: list[tuple[str, Object]] = []
        seen: set[tuple[str, int]] = set()
        for holder, files in self._by_owner(owner, vector_store_ids).items():
            for passage in self._passages.search_passages(holder, list(files), query, limit):
                if (passage.file_id, passage.number) not in seen:
                    seen.add((passage.file_id, passage.number))
                    filename = files[passage.file_id].extra["filename"]
                    hit = {"file_id": passage.file_id, "filename": filename, "score": passage.score}
                    hits.append((holder, {**hit, "text": passage.text}))
        best = sorted(hits, key=lambda hit: -hit[1]["score"])[:limit]
        read = {
            holder: self._store.get_many(Kind.FILE, holder, [hit["file_id"] for its, hit in best if its == holder])
            for holder in dict(best)
        }
        return [_noted(hit, read[holder].get(hit["file_id"])) for holder, hit in best]

    # -- files in vector stores -----------------------------------------------------------------------------

    def attach(self, owner: str, vector_store_id: str, file_id: str, fields: Fields) -> Object:
        """Let a file wait to be read, unless it is read already."""
        vector_store = self._get(Kind.VECTOR_STORE, owner, vector_store_id)
        if self._expired(vector_store.body):
            raise RequestError(f"Vector store '{vector_store_id}' has expired.")
        self._touch(vector_store)
        body = objects.vector_store_file(
            file_id,
            self._now(),
            vector_store_id,
            chunking_strategy=_shown_strategy(fields.get("chunking_strategy")),
            attributes=fields.get("attributes"),
        )
        return {**body, **self._index(owner, file_id)}

    def read_attached(self, owner: str, vector_store_id: str, file_id: str) -> Object:
        member = vector_store_files.get(self._store, owner, vector_store_id, file_id)
        return {**vector_store_files.member_object(member), **self._statuses(owner, [member])[0]}

    def update_attached(self, owner: str, vector_store_id: str, file_id: str, attributes: Fields) -> Object:
        """Return the file with its new attributes; the caller stores it."""
        return {**self.read_attached(owner, vector_store_id, file_id), "attributes": dict(attributes)}

    def detach(self, owner: str, vector_store_id: str, file_id: str) -> None:
        """Do nothing: the caller deletes the record; other vector stores may need the passages."""

    def attached_content(self, owner: str, vector_store_id: str, file_id: str) -> list[Object]:
        return [{"type": "text", "text": text} for text in self._passages.read_passages(owner, file_id)]

    # -- batches --------------------------------------------------------------------------------------------

    def attach_batch(self, owner: str, vector_store_id: str, files: Sequence[Fields]) -> Object:
        """Let files wait to be read."""
        counts: dict[str, int] = {}
        for file in files:
            status = self.attach(owner, vector_store_id, file["file_id"], file)["status"]
            counts[status] = counts.get(status, 0) + 1
        return objects.files_batch(self._new_id(ids.FILE_BATCH), self._now(), vector_store_id, counts)

    def read_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        batch = self._get(Kind.FILE_BATCH, owner, batch_id).body
        if batch["status"] != IN_PROGRESS:
            return batch
        return _counted(batch, [each["status"] for each in self._statuses(owner, self._of_batch(owner, batch))])

    def cancel_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        """Cancel the files of a batch that are not indexed yet; they stay files, and are read as such."""
        batch = self._get(Kind.FILE_BATCH, owner, batch_id).body
        if batch["status"] != IN_PROGRESS:
            return batch
        statuses, attached = [], self._of_batch(owner, batch)
        for member, indexed in zip(attached, self._statuses(owner, attached), strict=True):
            status = indexed["status"]
            if status == IN_PROGRESS:
                status = "cancelled"
                with suppress(NotFound):
                    self._store.update(member.kind, owner, member.id, body={"status": status})
            statuses.append(status)
        counted = _counted(batch, statuses)
        return {**counted, "status": "cancelled"} if "cancelled" in statuses else counted

    # -- parts ------------------------------------------------------------------------------------------------

    def _get(self, kind: Kind, owner: str, id: str) -> Record:
        return self._store.get(kind, owner, id)

    def _now(self) -> int:
        return int(self._clock())

    def _expired(self, vector_store: Object) -> bool:
        expires_at = vector_store["expires_at"]
        return expires_at is not None and expires_at <= self._clock()

    def _touch(self, vector_store: Record) -> None:
        """Store that a vector store is used, at most every `TOUCH_SECONDS`."""
        now = self._now()
        body = vector_store.body
        if now - (body["last_active_at"] or 0) < TOUCH_SECONDS:
            return
        changes = {"last_active_at": now, "expires_at": _expires_at(body["expires_after"], now)}
        with suppress(NotFound):
            self._store.update(Kind.VECTOR_STORE, vector_store.owner, vector_store.id, body=changes)

    def _searchable_members(self, vector_store: Record, filters: Any = None) -> dict[str, Record]:
        """Return the members that pass the filters, by file id; none if the vector store has expired."""
        matches(filters, {})  # rejects an invalid filter also if the vector store is empty
        if self._expired(vector_store.body):
            return {}
        self._touch(vector_store)
        return {
            member.extra["file_id"]: member
            for member in members(self._store, vector_store.owner, vector_store.id)
            if member.body["status"] in ("completed", "in_progress")
            and member.extra.get(EXPIRES_AT, math.inf) > self._clock()
            and matches(filters, member.body.get("attributes") or {})
        }

    def _by_owner(self, owner: str, vector_store_ids: Sequence[str]) -> dict[str, dict[str, Record]]:
        """Return the files in vector stores by the owner of their records and by id.

        A shared vector store may belong to any owner, because the configuration names it. Any other must belong to the
        run's owner.
        """
        files: dict[str, dict[str, Record]] = {}
        for id in dict.fromkeys(vector_store_ids):
            holder = self._passages.owner_of(Kind.VECTOR_STORE, id) if id in self._shared else owner
            if holder is None:
                self._warn_missing(id)
                continue
            vector_store = self._store.find(Kind.VECTOR_STORE, holder, id)
            if vector_store is not None:
                files.setdefault(holder, {}).update(self._searchable_members(vector_store))
        return files

    def _warn_missing(self, vector_store_id: str) -> None:
        """Log a configured vector store that is not in the app's store, once."""
        if vector_store_id not in self._missed:
            self._missed.add(vector_store_id)
            logger.warning("vector store %s is not searched: it is not in the app's store", vector_store_id)

    def _of_batch(self, owner: str, batch: Object) -> list[Record]:
        """Return the members that a batch has attached."""
        attached = members(self._store, owner, batch["vector_store_id"])
        return [member for member in attached if member.extra.get("batch_id") == batch["id"]]

    def _statuses(self, owner: str, attached: Sequence[Record]) -> list[Object]:
        """Return status, size and error of each of these files in vector stores."""
        unread = [member.extra["file_id"] for member in attached if member.body["status"] == IN_PROGRESS]
        files = self._store.get_many(Kind.FILE, owner, unread) if unread else {}
        return [_index_status(member.body, files.get(member.extra["file_id"])) for member in attached]

    def _index(self, owner: str, file_id: str) -> Object:
        """Let a file wait to be read unless it is read already; return status, size and error."""
        file = self._get(Kind.FILE, owner, file_id)
        if not file.extra.get(INDEXED):
            if self._at_once:
                return status_of(self._reading.read(file).extra)
            self._pending.add(owner, file_id)
            self._indexer.wake()
        return status_of(file.extra)


def _counted(batch: Object, statuses: Sequence[str]) -> Object:
    """Return a batch with the current statuses of its files."""
    counts = {status: statuses.count(status) for status in {*statuses}}
    body = objects.files_batch(batch["id"], batch["created_at"], batch["vector_store_id"], counts)
    return {**batch, "status": body["status"], "file_counts": body["file_counts"]}


def _result(member: Record, passage: FoundPassage) -> Object:
    attributes = member.body.get("attributes") or {}
    file = {"file_id": passage.file_id, "filename": member.extra["filename"]}
    return {**file, "score": passage.score, "attributes": attributes, "content": []}


def _index_status(body: Object, file: Record | None) -> Object:
    """Return status, size and error of a file in a vector store; `file` is read only while it is in progress."""
    if body["status"] != IN_PROGRESS:
        return {key: body[key] for key in ("status", "usage_bytes", "last_error")}
    if file is None:
        return status_of({INDEXED: True, CODE: "server_error", MESSAGE: "The file is deleted."})
    return status_of(file.extra)


def _noted(hit: Object, file: Record | None) -> Object:
    """Add what is missing from the text of a file to its passage."""
    note = "" if file is None else str(file.extra.get(NOTE) or "")
    return {**hit, "note": note} if note else hit


def _expires_at(expires_after: Fields | None, last_active_at: int) -> int | None:
    return last_active_at + expires_after["days"] * DAY if expires_after else None


def _shown_strategy(requested: Fields | None) -> Fields | None:
    """Return a static strategy as requested, although passages are always cut the same way."""
    return requested if requested and requested.get("type") == "static" else None
