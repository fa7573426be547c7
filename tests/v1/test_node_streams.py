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
def heard(version: str, sqlite_server: ServerProcess) -> dict[str, Heard]:
    """Return the report of one version."""
    found: dict[str, Heard] = node_script("streams.mjs", version, f"{sqlite_server.origin}{PREFIX}/v1", API_KEY)
    return found


def listeners(told: Heard) -> list[str]:
    """Return whose turn it was: each name once in a row, without those that others speak for as well."""
    names = (call[0] for call in told["calls"] if call[0] not in ("messageDelta", "runStepDelta"))
    return [name for name, _ in groupby(names)]


def given(told: Heard, name: str) -> list[list[Any]]:
    """Return the arguments of a listener's calls."""
    return [call[1:] for call in told["calls"] if call[0] == name]


def said(told: Heard) -> str:
    return "".join(delta["value"] for delta, _ in given(told, "textDelta"))


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [part["text"]["value"] for message in messages for part in message["content"]]


def test_a_text(heard: dict[str, Heard]) -> None:
    told = heard["text"]
    assert listeners(told) == ["connect", *MESSAGE_STEP, "end"]
    assert (told["run"]["status"], said(told)) == ("completed", ANSWER)
    ((created,),), ((done, _),) = given(told, "textCreated"), given(told, "textDone")
    assert ANSWER.startswith(created["value"])
    assert done == {"value": ANSWER, "annotations": []}
    assert given(told, "textDelta")[-1][1]["value"] == ANSWER
    assert [message["id"] for (message,) in given(told, "messageDone")] == [told["messages"][0]["id"]]


@pytest.mark.parametrize("name", ["text", "cited"])
def test_what_a_stream_ends_with_is_what_is_stored(heard: dict[str, Heard], version: str, name: str) -> None:
    """Only the strict version reads a message from its last event; the others keep the sum of the deltas."""
    told = heard[name]
    assert told["steps"] == told["stored"]["steps"] != []
    assert texts(told["messages"]) == texts(told["stored"]["messages"]) != []
    if version == STRICT:
        assert told["messages"] == told["stored"]["messages"]


def test_a_citation_comes_with_its_marker(heard: dict[str, Heard]) -> None:
    told = heard["cited"]
    (citing,) = (delta for delta, _ in given(told, "textDelta") if delta.get("annotations"))
    ((annotation,), text) = citing["annotations"], texts(told["messages"])[0]
    assert annotation["text"] == citing["value"] == text[annotation["start_index"] : annotation["end_index"]]
    assert annotation["file_citation"]["file_id"] == "file-food"
    assert listeners(told)[2:5] == ["toolCallCreated", "toolCallDone", "runStepDone"], "the search"


def test_a_refusal(heard: dict[str, Heard]) -> None:
    ((message,),) = given(heard["refused"], "messageDone")
    assert message["content"][0]["refusal"] == "I cannot help with that."


def test_a_text_that_ends_early(heard: dict[str, Heard], version: str) -> None:
    told = heard["incomplete"]
    assert said(told) == "The sun is *shining*"
    assert "messageDone" in listeners(told)
    assert told["events"][-1] == "thread.run.incomplete"
    if version == OLD:  # it does not know that runs can end like this
        assert told["failure"]["message"] == "Final run has not been received"
        return
    assert (told["run"]["status"], told["stored"]["messages"][0]["status"]) == ("incomplete", "incomplete")
    assert told["run"]["incomplete_details"] == {"reason": "max_completion_tokens"}


def test_a_run_that_fails_is_no_error_of_the_stream(heard: dict[str, Heard]) -> None:
    told = heard["failed"]
    assert (told["failure"], listeners(told)) == (None, ["connect", "end"])
    assert (told["run"]["status"], told["run"]["last_error"]["code"]) == ("failed", "rate_limit_exceeded")


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
    told = heard["called"]["first"]
    required = told["run"]["required_action"]["submit_tool_outputs"]["tool_calls"]
    for index, call in enumerate(required):
        deltas = [delta for delta, _ in given(told, "toolCallDelta") if delta["index"] == index]
        assert "".join(delta["function"]["arguments"] for delta in deltas) == call["function"]["arguments"]
    if version != OLD:
        created, done = given(told, "toolCallCreated"), given(told, "toolCallDone")
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
    names = [one for one, _ in groupby(heard["iterated"][name])]
    assert names == [
        *(["thread.created"] if name == "made_with_thread" else []),
        *("thread.run.created", "thread.run.queued", "thread.run.in_progress"),
        *("thread.run.step.created", "thread.run.step.in_progress"),
        *("thread.message.created", "thread.message.in_progress", "thread.message.delta", "thread.message.completed"),
        *("thread.run.step.completed", "thread.run.completed"),
    ]


def test_what_follows_tool_outputs_can_be_iterated(heard: dict[str, Heard]) -> None:
    names = heard["iterated"]["submitted"]
    assert names[:3] == ["thread.run.step.completed", "thread.run.queued", "thread.run.in_progress"]
    assert names[-1] == "thread.run.completed"


def test_a_run_that_is_cancelled_while_it_streams(heard: dict[str, Heard]) -> None:
    told = heard["stopped"]
    assert told["answered"] in ("cancelling", "cancelled")
    assert (told["failure"], told["run"]["status"], listeners(told)[-1]) == (None, "cancelled", "end")
    (message,) = told["stored"]["messages"]
    assert (message["status"], message["incomplete_details"]) == ("incomplete", {"reason": "run_cancelled"})
    assert texts([message]) == [said(told)] != [""]


def test_a_run_goes_on_when_its_reader_leaves_the_loop(heard: dict[str, Heard]) -> None:
    told = heard["left"]
    assert told["status"] == "in_progress", "right after the loop"
    assert (told["run"]["status"], texts(told["stored"]["messages"])) == ("completed", [ANSWER * 5])


def test_a_run_goes_on_when_its_reader_aborts(heard: dict[str, Heard]) -> None:
    told = heard["aborted"]
    assert (told["aborted"], told["failure"]["kind"]) == (True, "APIUserAbortError")
    assert told["status"] == "in_progress", "right after the abort"
    assert told["run"]["status"] == "completed"
    assert texts(told["stored"]["messages"]) == [ANSWER * 5]
    assert ANSWER.startswith(told["read"])


def test_no_listener_was_called_for_an_image_or_an_error(heard: dict[str, Heard]) -> None:
    whole = [heard[name] for name in ("text", "cited", "refused", "failed")]
    assert {"imageFileDone", "error"}.isdisjoint(call[0] for told in whole for call in told["calls"])
