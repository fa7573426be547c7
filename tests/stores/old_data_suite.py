"""Every store reads the data of earlier versions, and continues from it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Store
from flask_assistant_stream.testing.decode import decode_ndjson
from flask_assistant_stream.testing.scripted import text
from tests.old_data.reads import LOG_SECONDS, VERSIONS, read
from tests.routes.conftest import Site, build

ANNA = "anna"
READS = {"ASSISTANT_EXTRACTION_PROCESSES": 1}


class OldData:
    """The data of one version, in a folder, and what its reads returned."""

    def __init__(self, folder: Path) -> None:
        expected = json.loads((folder / "expected.json").read_text())
        self.folder = folder
        self.reads: list[list[Any]] = expected["reads"]
        self.cases: dict[str, list[str]] = expected["cases"]
        self._logs = {run_id: log for verb, run_id, *_, log in self.reads if verb == "log"}

    def path_of(self, case: str) -> str:
        """Return the path of a run."""
        _, thread_id, run_id = self.cases[case]
        return f"/threads/{thread_id}/runs/{run_id}"

    def logged(self, case: str) -> list[list[Any]]:
        """Return the events that the old code returned of a run."""
        return [[seq, name, json.loads(data)] for seq, name, data in self._logs[self.cases[case][-1]]["events"]]


def as_logged(events: list[Event]) -> list[list[Any]]:
    return [[event.seq, event.name, event.object()] for event in events]


class OldDataSuite:
    """Subclass as `Test...` with a class method as fixture `new_copy`, of class scope.

    It takes `old` and returns a function that puts the data into a new store and returns its URL.
    """

    @pytest.fixture(scope="class", params=VERSIONS, ids=lambda folder: folder.name)
    @classmethod
    def old(cls, request: pytest.FixtureRequest) -> OldData:
        return OldData(request.param)

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
        site = build(tmp_path_factory.mktemp("site"), *[text("It goes on.")] * 9, store=restore(), config=READS)
        site.registration.runner.wake()
        yield site
        site.registration.runner.stop()

    def test_every_read_returns_what_it_returned(self, old: OldData, restore: Callable[[], Store]) -> None:
        store = restore()
        for verb, *arguments, result in old.reads:
            assert read(store, verb, *arguments) == result, (verb, *arguments)

    def test_a_waiting_run_takes_its_tool_outputs(self, old: OldData, site: Site) -> None:
        (call,) = old.logged("waiting")[-1][2]["required_action"]["submit_tool_outputs"]["tool_calls"]
        outputs = {"tool_outputs": [{"tool_call_id": call["id"], "output": "Rain"}], "stream": True}
        answer = site.post(f"/v1{old.path_of('waiting')}/submit_tool_outputs", outputs)
        assert "event: thread.run.completed" in answer.text
        assert "Rain" in json.dumps(site.engine.requests)

    @pytest.mark.parametrize(
        ("case", "ending"), [("queued", "failed"), ("in_progress", "failed"), ("cancelling", "cancelled")]
    )
    def test_a_run_without_its_worker_is_ended(self, old: OldData, site: Site, case: str, ending: str) -> None:
        seen = old.logged(case)
        events = decode_ndjson(site.get(f"{old.path_of(case)}/stream?after={seen[-1][0]}").data)
        assert events[-1].name == f"thread.run.{ending}"
        whole = decode_ndjson(site.get(f"{old.path_of(case)}/stream").data)
        assert as_logged(whole) == [*seen, *as_logged(events)]
        assert site.get(f"/v1{old.path_of(case)}").get_json()["status"] == ending

    def test_a_run_claimed_for_lost_outputs_waits_again_and_expires(self, old: OldData, site: Site) -> None:
        deadline = time.monotonic() + 20
        while (status := site.get(f"/v1{old.path_of('claimed')}").get_json()["status"]) != "expired":
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        events = as_logged(decode_ndjson(site.get(f"{old.path_of('claimed')}/stream").data))
        assert events[: len(old.logged("claimed"))] == old.logged("claimed")
        assert events[-1][1] == "thread.run.expired"

    @pytest.mark.parametrize("case", ["completed", "answered", "failed", "incomplete", "cancelled", "taken_over"])
    def test_the_stream_of_an_ended_run_returns_its_events(self, old: OldData, site: Site, case: str) -> None:
        assert as_logged(decode_ndjson(site.get(f"{old.path_of(case)}/stream").data)) == old.logged(case)

    def test_an_expired_log_is_gone(self, old: OldData, site: Site) -> None:
        answer = site.get(f"{old.path_of('expired_log')}/stream")
        assert (answer.status_code, answer.get_json()["error"]["param"]) == (410, "after")
        (message,) = site.get(f"{old.path_of('expired_log').partition('/runs')[0]}/messages?limit=1").get_json()["data"]
        assert message["content"][0]["text"]["value"] == "An answer whose events are gone."

    def test_a_repeated_request_returns_its_run(self, old: OldData, site: Site) -> None:
        body, key = {"content": "Hello 👋"}, {"Idempotency-Key": "key-1"}
        answer = site.post("/chat/stream", body, headers=key)
        assert answer.headers["X-Run-Id"] == old.cases["keyed"][-1]
        assert as_logged(decode_ndjson(answer.data)) == old.logged("keyed")
        assert site.post("/chat/stream", {"content": "Other"}, headers=key).status_code == 400

    def test_a_new_message_continues_a_thread(self, old: OldData, site: Site) -> None:
        thread = f"/threads/{old.cases['completed'][1]}"
        events = decode_ndjson(site.post(f"{thread}/messages", {"content": "And now?"}).data)
        assert events[-1].name == "thread.run.completed"
        asked = next(each for each in site.engine.requests if "And now?" in json.dumps(each))
        assert "The sky is green" in json.dumps(asked["input"])
        listed = site.get(f"{thread}/messages?limit=1").get_json()["data"]
        assert listed[0]["content"][0]["text"]["value"] == "It goes on."
        assert site.get(thread).get_json()["title"] == "What colour is the sky?"

    def test_a_file_downloads_and_is_found(self, old: OldData, site: Site) -> None:
        (file_id,), (vector_store_id,) = old.cases["file"], old.cases["vector_store"]
        content = site.get(f"/v1/files/{file_id}/content").data
        blobs = [result for verb, *_, result in old.reads if verb == "blob"]
        assert [hash for sizes, hash in blobs if sizes == [len(content)]] == [hashlib.sha256(content).hexdigest()]
        results = site.post(f"/v1/vector_stores/{vector_store_id}/search", {"query": "green sky"}).get_json()["data"]
        assert (results[0]["file_id"], results[0]["attributes"]) == (file_id, {"page": 1})

    def test_a_file_that_waits_is_read(self, old: OldData, site: Site) -> None:
        """The first version read files at once, so its data has none."""
        for file_id in old.cases.get("waiting_file", []):
            deadline = time.monotonic() + 20
            while (status := site.get(f"/v1/files/{file_id}").get_json()["status"]) != "processed":
                assert time.monotonic() < deadline, status
                time.sleep(0.02)
            store: Any = site.registration.store
            assert store.read_passages(ANNA, file_id) == ["The clouds are violet."]

    def test_an_old_thread_forks_and_switches(self, old: OldData, site: Site) -> None:
        path = f"/threads/{old.cases['answered'][1]}"

        def listed() -> list[str]:
            return [message["id"] for message in site.get(f"{path}/messages?order=asc").get_json()["data"]]

        before, revision = listed(), site.get(path).get_json()["revision"]
        assert site.get(path).get_json()["line_id"] == "line_0"
        edited = decode_ndjson(site.post(f"{path}/messages/{before[0]}/fork", {"content": "Otherwise?"}).data)
        assert edited[-1].name == "thread.run.completed"
        after = listed()
        assert len(after) == 2
        assert not set(before) & set(after)
        assert site.request("PUT", f"{path}/line", json={"line_id": "line_0"}).status_code == 200
        assert listed() == before
        assert site.get(path).get_json()["revision"] > revision
