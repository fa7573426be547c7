"""Titles of threads: written beside the first run, on request, set by hand; over HTTP with scripted engines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_assistant_stream import EngineError, create_assistant_blueprint
from flask_assistant_stream.engines.base import Engine, Item, ItemStream, Search
from flask_assistant_stream.engines.openai import http_connect
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.testing.decode import decode_ndjson, decode_sse
from flask_assistant_stream.testing.scripted import ScriptedEngine, call, incomplete, text
from tests.fake_upstream import FakeUpstream
from tests.waiting import soon

API = "/api/assistants"
SECONDS = 10
REFUND = "How do I get a refund?"


class TwoModels(Engine):
    """Answers runs and titles separately: each waits until the test releases it.

    Args:
        title: the answer to a request for a title: a text, an error, or a script.
        one_at_a_time: see `Engine`.

    Attributes:
        asked: the requests for titles.
        answered: the requests of runs.
    """

    name = "scripted"

    def __init__(self, title: Any = "Getting a refund", *, one_at_a_time: bool = False) -> None:
        self.one_at_a_time = one_at_a_time
        self.asked: list[dict[str, Any]] = []
        self.answered: list[dict[str, Any]] = []
        self.may_title = threading.Event()
        self.may_end = threading.Event()
        self.may_title.set()
        self.may_end.set()
        self._title = title

    def stream(self, request: dict[str, Any], *, search: Search | None = None) -> ItemStream:
        if request["model"] != "small":
            self.answered.append(request)
            weather = request.get("tools") and len(self.answered) == 1
            script = call("get_weather") if weather else text("An answer.")
            return _Held(ScriptedEngine(script).stream(request), self.may_end)
        self.asked.append(request)
        if isinstance(self._title, Exception):
            return _Failing(self._title)
        script = text(self._title) if isinstance(self._title, str) else self._title
        return _Held(ScriptedEngine(script).stream(request), self.may_title)


class _Held(ItemStream):
    """Returns the last read when an event is set, or never if it is closed before."""

    def __init__(self, stream: ItemStream, may_end: threading.Event) -> None:
        self._reads = list(stream)
        self._may_end = may_end
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[list[Item]]:
        yield from self._reads[:-1]
        assert self._may_end.wait(SECONDS)
        if not self._closed.is_set():
            yield self._reads[-1]

    def close(self) -> None:
        self._closed.set()
        self._may_end.set()


class _Failing(ItemStream):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def __iter__(self) -> Iterator[list[Item]]:
        raise self._error

    def close(self) -> None: ...


MakeClient = Callable[..., FlaskClient]


@pytest.fixture
def client_of(tmp_path: Path) -> Iterator[MakeClient]:
    """Return a function that makes a client of an app with an engine and settings."""
    apps: list[Flask] = []

    def make(engine: Engine | str, **options: Any) -> FlaskClient:
        app = Flask("host", instance_path=str(tmp_path / str(len(apps))))
        app.testing = True
        apps.append(app)
        app.register_blueprint(create_assistant_blueprint(engine=engine, title_model="small", **options))
        return app.test_client()

    yield make
    for app in apps:
        site = app.extensions["flask_assistant_stream"]["assistant_stream"]
        site.runner.stop()
        site.store.close()


WEATHER: dict[str, Any] = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def late(client_of: MakeClient) -> tuple[TwoModels, FlaskClient]:
    """Return an engine that holds its titles back, and a client of its app."""
    engine = TwoModels()
    engine.may_title.clear()
    return engine, client_of(engine)


def send(client: FlaskClient, content: str, thread_id: str | None = None) -> list[Event]:
    return decode_ndjson(client.post(f"{API}/chat/stream", json={"content": content, "threadId": thread_id}).data)


def thread_of(events: list[Event]) -> str:
    return str(next(event.object()["thread_id"] for event in events if event.name == "thread.run.created"))


def title(client: FlaskClient, thread_id: str) -> Any:
    return client.get(f"{API}/threads/{thread_id}").get_json()["title"]


def test_a_title_that_exists_before_the_end_is_sent_before_the_end(client_of: MakeClient) -> None:
    engine = TwoModels()
    engine.may_end.clear()
    client = client_of(engine)
    response = client.post(f"{API}/chat/stream", json={"content": REFUND})
    thread_id = response.headers["X-Thread-Id"]
    soon(lambda: title(client, thread_id) == "Getting a refund")
    engine.may_end.set()
    events = decode_ndjson(response.data)
    names = [event.name for event in events]
    assert names.count("thread.title.updated") == 1
    assert names.index("thread.title.updated") < names.index("thread.run.completed") == len(names) - 1
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    (told,) = [event.object() for event in events if event.name == "thread.title.updated"]
    assert told == {"id": thread_id, "object": "thread.title", "title": "Getting a refund"}
    assert engine.asked[0]["input"][0]["content"] == REFUND


def test_a_title_that_comes_late_delays_nothing_and_is_stored(client_of: MakeClient) -> None:
    engine, client = late(client_of)
    events = send(client, REFUND)
    assert events[-1].name == "thread.run.completed"
    assert "thread.title.updated" not in [event.name for event in events]
    thread_id = thread_of(events)
    assert title(client, thread_id) is None
    engine.may_title.set()
    soon(lambda: title(client, thread_id) == "Getting a refund")
    (listed,) = client.get(f"{API}/threads").get_json()["data"]
    assert listed["title"] == "Getting a refund"


def test_a_server_that_answers_one_at_a_time_gets_the_title_request_after_the_answer(client_of: MakeClient) -> None:
    engine = TwoModels(one_at_a_time=True)
    engine.may_end.clear()
    client = client_of(engine)
    response = client.post(f"{API}/chat/stream", json={"content": REFUND}, buffered=False)
    assert any(b"thread.message.delta" in piece for piece in response.iter_encoded())
    assert engine.asked == []
    engine.may_end.set()
    thread_id = response.headers["X-Thread-Id"]
    soon(lambda: title(client, thread_id) == "Getting a refund")


def test_a_title_on_its_way_yields_to_the_next_answer(client_of: MakeClient) -> None:
    engine = TwoModels(one_at_a_time=True)
    engine.may_title.clear()
    client = client_of(engine)
    thread_id = thread_of(send(client, REFUND))
    soon(lambda: engine.asked)
    engine.may_end.clear()
    response = client.post(f"{API}/chat/stream", json={"content": "And?", "threadId": thread_id}, buffered=False)
    soon(lambda: title(client, thread_id) == REFUND)
    engine.may_title.clear()
    engine.may_end.set()
    assert decode_ndjson(response.data)[-1].name == "thread.run.completed"
    soon(lambda: len(engine.asked) == 2)
    engine.may_title.set()
    soon(lambda: title(client, thread_id) == "Getting a refund")


@pytest.mark.parametrize("one_at_a_time", [True, False])
def test_no_title_is_requested_before_the_answer_begins(client_of: MakeClient, one_at_a_time: bool) -> None:
    engine = TwoModels(one_at_a_time=one_at_a_time)
    client = client_of(engine, assistants=[{"id": "asst_default", "tools": [WEATHER]}])
    events = send(client, REFUND)
    required = next(event.object() for event in events if event.name == "thread.run.requires_action")
    assert engine.asked == [], "the run goes on when the outputs arrive"
    (tool_call,) = required["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = {"runId": required["id"], "toolCallOutputs": [{"tool_call_id": tool_call["id"], "output": "sun"}]}
    client.post(f"{API}/threads/{required['thread_id']}/actions", json=outputs).get_data()
    soon(lambda: title(client, required["thread_id"]) == "Getting a refund")
    assert (len(engine.asked), len(engine.answered)) == (1, 2)


def test_a_thread_whose_worker_died_shows_first_words_until_the_next_run(client_of: MakeClient) -> None:
    engine = TwoModels(one_at_a_time=True)
    client = client_of(engine, assistants=[{"id": "asst_default", "tools": [WEATHER]}])
    events = send(client, REFUND)
    run = next(event.object() for event in events if event.name == "thread.run.requires_action")
    thread_id = run["thread_id"]
    assert title(client, thread_id) is None
    client.post(f"{API}/threads/{thread_id}/runs/{run['id']}/cancel")  # no worker executes it: it is taken over
    soon(lambda: title(client, thread_id) == REFUND)
    assert engine.asked == [], "a dead worker may leave many such threads at once"
    send(client, "And how long does it take?", thread_id)
    soon(lambda: title(client, thread_id) == "Getting a refund")
    assert engine.asked[0]["input"][0]["content"] == REFUND
    send(client, "Thanks", thread_id)
    assert len(engine.asked) == 1


def test_a_thread_without_a_title_gets_one_from_its_next_run(client_of: MakeClient) -> None:
    engine = TwoModels()
    client = client_of(engine)
    body = {"assistant_id": "asst_default", "thread": {"messages": [{"role": "user", "content": REFUND}]}}
    thread_id = client.post(f"{API}/v1/threads/runs", json={**body, "stream": True}).headers["X-Thread-Id"]
    send(client, "two", thread_id)
    send(client, "three", thread_id)
    soon(lambda: title(client, thread_id) == "Getting a refund")
    assert [request["input"][0]["content"] for request in engine.asked] == [REFUND]


def test_a_title_that_was_cleared_by_hand_stays_away(client_of: MakeClient) -> None:
    engine = TwoModels()
    client = client_of(engine)
    thread_id = thread_of(send(client, REFUND))
    soon(lambda: title(client, thread_id) == "Getting a refund")
    client.patch(f"{API}/threads/{thread_id}", json={"title": None})
    send(client, "two", thread_id)
    send(client, "three", thread_id)
    assert (title(client, thread_id), len(engine.asked)) == (None, 1)


THOUGHT = "<think>\nOkay, a name.\n</think>\n\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (f"{THOUGHT}**Garden plans**", "Garden plans"),
        ("<think>\nOkay, so the user wants", REFUND),
        (incomplete("<think>\nOkay, so"), REFUND),
        (incomplete("Getting a refund for the"), REFUND),
    ],
)
def test_thoughts_and_cut_answers_are_no_title(client_of: MakeClient, answer: Any, expected: str) -> None:
    client = client_of(TwoModels(answer))
    thread_id = thread_of(send(client, REFUND))
    soon(lambda: title(client, thread_id) == expected)


@pytest.mark.parametrize("profile", ["other", "openai"])
def test_a_real_server_gets_the_requests_in_order(
    client_of: MakeClient, upstream: FakeUpstream, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP, with the settings of a local server and of OpenAI: the answer comes first."""
    monkeypatch.setattr(http_connect, "MAX_IDLE", 0)  # a discarded app would leave its idle connections open
    server = {"openai_base_url": upstream.base_url, "openai_api_key": "key", "upstream_profile": profile, "model": "m"}
    client = client_of("openai", **server)
    upstream.play("text?say=An answer.", f"text?say={THOUGHT}Garden plans")
    thread_id = thread_of(send(client, REFUND))
    soon(lambda: title(client, thread_id) == "Garden plans")
    assert [request.body["model"] for request in upstream.requests] == ["m", "small"]


