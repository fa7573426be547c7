"""Runs and their steps over the SDK face."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from flask_assistant_stream.engines.sse import SSEDecoder
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.scripted import call, calls, failure, incomplete, text, unfinished

from .conftest import WEATHER, MakeSite, Site, ended, new_assistant, new_thread, refused

SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True}}


def begin(site: Site, thread_id: str | None = None, **fields: Any) -> dict[str, Any]:
    path = "/v1/threads/runs" if thread_id is None else f"/v1/threads/{thread_id}/runs"
    answer = site.post(path, {"assistant_id": "asst_default", **fields})
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def waiting_run(site: Site) -> dict[str, Any]:
    run = ended(site, begin(site, new_thread(site, "weather?"), tools=[WEATHER]))
    assert run["status"] == "requires_action"
    return run


def path_of(run: dict[str, Any]) -> str:
    return f"/v1/threads/{run['thread_id']}/runs/{run['id']}"


def steps(site: Site, run: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    return list(site.get(f"{path_of(run)}/steps?order=asc{query}").get_json()["data"])


def sse(data: bytes) -> list[tuple[str, Any]]:
    """Return name and object of the events of an SSE body, which must end with `done`."""
    blocks = data.decode("ascii").removesuffix("\n\n").split("\n\n")
    assert blocks.pop() == "event: done\ndata: [DONE]"
    assert len(SSEDecoder().feed(data)) == len(blocks) + 1
    fields = [dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")) for block in blocks]
    return [(event["event"], json.loads(event["data"])) for event in fields]


def test_a_run_is_polled_to_its_end(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([*text("Hi there."), gate], [gate, *text("Hi there.")])
    thread_id = new_thread(site, "hello")
    ended(site, begin(site, thread_id))
    run = begin(site, thread_id)
    assert (run["object"], run["assistant_id"], run["thread_id"]) == ("thread.run", "asst_default", thread_id)
    answer = site.get(path_of(run))
    assert answer.headers["openai-poll-after-ms"] == "300"
    assert answer.get_json()["status"] in ("queued", "in_progress")
    gate.set()
    done = ended(site, run)
    assert (done["status"], done["usage"]["total_tokens"]) == ("completed", 3)
    assert (done["expires_at"], done["instructions"]) == (None, "")
    assert "openai-poll-after-ms" not in site.get(path_of(run)).headers
    listed = site.get(f"/v1/threads/{thread_id}/runs").get_json()["data"]
    assert (len(listed), listed[0]["id"]) == (2, run["id"])


def test_a_run_is_streamed(make_site: MakeSite) -> None:
    site = make_site(text("Hi there."))
    thread_id = new_thread(site, "hello")
    body = {"assistant_id": "asst_default", "stream": True}
    answer = site.post(f"/v1/threads/{thread_id}/runs", body, headers={"Accept": "application/json"})
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    events = sse(answer.data)
    assert [name for name, _ in events if not name.endswith("delta")] == [
        *("thread.run.created", "thread.run.queued", "thread.run.in_progress"),
        *("thread.run.step.created", "thread.run.step.in_progress"),
        *("thread.message.created", "thread.message.in_progress", "thread.message.completed"),
        *("thread.run.step.completed", "thread.run.completed"),
    ]
    assert events[-1][1] == site.get(path_of(events[0][1])).get_json()


def test_a_thread_is_made_for_a_run(make_site: MakeSite) -> None:
    site = make_site(text("One."), text("Two."))
    stores = {"file_search": {"vector_store_ids": [site.new_vector_store()]}}
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    thread = {"messages": messages, "metadata": {"a": "b"}, "tool_resources": stores}
    answer = site.post("/v1/threads/runs", {"assistant_id": "asst_default", "thread": thread, "stream": True})
    name, created = sse(answer.data)[0]
    assert name == "thread.created"
    assert (created["metadata"], created["tool_resources"]) == ({"a": "b"}, stores)
    assert site.get(f"/v1/threads/{created['id']}").get_json() == created
    assert [item["content"] for item in site.engine.requests[0]["input"]] == ["a", "b"]
    assert ended(site, begin(site))["status"] == "completed"


def test_overrides_are_reported_and_reach_the_upstream(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    assistant = new_assistant(site, instructions="Be brief.", tools=[{"type": "file_search"}], temperature=0.1)
    fields = {
        "model": "m-2",
        "tools": [{**WEATHER, "function": {**WEATHER["function"], "strict": True}}],
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "top_p": 0.25,
        "max_prompt_tokens": 10_000,
        "max_completion_tokens": 500,
        "truncation_strategy": {"type": "last_messages", "last_messages": 2},
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "parallel_tool_calls": False,
        "response_format": SCHEMA,
        "reasoning_effort": "low",
    }
    added = [{"role": "user", "content": "two"}, {"role": "assistant", "content": "three"}]
    texts = {"instructions": "Be long.", "additional_instructions": "Rhyme.", "additional_messages": added}
    run = begin(site, new_thread(site, "zero", "one"), assistant_id=assistant["id"], **texts, **fields)
    assert fields.items() <= run.items()
    assert run["instructions"] == "Be long.\nRhyme."
    assert ended(site, run)["status"] == "completed"
    (request,) = site.engine.requests
    sampling = {"model": "m-2", "temperature": 0.5, "top_p": 0.25, "max_output_tokens": 500}
    choice = {"tool_choice": {"type": "function", "name": "get_weather"}, "parallel_tool_calls": False}
    expected = {**sampling, **choice, "instructions": "Be long.\nRhyme.", "reasoning": {"effort": "low"}}
    assert expected.items() <= request.items()
    assert [item["content"] for item in request["input"]] == ["two", "three"]
    assert request["text"]["format"]["type"] == "json_schema"
    assert (request["tools"][0]["name"], request["tools"][0]["strict"]) == ("get_weather", True)
    messages = site.get(f"/v1/threads/{run['thread_id']}/messages?order=asc").get_json()["data"]
    assert [message["content"][0]["text"]["value"] for message in messages] == ["zero", "one", "two", "three", "Hi."]


@pytest.mark.parametrize(
    ("own", "override", "added", "expected"),
    [
        (None, None, None, ""),
        ("A.", None, None, "A."),
        ("A.", None, "B.", "A.\nB."),
        ("A.", "C.", "B.", "C.\nB."),
        (None, None, "B.", "B."),
        ("A.", "", None, ""),
    ],
)
def test_instructions(make_site: MakeSite, own: Any, override: Any, added: Any, expected: str) -> None:
    site = make_site(text("Hi."))
    assistant = new_assistant(site, instructions=own)["id"]
    texts = {"instructions": override, "additional_instructions": added}
    assert begin(site, new_thread(site, "x"), assistant_id=assistant, **texts)["instructions"] == expected


def test_the_budget_of_the_prompt(make_site: MakeSite) -> None:
    script = call("get_weather")
    script[-1][0]["response"]["usage"]["input_tokens"] = 300
    site = make_site(text("Hi."), script)
    thread_id = new_thread(site, "old " * 500, "new " * 100)
    ended(site, begin(site, thread_id, max_prompt_tokens=256))
    assert [item["content"] for item in site.engine.requests[0]["input"]] == ["new " * 100]
    run = ended(site, begin(site, new_thread(site, "x"), max_prompt_tokens=256, tools=[WEATHER]))
    assert (run["status"], run["incomplete_details"]) == ("incomplete", {"reason": "max_prompt_tokens"})


def test_the_stores_of_the_thread_are_searched_too(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    first, second = site.new_vector_store(), site.new_vector_store()
    stores = {"file_search": {"vector_store_ids": [first]}}
    assistant = new_assistant(site, tools=[{"type": "file_search"}], tool_resources=stores)
    thread_id = new_thread(site, "x", tool_resources={"file_search": {"vector_store_ids": [second]}})
    ended(site, begin(site, thread_id, assistant_id=assistant["id"]))
    (tool,) = site.engine.requests[0]["tools"]
    assert (tool["type"], tool["vector_store_ids"][:2]) == ("file_search", [first, second])


def test_tool_outputs(make_site: MakeSite) -> None:
    site = make_site(calls(("get_weather", {"n": 1}), ("get_weather", {"n": 2})), text("Hats."))
    run = waiting_run(site)
    wanted = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    (step,) = steps(site, run)
    assert (step["status"], step["type"]) == ("in_progress", "tool_calls")
    assert [one["id"] for one in step["step_details"]["tool_calls"]] == [one["id"] for one in wanted]
    submit = f"{path_of(run)}/submit_tool_outputs"
    outputs = [{"tool_call_id": one["id"], "output": str(n)} for n, one in enumerate(wanted)]
    some = [{"tool_outputs": outputs[:1]}, {"tool_outputs": [*outputs, {"tool_call_id": "call_x", "output": ""}]}]
    for body in [*some, {"tool_outputs": []}]:
        refused(site.post(submit, body), 400, "Expected tool outputs for call_ids ['call_", "tool_outputs")
    twice = {"tool_outputs": [outputs[0], outputs[0]]}
    refused(site.post(submit, twice), 400, "Invalid", "tool_outputs[1].tool_call_id")
    refused(site.post(submit, {}), 400, "Invalid 'tool_outputs'", "tool_outputs")
    assert site.post(submit, {"tool_outputs": outputs}).get_json()["id"] == run["id"]
    assert ended(site, run)["status"] == "completed"
    done, spoken = steps(site, run)
    assert [one["function"]["output"] for one in done["step_details"]["tool_calls"]] == ["0", "1"]
    assert (done["id"], done["status"], spoken["type"]) == (step["id"], "completed", "message_creation")
    assert (done["usage"]["total_tokens"], spoken["usage"]["total_tokens"]) == (3, 2)
    refused(site.post(submit, {"tool_outputs": outputs}), 400, 'Runs in status "completed" do not accept tool outputs.')


def test_tool_outputs_with_a_stream(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"), text("Hats."))
    run = waiting_run(site)
    (wanted,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    body = {"tool_outputs": [{"tool_call_id": wanted["id"], "output": "sun"}], "stream": True}
    names = [name for name, _ in sse(site.post(f"{path_of(run)}/submit_tool_outputs", body).data)]
    assert names[:3] == ["thread.run.step.completed", "thread.run.queued", "thread.run.in_progress"]
    assert names[-1] == "thread.run.completed"


def test_what_an_active_run_has_said_stays(make_site: MakeSite) -> None:
    script = call("get_weather")
    spoken = text("Let me see.")[1:-1]
    site = make_site([*script[:1], *spoken, *script[1:]])
    run = waiting_run(site)
    messages = f"/v1/threads/{run['thread_id']}/messages"
    (message, question) = site.get(messages).get_json()["data"]
    refused(site.request("DELETE", f"{messages}/{message['id']}"), 400, f"Can't delete message {message['id']} while")
    assert site.request("DELETE", f"{messages}/{question['id']}").status_code == 200
    site.post(f"{path_of(run)}/cancel")
    assert site.request("DELETE", f"{messages}/{message['id']}").status_code == 200
    assert site.get(messages).get_json()["data"] == []


def test_of_many_runs_at_once_one_begins_and_the_app_face_replaces_it(make_site: MakeSite) -> None:
    site = make_site([*unfinished("Well"), threading.Event()], text("Next."))
    thread_id = new_thread(site, "hello")
    path, body = f"/v1/threads/{thread_id}/runs", {"assistant_id": "asst_default"}
    answers: list[Any] = []
    senders = [threading.Thread(target=lambda: answers.append(site.post(path, body))) for _ in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    (run,) = [answer.get_json() for answer in answers if answer.status_code == 200]
    answers.append(site.post(path, {**body, "additional_messages": [{"role": "user", "content": "more"}]}))
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 400, f"Thread {thread_id} already has an active run {run['id']}.")
    assert len(site.get(path).get_json()["data"]) == 1
    assert site.post(f"/threads/{thread_id}/messages", {"content": "instead"}).status_code == 200
    assert ended(site, run)["status"] == "cancelled"


def test_cancel(make_site: MakeSite) -> None:
    site = make_site([*unfinished("Well"), threading.Event()])
    run = begin(site, new_thread(site, "hello"))
    headers = {"Content-Type": "application/json", "Content-Length": "0"}
    answer = site.request("POST", f"{path_of(run)}/cancel", headers=headers).get_json()
    assert answer["status"] in ("cancelling", "cancelled")
    done = ended(site, run)
    assert (done["status"], done["cancelled_at"] is not None) == ("cancelled", True)
    refused(site.post(f"{path_of(run)}/cancel"), 400, "Cannot cancel run with status 'cancelled'.")


def test_cancel_of_a_run_that_waits(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"))
    run = waiting_run(site)
    assert site.post(f"{path_of(run)}/cancel").get_json()["status"] == "cancelled"
    assert [step["status"] for step in steps(site, run)] == ["cancelled"]
    answer = site.post(f"{path_of(run)}/submit_tool_outputs", {"tool_outputs": []})
    refused(answer, 400, 'Runs in status "cancelled" do not accept tool outputs.')


def test_a_run_that_is_to_end_is_cancelling(make_site: MakeSite) -> None:
    site = make_site([*unfinished("Well"), threading.Event()])
    run = begin(site, new_thread(site, "hello"))
    store = site.registration.store
    assert store.request_cancel("anna", run["id"], due_at=store.now() + 100).active
    assert site.get(path_of(run)).get_json()["status"] in ("cancelling", "cancelled")
    assert ended(site, run)["status"] == "cancelled"


def test_an_unanswered_action_expires(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"), run_expires_seconds=1.0)
    run = ended(site, begin(site, new_thread(site, "x"), tools=[WEATHER]))
    while run["status"] == "requires_action":
        run = ended(site, run)
    assert run["status"] == "expired"
    assert [step["status"] for step in steps(site, run)] == ["expired"]


def test_other_ends(make_site: MakeSite) -> None:
    site = make_site(failure("rate_limit_exceeded", "Slow down."), incomplete("Well"))
    failed, cut = (ended(site, begin(site, new_thread(site, "x"))) for _ in range(2))
    assert (failed["status"], failed["incomplete_details"]) == ("failed", None)
    assert failed["last_error"]["code"] == "rate_limit_exceeded"
    assert (cut["status"], cut["incomplete_details"]) == ("incomplete", {"reason": "max_completion_tokens"})
    assert cut["last_error"] is None


def test_metadata_of_a_run(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    run = ended(site, begin(site, new_thread(site, "x"), metadata={"a": "b"}))
    assert run["metadata"] == {"a": "b"}
    assert site.post(path_of(run), {"metadata": {"c": "d"}}).get_json() == {**run, "metadata": {"c": "d"}}
    assert site.post(path_of(run), {}).get_json()["metadata"] == {"c": "d"}
    assert site.post(path_of(run), {"metadata": None}).get_json()["metadata"] == {}
    assert site.registration.store.get(Kind.RUN, "anna", run["id"]).active is False  # type: ignore[attr-defined]


def search(content: str) -> list[Any]:
    script = text("Found.")
    result = {"file_id": "file-1", "filename": "a.txt", "score": 0.5, "text": content}
    item = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["q"], "results": [result]}
    events = [{"type": f"response.output_item.{what}", "output_index": 9, "item": item} for what in ("added", "done")]
    return [*script[:1], *([event] for event in events), *script[1:]]


def test_the_content_of_search_results_is_returned_on_request(make_site: MakeSite) -> None:
    site = make_site(search("the text"))
    stores = {"file_search": {"vector_store_ids": [site.new_vector_store()]}}
    assistant = new_assistant(site, tools=[{"type": "file_search"}], tool_resources=stores)["id"]
    include = "include%5B%5D=step_details.tool_calls%5B%2A%5D.file_search.results%5B%2A%5D.content"
    thread_id = new_thread(site, "x")
    run = site.post(f"/v1/threads/{thread_id}/runs?{include}", {"assistant_id": assistant}).get_json()
    ended(site, run)
    assert site.engine.requests[0]["include"] == ["file_search_call.results"]
    (plain,) = [step for step in steps(site, run) if step["type"] == "tool_calls"]
    (result,) = plain["step_details"]["tool_calls"][0]["file_search"]["results"]
    assert result == {"file_id": "file-1", "file_name": "a.txt", "score": 0.5}
    path = f"{path_of(run)}/steps/{plain['id']}"
    assert site.get(path).get_json() == plain
    full = site.get(f"{path}?{include}").get_json()
    assert full["step_details"]["tool_calls"][0]["file_search"]["results"][0]["content"][0]["text"] == "the text"
    assert full in steps(site, run, f"&{include}")
    refused(site.get(f"{path}?include[]=all"), 400, "Invalid 'include[][0]'", "include[][0]")


def test_unknown_runs_and_steps(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    run = ended(site, begin(site, new_thread(site, "x")))
    path = f"/v1/threads/{run['thread_id']}/runs/run_x"
    for method, rest in (("GET", ""), ("POST", ""), ("POST", "/cancel"), ("GET", "/steps"), ("GET", "/steps/step_x")):
        refused(site.request(method, f"{path}{rest}"), 404, "No run found with id 'run_x'.")
    outputs = {"tool_outputs": [{"tool_call_id": "x", "output": "y"}]}
    refused(site.post(f"{path}/submit_tool_outputs", outputs), 404, "No run found")
    refused(site.get(f"{path_of(run)}/steps/step_x"), 404, "No run step found with id 'step_x'.")
    refused(site.get(f"{path_of(run)}/steps?after=step_x"), 400, "Invalid 'after'", "after")
