"""The connection to the MongoDB database.

Driver errors become `StoreError`, without the address of the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pymongo
from bson.errors import BSONError
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from ...errors import ConfigError, StoreError
from ...per_process import PerProcess
from .documents import Document
from .migration_lock import WAIT_SECONDS, still_migrating
from .schema import Db, check_version, migrate

DATABASE = "assistant_stream"
"""The database if the URI names none."""
PING_SECONDS = 2.0
FRESH_SECONDS = 1.0
"""How long the server counts as reachable after an answer."""
CHECK_SECONDS = 60.0
"""How often a process looks whether a newer version of this library has migrated the database meanwhile."""
OPTIONS: dict[str, Any] = {
    "appname": "flask-assistant-stream",
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 10_000,
    "waitQueueTimeoutMS": 5_000,
}
"""Options that the URI may override: a server that hangs becomes an error soon, not a worker that hangs."""
DURABLE = WriteConcern(w="majority", j=True, wtimeout=10_000)
"""Acknowledged writes survive the loss of a server (`spec/run-protocol.md#what-a-store-guarantees`)."""


class _ProcessClient:
    """The client of one process, and whether the database has this version of the library."""

    def __init__(self, url: str) -> None:
        self.client = make_client(url)
        self._migrated = False
        self._migrating = threading.Lock()
        self._check_at = 0.0

    def database(self) -> Db:
        """Return the database, migrated.

        Raises:
            ConfigError: a newer version of this library wrote it.
            StoreError: another process migrates it now, or has migrated it since the first call.
        """
        db = default_database(self.client)
        if not self._migrated:
            self._migrate(db)
        elif time.monotonic() >= self._check_at:
            self._check(db)
        return db

    def _migrate(self, db: Db) -> None:
        if not self._migrating.acquire(timeout=WAIT_SECONDS):  # other threads wait for it instead of migrating as well
            raise still_migrating()
        try:
            if not self._migrated:
                migrate(db)
                self._check_at = time.monotonic() + CHECK_SECONDS
                self._migrated = True
        finally:
            self._migrating.release()

    def _check(self, db: Db) -> None:
        self._check_at = time.monotonic() + CHECK_SECONDS  # other threads need not check meanwhile
        try:
            check_version(db)
        except BaseException:
            self._check_at = 0.0
            raise


class MongoDBConnection:
    """One database, with a client per process: none survives a fork. ConfigError if the driver rejects the URI."""

    def __init__(self, url: str) -> None:
        _check(url)
        self._processes = PerProcess(lambda: _ProcessClient(url))
        self._answered_at = float("-inf")

    def __repr__(self) -> str:
        return "<Connection to MongoDB>"

    @contextmanager
    def database(self) -> Iterator[Db]:
        """Give the migrated database; driver errors become `StoreError`."""
        with _translated():
            yield self._processes.get().database()
            self._answered_at = time.monotonic()

    def expect_answers(self) -> None:
        """Raise `StoreError` soon unless the server has answered lately or answers now.

        For several writes in a row: a server that hangs would still do them when it continues.
        """
        if time.monotonic() - self._answered_at > FRESH_SECONDS:
            with self.admin() as admin:
                admin.command("ping")

    @contextmanager
    def admin(self) -> Iterator[Db]:
        """Give the server's `admin` database; a call on it fails after `PING_SECONDS`."""
        with _translated(), pymongo.timeout(PING_SECONDS):
            yield self._processes.get().client.admin

    def close(self) -> None:
        """Close this process's client."""
        process = self._processes.pop()
        if process is not None:
            process.client.close()


def _check(url: str) -> None:
    """Reject a URI that the driver rejects, without its message, which may quote a part of the password."""
    try:
        if not url.startswith("mongodb+srv://"):  # parsing one would query DNS
            parse_uri(url, warn=True)
        elif not urlsplit(url).hostname:
            raise ValueError
    except (PyMongoError, ValueError):
        raise ConfigError(
            "ASSISTANT_STORE: the MongoDB URI is not valid. Write mongodb://user:password@host:27017/database "
            "or mongodb+srv://…, with '@', ':', '/' and '%' in user and password percent-encoded."
        ) from None


def make_client(url: str) -> MongoClient[Document]:
    """Return a client for a URI; it connects at its first call."""
    in_url = {name.lower() for name, _ in parse_qsl(urlsplit(url).query)}
    options = {name: value for name, value in OPTIONS.items() if name.lower() not in in_url}
    return MongoClient(url, connect=False, tz_aware=True, **options)


def default_database(client: MongoClient[Document]) -> Db:
    """Return the database that the URI names, or `DATABASE`, with durable writes."""
    return client.get_default_database(DATABASE, read_preference=ReadPreference.PRIMARY, write_concern=DURABLE)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PyMongoError as error:
        raise StoreError(f"The MongoDB store failed: {_reason(error)}") from None
    except (BSONError, UnicodeError, OverflowError) as error:
        raise StoreError(f"MongoDB cannot store a value: {type(error).__name__}") from None


def _reason(error: PyMongoError) -> str:
    """Return the server's name for an error, or a network error's first words without the topology."""
    if isinstance(error, OperationFailure):
        return str((error.details or {}).get("codeName") or f"error {error.code}")
    text = str(error).partition(" (configured timeouts")[0].partition(", Timeout:")[0]
    return f"{type(error).__name__}: {text[:200]}"