def test_only_the_first_message_of_a_thread_gives_it_a_title(client_of: MakeClient) -> None:
    engine = TwoModels()
    client = client_of(engine)
    thread_id = thread_of(send(client, "one"))
    send(client, "two", thread_id)
    assert len(engine.asked) == 1


def test_a_thread_that_was_made_before_gets_a_title_too(client_of: MakeClient) -> None:
    client = client_of(TwoModels())
    thread_id = client.post(f"{API}/threads").get_json()["threadId"]
    client.post(f"{API}/threads/{thread_id}/messages", json={"content": "How?"}).get_data()
    soon(lambda: title(client, thread_id) == "Getting a refund")


@pytest.mark.parametrize("answer", [EngineError("no such model"), "**"])
def test_without_an_answer_the_first_words_stand_in(client_of: MakeClient, answer: Any) -> None:
    client = client_of(TwoModels(answer))
    thread_id = thread_of(send(client, "How do I get\na refund?"))
    soon(lambda: title(client, thread_id) == REFUND)


def test_an_answer_that_takes_too_long_is_closed(client_of: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flask_assistant_stream.titles.TITLE_SECONDS", 0.0)
    _, client = late(client_of)
    thread_id = thread_of(send(client, REFUND))
    soon(lambda: title(client, thread_id) == REFUND)


def test_without_a_model_the_title_is_there_at_once(client_of: MakeClient) -> None:
    client = client_of("offline", offline_delay_seconds=0)
    events = send(client, REFUND)
    names = [event.name for event in events]
    assert names.index("thread.title.updated") < names.index("thread.message.delta")
    assert title(client, thread_of(events)) == REFUND


def test_a_title_set_by_hand_stays(client_of: MakeClient) -> None:
    engine, client = late(client_of)
    thread_id = thread_of(send(client, REFUND))
    client.patch(f"{API}/threads/{thread_id}", json={"title": "Mine"})
    engine.may_title.set()
    assert client.post(f"{API}/threads/{thread_id}/title").get_json() == {"title": "Mine"}
    soon(lambda: not engine.asked or title(client, thread_id) == "Mine")
    assert client.patch(f"{API}/threads/{thread_id}", json={"title": None}).get_json()["title"] is None
    assert client.post(f"{API}/threads/{thread_id}/title").get_json() == {"title": "Getting a refund"}
    assert title(client, thread_id) == "Getting a refund"


def test_a_title_can_be_asked_for(client_of: MakeClient) -> None:
    client = client_of(TwoModels())
    thread_id = client.post(f"{API}/threads").get_json()["threadId"]
    refused = client.post(f"{API}/threads/{thread_id}/title")
    assert (refused.status_code, "no message" in refused.get_json()["error"]["message"]) == (400, True)
    send(client, REFUND, thread_id)
    assert client.post(f"{API}/threads/{thread_id}/title").get_json() == {"title": "Getting a refund"}
    assert client.post(f"{API}/threads/thread_unknown/title").status_code == 404


def test_off_asks_no_model(client_of: MakeClient) -> None:
    engine = TwoModels()
    client = client_of(engine, titles="off")
    events = send(client, REFUND)
    thread_id = thread_of(events)
    assert "thread.title.updated" not in [event.name for event in events]
    assert title(client, thread_id) is None
    assert client.post(f"{API}/threads/{thread_id}/title").get_json() == {"title": REFUND}
    assert engine.asked == []


def test_the_sdk_face_writes_no_titles(client_of: MakeClient) -> None:
    engine = TwoModels()
    client = client_of(engine)
    body = {"assistant_id": "asst_default", "thread": {"messages": [{"role": "user", "content": "hi"}]}, "stream": True}
    assert decode_sse(client.post(f"{API}/v1/threads/runs", json=body).data)[-1].name == "thread.run.completed"
    assert engine.asked == []


def test_a_deleted_thread_gets_no_title(client_of: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    engine, client = late(client_of)
    thread_id = thread_of(send(client, "How?"))
    assert client.delete(f"{API}/threads/{thread_id}").status_code == 200
    engine.may_title.set()
    soon(lambda: "got no title" in caplog.text)
    assert client.get(f"{API}/threads/{thread_id}").status_code == 404
