"""Bytes of files in MongoDB: a document per blob that names its pieces, and a document per piece.

Not GridFS: its driver collects up to 48 MB of an upload and reads 16 MB ahead, for each file that is on its way, and
a file of it cannot be replaced in one step. Pieces have a date of expiry until their blob is there, so that the
server itself removes what a process that died has left.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

from bson import ObjectId

from ...errors import NotFound, StoreError
from ..capabilities import CHUNK_BYTES, Blobs, cut
from .connection import BLOBS, PIECES, Connection, Db
from .documents import Document, owned_id

logger = logging.getLogger(__name__)

UPLOAD = timedelta(days=1)
"""How long an upload may take."""


class MongoDBBlobs(Blobs):
    """Blobs of a store that has `_connection` and a clock."""

    _connection: Connection

    @abstractmethod
    def now(self) -> float:
        """Return the store's time."""

    def write_blob(self, owner: str, id: str, chunks: Iterable[bytes]) -> int:
        """Write the pieces under a new key, then let the id name that key."""
        pieces = _Pieces(str(ObjectId()))
        one = owned_id(owner, id)
        try:
            size = self._write_pieces(pieces, chunks)
            replaced = self._switch(one, {"owner": owner, "id": id, "key": pieces.key, "size": size}, pieces)
        except BaseException:
            self._try_to_drop(pieces, of=one)
            raise
        if replaced is not None:
            self._try_to_drop(_named(replaced))
        return size

    def read_blob(self, owner: str, id: str) -> Iterator[bytes]:
        """Return the pieces, each read by itself."""
        with self._connection.database() as db:
            found = db[BLOBS].find_one({"_id": owned_id(owner, id)})
        if found is None:
            raise NotFound(f"No bytes found with id '{id}'.")
        return self._read(_named(found))

    def delete_blob(self, owner: str, id: str) -> None:
        """Let the pieces expire, in case this breaks off; then take the id from them and drop them."""
        one = {"_id": owned_id(owner, id)}
        with self._connection.database() as db:
            found = db[BLOBS].find_one(one)
            if found is not None:
                db[PIECES].update_many(_named(found).all, {"$set": {"expires_at": self._expiry()}})
                db[BLOBS].delete_one({**one, "key": found["key"]})
                db[PIECES].delete_many(_named(found).all)

    def _read(self, pieces: _Pieces) -> Iterator[bytes]:
        for one in pieces.ids:
            with self._connection.database() as db:
                found = db[PIECES].find_one({"_id": one})
            if found is None:
                raise StoreError("These bytes were replaced or deleted while they were read.")
            yield bytes(found["bytes"])

    def _write_pieces(self, pieces: _Pieces, chunks: Iterable[bytes]) -> int:
        expires_at, size = self._expiry(), 0
        for piece in cut(chunks):
            one = pieces.next()
            with self._connection.database() as db:
                db[PIECES].insert_one({"_id": one, "bytes": piece, "expires_at": expires_at})
            size += len(piece)
        return size

    def _switch(self, one: str, blob: Document, pieces: _Pieces) -> Document | None:
        """Let an id name pieces that now stay, and return what it named before."""
        with self._connection.database() as db:
            kept = db[PIECES].update_many(pieces.all, {"$unset": {"expires_at": ""}}).matched_count
            if kept != len(pieces.ids):
                raise StoreError("These bytes took so long to arrive that they were given up.")
            return db[BLOBS].find_one_and_replace({"_id": one}, blob, upsert=True)

    def _try_to_drop(self, pieces: _Pieces, of: str | None = None) -> None:
        """Drop pieces, after the blob `of` if it names them: whether it does is unknown after an error."""
        try:
            with self._connection.database() as db:
                if of is not None:
                    db[BLOBS].delete_one({"_id": of, "key": pieces.key})
                _drop(db, pieces)
        except StoreError as error:
            logger.warning("Bytes that nobody needs could not be dropped: %s", error)

    def _expiry(self) -> datetime:
        return datetime.fromtimestamp(self.now(), timezone.utc) + UPLOAD


class _Pieces:
    """The ids of the pieces that were written, or tried, under a key."""

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
