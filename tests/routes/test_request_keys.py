"""The header `Idempotency-Key` on every route that starts a run or lets one go on, on both faces."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_assistant_stream.routes import RESOURCES
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import call, text

from .conftest import FRONT_END, MakeSite, Site, build, run_of

KEY = {"Idempotency-Key": "b1946ac9-2b2e-4d5a"}
SEARCH = {"type": "file_search"}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}]


def stores_of(site: Site) -> list[str]:
    return [store["id"] for store in site.get("/v1/vector_stores").get_json()["data"]]


def twice(site: Site, path: str, body: Any, headers: dict[str, str] = KEY) -> TestResponse:
    """Send a request twice and return the first response, which the second must repeat."""
    first, again = [site.post(path, body, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 200), first.text
    assert first.data == again.data
    for name in ("X-Run-Id", "X-Thread-Id"):
        assert first.headers.get(name) == again.headers.get(name)
    return first


def reused(answer: TestResponse) -> None:
    assert answer.status_code == 400, answer.text
    error = answer.get_json()["error"]
    assert (error["code"], error["param"]) == ("idempotency_key_reused", "Idempotency-Key")


def test_the_routes_that_accept_a_key_are_those_that_begin_or_continue_a_run() -> None:
    names = {operation.name for resource in RESOURCES for operation in resource.operations if operation.begins}
    v1 = {"v1_create_run", "v1_create_thread_and_run", "v1_submit_tool_outputs"}
    assert names == {"chat", "create_message", "fork_message", "submit_actions", *v1}


@pytest.mark.parametrize("value", ["", "x" * 256, "ümlaut", "a\tb"])
def test_invalid_keys(make_site: MakeSite, value: str) -> None:
    site = make_site(text("Hi."))
    before = site.contents()
    answer = site.post("/chat/stream", {"content": "hi"}, headers={"Idempotency-Key": value, "Origin": FRONT_END})
    assert answer.status_code == 400
    assert answer.get_json()["error"]["param"] == "Idempotency-Key"
    assert answer.headers["Access-Control-Allow-Origin"] == FRONT_END
    assert site.contents() == before
    assert site.post("/threads", {}, headers={"Idempotency-Key": value}).status_code == 200, "not looked at there"


@pytest.mark.parametrize("value", ["x", "~ !", "x" * 255])
def test_a_chat_message_again(make_site: MakeSite, value: str) -> None:
    site, headers = make_site(text("Hi.")), {"Idempotency-Key": value}
    first = twice(site, "/chat/stream", {"content": "hi"}, headers)
    as_sse = site.post("/chat/stream?format=sse", {"content": "hi"}, headers=headers)
    assert as_sse.content_type.startswith("text/event-stream"), "the format is no part of the request"
    thread_id = first.headers["X-Thread-Id"]
    assert as_sse.headers["X-Thread-Id"] == thread_id
    assert len(site.engine.requests) == 1
    assert len(site.get("/threads").get_json()["data"]) == 1
    assert len(site.get(f"/threads/{thread_id}/messages").get_json()["data"]) == 2


def test_with_another_body_or_route(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    thread_id, other = site.new_thread(), site.new_thread()
    body = {"content": "hi", "threadId": thread_id}
    assert run_of(decode_ndjson(site.post("/chat/stream", body, headers=KEY).data))["status"] == "completed"
    before = site.contents()
    reused(site.post("/chat/stream", {**body, "content": "ho"}, headers=KEY))
    reused(site.post("/chat/stream", {**body, "threadId": other}, headers=KEY))
    reused(site.post(f"/threads/{thread_id}/messages", {"content": "hi"}, headers=KEY))
    reused(site.post(f"/v1/threads/{thread_id}/runs", {"assistant_id": "asst_default"}, headers=KEY))
    assert site.contents() == before
    same = json.dumps({"threadId": thread_id, "content": "hi"}, indent=2)
    assert site.request("POST", "/chat/stream", data=same, headers=KEY).status_code == 200, "written otherwise"


def test_another_owner_or_a_deleted_thread_frees_it(make_site: MakeSite) -> None:
    site = make_site(text("Hi."), text("Ho."), text("Ha."))
    annas = site.post("/chat/stream", {"content": "hi"}, headers=KEY)
    assert text_of(decode_ndjson(annas.data)) == "Hi."
    bens = site.post("/chat/stream", {"content": "hi"}, headers=KEY, user="ben")
    assert annas.headers["X-Run-Id"] != bens.headers["X-Run-Id"]
    assert text_of(decode_ndjson(bens.data)) == "Ho."
    site.request("DELETE", f"/threads/{annas.headers['X-Thread-Id']}")
    again = site.post("/chat/stream", {"content": "hi"}, headers=KEY)
    assert text_of(decode_ndjson(again.data)) == "Ha."


def test_a_run_outlives_its_events(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site(text("Hi."), text("Ho."))
    body = {"assistant_id": "asst_default", "thread": {"messages": [{"role": "user", "content": "hi"}]}}
    assert site.post("/chat/stream", {"content": "hi"}, headers={"Idempotency-Key": "1"}).data
    run = site.post("/v1/threads/runs", body, headers=KEY).get_json()
    assert site.get(f"/threads/{run['thread_id']}/runs/{run['id']}/stream").data
    store = site.registration.store
    real = store.now
    monkeypatch.setattr(store, "now", lambda: real() + 10 * 86_400)
    assert site.post("/chat/stream", {"content": "hi"}, headers={"Idempotency-Key": "1"}).status_code == 410
    again = site.post("/v1/threads/runs", body, headers=KEY)
    assert (again.status_code, again.get_json()["id"]) == (200, run["id"])
    assert len(site.engine.requests) == 2


def test_actions_again(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"), text("Take a hat."), assistants=[{"id": "asst_default", "tools": TOOLS}])
    run = run_of(site.chat("weather?"))
    (asked,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    path = f"/threads/{run['thread_id']}/actions"
    body = {"runId": run["id"], "toolCallOutputs": [{"tool_call_id": asked["id"], "output": "rain"}]}
    assert text_of(decode_ndjson(twice(site, path, body).data)) == "Take a hat."
    body["toolCallOutputs"][0]["output"] = "snow"
    reused(site.post(path, body, headers=KEY))
    assert site.post(path, body, headers={"Idempotency-Key": "another"}).status_code == 400
    assert len(site.engine.requests) == 2


def test_runs_of_the_sdk_face_again(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"), text("Take a hat."), text("Hi."))
    thread_id = site.new_thread()
    body = {"assistant_id": "asst_default", "tools": TOOLS, "stream": True}
    path = f"/v1/threads/{thread_id}/runs"
    first = twice(site, path, body)
    reused(site.post(path, {**body, "stream": False}, headers=KEY))
    run = site.get(f"{path}/{first.headers['X-Run-Id']}").get_json()
    (asked,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = {"tool_outputs": [{"tool_call_id": asked["id"], "output": "rain"}], "stream": True}
    twice(site, f"{path}/{run['id']}/submit_tool_outputs", outputs, {"Idempotency-Key": "2"})
    whole = {"assistant_id": "asst_default", "thread": {"messages": [{"role": "user", "content": "hi"}]}}
    runs = [site.post("/v1/threads/runs", whole, headers={"Idempotency-Key": "3"}).get_json() for _ in range(3)]
    assert len({run["id"] for run in runs}) == len({run["thread_id"] for run in runs}) == 1
    assert len(site.get(f"/v1/threads/{runs[0]['thread_id']}/messages").get_json()["data"]) <= 2


def test_vector_stores_are_made_once(make_site: MakeSite) -> None:
    site = make_site(text("Hi."), text("Ho."))
    attached = [{"file_id": site.new_file(), "tools": [SEARCH]}]
    for _ in range(2):
        assert site.post("/chat/stream", {"content": "hi", "attachments": attached}, headers=KEY).data
    assert len(stores_of(site)) == 1
    path, body = f"/threads/{site.new_thread()}/messages", {"content": "ho", "attachments": attached}
    for _ in range(2):
        assert text_of(decode_ndjson(site.post(path, body, headers={"Idempotency-Key": "2"}).data)) == "Ho."
    assert len(stores_of(site)) == 2
    assert len(site.engine.requests) == 2


def test_a_repeat_does_not_need_the_file_of_the_first_request(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    file_id = site.new_file()
    body = {"content": "hi", "attachments": [{"file_id": file_id, "tools": [SEARCH]}]}
    first = site.post("/chat/stream", body, headers=KEY)
    assert first.data
    site.request("DELETE", "/files", json={"fileId": file_id})
    assert site.post("/chat/stream", body, headers=KEY).data == first.data


@pytest.mark.parametrize("on_a_thread", [False, True])
def test_of_many_at_once_on_two_workers(tmp_path: Path, on_a_thread: bool) -> None:
    store = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
    gate = threading.Event()
    sites = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        sites.append(build(tmp_path / name, [gate, *text("Once.")], store=store))
    attached = [{"file_id": sites[0].new_file(), "tools": [SEARCH]}]
    thread = {"threadId": sites[0].new_thread()} if on_a_thread else {}
    answers: list[TestResponse] = []

    def send(site: Site) -> None:
        body = {"content": "hi", "attachments": attached, **thread}
        answers.append(site.post("/chat/stream", body, headers=KEY))

    threads = [threading.Thread(target=send, args=(sites[number % 2],)) for number in range(12)]
    for each in threads:
        each.start()
    gate.set()
    for each in threads:
        each.join(30)
    try:
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.headers["X-Run-Id"] for answer in answers}) == 1
        assert {text_of(decode_ndjson(answer.data)) for answer in answers} == {"Once."}
        assert sum(len(site.engine.requests) for site in sites) == 1
        thread_id = answers[0].headers["X-Thread-Id"]
        record: Any = sites[0].registration.store.get(Kind.THREAD, "anna", thread_id)
        (named,) = record.body["tool_resources"]["file_search"]["vector_store_ids"]
        store_ids = stores_of(sites[0])
        assert named in store_ids
        assert len(store_ids) <= (2 if on_a_thread else 1)
        assert len(sites[0].get("/threads").get_json()["data"]) == 1
    finally:
        for site in sites:
            site.close()
