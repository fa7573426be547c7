"""The MongoDB store passes the suites."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from bson import json_util

from flask_assistant_stream.testing.store_blobs import BlobSuite
from flask_assistant_stream.testing.store_passages import PassageSuite
from flask_assistant_stream.testing.store_suite import StoreSuite
from tests.mongodb_server import OpenStore, a_database, opened, reading
from tests.stores.old_data_suite import OldData, OldDataSuite


class TestSuite(StoreSuite, BlobSuite, PassageSuite):
    @pytest.fixture
    def open_store(self, mongodb_url: str) -> Iterator[OpenStore]:
        yield from opened(mongodb_url)


class TestOldData(OldDataSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def new_copy(cls, old: OldData, mongodb_uri: str) -> Iterator[Callable[[], str]]:
        dump = json_util.loads(gzip.decompress((old.folder / "mongodb.json.gz").read_bytes()).decode())
        with ExitStack() as databases:

            def new_copy() -> str:
                url = databases.enter_context(a_database(mongodb_uri))
                with reading(url) as db:
                    for name, collection in dump.items():
                        db.command("createIndexes", name, indexes=collection["indexes"])
                        if collection["documents"]:
                            db[name].insert_many(collection["documents"])
                return url

            yield new_copy
