"""Workers over one store, each with a log and a runner of its own, and runs as a worker left them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask_assistant_stream.log.projection import project_events
from flask_assistant_stream.log.run_log import RunLog
from flask_assistant_stream.protocol import ids, objects
from flask_assistant_stream.protocol.dialects import ASSISTANTS
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.runs.execution import RunContext
from flask_assistant_stream.runs.runner import Runner, RunnerOptions
from flask_assistant_stream.runs.start_request import MessageDraft, RunPosition, StartRequest
from flask_assistant_stream.runs.takeover import Takeover
from flask_assistant_stream.runs.upstream_request import RequestBuilder
from flask_assistant_stream.stores.base import AppendResult, Kind, Record, Row, RunRecord, Start, Store
from flask_assistant_stream.testing.scripted import ScriptedEngine
from flask_assistant_stream.translation.translator import Translator

ASSISTANT = objects.assistant("asst_1", 1, "model", instructions="Be brief.")
HELLO = [MessageDraft([objects.text_part("Hello")])]
LEASE = 15.0


class Worker:
    """One process's view: its own store object, log and runner."""

    def __init__(self, store: Store, *scripts: Any, **options: Any) -> None:
        self.store = store
        self.skipped = 0.0
        real_now = store.now
        store.now = lambda: real_now() + self.skipped  # type: ignore[method-assign]
        self.engine = ScriptedEngine(*scripts)
        self.log = RunLog(store, deadline_seconds=LEASE)
        context = RunContext(self.engine, RequestBuilder(store))
        self.runner = Runner(store, self.log, context, RunnerOptions(**{"lease_seconds": LEASE, **options}))
        self.takeover = Takeover(store, LEASE, ids.new_id)

    def sweep(self, later: float = 0.0) -> None:
        """End abandoned runs, as if `later` seconds had passed for this worker."""
        self.skipped += later
        now = self.store.now()
        for run in self.store.due(now):
            self.takeover.finish(run, if_due=now)

    def events(self, run_id: str) -> list[Event]:
        return [event for row in self.store.read(run_id) for event in row.events]

    def start(self, said: str = "Hello", **options: Any) -> RunPosition:
        """Start a run with a message of Ann's."""
        return self.runner.start(StartRequest("ann", ASSISTANT, [MessageDraft([objects.text_part(said)])], **options))

    def read(self, run_id: str, after: int = 0) -> list[Event]:
        """Follow a run to its end, or to where it waits."""
        with self.log.follow(run_id, after) as follower:
            return [event for events in follower for event in events]

    def run(self, run_id: str) -> RunRecord:
        record = self.store.get(Kind.RUN, "ann", run_id)
        assert isinstance(record, RunRecord)
        return record

    def outputs(self, run_id: str, output: str = "-3 °C") -> dict[str, str]:
        """Return the same output for every call that a run waits for."""
        calls = self.run(run_id).body["required_action"]["submit_tool_outputs"]["tool_calls"]
        return {call["id"]: output for call in calls}

    def messages(self, thread_id: str) -> list[dict[str, Any]]:
        return [r.body for r in self.store.list(Kind.MESSAGE, "ann", parent=thread_id, order="asc", limit=100).records]


MakeWorker = Callable[..., Worker]


class Begun:
    """A run as a worker left it: started by hand, so that nothing continues by itself."""

    def __init__(self, worker: Worker, reads: Sequence[Any] = ()) -> None:
        self.worker = worker
        thread = objects.thread(ids.new_id(ids.THREAD), 1)
        now = int(worker.store.now())
        body = objects.run(ids.new_id(ids.RUN), now, thread["id"], ASSISTANT)
        self.translator = Translator(body, new_id=ids.new_id, now=lambda: int(worker.store.now()))
        events = self.translator.start(thread)
        message = objects.message(ids.new_id(ids.MESSAGE), now, thread["id"], "user", HELLO[0].content)
        run = RunRecord(Kind.RUN, "ann", self.translator.run, thread["id"], due_at=worker.store.now() + LEASE)
        self.run = worker.store.start(
            Start(
                run,
                Row.of(run, ids.new_id("t"), events),
                (Record(Kind.MESSAGE, "ann", message, thread["id"]),),
                Record(Kind.THREAD, "ann", thread),
            )
        )
        self.thread_id, self.id = thread["id"], self.run.id
        self.play(reads)

    def play(self, reads: Sequence[Any], *, project: bool = True) -> list[Row]:
        """Translate and store reads; without `project` the worker died before it told the objects."""
        rows = [self.row(events) for items in reads if (events := self.translator.feed(items))]
        for row in rows:
            assert self.store_row(row, project=project) is AppendResult.STORED
        return rows

    def row(self, events: list[Event]) -> Row:
        state = self.translator.state() if self.translator.waiting else None
        return Row.of(self.run, ids.new_id("t"), events, state)

    def store_row(self, row: Row, *, project: bool = True) -> AppendResult:
        outcome = self.worker.store.append([row])[0]
        projection = project_events(self.run, row.events, row.state)
        if project and outcome is AppendResult.STORED and projection is not None:
            self.worker.store.project([projection])
        return outcome


def endings(events: list[Event]) -> list[str]:
    return [event.name for event in events if event.name in ASSISTANTS.run_endings]


def assert_numbers_are_unique_and_ascending(events: list[Event]) -> None:
    numbers = [event.seq for event in events]
    assert numbers == sorted(set(numbers))
