"""Files of owners: stored whole or not at all, downloaded, deleted everywhere, unknown to other owners."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from typing import Any

import pytest
from openai.types import FileObject

from flask_assistant_stream.errors import Gone, NotFound, RequestError, StoreError, TooLarge, UpstreamError
from flask_assistant_stream.protocol.generated_files import GeneratedFile
from flask_assistant_stream.stores.base import Kind
from tests.fake_upstream import described
from tests.files.worlds import ANN, BOB, MAX_BYTES, START, World, an_upload


def content(world: World, file_id: str, owner: str = ANN) -> bytes:
    return b"".join(world.files.content(owner, file_id).chunks)


def test_an_upload_is_stored_with_its_bytes(world: World) -> None:
    body = world.files.create(ANN, an_upload("Übersicht 2026.txt", "The sky is blue.")).body
    expected = {"bytes": 16, "filename": "Übersicht 2026.txt", "object": "file", "purpose": "assistants"}
    assert {**body, **expected} == body
    assert world.files.get(ANN, body["id"]) == body
    file = world.files.content(ANN, body["id"])
    assert (file.filename, file.content_type, file.size) == ("Übersicht 2026.txt", "text/plain", 16)
    assert b"".join(file.chunks) == b"The sky is blue."


def test_a_file_matches_the_specification(world: World) -> None:
    body = world.files.create(ANN, an_upload()).body
    FileObject.model_validate(body, strict=True)
    described("OpenAIFile").validate({key: value for key, value in body.items() if value is not None})


def test_the_types_of_downloads_come_from_the_name(world: World) -> None:
    types = {"a.pdf": "application/pdf", "a.csv": "text/csv", "a.unknown": "application/octet-stream"}
    for name, expected in {**types, "a.tar.gz": "application/octet-stream"}.items():
        assert world.files.content(ANN, world.upload(name)).content_type == expected


def test_a_file_of_another_owner_is_reported_as_unknown(world: World) -> None:
    file_id = world.upload()
    before = world.left()
    for call in (world.files.get, world.files.content, world.files.delete):
        messages = []
        for id in (file_id, "file-unknown"):
            with pytest.raises(NotFound) as caught:
                call(BOB, id)
            messages.append(caught.value.message.replace(id, "X"))
        assert messages[0] == messages[1] == "No file found with id 'X'."
    with pytest.raises(NotFound) as caught:
        world.files.check(BOB, [file_id], "attachments")
    assert caught.value.param == "attachments"
    assert world.left() == before
    assert world.files.page(BOB, purpose=None, limit=10, order="desc", after=None) == ([], False)


def test_a_page_of_files(world: World) -> None:
    ids = [world.upload(f"{number}.txt") for number in range(5)]
    vision = world.files.create(ANN, an_upload("a.png", b"png", "vision")).id

    def page(**query: Any) -> tuple[list[str], bool]:
        bodies, more = world.files.page(ANN, **{"purpose": None, "limit": 2, "order": "asc", "after": None, **query})
        return [body["id"] for body in bodies], more

    assert page() == (ids[:2], True)
    assert page(after=ids[3]) == ([ids[4], vision], False)
    assert page(order="desc") == ([vision, ids[4]], True)
    assert page(purpose="vision") == ([vision], False)
    assert page(purpose="assistants", after=ids[1], limit=3) == (ids[2:], False)
    assert page(purpose="assistants", limit=4) == (ids[:4], True)
    with pytest.raises(NotFound, match="'file-unknown'") as caught:
        page(after="file-unknown")
    assert caught.value.param == "after"


def test_a_file_over_the_limit_is_rejected(world: World) -> None:
    before = world.left()
    with pytest.raises(TooLarge, match=str(MAX_BYTES)):
        world.files.create(ANN, an_upload(text="x" * (MAX_BYTES + 1)))
    assert world.left() == before


def test_a_deleted_file_is_deleted_everywhere(world: World) -> None:
    kept, gone = world.upload("kept.txt", "blue birds"), world.upload("gone.txt", "blue whales")
    both, only = world.vector_store(kept, gone), world.vector_store(gone)
    world.files.delete(ANN, gone)
    for call in (world.files.get, world.files.content):
        with pytest.raises(NotFound):
            call(ANN, gone)
    assert [body["id"] for body in world.files_in(both).page()[0]] == [kept]
    assert world.files_in(only).page()[0] == []
    assert world.vector_stores.get(ANN, only)["file_counts"]["total"] == 0
    results = world.vector_stores.search(ANN, both, {"query": "blue"})
    assert [result["file_id"] for result in results] == [kept]
    if world.fake is not None:
        assert list(world.fake.files) == [kept]
        assert world.fake.counts["DELETE /vector_stores/{store}/files/{file}"] == 2
    assert len(world.blobs()) == 1
    assert len(world.passages()) == (world.fake is None)


def test_a_delete_that_failed_can_be_repeated(upstream_world: World) -> None:
    world = upstream_world
    file_id = world.upload()
    store_id = world.vector_store(file_id)
    world.upstream.fail("DELETE /files/{file}", status=500)
    with pytest.raises(UpstreamError):
        world.files.delete(ANN, file_id)
    with pytest.raises(NotFound):  # it is being deleted
        world.files_in(store_id).attach({"file_id": file_id})
    world.files.delete(ANN, file_id)
    assert not world.upstream.files
    assert not world.blobs()


def test_a_file_that_the_upstream_has_lost_can_be_deleted(upstream_world: World) -> None:
    world = upstream_world
    file_id = world.upload()
    world.upstream.files.clear()
    assert content(world, file_id) == b"The sky is blue."
    world.files.delete(ANN, file_id)
    assert world.left()["file"] == []


@pytest.mark.parametrize("how", [{"status": 500}, {"status": 400}, {"how": "cut"}, {"how": "nonsense"}])
def test_an_upload_that_fails_at_the_upstream_leaves_nothing(upstream_world: World, how: dict[str, Any]) -> None:
    upstream_world.upstream.fail("POST /files", **how)
    with pytest.raises((UpstreamError, RequestError)):
        upstream_world.upload()
    assert not upstream_world.blobs()
    assert not any(upstream_world.left().values())


def test_an_upload_whose_record_fails_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = world.store.insert

    def fail(record: Any) -> Any:
        insert(record)  # the outcome of a write that fails is unknown
        raise StoreError("down")

    monkeypatch.setattr(world.store, "insert", fail)
    with pytest.raises(StoreError):
        world.upload()
    assert not world.blobs()
    assert not any(world.left().values())


def test_an_upload_whose_bytes_cannot_be_stored_never_reaches_the_storage(
    upstream_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> int:
        raise StoreError("full")

    monkeypatch.setattr(upstream_world.store, "write_blob", fail)
    with pytest.raises(StoreError):
        upstream_world.upload()
    assert upstream_world.upstream.calls == 0


def test_a_step_that_cannot_be_undone_is_logged(upstream_world: World, caplog: pytest.LogCaptureFixture) -> None:
    world = upstream_world
    store_id = world.vector_store()
    world.upstream.fail("POST /vector_stores/{store}/files", status=500)
    world.upstream.fail("DELETE /vector_stores/{store}/files/{file}", status=500)
    file_id = world.upload()
    with caplog.at_level(logging.WARNING), pytest.raises(UpstreamError):
        world.files_in(store_id).attach({"file_id": file_id})
    assert f"files in {store_id} not undone" in caplog.text


def test_an_expired_file_is_deleted_everywhere(upstream_world: World) -> None:
    world = upstream_world
    expires_after = {"anchor": "created_at", "seconds": 3600}
    body = world.files.create(ANN, replace(an_upload(), expires_after=expires_after)).body
    store_id = world.vector_store(body["id"])
    assert body["expires_at"] == body["created_at"] + 3600
    world.clock.time = body["expires_at"]
    assert world.files.page(ANN, purpose=None, limit=10, order="desc", after=None) == ([], False)
    with pytest.raises(NotFound):
        world.files.content(ANN, body["id"])
    assert world.files_in(store_id).page()[0] == []
    assert not world.blobs()
    assert not world.upstream.files


@pytest.mark.parametrize("reads", ["list", "content", "search"])
def test_a_file_of_the_local_storage_expires(local_world: World, reads: str) -> None:
    world = local_world
    expires_after = {"anchor": "created_at", "seconds": 3600}
    body = world.files.create(ANN, replace(an_upload(), expires_after=expires_after)).body
    store_id = world.vector_store(body["id"])
    assert body["expires_at"] == body["created_at"] + 3600
    storage, words = world.files.storage, an_upload().content.read().decode().split()[-1]
    assert storage.find(ANN, [store_id], words, 5)
    world.clock.time = body["expires_at"]
    if reads == "search":
        assert storage.find(ANN, [store_id], words, 5) == []
        assert storage.search(ANN, store_id, words, {}) == []
        return
    if reads == "list":
        assert world.files.page(ANN, purpose=None, limit=10, order="desc", after=None) == ([], False)
    else:
        with pytest.raises(NotFound):
            world.files.content(ANN, body["id"])
    assert not world.blobs()
    assert world.files_in(store_id).page()[0] == []


# -- generated files -------------------------------------------------------------------------------------


def test_a_file_of_a_container_outlives_it(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.put("cntr_1", "cfile_1", b"\x89PNG" * 1000)
    world.files.keep(ANN, GeneratedFile("cfile_1", "../plots/plot.png", container_id="cntr_1", upstream_id="cfile_1"))
    world.upstream.containers.clear()
    body = world.files.get(ANN, "cfile_1")
    assert (body["filename"], body["purpose"], body["bytes"]) == ("plot.png", "assistants_output", 4000)
    assert body["created_at"] == int(START)
    assert content(world, "cfile_1") == b"\x89PNG" * 1000
    with pytest.raises(NotFound):
        world.files.get(BOB, "cfile_1")


def test_a_generated_file_is_read_once(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.put("cntr_1", "cfile_1", b"data")
    for _ in range(2):
        world.files.keep(ANN, GeneratedFile("cfile_1", "a.csv", container_id="cntr_1", upstream_id="cfile_1"))
    assert world.upstream.calls == 1
    assert len(world.blobs()) == 1


@pytest.mark.parametrize(
    "data",
    [
        base64.b64encode(b"picture").decode(),
        base64.b64encode(b"picture").decode().rstrip("="),
        f"data:image/png;base64,{base64.b64encode(b'picture').decode()}",
        "data:,pic%74ure",
    ],
)
def test_a_generated_file_with_its_bytes(world: World, data: str) -> None:
    world.files.keep(ANN, GeneratedFile("file-1", "picture.png", data=data))
    assert content(world, "file-1") == b"picture"
    world.files.keep(ANN, GeneratedFile("file-2", "picture.png", url=f"data:;base64,{base64.b64encode(b'x').decode()}"))
    assert content(world, "file-2") == b"x"


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "http://169.254.169.254/latest/meta-data"},
        {"url": "https://example.org/picture.png"},
        {"data": "data:image/png;base64,!!!"},
        {"data": "data:nothing"},
        {"data": "A" * (2 * MAX_BYTES)},
        {"data": "data:," + "a" * (MAX_BYTES + 1)},
        {"container_id": "cntr_gone", "upstream_id": "cfile_9"},
        {},
    ],
)
def test_a_generated_file_whose_bytes_cannot_be_read_is_recorded_without_them(
    world: World, fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        world.files.keep(ANN, GeneratedFile("file-1", "..", **fields))
    assert "bytes of generated file file-1 not kept" in caplog.text
    assert (world.files.get(ANN, "file-1")["filename"], world.files.get(ANN, "file-1")["bytes"]) == ("file-1", 0)
    with pytest.raises(Gone):
        world.files.content(ANN, "file-1")
    assert not world.blobs()
    world.files.delete(ANN, "file-1")
    assert not world.left()["file"]


def test_a_container_file_over_the_limit_is_not_stored(upstream_world: World, caplog: pytest.LogCaptureFixture) -> None:
    upstream_world.upstream.put("cntr_1", "cfile_1", b"x" * (MAX_BYTES + 1))
    upstream_world.files.keep(ANN, GeneratedFile("cfile_1", "a.csv", container_id="cntr_1", upstream_id="cfile_1"))
    assert upstream_world.files.get(ANN, "cfile_1")["bytes"] == 0
    assert not upstream_world.blobs()


@pytest.mark.parametrize("how", [{"status": 500}, {"status": 401}, {"how": "cut"}])
def test_a_container_file_that_could_not_be_read_is_read_again_by_the_next_worker(
    upstream_world: World, how: dict[str, Any]
) -> None:
    world = upstream_world
    world.upstream.put("cntr_1", "cfile_1", b"data")
    world.upstream.fail("GET /containers/{container}/files/{file}/content", **how)
    file = GeneratedFile("cfile_1", "a.csv", container_id="cntr_1", upstream_id="cfile_1")
    world.files.keep(ANN, file)
    with pytest.raises(Gone):
        world.files.content(ANN, "cfile_1")
    world.files.keep(ANN, file)
    assert content(world, "cfile_1") == b"data"
    assert world.files.get(ANN, "cfile_1")["bytes"] == 4


def test_lost_bytes_are_reported_as_gone(world: World) -> None:
    file_id = world.upload()
    record = world.store.get(Kind.FILE, ANN, file_id)
    world.store.delete_blob(ANN, record.extra["blob"])
    with pytest.raises(Gone):
        world.files.content(ANN, file_id)
