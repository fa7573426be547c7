"""How three versions of the Node client are refused, and that they do not ask again; see `tests/node/refusals.mjs`.

The clients may retry as often as they do by themselves: what the server says must not make them.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.node_clients import NODE_VERSIONS, node_script
from tests.server_process import PREFIX, ServerProcess
from tests.stack.app import API_KEY

pytestmark = [pytest.mark.node, pytest.mark.slow]

Told = dict[str, Any]


@pytest.fixture(scope="module", params=NODE_VERSIONS)
def told(request: pytest.FixtureRequest, sqlite_server: ServerProcess) -> Told:
    """Return the errors that one version received."""
    found: Told = node_script("refusals.mjs", request.param, f"{sqlite_server.origin}{PREFIX}/v1", API_KEY)
    return found


def refused(one: Told, kind: str, message: str, param: str | None = None, code: str | None = None) -> None:
    """Check an error as the client raised it."""
    status = {"BadRequestError": 400, "AuthenticationError": 401, "NotFoundError": 404}[kind]
    assert (one["kind"], one["status"], one["message"]) == (kind, status, f"{status} {message}")
    assert (one["param"], one["code"], one["type"]) == (param, code, "invalid_request_error")
    assert one["request"].startswith("req_")


@pytest.mark.parametrize("call", ["thread", "messages", "run", "stream"])
def test_an_unknown_thread(told: Told, call: str) -> None:
    found = told["unknown"][call]
    refused(found, "NotFoundError", "No thread found with id 'thread_x'.")
    assert len(found["sent"]) == 1


def test_an_unknown_assistant(told: Told) -> None:
    refused(told["unknown"]["assistant"], "NotFoundError", "No assistant found with id 'asst_x'.", "assistant_id")


@pytest.mark.parametrize("call", ["list", "stream"])
def test_a_wrong_key(told: Told, call: str) -> None:
    refused(told["key"][call], "AuthenticationError", "Log in first.", code="invalid_api_key")
    assert told["key"]["sent"] == ["GET /assistants", "POST /threads/runs"]


@pytest.mark.parametrize("call", ["run", "stream"])
def test_a_second_run_is_refused_once_and_does_not_hurt_the_first(told: Told, call: str) -> None:
    busy = told["busy"]
    message = f"Thread {busy['thread']} already has an active run {busy['id']}."
    refused(busy[call], "BadRequestError", message)
    assert busy[call]["sent"] == [f"POST /threads/{busy['thread']}/runs"]
    assert (busy["ended"], busy["runs"]) == ("cancelled", 1)


def test_a_message_to_a_busy_thread(told: Told) -> None:
    busy = told["busy"]
    message = f"Can't add messages to {busy['thread']} while a run {busy['id']} is active."
    refused(busy["message"], "BadRequestError", message)
    assert len(busy["message"]["sent"]) == 1


@pytest.mark.parametrize(
    ("call", "count", "more"),
    [("none", 0, []), ("missing", 1, []), ("streamed", 1, []), ("foreign", 1, ["call_x"]), ("extra", 2, ["call_x"])],
)
def test_tool_outputs_of_other_calls(told: Told, call: str, count: int, more: list[str]) -> None:
    outputs = told["outputs"]
    expected, got = outputs["calls"], [*outputs["calls"][:count], *more]
    message = f"Expected tool outputs for call_ids {expected}, got {got}"
    refused(outputs[call], "BadRequestError", message, "tool_outputs")
    assert len(outputs[call]["sent"]) == 1


@pytest.mark.parametrize(("call", "number"), [("twice", 1), ("unnamed", 0)])
def test_tool_outputs_that_cannot_be_told_apart(told: Told, call: str, number: int) -> None:
    found = told["outputs"][call]
    assert (found["kind"], found["param"]) == ("BadRequestError", f"tool_outputs[{number}].tool_call_id")


def test_a_run_still_waits_after_wrong_outputs(told: Told) -> None:
    outputs = told["outputs"]
    assert (outputs["still"], outputs["done"]) == ("requires_action", "completed")
    refused(outputs["late"], "BadRequestError", 'Runs in status "completed" do not accept tool outputs.')


@pytest.mark.parametrize("field", ["model", "metadata", "temperature", "tools"])
def test_a_wrong_field_is_named(told: Told, field: str) -> None:
    found = told["fields"][field]
    assert (found["kind"], found["param"], len(found["sent"])) == ("BadRequestError", field, 1)
    assert found["message"].startswith(f"400 Invalid '{field}': ")
