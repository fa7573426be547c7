"""The MongoDB store passes the suites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_assistant_stream.testing.store_blobs import BlobSuite
from flask_assistant_stream.testing.store_passages import PassageSuite
from flask_assistant_stream.testing.store_suite import StoreSuite
from tests.mongodb_server import OpenStore, opened


class TestSuite(StoreSuite, BlobSuite, PassageSuite):
    @pytest.fixture
    def open_store(self, mongodb_url: str) -> Iterator[OpenStore]:
        yield from opened(mongodb_url)
