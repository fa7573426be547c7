"""Workers of one store: each a store object, a log and a runner, whose time is moved, not waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_assistant_stream.log.run_log import RunLog
from flask_assistant_stream.protocol import ids, objects
from flask_assistant_stream.protocol.events import RUN_ENDINGS, Event
from flask_assistant_stream.runs.execution import RunContext
from flask_assistant_stream.runs.runner import Runner, RunnerOptions
from flask_assistant_stream.runs.start_request import MessageDraft
from flask_assistant_stream.runs.takeover import Takeover
from flask_assistant_stream.runs.upstream_request import RequestBuilder
from flask_assistant_stream.stores.base import Kind, RunRecord, Store
from flask_assistant_stream.testing.scripted import ScriptedEngine

ASSISTANT = objects.assistant("asst_1", 1, "model", instructions="Be brief.")


HELLO = [MessageDraft([objects.text_part("Hello")])]


LEASE = 15.0


class Worker:
    """One process's view: its own store object, log and runner."""

    def __init__(self, store: Store, *scripts: Any) -> None:
        self.store = store
        self.skipped = 0.0
        real_now = store.now
        store.now = lambda: real_now() + self.skipped  # type: ignore[method-assign]
        self.engine = ScriptedEngine(*scripts)
        self.log = RunLog(store, deadline_seconds=LEASE)
        self.runner = Runner(
            store, self.log, RunContext(self.engine, RequestBuilder(store)), RunnerOptions(lease_seconds=LEASE)
        )
        self.takeover = Takeover(store, LEASE, ids.new_id)

    def sweep(self) -> None:
        now = self.store.now()
        for run in self.store.due(now):
            self.takeover.finish(run, if_due=now)

    def events(self, run_id: str) -> list[Event]:
        return [event for row in self.store.read(run_id) for event in row.events]

    def run(self, run_id: str) -> RunRecord:
        record = self.store.get(Kind.RUN, "ann", run_id)
        assert isinstance(record, RunRecord)
        return record

    def messages(self, thread_id: str) -> list[dict[str, Any]]:
        return [r.body for r in self.store.list(Kind.MESSAGE, "ann", parent=thread_id, order="asc", limit=100).records]


MakeWorker = Callable[..., Worker]


def endings(events: list[Event]) -> list[str]:
    return [event.name for event in events if event.name in RUN_ENDINGS]
