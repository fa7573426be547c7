"""Old messages never make every later run of a thread fail: a full context, files and images that are gone, odd shapes.

With the real engine over a loopback server, and with engines of hosts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_assistant_stream import ContextOverflow, EngineError, create_assistant_blueprint
from flask_assistant_stream.engines.openai import http_connect
from flask_assistant_stream.protocol import objects
from flask_assistant_stream.protocol.events import CONTEXT_SHORTENED
from flask_assistant_stream.protocol.text import FILE_GONE
from flask_assistant_stream.stores.base import Kind, Record
from flask_assistant_stream.testing.scripted import ScriptedEngine, text, unfinished
from tests.fake_upstream import FakeUpstream, Pause, Reply, error_reply

from .conftest import MakeSite, Site, by_header, run_of

PICTURE = "https://example.com/old.png"


@pytest.fixture
def site(tmp_path: Path, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose upstream is a server that takes files."""
    monkeypatch.setattr(http_connect, "MAX_IDLE", 0)  # a discarded app would leave its idle connections open
    app = Flask("host", instance_path=str(tmp_path))
    app.testing = True
    server: dict[str, Any] = {"openai_base_url": upstream.base_url, "openai_api_key": "k", "upstream_profile": "openai"}
    options = {"authenticate": by_header, "titles": "off", "model": "m", "upstream_retries": 0, **server}
    app.register_blueprint(create_assistant_blueprint(**options))
    made = Site(app, ScriptedEngine())
    yield made
    made.close()


def grown(site: Site, turns: int) -> str:
    """Return a thread with some answered messages."""
    thread_id = site.new_thread()
    for number in range(turns):
        assert (
            run_of(site.chat(f"message {number} @@script:text?say=ok@@", threadId=thread_id))["status"] == "completed"
        )
    return thread_id


def asked(upstream: FakeUpstream) -> Any:
    return upstream.requests[-1].body["input"]


def sdk_run(site: Site, thread_id: str, **fields: Any) -> dict[str, Any]:
    body = {"assistant_id": "asst_default", "stream": True, **fields}
    site.post(f"/v1/threads/{thread_id}/runs", body).get_data()
    return site.bodies(Kind.RUN, thread_id)[0]


# -- a full context ---------------------------------------------------------------------------------------


