"""Read a file: from its bytes to its passages, and to the result in its record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import NotFound, RequestError
from ...extraction.extractor import TextExtractor
from ...extraction.processes import ProcessEnded
from ...loggers import logger_of
from ...protocol.objects import Object
from ...stores.base import Kind, Record, Store
from ...stores.capabilities import Blobs, Passages
from ..base import BLOB, DELETING
from ..vector_store_files import IN_PROGRESS
from .pending import MAX_CLAIMS, Claim, PendingFiles

logger = logger_of(__name__)

INDEXED, CODE, MESSAGE, BYTES = "indexed", "index_code", "index_message", "index_bytes"
"""The `extra` keys of a file: whether it is indexed, code and message of its error, and the size of its text."""
NOTE = "index_note"
"""The `extra` key of a file that says what is missing from its text."""

RECORD_SECONDS = 0.2
"""Time to wait for the record of a file whose upload is about to end."""


class FileReading:
    """Reads files into the passages of a store."""

    def __init__(
        self, store: Store, blobs: Blobs, passages: Passages, extractor: TextExtractor, pending: PendingFiles
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._passages = passages
        self._extractor = extractor
        self._pending = pending

    def read(self, file: Record) -> Record:
        """Read and index a file, and return its record with the result.

        Raises:
            NotFound: the file was deleted meanwhile.
            ProcessEnded: the extraction process has ended, and it is unknown why.
        """
        try:
            pieces = self._extractor.passages(file.owner, file.body["filename"], self._content(file))
        except RequestError as error:
            code = "unsupported_file" if error.code == "unsupported_file" else "invalid_file"
            return self._store_result(file, {CODE: code, MESSAGE: error.message})
        self._passages.write_passages(file.owner, file.id, pieces.texts)
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in pieces.texts)
        return self._store_result(file, {BYTES: size, **({NOTE: pieces.note} if pieces.note else {})})

    def read_claimed(self, claim: Claim) -> None:
        """Read a file that this worker has claimed, and remove it from those that wait."""
        file = self._claimed_file(claim)
        if file is None:
            if claim.number > MAX_CLAIMS:  # its upload was interrupted; until then the claims end by themselves
                self._pending.remove(claim.file_id)
            return
        try:
            if claim.number > MAX_CLAIMS:
                message = f"Reading the file has ended the process that read it {MAX_CLAIMS} times."
                self._store_result(file, {CODE: "invalid_file", MESSAGE: message})
            elif not file.extra.get(INDEXED):
                self.read(file)
        except ProcessEnded as error:
            logger.warning("file %s not read, attempt %d: its process ended: %s", file.id, claim.number, error)
            self._pending.fail(claim)
            return
        except NotFound:  # deleted meanwhile
            pass
        self._pending.remove(file.id)

    def _claimed_file(self, claim: Claim) -> Record | None:
        """Return the record of a claimed file; None if there is none, also after a short wait."""
        for wait in (RECORD_SECONDS, 0.0):
            if (file := self._store.find(Kind.FILE, claim.owner, claim.file_id)) is not None:
                return file
            time.sleep(wait)
        return None

    def _content(self, file: Record) -> Iterator[bytes]:
        try:
            return self._blobs.read_blob(file.owner, file.extra.get(BLOB) or "")
        except NotFound:
            raise RequestError("The bytes of the file are gone. Upload it again.") from None

    def _store_result(self, file: Record, result: Object) -> Record:
        """Store the result of reading; delete the passages of a file that was deleted meanwhile."""
        body: Object = {}
        if file.body["status"] == "uploaded":
            status = "error" if CODE in result else "processed"
            body = {"status": status, "status_details": result.get(MESSAGE) or result.get(NOTE)}
        try:
            stored = self._store.update(Kind.FILE, file.owner, file.id, body=body, extra={INDEXED: True, **result})
            deleted = stored.extra.get(DELETING)
        except NotFound:
            deleted = True
        if deleted:
            self._passages.delete_passages(file.owner, file.id)
            raise NotFound(f"No file found with id '{file.id}'.")
        return stored


def status_of(extra: Mapping[str, Any]) -> Object:
    """Return the fields of a `vector_store.file` for the `extra` of its file."""
    if not extra.get(INDEXED):
        return {"status": IN_PROGRESS, "usage_bytes": 0, "last_error": None}
    if extra.get(CODE):
        error = {"code": extra[CODE], "message": extra[MESSAGE]}
        return {"status": "failed", "usage_bytes": 0, "last_error": error}
    return {"status": "completed", "usage_bytes": extra.get(BYTES, 0), "last_error": None}
