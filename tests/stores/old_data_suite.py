"""Every store reads the data of earlier versions, and continues from it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Store
from flask_assistant_stream.testing.decode import decode_ndjson
from flask_assistant_stream.testing.scripted import text
from tests.old_data.reads import LOG_SECONDS, VERSION_1, read
from tests.routes.conftest import Site, build

EXPECTED = json.loads((VERSION_1 / "expected.json").read_text())
CASES = EXPECTED["cases"]
LOGS = {run_id: log for verb, run_id, *_, log in EXPECTED["reads"] if verb == "log"}


def path_of(case: str) -> str:
    """Return the path of a run that the fixtures have."""
    _, thread_id, run_id = CASES[case]
    return f"/threads/{thread_id}/runs/{run_id}"


def as_logged(events: list[Event]) -> list[list[Any]]:
    return [[event.seq, event.name, event.object()] for event in events]


def logged(case: str) -> list[list[Any]]:
    """Return the events that the old code returned of a run."""
    return [[seq, name, json.loads(data)] for seq, name, data in LOGS[CASES[case][-1]]["events"]]


class OldDataSuite:
    """Subclass as `Test...` with a class method as fixture `new_copy`, of class scope.

    It returns a function that puts the data into a new store and returns its URL.
    """

    @pytest.fixture(scope="class")
    @classmethod
    def new_copy(cls) -> Callable[[], str]:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def restore(cls, new_copy: Callable[[], str]) -> Iterator[Callable[[], Store]]:
        """Yield what opens today's store on a new copy of the data."""
        stores: list[Store] = []

        def restore() -> Store:
            stores.append(make_store(new_copy(), log_seconds=LOG_SECONDS))
            return stores[-1]

        yield restore
        for store in stores:
            store.close()

    @pytest.fixture(scope="class")
    @classmethod
    def site(cls, restore: Callable[[], Store], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
        """Yield an app of today on a copy of the old data, its background threads awake."""
        site = build(tmp_path_factory.mktemp("site"), *[text("It goes on.")] * 9, store=restore())
        site.registration.runner.wake()
        yield site
        site.registration.runner.stop()

    def test_every_read_returns_what_it_returned(self, restore: Callable[[], Store]) -> None:
        store = restore()
        for verb, *arguments, result in EXPECTED["reads"]:
            assert read(store, verb, *arguments) == result, (verb, *arguments)

    def test_a_waiting_run_takes_its_tool_outputs(self, site: Site) -> None:
        (call,) = logged("waiting")[-1][2]["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "Rain"}], "stream": True}
        answer = site.post(f"/v1{path_of('waiting')}/submit_tool_outputs", outputs)
        assert "event: thread.run.completed" in answer.text
        assert "Rain" in json.dumps(site.engine.requests)

    @pytest.mark.parametrize(
        ("case", "ending"), [("queued", "failed"), ("in_progress", "failed"), ("cancelling", "cancelled")]
    )
    def test_a_run_without_its_worker_is_ended(self, site: Site, case: str, ending: str) -> None:
        seen = logged(case)
        events = decode_ndjson(site.get(f"{path_of(case)}/stream?after={seen[-1][0]}").data)
        assert events[-1].name == f"thread.run.{ending}"
        whole = decode_ndjson(site.get(f"{path_of(case)}/stream").data)
        assert as_logged(whole) == [*seen, *as_logged(events)]
        assert site.get(f"/v1{path_of(case)}").get_json()["status"] == ending

    def test_a_run_claimed_for_lost_outputs_waits_again_and_expires(self, site: Site) -> None:
        deadline = time.monotonic() + 20
        while (status := site.get(f"/v1{path_of('claimed')}").get_json()["status"]) != "expired":
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        events = as_logged(decode_ndjson(site.get(f"{path_of('claimed')}/stream").data))
        assert events[: len(logged("claimed"))] == logged("claimed")
        assert events[-1][1] == "thread.run.expired"

    @pytest.mark.parametrize("case", ["completed", "answered", "failed", "incomplete", "cancelled", "taken_over"])
    def test_the_stream_of_an_ended_run_returns_its_events(self, site: Site, case: str) -> None:
        assert as_logged(decode_ndjson(site.get(f"{path_of(case)}/stream").data)) == logged(case)

    def test_an_expired_log_is_gone(self, site: Site) -> None:
        answer = site.get(f"{path_of('expired_log')}/stream")
        assert (answer.status_code, answer.get_json()["error"]["param"]) == (410, "after")
        (message,) = site.get(f"{path_of('expired_log').partition('/runs')[0]}/messages?limit=1").get_json()["data"]
        assert message["content"][0]["text"]["value"] == "An answer whose events are gone."

    def test_a_repeated_request_returns_its_run(self, site: Site) -> None:
        body, key = {"content": "Hello 👋"}, {"Idempotency-Key": "key-1"}
        answer = site.post("/chat/stream", body, headers=key)
        assert answer.headers["X-Run-Id"] == CASES["keyed"][-1]
        assert as_logged(decode_ndjson(answer.data)) == logged("keyed")
        assert site.post("/chat/stream", {"content": "Other"}, headers=key).status_code == 400

    def test_a_new_message_continues_a_thread(self, site: Site) -> None:
        thread = f"/threads/{CASES['completed'][1]}"
        events = decode_ndjson(site.post(f"{thread}/messages", {"content": "And now?"}).data)
        assert events[-1].name == "thread.run.completed"
        asked = next(each for each in site.engine.requests if "And now?" in json.dumps(each))
        assert "The sky is green" in json.dumps(asked["input"])
        listed = site.get(f"{thread}/messages?limit=1").get_json()["data"]
        assert listed[0]["content"][0]["text"]["value"] == "It goes on."
        assert site.get(thread).get_json()["title"] == "What colour is the sky?"

    def test_a_file_downloads_and_is_found(self, site: Site) -> None:
        (file_id,), (vector_store_id,) = CASES["file"], CASES["vector_store"]
        content = site.get(f"/v1/files/{file_id}/content").data
        blobs = [result for verb, *_, result in EXPECTED["reads"] if verb == "blob"]
        assert [hash for sizes, hash in blobs if sizes == [len(content)]] == [hashlib.sha256(content).hexdigest()]
        results = site.post(f"/v1/vector_stores/{vector_store_id}/search", {"query": "green sky"}).get_json()["data"]
        assert (results[0]["file_id"], results[0]["attributes"]) == (file_id, {"page": 1})
