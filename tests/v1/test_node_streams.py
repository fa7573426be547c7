"""The listeners of three versions of the Node client; `tests/node/streams.mjs` reports their calls.

`imageFileDone` is listened for and does not come yet: no tool that runs here makes images.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest

from tests.node_clients import NODE_VERSIONS, node_script
from tests.server_process import PREFIX, ServerProcess
from tests.stack.app import API_KEY

pytestmark = [pytest.mark.node, pytest.mark.slow]

Heard = dict[str, Any]

OLD, _, STRICT = NODE_VERSIONS
TEXT = ["messageCreated", "textCreated", "textDelta", "textDone", "messageDone"]
MESSAGE_STEP = ["runStepCreated", *TEXT, "runStepDone"]
CALL = ["toolCallCreated", "toolCallDelta", "toolCallDone"]
ANSWER = "The sun is *shining* in Łódź 🌞, and that is all I know."
AFTER_TOOLS = "The tools said: sunny"


@pytest.fixture(scope="module", params=NODE_VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def heard(version: str, sqlite_server: ServerProcess) -> Any:
    return node_script("streams.mjs", version, f"{sqlite_server.origin}{PREFIX}/v1", API_KEY)


def listeners(report: Heard) -> list[str]:
    """Return the names of the listeners, each once in a row, without those that repeat other events."""
    names = (call[0] for call in report["calls"] if call[0] not in ("messageDelta", "runStepDelta"))
    return [name for name, _ in groupby(names)]


def calls_of(report: Heard, name: str) -> list[list[Any]]:
    return [call[1:] for call in report["calls"] if call[0] == name]


def said(report: Heard) -> str:
    return "".join(delta["value"] for delta, _ in calls_of(report, "textDelta"))


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [part["text"]["value"] for message in messages for part in message["content"]]


def test_a_text(heard: dict[str, Heard]) -> None:
    report = heard["text"]
    assert listeners(report) == ["connect", *MESSAGE_STEP, "end"]
    assert (report["run"]["status"], said(report)) == ("completed", ANSWER)
    ((created,),), ((done, _),) = calls_of(report, "textCreated"), calls_of(report, "textDone")
    assert ANSWER.startswith(created["value"])
    assert done == {"value": ANSWER, "annotations": []}
    assert calls_of(report, "textDelta")[-1][1]["value"] == ANSWER
    assert [message["id"] for (message,) in calls_of(report, "messageDone")] == [report["messages"][0]["id"]]


@pytest.mark.parametrize("name", ["text", "cited"])
def test_what_a_stream_ends_with_is_what_is_stored(heard: dict[str, Heard], version: str, name: str) -> None:
    """Only the strict version reads a message from its last event; the others keep the sum of the deltas."""
    report = heard[name]
    assert report["steps"] == report["stored"]["steps"] != []
    assert texts(report["messages"]) == texts(report["stored"]["messages"]) != []
    if version == STRICT:
        assert report["messages"] == report["stored"]["messages"]


def test_a_citation_comes_with_its_marker(heard: dict[str, Heard]) -> None:
    report = heard["cited"]
    (citing,) = (delta for delta, _ in calls_of(report, "textDelta") if delta.get("annotations"))
    ((annotation,), text) = citing["annotations"], texts(report["messages"])[0]
    assert annotation["text"] == citing["value"] == text[annotation["start_index"] : annotation["end_index"]]
    assert annotation["file_citation"]["file_id"] == "file-food"
    assert listeners(report)[2:5] == ["toolCallCreated", "toolCallDone", "runStepDone"], "the search"


def test_a_refusal(heard: dict[str, Heard]) -> None:
    ((message,),) = calls_of(heard["refused"], "messageDone")
    assert message["content"][0]["refusal"] == "I cannot help with that."


def test_a_text_that_ends_early(heard: dict[str, Heard], version: str) -> None:
    report = heard["incomplete"]
    assert said(report) == "The sun is *shining*"
    assert "messageDone" in listeners(report)
    assert report["events"][-1] == "thread.run.incomplete"
    if version == OLD:  # it does not know that runs can end like this
        assert report["failure"]["message"] == "Final run has not been received"
        return
    assert (report["run"]["status"], report["stored"]["messages"][0]["status"]) == ("incomplete", "incomplete")
    assert report["run"]["incomplete_details"] == {"reason": "max_completion_tokens"}


def test_a_run_that_fails_is_no_error_of_the_stream(heard: dict[str, Heard]) -> None:
    report = heard["failed"]
    assert (report["failure"], listeners(report)) == (None, ["connect", "end"])
    assert (report["run"]["status"], report["run"]["last_error"]["code"]) == ("failed", "rate_limit_exceeded")


def test_two_calls_and_what_follows_their_outputs(heard: dict[str, Heard], version: str) -> None:
    first, second = heard["called"]["first"], heard["called"]["second"]
    calls = CALL if version == OLD else [*CALL, *CALL]
    assert [name for name in listeners(first) if name in CALL][: len(calls)] == calls
    assert (first["events"][-1], first["run"]["status"]) == ("thread.run.requires_action", "requires_action")
    assert listeners(second) == ["connect", "runStepDone", *MESSAGE_STEP, "end"], "the first step ends in the second"
    assert (second["run"]["status"], said(second)) == ("completed", f"{AFTER_TOOLS} | sunny")
    outputs = [call["function"]["output"] for call in second["steps"][0]["step_details"]["tool_calls"]]
    assert outputs == ["sunny", "sunny"]
    assert [step["type"] for step in heard["called"]["stored"]["steps"]] == [
        *("message_creation", "tool_calls", "message_creation")
    ]


def test_the_deltas_of_a_call(heard: dict[str, Heard], version: str) -> None:
    """Version 4 does not merge arrays, so its snapshots of calls keep their first state."""
    report = heard["called"]["first"]
    required = report["run"]["required_action"]["submit_tool_outputs"]["tool_calls"]
    for index, call in enumerate(required):
        deltas = [delta for delta, _ in calls_of(report, "toolCallDelta") if delta["index"] == index]
        assert "".join(delta["function"]["arguments"] for delta in deltas) == call["function"]["arguments"]
    if version != OLD:
        created, done = calls_of(report, "toolCallCreated"), calls_of(report, "toolCallDone")
        named = [(call["id"], call["function"]["arguments"]) for call in required]
        assert [(call["id"], call["function"]["arguments"]) for (call,) in done] == named
        assert [(call["id"], call["function"]["arguments"]) for (call,) in created] == [(one, "") for one, _ in named]


def test_a_stream_that_a_server_pipes_to_a_page(heard: dict[str, Heard]) -> None:
    first, second = heard["piped"]["first"], heard["piped"]["second"]
    assert listeners(first) == ["connect", "runStepCreated", *CALL, "end"]
    assert listeners(second) == ["connect", "runStepDone", *MESSAGE_STEP, "end"]
    assert (first["run"]["status"], second["run"]["status"]) == ("requires_action", "completed")
    assert said(second) == AFTER_TOOLS


@pytest.mark.parametrize("name", ["streamed", "created", "made_with_thread"])
def test_a_stream_that_is_iterated(heard: dict[str, Heard], name: str) -> None:
    assert [event for event, _ in groupby(heard["iterated"][name])] == [
        *(["thread.created"] if name == "made_with_thread" else []),
        *("thread.run.created", "thread.run.queued", "thread.run.in_progress"),
        *("thread.run.step.created", "thread.run.step.in_progress"),
        *("thread.message.created", "thread.message.in_progress", "thread.message.delta", "thread.message.completed"),
        *("thread.run.step.completed", "thread.run.completed"),
    ]
    names = heard["iterated"]["submitted"]
    assert names[:3] == ["thread.run.step.completed", "thread.run.queued", "thread.run.in_progress"]
    assert names[-1] == "thread.run.completed"


def test_a_run_that_is_cancelled_while_it_streams(heard: dict[str, Heard]) -> None:
    report = heard["stopped"]
    assert report["answered"] in ("cancelling", "cancelled")
    assert (report["failure"], report["run"]["status"], listeners(report)[-1]) == (None, "cancelled", "end")
    (message,) = report["stored"]["messages"]
    assert (message["status"], message["incomplete_details"]) == ("incomplete", {"reason": "run_cancelled"})
    assert texts([message]) == [said(report)] != [""]


def test_a_run_goes_on_when_its_reader_leaves_the_loop_or_aborts(heard: dict[str, Heard]) -> None:
    aborted = heard["aborted"]
    assert (aborted["aborted"], aborted["failure"]["kind"]) == (True, "APIUserAbortError")
    assert ANSWER.startswith(aborted["read"])
    for report in (heard["left"], aborted):
        assert report["status"] == "in_progress", "right after the loop or the abort"
        assert (report["run"]["status"], texts(report["stored"]["messages"])) == ("completed", [ANSWER * 5])


def test_no_listener_was_called_for_an_image_or_an_error(heard: dict[str, Heard]) -> None:
    whole = [heard[name] for name in ("text", "cited", "refused", "failed")]
    assert {"imageFileDone", "error"}.isdisjoint(call[0] for report in whole for call in report["calls"])
