"""The fake upstream tells the truth about what it was sent, and plays scripts over a process boundary."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from flask_assistant_stream.errors import UpstreamError
from flask_assistant_stream.storages.base import Upload
from flask_assistant_stream.storages.openai.storage import UpstreamStorage
from flask_assistant_stream.upstream import Upstream
from tests.fake_upstream import ANSWER, DESCRIPTION, SCRIPTS, FakeUpstream, UpstreamProcess, violations

GOOD: dict[str, Any] = {"model": "m", "input": [{"type": "message", "role": "user", "content": "hello"}]}


def post(url: str, body: dict[str, Any], **headers: str) -> bytes:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{url}/responses", json.dumps(body).encode(), names)
    with urllib.request.urlopen(request, timeout=10) as answer:
        told: bytes = answer.read()
    return told


def test_a_good_request_is_no_violation() -> None:
    assert violations(GOOD) == []
    assert violations({**GOOD, "input": "hello", "stream": True, "store": False}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 5},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tools": [{"type": "function", "name": "f"}]},
        {"input": [{"role": "user", "content": [{"type": "text", "text": "Assistants shape"}]}]},
        {"metadata": {"a": 1}},
    ],
)
def test_what_the_api_refuses_is_a_violation(wrong: dict[str, Any]) -> None:
    if not DESCRIPTION.exists():
        pytest.skip("shared material is missing")
    assert violations({**GOOD, **wrong})


def test_a_field_that_the_project_does_not_send_is_a_violation() -> None:
    assert violations({**GOOD, "response_format": {}}) == ["response_format: not a field that this project may send"]


def test_violations_are_remembered() -> None:
    with FakeUpstream() as fake:
        post(fake.base_url, {**GOOD, "messages": []})
    with pytest.raises(AssertionError, match="messages"):
        fake.check()


def test_a_script_is_chosen_by_queue_header_marker_and_outputs(upstream: FakeUpstream) -> None:
    marked = {"model": "m", "input": "@@script:text?say=marked@@", "stream": True}
    outputs = [{"type": "function_call_output", "call_id": "c", "output": "sunny"}]
    upstream.play("text?say=queued")
    assert b"queued" in post(upstream.base_url, marked, X_Fake_Script="text?say=header")
    assert b"header" in post(upstream.base_url, marked, X_Fake_Script="text?say=header")
    assert b"marked" in post(upstream.base_url, marked)
    answered = [{"type": "message", "role": "user", "content": "@@script:call@@"}, *outputs]
    assert b"sunny" in post(upstream.base_url, {"model": "m", "input": answered, "stream": True})


def test_without_stream_the_response_comes_at_once(upstream: FakeUpstream) -> None:
    response = json.loads(post(upstream.base_url, GOOD))
    assert response["output"][0]["content"][0]["text"] == ANSWER


def test_a_process_plays_and_reports(upstream_process: UpstreamProcess) -> None:
    upstream_process.play("text?say=queued")
    assert b"queued" in post(upstream_process.base_url, {**GOOD, "stream": True})
    (request,) = upstream_process.told()["requests"]
    assert request["body"] == {**GOOD, "stream": True}
    assert request["path"] == "/v1/responses"


def test_files_are_checked_against_the_description() -> None:
    if not DESCRIPTION.exists():
        pytest.skip("shared material is missing")
    with FakeUpstream() as fake:
        body = json.dumps({"file_id": "file-1", "wrong": 1}).encode()
        request = urllib.request.Request(f"{fake.base_url}/vector_stores/vs_1/files", body)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(request, timeout=10)
    with pytest.raises(AssertionError, match=r"(?s)wrong.*OpenAI-Beta"):
        fake.check()


def test_a_process_tells_of_files_and_takes_orders(upstream_process: UpstreamProcess) -> None:
    upstream_process.control_files(
        indexing_reads=None, fail=[{"route": "POST /files", "status": 500}], containers=[["cntr_1", "cfile_1", "text"]]
    )
    storage = UpstreamStorage(Upstream("key", upstream_process.base_url))
    upload = Upload("a.txt", "text/plain", "assistants", io.BytesIO(b"text"), 4)
    with pytest.raises(UpstreamError):
        storage.create_file("ann", upload)
    file_id, store_id = storage.create_file("ann", upload)["id"], storage.create_vector_store("ann", {})["id"]
    storage.attach("ann", store_id, file_id, {})
    assert storage.unfinished("ann", store_id) == {file_id}
    assert b"".join(storage.container_file("cntr_1", "cfile_1")) == b"text"
    upstream_process.control_files(indexing_reads=0)
    assert storage.unfinished("ann", store_id) == set()
    told = upstream_process.told_files()
    assert told["counts"]["POST /files"] == 2
    assert told["vector_stores"] == {store_id: [file_id]}
    storage.close()


def test_every_script_has_a_name_to_call_it_by() -> None:
    assert {"text", "call", "two_calls", "file_search", "refusal", "incomplete", "fail", "stall"} <= SCRIPTS.keys()
