"""A MongoDB server for the tests, and fixtures that run a test on each store.

Uses the server of `MONGODB_URI`, or starts one from the wheel `SecantusDB`, which speaks MongoDB's wire protocol in a
process of its own and is never imported.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Store
from tests.kinds import require

# The wheel's other server, secantusd-rs, is two to three times faster, but the first update of an indexed field
# leaves its entry in a unique index: a thread would stay busy after its run has ended.
SERVER = "secantusd-py"
BUSY_SERVER = "secantusd-rs"
START_SECONDS = 30
STOP_SECONDS = 10
ANSWER_MS = 30_000
"""The time-out of the tests' own calls, which the driver does not limit."""

OpenStore = Callable[[], Store]


@pytest.fixture(scope="module")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URI of a server that the tests of a module share."""
    with a_server(tmp_path_factory.mktemp("mongodb")) as uri:
        yield uri


@contextmanager
def a_server(where: Path) -> Iterator[str]:
    """Yield the URI of the configured server, or of a new one with its data below `where`.

    Keep a new one short-lived: each write scans all writes of the last half-hour.
    """
    if configured := os.environ.get("MONGODB_URI"):
        yield configured
        return
    process, port = start_server(where)
    try:
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        stop_server(process)


@pytest.fixture
def busy_mongodb_url(tmp_path: Path) -> Iterator[str]:
    """Yield a store URL on a server fast enough for hundreds of streams; for tests with one run per thread."""
    if configured := os.environ.get("MONGODB_URI"):
        yield with_database(configured, f"assistant_stream_test_{secrets.token_hex(8)}")
        return
    process, port = start_server(tmp_path, "--log-file-max", "16MB", server=BUSY_SERVER)
    try:
        yield f"mongodb://127.0.0.1:{port}/busy"
    finally:
        stop_server(process)


def start_server(where: Path, *arguments: str, server: str = SERVER) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server with its data and log below `where`. Return it and its port once it listens."""
    require("mongodb")
    program = shutil.which(server, path=sysconfig.get_path("scripts")) or shutil.which(server)
    assert program, f"{server} is missing: pip install 'flask-assistant-stream[test]', or set MONGODB_URI"
    # The cache keeps its default size: a small one fills up with open transactions, and the server stalls.
    command = [program, "--port", "0", "--storage-path", str(where / "data"), *arguments]
    where.mkdir(exist_ok=True)
    said = where / "server.log"
    with said.open("wb") as log:
        process = subprocess.Popen(command, cwd=where, stdout=log, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        listening = re.search(r"listening on 127\.0\.0\.1:(\d+)", said.read_text())
        if listening:
            return process, int(listening[1])
        time.sleep(0.05)
    stop_server(process)
    raise AssertionError(f"{server} did not start: {said.read_text()}")


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """Stop a server of `start_server`."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


def with_database(uri: str, database: str) -> str:
    """Return the URI with another database and the same `authSource`."""
    parts = urlsplit(uri)
    options = dict(parse_qsl(parts.query))
    if parts.username:
        options.setdefault("authSource", parts.path.strip("/") or "admin")
    return urlunsplit(parts._replace(path=f"/{database}", query=urlencode(options)))


@contextmanager
def a_database(uri: str) -> Iterator[str]:
    """Yield a store URL with a new database, dropped afterwards."""
    url = with_database(uri, f"assistant_stream_test_{secrets.token_hex(8)}")
    yield url
    with reading(url) as db:
        db.client.drop_database(db.name)


@contextmanager
def reading(url: str) -> Iterator[Database[dict[str, Any]]]:
    """Yield the database of a store URL, to read it without the store."""
    with MongoClient[dict[str, Any]](url, tz_aware=True, timeoutMS=ANSWER_MS) as client:
        yield client.get_default_database()


@pytest.fixture
def mongodb_url(mongodb_uri: str) -> Iterator[str]:
    """Yield a store URL with a new database."""
    with a_database(mongodb_uri) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return a store URL with a new file."""
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(scope="module", params=["sqlite", "mongodb"])
def module_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a store that the tests of a module share, for each kind of store."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}"
        return
    with a_database(request.getfixturevalue("mongodb_uri")) as url:
        yield url


@pytest.fixture(params=["sqlite", "mongodb"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of an empty store, for each kind of store."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def open_store(store_url: str) -> Iterator[OpenStore]:
    """Yield a function that opens stores on the same, at first empty, data, for each kind of store."""
    yield from opened(store_url)


def opened(url: str, *, log_seconds: float = 86400.0) -> Iterator[OpenStore]:
    """Yield a function that opens stores on one URL; all are closed afterwards."""
    stores: list[Store] = []

    def make() -> Store:
        stores.append(make_store(url, log_seconds=log_seconds))
        return stores[-1]

    yield make
    for store in stores:
        store.close()
