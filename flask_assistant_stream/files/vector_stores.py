"""The vector stores of owners, and who may use one: its owner, or everybody where the configuration shares it."""

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
from .attached import AttachedFiles, unknown_vector_store
from .files import Files
from .statuses import Statuses, is_settled, new_change
from .undo import Undo

MADE_FOR = "made_for"
"""The `extra` key that says what a vector store was made for, such as `thread`."""
STORAGE = "storage"
"""The `extra` key that names the storage that has it: another one, after a change of the configuration, does not."""
TAKEN_OVER = "taken_over"
"""The `extra` key that names the storage which has indexed its files since, too."""

CREATED = ("name", "description", "expires_after", "metadata")
UPDATED = ("name", "expires_after", "metadata")
SEARCHED = ("max_num_results", "filters", "ranking_options", "rewrite_query")


class VectorStores(AttachedFiles):
    """Keeps the vector stores of every owner, and the files in them.

    Args:
        store: where their records are.
        storage: where they are searched.
        shared: ids from the configuration, usable by everybody, changed by nobody.
        now: seconds since the epoch.
        clock: seconds, growing.
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
        super().__init__(store, storage, files, Statuses(store, storage, now=now, clock=clock))
        self.shared = tuple(shared)

    def create(self, owner: str, fields: Mapping[str, Any], *, made_for: str | None = None) -> Object:
        """Make a vector store, put files into it, and return it; where a step fails, nothing of it stays anywhere.

        Args:
            fields: the body of `POST /vector_stores`: `file_ids`, `name`, `description`, `expires_after`,
                `chunking_strategy`, `metadata`; null is as good as left out.
            made_for: see `MADE_FOR`.

        Raises:
            NotFound: a file is not the owner's.
            RequestError: a file cannot be searched.
        """
        file_ids = list(dict.fromkeys(fields.get("file_ids") or ()))
        self._files.check_searchable(owner, file_ids, "file_ids")
        with Undo() as undo:
            body = self.storage.create_vector_store(owner, _given(fields, CREATED))
            id = body["id"]
            undo.add(f"vector store {id} in the storage", lambda: self.storage.delete_vector_store(owner, id))
            undo.add(f"records of {id}", lambda: vector_store_files.drop(self._store, Kind.VECTOR_STORE, owner, id))
            extra = {STORAGE: self.storage.name, **({} if made_for is None else {MADE_FOR: made_for})}
            body = self._store.insert(Record(Kind.VECTOR_STORE, owner, body, extra=extra)).body
            options = {"chunking_strategy": fields.get("chunking_strategy")}
            if len(file_ids) == 1:
                self.attach(owner, id, {"file_id": file_ids[0], **options})
            elif file_ids:
                self.create_batch(owner, id, {"file_ids": file_ids, **options})
            return self.get(owner, id) if file_ids else body

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
            NotFound: a cursor is none of them.
        """
        try:
            page = self._store.list(Kind.VECTOR_STORE, owner, limit=limit, order=order, after=after, before=before)
        except NotFound:
            cursor, param = (after, "after") if after is not None else (before, "before")
            raise unknown_vector_store(str(cursor), param) from None
        return [self._statuses.refreshed(record).body for record in page.records], page.has_more

    def get(self, owner: str, vector_store_id: str) -> Object:
        """Return a vector store.

        Raises:
            NotFound: unknown, or another owner's.
        """
        record = self._record(owner, vector_store_id)
        if not self._here(record):
            return self._statuses.refreshed(record).body
        return self._statuses.refreshed(self._record(owner, vector_store_id)).body

    def update(self, owner: str, vector_store_id: str, fields: Mapping[str, Any]) -> Object:
        """Change `name`, `expires_after`, `metadata` of a vector store and return it.

        Raises:
            NotFound: as `get`.
        """
        self._record(owner, vector_store_id)
        given = {key: fields[key] for key in UPDATED if key in fields}
        body = self.storage.update_vector_store(owner, vector_store_id, given)
        changes = {key: body[key] for key in (*UPDATED, "expires_at", "last_active_at")}
        try:
            return self._store.update(Kind.VECTOR_STORE, owner, vector_store_id, body=changes).body
        except NotFound:
            raise unknown_vector_store(vector_store_id) from None

    def delete(self, owner: str, vector_store_id: str) -> None:
        """Delete a vector store; its files stay.

        Raises:
            NotFound: as `get`.
        """
        self._record(owner, vector_store_id)
        self._store.update(Kind.VECTOR_STORE, owner, vector_store_id, extra={DELETING: True})
        self.storage.delete_vector_store(owner, vector_store_id)
        vector_store_files.drop(self._store, Kind.VECTOR_STORE, owner, vector_store_id)

    def search(self, owner: str, vector_store_id: str, fields: Mapping[str, Any]) -> list[Object]:
        """Return what a search in a vector store of the owner's finds; not in a shared one.

        Args:
            fields: the body of `POST /vector_stores/{id}/search`; several queries are asked as one.

        Raises:
            NotFound: as `get`.
        """
        self._here(self._record(owner, vector_store_id))
        query = fields["query"]
        text = query if isinstance(query, str) else " ".join(query)
        return self.storage.search(owner, vector_store_id, text, _given(fields, SEARCHED))

    def check(self, owner: str, ids: Iterable[str], param: str) -> None:
        """Make sure that all of these vector stores may be used by the owner.

        Raises:
            NotFound: one is neither the owner's nor shared; `param` names the field.
        """
        for id in dict.fromkeys(ids):
            if id not in self.shared:
                self._record(owner, id, param)

    # -- for `ToolResources` ----------------------------------------------------------------------------------

    def made_for(self, owner: str, vector_store_id: str) -> str | None:
        """Return what a vector store of the owner's was made for; None where it is nothing, or not there."""
        try:
            return self._record(owner, vector_store_id).extra.get(MADE_FOR)
        except NotFound:
            return None

    def is_here(self, owner: str, vector_store_id: str) -> bool:
        """Say whether a vector store is the owner's, and in the storage that is used now, which may take it over."""
        try:
            return self._here(self._record(owner, vector_store_id))
        except NotFound:
            return False

    def usable(self, owner: str, vector_store_id: str) -> bool:
        """Say whether a vector store `is_here` and has not expired: files can be put into it and searched."""
        try:
            return self.is_here(owner, vector_store_id) and self._statuses.alive(self._record(owner, vector_store_id))
        except NotFound:
            return False

    def statuses(self, owner: str, vector_store_id: str) -> list[Record]:
        """Return the records of all files in a vector store of the owner's, up to date, the oldest first."""
        self._statuses.refreshed(self._record(owner, vector_store_id))
        return members(self._store, owner, vector_store_id)

    def indexing(self, owner: str, vector_store_id: str) -> bool:
        """Say whether anything in a vector store of the owner's is still being indexed."""
        try:
            return not is_settled(self._statuses.refreshed(self._record(owner, vector_store_id)))
        except NotFound:
            return False

    # -- after a change of the configuration ---------------------------------------------------------------

    def _here(self, vector_store: Record) -> bool:
        """Say whether the storage has a vector store, which it may take over from another one."""
        extra, name = vector_store.extra, self.storage.name
        if name in (extra.get(STORAGE, name), extra.get(TAKEN_OVER)):
            return True
        if not self.storage.indexes_kept_bytes or not self._statuses.alive(vector_store):
            return False
        self._take_over(vector_store)
        return True

    def _take_over(self, vector_store: Record) -> None:
        """Index all files of a vector store from their bytes; two workers that do so at once do the same."""
        owner, id = vector_store.owner, vector_store.id
        for member in members(self._store, owner, id):
            try:
                body = self.storage.attach(owner, id, member.extra["file_id"], {})
            except RequestError as error:  # the file is gone
                body = {"status": "failed", "last_error": {"code": "server_error", "message": error.message}}
            self._statuses.write_member(member, body)
        extra = {TAKEN_OVER: self.storage.name, **new_change()}
        self._store.update(Kind.VECTOR_STORE, owner, id, extra=extra)


def _given(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: fields[name] for name in names if fields.get(name) is not None}
