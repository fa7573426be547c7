"""The sqlite store: the suite, and what is its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_assistant_stream.testing.store_suite import StoreSuite
from tests.mongodb_server import OpenStore, opened


class TestSuite(StoreSuite):
    @pytest.fixture
    def open_store(self, sqlite_url: str) -> Iterator[OpenStore]:
        yield from opened(sqlite_url)
