"""Tools of the upstream through a real server: what clients see of them, and the files that they leave."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from flask_assistant_stream.protocol.dialects import ASSISTANTS
from flask_assistant_stream.testing.decode import decode_sse, objects_of, text_of
from tests.fake_upstream import CODE, PIXEL, UpstreamProcess
from tests.node_clients import NodeDecoder, python_decode_sse
from tests.server_process import Answer, ServerProcess
from tests.stack.conftest import Serve
from tests.translation.checker import check

TABLE = "a,b\n1,2\n"


@pytest.fixture(scope="module")
def server(serve: Serve, played: UpstreamProcess) -> ServerProcess:
    """The app of these tests, with summaries of the reasoning."""
    played.control_files(containers=[["cntr_1", "cfile_table", TABLE], ["cntr_1", "cfile_plot", "a plot"]])
    return serve(ASSISTANT_REASONING_SUMMARIES="on")


@pytest.fixture(scope="module")
def said(server: ServerProcess) -> Callable[[str], Answer]:
    """Return a function that plays a script, once for all tests."""
    return cache(lambda script: server.chat(f"@@script:{script}@@", assistantId="asst_code"))


def steps(answer: Answer) -> list[dict[str, Any]]:
    """Return the tool calls of the completed steps."""
    details = [step["step_details"] for step in objects_of(answer.events, "thread.run.step.completed")]
    return [call for step in details for call in step.get("tool_calls", ())]


@pytest.mark.parametrize("script", ["code_interpreter", "hosted", "thinking"])
def test_every_client_decodes_it(
    script: str, node_version: str, node_decode: NodeDecoder, server: ServerProcess, said: Callable[[str], Answer]
) -> None:
    answer = said(script)
    check(answer.events)
    decoded = node_decode(node_version, answer.body)
    assert (decoded.error, decoded.run_status) == (None, "completed")
    assert decoded.text == text_of(answer.events)
    assert ("imageFileDone" in decoded.callbacks) == (script == "code_interpreter"), "listeners receive pictures"
    run = answer.run
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/stream?format=sse"
    python = python_decode_sse(server.get(path).body)
    assert (python.error, python.text) == (None, decoded.text)


def test_the_code_interpreter_is_a_step_and_its_files_outlive_its_container(
    server: ServerProcess, played: UpstreamProcess, said: Callable[[str], Answer]
) -> None:
    answer = said("code_interpreter")
    (message,) = objects_of(answer.events, "thread.message.completed")
    text, image = message["content"]
    (note,) = text["text"]["annotations"]
    assert (note["type"], note["text"]) == ("file_path", "sandbox:/mnt/data/table.csv")
    assert text["text"]["value"][note["start_index"] : note["end_index"]] == note["text"]
    assert image == {"type": "image_file", "image_file": {"file_id": "cfile_plot"}}
    before = played.told_files()["counts"]
    table = server.get(f"/files/{note['file_path']['file_id']}")
    assert (table.status, table.body) == (200, TABLE.encode())
    assert table.headers["Content-Type"].startswith("text/csv")
    assert table.headers["Content-Disposition"].startswith('attachment; filename="table.csv"')
    assert table.headers["X-Content-Type-Options"] == "nosniff"
    assert server.get("/files/cfile_plot").body == b"a plot"
    (call,) = steps(answer)
    logs, image = call["code_interpreter"]["outputs"]
    assert (call["type"], call["code_interpreter"]["input"]) == ("code_interpreter", CODE)
    assert (logs, image["type"]) == ({"type": "logs", "logs": "done\n"}, "image")
    drawn = image["image"]["file_id"]
    assert server.get(f"/v1/files/{drawn}/content").body == base64.b64decode(PIXEL)
    assert server.get(f"/v1/files/{drawn}").json["purpose"] == "assistants_output"
    assert played.told_files()["counts"] == before, "the upstream receives no request for bytes"
    ids = ("cfile_table", "cfile_tables")
    foreign, unknown = (server.get(f"/files/{file_id}", headers={"X-User": "bert"}) for file_id in ids)
    assert foreign.status == unknown.status == 404
    assert foreign.json["error"]["message"] == unknown.json["error"]["message"].replace("tables", "table")


def test_a_file_that_is_gone_already_is_reported_as_gone(server: ServerProcess, played: UpstreamProcess) -> None:
    route = "GET /containers/{container}/files/{file}/content"
    played.control_files(fail=[{"route": route, "status": 404, "times": 2}])
    answer = server.chat("@@script:code_interpreter?made=_late@@", assistantId="asst_code")
    assert answer.run["status"] == "completed"
    refused = server.get("/files/cfile_table_late")
    assert (refused.status, "cfile_table_late" in refused.json["error"]["message"]) == (410, True)


def test_other_tools_of_the_upstream_are_functions(
    server: ServerProcess, played: UpstreamProcess, said: Callable[[str], Answer]
) -> None:
    answer = said("hosted")
    sent = next(each["body"]["tools"] for each in played.told()["requests"] if "hosted" in json.dumps(each["body"]))
    assert [tool["type"] for tool in sent if tool["type"] in ("web_search", "mcp")] == ["web_search", "mcp"]
    assert b"token-of-the-sky" not in answer.body
    assert "token-of-the-sky" not in server.log
    assert {tool["type"] for tool in answer.run["tools"]} == {"code_interpreter", "file_search"}
    calls = steps(answer)
    assert {call["type"] for call in calls} == {"function"}
    assert [call["function"]["name"] for call in calls] == ["web_search", "sky.look_up", "image_generation"]
    assert "sunshine" in calls[0]["function"]["arguments"]
    assert (calls[1]["function"]["arguments"], calls[1]["function"]["output"]) == ('{"where":"up"}', "blue")
    drawn = json.loads(calls[2]["function"]["output"])["file_id"]
    assert server.get(f"/files/{drawn}").body == base64.b64decode(PIXEL)
    (message,) = objects_of(answer.events, "thread.message.completed")
    text = message["content"][0]["text"]
    (link,) = text["x_url_citations"]
    assert text["annotations"] == []
    assert (link["url"], link["title"]) == ("https://example.com/sun", "Sun")
    assert text["value"][link["start_index"] : link["end_index"]] == "(example.com)"


@pytest.mark.parametrize(("output", "text"), [("true", "It is blue."), ("false", "Then I do not know.")])
def test_a_person_decides_on_the_tool_of_another_server(server: ServerProcess, output: str, text: str) -> None:
    run = server.chat("@@script:mcp_approval@@").run
    (call,) = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert call["function"] == {"name": "mcp_approval.look_up", "arguments": '{"where":"up"}'}
    answered = server.answered(run, output)
    assert text_of(answered.events) == text
    assert answered.run["status"] == "completed"


def test_reasoning_is_summarised(server: ServerProcess, played: UpstreamProcess, said: Callable[[str], Answer]) -> None:
    answer = said("thinking")
    pieces = objects_of(answer.events, "thread.run.x_reasoning.delta")
    assert "".join(piece["delta"] for piece in pieces) == "First this.\n\nThen that."
    sent = next(each["body"] for each in played.told()["requests"] if "thinking" in json.dumps(each["body"]))
    assert sent["reasoning"]["summary"] == "auto"


def test_the_sdk_face_sends_no_vendor_events(server: ServerProcess) -> None:
    message = {"role": "user", "content": "@@script:thinking@@"}
    body = {"assistant_id": "asst_code", "thread": {"messages": [message]}, "stream": True}
    events = decode_sse(server.post("/v1/threads/runs", body).body)
    assert events[-1].name == "thread.run.completed"
    assert not {event.name for event in events} & ASSISTANTS.vendor_events
    seqs = [event.seq for event in events]
    assert seqs == sorted(seqs)
