"""Bytes of files in the SQLite file: a header per blob, and its pieces under the key of one upload.

Each piece is a separate write, so an upload delays no other write. A blob exists once its header is complete. If its
process dies before that, a later upload deletes the pieces.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from ...errors import NotFound, StoreError
from ...loggers import logger_of
from ..capabilities import CHUNK_BYTES, Blobs, cut
from .connections import SQLiteConnections

logger = logger_of(__name__)

Connection = sqlite3.Connection

ABANDONED_SECONDS = 3600.0
"""How long after its last piece an upload counts as abandoned."""
DROPPED_PIECES = 64
"""Pieces per write that deletes, so that it never delays other writes for long."""

_COMPLETE = "UPDATE blobs SET complete = 1, size = ? WHERE key = ?"
_DROP = "DELETE FROM blob_pieces WHERE rowid IN (SELECT rowid FROM blob_pieces WHERE key = ? LIMIT ?)"


class SQLiteBlobs(Blobs):
    """Blobs of a store that has `_connections` and a clock."""

    _connections: SQLiteConnections
    _clock: Callable[[], float]

    def write_blob(self, owner: str, id: str, chunks: Iterable[bytes]) -> int:
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
        sql = "SELECT key, size FROM blobs WHERE owner = ? AND id = ? AND complete"
        blob = self._connections.read(partial(_first, sql, (owner, id)))
        if blob is None:
            raise NotFound(f"No bytes found with id '{id}'.")
        return self._pieces(*blob)

    def delete_blob(self, owner: str, id: str) -> None:
        for key in self._connections.write(partial(_detach, owner, id)):
            self._drop(key)

    def _pieces(self, key: str, size: int) -> Iterator[bytes]:
        sql = "SELECT bytes FROM blob_pieces WHERE key = ? AND number = ?"
        for number in range(-(-size // CHUNK_BYTES)):
            piece = self._connections.read(partial(_first, sql, (key, number)))
            if piece is None:
                raise StoreError("The bytes were replaced or deleted while they were read.")
            yield piece[0]

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
        """Delete the pieces of a key, then its header: an interrupted deletion can be repeated."""
        while self._connections.write(lambda connection: connection.execute(_DROP, (key, DROPPED_PIECES)).rowcount):
            pass
        self._connections.write(
            lambda connection: connection.execute("DELETE FROM blobs WHERE key = ? AND NOT complete", (key,)) and None
        )

    def _try_to_drop(self, keys: Iterable[str]) -> None:
        for key in keys:
            try:
                self._drop(key)
            except StoreError as error:  # a later upload repeats it
                logger.warning("unused bytes not deleted: %s", error)

    def _drop_abandoned(self) -> None:
        sql = "SELECT key FROM blobs WHERE NOT complete AND touched_at < ? LIMIT 10"
        before = self._clock() - ABANDONED_SECONDS
        try:
            keys = self._connections.read(lambda connection: connection.execute(sql, (before,)).fetchall())
        except StoreError as error:
            logger.warning("abandoned bytes not searched for: %s", error)
            return
        self._try_to_drop(key for (key,) in keys)


def _first(sql: str, values: tuple[Any, ...], connection: Connection) -> Any:
    return connection.execute(sql, values).fetchone()


def _insert_piece(row: tuple[str, int, bytes], now: float, connection: Connection) -> None:
    touch = "UPDATE blobs SET touched_at = ? WHERE key = ? AND NOT complete"
    _require(connection.execute(touch, (now, row[0])).rowcount)
    connection.execute("INSERT INTO blob_pieces (key, number, bytes) VALUES (?, ?, ?)", row)


def _detach(owner: str, id: str, connection: Connection) -> list[str]:
    """Detach an id from its key and return the key; its pieces count as abandoned from now on."""
    keys = connection.execute("SELECT key FROM blobs WHERE owner = ? AND id = ? AND complete", (owner, id)).fetchall()
    connection.executemany("UPDATE blobs SET complete = 0, touched_at = 0 WHERE key = ?", keys)
    return [key for (key,) in keys]


def _switch(key: str, owner: str, id: str, size: int, connection: Connection) -> list[str]:
    """Attach an id to the pieces of a key and return the key it had before."""
    replaced = _detach(owner, id, connection)
    _require(connection.execute(_COMPLETE, (size, key)).rowcount)
    return replaced


def _require(rows: int) -> None:
    if not rows:
        raise StoreError("The upload took too long and was abandoned. Send the file again.")
