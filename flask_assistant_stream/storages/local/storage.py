"""Search of files in the app's own store: no key, no network. A file is indexed while it is attached.

It has no data of its own: it reads the records that `Files` and `VectorStores` write, writes the passages of the store,
and stores the result of indexing in `extra` of a file's record.
"""

# ruff: noqa: ARG002 (arguments that other storages need)

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from ...errors import NotFound, RequestError, StoreError
from ...extraction.extract import SEARCHABLE, extract_text
from ...loggers import logger_of
from ...protocol import ids, objects
from ...protocol.objects import Object
from ...stores.base import Kind, Record, Store
from ...stores.capabilities import Blobs, FoundPassage, Passages
from ...threads import run_blocking
from .. import vector_store_files
from ..base import BLOB, DELETING, Storage, Upload
from ..vector_store_files import members
from . import passages
from .filters import matches

logger = logger_of(__name__)

DAY = 86_400
TOUCH_SECONDS = 60
"""Maximum delay of the stored `last_active_at` of a vector store."""
MEMORY_BYTES = 1 << 20
"""Maximum of a file in memory while it is indexed; a larger one is on disk."""

DEFAULT_RESULTS = 10
PASSAGES_PER_RESULT = 5
"""Maximum of passages in a search result."""

INDEXED, CODE, MESSAGE, BYTES = "indexed", "index_code", "index_message", "index_bytes"
"""The `extra` keys of a file: whether it is indexed, code and message of its error, and the size of its text."""

Fields = Mapping[str, Any]


