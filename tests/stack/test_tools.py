"""Server tools through real servers on both stores, and their streams in real clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any
from urllib.parse import quote

import pytest

from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.testing.decode import decode_ndjson, decode_sse, text_of
from tests.fake_upstream import UpstreamProcess
from tests.node_clients import Decoded, NodeDecoder, python_decode_sse
from tests.server_process import ServerProcess, gunicorn, run_of, serving
from tests.stack.app import SECRET_OF_A_TOOL
from tests.translation.checker import check as check_stream

MAX_ROUNDS = 4


@pytest.fixture(scope="module")
def server(
    module_store: str, played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """The app of these tests with two gevent workers, on each store in turn."""
    where = tmp_path_factory.mktemp("tools")
    settings = {"ASSISTANT_MAX_ROUNDS": str(MAX_ROUNDS), "ASSISTANT_MAX_CONTENT_CHARS": "100000"}
    with serving(
        gunicorn("--workers", "2"), where, store=module_store, upstream=played.base_url, **settings
    ) as running:
        yield running


def asks(*calls: tuple[str, Any], loop: bool = False) -> str:
    """Return a message that makes the model call functions."""
    return f"@@script:calls?list={quote(json.dumps(calls))}{'&loop=1' if loop else ''}@@"


def answers(run: dict[str, Any], *outputs: str) -> dict[str, Any]:
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    tool_outputs = [{"tool_call_id": call["id"], "output": out} for call, out in zip(calls, outputs, strict=True)]
    return {"runId": run["id"], "toolCallOutputs": tool_outputs}


def asked(run: dict[str, Any]) -> list[tuple[str, str]]:
    calls = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return [(call["function"]["name"], call["function"]["arguments"]) for call in calls]


class Conversation:
    """A run of the assistant with tools, and its streams."""

    def __init__(self, server: ServerProcess, content: str) -> None:
        self.server = server
        self.streams = [server.chat(content, assistantId="asst_tools").body]

    @property
    def events(self) -> list[Event]:
        return [event for stream in self.streams for event in decode_ndjson(stream)]

    @property
    def run(self) -> dict[str, Any]:
        return run_of(self.events)

    def submit(self, *outputs: str) -> None:
        run = self.run
        answer = self.server.post(f"/threads/{run['thread_id']}/actions", answers(run, *outputs))
        assert answer.status == 200, answer.body
        self.streams.append(answer.body)

    @property
    def path(self) -> str:
        return f"/threads/{self.run['thread_id']}/runs/{self.run['id']}"

    def outputs(self) -> list[str]:
        """Return the outputs of the tool steps that were completed."""
        steps = [event.object() for event in self.events if event.name == "thread.run.step.completed"]
        calls = [call for step in steps for call in step["step_details"].get("tool_calls", ())]
        return [call["function"]["output"] for call in calls]


SCENARIOS: dict[str, tuple[list[tuple[str, Any]], list[str], str]] = {
    # the calls, the answers of the page, the outputs of all tools
    "one": ([("add", {"a": 2, "b": 40})], [], "42"),
    "parallel": ([("add", {"a": 2}), ("add", {"a": 3}), ("refuse", {})], [], "3 | 4 | Closed on Sundays."),
    "failing": ([("fail", {})], [], "The tool fail failed."),
    "slow": ([("hang", {}), ("add", {"a": 1})], [], "The tool hang did not answer within 0.3 seconds. | 2"),
    "mixed": ([("add", {"a": 2}), ("get_weather", {"location": "Rome"})], ["21 °C"], "3 | 21 °C"),
    "approved": ([("erase", {"name": "all"})], ["true"], "all is erased"),
    "not approved": ([("erase", {"name": "all"})], ["no"], "The user did not approve this call."),
    "all kinds": (
        [("erase", {"name": "it"}), ("add", {"a": 5}), ("get_weather", {"location": "Oslo"})],
        ["TRUE ", "cold"],
        "it is erased | 6 | cold",
    ),
}


def play(server: ServerProcess, name: str) -> Conversation:
    calls, outputs, _ = SCENARIOS[name]
    conversation = Conversation(server, asks(*calls))
    if outputs:
        conversation.submit(*outputs)
    return conversation


@pytest.fixture(scope="module")
def played_once(server: ServerProcess) -> Callable[[str], Conversation]:
    return cache(partial(play, server))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_model_receives_the_outputs_of_the_tools(name: str, played_once: Callable[[str], Conversation]) -> None:
    conversation = played_once(name)
    check_stream(conversation.events)
    assert conversation.run["status"] == "completed"
    assert text_of(conversation.events) == f"The tools said: {SCENARIOS[name][2]}"
    assert " | ".join(conversation.outputs()) == SCENARIOS[name][2]
    assert conversation.run["usage"]["total_tokens"] == 42  # of both responses
    whole: Decoded = python_decode_sse(conversation.server.get(f"{conversation.path}/stream?format=sse").body)
    assert (whole.error, whole.run_status) == (None, "completed")
    assert whole.text == f"The tools said: {SCENARIOS[name][2]}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_node_decodes_it(
    name: str, node_version: str, node_decode: NodeDecoder, played_once: Callable[[str], Conversation]
) -> None:
    conversation = played_once(name)
    for stream in conversation.streams:
        decoded = node_decode(node_version, stream)
        assert decoded.error is None
        assert decoded.names == [event.name for event in decode_ndjson(stream)]
        assert decoded.run == run_of(decode_ndjson(stream))
    assert decoded.text == f"The tools said: {SCENARIOS[name][2]}"
    whole = node_decode(node_version, conversation.server.get(f"{conversation.path}/stream").body)
    assert (whole.error, whole.text) == (None, decoded.text)


def test_clients_answer_approvals_and_their_own_functions_only(played_once: Callable[[str], Conversation]) -> None:
    (waiting,) = [event for event in played_once("all kinds").events if event.name == "thread.run.requires_action"]
    assert asked(waiting.object()) == [("approval.erase", '{"name": "it"}'), ("get_weather", '{"location": "Oslo"}')]


def test_a_tool_receives_its_context_and_runs_in_the_app(server: ServerProcess) -> None:
    conversation = Conversation(server, asks(("who", {})))
    (output,) = map(json.loads, conversation.outputs())
    run = conversation.run
    assert output == {"owner": "anna", "thread": run["thread_id"], "run": run["id"], "app": "host"}


def test_the_model_receives_errors_of_arguments_and_shortened_outputs(server: ServerProcess) -> None:
    conversation = Conversation(server, asks(("add", {"a": "many"}), ("add", {}), ("long", {})))
    wrong, missing, long = conversation.outputs()
    assert "a" in wrong
    assert "a" in missing
    assert "1000000 characters" in long
    assert conversation.run["status"] == "completed"


def test_no_text_of_an_exception_comes_out(server: ServerProcess, played_once: Callable[[str], Conversation]) -> None:
    conversation = played_once("failing")
    assert all(SECRET_OF_A_TOOL.encode() not in stream for stream in conversation.streams)
    assert SECRET_OF_A_TOOL not in server.log
    assert "tool fail failed: RuntimeError at app.py:" in server.log


def test_a_run_that_goes_in_circles_ends(server: ServerProcess, node_version: str, node_decode: NodeDecoder) -> None:
    conversation = Conversation(server, asks(("add", {"a": 1}), loop=True))
    assert (conversation.run["status"], conversation.run["incomplete_details"]) == ("incomplete", {})
    assert len(conversation.outputs()) == MAX_ROUNDS - 1
    check_stream(conversation.events)
    decoded = node_decode(node_version, conversation.streams[0])
    if node_version != "4.46.0":  # which knows no runs that end incomplete
        assert decoded.run_status == "incomplete"
    assert server.chat("hello", threadId=conversation.run["thread_id"]).run["status"] == "completed"


def test_a_run_is_cancelled_while_a_tool_hangs(server: ServerProcess) -> None:
    with server.opened("/chat/stream", {"content": asks(("hang", {})), "assistantId": "asst_tools"}) as stream:
        stream.read_until("thread.run.step.delta")
        assert server.post(f"{stream.run_path}/cancel").status == 200
        names = [event.name for event in stream.read_events()]
    assert names[-1] == "thread.run.cancelled"
    assert "thread.run.step.cancelled" in names


def test_bad_answers_change_nothing(server: ServerProcess) -> None:
    conversation = Conversation(server, asks(("erase", {"name": "x"}), ("get_weather", {"location": "Rome"})))
    run = conversation.run
    path = f"/threads/{run['thread_id']}/actions"
    good = answers(run, "true", "warm")
    first, second = good["toolCallOutputs"]
    for outputs in (
        [first],
        [first, second, {"tool_call_id": "call_unknown", "output": ""}],
        [first, first, second],
        [first, {**second, "output": 7}],
        [first, {**second, "output": "x" * 100_001}],
        [],
    ):
        refused = server.post(path, {**good, "toolCallOutputs": outputs})
        assert refused.status == 400, outputs
        assert refused.json["error"]["param"].startswith("toolCallOutputs")
    assert server.post(path, {**good, "runId": "run_unknown"}).status == 404
    assert server.post(path, good, headers={"X-User": "bert"}).status == 404
    conversation.submit("true", "warm")
    assert text_of(conversation.events) == "The tools said: x is erased | warm"
    late, message = server.post(path, good), 'Runs in status "completed" do not accept tool outputs.'
    assert (late.status, late.json["error"]["message"]) == (400, message)


def test_an_assistant_made_over_the_api_runs_no_function_of_the_server(server: ServerProcess) -> None:
    """A client that names a function of the server in its own assistant answers the calls itself."""
    function = {"name": "erase", "parameters": {"type": "object", "properties": {}}}
    body = {"model": "a-model", "tools": [{"type": "function", "function": function}]}
    assistant = server.post("/v1/assistants", body).json
    run = server.chat(asks(("erase", {"name": "all"})), assistantId=assistant["id"]).run
    assert asked(run) == [("erase", '{"name": "all"}')]


def test_the_sdk_face_goes_through_server_tools_too(server: ServerProcess) -> None:
    body = {"assistant_id": "asst_tools", "stream": True}
    thread = {"messages": [{"role": "user", "content": asks(("erase", {"name": "all"}), ("add", {"a": 1}))}]}
    events = decode_sse(server.post("/v1/threads/runs", {**body, "thread": thread}).body)
    run = events[-1].object()
    (call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "true"}], "stream": True}
    path = f"/v1/threads/{run['thread_id']}/runs/{run['id']}"
    rest = decode_sse(server.post(f"{path}/submit_tool_outputs", outputs).body)
    assert text_of(rest) == "The tools said: all is erased | 2"
    steps = server.get(f"{path}/steps?order=asc").json["data"]
    assert [step["type"] for step in steps] == ["tool_calls", "message_creation"]
    assert [call["function"]["output"] for call in steps[0]["step_details"]["tool_calls"]] == ["all is erased", "2"]
