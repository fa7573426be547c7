"""The vector stores of owners. Only its owner may use one, except those that the configuration shares with all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import NotFound, RequestError
from ..protocol.objects import Object
from ..storages import vector_store_files
from ..storages.base import DELETING, Storage
from ..storages.vector_store_files import members
from ..stores.base import Kind, Order, Record, Store
from .files import Files
from .rollback import Rollback
from .statuses import StatusRefresher, is_settled, new_change, unknown_vector_store
from .vector_store_files import VectorStoreFiles, options_of

CREATED_FOR = "made_for"
"""The `extra` key that says what a vector store was created for, such as `thread`."""
STORAGE = "storage"
"""The `extra` key that names the storage that created the vector store; the configuration may name another one now."""
TAKEN_OVER = "taken_over"
"""The `extra` key that names another storage that has indexed the files as well."""

CREATE_FIELDS = ("name", "description", "expires_after", "metadata")
UPDATE_FIELDS = ("name", "expires_after", "metadata")
SEARCH_FIELDS = ("max_num_results", "filters", "ranking_options", "rewrite_query")


class VectorStores:
    """Creates, reads, searches and deletes the vector stores of owners.

    Args:
        store: holds the records.
        storage: indexes and searches the files.
        shared: ids from the configuration; every owner may search these, no owner may change them.
        now: seconds since the epoch.
        clock: monotonic seconds.

    Attributes:
        files: the files in vector stores.
    """

    def __init__(
        self,
        store: Store,
        storage: Storage,
        files: Files,
        *,
        shared: Sequence[str] = (),
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.shared = tuple(shared)
        self._store = store
        self._storage = storage
        self._owner_files = files
        self._refresher = StatusRefresher(store, storage, now=now, clock=clock)
        self.files = VectorStoreFiles(store, storage, files, self._refresher)

    def create(self, owner: str, fields: Mapping[str, Any], *, created_for: str | None = None) -> Record:
        """Create a vector store with files and return its record; if a step fails, nothing of it remains.

        Args:
            fields: the body of `POST /vector_stores`: `file_ids`, `name`, `description`, `expires_after`,
                `chunking_strategy`, `metadata`; null counts as absent.
            created_for: see `CREATED_FOR`.

        Raises:
            NotFound: a file is unknown.
            RequestError: a file cannot be searched.
        """
        files = self._owner_files.check_searchable(owner, fields.get("file_ids") or (), "file_ids")
        with Rollback() as rollback:
            body = self._storage.create_vector_store(owner, _only(fields, CREATE_FIELDS))
            id = body["id"]
            rollback.add(f"vector store {id} in the storage", lambda: self._storage.delete_vector_store(owner, id))
            rollback.add(f"records of {id}", lambda: vector_store_files.drop(self._store, Kind.VECTOR_STORE, owner, id))
            extra = {STORAGE: self._storage.name, **({} if created_for is None else {CREATED_FOR: created_for})}
            vector_store = self._store.insert(Record(Kind.VECTOR_STORE, owner, body, extra=extra))
            if not files:
                return vector_store
            options = options_of({"chunking_strategy": fields.get("chunking_strategy")})
            if len(files) == 1:
                self.files.attach_file(vector_store, files[0], options)
            else:
                self.files.attach_batch(vector_store, files, {file.id: options for file in files}, "file_ids")
            return self._refresher.refresh(self.record(owner, id))  # attaching has changed it

    def page(
        self,
        owner: str,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
    ) -> tuple[list[Object], bool]:
        """Return some of an owner's vector stores and whether there are more.

        Raises:
            NotFound: a cursor is not in this list.
        """
        try:
            page = self._store.list(Kind.VECTOR_STORE, owner, limit=limit, order=order, after=after, before=before)
        except NotFound:
            cursor, param = (after, "after") if after is not None else (before, "before")
            raise unknown_vector_store(str(cursor), param) from None
        return [self._refresher.refresh(record).body for record in page.records], page.has_more

    def get(self, owner: str, vector_store_id: str) -> Object:
        """Return a vector store.

        Raises:
            NotFound: it is unknown, or another owner's.
        """
        record = self.record(owner, vector_store_id)
        return self._refresher.refresh(self.indexed_here(record) or record).body

    def update(self, owner: str, vector_store_id: str, fields: Mapping[str, Any]) -> Object:
        """Change `name`, `expires_after`, `metadata` of a vector store and return it.

        Raises:
            NotFound: as `get`.
        """
        self.record(owner, vector_store_id)
        updates = {key: fields[key] for key in UPDATE_FIELDS if key in fields}
        body = self._storage.update_vector_store(owner, vector_store_id, updates)
        changes = {key: body[key] for key in (*UPDATE_FIELDS, "expires_at", "last_active_at")}
        try:
            return self._store.update(Kind.VECTOR_STORE, owner, vector_store_id, body=changes).body
        except NotFound:
            raise unknown_vector_store(vector_store_id) from None

    def delete(self, owner: str, vector_store_id: str) -> None:
        """Delete a vector store; its files stay.

        Raises:
            NotFound: as `get`.
        """
        try:
            self._store.update(Kind.VECTOR_STORE, owner, vector_store_id, extra={DELETING: True})
        except NotFound:
            raise unknown_vector_store(vector_store_id) from None
        self._storage.delete_vector_store(owner, vector_store_id)
        vector_store_files.drop(self._store, Kind.VECTOR_STORE, owner, vector_store_id)

    def search(self, owner: str, vector_store_id: str, fields: Mapping[str, Any]) -> list[Object]:
        """Return the search results from a vector store of the owner; shared ones are not searched here.

        Args:
            fields: the body of `POST /vector_stores/{id}/search`; several queries are joined into one.

        Raises:
            NotFound: as `get`.
        """
        self.indexed_here(self.record(owner, vector_store_id))
        query = fields["query"]
        text = query if isinstance(query, str) else " ".join(query)
        return self._storage.search(owner, vector_store_id, text, _only(fields, SEARCH_FIELDS))

    def check(self, owner: str, ids: Iterable[str], param: str) -> None:
        """Reject vector stores that are neither the owner's nor shared.

        Raises:
            NotFound: one is not; `param` names the field.
        """
        for id in dict.fromkeys(ids):
            if id not in self.shared:
                self.record(owner, id, param)

    def record(self, owner: str, vector_store_id: str, param: str | None = None) -> Record:
        """Return the record of an owner's vector store.

        Raises:
            NotFound: it is unknown, or another owner's; the error is the same.
        """
        record = self.find(owner, vector_store_id)
        if record is None:
            raise unknown_vector_store(vector_store_id, param)
        return record

    # -- for `ToolResources` ----------------------------------------------------------------------------------

    def find(self, owner: str, vector_store_id: str) -> Record | None:
        """Return the record of an owner's vector store, or None if there is none."""
        return self._store.find(Kind.VECTOR_STORE, owner, vector_store_id)

    def is_usable(self, vector_store: Record) -> bool:
        """Return whether files can be attached to a vector store and searched: it is indexed here and not expired."""
        indexed = self.indexed_here(vector_store)
        return indexed is not None and self._refresher.is_alive(indexed)

    def is_lost(self, vector_store: Record) -> bool:
        """Return whether the storage no longer has a vector store that our store knows."""
        try:
            self._storage.read_vector_store(vector_store.owner, vector_store.id)
        except NotFound:
            return True
        return False

    def is_indexing(self, vector_store: Record) -> bool:
        """Return whether a file in a vector store is still being indexed."""
        return not is_settled(self._refresher.refresh(vector_store))

    def indexed_here(self, vector_store: Record) -> Record | None:
        """Return a vector store if the configured storage has it, or can index its stored bytes now; None otherwise."""
        extra, name = vector_store.extra, self._storage.name
        if name in (extra.get(STORAGE, name), extra.get(TAKEN_OVER)):
            return vector_store
        if not self._storage.indexes_kept_bytes or not self._refresher.is_alive(vector_store):
            return None
        return self._take_over(vector_store)

    def _take_over(self, vector_store: Record) -> Record:
        """Index all files of a vector store from their stored bytes; a second worker would write the same."""
        owner, id = vector_store.owner, vector_store.id
        for member in members(self._store, owner, id):
            try:
                body = self._storage.attach(owner, id, member.extra["file_id"], {})
            except RequestError as error:  # the file is gone
                body = {"status": "failed", "last_error": {"code": "server_error", "message": error.message}}
            self._refresher.write_member(member, body)
        extra = {TAKEN_OVER: self._storage.name, **new_change()}
        return self._store.update(Kind.VECTOR_STORE, owner, id, extra=extra)


def _only(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: fields[name] for name in names if fields.get(name) is not None}
