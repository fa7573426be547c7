"""Three versions of the official Node client against a real server; `tests/node/sdk.mjs` reports what they received."""

from __future__ import annotations

from typing import Any

import pytest

from tests.node_clients import NODE_VERSIONS, node_script
from tests.server_process import PREFIX, ServerProcess
from tests.stack.app import API_KEY

pytestmark = [pytest.mark.node, pytest.mark.slow]

Seen = dict[str, Any]


@pytest.fixture(scope="module", params=NODE_VERSIONS)
def seen(request: pytest.FixtureRequest, sqlite_server: ServerProcess) -> Seen:
    """Return the report of one version."""
    found: Seen = node_script("sdk.mjs", request.param, f"{sqlite_server.origin}{PREFIX}/v1", API_KEY)
    return found


def test_assistants(seen: Seen) -> None:
    told = seen["assistants"]
    assert told["read"] == told["made"]
    assert told["changed"] == {**told["made"], "name": "M"}
    assert told["made"]["id"] in told["listed"]
    assert len(told["listed"]) == len(set(told["listed"]))
    assert told["deleted"]["deleted"]
    assert (told["missing"]["kind"], told["missing"]["status"]) == ("NotFoundError", 404)


def test_threads_and_messages(seen: Seen) -> None:
    told = seen["threads"]
    assert told["changed"]["metadata"] == {"a": "b"}
    assert [part["type"] for part in told["message"]["content"]] == ["text", "image_url"]
    assert told["read"] == told["message"]
    assert told["noted"]["metadata"] == {"c": "d"}
    assert (len(told["listed"]), told["listed"][0]) == (3, told["message"]["id"])
    assert told["gone"]["deleted"]
    assert told["deleted"]["deleted"]


def test_polling(seen: Seen) -> None:
    told = seen["polled"]
    assert told["run"]["status"] == told["again"]["status"] == "completed"
    assert told["read"] == told["run"]
    assert told["changed"]["metadata"] == {"a": "b"}
    assert told["runs"] == [told["run"]["id"]]
    assert [step["type"] for step in told["steps"]] == ["message_creation"]


def test_lists_page_on_by_themselves(seen: Seen) -> None:
    """Version 4 does not look at `has_more`: it asks until a page is empty."""
    told = seen["paged"]
    made = told["made"]
    assert [page for page in told["pages"] if page] == [made[:2], made[2:4], made[4:]]
    assert (told["listed"], told["second"], told["empty"]) == (made[::-1], made[2:4], [])


def test_an_answer_has_the_id_of_its_request(seen: Seen) -> None:
    assert seen["headers"]["object"] == "thread"
    assert seen["headers"]["request"].startswith("req_")


def test_streams(seen: Seen) -> None:
    told = seen["streamed"]
    assert told["run"]["status"] == "completed"
    assert told["text"] == told["final"] == told["stored"] != ""
    assert told["callbacks"] == ["textCreated", "textDelta", "textDone", "messageDone", "end"]
    assert seen["made"]["run"]["status"] == "completed"
    assert seen["made"]["text"] == told["text"]


def test_a_stream_that_is_piped_on(seen: Seen) -> None:
    assert seen["piped"]["run"]["status"] == "completed"
    assert seen["piped"]["text"] == seen["streamed"]["text"]


def test_tool_calls_in_streams(seen: Seen) -> None:
    first, second = seen["called"]["first"], seen["called"]["second"]
    assert first["run"]["status"] == "requires_action"
    assert {"toolCallCreated", "toolCallDelta", "end"} <= {*first["callbacks"]}
    assert (second["run"]["status"], second["run"]["id"]) == ("completed", first["run"]["id"])
    assert second["text"]


def test_tool_calls_with_polling(seen: Seen) -> None:
    told = seen["answered"]
    assert (told["run"]["status"], told["done"]["status"]) == ("requires_action", "completed")
    assert (told["wrong"]["kind"], told["wrong"]["param"]) == ("BadRequestError", "tool_outputs")
    assert told["late"]["message"] == '400 Runs in status "completed" do not accept tool outputs.'


def test_a_reader_that_goes_away_does_not_end_the_run(seen: Seen) -> None:
    told = seen["aborted"]
    assert told["aborted"]
    assert told["failure"]["kind"] == "APIUserAbortError"
    assert told["busy"]["message"] == f"400 Thread {told['thread']} already has an active run {told['id']}."
    assert told["asked_to_end"]["status"] in ("cancelling", "cancelled")
    assert told["ended"]["status"] == "cancelled"
    assert told["again"]["message"] == "400 Cannot cancel run with status 'cancelled'."


def test_a_run_that_fails(seen: Seen) -> None:
    run = seen["failed"]["run"]
    assert (run["status"], run["last_error"]["code"]) == ("failed", "server_error")


def test_refusals(seen: Seen) -> None:
    told = seen["refused"]
    assert (told["name"]["kind"], told["name"]["param"]) == ("BadRequestError", "name")
    assert (told["limit"]["kind"], told["limit"]["param"]) == ("BadRequestError", "limit")
    assert told["thread"]["message"] == "404 No thread found with id 'thread_x'."
    assert (told["key"]["kind"], told["key"]["status"]) == ("AuthenticationError", 401)
