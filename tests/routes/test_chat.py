"""`POST /chat/stream` end to end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.decode import decode_ndjson, decode_sse, objects_of, text_of
from flask_assistant_stream.testing.scripted import text, unfinished

from .conftest import MakeSite, run_of


def test_a_message_without_a_thread_makes_one_and_streams_the_answer(make_site: MakeSite) -> None:
    site = make_site(text("Hello, world."))
    response = site.post("/chat/stream", {"content": "hi"})
    events = decode_ndjson(response.data)
    assert (response.status_code, response.content_type) == (200, "application/x-ndjson; charset=utf-8")
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert (events[0].name, events[-1].name) == ("thread.created", "thread.run.completed")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert text_of(events) == "Hello, world."
    assert response.headers["X-Thread-Id"] == events[0].object()["id"]
    assert response.headers["X-Run-Id"] == run_of(events)["id"]


def test_the_next_message_continues_the_thread(make_site: MakeSite) -> None:
    site = make_site(text("One."), text("Two."))
    thread_id = site.chat("first")[0].object()["id"]
    events = site.chat("second", threadId=thread_id)
    assert events[0].name == "thread.run.created"
    assert "first" in str(site.engine.requests[1])
    assert "One." in str(site.engine.requests[1])
    assert [message["role"] for message in site.bodies(Kind.MESSAGE, thread_id)] == ["assistant", "user"] * 2


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_thread_id_creates_a_thread(make_site: MakeSite, empty: str | None) -> None:
    assert make_site(text("Hi.")).chat(threadId=empty)[0].name == "thread.created"


def test_server_sent_events(make_site: MakeSite) -> None:
    site = make_site(text("Hello."))
    response = site.post("/chat/stream", {"content": "hi"}, headers={"Accept": "text/event-stream"})
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert text_of(decode_sse(response.data)) == "Hello."
    assert response.data.endswith(b"event: done\ndata: [DONE]\n\n")


@pytest.mark.parametrize("content_type", [None, "text/plain;charset=UTF-8", "application/x-www-form-urlencoded"])
def test_the_content_type_is_not_looked_at(make_site: MakeSite, content_type: str | None) -> None:
    site = make_site(text("Hi."))
    response = site.request("POST", "/chat/stream", data=b'{"content": "hello"}', content_type=content_type)
    assert decode_ndjson(response.data)[-1].name == "thread.run.completed"


def test_text_parts_attachments_extra_keys_and_unicode(make_site: MakeSite) -> None:
    site = make_site(text("Grüße 👋🏽 שלום"))
    content: Any = [{"type": "text", "text": "a"}, {"type": "text", "text": "😀"}]
    attachments = [{"file_id": site.new_file(), "tools": [{"type": "file_search"}]}]
    events = site.chat(content, attachments=attachments, tone="nice")
    assert text_of(events) == "Grüße 👋🏽 שלום"
    message = site.bodies(Kind.MESSAGE, events[0].object()["id"])[-1]
    assert [part["text"]["value"] for part in message["content"]] == ["a", "😀"]
    assert message["attachments"] == attachments


def test_an_assistant_declared_in_code_can_be_asked_for(make_site: MakeSite) -> None:
    poet = {"id": "asst_poet", "model": "m-poet", "instructions": "Rhyme."}
    site = make_site(text("Hi."), text("Hi."), assistants=[poet])
    run = run_of(site.chat(assistantId="asst_poet"))
    assert (run["assistant_id"], run["model"], run["instructions"]) == ("asst_poet", "m-poet", "Rhyme.")
    assert run_of(site.chat(assistantId=None))["assistant_id"] == "asst_default"


def test_a_message_ends_the_run_before_it(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([*unfinished("I was saying"), gate], text("Yes?"))
    first = site.client.post(f"{site.prefix}/chat/stream", json={"content": "go on"}, buffered=False)
    thread_id = first.headers["X-Thread-Id"]
    try:
        assert text_of(site.chat("stop", threadId=thread_id)) == "Yes?"
        assert decode_ndjson(first.data)[-1].name == "thread.run.cancelled"
    finally:
        gate.set()
        first.close()
    assert [run["status"] for run in site.bodies(Kind.RUN, thread_id)] == ["completed", "cancelled"]


def test_a_reader_that_leaves_does_not_stop_the_run(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([gate, *text("Still here.")])
    response = site.client.post(f"{site.prefix}/chat/stream", json={"content": "hi"}, buffered=False)
    thread_id, run_id = response.headers["X-Thread-Id"], response.headers["X-Run-Id"]
    next(response.response)  # type: ignore[call-overload]
    response.close()
    gate.set()
    again = site.get(f"/threads/{thread_id}/runs/{run_id}/stream")
    assert text_of(decode_ndjson(again.data)) == "Still here."


def test_an_upstream_failure_is_told_in_the_stream(make_site: MakeSite) -> None:
    site = make_site()  # no script: the engine fails
    failed = objects_of(site.chat(), "thread.run.failed")
    assert failed[0]["last_error"]["code"] == "server_error"
