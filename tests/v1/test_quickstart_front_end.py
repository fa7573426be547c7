"""The quickstart's page in the SDK set-up: its own API routes call our `/v1` through the official client.

The names follow `docs/spec/clients.md`; `tests/stack` has the proxied set-up. The server is in compat mode: the SDK
face must not know of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fake_upstream import UpstreamProcess
from tests.node_clients import node_script
from tests.server_process import PREFIX, ServerProcess, gunicorn, serving
from tests.stack.app import API_KEY

pytestmark = [pytest.mark.node, pytest.mark.slow]

Seen = dict[str, Any]


@pytest.fixture(scope="module")
def compat_server(played: UpstreamProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run a server in compat mode, on two workers."""
    where, settings = tmp_path_factory.mktemp("compat"), {"ASSISTANT_QUICKSTART_COMPAT": "on"}
    with serving(gunicorn("--workers", "2"), where, upstream=played.base_url, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def seen(compat_server: ServerProcess, played: UpstreamProcess) -> Seen:
    """Return the reports of routes and page, and the file requests at the upstream."""
    before = Counter(played.told_files()["counts"])
    found: Seen = node_script("quickstart_routes.mjs", f"{compat_server.origin}{PREFIX}/v1", API_KEY)
    found["upstream"] = Counter(played.told_files()["counts"]) - before
    return found


def requests(seen: Seen, method: str, path: str) -> list[dict[str, Any]]:
    """Return the requests to paths with this beginning."""
    return [one for one in seen["sent"] if one["method"] == method and one["path"].startswith(path)]


def test_sent_a_thread_is_made_with_an_empty_object(seen: Seen) -> None:
    (made,) = [one for one in requests(seen, "POST", "/threads") if one["path"] == "/threads"]
    assert (made["body"], made["type"]) == ("{}", "application/json")


def test_sent_missing_outputs_are_empty_ones(seen: Seen) -> None:
    assert (seen["called"]["status"], seen["called"]["error"]) == ("requires_action", None)
    assert seen["answered"]["run"]["status"] == "completed"
    assert seen["answered"]["text"] == "The tools said:"


def test_sent_a_poll_is_two_calls_and_two_more_for_each_file(seen: Seen) -> None:
    assert [file["status"] for file in seen["polled"]] == ["completed", "completed"]
    assert {file["filename"] for file in seen["polled"]} == {"one.txt", "two.txt"}
    assert len(seen["calls"]) == 2 + 2 * 2
    assert seen["empty"] == []


def test_sent_polling_is_answered_without_the_upstream(seen: Seen) -> None:
    """An indexed file is not read again: far fewer reads upstream than polls here."""
    here = len(requests(seen, "GET", "/vector_stores/"))
    assert here > 60
    there = sum(n for route, n in seen["upstream"].items() if route.startswith("GET /vector_stores/"))
    assert there < here / 4


def test_sent_headers_that_are_missing_or_odd(seen: Seen) -> None:
    files = [one for one in seen["sent"] if one["path"].startswith("/files")]
    assert {one["beta"] for one in files} == {None}
    assert {one["beta"] for one in requests(seen, "GET", "/assistants")} == {"assistants=v2"}
    reads = requests(seen, "GET", "/assistants") + requests(seen, "GET", "/files")
    assert {(one["type"], one["body"]) for one in reads} == {("application/json", None)}


def test_sent_the_vector_store_of_the_assistant_persists(seen: Seen) -> None:
    first, second = seen["stores"]
    assert first == second
    assert len(requests(seen, "POST", "/vector_stores")) - len(requests(seen, "POST", "/vector_stores/")) == 1
    assert seen["download"] == ["one.txt", "The sky is green."]
    assert seen["left"] == ["two.txt"]


def test_expected_the_sdk_face_tells_what_happened(seen: Seen) -> None:
    """Compat mode is for the other face: here scripts look at the status."""
    assert (seen["said"]["text"], seen["said"]["run"]["status"]) == ("Hello.", "completed")
    assert (seen["failed"]["text"], seen["failed"]["names"][-1]) == ("", "thread.run.failed")
    assert seen["failed"]["run"]["last_error"]["message"] == "The model broke."


def test_expected_a_refused_run_is_400_and_asked_for_once(seen: Seen) -> None:
    """A browser's view of a broken route is beyond this server; the client does not retry a 400."""
    assert (seen["refused"]["status"], seen["refused"]["param"]) == (400, "max_prompt_tokens")
    assert seen["tries"] == ["POST /threads/thread/runs"]


def test_expected_nothing_of_the_vendors(seen: Seen) -> None:
    names = {name for told in ("said", "answered", "failed") for name in seen[told]["names"]}
    assert all(name.startswith(("thread.run.", "thread.message.")) for name in names)
