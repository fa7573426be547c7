"""Compat mode: endings and errors are text for the quickstart's page; nothing else changes."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Response
from werkzeug.exceptions import HTTPException

from flask_assistant_stream.encoders.ndjson import NDJSONEncoder
from flask_assistant_stream.encoders.quickstart import ADDED
from flask_assistant_stream.errors import Gone, StoreError, UpstreamError
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.decode import decode_ndjson, decode_sse, text_of
from flask_assistant_stream.testing.scripted import call, failure, incomplete, text, unfinished
from tests.routes.conftest import FRONT_END, FakeFollower, MakeSite, Site, build, fail_with, run_of
from tests.translation.checker import check

DECODE = {"ndjson": decode_ndjson, "sse": decode_sse}
FAILED = failure(message="The model broke.", after="Half an")
SAID = "The answer failed: The model broke."


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(FAILED, text("Hello."), quickstart_compat="on")


def stored(site: Site, run_id: str) -> list[Event]:
    return [event for row in site.registration.store.read(run_id, 0) for event in row.events]


def test_the_store_and_the_sdk_face_have_the_original_ending(make_site: MakeSite) -> None:
    site = make_site(FAILED, FAILED, quickstart_compat="on")
    run = run_of(site.chat("?"))
    path = f"/v1/threads/{run['thread_id']}"
    read = site.get(f"{path}/runs/{run['id']}").get_json()
    assert (read["status"], read["last_error"]["message"]) == ("failed", "The model broke.")
    assert stored(site, run["id"])[-1].name == "thread.run.failed"
    answer, question = site.get(f"/threads/{run['thread_id']}/messages").get_json()["data"]
    assert (answer["role"], answer["status"]) == ("assistant", "incomplete")
    assert (question["role"], question["status"]) == ("user", "completed")
    body = {"assistant_id": "asst_default", "stream": True}
    events = decode_sse(site.post(f"{path}/runs", body).data)
    assert events[-1].name == "thread.run.failed"
    assert SAID not in text_of(events)
    assert site.post("/v1/threads/thread_unknown/runs", body).status_code == 404


@pytest.mark.parametrize("form", ["ndjson", "sse"])
def test_a_failure_is_text_and_can_be_read_again_from_every_number(site: Site, form: str) -> None:
    decode = DECODE[form]
    events = decode(site.post(f"/threads/{site.new_thread()}/messages?format={form}", {"content": "?"}).data)
    assert (text_of(events), check(events).texts[-1]) == (f"Half an{SAID}", SAID)
    assert events[-1].name == "thread.run.completed"
    run = run_of(events)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len(events) == len(stored(site, run["id"])) + ADDED
    url = f"/threads/{run['thread_id']}/runs/{run['id']}/stream"
    for after in range(len(events) + 3):
        again = site.get(url, query_string={"after": after, "format": form})
        assert (again.status_code, decode(again.data)) == (200, events[after:])


def test_a_reader_comes_back_to_a_run_that_goes_on(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([*unfinished("Half an"), gate, *failure(message="The model broke.")[-1:]], quickstart_compat="on")
    with site.client.post(f"{site.prefix}/chat/stream", json={"content": "?"}) as answer:
        body = answer.iter_encoded()
        head = b""
        while b"an" not in head.rpartition(b"thread.message.delta")[2]:
            head += next(body)
        seen = decode_ndjson(head)
        url = f"/threads/{answer.headers['X-Thread-Id']}/runs/{answer.headers['X-Run-Id']}/stream"
        gate.set()
        rest = decode_ndjson(b"".join(body))
    for after in range(seen[-1].seq + 1):
        assert decode_ndjson(site.get(f"{url}?after={after}").data) == [*seen, *rest][after:]
    assert text_of(rest).endswith(SAID)


def test_an_incomplete_answer_and_a_cancelled_one(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site(incomplete("Half an"), [*unfinished("Half an"), gate], quickstart_compat="on")
    assert text_of(site.chat("?")) == "Half anThe answer ends here: it has reached its maximum length."
    with site.client.post(f"{site.prefix}/chat/stream", json={"content": "?"}) as answer:
        path = f"/threads/{answer.headers['X-Thread-Id']}/runs/{answer.headers['X-Run-Id']}"
        site.post(f"{path}/cancel")
        events = decode_ndjson(b"".join(answer.iter_encoded()))
    assert text_of(events).endswith("The answer was stopped.")
    assert check(events).run is not None
    assert site.get(f"/v1{path}").get_json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreError("mongodb://admin:secret@db refused"), "could not be read to its end"),
        (ValueError("secret"), "could not be read to its end"),
        (Gone("The events are gone: it was deleted."), "it was deleted"),
    ],
)
def test_a_stream_that_breaks_off_ends_without_numbers(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, words: str
) -> None:
    site = make_site(text("Hello."), quickstart_compat="on")
    whole = site.chat("?")
    run = run_of(whole)
    url = f"/threads/{run['thread_id']}/runs/{run['id']}/stream"
    monkeypatch.setattr(site.registration.log, "follow", lambda run_id, after: FakeFollower(whole[:6], error))
    broken = site.get(url)
    monkeypatch.undo()
    events = decode_ndjson(broken.data)
    assert events[:6] == whole[:6]
    assert [event.seq for event in events[6:]] == [0] * (1 + ADDED)
    assert b'"seq":0' not in broken.data, "they have no number"
    assert words in text_of(events)
    assert events[-1].name == "thread.run.completed"
    assert events[-1].object()["id"] == run["id"]
    assert b"secret" not in broken.data
    assert "stream broken off" in caplog.text
    assert decode_ndjson(site.get(f"{url}?after=6").data) == whole[6:], "the log goes on as it was"


def shown_text(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/x-ndjson; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache, no-transform"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert answer.headers["X-Request-Id"]
    events = decode_ndjson(answer.data)
    assert check(events).run is not None
    assert events[-1].name == "thread.run.completed"
    return text_of(events)


def test_errors_of_messages(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site(
        [*unfinished("Wait"), gate], quickstart_compat="on", busy_thread="reject", max_streams=2, max_content_chars=10
    )
    thread = site.new_thread()
    path = f"/threads/{thread}/messages"
    with site.client.post(site.prefix + path, json={"content": "?"}) as held:
        busy = site.post(path, {"content": "?"}, headers={"Origin": FRONT_END})
        assert shown_text(busy).startswith(f"This could not be answered: Thread {thread} already has an active run")
        assert not {"X-Thread-Id", "X-Run-Id"} & set(busy.headers), "there is nothing to come back to"
        assert busy.headers["Access-Control-Allow-Origin"] == FRONT_END
        with site.client.post(f"{site.prefix}/chat/stream", json={"content": "?"}):
            assert "limit of open streams" in shown_text(site.post(path, {"content": "?"}))
        gate.set()
        held.close()
    assert "No thread found" in shown_text(site.post("/threads/thread_unknown/messages", {"content": "?"}))
    assert "No thread found" in shown_text(site.post(path, {"content": "?"}, user="ben"))
    assert "maximum length 10" in shown_text(site.post("/chat/stream", {"content": "far too long"}))
    assert "assistant" in shown_text(site.post("/chat/stream", {"content": "?", "assistantId": "asst_unknown"}))


@pytest.mark.parametrize("thread", ["a%0Ab", "a%0D%0AX-Other:%20b", "%E6%97%A5", "%FF", "x" * 3000, "a%22b"])
def test_ids_of_any_kind_are_shown_text(site: Site, thread: str) -> None:
    answer = site.post(f"/threads/{thread}/messages", {"content": "?"})
    assert "No thread found" in shown_text(answer)
    assert "X-Other" not in answer.headers
    answer = site.post(f"/threads/{thread}/messages?format=sse", {"content": "?"})
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert "No thread found" in text_of(decode_sse(answer.data))
    assert answer.data.endswith(b"event: done\ndata: [DONE]\n\n")


def test_an_answer_of_the_hosts_own_is_left_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Response("Come back later.", 503)
    monkeypatch.setattr(site.registration.store, "start", fail_with(HTTPException(response=own)))
    answer = site.post(f"/threads/{site.new_thread()}/messages", {"content": "?"})
    assert (answer.status_code, answer.text) == (503, "Come back later.")


def test_errors_of_actions(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"), text("Sunny."), quickstart_compat="on")
    run = run_of(site.chat("?"))
    path = f"/threads/{run['thread_id']}/actions"
    (asked,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = [{"tool_call_id": asked["id"]}]
    wrong = shown_text(site.post(path, {"runId": run["id"], "toolCallOutputs": [{"tool_call_id": "call_other"}]}))
    assert wrong.startswith("This could not be answered: ")
    assert "run_unknown" in shown_text(site.post(path, {"runId": "run_unknown", "toolCallOutputs": outputs}))
    done = site.post(path, {"runId": run["id"], "toolCallOutputs": outputs})
    assert text_of(decode_ndjson(done.data)) == "Sunny."
    assert "completed" in shown_text(site.post(path, {"runId": run["id"], "toolCallOutputs": outputs}))


@pytest.mark.parametrize("error", [StoreError("mongodb://admin:secret@db refused"), ValueError("secret")])
def test_a_store_that_is_away_and_a_defect(site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    thread = site.new_thread()
    monkeypatch.setattr(site.registration.store, "start", fail_with(error))
    answer = site.post(f"/threads/{thread}/messages", {"content": "?"})
    assert "The store does not answer" in shown_text(answer) or "Internal error" in shown_text(answer)
    assert b"secret" not in answer.data


@pytest.mark.parametrize(
    ("path", "body", "options", "status"),
    [
        *(("/chat/stream", body, {}, 400) for body in ({}, {"content": "  "}, {"content": "a\0b"})),
        ("/threads/thread_1/messages", {"content": 1}, {}, 400),
        ("/threads/thread_1/actions", {"toolCallOutputs": []}, {}, 400),
        ("/chat/stream", {"content": "?"}, {"user": "nobody"}, 401),
        ("/chat/stream", {"content": "?"}, {"headers": {"Origin": "https://evil.example"}}, 403),
        ("/chat/stream?format=xml", {"content": "?"}, {}, 400),
        ("/chat/stream", {"content": "?"}, {"headers": {"Accept": "image/png"}}, 406),
        ("/chat/stream", {"content": "?"}, {"headers": {"Idempotency-Key": "ä"}}, 400),
        ("/nowhere", {"content": "?"}, {}, 404),
    ],
)
def test_what_is_malformed_or_not_allowed_keeps_its_status(
    site: Site, path: str, body: Any, options: Any, status: int
) -> None:
    answer = site.post(path, body, **options)
    assert answer.status_code == status
    assert answer.get_json()["error"]["message"]


UNKNOWN = "/threads/thread_unknown"
READS = [UNKNOWN, f"{UNKNOWN}/messages", f"{UNKNOWN}/runs/run_1/stream", "/files/file-unknown"]


def test_other_routes_keep_their_errors(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for answer in [*map(site.get, READS), site.post(f"{UNKNOWN}/runs/run_1/cancel")]:
        assert answer.status_code == 404
        assert answer.get_json()["error"]["type"] == "invalid_request_error"
    caplog.set_level(logging.INFO, "flask_assistant_stream.requests")
    caplog.clear()
    shown_text(site.post("/threads/thread_unknown/messages", {"content": "?"}))
    (record,) = [record for record in caplog.records if record.name == "flask_assistant_stream.requests"]
    assert vars(record)["status"] == 404, "the log has the real status"


def test_the_same_request_again_is_the_same_answer(site: Site) -> None:
    headers = {"Idempotency-Key": "one"}
    first = site.post("/chat/stream", {"content": "?"}, headers=headers)
    again = site.post("/chat/stream", {"content": "?"}, headers=headers)
    assert again.data == first.data
    assert "another request" in shown_text(site.post("/chat/stream", {"content": "other"}, headers=headers))


@pytest.mark.parametrize(
    ("error", "status"), [(StoreError("away"), 503), (UpstreamError("no", status=429), 429), (ValueError("?"), 500)]
)
def test_files_are_an_array_whatever_happens(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    assert site.get("/files").get_json() == []
    monkeypatch.setattr(type(site.registration.resources), "own_files", fail_with(error))
    answer = site.get("/files", headers={"Origin": FRONT_END})
    assert (answer.status_code, answer.get_json()) == (status, [])
    assert answer.headers["Access-Control-Allow-Origin"] == FRONT_END
    assert answer.headers["X-Request-Id"]
    assert site.get("/v1/files/file-unknown").get_json()["error"]
    answer = site.get("/files", user="nobody")
    assert (answer.status_code, answer.get_json()) == (401, [])
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_without_it_no_byte_differs(tmp_path: Path) -> None:
    """Two apps on one store: a completed run is the same in both, a failed one is not."""
    plain = build(tmp_path, FAILED, text("Hello."))
    suited = build(tmp_path, quickstart_compat="on")
    try:
        for content in ("?", "And now?"):
            first = plain.post("/chat/stream", {"content": content})
            run = run_of(decode_ndjson(first.data))
            url = f"/threads/{run['thread_id']}/runs/{run['id']}/stream"
            assert first.data == plain.get(url).data == NDJSONEncoder().encode(stored(plain, run["id"]))
            assert (suited.get(url).data == first.data) == (run["status"] == "completed")
            headers = [{**site.get(url).headers, "X-Request-Id": "", "Date": ""} for site in (plain, suited)]
            assert headers[0] == headers[1]
        refused = plain.post("/threads/thread_unknown/messages", {"content": "?"})
        assert (refused.status_code, json.loads(refused.data)["error"]["code"]) == (404, None)
        assert plain.get("/files", user="nobody").get_json()["error"]
        assert plain.get("/openapi.json").data == suited.get("/openapi.json").data
    finally:
        for site in (plain, suited):
            site.close()


def test_it_is_off_unless_asked_for(make_site: MakeSite) -> None:
    site = make_site(FAILED)
    assert site.registration.quickstart_compat is False
    run = run_of(site.chat("?"))
    assert run["status"] == "failed"
    assert site.registration.store.get(Kind.RUN, "anna", run["id"]).body["status"] == "failed"
    assert make_site(config={"ASSISTANT_QUICKSTART_COMPAT": "on"}).registration.quickstart_compat is True
