"""Vector stores of owners, the files in them, and batches of files.

Long because all of them share records, checks and error texts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import Duplicate, NotFound, RequestError, UpstreamError
from ..protocol import objects
from ..protocol.objects import Object
from ..storages import vector_store_files
from ..storages.base import DELETING, Storage
from ..storages.vector_store_files import IN_PROGRESS, member_id, member_object, member_record, members
from ..stores.base import Kind, Order, Record, Store
from ..stores.listing import page_of
from .files import Files
from .statuses import Statuses, is_settled, new_change
from .undo import Undo

logger = logging.getLogger(__name__)

MADE_FOR = "made_for"
"""The `extra` key that says what a vector store was made for, such as `thread`."""
STORAGE = "storage"
"""The `extra` key that names the storage that has it: another one, after a change of the configuration, does not."""
TAKEN_OVER = "taken_over"
"""The `extra` key that names the storage which has indexed its files since, too."""

CREATED = ("name", "description", "expires_after", "metadata")
UPDATED = ("name", "expires_after", "metadata")
OPTIONS = ("attributes", "chunking_strategy")
"""Options of a file in a vector store."""
SEARCHED = ("max_num_results", "filters", "ranking_options", "rewrite_query")


class VectorStores:
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
        self.storage = storage
        self.shared = tuple(shared)
        self._store = store
        self._files = files
        self._statuses = Statuses(store, storage, now=now, clock=clock)

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
        filenames = self._files.check_searchable(owner, file_ids, "file_ids")
        with Undo() as undo:
            body = self.storage.create_vector_store(owner, _given(fields, CREATED))
            id = body["id"]
            undo.add(f"vector store {id} in the storage", lambda: self.storage.delete_vector_store(owner, id))
            undo.add(f"records of {id}", lambda: vector_store_files.drop(self._store, Kind.VECTOR_STORE, owner, id))
            extra = {STORAGE: self.storage.name, **({} if made_for is None else {MADE_FOR: made_for})}
            body = self._store.insert(Record(Kind.VECTOR_STORE, owner, body, extra=extra)).body
            options = {"chunking_strategy": fields.get("chunking_strategy")}
            if len(file_ids) == 1:
                self._attach(owner, id, file_ids[0], filenames[file_ids[0]], options)
            elif file_ids:
                files = _files_of({"file_ids": file_ids, **options})
                self._attach_batch(owner, id, files, filenames, "file_ids")
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

    # -- files, one by one ----------------------------------------------------------------------------------

    def attach(self, owner: str, vector_store_id: str, fields: Mapping[str, Any]) -> Object:
        """Begin to index a file in a vector store and return its `vector_store.file`.

        Args:
            fields: `file_id`; `attributes`, `chunking_strategy`.

        Raises:
            NotFound: the vector store or the file is not the owner's.
            RequestError: files of that type cannot be searched.
        """
        self._record(owner, vector_store_id)
        file_id = str(fields["file_id"])
        filename = self._files.check_searchable(owner, [file_id], "file_id")[file_id]
        return self._attach(owner, vector_store_id, file_id, filename, fields)

    def _attach(
        self, owner: str, vector_store_id: str, file_id: str, filename: str, fields: Mapping[str, Any]
    ) -> Object:
        """Attach a checked file to a vector store that was just read."""
        joining = self._joining(owner, vector_store_id, [file_id])
        with Undo() as undo:
            attach, options = self.storage.attach, _given(fields, OPTIONS)
            body = self._begin(
                undo, owner, vector_store_id, joining, lambda: attach(owner, vector_store_id, file_id, options)
            )
            record = self._join(member_record(owner, body, filename))
            self._files.check(owner, [file_id], "file_id")  # again: the file may be deleted by now
            self._changed(owner, vector_store_id)
        return member_object(record)

    def attached_page(
        self,
        owner: str,
        vector_store_id: str,
        *,
        status: str | None = None,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
        batch_id: str | None = None,
    ) -> tuple[list[Object], bool]:
        """Return some of the files in a vector store, or of a batch, and whether there are more.

        Raises:
            NotFound: the vector store or the batch is not the owner's, or a cursor is not in this list.
        """
        self._statuses.refreshed(self._record(owner, vector_store_id))
        if batch_id is not None:
            self._batch(owner, vector_store_id, batch_id)

        def keep(record: Record) -> bool:
            return (status is None or record.body["status"] == status) and (
                batch_id is None or record.extra.get("batch_id") == batch_id
            )

        after_id, before_id = (None if id is None else member_id(vector_store_id, id) for id in (after, before))
        try:
            page = page_of(
                self._store,
                Kind.VECTOR_STORE_FILE,
                owner,
                parent=vector_store_id,
                keep=None if status is None and batch_id is None else keep,
                limit=limit,
                order=order,
                after=after_id,
                before=before_id,
            )
        except NotFound:
            cursor, param = (after, "after") if after is not None else (before, "before")
            raise NotFound(f"No file found with id '{cursor}' in this list.", param=param) from None
        return [member_object(record) for record in page.records], page.has_more

    def attached(self, owner: str, vector_store_id: str, file_id: str) -> Object:
        """Return a file in a vector store.

        Raises:
            NotFound: the vector store is not the owner's, or the file is not in it.
        """
        vector_store = self._record(owner, vector_store_id)
        member = vector_store_files.get(self._store, owner, vector_store_id, file_id)
        if member.body["status"] == IN_PROGRESS:
            self._statuses.refreshed(vector_store, waiting=True)
            member = vector_store_files.get(self._store, owner, vector_store_id, file_id)
        return member_object(member)

    def update_attached(
        self, owner: str, vector_store_id: str, file_id: str, attributes: Mapping[str, Any] | None
    ) -> Object:
        """Change the attributes of a file in a vector store and return it.

        Raises:
            NotFound: as `attached`.
        """
        member = self._member(owner, vector_store_id, file_id)
        body = self.storage.update_attached(owner, vector_store_id, file_id, attributes or {})
        changes = {"attributes": body["attributes"]}
        return member_object(self._store.update(Kind.VECTOR_STORE_FILE, owner, member.id, body=changes))

    def detach(self, owner: str, vector_store_id: str, file_id: str) -> None:
        """Take a file out of a vector store; the file itself stays.

        Raises:
            NotFound: as `attached`.
        """
        self._member(owner, vector_store_id, file_id)
        self.storage.detach(owner, vector_store_id, file_id)
        vector_store_files.remove(self._store, owner, [(vector_store_id, file_id)])
        self._changed(owner, vector_store_id)

    def attached_content(self, owner: str, vector_store_id: str, file_id: str) -> list[Object]:
        """Return the text that was indexed of a file: `{"type": "text", "text": …}` each.

        Raises:
            NotFound: as `attached`.
        """
        self._member(owner, vector_store_id, file_id)
        return self.storage.attached_content(owner, vector_store_id, file_id)

    # -- batches ------------------------------------------------------------------------------------------

    def create_batch(self, owner: str, vector_store_id: str, fields: Mapping[str, Any]) -> Object:
        """Begin to index many files in a vector store and return the batch.

        Args:
            fields: `file_ids` with `attributes` and `chunking_strategy` for all of them, or `files` with their own.

        Raises:
            NotFound, RequestError: as `attach`.
        """
        self._record(owner, vector_store_id)
        param = "files" if fields.get("files") else "file_ids"
        files = _files_of(fields)
        filenames = self._files.check_searchable(owner, files, param)
        return self._attach_batch(owner, vector_store_id, files, filenames, param)

    def _attach_batch(
        self,
        owner: str,
        vector_store_id: str,
        files: Mapping[str, Mapping[str, Any]],
        filenames: Mapping[str, str],
        param: str,
    ) -> Object:
        """Attach checked files to a vector store that was just read."""
        joining = self._joining(owner, vector_store_id, files)
        with Undo() as undo:
            attach, given = self.storage.attach_batch, list(files.values())
            batch = self._begin(undo, owner, vector_store_id, joining, lambda: attach(owner, vector_store_id, given))
            drop = vector_store_files.drop
            undo.add(f"batch {batch['id']}", lambda: drop(self._store, Kind.FILE_BATCH, owner, batch["id"]))
            self._store.insert(Record(Kind.FILE_BATCH, owner, batch, vector_store_id))
            for file_id, options in files.items():
                attributes = options.get("attributes")
                body = objects.vector_store_file(file_id, batch["created_at"], vector_store_id, attributes=attributes)
                self._join(member_record(owner, body, filenames[file_id], batch["id"]))
            self._files.check(owner, files, param)
            self._changed(owner, vector_store_id)
        return batch

    def batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        """Return a batch.

        Raises:
            NotFound: the vector store is not the owner's, or has no such batch.
        """
        self._record(owner, vector_store_id)
        record = self._batch(owner, vector_store_id, batch_id)
        if record.body["status"] != IN_PROGRESS or not self._statuses.take_turn(batch_id):
            return record.body
        try:
            body = self.storage.read_batch(owner, vector_store_id, batch_id)
        except (UpstreamError, RequestError) as error:
            logger.warning("Batch %s is shown as last known: %s", batch_id, error)
            return record.body
        return record.body if body == record.body else self._write_batch(record, body)

    def cancel_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        """Stop what of a batch is still being indexed and return the batch.

        Raises:
            NotFound: as `batch`.
        """
        self._record(owner, vector_store_id)
        record = self._batch(owner, vector_store_id, batch_id)
        body = self.storage.cancel_batch(owner, vector_store_id, batch_id)
        self._changed(owner, vector_store_id)
        return self._write_batch(record, body)

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
            record = self._record(owner, vector_store_id)
            return self._here(record) and self._statuses.alive(record)
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

    # -- parts --------------------------------------------------------------------------------------------

    def _record(self, owner: str, vector_store_id: str, param: str | None = None) -> Record:
        try:
            return self._store.get(Kind.VECTOR_STORE, owner, vector_store_id)
        except NotFound:
            raise unknown_vector_store(vector_store_id, param) from None

    def _changed(self, owner: str, vector_store_id: str) -> None:
        try:
            self._statuses.changed(owner, vector_store_id)
        except NotFound:
            raise unknown_vector_store(vector_store_id) from None

    def _member(self, owner: str, vector_store_id: str, file_id: str) -> Record:
        self._record(owner, vector_store_id)
        return vector_store_files.get(self._store, owner, vector_store_id, file_id)

    def _joining(self, owner: str, vector_store_id: str, file_ids: Iterable[str]) -> list[str]:
        """Return which of the files are not in the vector store yet."""
        return [id for id in file_ids if not vector_store_files.contains(self._store, owner, vector_store_id, id)]

    def _join(self, record: Record) -> Record:
        """Store the record of a file in a vector store, over one that stands there already."""
        try:
            return self._store.insert(record)
        except Duplicate:
            kind, owner, id = record.kind, record.owner, record.id
            return self._store.update(kind, owner, id, body=record.body, extra=record.extra)

    def _begin(
        self, undo: Undo, owner: str, vector_store_id: str, joining: list[str], call: Callable[[], Object]
    ) -> Object:
        """Let the storage begin to index files; if what follows fails, those that join are taken out again.

        Where the storage refuses there is nothing to take back; where it fails it may have begun.
        """
        pairs = [(vector_store_id, file_id) for file_id in joining]
        undo.add(f"records in {vector_store_id}", lambda: vector_store_files.remove(self._store, owner, pairs))
        undo.add(f"files in {vector_store_id}", lambda: self._detach_all(owner, vector_store_id, joining))
        try:
            return call()
        except RequestError:
            undo.clear()
            raise

    def _detach_all(self, owner: str, vector_store_id: str, file_ids: list[str]) -> None:
        for file_id in file_ids:
            self.storage.detach(owner, vector_store_id, file_id)

    def _batch(self, owner: str, vector_store_id: str, batch_id: str) -> Record:
        try:
            return self._store.get(Kind.FILE_BATCH, owner, batch_id, parent=vector_store_id)
        except NotFound:
            raise NotFound(f"No file batch found with id '{batch_id}'.") from None

    def _write_batch(self, record: Record, body: Object) -> Object:
        changes = {"status": body["status"], "file_counts": body["file_counts"]}
        return self._store.update(Kind.FILE_BATCH, record.owner, record.id, body=changes).body


def unknown_vector_store(vector_store_id: str, param: str | None = None) -> NotFound:
    """Make the error for a vector store that is not there, or another owner's."""
    return NotFound(f"No vector store found with id '{vector_store_id}'.", param=param)


def _files_of(fields: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the files of a batch by id, each with its own options."""
    if fields.get("files"):
        return {
            str(file["file_id"]): {"file_id": str(file["file_id"]), **_given(file, OPTIONS)} for file in fields["files"]
        }
    return {
        str(file_id): {"file_id": str(file_id), **_given(fields, OPTIONS)} for file_id in fields.get("file_ids") or ()
    }


def _given(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: fields[name] for name in names if fields.get(name) is not None}
