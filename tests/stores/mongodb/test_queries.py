"""Every query of a running app names a record, thread, run or owner, so its cost does not grow with the data."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Projection
from flask_assistant_stream.stores.mongodb import connection, schema
from flask_assistant_stream.testing.decode import decode_ndjson
from flask_assistant_stream.testing.scripted import call, text
from flask_assistant_stream.testing.store_material import a_row, a_start, a_thread, an_answer, changed
from tests.routes.conftest import build, run_of

NAMES = {"_id", "parent", "run_id", "owner"}
"""A query names one of these."""
SWEEPS = ({"active", "due_at"}, {"active", "cancel_requested"})
"""The queries of every sweep, which small indexes of active runs answer."""


class Listener(CommandListener):
    """Keeps the filters of all commands, by collection."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, str]] = []
        self.filters: list[tuple[str, str, set[str]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        command, name = event.command, event.command_name
        self.commands.append((name, str(command[name]).removeprefix("assistant_")))
        filters: list[Mapping[str, Any]] = []
        if name == "find":
            filters = [command.get("filter", {})]
        elif name == "findAndModify":
            filters = [command["query"]]
        elif name in ("update", "delete"):
            filters = [write["q"] for write in command[f"{name}s"]]
        elif name in ("aggregate", "count", "distinct") and "$changeStream" not in str(command.get("pipeline")):
            filters = [{}]
        self.filters += [(str(command[name]), name, set(names)) for names in filters]

    def succeeded(self, event: object) -> None: ...

    def failed(self, event: object) -> None: ...


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Listener:
    listener = Listener()
    monkeypatch.setattr(connection, "MongoClient", partial(MongoClient, event_listeners=[listener]))
    return listener


def test_every_query_names_its_subject(listener: Listener, mongodb_url: str, tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    assistants = [{"id": "asst_default", "tools": [tool]}]
    site = build(tmp_path, text("Hi."), call("look"), text("Seen."), store=mongodb_url, assistants=assistants)
    thread_id = run_of(site.chat())["thread_id"]
    run = run_of(site.chat(threadId=thread_id))
    (asked,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": asked["id"], "output": "yes"}]
    answered = site.post(f"/threads/{thread_id}/actions", {"runId": run["id"], "toolCallOutputs": outputs})
    assert decode_ndjson(answered.data)[-1].name == "thread.run.completed", answered.text
    site.get(f"/threads/{thread_id}/runs/{run['id']}/stream?after=3")
    swept = threading.Event()
    site.registration.runner.on_sweep.append(swept.set)
    assert swept.wait(30)
    newest = site.get(f"/threads/{thread_id}/messages?order=desc").get_json()["data"][0]
    assert newest["content"][0]["text"]["value"] == "Seen."
    site.registration.runner.stop()
    site.registration.store.close()
    hot = [(where, how, keys) for where, how, keys in listener.filters if where != schema.META]
    assert {where for where, _, _ in hot} > {schema.RUNS, schema.THREADS, schema.LOG}
    assert [query for query in hot if not query[2] & NAMES and query[2] not in SWEEPS] == []
    upserts = [keys for where, how, keys in hot if how == "update" and where.endswith(("messages", "run_steps"))]
    assert upserts
    assert all("parent" in keys for keys in upserts), "on a sharded cluster an upsert says where it belongs"


def test_a_run_on_a_thread_without_forks_is_few_commands(listener: Listener, mongodb_url: str) -> None:
    store = make_store(mongodb_url)
    thread = store.insert(a_thread())
    listener.commands.clear()
    run = store.start(a_start(thread, "Hello"))
    assert [command for command in listener.commands if command[1] != "1"] == [
        ("findAndModify", "threads"),
        ("insert", "runs"),
        ("insert", "messages"),
        ("insert", "run_log"),
    ]
    listener.commands.clear()
    end = Projection(run, (an_answer(run, 2),), (2,), changes=changed(run, "completed"), last_seq=2)
    store.commit([(a_row(run, 2), end)])
    assert listener.commands == [
        ("find", "runs"),
        ("insert", "run_log"),
        ("update", "messages"),
        ("update", "threads"),
        ("update", "run_log"),
        ("update", "runs"),
    ]
    store.close()
