"""Bytes of files in MongoDB: a document per blob that names its pieces, and a document per piece.

Does not use GridFS: its driver buffers up to 48 MB per upload and reads 16 MB ahead, and a file cannot be replaced in
one step. Pieces expire until their blob exists, so the server deletes those of a process that died.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

from bson import ObjectId

from ...errors import NotFound, StoreError
from ...loggers import logger_of
from ..capabilities import CHUNK_BYTES, Blobs, cut
from .connection import MongoDBConnection
from .documents import Document, owned_id
from .schema import BLOBS, PIECES, Db

logger = logger_of(__name__)

UPLOAD = timedelta(days=1)
"""The longest upload."""


class MongoDBBlobs(Blobs):
    """Blobs of a store that has `_connection` and a clock."""

    _connection: MongoDBConnection

    @abstractmethod
    def now(self) -> float:
        """Return the store's time."""

    def write_blob(self, owner: str, id: str, chunks: Iterable[bytes]) -> int:
        pieces = _Pieces(str(ObjectId()))
        blob_id = owned_id(owner, id)
        try:
            size = self._write_pieces(pieces, chunks)
            replaced = self._switch(blob_id, {"owner": owner, "id": id, "key": pieces.key, "size": size}, pieces)
        except BaseException:
            self._try_to_drop(pieces, of=blob_id)
            raise
        if replaced is not None:
            self._try_to_drop(_named(replaced))
        return size

    def read_blob(self, owner: str, id: str) -> Iterator[bytes]:
        with self._connection.database() as db:
            blob = db[BLOBS].find_one({"_id": owned_id(owner, id)})
        if blob is None:
            raise NotFound(f"No bytes found with id '{id}'.")
        return self._read(_named(blob))

    def delete_blob(self, owner: str, id: str) -> None:
        # The pieces expire even if this is interrupted.
        query = {"_id": owned_id(owner, id)}
        with self._connection.database() as db:
            blob = db[BLOBS].find_one(query)
            if blob is not None:
                db[PIECES].update_many(_named(blob).all, {"$set": {"expires_at": self._expiry()}})
                db[BLOBS].delete_one({**query, "key": blob["key"]})
                db[PIECES].delete_many(_named(blob).all)

    def _read(self, pieces: _Pieces) -> Iterator[bytes]:
        for piece_id in pieces.ids:
            with self._connection.database() as db:
                piece = db[PIECES].find_one({"_id": piece_id})
            if piece is None:
                raise StoreError("The bytes were replaced or deleted while they were read.")
            yield bytes(piece["bytes"])

    def _write_pieces(self, pieces: _Pieces, chunks: Iterable[bytes]) -> int:
        expires_at, size = self._expiry(), 0
        for piece in cut(chunks):
            piece_id = pieces.next()
            with self._connection.database() as db:
                db[PIECES].insert_one({"_id": piece_id, "bytes": piece, "expires_at": expires_at})
            size += len(piece)
        return size

    def _switch(self, blob_id: str, blob: Document, pieces: _Pieces) -> Document | None:
        """Make pieces permanent, attach an id to them, and return the blob it was attached to before."""
        with self._connection.database() as db:
            kept = db[PIECES].update_many(pieces.all, {"$unset": {"expires_at": ""}}).matched_count
            if kept != len(pieces.ids):
                raise StoreError("The upload took too long and was abandoned. Send the file again.")
            return db[BLOBS].find_one_and_replace({"_id": blob_id}, blob, upsert=True)

    def _try_to_drop(self, pieces: _Pieces, of: str | None = None) -> None:
        """Delete pieces, and before them the blob `of` if it names them, which is unknown after an error."""
        try:
            with self._connection.database() as db:
                if of is not None:
                    db[BLOBS].delete_one({"_id": of, "key": pieces.key})
                _drop(db, pieces)
        except StoreError as error:
            logger.warning("unused bytes not deleted: %s", error)

    def _expiry(self) -> datetime:
        return datetime.fromtimestamp(self.now(), timezone.utc) + UPLOAD


class _Pieces:
    """The ids of the pieces written under a key, including a failed one."""

    def __init__(self, key: str, count: int = 0) -> None:
        self.key = key
        self.ids = [f"{key}/{number}" for number in range(count)]

    @property
    def all(self) -> Document:
        """Return the condition that finds them."""
        return {"_id": {"$in": self.ids}}

    def next(self) -> str:
        """Return the id of the next piece."""
        self.ids.append(f"{self.key}/{len(self.ids)}")
        return self.ids[-1]


def _named(blob: Document) -> _Pieces:
    """Return the pieces that a blob names."""
    return _Pieces(blob["key"], -(-blob["size"] // CHUNK_BYTES))


def _drop(db: Db, pieces: _Pieces) -> None:
    if pieces.ids:
        db[PIECES].delete_many(pieces.all)
