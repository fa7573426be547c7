"""Streams of real servers through the whole stack: an upstream plays them in odd cuts, a worker tells them on.

What the translator makes of them event by event is in `tests/protocol`; here is what a client gets over HTTP.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.protocol.events import RUN_ENDINGS, Event
from tests.fake_upstream import RECORDINGS, UpstreamProcess
from tests.protocol.checker import Fold, check
from tests.protocol.material import read_sse, validate_event
from tests.server_process import ServerProcess, texts

STREAMS = sorted(RECORDINGS.rglob("*.sse")) or [Path("missing")]
PLAYS = {
    "lines": "",
    "sevens": "&cut=7",
    "thirteens": "&cut=13&comments=1&framing=close",
    "thousands": "&cut=1000&done=1&framing=length",
}


def held(items: list[dict[str, Any]]) -> tuple[list[str], list[tuple[str, str, Any]]]:
    """Return texts and calls that the terminal item holds."""
    output = items[-1].get("response", {}).get("output") or []
    told = ["".join(part["text"] for part in one["content"]) for one in output if one["type"] == "message"]
    calls = [one for one in output if one["type"] == "function_call"]
    return [text for text in told if text], [_call(one["call_id"], one) for one in calls]


def _call(call_id: str, function: dict[str, Any]) -> tuple[str, str, Any]:
    return call_id, function["name"], json.loads(function["arguments"])


def plain(fold: Fold) -> list[str]:
    """Return the texts of all messages without the citation markers."""
    return [_without_markers(message) for message in fold.messages]


def _without_markers(message: dict[str, Any]) -> str:
    said = ""
    for part in message["content"]:
        value, cuts = part["text"]["value"], part["text"]["annotations"]
        for note in sorted(cuts, key=lambda note: -note["start_index"]):
            value = value[: note["start_index"]] + value[note["end_index"] :]
        said += value
    return said


def asked(run: dict[str, Any]) -> list[tuple[str, str, Any]]:
    action = run["required_action"]
    calls = action["submit_tool_outputs"]["tool_calls"] if action else []
    return [_call(call["id"], call["function"]) for call in calls]


def endings(events: list[Event]) -> list[str]:
    return [event.name for event in events if event.name in RUN_ENDINGS]


@pytest.mark.parametrize("play", PLAYS)
@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_recording(path: Path, play: str, server: ServerProcess) -> None:
    if not RECORDINGS.is_dir():
        pytest.skip("shared material is missing")
    items = read_sse(path)
    told, called = held(items)
    answer = server.chat(f"@@script:recording?path={path}{PLAYS[play]}@@")
    events = answer.events
    fold = check(events, ended=False)
    for event in events:
        validate_event(event)
    assert events[0].name == "thread.created"
    run = answer.run
    if items[-1]["type"] == "response.failed":
        assert run["status"] == "failed"
    else:
        assert asked(run) == called
        assert plain(fold) == told
        assert run["status"] == ("requires_action" if called else items[-1]["response"]["status"])
    if run["status"] == "requires_action":
        assert endings(events) == []
        events += server.answered(run, "done").events
        fold = check(events)
    assert endings(events) == [events[-1].name]
    assert [text for _, text in texts(server.messages(run["thread_id"]))][1:] == fold.texts
    path_of_run = f"/threads/{run['thread_id']}/runs/{run['id']}/stream"
    assert server.get(path_of_run).events == events


def test_what_a_recorded_call_came_to_goes_upstream(server: ServerProcess, played: UpstreamProcess) -> None:
    if not RECORDINGS.is_dir():
        pytest.skip("shared material is missing")
    run = server.chat("@@script:recording?name=function_call@@").run
    server.answered(run, "12 °C")
    (request,) = [one["body"] for one in played.told()["requests"] if "12 °C" in str(one["body"]["input"])]
    (call_id, name, arguments), *_ = asked(run)
    call, output = request["input"][-2:]
    assert (call["type"], call["call_id"], call["name"]) == ("function_call", call_id, name)
    assert json.loads(call["arguments"]) == arguments
    assert (output["type"], output["call_id"], output["output"]) == ("function_call_output", call_id, "12 °C")
