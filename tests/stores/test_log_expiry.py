"""A run's events stay readable for a time after its end; those of an active run stay."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind, Projection, RunRecord, Store
from flask_assistant_stream.testing.store_material import ANN, a_row, a_start, a_thread, changed

LOG_SECONDS = 2.0
DEADLINE = 20.0


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = make_store(store_url, log_seconds=LOG_SECONDS)
    yield store
    store.close()


def begun(store: Store) -> RunRecord:
    run = store.start(a_start(store.insert(a_thread()), due_at=store.now() + 60))
    store.append([a_row(run, 2, 3)])
    return run


@pytest.mark.slow
def test_a_log_expires_after_the_end_of_its_run(store: Store) -> None:
    ended, active = begun(store), begun(store)
    begin = time.monotonic()
    store.project([Projection(ended, changes=changed(ended, "completed"), last_seq=3)])
    rows, seen = store.read(ended.id), time.monotonic() - begin
    assert len(rows) == 2 or seen > LOG_SECONDS
    while store.read(ended.id):
        assert time.monotonic() - begin < DEADLINE
        time.sleep(0.05)
    assert time.monotonic() - begin >= LOG_SECONDS - 0.1
    assert store.last_row(ended.id) is None
    assert len(store.read(active.id)) == 2
    assert store.last_row(active.id) is not None
    assert store.get(Kind.RUN, ANN, ended.id).body["status"] == "completed"
