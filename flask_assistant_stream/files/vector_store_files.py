"""Files in vector stores, attached one by one or in batches, under the ids of the files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import Duplicate, NotFound, RequestError, UpstreamError
from ..loggers import logger_of
from ..protocol import objects
from ..protocol.objects import Object
from ..storages import vector_store_files
from ..storages.base import Storage
from ..storages.vector_store_files import IN_PROGRESS, member_id, member_object, member_record, members
from ..stores.base import Kind, Order, Record, Store
from ..stores.listing import page_of
from .files import Files
from .rollback import Rollback
from .statuses import StatusRefresher

logger = logger_of(__name__)

OPTIONS = ("attributes", "chunking_strategy")


class VectorStoreFiles:
    """Attaches files to vector stores, reads and detaches them.

    Each method takes the record of a vector store that its owner may use; `VectorStores.record` reads it. The errors
    for an unknown file and for a file of another owner are the same.
    """

    def __init__(self, store: Store, storage: Storage, files: Files, refresher: StatusRefresher) -> None:
        self._store = store
        self._storage = storage
        self._files = files
        self._refresher = refresher

    def attach(self, vector_store: Record, fields: Mapping[str, Any]) -> Object:
        """Start to index a file and return its `vector_store.file`.

        Args:
            fields: `file_id`; `attributes`, `chunking_strategy`.

        Raises:
            NotFound: the file is unknown, or the vector store was deleted.
            RequestError: files of that type cannot be searched.
        """
        (file,) = self._files.check_searchable(vector_store.owner, [str(fields["file_id"])], "file_id")
        return self.attach_file(vector_store, file, fields)

    def attach_file(self, vector_store: Record, file: Record, fields: Mapping[str, Any]) -> Object:
        """Start to index a file that has been read and checked, and return its `vector_store.file`.

        Raises:
            NotFound: the file or the vector store was deleted meanwhile.
        """
        owner = vector_store.owner
        with Rollback() as rollback:
            attach, options = self._storage.attach, options_of(fields)
            body = self._start(rollback, vector_store, [file], lambda: attach(owner, vector_store.id, file.id, options))
            expires_at = file.body.get("expires_at")
            record = self._write_member(member_record(owner, body, file.body["filename"], expires_at=expires_at))
            self._check_not_deleted(vector_store, [file], "file_id")
        return member_object(record)

    def create_batch(self, vector_store: Record, fields: Mapping[str, Any]) -> Object:
        """Start to index many files and return the batch.

        Args:
            fields: `file_ids` with `attributes` and `chunking_strategy` for all of them, or `files` with their own.

        Raises:
            NotFound, RequestError: as `attach`.
        """
        param = "files" if fields.get("files") else "file_ids"
        entries = fields.get("files") or [{**fields, "file_id": file_id} for file_id in fields.get("file_ids") or ()]
        options = {str(entry["file_id"]): options_of(entry) for entry in entries}
        files = self._files.check_searchable(vector_store.owner, options, param)
        return self.attach_batch(vector_store, files, options, param)

    def attach_batch(
        self, vector_store: Record, files: list[Record], options: Mapping[str, Mapping[str, Any]], param: str
    ) -> Object:
        """Start to index files that have been read and checked, and return the batch.

        Args:
            options: by file id.

        Raises:
            NotFound: as `attach_file`; `param` names the field.
        """
        owner, id = vector_store.owner, vector_store.id
        entries = [{"file_id": file.id, **options[file.id]} for file in files]
        with Rollback() as rollback:
            batch = self._start(rollback, vector_store, files, lambda: self._storage.attach_batch(owner, id, entries))
            drop = vector_store_files.drop
            rollback.add(f"batch {batch['id']}", lambda: drop(self._store, Kind.FILE_BATCH, owner, batch["id"]))
            self._store.insert(Record(Kind.FILE_BATCH, owner, batch, id))
            for file in files:
                attributes = options[file.id].get("attributes")
                body = objects.vector_store_file(file.id, batch["created_at"], id, attributes=attributes)
                expires_at = file.body.get("expires_at")
                member = member_record(owner, body, file.body["filename"], batch["id"], expires_at=expires_at)
                self._write_member(member)
            self._check_not_deleted(vector_store, files, param)
        return batch

    def page(
        self,
        vector_store: Record,
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
            NotFound: the batch is unknown, or a cursor is not in this list.
        """
        self._refresher.refresh(vector_store)
        if batch_id is not None:
            self._batch(vector_store, batch_id)

        def keep(record: Record) -> bool:
            return (status is None or record.body["status"] == status) and (
                batch_id is None or record.extra.get("batch_id") == batch_id
            )

        after_id, before_id = (None if id is None else member_id(vector_store.id, id) for id in (after, before))
        try:
            page = page_of(
                self._store,
                Kind.VECTOR_STORE_FILE,
                vector_store.owner,
                parent=vector_store.id,
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

    def get(self, vector_store: Record, file_id: str) -> Object:
        """Return a file in a vector store.

        Raises:
            NotFound: the file is not in the vector store.
        """
        member = self._member(vector_store, file_id)
        if member.body["status"] == IN_PROGRESS:
            self._refresher.refresh(vector_store, waiting=True)
            member = self._member(vector_store, file_id)
        return member_object(member)

    def members(self, vector_store: Record) -> list[Record]:
        """Return the records of all files in a vector store, with current statuses, the oldest first."""
        self._refresher.refresh(vector_store)
        return members(self._store, vector_store.owner, vector_store.id)

    def update(self, vector_store: Record, file_id: str, attributes: Mapping[str, Any]) -> Object:
        """Change the attributes of a file in a vector store and return it.

        Raises:
            NotFound: as `get`.
        """
        member = self._member(vector_store, file_id)
        body = self._storage.update_attached(vector_store.owner, vector_store.id, file_id, attributes)
        changes = {"attributes": body["attributes"]}
        return member_object(self._store.update(Kind.VECTOR_STORE_FILE, vector_store.owner, member.id, body=changes))

    def detach(self, vector_store: Record, file_id: str) -> None:
        """Remove a file from a vector store; the file itself stays.

        Raises:
            NotFound: as `get`.
        """
        self._member(vector_store, file_id)
        self._storage.detach(vector_store.owner, vector_store.id, file_id)
        vector_store_files.remove(self._store, vector_store.owner, [(vector_store.id, file_id)])
        self._refresher.mark_changed(vector_store)

    def content(self, vector_store: Record, file_id: str) -> list[Object]:
        """Return the indexed text of a file: `{"type": "text", "text": …}` each.

        Raises:
            NotFound: as `get`.
        """
        self._member(vector_store, file_id)
        return self._storage.attached_content(vector_store.owner, vector_store.id, file_id)

    def batch(self, vector_store: Record, batch_id: str) -> Object:
        """Return a batch.

        Raises:
            NotFound: the vector store has no such batch.
        """
        record = self._batch(vector_store, batch_id)
        if record.body["status"] != IN_PROGRESS or not self._refresher.is_due(batch_id):
            return record.body
        try:
            body = self._storage.read_batch(vector_store.owner, vector_store.id, batch_id)
        except (UpstreamError, RequestError) as error:
            logger.warning("batch %s not read, last known status used: %s", batch_id, error)
            return record.body
        return record.body if body == record.body else self._write_batch(record, body)

    def cancel_batch(self, vector_store: Record, batch_id: str) -> Object:
        """Stop indexing the unfinished files of a batch and return the batch.

        Raises:
            NotFound: as `batch`.
        """
        record = self._batch(vector_store, batch_id)
        body = self._storage.cancel_batch(vector_store.owner, vector_store.id, batch_id)
        self._refresher.mark_changed(vector_store)
        return self._write_batch(record, body)

    # -- parts --------------------------------------------------------------------------------------------

    def _start(
        self, rollback: Rollback, vector_store: Record, files: list[Record], attach: Callable[[], Object]
    ) -> Object:
        """Call `attach` of the storage; if a later step fails, detach the files that were not in the vector store."""
        owner, id = vector_store.owner, vector_store.id
        attached = vector_store_files.attached(self._store, owner, id, [file.id for file in files])
        new = [file.id for file in files if file.id not in attached]
        rollback.add(f"records in {id}", lambda: vector_store_files.remove(self._store, owner, [(id, f) for f in new]))
        rollback.add(f"files in {id}", lambda: self._detach_all(vector_store, new))
        try:
            return attach()
        except RequestError:  # rejected: nothing was started; after any other error the storage may have started
            rollback.clear()
            raise

    def _detach_all(self, vector_store: Record, file_ids: Iterable[str]) -> None:
        for file_id in file_ids:
            self._storage.detach(vector_store.owner, vector_store.id, file_id)

    def _check_not_deleted(self, vector_store: Record, files: list[Record], param: str) -> None:
        """Raise NotFound if a file or the vector store was deleted since it was read.

        A delete that ran before the member records were written has not removed them, so both are read again.
        """
        self._files.check(vector_store.owner, (file.id for file in files), param)
        self._refresher.mark_changed(vector_store)

    def _member(self, vector_store: Record, file_id: str) -> Record:
        return vector_store_files.get(self._store, vector_store.owner, vector_store.id, file_id)

    def _write_member(self, record: Record) -> Record:
        """Store the record of a file in a vector store, or replace the one that exists."""
        try:
            return self._store.insert(record)
        except Duplicate:
            kind, owner, id = record.kind, record.owner, record.id
            return self._store.update(kind, owner, id, body=record.body, extra=record.extra)

    def _batch(self, vector_store: Record, batch_id: str) -> Record:
        record = self._store.find(Kind.FILE_BATCH, vector_store.owner, batch_id, parent=vector_store.id)
        if record is None:
            raise NotFound(f"No file batch found with id '{batch_id}'.")
        return record

    def _write_batch(self, record: Record, body: Object) -> Object:
        changes = {"status": body["status"], "file_counts": body["file_counts"]}
        return self._store.update(Kind.FILE_BATCH, record.owner, record.id, body=changes).body


def options_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a file in a vector store that `fields` has; null counts as absent."""
    return {name: fields[name] for name in OPTIONS if fields.get(name) is not None}
