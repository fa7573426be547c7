"""Passages in the SQLite file: their texts in a table, their words in an FTS5 index.

The index finds the passages with a word; `ranking` defines and weighs the words. All owners share the index, so each
row has a mark of its owner that every query includes: the cost of a common word depends on the owner's files only.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from ...threads import SEARCH, WORK
from .. import ranking
from ..base import PER_OWNER, Kind
from ..capabilities import SEARCH_SECONDS, FoundPassage, Passages, search_timed_out
from .connections import SQLiteConnections
from .records import to_json

Connection = sqlite3.Connection

STEPS = 10_000
"""Steps of SQLite, each well below a microsecond, between two looks at the clock."""
GROUP = 50
"""Passages per write, so that it never delays other writes for long."""

_WRITE = "INSERT INTO passages (owner, file_id, number, text) VALUES (?, ?, ?, ?)"
_FIRST = "SELECT id FROM passages WHERE owner = ? AND file_id = ? AND number >= ? AND number < ? LIMIT ?"
_MANY = 1 << 62


class SQLitePassages(Passages):
    """Passages of a store that has `_connections`."""

    _connections: SQLiteConnections

    def write_passages(self, owner: str, file_id: str, texts: Sequence[str]) -> None:
        for first in range(0, len(texts), GROUP):
            group = WORK.run(_with_words, texts[first : first + GROUP])
            self._connections.write(partial(_replace, owner, file_id, first, group))
        self._drop_from(owner, file_id, len(texts))

    def read_passages(self, owner: str, file_id: str) -> list[str]:
        sql = "SELECT text FROM passages WHERE owner = ? AND file_id = ? ORDER BY number"
        return self._connections.read(
            lambda connection: [row[0] for row in connection.execute(sql, (owner, file_id)).fetchall()]
        )

    def delete_passages(self, owner: str, file_id: str) -> None:
        self._drop_from(owner, file_id, 0)

    def search_passages(self, owner: str, file_ids: Sequence[str], query: str, limit: int) -> list[FoundPassage]:
        def work(connection: Connection) -> list[FoundPassage]:
            with _limited(connection, SEARCH_SECONDS):
                return ranking.search(_SQLiteIndex(connection, owner, file_ids), query, limit)

        return self._connections.read(work, SEARCH)

    def owner_of(self, kind: Kind, id: str) -> str | None:
        if kind in PER_OWNER:
            return None
        sql = "SELECT owner FROM records WHERE kind = ? AND id = ?"
        row = self._connections.read(lambda connection: connection.execute(sql, (kind.value, id)).fetchone())
        return None if row is None else row[0]

    def _drop_from(self, owner: str, file_id: str, number: int) -> None:
        while self._connections.write(lambda connection: _drop(connection, owner, file_id, number, _MANY)):
            pass


class _SQLiteIndex:
    """The passages of some files of one owner, for `ranking.search`."""

    def __init__(self, connection: Connection, owner: str, file_ids: Sequence[str]) -> None:
        self._connection = connection
        self._mark = _mark(owner)
        where = "WHERE owner = ? AND file_id IN (SELECT value FROM json_each(?))"
        self._allowed = set(
            self._keys(f"SELECT json_group_array(id) FROM passages {where}", owner, to_json([*file_ids]))
        )

    def total(self) -> int:
        return len(self._allowed)

    def holding(self, word: str) -> Collection[Hashable]:
        # Quotes prevent operators, and a word contains no quotes.
        match = f'owner : "{self._mark}" AND words : "{word}"'
        sql = "SELECT json_group_array(rowid) FROM passage_words WHERE passage_words MATCH ?"
        return self._allowed.intersection(self._keys(sql, match))

    def candidates(self, keys: Collection[Hashable]) -> Iterable[ranking.Candidate]:
        sql = (
            "SELECT p.id, p.file_id, p.number, w.words FROM json_each(?) k"
            " CROSS JOIN passages p ON p.id = k.value CROSS JOIN passage_words w ON w.rowid = p.id"
        )
        return [ranking.Candidate(*row) for row in self._connection.execute(sql, (json.dumps([*keys]),))]

    def texts(self, keys: Collection[Hashable]) -> Mapping[Hashable, str]:
        sql = "SELECT id, text FROM passages WHERE id IN (SELECT value FROM json_each(?))"
        return dict(self._connection.execute(sql, (json.dumps([*keys]),)).fetchall())

    def _keys(self, sql: str, *values: str) -> list[int]:
        """Return the keys that a statement collects in one row: other threads run while SQLite finds them."""
        keys: list[int] = json.loads(self._connection.execute(sql, values).fetchone()[0])
        return keys


@contextmanager
def _limited(connection: Connection, seconds: float) -> Iterator[None]:
    """Interrupt the statement that runs after `seconds`; RequestError then."""
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
    try:
        yield
    except sqlite3.OperationalError:
        if time.monotonic() > deadline:
            raise search_timed_out() from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _with_words(texts: Sequence[str]) -> list[tuple[str, str]]:
    return [(whole(text), " ".join(ranking.words(text))) for text in texts]


def _replace(owner: str, file_id: str, first: int, group: Sequence[tuple[str, str]], connection: Connection) -> None:
    """Store consecutive passages (text, words) in place of those with the same numbers."""
    _drop(connection, owner, file_id, first, first + len(group))
    mark = _mark(owner)
    for number, (text, words) in enumerate(group, first):
        key = connection.execute(_WRITE, (owner, file_id, number, text)).lastrowid
        connection.execute("INSERT INTO passage_words (rowid, owner, words) VALUES (?, ?, ?)", (key, mark, words))


def _drop(connection: Connection, owner: str, file_id: str, first: int, end: int) -> int:
    """Delete up to `GROUP` of a file's passages with these numbers and return their count."""
    keys = connection.execute(_FIRST, (owner, file_id, first, end, GROUP)).fetchall()
    connection.executemany("DELETE FROM passage_words WHERE rowid = ?", keys)
    connection.executemany("DELETE FROM passages WHERE id = ?", keys)
    return len(keys)


def _mark(owner: str) -> str:
    """Return one word that identifies an owner."""
    return hashlib.sha256(owner.encode()).hexdigest()[:32]


def whole(text: str) -> str:
    """Replace lone surrogates, which SQLite cannot store and damaged files contain."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
