"""Runs without a worker whose log is long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flask_assistant_stream.protocol.ids import new_id
from flask_assistant_stream.runs.takeover import Takeover
from flask_assistant_stream.stores import base
from flask_assistant_stream.stores.base import AppendResult, Kind, RunRecord, Store
from flask_assistant_stream.testing.store_material import ANN, a_row, a_start, a_thread


def test_a_run_whose_log_exceeds_a_page_is_ended(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    thread = store.insert(a_thread())
    run = store.start(a_start(thread, "Hello", due_at=1.0))
    monkeypatch.setattr(base, "PAGE_BYTES", 1)  # each row is a page of its own
    assert store.append([a_row(run, 2, 9), a_row(run, 10, 12)]) == [AppendResult.STORED, AppendResult.STORED]

    Takeover(store, 10.0, new_id).finish(run)

    ended = store.get(Kind.RUN, ANN, run.id)
    assert isinstance(ended, RunRecord)
    assert (ended.body["status"], ended.active) == ("failed", False)
    last = store.last_row(run.id)
    assert last is not None
    assert [event.name for event in last.events][-1] == "thread.run.failed"
