"""The stores on one database, and the database itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect

from flask_assistant_stream.stores.base import Store
from flask_assistant_stream.stores.mongodb.schema import Db
from tests.mongodb_server import opened, reading


@pytest.fixture
def open_store(mongodb_url: str) -> Iterator[Callable[[], Store]]:
    yield from opened(mongodb_url)


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()


@pytest.fixture
def db(mongodb_url: str) -> Iterator[Db]:
    with reading(mongodb_url) as db:
        yield db


def break_after(monkeypatch: pytest.MonkeyPatch, collection: str, method: str, *, landed: bool) -> None:
    """Make a write fail like a lost connection, before or after it reaches the server."""
    real = getattr(Collection, method)

    def broken(self: Collection[Any], *arguments: Any, **options: Any) -> Any:
        if self.name == collection:
            if landed:
                real(self, *arguments, **options)
            raise AutoReconnect("connection closed")
        return real(self, *arguments, **options)

    monkeypatch.setattr(Collection, method, broken)
