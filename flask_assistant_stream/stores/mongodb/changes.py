"""Push by a change stream, which replica sets and sharded clusters have."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import StoreError
from ..capabilities import Push
from .connection import MongoDBConnection
from .documents import Document
from .schema import LOG

AWAIT_MS = 500
"""How long the server waits for a change, and so how long a closed store keeps its connection."""
INSERTS: list[Document] = [{"$match": {"operationType": "insert"}}, {"$project": {"fullDocument.run_id": True}}]


class MongoDBPush(Push):
    """The push of a MongoDB store."""

    _connection: MongoDBConnection

    def pushes(self) -> bool:
        with self._connection.admin() as admin:
            hello = admin.command("hello")
        return "setName" in hello or hello.get("msg") == "isdbgrid"

    def grown(self) -> Iterator[str | None]:
        with self._connection.database() as db, db[LOG].watch(INSERTS, max_await_time_ms=AWAIT_MS) as stream:
            yield None
            while stream.alive:
                change = stream.try_next()
                yield None if change is None else str(change["fullDocument"]["run_id"])
        raise StoreError("The change stream of the log has ended.")
