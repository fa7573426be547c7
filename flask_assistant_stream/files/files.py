"""The files of owners: uploaded, stored, downloaded and deleted.

Every storage keeps the bytes of files as blobs in our store: OpenAI does not return files that were uploaded for
assistants, and files of a code interpreter are deleted with its container.
"""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import AssistantStreamError, Duplicate, Gone, NotFound, RequestError, StoreError, TooLarge
from ..extraction.extract import ending
from ..loggers import logger_of
from ..protocol import ids, objects
from ..protocol.generated_files import GeneratedFile
from ..protocol.objects import Object
from ..storages import vector_store_files
from ..storages.base import BLOB, DELETING, Storage, Upload
from ..stores.base import Kind, Order, Record, Store
from ..stores.capabilities import CHUNK_BYTES, Blobs, Passages
from ..stores.listing import page_of
from . import generated_files
from .rollback import Rollback
from .statuses import new_change

logger = logger_of(__name__)

OUTPUT = "assistants_output"
"""The purpose of generated files."""
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file, with what a download needs to describe them.

    Attributes:
        content_type: guessed from the name.
        size: in bytes.
        chunks: read from the store one at a time, as they are consumed.
    """

    filename: str
    content_type: str
    size: int
    chunks: Iterator[bytes]


class Files:
    """Stores the files of every owner.

    Args:
        store: a `Store` that is `Blobs` as well.
        storage: indexes the files.
        max_bytes: of one file.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        store: Store,
        storage: Storage,
        *,
        max_bytes: int,
        new_id: ids.NewId = ids.new_id,
        now: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(store, Blobs):
            raise TypeError(f"{type(store).__name__} cannot store bytes: it must implement stores.capabilities.Blobs.")
        self.max_bytes = max_bytes
        self.storage = storage
        self._store = store
        self._blobs: Blobs = store
        self._new_id = new_id
        self._now = now

    def create(self, owner: str, upload: Upload) -> Record:
        """Store a file and return its record; if a step fails, nothing of it remains.

        Raises:
            TooLarge: it has more than `max_bytes`.
            RequestError, UpstreamError, StoreError: as `Storage` says.
        """
        if upload.size > self.max_bytes:
            raise TooLarge(f"The file is too large: the limit is {self.max_bytes} bytes.", param="file")
        blob = self._new_id("blob")
        with Rollback() as rollback:
            rollback.add(f"blob {blob}", lambda: self._blobs.delete_blob(owner, blob))
            upload.content.seek(0)
            self._blobs.write_blob(owner, blob, _chunks(upload.content))
            upload.content.seek(0)
            body = self.storage.create_file(owner, upload)
            id = body["id"]
            rollback.add(f"file {id} in the storage", lambda: self.storage.delete_file(owner, id))
            rollback.add(f"record {id}", lambda: vector_store_files.drop(self._store, Kind.FILE, owner, id))
            body = {**body, "filename": upload.filename, "bytes": upload.size, "purpose": upload.purpose}
            return self.storage.file_stored(self._store.insert(Record(Kind.FILE, owner, body, extra={BLOB: blob})))

    def page(
        self, owner: str, *, purpose: str | None, limit: int, order: Order, after: str | None
    ) -> tuple[list[Object], bool]:
        """Return some of an owner's files and whether there are more.

        Raises:
            NotFound: `after` is not in this list.
        """

        expired: list[Record] = []

        def keep(record: Record) -> bool:
            if self._expired(record):
                expired.append(record)
                return False
            return purpose in (None, record.body["purpose"])

        try:
            page = page_of(self._store, Kind.FILE, owner, keep=keep, limit=limit, order=order, after=after)
        except NotFound:
            raise _not_found(str(after), "after") from None
        for record in expired:
            self._delete_expired(record)
        return [record.body for record in page.records], page.has_more

    def get(self, owner: str, file_id: str) -> Object:
        """Return a file's object.

        Raises:
            NotFound: it is unknown, or another owner's.
        """
        return self._record(owner, file_id).body

    def present(self, owner: str, file_ids: Iterable[str]) -> set[str]:
        """Return which files are known, the owner's, not expired, and not being deleted."""
        records = self._store.get_many(Kind.FILE, owner, file_ids).values()
        return {record.id for record in records if not record.extra.get(DELETING) and not self._expired(record)}

    def content(self, owner: str, file_id: str) -> FileContent:
        """Return a file's bytes.

        Raises:
            NotFound: as `get`.
            Gone: the file is known, but its bytes are not in our store.
        """
        record = self._record(owner, file_id)
        filename = record.body["filename"]
        try:
            blob = record.extra.get(BLOB) or ""
            chunks = self._blobs.read_blob(owner, blob) if blob else None
        except NotFound:
            chunks = None
        if chunks is None:
            raise Gone(f"The content of file '{file_id}' is no longer available.")
        return FileContent(filename, content_type(filename), record.body["bytes"], chunks)

    def delete(self, owner: str, file_id: str) -> None:
        """Delete a file from every vector store, from the storage and from our store.

        Its record is deleted last, so a delete that failed can be repeated.

        Raises:
            NotFound: as `get`.
        """
        self._delete(self._record(owner, file_id))

    def keep(self, owner: str, file: GeneratedFile) -> None:
        """Copy the bytes of a generated file and record it; a repeated call changes nothing.

        If the bytes cannot be read, the file is recorded without them, and the failure is logged.

        Raises:
            StoreError: our own store fails.
        """
        known = self._known(owner, file.file_id)
        if known is not None and known.extra.get(BLOB):
            return
        blob = self._new_id("blob")
        size = self._copy(owner, blob, file)
        extra = {BLOB: "" if size is None else blob}
        with Rollback() as rollback:
            rollback.add(f"blob {blob}", lambda: self._blobs.delete_blob(owner, blob))
            try:
                if known is not None:
                    self._store.update(Kind.FILE, owner, known.id, body={"bytes": size or 0}, extra=extra)
                    return
                name = generated_files.safe_name(file.filename) or file.file_id
                body = objects.file(file.file_id, int(self._now()), name, size or 0, OUTPUT)
                self._store.insert(Record(Kind.FILE, owner, body, extra=extra))
            except (Duplicate, NotFound):  # recorded by another worker meanwhile, or deleted
                self._blobs.delete_blob(owner, blob)

    def check(self, owner: str, file_ids: Iterable[str], param: str) -> list[Record]:
        """Return the records of an owner's files, each once, in order.

        Raises:
            NotFound: a file is unknown, another owner's, or being deleted; `param` names the field.
        """
        ids = [*dict.fromkeys(file_ids)]
        stored = self._store.get_many(Kind.FILE, owner, ids) if ids else {}
        records = [self._current(stored.get(id), id, param) for id in ids]
        for record in records:
            if record.extra.get(DELETING):
                raise _not_found(record.id, param)
        return records

    def check_searchable(self, owner: str, file_ids: Iterable[str], param: str) -> list[Record]:
        """Return the records of an owner's files that can be attached to a vector store, each once, in order.

        Raises:
            NotFound: as `check`.
            RequestError: a file is of a type that cannot be searched.
        """
        records = self.check(owner, file_ids, param)
        for record in records:
            self.check_type(record.body["filename"], param)
        return records

    def check_type(self, filename: str, param: str) -> None:
        """Reject the name of a file that cannot be attached to a vector store.

        Raises:
            RequestError: files with that ending cannot be searched; the message lists the endings that can.
        """
        if ending(filename) not in self.storage.searchable:
            endings = ", ".join(f".{end}" for end in sorted(self.storage.searchable))
            raise RequestError(f"'{filename}' cannot be searched; files must end in one of: {endings}.", param=param)

    # -- parts --------------------------------------------------------------------------------------------

    def _delete(self, record: Record) -> None:
        owner, file_id = record.owner, record.id
        self._store.update(Kind.FILE, owner, file_id, extra={DELETING: True})
        for member in vector_store_files.of_file(self._store, owner, file_id):
            self.storage.detach(owner, member.parent, file_id)
            vector_store_files.remove(self._store, owner, [(member.parent, file_id)])
            with suppress(NotFound):
                self._store.update(Kind.VECTOR_STORE, owner, member.parent, extra=new_change())
        self.storage.delete_file(owner, file_id)
        if isinstance(self._store, Passages):  # from a time when another storage was configured
            self._store.delete_passages(owner, file_id)
        if record.extra.get(BLOB):
            self._blobs.delete_blob(owner, record.extra[BLOB])
        vector_store_files.drop(self._store, Kind.FILE, owner, file_id)

    def _record(self, owner: str, file_id: str, param: str | None = None) -> Record:
        return self._current(self._store.find(Kind.FILE, owner, file_id), file_id, param)

    def _current(self, record: Record | None, file_id: str, param: str | None) -> Record:
        """Return the record that was found of a file; NotFound if there is none, or the file's time is over."""
        if record is None:
            raise _not_found(file_id, param)
        if self._expired(record):
            self._delete_expired(record)
            raise _not_found(file_id, param)
        return record

    def _delete_expired(self, record: Record) -> None:
        """Delete a file at the first read after its time; an upstream has deleted its own copy by itself."""
        try:
            self._delete(record)
        except AssistantStreamError as error:
            logger.warning("expired file %s not deleted: %s", record.id, error)

    def _expired(self, record: Record) -> bool:
        expires_at = record.body.get("expires_at")
        return expires_at is not None and bool(expires_at <= self._now())

    def _known(self, owner: str, file_id: str) -> Record | None:
        try:
            return self._record(owner, file_id)
        except NotFound:
            return None

    def _copy(self, owner: str, blob: str, file: GeneratedFile) -> int | None:
        """Copy the bytes of a generated file and return how many, or None if they cannot be read."""
        try:
            return self._blobs.write_blob(owner, blob, generated_files.read_chunks(file, self.storage, self.max_bytes))
        except StoreError:
            raise
        except AssistantStreamError as error:
            logger.warning("bytes of generated file %s not kept: %s", file.file_id, error)
            return None


def content_type(filename: str) -> str:
    """Guess a file's type from its name."""
    guessed, encoding = mimetypes.guess_type(filename, strict=False)
    return guessed if guessed and not encoding else UNKNOWN_TYPE


def _chunks(content: BinaryIO) -> Iterator[bytes]:
    while chunk := content.read(CHUNK_BYTES):
        yield chunk


def _not_found(file_id: str, param: str | None) -> NotFound:
    return NotFound(f"No file found with id '{file_id}'.", param=param)
