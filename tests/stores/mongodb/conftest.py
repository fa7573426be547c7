"""The stores on one database, and the database itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flask_assistant_stream.stores.base import Store
from flask_assistant_stream.stores.mongodb.connection import Db
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