class LocalStorage(Storage):
    """Indexes and searches files in the app's store.

    Args:
        store: a `Store` that is also `Blobs` and `Passages`.
        shared: ids of the configured vector stores that runs of every owner search.
        now: seconds since the epoch.
    """

    name = "offline"
    searchable = SEARCHABLE
    ask_seconds = 0.0
    indexes_kept_bytes = True

    def __init__(
        self,
        store: Store,
        *,
        shared: Sequence[str] = (),
        new_id: ids.NewId = ids.new_id,
        now: Callable[[], float] = time.time,
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
        self._new_id = new_id
        self._clock = now

    # -- files --------------------------------------------------------------------------------------------

    def create_file(self, owner: str, upload: Upload) -> Object:
        """Build the object of a file; its bytes are in the store already."""
        if upload.expires_after is not None:  # nothing here deletes expired files
            raise RequestError("Files do not expire here: leave 'expires_after' out.", param="expires_after")
        return objects.file(self._new_id(ids.FILE), self._now(), upload.filename, upload.size, upload.purpose)

    def delete_file(self, owner: str, file_id: str) -> None:
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
        for member in members(self._store, owner, vector_store_id):
            indexed = self._index_status(member)
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
        files = self._searchable_members(vector_store, options.get("filters"))
        results: dict[str, Object] = {}
        for passage in self._passages.search_passages(owner, list(files), query, limit * PASSAGES_PER_RESULT):
            if passage.score < threshold:
                continue
            result = results.setdefault(passage.file_id, _result(files[passage.file_id], passage))
            if len(result["content"]) < PASSAGES_PER_RESULT:
                result["content"].append({"type": "text", "text": passage.text})
        return list(results.values())[:limit]

    def find(self, owner: str, vector_store_ids: Sequence[str], query: str, limit: int) -> list[Object]:
        hits: list[Object] = []
        seen: set[tuple[str, int]] = set()
        for holder, files in self._by_owner(owner, vector_store_ids).items():
            for passage in self._passages.search_passages(holder, list(files), query, limit):
                if (passage.file_id, passage.number) not in seen:
                    seen.add((passage.file_id, passage.number))
                    filename = files[passage.file_id].extra["filename"]
                    hit = {"file_id": passage.file_id, "filename": filename, "score": passage.score}
                    hits.append({**hit, "text": passage.text})
        return sorted(hits, key=lambda hit: -hit["score"])[:limit]

    # -- files in vector stores -----------------------------------------------------------------------------

    def attach(self, owner: str, vector_store_id: str, file_id: str, fields: Fields) -> Object:
        """Index a file unless it is indexed already."""
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
        return {**vector_store_files.member_object(member), **self._index_status(member)}

    def update_attached(self, owner: str, vector_store_id: str, file_id: str, attributes: Fields) -> Object:
        """Return the file with its new attributes; the caller stores it."""
        return {**self.read_attached(owner, vector_store_id, file_id), "attributes": dict(attributes)}

    def detach(self, owner: str, vector_store_id: str, file_id: str) -> None:
        """Do nothing: the caller deletes the record; other vector stores may need the passages."""

    def attached_content(self, owner: str, vector_store_id: str, file_id: str) -> list[Object]:
        return [{"type": "text", "text": text} for text in self._passages.read_passages(owner, file_id)]

    # -- batches --------------------------------------------------------------------------------------------

    def attach_batch(self, owner: str, vector_store_id: str, files: Sequence[Fields]) -> Object:
        """Index files one after the other."""
        counts: dict[str, int] = {}
        for file in files:
            status = self.attach(owner, vector_store_id, file["file_id"], file)["status"]
            counts[status] = counts.get(status, 0) + 1
        return objects.files_batch(self._new_id(ids.FILE_BATCH), self._now(), vector_store_id, counts)

    def read_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        """Return the stored batch: it was finished when it was created."""
        return self._get(Kind.FILE_BATCH, owner, batch_id).body

    def cancel_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        """Return the stored batch: nothing of it is unfinished."""
        return self.read_batch(owner, vector_store_id, batch_id)

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
            with suppress(NotFound):
                vector_store = self._get(Kind.VECTOR_STORE, holder, id)
                files.setdefault(holder, {}).update(self._searchable_members(vector_store))
        return files

    def _warn_missing(self, vector_store_id: str) -> None:
        """Log a configured vector store that is not in the app's store, once."""
        if vector_store_id not in self._missed:
            self._missed.add(vector_store_id)
            logger.warning("vector store %s is not searched: it is not in the app's store", vector_store_id)

    def _index_status(self, member: Record) -> Object:
        """Return status, size and error of a file in a vector store."""
        body = member.body
        if body["status"] != "in_progress":
            return {key: body[key] for key in ("status", "usage_bytes", "last_error")}
        try:
            return _status(self._get(Kind.FILE, member.owner, member.extra["file_id"]).extra)
        except NotFound:
            return _status({CODE: "server_error", MESSAGE: "The file is deleted."})

    def _index(self, owner: str, file_id: str) -> Object:
        """Index a file unless it is indexed already; return status, size and error."""
        file = self._get(Kind.FILE, owner, file_id)
        if file.extra.get(INDEXED):
            return _status(file.extra)
        extra: Object = {INDEXED: True}
        try:
            texts = self._texts(file)
            self._passages.write_passages(owner, file_id, texts)
            extra[BYTES] = sum(len(text.encode()) for text in texts)
        except StoreError:
            raise
        except RequestError as error:
            extra[CODE] = "unsupported_file" if error.code == "unsupported_file" else "invalid_file"
            extra[MESSAGE] = error.message
        except Exception as error:  # of a library that reads files; its text may quote the file
            logger.error("text of file %s could not be read: %s", file_id, type(error).__name__)
            return _status({CODE: "server_error", MESSAGE: "The text of the file could not be read. Try again."})
        self._store_result(owner, file_id, extra)
        return _status(extra)

    def _store_result(self, owner: str, file_id: str, extra: Object) -> None:
        """Store the result of indexing; delete the passages of a file that was deleted meanwhile."""
        try:
            deleted = self._store.update(Kind.FILE, owner, file_id, extra=extra).extra.get(DELETING)
        except NotFound:
            deleted = True
        if deleted:
            self._passages.delete_passages(owner, file_id)
            raise NotFound(f"No file found with id '{file_id}'.")

    def _texts(self, file: Record) -> list[str]:
        try:
            chunks = self._blobs.read_blob(file.owner, file.extra.get(BLOB) or "")
        except NotFound:
            raise RequestError("The bytes of the file are gone. Upload it again.") from None
        with SpooledTemporaryFile(MEMORY_BYTES) as content:
            for chunk in chunks:
                content.write(chunk)
            content.seek(0)
            return run_blocking(_cut, file.body["filename"], content)


def _cut(filename: str, content: object) -> list[str]:
    return passages.cut(extract_text(filename, cast(BinaryIO, content)).text)


def _status(extra: Fields) -> Object:
    """Return the fields of a `vector_store.file` for a result of indexing."""
    if extra.get(CODE):
        error = {"code": extra[CODE], "message": extra[MESSAGE]}
        return {"status": "failed", "usage_bytes": 0, "last_error": error}
    return {"status": "completed", "usage_bytes": extra.get(BYTES, 0), "last_error": None}


def _result(member: Record, passage: FoundPassage) -> Object:
    attributes = member.body.get("attributes") or {}
    file = {"file_id": passage.file_id, "filename": member.extra["filename"]}
    return {**file, "score": passage.score, "attributes": attributes, "content": []}


def _expires_at(expires_after: Fields | None, last_active_at: int) -> int | None:
    return last_active_at + expires_after["days"] * DAY if expires_after else None


def _shown_strategy(requested: Fields | None) -> Fields | None:
    """Return a static strategy as requested, although passages are always cut the same way."""
    return requested if requested and requested.get("type") == "static" else None
