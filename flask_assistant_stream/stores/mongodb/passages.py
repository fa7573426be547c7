"""Passages in MongoDB: a document each, with an indexed array of its words.

Does not use the server's text search: compatible servers have none, it reads `-word` and quotes as syntax, shares one
index between owners, and ignores how rare a word is. `ranking` defines and weighs the words, as for every store.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pymongo
from pymongo import ReplaceOne
from pymongo.errors import PyMongoError

from ...threads import SEARCH, WORK
from .. import ranking
from ..base import PER_OWNER, Kind
from ..capabilities import SEARCH_SECONDS, FoundPassage, Passages, search_timed_out
from .connection import MongoDBConnection
from .documents import Document, encode, owned_id
from .schema import COLLECTIONS, PASSAGES, Db

GROUP = 50
"""Passages per write."""
EARLY_SECONDS = 0.5
"""How much before the end the driver may give up: it subtracts the way to the server."""
BATCH = 2_000
"""Passages per read of a search: the driver decodes a batch at once, while no other greenlet runs."""


class MongoDBPassages(Passages):
    """Passages of a store that has `_connection`."""

    _connection: MongoDBConnection

    def write_passages(self, owner: str, file_id: str, texts: Sequence[str]) -> None:
        for first in range(0, len(texts), GROUP):
            documents = WORK.run(_to_documents, owner, file_id, first, texts[first : first + GROUP])
            with self._connection.database() as db:
                db[PASSAGES].bulk_write(
                    [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents], ordered=False
                )
        self._drop_from(owner, file_id, len(texts))

    def read_passages(self, owner: str, file_id: str) -> list[str]:
        with self._connection.database() as db:
            documents = db[PASSAGES].find({"owner": owner, "file_id": file_id}, {"text": True}).sort("number")
            return [document["text"] for document in documents]

    def delete_passages(self, owner: str, file_id: str) -> None:
        self._drop_from(owner, file_id, 0)

    def search_passages(self, owner: str, file_ids: Sequence[str], query: str, limit: int) -> list[FoundPassage]:
        with self._connection.database() as db, _limited(SEARCH_SECONDS):
            return ranking.search(_MongoDBIndex(db, owner, file_ids), query, limit, SEARCH.run)

    def owner_of(self, kind: Kind, id: str) -> str | None:
        if kind in PER_OWNER:
            return None
        with self._connection.database() as db:
            document = db[COLLECTIONS[kind]].find_one({"_id": id}, {"owner": True})
            return None if document is None else document["owner"]

    def _drop_from(self, owner: str, file_id: str, number: int) -> None:
        with self._connection.database() as db:
            db[PASSAGES].delete_many({"owner": owner, "file_id": file_id, "number": {"$gte": number}})


class _MongoDBIndex:
    """The passages of some files of one owner, for `ranking.search`."""

    def __init__(self, db: Db, owner: str, file_ids: Sequence[str]) -> None:
        self._passages = db[PASSAGES]
        self._searched: Document = {"owner": owner, "file_id": {"$in": [*set(file_ids)]}}

    def total(self) -> int:
        return self._passages.count_documents(self._searched)

    def holding(self, word: str) -> Collection[Hashable]:
        documents = self._passages.find({**self._searched, "words": word}, {"_id": True}, batch_size=BATCH)
        return {document["_id"] for document in documents}

    def candidates(self, keys: Collection[Hashable]) -> Iterable[ranking.Candidate]:
        fields = {"file_id": True, "number": True, "counted": True}
        return [
            ranking.Candidate(each["_id"], each["file_id"], each["number"], each["counted"])
            for each in self._passages.find({"_id": {"$in": [*keys]}}, fields)
        ]

    def texts(self, keys: Collection[Hashable]) -> Mapping[Hashable, str]:
        documents = self._passages.find({"_id": {"$in": [*keys]}}, {"text": True})
        return {document["_id"]: document["text"] for document in documents}


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Let server and driver give up after `seconds`; RequestError then."""
    deadline = time.monotonic() + seconds
    try:
        with pymongo.timeout(seconds):
            yield
    except PyMongoError as error:
        if error.timeout and time.monotonic() > deadline - EARLY_SECONDS:
            raise search_timed_out() from None
        raise


def _to_documents(owner: str, file_id: str, first: int, texts: Sequence[str]) -> list[Document]:
    """Return the documents of consecutive passages; slow, because it finds the words of long texts."""
    return [_to_document(owner, file_id, number, text) for number, text in enumerate(texts, first)]


def _to_document(owner: str, file_id: str, number: int, text: str) -> Document:
    words = ranking.words(text)
    return {
        "_id": f"{owned_id(owner, file_id)}/{number}",
        "owner": owner,
        "file_id": file_id,
        "number": number,
        "text": encode(text),
        "words": [*dict.fromkeys(words)],
        "counted": " ".join(words),
    }
