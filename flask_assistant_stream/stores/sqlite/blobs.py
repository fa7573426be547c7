"""Bytes of files in the SQLite file: a header per blob, its pieces under a key of that one writing.

Each piece is a write of its own, so an upload holds up nobody. A blob is there when its header is switched to
complete; what never gets that far, because its process died, is dropped by a later writing.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from ...errors import NotFound, StoreError
from ..capabilities import CHUNK_BYTES, Blobs, cut
from .connections import Connections

logger = logging.getLogger(__name__)

Connection = sqlite3.Connection

ABANDONED_SECONDS = 3600.0
"""After how long without a new piece a writing counts as broken off."""
DROPPED_PIECES = 64
"""How many pieces one write drops at most: it never holds up others for long."""

_COMPLETE = "UPDATE blobs SET complete = 1, size = ? WHERE key = ?"
_DROP = "DELETE FROM blob_pieces WHERE rowid IN (SELECT rowid FROM blob_pieces WHERE key = ? LIMIT ?)"


class SQLiteBlobs(Blobs):
    """Blobs of a store that has `_connections` and a clock."""

    _connections: Connections
    _clock: Callable[[], float]

    def write_blob(self, owner: str, id: str, chunks: Iterable[bytes]) -> int:
        """Write the pieces under a new key, then let the id name that key."""
        key = secrets.token_hex(16)
        try:
            size = self._write_pieces(key, owner, id, chunks)
            replaced = self._connections.write(partial(_switch, key, owner, id, size))
        except BaseException:
            self._try_to_drop([key])
            raise
        self._try_to_drop(replaced)
        self._drop_abandoned()
        return size

    def read_blob(self, owner: str, id: str) -> Iterator[bytes]:
        """Return the pieces, each read by itself."""
        sql = "SELECT key, size FROM blobs WHERE owner = ? AND id = ? AND complete"
        found = self._connections.read(partial(_one, sql, (owner, id)))
        if found is None:
            raise NotFound(f"No bytes found with id '{id}'.")
        return self._pieces(*found)

    def delete_blob(self, owner: str, id: str) -> None:
        """Take the id from its pieces, then drop them."""
        for key in self._connections.write(partial(_put_off, owner, id)):
            self._drop(key)

    def _pieces(self, key: str, size: int) -> Iterator[bytes]:
        sql = "SELECT bytes FROM blob_pieces WHERE key = ? AND number = ?"
        for number in range(-(-size // CHUNK_BYTES)):
            found = self._connections.read(partial(_one, sql, (key, number)))
            if found is None:
                raise StoreError("These bytes were replaced or deleted while they were read.")
            yield found[0]

    def _write_pieces(self, key: str, owner: str, id: str, chunks: Iterable[bytes]) -> int:
        begin = "INSERT INTO blobs (key, owner, id, touched_at) VALUES (?, ?, ?, ?)"
        header = (key, owner, id, self._clock())
        self._connections.write(lambda connection: connection.execute(begin, header) and None)
        size = 0
        for number, piece in enumerate(cut(chunks)):
            self._connections.write(partial(_insert_piece, (key, number, piece), self._clock()))
            size += len(piece)
        return size

    def _drop(self, key: str) -> None:
        """Drop what stands under a key, the header last: a drop that was cut off is found and taken up again."""
        while self._connections.write(lambda connection: connection.execute(_DROP, (key, DROPPED_PIECES)).rowcount):
            pass
        self._connections.write(
            lambda connection: connection.execute("DELETE FROM blobs WHERE key = ? AND NOT complete", (key,)) and None
        )

    def _try_to_drop(self, keys: Iterable[str]) -> None:
        for key in keys:
            try:
                self._drop(key)
            except StoreError as error:  # a later writing does it
                logger.warning("Bytes that nobody needs could not be dropped: %s", error)

    def _drop_abandoned(self) -> None:
        sql = "SELECT key FROM blobs WHERE NOT complete AND touched_at < ? LIMIT 10"
        before = self._clock() - ABANDONED_SECONDS
        try:
            found = self._connections.read(lambda connection: connection.execute(sql, (before,)).fetchall())
        except StoreError as error:
            logger.warning("Abandoned bytes could not be looked for: %s", error)
            return
        self._try_to_drop(key for (key,) in found)


def _one(sql: str, values: tuple[Any, ...], connection: Connection) -> Any:
    return connection.execute(sql, values).fetchone()


def _insert_piece(row: tuple[str, int, bytes], now: float, connection: Connection) -> None:
    touch = "UPDATE blobs SET touched_at = ? WHERE key = ? AND NOT complete"
    _require(connection.execute(touch, (now, row[0])).rowcount)
    connection.execute("INSERT INTO blob_pieces (key, number, bytes) VALUES (?, ?, ?)", row)


def _put_off(owner: str, id: str, connection: Connection) -> list[str]:
    """Let an id name no pieces and return the key that it named; whatever happens next, they are dropped."""
    found = connection.execute("SELECT key FROM blobs WHERE owner = ? AND id = ? AND complete", (owner, id)).fetchall()
    connection.executemany("UPDATE blobs SET complete = 0, touched_at = 0 WHERE key = ?", found)
    return [key for (key,) in found]


def _switch(key: str, owner: str, id: str, size: int, connection: Connection) -> list[str]:
    """Let an id name the pieces of a key and return the key that it named before."""
    replaced = _put_off(owner, id, connection)
    _require(connection.execute(_COMPLETE, (size, key)).rowcount)
    return replaced


def _require(rows: int) -> None:
    if not rows:
        raise StoreError("These bytes took so long to arrive that they were given up.")
