"""The files of owners: taken, kept, given out and deleted. Whose a file is and where its bytes are stands in our store.

A file's bytes are in the store as blobs, whatever the storage: OpenAI gives out no file that was uploaded for
assistants, and what a code interpreter made is gone with its container.
"""

from __future__ import annotations

import logging
import mimetypes
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import AssistantStreamError, Duplicate, Gone, NotFound, RequestError, StoreError, TooLarge
from ..protocol import ids, objects
from ..protocol.generated_files import GeneratedFile
from ..protocol.objects import Object
from ..storages import vector_store_files
from ..storages.base import BLOB, DELETING, Storage, Upload
from ..storages.extract import ending
from ..stores.base import Kind, Order, Record, Store
from ..stores.capabilities import CHUNK_BYTES, Blobs, Passages
from ..stores.listing import page_of
from . import generated_files, names
from .statuses import unsettle
from .undo import Undo

logger = logging.getLogger(__name__)

OUTPUT = "assistants_output"
"""The purpose of what a tool has made."""
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file and what a download says of them.

    Attributes:
        content_type: guessed from the name.
        size: in bytes.
        chunks: a piece at a time, read from the store as they are asked for.
    """

    filename: str
    content_type: str
    size: int
    chunks: Iterator[bytes]


class Files:
    """Keeps the files of every owner.

    Args:
        store: a `Store` that is `Blobs` as well.
        storage: where files are indexed.
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
            raise TypeError(f"{type(store).__name__} keeps no bytes: it must be a stores.capabilities.Blobs as well.")
        self.max_bytes = max_bytes
        self.storage = storage
        self._store = store
        self._blobs: Blobs = store
        self._new_id = new_id
        self._now = now

    def create(self, owner: str, upload: Upload) -> Object:
        """Take a file and return its object; where a step fails, nothing of it stays anywhere.

        Raises:
            TooLarge: it is above `max_bytes`.
            RequestError, UpstreamError, StoreError: as `Storage` says.
        """
        if upload.size > self.max_bytes:
            raise TooLarge(f"A file may have at most {self.max_bytes} bytes.", param="file")
        blob = self._new_id("blob")
        with Undo() as undo:
            undo.add(f"blob {blob}", lambda: self._blobs.delete_blob(owner, blob))
            upload.content.seek(0)
            self._blobs.write_blob(owner, blob, _pieces(upload.content))
            upload.content.seek(0)
            body = self.storage.create_file(owner, upload)
            undo.add(f"file {body['id']} in the storage", lambda: self.storage.delete_file(owner, body["id"]))
            undo.add(f"record {body['id']}", lambda: vector_store_files.drop(self._store, Kind.FILE, owner, body["id"]))
            body = {**body, "filename": upload.filename, "bytes": upload.size, "purpose": upload.purpose}
            return self._store.insert(Record(Kind.FILE, owner, body, extra={BLOB: blob})).body

    def page(
        self, owner: str, *, purpose: str | None, limit: int, order: Order, after: str | None
    ) -> tuple[list[Object], bool]:
        """Return some of an owner's files and whether there are more.

        Raises:
            NotFound: `after` is none of them.
        """

        def keep(record: Record) -> bool:
            return not self._expired(record) and purpose in (None, record.body["purpose"])

        try:
            page = page_of(self._store, Kind.FILE, owner, keep=keep, limit=limit, order=order, after=after)
        except NotFound:
            raise _not_found(str(after), "after") from None
        return [record.body for record in page.records], page.has_more

    def get(self, owner: str, file_id: str) -> Object:
        """Return a file's object.

        Raises:
            NotFound: unknown, or another owner's.
        """
        return self._record(owner, file_id).body

    def content(self, owner: str, file_id: str) -> Content:
        """Return a file's bytes.

        Raises:
            NotFound: as `get`.
            Gone: the file is known, its bytes are not here.
        """
        record = self._record(owner, file_id)
        filename = record.body["filename"]
        try:
            blob = record.extra.get(BLOB) or ""
            chunks = self._blobs.read_blob(owner, blob) if blob else None
        except NotFound:
            chunks = None
        if chunks is None:
            raise Gone(f"The content of file '{file_id}' is not available any more.")
        return Content(filename, content_type(filename), record.body["bytes"], chunks)

    def delete(self, owner: str, file_id: str) -> None:
        """Delete a file: out of every vector store, the storage and our store, its record last.

        Where it fails half-way the record still stands, so that it can be deleted again.

        Raises:
            NotFound: as `get`.
        """
        self._remove(self._record(owner, file_id))

    def keep(self, owner: str, made_file: GeneratedFile) -> None:
        """Copy what a tool of the upstream has made, and record it; a second time it changes nothing.

        Where its bytes cannot be had it is recorded without them, and logged.

        Raises:
            StoreError: our own store fails.
        """
        known = self._known(owner, made_file.file_id)
        if known is not None and known.extra.get(BLOB):
            return
        blob = self._new_id("blob")
        size = self._copy(owner, blob, made_file)
        extra = {BLOB: "" if size is None else blob}
        with Undo() as undo:
            undo.add(f"blob {blob}", lambda: self._blobs.delete_blob(owner, blob))
            try:
                if known is not None:
                    self._store.update(Kind.FILE, owner, known.id, body={"bytes": size or 0}, extra=extra)
                    return
                name = names.base_name(made_file.filename) or made_file.file_id
                body = objects.file(made_file.file_id, int(self._now()), name, size or 0, OUTPUT)
                self._store.insert(Record(Kind.FILE, owner, body, extra=extra))
            except (Duplicate, NotFound):  # kept by another worker meanwhile, or deleted
                self._blobs.delete_blob(owner, blob)

    def check(self, owner: str, file_ids: Iterable[str], param: str) -> None:
        """Make sure that all of these files are the owner's, and none is being deleted.

        Raises:
            NotFound: one is not; `param` names the field.
        """
        for file_id in dict.fromkeys(file_ids):
            self._checked(owner, file_id, param)

    def check_searchable(self, owner: str, file_ids: Iterable[str], param: str) -> dict[str, str]:
        """Make sure that these files are the owner's and can be put into a vector store; return their names by id.

        Raises:
            NotFound: as `check`.
            RequestError: a file is of a type that cannot be searched.
        """
        found = {file_id: self._checked(owner, file_id, param).body["filename"] for file_id in dict.fromkeys(file_ids)}
        for filename in found.values():
            self.check_type(filename, param)
        return found

    def check_type(self, filename: str, param: str) -> None:
        """Make sure that a file of that name can be put into a vector store.

        Raises:
            RequestError: not with that ending; the message lists those that can.
        """
        if ending(filename) not in self.storage.searchable:
            known = ", ".join(f".{end}" for end in sorted(self.storage.searchable))
            raise RequestError(f"'{filename}' cannot be searched; files must end in one of: {known}.", param=param)

    # -- parts --------------------------------------------------------------------------------------------

    def _remove(self, record: Record) -> None:
        owner, file_id = record.owner, record.id
        self._store.update(Kind.FILE, owner, file_id, extra={DELETING: True})
        for member in vector_store_files.of_file(self._store, owner, file_id):
            self.storage.detach(owner, member.parent, file_id)
            vector_store_files.remove(self._store, owner, [(member.parent, file_id)])
            unsettle(self._store, owner, member.parent)
        self.storage.delete_file(owner, file_id)
        if isinstance(self._store, Passages):  # of the time when another storage was configured
            self._store.delete_passages(owner, file_id)
        if record.extra.get(BLOB):
            self._blobs.delete_blob(owner, record.extra[BLOB])
        vector_store_files.drop(self._store, Kind.FILE, owner, file_id)

    def _record(self, owner: str, file_id: str, param: str | None = None) -> Record:
        try:
            record = self._store.get(Kind.FILE, owner, file_id)
        except NotFound:
            raise _not_found(file_id, param) from None
        if self._expired(record):  # gone at the upstream; what we keep of it goes when somebody looks for it
            try:
                self._remove(record)
            except AssistantStreamError as error:
                logger.warning("Expired file %s is not removed: %s", file_id, error)
            raise _not_found(file_id, param)
        return record

    def _expired(self, record: Record) -> bool:
        expires_at = record.body.get("expires_at")
        return expires_at is not None and bool(expires_at <= self._now())

    def _checked(self, owner: str, file_id: str, param: str) -> Record:
        record = self._record(owner, file_id, param)
        if record.extra.get(DELETING):
            raise _not_found(file_id, param)
        return record

    def _known(self, owner: str, file_id: str) -> Record | None:
        try:
            return self._record(owner, file_id)
        except NotFound:
            return None

    def _copy(self, owner: str, blob: str, made_file: GeneratedFile) -> int | None:
        """Copy the bytes of a made file and return how many, or None where they cannot be had."""
        try:
            chunks = generated_files.chunks_of(made_file, self.storage, self.max_bytes)
            return self._blobs.write_blob(owner, blob, chunks)
        except StoreError:
            raise
        except AssistantStreamError as error:
            logger.warning("The bytes of made file %s are not kept: %s", made_file.file_id, error)
            return None


def content_type(filename: str) -> str:
    """Guess a file's type from its name."""
    guessed, encoding = mimetypes.guess_type(filename, strict=False)
    return guessed if guessed and not encoding else UNKNOWN_TYPE


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    while piece := content.read(CHUNK_BYTES):
        yield piece


def _not_found(file_id: str, param: str | None) -> NotFound:
    return NotFound(f"No file found with id '{file_id}'.", param=param)
