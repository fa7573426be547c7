"""The upstream's errors and objects as clients see them, and the requests as the API accepts them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.errors import AssistantStreamError, NotFound, RequestError, UpstreamError
from flask_assistant_stream.profiles import PROFILES
from flask_assistant_stream.storages.base import Upload
from flask_assistant_stream.storages.openai import objects
from flask_assistant_stream.storages.openai.errors import refused
from flask_assistant_stream.storages.openai.storage import UpstreamStorage
from flask_assistant_stream.upstream import Upstream
from tests import fake_files
from tests.fake_upstream import FakeUpstream, UpstreamProcess
from tests.files.worlds import ANN, KEY, an_upload

ROOT = Path(__file__).parents[3]
MEGABYTE = 1 << 20


@pytest.fixture
def storage(upstream: FakeUpstream) -> Iterator[UpstreamStorage]:
    server = Upstream(KEY, upstream.base_url, headers={"X-Api-Token": "tok-123456"})
    storage = UpstreamStorage(server, now=lambda: 1000.0)
    yield storage
    storage.close()


def error_of(storage: UpstreamStorage, upstream: FakeUpstream, **how: Any) -> AssistantStreamError:
    """Let the upstream fail a call; return the error."""
    upstream.files.fail("GET /vector_stores/{store}", times=2, **how)
    with pytest.raises(AssistantStreamError) as caught:
        storage.read_vector_store(ANN, "vs_1")
    return caught.value


# -- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_an_invalid_request_is_the_clients_error(storage: UpstreamStorage, upstream: FakeUpstream, status: int) -> None:
    error = error_of(storage, upstream, status=status, message="The file is too odd.")
    assert type(error) is RequestError
    assert (error.status, error.message) == (400, "The file is too odd.")


def test_an_unknown_id_is_not_found(storage: UpstreamStorage, upstream: FakeUpstream) -> None:
    error = error_of(storage, upstream, status=404, message="No vector store found with id 'vs_1'.")
    assert type(error) is NotFound
    assert error.message == "No vector store found with id 'vs_1'."


@pytest.mark.parametrize(
    "id", ["../files/file-1", "vs_1/files", "vs_1?x=", "vs_1#", "..", ".", "", "a%2Fb", "a\\b", "a b", "a\n"]
)
def test_an_id_that_leads_elsewhere_is_not_sent(storage: UpstreamStorage, upstream: FakeUpstream, id: str) -> None:
    for call in (
        lambda: storage.read_vector_store(ANN, id),
        lambda: storage.attach(ANN, id, "file-1", {}),
        lambda: storage.read_attached(ANN, "vs_1", id),
        lambda: storage.read_batch(ANN, id, "vsfb_1"),
        lambda: storage.container_file(id, "cfile_1"),
        lambda: storage.container_file("cntr_1", id),
    ):
        with pytest.raises(NotFound):
            call()
    storage.delete_file(ANN, id)
    storage.detach(ANN, "vs_1", id)
    assert upstream.files.calls == 0


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_credentials_are_not_shown(storage: UpstreamStorage, upstream: FakeUpstream, status: int) -> None:
    error = error_of(storage, upstream, status=status, message=f"Incorrect API key provided: {KEY}.")
    assert (error.status, error.message) == (502, "The upstream rejected the credentials of this server.")


def test_a_busy_upstream_names_the_time_of_a_retry(storage: UpstreamStorage, upstream: FakeUpstream) -> None:
    error = error_of(storage, upstream, status=429, retry_after="7")
    assert isinstance(error, UpstreamError)
    assert (error.status, error.retry_after, error.code) == (429, 7.0, "upstream_error")
    assert upstream.files.calls == 1  # the storage does not wait and retry


@pytest.mark.parametrize(
    ("status", "expected"), [(500, 502), (503, 502), (504, 504), (408, 504), (418, 502), (302, 502)]
)
def test_a_broken_upstream_is_a_bad_gateway(
    storage: UpstreamStorage, upstream: FakeUpstream, status: int, expected: int
) -> None:
    error = error_of(storage, upstream, status=status, message="internals at 10.0.0.1")
    assert (type(error), error.status) == (UpstreamError, expected)
    assert "internals" not in error.message


@pytest.mark.parametrize("how", ["nonsense", "empty", "html", "cut"])
def test_an_invalid_response_is_a_bad_gateway(storage: UpstreamStorage, upstream: FakeUpstream, how: str) -> None:
    error = error_of(storage, upstream, how=how)
    assert (type(error), error.status) == (UpstreamError, 502)


def test_an_unreachable_upstream_is_a_bad_gateway() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        storage = UpstreamStorage(Upstream(KEY, f"http://127.0.0.1:{taken.getsockname()[1]}/v1"))
        with pytest.raises(UpstreamError, match="cannot be reached") as caught:
            storage.create_file(ANN, an_upload())
        assert caught.value.status == 502
        storage.close()


def test_a_missing_response_is_a_time_out(upstream: FakeUpstream) -> None:
    storage = UpstreamStorage(Upstream(KEY, upstream.base_url), timeout=0.2, upload_timeout=0.2)
    upstream.files.fail("*", how="stall", times=2)
    calls: list[Callable[[], object]] = [
        lambda: storage.read_vector_store(ANN, "vs_1"),
        lambda: storage.create_file(ANN, an_upload()),
    ]
    for call in calls:
        with pytest.raises(UpstreamError, match="in time") as caught:
            call()
        assert caught.value.status == 504
    assert upstream.files.calls == 2
    storage.close()


def test_a_read_is_repeated_after_a_broken_connection(storage: UpstreamStorage, upstream: FakeUpstream) -> None:
    id = storage.create_vector_store(ANN, {"name": "n"})["id"]
    upstream.files.fail("GET /vector_stores/{store}", how="cut")
    assert storage.read_vector_store(ANN, id)["name"] == "n"
    upstream.files.fail("POST /vector_stores", how="late_cut")
    with pytest.raises(UpstreamError):
        storage.create_vector_store(ANN, {})
    assert upstream.files.counts["POST /vector_stores"] == 2  # a creation is not repeated


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (f"Bad key {KEY} given", "Bad key … given"),
        ("Token tok-123456 is odd", "Token … is odd"),
        ("See https://user:pass@host/x", "See …"),
        ("two\nlines\x00", "two lines\x00"),
        ("", "The upstream failed without a reason."),
    ],
)
def test_no_secret_is_in_a_message(message: str, shown: str) -> None:
    error = refused(400, {}, {"error": {"message": message}}, Upstream(KEY, headers={"X-Api-Token": "tok-123456"}), 0.0)
    assert error.message == shown


@pytest.mark.parametrize("body", [None, "<html>", [], {"error": "odd"}, {"detail": 5}, {"message": ["x"]}])
def test_any_error_body_is_read(body: Any) -> None:
    assert refused(400, {}, body, Upstream(), 0.0).message


# -- requests ---------------------------------------------------------------------------------------------


def test_key_and_headers_are_sent_with_every_request(upstream: FakeUpstream) -> None:
    storage = UpstreamStorage(
        Upstream(KEY, upstream.base_url, headers={"X-More": "1"}, organization="org-1", project="proj-1")
    )
    storage.create_file(ANN, an_upload())
    storage.create_vector_store(ANN, {})
    for request in upstream.files.requests:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.headers["x-more"] == "1"
        assert request.headers["openai-organization"] == "org-1"
        assert request.headers["openai-project"] == "proj-1"
    storage.close()


def test_the_profile_names_the_header_of_the_key(upstream: FakeUpstream) -> None:
    storage = UpstreamStorage(Upstream(KEY, upstream.base_url, profile=PROFILES["azure"]))
    storage.create_vector_store(ANN, {})
    upstream.files.put("cntr_1", "cfile_1", b"x")
    assert b"".join(storage.container_file("cntr_1", "cfile_1")) == b"x"
    assert [request.headers["api-key"] for request in upstream.files.requests] == [KEY, KEY]
    assert not any("authorization" in request.headers for request in upstream.files.requests)
    storage.close()


def test_configured_headers_override(upstream: FakeUpstream) -> None:
    storage = UpstreamStorage(
        Upstream("", upstream.base_url, headers={"Authorization": "Basic abc", "User-Agent": "mine"})
    )
    storage.create_vector_store(ANN, {})
    (request,) = upstream.files.requests
    assert (request.headers["authorization"], request.headers["user-agent"]) == ("Basic abc", "mine")
    storage.close()


def test_no_key_is_sent_without_one(upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    storage = UpstreamStorage(Upstream(None, upstream.base_url))
    storage.create_vector_store(ANN, {})
    upstream.files.put("cntr_1", "cfile_1", b"x")
    assert b"".join(storage.container_file("cntr_1", "cfile_1")) == b"x"
    assert len(upstream.files.requests) == 2
    assert not any("authorization" in request.headers for request in upstream.files.requests)
    storage.close()


def test_no_secret_is_in_a_repr(storage: UpstreamStorage) -> None:
    assert KEY not in repr(storage)


def test_a_file_name_may_have_any_letters(storage: UpstreamStorage, upstream: FakeUpstream) -> None:
    body = storage.create_file(ANN, an_upload('Łódź "1".txt'))
    assert upstream.files.files[body["id"]]["filename"] == 'Łódź "1".txt'
    assert body["filename"] == 'Łódź "1".txt'


def test_a_deletion_may_be_repeated(storage: UpstreamStorage) -> None:
    storage.delete_file(ANN, "file-1")
    storage.delete_vector_store(ANN, "vs_1")
    storage.detach(ANN, "vs_1", "file-1")
    with pytest.raises(NotFound):
        storage.attach(ANN, "vs_1", "file-1", {})


def test_a_server_may_ignore_the_filter(
    storage: UpstreamStorage, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_id = storage.create_vector_store(ANN, {})["id"]
    ids = [storage.create_file(ANN, an_upload(f"{number}.txt"))["id"] for number in range(105)]
    storage.attach_batch(ANN, store_id, [{"file_id": id} for id in ids])
    storage.read_attached(ANN, store_id, ids[0])  # now all of them are indexed
    upstream.files.indexing_reads = None
    for id in (ids[0], ids[-1]):
        storage.attach(ANN, store_id, id, {})
    monkeypatch.setattr("tests.fake_files.page_of", without_filter(fake_files.page_of))
    assert storage.unfinished(ANN, store_id) == {ids[0], ids[-1]}


def without_filter(page: Any) -> Any:
    return lambda entries, query: page(entries, {key: query[key] for key in query if key != "filter"})


def test_a_fork_has_its_own_connections(
    storage: UpstreamStorage, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        storage.create_vector_store(ANN, {})
    assert upstream.connections == 1
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: 1)
        storage.create_vector_store(ANN, {})
        storage.close()
    storage.create_vector_store(ANN, {})
    assert upstream.connections == 2


def test_the_client_is_imported_while_the_app_starts_and_not_before() -> None:
    """The import takes a second, which would delay running streams."""
    code = (
        "import sys; from flask_assistant_stream.storages.openai.storage import UpstreamStorage;"
        "from flask_assistant_stream.upstream import Upstream;"
        "before = 'openai' in sys.modules; UpstreamStorage(Upstream('k'));"
        "sys.exit(before or 'openai' not in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


MEASURE = """
import resource, sys, threading
from flask_assistant_stream.storages.base import Upload
from flask_assistant_stream.storages.openai.storage import UpstreamStorage
from flask_assistant_stream.upstream import Upstream
from tests.files.worlds import an_upload
url, path, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
storage = UpstreamStorage(Upstream("k", url))
storage.create_file("ann", an_upload())  # imports and first connection
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(path, "rb") as content:
    body = storage.create_file("ann", Upload("large.txt", "text/plain", "assistants", content, size))
