"""News of logs by a change stream, which replica sets and sharded clusters have."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import StoreError
from ..capabilities import Push
from .connection import LOG, Connection
from .documents import Document

AWAIT_MS = 500
"""How long the server waits for something to tell; a store that is closed is let go of as late as that."""
INSERTS: list[Document] = [{"$match": {"operationType": "insert"}}, {"$project": {"fullDocument.run_id": True}}]


class MongoDBPush(Push):
    """The push of a MongoDB store."""

    _connection: Connection

    def pushes(self) -> bool:
        """Ask the server what it is part of."""
        with self._connection.admin() as admin:
            told = admin.command("hello")
        return "setName" in told or told.get("msg") == "isdbgrid"

    def grown(self) -> Iterator[str | None]:
        """Listen to what is inserted into the log."""
        with self._connection.database() as db, db[LOG].watch(INSERTS, max_await_time_ms=AWAIT_MS) as stream:
            yield None
            while stream.alive:
                change = stream.try_next()
                yield None if change is None else str(change["fullDocument"]["run_id"])
        raise StoreError("The change stream of the log has ended.")
