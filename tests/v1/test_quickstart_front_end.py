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
    folder, settings = tmp_path_factory.mktemp("compat"), {"ASSISTANT_QUICKSTART_COMPAT": "on"}
    with serving(gunicorn("--workers", "2"), folder, upstream=played.base_url, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def seen(compat_server: ServerProcess, played: UpstreamProcess) -> Seen:
    before = Counter(played.told_files()["counts"])
    report: Seen = node_script("quickstart_routes.mjs", f"{compat_server.origin}{PREFIX}/v1", API_KEY)
    return {**report, "upstream": Counter(played.told_files()["counts"]) - before}


def requests(seen: Seen, method: str, path: str) -> list[dict[str, Any]]:
    return [sent for sent in seen["sent"] if sent["method"] == method and sent["path"].startswith(path)]


def test_sent_empty_bodies_of_threads_and_missing_outputs(seen: Seen) -> None:
    (thread,) = [sent for sent in requests(seen, "POST", "/threads") if sent["path"] == "/threads"]
    assert (thread["body"], thread["type"]) == ("{}", "application/json")
    assert (seen["called"]["status"], seen["called"]["error"]) == ("requires_action", None)
    assert (seen["answered"]["run"]["status"], seen["answered"]["text"]) == ("completed", "The tools said:")


def test_sent_a_poll_is_two_calls_and_two_more_for_each_file(seen: Seen) -> None:
    assert [file["status"] for file in seen["polled"]] == ["completed", "completed"]
    assert {file["filename"] for file in seen["polled"]} == {"one.txt", "two.txt"}
    assert len(seen["calls"]) == 2 + 2 * 2
    assert seen["empty"] == []
    polls = len(requests(seen, "GET", "/vector_stores/"))
    assert polls > 60
    reads = sum(n for route, n in seen["upstream"].items() if route.startswith("GET /vector_stores/"))
    assert reads < polls / 4, "an indexed file is not read again upstream"


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
    assert (seen["said"]["text"], seen["said"]["run"]["status"]) == ("Hello.", "completed")
    assert (seen["failed"]["text"], seen["failed"]["names"][-1]) == ("", "thread.run.failed")
    assert seen["failed"]["run"]["last_error"]["message"] == "The model broke."
    assert (seen["refused"]["status"], seen["refused"]["param"]) == (400, "max_prompt_tokens")
    assert seen["tries"] == ["POST /threads/thread/runs"], "the client does not retry"
    names = {name for run in ("said", "answered", "failed") for name in seen[run]["names"]}
    assert all(name.startswith(("thread.run.", "thread.message.")) for name in names)
