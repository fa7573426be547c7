"""Three versions of the official Node client against a real server; see `tests/node/sdk.mjs` and `files.mjs`."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import node_report

pytestmark = [pytest.mark.node, pytest.mark.slow]

Seen = dict[str, Any]
seen = node_report("sdk.mjs")
files = node_report("files.mjs")


def test_assistants(seen: Seen) -> None:
    report = seen["assistants"]
    assert report["read"] == report["made"]
    assert report["changed"] == {**report["made"], "name": "M"}
    assert report["made"]["id"] in report["listed"]
    assert len(report["listed"]) == len(set(report["listed"]))
    assert report["deleted"]["deleted"]
    assert (report["missing"]["kind"], report["missing"]["status"]) == ("NotFoundError", 404)


def test_threads_and_messages(seen: Seen) -> None:
    report = seen["threads"]
    assert report["changed"]["metadata"] == {"a": "b"}
    assert [part["type"] for part in report["message"]["content"]] == ["text", "image_url"]
    assert report["read"] == report["message"]
    assert report["noted"]["metadata"] == {"c": "d"}
    assert (len(report["listed"]), report["listed"][0]) == (3, report["message"]["id"])
    assert report["gone"]["deleted"]
    assert report["deleted"]["deleted"]


def test_polling(seen: Seen) -> None:
    report = seen["polled"]
    assert report["run"]["status"] == report["again"]["status"] == "completed"
    assert report["read"] == report["run"]
    assert report["changed"]["metadata"] == {"a": "b"}
    assert report["runs"] == [report["run"]["id"]]
    assert [step["type"] for step in report["steps"]] == ["message_creation"]


def test_lists_page_on_by_themselves(seen: Seen) -> None:
    """Version 4 does not look at `has_more`: it asks until a page is empty."""
    report = seen["paged"]
    ids = report["made"]
    assert [page for page in report["pages"] if page] == [ids[:2], ids[2:4], ids[4:]]
    assert (report["listed"], report["second"], report["empty"]) == (ids[::-1], ids[2:4], [])
    assert seen["headers"]["object"] == "thread"
    assert seen["headers"]["request"].startswith("req_")


def test_streams(seen: Seen) -> None:
    report = seen["streamed"]
    assert report["run"]["status"] == "completed"
    assert report["text"] == report["final"] == report["stored"] != ""
    assert report["callbacks"] == ["textCreated", "textDelta", "textDone", "messageDone", "end"]
    assert (seen["made"]["run"]["status"], seen["made"]["text"]) == ("completed", report["text"])
    assert (seen["piped"]["run"]["status"], seen["piped"]["text"]) == ("completed", report["text"])


def test_tool_calls_in_streams_and_with_polling(seen: Seen) -> None:
    first, second = seen["called"]["first"], seen["called"]["second"]
    assert first["run"]["status"] == "requires_action"
    assert {"toolCallCreated", "toolCallDelta", "end"} <= {*first["callbacks"]}
    assert (second["run"]["status"], second["run"]["id"]) == ("completed", first["run"]["id"])
    assert second["text"]
    report = seen["answered"]
    assert (report["run"]["status"], report["done"]["status"]) == ("requires_action", "completed")
    assert (report["wrong"]["kind"], report["wrong"]["param"]) == ("BadRequestError", "tool_outputs")
    assert report["late"]["message"] == '400 Runs in status "completed" do not accept tool outputs.'


def test_a_reader_that_goes_away_does_not_end_the_run(seen: Seen) -> None:
    report = seen["aborted"]
    assert report["aborted"]
    assert report["failure"]["kind"] == "APIUserAbortError"
    assert report["busy"]["message"] == f"400 Thread {report['thread']} already has an active run {report['id']}."
    assert report["asked_to_end"]["status"] in ("cancelling", "cancelled")
    assert report["ended"]["status"] == "cancelled"
    assert report["again"]["message"] == "400 Cannot cancel run with status 'cancelled'."


def test_failed_runs_and_rejected_requests(seen: Seen) -> None:
    run = seen["failed"]["run"]
    assert (run["status"], run["last_error"]["code"]) == ("failed", "server_error")
    report = seen["refused"]
    assert (report["name"]["kind"], report["name"]["param"]) == ("BadRequestError", "name")
    assert (report["limit"]["kind"], report["limit"]["param"]) == ("BadRequestError", "limit")
    assert report["thread"]["message"] == "404 No thread found with id 'thread_x'."
    assert (report["key"]["kind"], report["key"]["status"]) == ("AuthenticationError", 401)


def test_files(files: Seen) -> None:
    report = files["files"]
    assert report["read"] == report["made"]
    assert (report["made"]["filename"], report["content"]) == ("näïve “sky”.txt", "The sky is green.")
    assert report["made"]["id"] in report["listed"]
    assert report["deleted"]["deleted"]
    assert (report["missing"]["kind"], report["missing"]["status"]) == ("NotFoundError", 404)
    assert (report["empty"]["kind"], report["empty"]["param"]) == ("BadRequestError", "file")


def test_vector_stores(files: Seen) -> None:
    report = files["stores"]
    assert (report["batch"]["status"], report["batch"]["file_counts"]["completed"]) == ("completed", 3)
    assert (report["one"]["status"], report["read"]["id"]) == ("completed", report["one"]["id"])
    assert len(report["listed"]) == len(set(report["listed"])) == 4
    assert {report["known"]["id"], report["one"]["id"]} <= set(report["listed"])
    assert report["gone"]["deleted"]
    assert report["counted"]["file_counts"]["total"] == 3
    assert report["found"] is None or report["found"]
    assert report["deleted"]["deleted"]
    assert report["missing"]["status"] == 404
