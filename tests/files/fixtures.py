"""Worlds of files: on each storage and store in turn, or on one of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Store
from tests.fake_upstream import FakeUpstream
from tests.files.worlds import World, at, local


@pytest.fixture
def whole_store(sqlite_url: str) -> Iterator[Store]:
    """Return an SQLite store."""
    store = make_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def upstream_world(whole_store: Store, upstream: FakeUpstream) -> Iterator[World]:
    """Return files at the fake upstream; the test fails if a request violates the specification."""
    world = World(whole_store, at(upstream), upstream.files)
    yield world
    world.storage.close()


@pytest.fixture
def local_world(whole_store: Store) -> World:
    """Return files in the local storage."""
    return World(whole_store, local)


@pytest.fixture
def mongodb_world(mongodb_url: str) -> Iterator[World]:
    """Return files in the local storage, on MongoDB."""
    store = make_store(mongodb_url)
    yield World(store, local)
    store.close()


@pytest.fixture(params=["local", "upstream", "mongodb"])
def world(request: pytest.FixtureRequest) -> World:
    """Return files on each storage and store in turn."""
    world: World = request.getfixturevalue(f"{request.param}_world")
    return world