def test_the_oldest_turns_are_left_out_of_a_full_context(
    site: Site, upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    thread_id = grown(site, 5)
    before = len(upstream.requests)
    events = site.chat("the newest @@script:full?items=5@@", threadId=thread_id)
    assert run_of(events)["status"] == "completed"
    sent = asked(upstream)
    assert [item["role"] for item in sent] == ["user", "assistant"] * 2 + ["user"]
    assert sent[0]["content"].startswith("message 3")
    assert sent[-1]["content"].startswith("the newest")
    (event,) = [event.object() for event in events if event.name == CONTEXT_SHORTENED]
    assert (event["messages"], event["of_messages"], event["files"]) == (6, 11, 0)
    assert "leaves out 6 of 11 earlier messages" in caplog.text
    assert len(upstream.requests) == before + 2

    site.chat("once more @@script:full?items=5@@", threadId=thread_id)
    assert len(upstream.requests) == before + 3, "what a model takes is known after one refusal"
    assert asked(upstream)[-1]["content"].startswith("once more")


def test_the_limit_that_the_upstream_names_is_used(site: Site, upstream: FakeUpstream) -> None:
    thread_id = site.new_thread()
    for number in range(8):
        site.chat(f"{number} {'word ' * 80}@@script:text?say=ok@@", threadId=thread_id)
    before = len(upstream.requests)
    site.chat("the newest @@script:full?items=9&tokens=500@@", threadId=thread_id)
    assert len(upstream.requests) == before + 2
    assert len(asked(upstream)) == 7, "three turns of about 110 tokens within 85 % of 500, and the newest message"


def test_a_thread_of_one_huge_message_leaves_others_their_history(site: Site, upstream: FakeUpstream) -> None:
    huge, other = site.new_thread(), grown(site, 3)
    site.chat(f"{'word ' * 20_000}@@script:text?say=ok@@", threadId=huge)
    assert run_of(site.chat("and now? @@script:full?items=1@@", threadId=huge))["status"] == "completed"
    assert len(asked(upstream)) == 1
    site.chat("next", threadId=other)
    assert len(asked(upstream)) == 7


def test_one_turn_before_the_newest_message_is_tried_if_no_limit_is_known(site: Site, upstream: FakeUpstream) -> None:
    thread_id = site.new_thread()
    for words in ("1", "2", "a much longer message than those before it"):
        site.chat(f"{words} @@script:text?say=ok@@", threadId=thread_id)
    assert run_of(site.chat("the newest @@script:full@@", threadId=thread_id))["status"] == "completed"
    assert [item["content"][:6] for item in asked(upstream)] == ["a much", "ok", "the ne"]


def test_one_more_refusal_after_another_leaves_out_more(site: Site, upstream: FakeUpstream) -> None:
    thread_id = grown(site, 12)
    assert run_of(site.chat("the newest @@script:full?items=1@@", threadId=thread_id))["status"] == "completed"
    assert [item["content"][:10] for item in asked(upstream)] == ["the newest"]


def test_a_last_message_that_does_not_fit_alone_fails_with_that_reason(site: Site, upstream: FakeUpstream) -> None:
    thread_id = grown(site, 2)
    run = run_of(site.chat("the newest @@script:full?items=0@@", threadId=thread_id))
    assert (run["status"], run["last_error"]["code"]) == ("failed", "invalid_prompt")
    assert "maximum context length is 8192 tokens" in run["last_error"]["message"]
    assert "8192 tokens. The last message alone does not fit: send a shorter one." in run["last_error"]["message"]
    assert len(upstream.requests) < 2 + 8, "the attempts are few"
    assert run_of(site.chat("shorter", threadId=thread_id))["status"] == "completed"


def test_messages_that_the_client_has_counted_are_sent_as_counted(site: Site, upstream: FakeUpstream) -> None:
    thread_id = grown(site, 3)
    site.post(f"/v1/threads/{thread_id}/messages", {"role": "user", "content": "@@script:full?items=2@@"})
    exact = {"type": "last_messages", "last_messages": 4}
    run = sdk_run(site, thread_id, truncation_strategy=exact)
    assert (run["status"], run["last_error"]["code"]) == ("failed", "invalid_prompt")
    assert "truncation_strategy" in run["last_error"]["message"]
    assert len(asked(upstream)) == 4
    assert sdk_run(site, thread_id)["status"] == "completed"


def test_outputs_of_tools_leave_less_room_for_old_messages(site: Site, upstream: FakeUpstream) -> None:
    thread_id = grown(site, 4)
    upstream.play("call?name=get_weather", error_reply(400, "too long", "context_length_exceeded"), "text?say=Sunny.")
    site.post(f"/v1/threads/{thread_id}/messages", {"role": "user", "content": "And the weather?"})
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    run = sdk_run(site, thread_id, tools=tools)
    (tool_call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = {"tool_outputs": [{"tool_call_id": tool_call["id"], "output": "sun " * 500}], "stream": True}
    site.post(f"/v1/threads/{thread_id}/runs/{run['id']}/submit_tool_outputs", outputs).get_data()
    assert site.bodies(Kind.RUN, thread_id)[0]["status"] == "completed"
    sent = asked(upstream)
    assert [item.get("role", item["type"]) for item in sent[-3:]] == ["user", "function_call", "function_call_output"]
    assert sent[0]["role"] == "user"
    assert len(sent) < 11


def test_a_stream_that_fails_before_its_first_output_is_asked_for_again(site: Site, upstream: FakeUpstream) -> None:
    thread_id = grown(site, 2)
    created = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
    error = {"code": "context_length_exceeded", "message": "too long"}
    failed = {"type": "response.failed", "response": {"id": "resp_1", "status": "failed", "error": error}}
    upstream.play(Reply([created, Pause(0.05), failed]), "text?say=Here.")
    events = site.chat("the newest", threadId=thread_id)
    assert [event.name for event in events].count("thread.run.in_progress") == 1
    assert run_of(events)["status"] == "completed"
    assert len(asked(upstream)) == 3


@pytest.mark.parametrize("refusal", [EngineError("full", code="context_length_exceeded"), ContextOverflow("full")])
def test_engines_of_hosts_are_asked_again_too(make_site: MakeSite, refusal: EngineError) -> None:
    site = make_site(text("One."), [refusal], text("Two."))
    thread_id = run_of(site.chat("first"))["thread_id"]
    assert run_of(site.chat("second", threadId=thread_id))["status"] == "completed"
    assert [[item["content"] for item in request["input"]] for request in site.engine.requests] == [
        ["first"],
        ["first", "One.", "second"],
        ["second"],
    ]
    assert all(stream.closed.is_set() for stream in site.engine.streams)


def test_an_answer_that_has_begun_is_not_asked_for_again(make_site: MakeSite) -> None:
    site = make_site(text("One."), [*unfinished("I was"), ContextOverflow("full")])
    thread_id = run_of(site.chat("first"))["thread_id"]
    run = run_of(site.chat("second", threadId=thread_id))
    assert (run["status"], run["last_error"]["message"]) == ("failed", "full")
    assert len(site.engine.requests) == 2


# -- files and images that are gone -----------------------------------------------------------------------


def with_picture(site: Site, **part: Any) -> str:
    """Return a thread with an answered message that has a picture."""
    picture = part or {"type": "image_url", "image_url": {"url": PICTURE}}
    content = [{"type": "text", "text": "See."}, picture]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": "A cat."}]
    return str(site.post("/v1/threads", {"messages": messages}).get_json()["id"])


@pytest.mark.parametrize("mute", ["", "&mute=1"])
def test_an_old_picture_that_is_gone_is_replaced_by_a_remark(site: Site, upstream: FakeUpstream, mute: str) -> None:
    thread_id = with_picture(site)
    content = f"And now? @@script:gone?what={PICTURE}{mute}@@"
    events = site.chat(content, threadId=thread_id)
    assert run_of(events)["status"] == "completed"
    assert asked(upstream)[0]["content"] == [
        {"type": "input_text", "text": "See."},
        {"type": "input_text", "text": FILE_GONE},
    ]
    assert [event.object()["files"] for event in events if event.name == CONTEXT_SHORTENED] == [1]
    assert len(upstream.requests) == 2
    assert run_of(site.chat(content, threadId=thread_id))["status"] == "completed"
    assert len(upstream.requests) == 3, "it is known after one refusal"


def test_a_picture_of_the_newest_message_that_is_gone_fails_the_run_once(site: Site, upstream: FakeUpstream) -> None:
    thread_id = site.new_thread()
    marker = f"@@script:gone?what={PICTURE}@@"
    content = [{"type": "text", "text": marker}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    site.post(f"/v1/threads/{thread_id}/messages", {"role": "user", "content": content})
    run = sdk_run(site, thread_id)
    assert (run["status"], run["last_error"]["code"]) == ("failed", "invalid_prompt")
    assert "Error while downloading" in run["last_error"]["message"]
    assert len(upstream.requests) == 1
    assert run_of(site.chat(f"Go on. {marker}", threadId=thread_id))["status"] == "completed"


def test_a_file_that_was_deleted_here_is_not_sent(site: Site, upstream: FakeUpstream) -> None:
    form = {"purpose": "vision", "file": (BytesIO(b"\x89PNG\r\n\x1a\n0"), "cat.png")}
    file_id = site.request("POST", "/v1/files", data=form).get_json()["id"]
    thread_id = with_picture(site, type="image_file", image_file={"file_id": file_id})
    assert run_of(site.chat("And now?", threadId=thread_id))["status"] == "completed"
    assert asked(upstream)[0]["content"][1]["file_id"] == file_id
    assert site.request("DELETE", f"/v1/files/{file_id}").status_code == 200
    assert run_of(site.chat("And now?", threadId=thread_id))["status"] == "completed"
    assert asked(upstream)[0]["content"][1] == {"type": "input_text", "text": FILE_GONE}


def test_a_file_of_the_code_interpreter_that_was_deleted_here_is_not_sent(site: Site, upstream: FakeUpstream) -> None:
    file_ids = [site.new_file("a.csv"), site.new_file("b.csv")]
    resources = {"code_interpreter": {"file_ids": file_ids}}
    message = {"role": "user", "content": "Add them up. @@script:text?say=3@@"}
    thread = site.post("/v1/threads", {"tool_resources": resources, "messages": [message]}).get_json()
    site.request("DELETE", f"/v1/files/{file_ids[0]}")
    assert sdk_run(site, thread["id"], tools=[{"type": "code_interpreter"}])["status"] == "completed"
    (tool,) = upstream.requests[-1].body["tools"]
    assert tool["container"]["file_ids"] == file_ids[1:]


def test_a_refusal_of_something_else_is_not_repeated(site: Site, upstream: FakeUpstream) -> None:
    thread_id = with_picture(site)
    run = run_of(site.chat("@@script:status?code=400@@", threadId=thread_id))
    assert (run["status"], len(upstream.requests)) == ("failed", 1)


# -- stored shapes ----------------------------------------------------------------------------------------

SHAPES: list[tuple[str, dict[str, Any], Any]] = [
    ("text as a string", {"content": [{"type": "text", "text": "hi"}]}, "hi"),
    ("content as a string", {"content": "hi"}, "hi"),
    ("a list of strings", {"content": ["hi"]}, "hi"),
    ("no annotations", {"content": [{"type": "text", "text": {"value": "hi"}}]}, "hi"),
    ("input_text", {"content": [{"type": "input_text", "text": "hi"}]}, "hi"),
    ("output_text", {"content": [{"type": "output_text", "text": "hi", "annotations": []}]}, "hi"),
    ("null text", {"content": [{"type": "text", "text": None}, {"type": "text", "text": "hi"}]}, "hi"),
    ("null value", {"content": [{"type": "text", "text": {"value": None, "annotations": None}}, "hi"]}, "hi"),
    ("unknown parts", {"content": [{"type": "tool_call", "tool_call": {}}, None, 5, ["x"], "hi"]}, "hi"),
    ("a bare image link", {"content": [{"type": "image_url", "image_url": PICTURE}]}, PICTURE),
    ("a v1 file list", {"content": "hi", "file_ids": ["file-1"], "attachments": None}, "hi"),
    ("wrong annotations", {"content": [{"type": "text", "text": {"value": "hi", "annotations": [None, 5, {}]}}]}, "hi"),
]


@pytest.mark.parametrize(("shape", "sent"), [shape[1:] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_every_stored_shape_is_read_listed_and_sent(
    make_site: MakeSite, shape: dict[str, Any], sent: Any, role: str
) -> None:
    site = make_site(text("Hi."))
    thread_id = site.new_thread()
    body = {**objects.message("msg_old", 1, thread_id, role, []), **shape}
    site.registration.store.insert(Record(Kind.MESSAGE, "anna", body, thread_id))
    for path in (f"/threads/{thread_id}/messages", f"/v1/threads/{thread_id}/messages"):
        assert [message["id"] for message in site.get(path).get_json()["data"]] == ["msg_old"]
    assert site.get(f"/v1/threads/{thread_id}/messages/msg_old").status_code == 200
    assert run_of(site.chat("next", threadId=thread_id))["status"] == "completed"
    (request,) = site.engine.requests
    if sent is not PICTURE:
        assert [item["content"] for item in request["input"]] == [sent, "next"]
    elif role == "user":
        assert request["input"][0]["content"][0]["image_url"] == PICTURE
    assert site.post(f"/threads/{thread_id}/title").status_code == 200
