"""The errors that three versions of the Node client receive, without a retry; see `tests/node/refusals.mjs`."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import node_report

pytestmark = [pytest.mark.node, pytest.mark.slow]

Errors = dict[str, Any]
errors = node_report("refusals.mjs")


def refused(error: Errors, kind: str, message: str, param: str | None = None, code: str | None = None) -> None:
    status = {"BadRequestError": 400, "AuthenticationError": 401, "NotFoundError": 404}[kind]
    assert (error["kind"], error["status"], error["message"]) == (kind, status, f"{status} {message}")
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert error["request"].startswith("req_")


@pytest.mark.parametrize("call", ["thread", "messages", "run", "stream"])
def test_an_unknown_thread(errors: Errors, call: str) -> None:
    error = errors["unknown"][call]
    refused(error, "NotFoundError", "No thread found with id 'thread_x'.")
    assert len(error["sent"]) == 1
    refused(errors["unknown"]["assistant"], "NotFoundError", "No assistant found with id 'asst_x'.", "assistant_id")


@pytest.mark.parametrize("call", ["list", "stream"])
def test_a_wrong_key(errors: Errors, call: str) -> None:
    refused(errors["key"][call], "AuthenticationError", "Log in first.", code="invalid_api_key")
    assert errors["key"]["sent"] == ["GET /assistants", "POST /threads/runs"]


@pytest.mark.parametrize("call", ["run", "stream"])
def test_a_second_run_is_refused_once_and_does_not_hurt_the_first(errors: Errors, call: str) -> None:
    busy = errors["busy"]
    message = f"Thread {busy['thread']} already has an active run {busy['id']}."
    refused(busy[call], "BadRequestError", message)
    assert busy[call]["sent"] == [f"POST /threads/{busy['thread']}/runs"]
    assert (busy["ended"], busy["runs"]) == ("cancelled", 1)
    message = f"Can't add messages to {busy['thread']} while a run {busy['id']} is active."
    refused(busy["message"], "BadRequestError", message)
    assert len(busy["message"]["sent"]) == 1


@pytest.mark.parametrize(
    ("call", "count", "more"),
    [("none", 0, []), ("missing", 1, []), ("streamed", 1, []), ("foreign", 1, ["call_x"]), ("extra", 2, ["call_x"])],
)
def test_tool_outputs_of_other_calls(errors: Errors, call: str, count: int, more: list[str]) -> None:
    outputs = errors["outputs"]
    expected, got = outputs["calls"], [*outputs["calls"][:count], *more]
    message = f"Expected tool outputs for call_ids {expected}, got {got}"
    refused(outputs[call], "BadRequestError", message, "tool_outputs")
    assert len(outputs[call]["sent"]) == 1


@pytest.mark.parametrize(("call", "number"), [("twice", 1), ("unnamed", 0)])
def test_tool_outputs_that_cannot_be_told_apart(errors: Errors, call: str, number: int) -> None:
    outputs = errors["outputs"]
    error = outputs[call]
    assert (error["kind"], error["param"]) == ("BadRequestError", f"tool_outputs[{number}].tool_call_id")
    assert (outputs["still"], outputs["done"]) == ("requires_action", "completed")
    refused(outputs["late"], "BadRequestError", 'Runs in status "completed" do not accept tool outputs.')


@pytest.mark.parametrize("field", ["model", "metadata", "temperature", "tools"])
def test_a_wrong_field_is_named(errors: Errors, field: str) -> None:
    error = errors["fields"][field]
    assert (error["kind"], error["param"], len(error["sent"])) == ("BadRequestError", field, 1)
    assert error["message"].startswith(f"400 Invalid '{field}': ")
