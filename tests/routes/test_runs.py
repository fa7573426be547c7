"""Coming back to a run, and stopping one."""

from __future__ import annotations

import threading

import pytest

from flask_assistant_stream.errors import Gone
from flask_assistant_stream.testing.decode import decode_ndjson, decode_sse
from flask_assistant_stream.testing.scripted import text, unfinished

from .conftest import MakeSite, run_of


def test_a_reader_gets_exactly_the_rest_from_every_number(make_site: MakeSite) -> None:
    site = make_site(text("One two three."))
    events = site.chat()
    run = run_of(events)
    url = f"/threads/{run['thread_id']}/runs/{run['id']}/stream"
    assert decode_ndjson(site.get(url).data) == events
    for after in range(len(events) + 1):
        response = site.get(url, query_string={"after": after})
        assert decode_ndjson(response.data) == events[after:]
        assert (response.headers["X-Run-Id"], response.headers["X-Thread-Id"]) == (run["id"], run["thread_id"])


@pytest.mark.parametrize("after", [10_000, 2**53 - 1])
def test_a_number_behind_the_end_ends_at_once(make_site: MakeSite, after: int) -> None:
    site = make_site(text("Hi."))
    run = run_of(site.chat())
    response = site.get(f"/threads/{run['thread_id']}/runs/{run['id']}/stream?after={after}")
    assert response.status_code == 200
    assert response.data == b""


def test_last_event_id_goes_before_the_query(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    events = site.chat()
    run = run_of(events)
    headers = {"Last-Event-ID": "3", "Accept": "text/event-stream"}
    response = site.get(f"/threads/{run['thread_id']}/runs/{run['id']}/stream?after=1", headers=headers)
    assert decode_sse(response.data) == events[3:]


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


def test_head_opens_no_stream(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    run = run_of(site.chat())
    response = site.request("HEAD", f"/threads/{run['thread_id']}/runs/{run['id']}/stream")
    assert (response.status_code, response.data) == (200, b"")


def test_events_that_have_expired_are_gone(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site(text("Hi."))
    run = run_of(site.chat())

    def expired(*_: object) -> list:
        raise Gone("The events have expired.", param="after")

    monkeypatch.setattr(site.registration.store, "read", expired)
    response = site.get(f"/threads/{run['thread_id']}/runs/{run['id']}/stream")
    assert response.status_code == 410
    assert response.get_json()["error"]["param"] == "after"


def test_cancel(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([*unfinished("I was"), gate])
    stream = site.client.post(f"{site.prefix}/chat/stream", json={"content": "hi"}, buffered=False)
    url = f"/threads/{stream.headers['X-Thread-Id']}/runs/{stream.headers['X-Run-Id']}/cancel"
    answer = site.request("POST", url, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert answer.get_json()["status"] in ("cancelling", "cancelled")
    assert decode_ndjson(stream.data)[-1].name == "thread.run.cancelled"
    again = site.post(url)
    assert again.status_code == 400
    assert "cancelled" in again.get_json()["error"]["message"]


@pytest.mark.parametrize("path", ["/cancel", "/stream"])
def test_runs_of_others_are_unknown(make_site: MakeSite, path: str) -> None:
    site = make_site(text("Hi."))
    run = run_of(site.chat())
    method = "POST" if path == "/cancel" else "GET"
    other = site.post("/threads").get_json()["threadId"]
    for thread_id, run_id, user in (
        (run["thread_id"], run["id"], "ben"),
        (other, run["id"], "anna"),
        (run["thread_id"], "run_unknown", "anna"),
    ):
        assert site.request(method, f"/threads/{thread_id}/runs/{run_id}{path}", user=user).status_code == 404
