"""Coming back to a run, and stopping one."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from flask_assistant_stream.errors import StoreError
from flask_assistant_stream.runs import execution
from flask_assistant_stream.runs.upstream_request import RequestBuilder
from flask_assistant_stream.stores.base import RunRecord
from flask_assistant_stream.testing.decode import decode_ndjson, decode_sse
from flask_assistant_stream.testing.scripted import failure, text, unfinished

from .conftest import MakeSite, fail_with, run_of

AWAY = fail_with(StoreError("mongo-7.internal:27017 does not answer"))


def stream_of(run: dict[str, Any]) -> str:
    return f"/threads/{run['thread_id']}/runs/{run['id']}/stream"


def test_a_reader_gets_exactly_the_rest_from_every_number(make_site: MakeSite) -> None:
    site = make_site(text("One two three."))
    events = site.chat()
    run = run_of(events)
    url = stream_of(run)
    assert decode_ndjson(site.get(url).data) == events
    for after in (*range(len(events) + 1), 10_000, 2**53 - 1):
        response = site.get(url, query_string={"after": after})
        assert (response.status_code, decode_ndjson(response.data)) == (200, events[after:])
        assert (response.headers["X-Run-Id"], response.headers["X-Thread-Id"]) == (run["id"], run["thread_id"])
    headers = {"Last-Event-ID": "3", "Accept": "text/event-stream"}
    assert decode_sse(site.get(f"{url}?after=1", headers=headers).data) == events[3:], "the header wins"
    head = site.request("HEAD", url)
    assert (head.status_code, head.data) == (200, b"")


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("script", [text("One two."), failure("server_error", "It broke.")])
def test_an_event_source_stops_after_the_end(make_site: MakeSite, script: Any, compat: bool) -> None:
    """It reconnects after every response but 204, with the id of its last event."""
    site = make_site(script, quickstart_compat=compat)
    first = site.post("/chat/stream", {"content": "hi"})
    thread, run = first.headers["X-Thread-Id"], first.headers["X-Run-Id"]
    url = f"/threads/{thread}/runs/{run}/stream?format=sse"
    accept = {} if compat else {"Accept": "text/event-stream"}  # compat mode is for a bare fetch
    whole = site.get(url, headers=accept).data
    *_, last = (line.removeprefix("id: ") for line in whole.decode().splitlines() if line.startswith("id: "))
    for place in range(int(last)):
        assert site.get(url, headers={**accept, "Last-Event-ID": str(place)}).status_code == 200
    streams = len(site.registration.clients)
    end = site.get(url, headers={**accept, "Last-Event-ID": last})
    assert (end.status_code, end.data, end.headers["Cache-Control"]) == (204, b"", "no-cache, no-transform")
    assert len(site.registration.clients) == streams
    by_number = site.get(f"{url}&after={last}", headers=accept)
    assert (by_number.status_code, by_number.data) == (200, b"event: done\ndata: [DONE]\n\n")


def test_an_event_source_of_a_run_that_goes_on_waits(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([gate, *text("Late.")])
    first = site.client.post(f"{site.prefix}/chat/stream", json={"content": "hi"}, buffered=False)
    url = f"/threads/{first.headers['X-Thread-Id']}/runs/{first.headers['X-Run-Id']}/stream"
    second = site.client.get(f"{site.prefix}{url}", headers={"Last-Event-ID": "1000"}, buffered=False)
    assert second.status_code == 200
    gate.set()
    first.get_data()
    second.close()


def test_a_live_run_answers_its_headers_at_once(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([gate, *text("Late.")])
    first = site.client.post(f"{site.prefix}/chat/stream", json={"content": "hi"}, buffered=False)
    url = f"/threads/{first.headers['X-Thread-Id']}/runs/{first.headers['X-Run-Id']}/stream"
    second = site.client.get(f"{site.prefix}{url}?after=1000", buffered=False)  # waits for nothing before this
    assert second.status_code == 200
    assert next(second.response) == b"\n"  # type: ignore[call-overload]
    gate.set()
    assert decode_ndjson(first.data)[-1].name == "thread.run.completed"
    second.close()


@pytest.mark.parametrize("after", [0, 3, 10_000])
def test_events_that_have_expired_are_gone(make_site: MakeSite, store_url: str, after: int) -> None:
    site = make_site(text("Hi."), text("Ho."), store=store_url, log_seconds=0.1)
    thread_id = run_of(site.chat("one"))["thread_id"]
    run = run_of(site.chat("two", threadId=thread_id))
    path = f"{stream_of(run)}?after={after}"
    deadline = time.monotonic() + 30
    while (response := site.get(path)).status_code == 200:
        assert time.monotonic() < deadline
    assert response.status_code == 410
    error = response.get_json()["error"]
    answer = site.get(f"/threads/{thread_id}/messages?order=desc&limit=1").get_json()["data"][0]
    assert answer["run_id"] == run["id"]
    assert error["message"] == (
        f"The events of run {run['id']} have expired; its answer is message {answer['id']} of thread {thread_id}."
    )
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "after", None)
    assert site.get(path, user="ben").status_code == 404


def test_expired_events_of_a_run_without_an_answer(make_site: MakeSite) -> None:
    site = make_site(failure(message="No."), log_seconds=0.05)
    run = run_of(site.chat())
    deadline = time.monotonic() + 30
    while (response := site.get(stream_of(run))).status_code == 200:
        assert time.monotonic() < deadline
    assert response.status_code == 410
    assert response.get_json()["error"]["message"].endswith("; it ended failed and left no message.")


def test_a_store_that_is_away_is_a_503_before_there_is_a_body(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(text("Hi."))
    run = run_of(site.chat())
    monkeypatch.setattr(site.registration.store, "read", AWAY)
    response = site.get(stream_of(run))
    assert response.status_code == 503
    assert response.get_json()["error"]["code"] == "store_unavailable"
    assert "mongo-7" not in response.text


def test_a_run_says_nothing_of_where_the_store_is(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site(text("Hi."), lease_seconds=0.3)
    thread_id = run_of(site.chat())["thread_id"]
    monkeypatch.setattr(RequestBuilder, "history", AWAY)
    run = run_of(site.chat(threadId=thread_id))
    assert (run["status"], run["last_error"]["code"]) == ("failed", "server_error")
    assert run["last_error"]["message"] == "The store does not answer."


def test_a_history_that_cannot_be_read_for_a_moment_is_read_later(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "STORE_SECONDS", 0.01)
    site, failures, history = make_site(text("Hi."), text("Ho.")), iter([1, 2]), RequestBuilder.history
    thread_id = run_of(site.chat())["thread_id"]

    def shaky(requests: RequestBuilder, run: RunRecord) -> list[Any]:
        if next(failures, None):
            raise StoreError("not yet")
        return history(requests, run)

    monkeypatch.setattr(RequestBuilder, "history", shaky)
    assert run_of(site.chat(threadId=thread_id))["status"] == "completed"
    assert len(site.engine.requests[-1]["input"]) == 3


def test_cancel(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([*unfinished("I was"), gate])
    stream = site.client.post(f"{site.prefix}/chat/stream", json={"content": "hi"}, buffered=False)
    url = f"/threads/{stream.headers['X-Thread-Id']}/runs/{stream.headers['X-Run-Id']}/cancel"
    answer = site.request("POST", url, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.get_json()["status"] in ("cancelling", "cancelled")) == (200, True)
    assert decode_ndjson(stream.data)[-1].name == "thread.run.cancelled"
    again = site.post(url)
    assert (again.status_code, "cancelled" in again.get_json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize("path", ["/cancel", "/stream"])
def test_runs_of_others_are_unknown(make_site: MakeSite, path: str) -> None:
    site = make_site(text("Hi."))
    run = run_of(site.chat())
    method = "POST" if path == "/cancel" else "GET"
    other = site.new_thread()
    for thread_id, run_id, user in (
        (run["thread_id"], run["id"], "ben"),
        (other, run["id"], "anna"),
        (run["thread_id"], "run_unknown", "anna"),
    ):
        assert site.request(method, f"/threads/{thread_id}/runs/{run_id}{path}", user=user).status_code == 404