for chunk in storage.container_file("cntr_1", "cfile_1"):
    assert len(chunk) <= 1 << 20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, body["id"])
"""


def test_a_large_file_is_never_in_memory(upstream_process: UpstreamProcess, tmp_path: Path) -> None:
    size = 60 * MEGABYTE
    large = tmp_path / "large"
    with large.open("wb") as content:
        content.truncate(size)
    upstream_process.control_files(containers=[["cntr_1", "cfile_1", "x" * (30 * MEGABYTE)]])
    command = [sys.executable, "-c", MEASURE, upstream_process.base_url, str(large), str(size)]
    ran = subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True, text=True)
    grown, file_id = ran.stdout.split()
    assert file_id in upstream_process.told_files()["files"]
    assert int(grown) * 1024 < 12 * MEGABYTE


def test_a_spooled_file_is_streamed(storage: UpstreamStorage, upstream: FakeUpstream) -> None:
    with tempfile.SpooledTemporaryFile(1000) as content:
        content.write(b"x" * 5000)
        upload = Upload("a.txt", "text/plain", "assistants", content, 5000)  # type: ignore[arg-type]
        body = storage.create_file(ANN, upload)
        assert not content.closed
    assert upstream.files.contents[body["id"]] == b"x" * 5000


def test_a_missing_container_file_is_an_error_at_the_call(storage: UpstreamStorage, upstream: FakeUpstream) -> None:
    with pytest.raises(NotFound):
        storage.container_file("cntr_1", "cfile_1")
    upstream.files.put("cntr_1", "cfile_1", b"x" * 700_000)
    assert b"".join(storage.container_file("cntr_1", "cfile_1")) == b"x" * 700_000
    storage.container_file("cntr_1", "cfile_1")  # unread: the connection is released
    assert b"".join(storage.container_file("cntr_1", "cfile_1")) == b"x" * 700_000


def test_threads_share_the_client(storage: UpstreamStorage, upstream: FakeUpstream) -> None:
    threads = [threading.Thread(target=storage.create_vector_store, args=(ANN, {})) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(upstream.files.vector_stores) == 8


# -- objects ----------------------------------------------------------------------------------------------


def test_objects_have_every_key() -> None:
    upload = an_upload()
    assert objects.read_file({"id": "file-1"}, upload, 5) == {
        "id": "file-1",
        "object": "file",
        "bytes": 16,
        "created_at": 5,
        "expires_at": None,
        "filename": "facts.txt",
        "purpose": "assistants",
        "status": "processed",
        "status_details": None,
    }
    store = objects.read_vector_store({"id": "vs_1", "name": None, "status": "odd", "extra": 1}, 5)
    assert (store["name"], store["status"], store["file_counts"]["total"]) == ("", "completed", 0)
    assert "extra" not in store
    file = objects.read_attached({"id": "file-1", "created_at": 7.9, "last_error": {"code": "x"}}, "vs_1", 5)
    assert (file["created_at"], file["status"], file["vector_store_id"]) == (7, "in_progress", "vs_1")
    assert file["last_error"]["code"] == "server_error"
    batch = objects.read_batch({"id": "vsfb_1", "file_counts": {"completed": "2", "failed": 1}}, "vs_1", 5)
    assert (batch["object"], batch["file_counts"]["total"]) == ("vector_store.files_batch", 1)


@pytest.mark.parametrize("value", [None, [], "x", {}, {"id": 5}, {"id": ""}, {"id": "ü"}])
def test_an_object_without_an_id_is_an_error(value: Any) -> None:
    reads: tuple[Callable[[], object], ...] = (
        lambda: objects.read_file(value, an_upload(), 0),
        lambda: objects.read_vector_store(value, 0),
        lambda: objects.read_attached(value, "vs_1", 0),
        lambda: objects.read_batch(value, "vs_1", 0),
        lambda: objects.read_result(value),
    )
    for read in reads:
        with pytest.raises(UpstreamError):
            read()


def test_objects_with_odd_values_can_be_stored() -> None:
    odd = {"name": "a\ud800", "metadata": {"k": "\ud800", "n": 5}, "created_at": 1e300, "usage_bytes": True}
    body = objects.read_vector_store({"id": "vs_1", **odd}, 5)
    assert json.dumps(body).encode()
    expected = {"name": "a\ufffd", "metadata": {"k": "\ufffd", "n": "5"}, "created_at": 5, "usage_bytes": 0}
    assert {key: body[key] for key in odd} == expected
