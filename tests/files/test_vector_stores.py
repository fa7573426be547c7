"""Vector stores of owners: created whole or not at all, kept current with few requests, unknown to other owners."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from openai.types import VectorStore, VectorStoreSearchResponse
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileBatch

from flask_assistant_stream.errors import NotFound, RequestError, StoreError, UpstreamError
from flask_assistant_stream.stores.base import Kind
from tests.fake_upstream import described
from tests.files.worlds import ANN, BOB, SHARED, World

LIST = "GET /vector_stores/{store}/files"
UNSUPPORTED = {"code": "unsupported_file", "message": "The file type is not supported."}
INDEX_FAILED = {"code": "invalid_file", "message": "It is broken."}


_MODELS: dict[str, Any] = {
    "VectorStoreObject": VectorStore,
    "VectorStoreFileObject": VectorStoreFile,
    "VectorStoreFileBatchObject": VectorStoreFileBatch,
    "VectorStoreSearchResultItem": VectorStoreSearchResponse,
}


def valid(name: str, body: dict[str, Any]) -> bool:
    """Return whether a body matches the specification; null stands for an absent key."""
    _MODELS[name].model_validate(body, strict=True)  # as a strict client reads it
    nullable = {"expires_at", "last_active_at", "last_error"}
    shown = {key: value for key, value in body.items() if value is not None or key in nullable}
    described(name).validate(shown)
    return True


# -- vector stores ---------------------------------------------------------------------------------------


def test_a_vector_store_is_created_with_its_files(world: World) -> None:
    files = [world.upload(f"{number}.txt") for number in range(3)]
    body = world.vector_stores.create(
        ANN, {"file_ids": [*files, files[0]], "name": "Manuals", "metadata": {"a": "b"}, "expires_after": None}
    ).body
    assert (body["name"], body["metadata"], body["status"]) == ("Manuals", {"a": "b"}, "completed")
    assert body["file_counts"] == {"in_progress": 0, "completed": 3, "failed": 0, "cancelled": 0, "total": 3}
    assert body["usage_bytes"] > 0
    assert valid("VectorStoreObject", body)
    attached, more = world.files_in(body["id"]).page(order="asc")
    assert [file["id"] for file in attached] == files
    assert not more
    assert all(valid("VectorStoreFileObject", file) and file["status"] == "completed" for file in attached)


def test_an_empty_vector_store_has_a_name_for_strict_clients(world: World) -> None:
    body = world.vector_stores.create(ANN, {}).body
    assert body["name"] == ""
    assert valid("VectorStoreObject", body)
    assert world.vector_stores.get(ANN, body["id"]) == body


def test_update_changes_the_given_fields(world: World) -> None:
    id = world.vector_store(name="old", metadata={"a": "1"})
    after = {"anchor": "last_active_at", "days": 3}
    body = world.vector_stores.update(ANN, id, {"name": "new", "expires_after": after})
    assert (body["name"], body["metadata"], body["expires_after"]) == ("new", {"a": "1"}, after)
    assert body["expires_at"] == body["last_active_at"] + 3 * 86400
    assert world.vector_stores.get(ANN, id)["name"] == "new"


def test_pages_of_vector_stores(world: World) -> None:
    ids = [world.vector_store() for _ in range(4)]

    def page(**query: Any) -> tuple[list[str], bool]:
        bodies, more = world.vector_stores.page(ANN, **query)
        return [body["id"] for body in bodies], more

    assert page(order="asc", limit=3) == (ids[:3], True)
    assert page(after=ids[1]) == ([ids[0]], False)
    assert page(before=ids[0], order="desc", limit=2) == ([ids[2], ids[1]], True)
    with pytest.raises(NotFound) as caught:
        page(before="vs_unknown")
    assert caught.value.param == "before"


def test_the_files_of_a_deleted_vector_store_stay(world: World) -> None:
    file_id = world.upload()
    before = world.left()
    id = world.vector_store(file_id, world.upload("second.txt"))
    world.vector_stores.delete(ANN, id)
    assert set(before["file"]) < set(world.left()["file"])
    assert world.left()["vector_store"] == []
    with pytest.raises(NotFound):
        world.vector_stores.get(ANN, id)
    for kind in (Kind.VECTOR_STORE_FILE, Kind.FILE_BATCH):
        assert world.store.list(kind, ANN, parent=id).records == []


# -- owners -----------------------------------------------------------------------------------------------

Verb = Callable[[World, str, str, str], Any]
VERBS: dict[str, Verb] = {
    "get": lambda w, o, s, f: w.vector_stores.get(o, s),
    "update": lambda w, o, s, f: w.vector_stores.update(o, s, {"name": "x"}),
    "delete": lambda w, o, s, f: w.vector_stores.delete(o, s),
    "search": lambda w, o, s, f: w.vector_stores.search(o, s, {"query": "sky"}),
    "attach": lambda w, o, s, f: w.files_in(s, o).attach({"file_id": f}),
    "page of files": lambda w, o, s, f: w.files_in(s, o).page(),
    "get file": lambda w, o, s, f: w.files_in(s, o).get(f),
    "update file": lambda w, o, s, f: w.files_in(s, o).update(f, {"a": 1}),
    "detach": lambda w, o, s, f: w.files_in(s, o).detach(f),
    "content": lambda w, o, s, f: w.files_in(s, o).content(f),
    "create_batch": lambda w, o, s, f: w.files_in(s, o).create_batch({"file_ids": [f]}),
    "batch": lambda w, o, s, f: w.files_in(s, o).batch("vsfb_1"),
    "cancel_batch": lambda w, o, s, f: w.files_in(s, o).cancel_batch("vsfb_1"),
    "check": lambda w, o, s, f: w.vector_stores.check(o, [s], "tool_resources"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_vector_store_of_another_owner_is_reported_as_unknown(world: World, verb: str) -> None:
    file_id = world.upload()
    theirs = world.vector_store(file_id)
    mine = world.upload(owner=BOB)
    before = world.left()
    errors = []
    for id in (theirs, "vs_unknown"):
        with pytest.raises(NotFound) as caught:
            VERBS[verb](world, BOB, id, mine if verb in ("attach", "create_batch") else file_id)
        errors.append((caught.value.message.replace(id, "X"), caught.value.param))
    assert errors[0] == errors[1]
    assert errors[0][0] == "No vector store found with id 'X'."
    assert world.left() == before


@pytest.mark.parametrize("verb", ["attach", "create_batch", "get file", "update file", "detach", "content"])
def test_a_file_of_another_owner_is_reported_as_unknown(world: World, verb: str) -> None:
    theirs = world.upload()
    mine = world.vector_store(owner=BOB)
    before = world.left()
    errors = []
    for id in (theirs, "file-unknown"):
        with pytest.raises(NotFound) as caught:
            VERBS[verb](world, BOB, mine, id)
        errors.append(caught.value.message.replace(id, "X"))
    assert errors[0] == errors[1]
    assert errors[0].startswith("No file found with id 'X'")
    assert world.left() == before


def test_a_vector_store_is_not_created_with_a_file_of_another_owner(world: World) -> None:
    theirs = world.upload()
    with pytest.raises(NotFound) as caught:
        world.vector_store(theirs, owner=BOB)
    assert caught.value.param == "file_ids"
    assert world.left(BOB)["vector_store"] == []


def test_a_batch_of_another_vector_store_is_unknown(world: World) -> None:
    one, two = world.vector_store(), world.vector_store()
    batch = world.files_in(one).create_batch({"file_ids": [world.upload()]})
    for id in (batch["id"], "vsfb_unknown"):
        with pytest.raises(NotFound, match=f"No file batch found with id '{id}'"):
            world.files_in(two).batch(id)


def test_shared_vector_stores_can_be_named_but_not_read_or_changed(world: World) -> None:
    world.vector_stores.check(BOB, [SHARED], "tool_resources")
    for verb in ("get", "search", "update", "delete", "page of files"):
        with pytest.raises(NotFound):
            VERBS[verb](world, BOB, SHARED, "file-1")


# -- files in them ------------------------------------------------------------------------------------------


def test_attach_returns_the_file_with_its_attributes(world: World) -> None:
    file_id, id = world.upload(), world.vector_store()
    body = world.files_in(id).attach({"file_id": file_id, "attributes": {"year": 2026}})
    assert (body["id"], body["vector_store_id"], body["attributes"]) == (file_id, id, {"year": 2026})
    assert world.files_in(id).get(file_id)["status"] == "completed"
    changed = world.files_in(id).update(file_id, {"year": 2027})
    assert changed["attributes"] == {"year": 2027}
    assert world.files_in(id).get(file_id)["attributes"] == {"year": 2027}
    assert world.files_in(id).content(file_id) == [{"type": "text", "text": "The sky is blue."}]


def test_a_file_attached_twice_is_there_once(world: World) -> None:
    file_id = world.upload()
    id = world.vector_store(file_id)
    world.files_in(id).attach({"file_id": file_id, "attributes": {"a": "b"}})
    (body,) = world.files_in(id).page()[0]
    assert body["attributes"] == {"a": "b"}
    assert world.vector_stores.get(ANN, id)["file_counts"]["total"] == 1


def test_a_file_that_cannot_be_searched_is_rejected_before_anything_is_created(world: World) -> None:
    file_id, id = world.upload("program.exe"), world.vector_store()
    before = world.left()
    calls: tuple[Callable[[], object], ...] = (
        lambda: world.files_in(id).attach({"file_id": file_id}),
        lambda: world.files_in(id).create_batch({"file_ids": [file_id]}),
        lambda: world.vector_stores.create(ANN, {"file_ids": [file_id]}),
    )
    for call in calls:
        with pytest.raises(RequestError, match=r"'program.exe' cannot be searched; files must end in one of: \.c, "):
            call()
    assert world.left() == before


def test_detach_leaves_the_file(world: World) -> None:
    file_id = world.upload()
    id = world.vector_store(file_id)
    world.files_in(id).detach(file_id)
    assert world.files.get(ANN, file_id)["id"] == file_id
    assert world.vector_stores.get(ANN, id)["file_counts"]["total"] == 0
    with pytest.raises(NotFound):
        world.files_in(id).get(file_id)
    assert world.vector_stores.search(ANN, id, {"query": "sky"}) == []


def test_pages_of_files_by_status_and_batch(world: World) -> None:
    id = world.vector_store()
    files = [world.upload(f"{number}.txt") for number in range(6)]
    world.files_in(id).attach({"file_id": files[0]})
    batch = world.files_in(id).create_batch({"file_ids": files[1:]})

    def page(**query: Any) -> tuple[list[str], bool]:
        bodies, more = world.files_in(id).page(**query)
        return [body["id"] for body in bodies], more

    assert page(order="asc", limit=3) == (files[:3], True)
    assert page(order="asc", limit=3, after=files[2]) == (files[3:], False)
    assert page(order="asc", batch_id=batch["id"], limit=2) == (files[1:3], True)
    assert page(order="asc", batch_id=batch["id"], after=files[3]) == (files[4:], False)
    assert page(order="asc", batch_id=batch["id"], before=files[3], limit=1) == ([files[2]], True)
    assert page(order="asc", batch_id=batch["id"], after=files[1], before=files[4]) == (files[2:4], False)
    assert page(batch_id=batch["id"], before=files[3], limit=2) == ([files[5], files[4]], False)
    assert page(status="completed", limit=2) == ([files[5], files[4]], True)
    assert page(status="failed") == ([], False)
    for cursor in ("after", "before"):
        with pytest.raises(NotFound) as caught:
            page(**{cursor: "file-unknown"})
        assert caught.value.param == cursor
    with pytest.raises(NotFound, match="No file batch"):
        page(batch_id="vsfb_unknown")


def test_a_batch_with_options_of_its_own(world: World) -> None:
    one, two, id = world.upload("1.txt"), world.upload("2.txt"), world.vector_store()
    files = [{"file_id": one, "attributes": {"n": 1}}, {"file_id": two}]
    batch = world.files_in(id).create_batch({"files": files})
    assert valid("VectorStoreFileBatchObject", batch)
    assert batch["file_counts"]["total"] == 2
    assert world.files_in(id).batch(batch["id"])["status"] == "completed"
    assert world.files_in(id).get(one)["attributes"] == {"n": 1}
    assert world.files_in(id).get(two)["attributes"] == {}


def test_a_cancelled_batch(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = None
    id = world.vector_store()
    batch = world.files_in(id).create_batch({"file_ids": [world.upload("1.txt"), world.upload("2.txt")]})
    assert world.files_in(id).batch(batch["id"])["status"] == "in_progress"
    assert world.files_in(id).cancel_batch(batch["id"])["status"] == "cancelled"
    assert [file["status"] for file in world.files_in(id).page()[0]] == ["cancelled"] * 2
    calls = world.upstream.calls
    assert world.files_in(id).batch(batch["id"])["file_counts"]["cancelled"] == 2
    assert world.upstream.calls == calls


# -- few requests --------------------------------------------------------------------------------------------


def test_reads_send_no_request_once_indexing_has_ended(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = 2
    file_id = world.upload()
    id = world.vector_store(file_id)
    statuses = [world.files_in(id).get(file_id)["status"]]
    while statuses[-1] != "completed":
        world.clock.move(1.1)
        statuses.append(world.files_in(id).get(file_id)["status"])
    assert statuses[0] == "in_progress"
    calls = world.upstream.calls
    for _ in range(50):
        world.clock.move(10)
        world.files_in(id).get(file_id)
        world.files_in(id).page()
        assert world.vector_stores.get(ANN, id)["status"] == "completed"
        assert not world.resources.indexing(ANN, [id])
        world.vector_stores.page(ANN)
    assert world.upstream.calls == calls


def test_reads_send_at_most_one_request_a_second_during_indexing(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = None
    files = [world.upload(f"{number}.txt") for number in range(3)]
    id = world.vector_store(*files)
    calls = world.upstream.calls
    for _ in range(100):
        world.vector_stores.get(ANN, id)
        world.files_in(id).page()
        world.files_in(id).get(files[0])
        assert world.resources.indexing(ANN, [id])
        world.clock.move(0.1)
    assert world.upstream.calls - calls <= 10
    world.upstream.finish()
    world.clock.move(1)
    body = world.vector_stores.get(ANN, id)
    assert (body["status"], body["file_counts"]["completed"]) == ("completed", 3)
    assert [file["status"] for file in world.files_in(id).page()[0]] == ["completed"] * 3


def test_all_pages_of_unfinished_files_are_read(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = None
    files = [world.upload(f"{number}.txt") for number in range(130)]
    id = world.vector_store(*files)
    assert world.storage.unfinished(ANN, id) == set(files)
    assert [file["status"] for file in world.files_in(id).page(limit=200)[0]] == ["in_progress"] * 130


def test_a_change_during_a_request_is_not_lost(upstream_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = upstream_world
    first, second = world.upload("1.txt"), world.upload("2.txt")
    id = world.vector_store()
    world.files_in(id).attach({"file_id": first})
    read = world.storage.read_vector_store

    def change_meanwhile(owner: str, store_id: str) -> Any:
        body = read(owner, store_id)
        monkeypatch.undo()
        world.upstream.indexing_reads = None
        world.files_in(id).attach({"file_id": second})
        return body

    monkeypatch.setattr(world.storage, "read_vector_store", change_meanwhile)
    world.vector_stores.get(ANN, id)
    assert world.resources.indexing(ANN, [id])
    world.upstream.finish()
    world.clock.move(1)
    assert world.vector_stores.get(ANN, id)["file_counts"]["completed"] == 2
    assert not world.resources.indexing(ANN, [id])


def test_a_failed_file_has_its_error(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.outcomes["bad.txt"] = INDEX_FAILED
    file_id = world.upload("bad.txt")
    id = world.vector_store(file_id)
    body = world.files_in(id).get(file_id)
    assert (body["status"], body["last_error"]) == ("failed", INDEX_FAILED)
    assert world.vector_stores.get(ANN, id)["file_counts"]["failed"] == 1
    calls = world.upstream.calls
    world.clock.move(5)
    world.files_in(id).get(file_id)
    assert world.upstream.calls == calls


@pytest.mark.parametrize(
    "how", [{"status": 500}, {"status": 429}, {"status": 401}, {"how": "nonsense"}, {"how": "cut"}]
)
def test_reads_succeed_if_the_upstream_fails(
    upstream_world: World, how: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    world = upstream_world
    world.upstream.indexing_reads = 1
    file_id = world.upload()
    id = world.vector_store(file_id)
    world.clock.move(1)
    world.upstream.fail(LIST, times=2, **how)
    with caplog.at_level(logging.WARNING):
        assert world.files_in(id).get(file_id)["status"] == "in_progress"
    assert f"vector store {id} not read, last known status used" in caplog.text
    world.clock.move(1)
    for _ in range(3):
        world.files_in(id).get(file_id)
        world.clock.move(1)
    assert world.files_in(id).get(file_id)["status"] == "completed"


def test_a_vector_store_that_the_upstream_has_lost_expires(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = None
    file_id = world.upload()
    id = world.vector_store(file_id)
    world.upstream.vector_stores.clear()
    world.clock.move(1)
    assert world.vector_stores.get(ANN, id)["status"] == "expired"
    assert world.files_in(id).get(file_id)["last_error"]["code"] == "server_error"
    calls = world.upstream.calls
    world.clock.move(5)
    world.files_in(id).get(file_id)
    assert not world.resources.indexing(ANN, [id])
    assert world.upstream.calls == calls
    world.vector_stores.delete(ANN, id)
    assert world.left()["vector_store"] == []


def test_a_file_that_the_upstream_has_lost_fails(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = None
    file_id = world.upload()
    id = world.vector_store(file_id)
    world.upstream.members[id].clear()
    world.clock.move(1)
    assert world.files_in(id).get(file_id)["status"] == "failed"


def test_an_expiry_that_may_have_moved_is_read_again(upstream_world: World) -> None:
    world = upstream_world
    id = world.vector_store(expires_after={"anchor": "last_active_at", "days": 1})
    calls = world.upstream.calls
    expires_at = world.vector_stores.get(ANN, id)["expires_at"]
    assert world.upstream.calls == calls
    world.clock.time = expires_at + 1
    world.upstream.vector_stores[id]["expires_at"] = expires_at + 1000  # it was used
    assert world.vector_stores.get(ANN, id)["status"] == "completed"
    assert world.vector_stores.get(ANN, id)["expires_at"] == expires_at + 1000
    assert world.upstream.calls == calls + 1
    world.clock.time = expires_at + 1001
    world.upstream.vector_stores[id]["status"] = "expired"
    for _ in range(3):
        assert world.vector_stores.get(ANN, id)["status"] == "expired"
        world.clock.move(1)
    assert world.upstream.calls == calls + 2


# -- failures -------------------------------------------------------------------------------------------------

FAILS = [{"status": 500}, {"status": 400, "message": "No."}, {"status": 429}, {"how": "late_cut"}, {"how": "nonsense"}]


@pytest.mark.parametrize("how", FAILS)
@pytest.mark.parametrize("files", [1, 2])
def test_a_vector_store_whose_files_cannot_be_attached_is_not_created(
    upstream_world: World, files: int, how: dict[str, Any]
) -> None:
    world = upstream_world
    ids = [world.upload(f"{number}.txt") for number in range(files)]
    before = world.left()
    world.upstream.fail(f"POST /vector_stores/{{store}}/{'files' if files == 1 else 'file_batches'}", **how)
    with pytest.raises((UpstreamError, RequestError)):
        world.vector_store(*ids)
    assert world.left() == before


@pytest.mark.parametrize("how", FAILS)
def test_an_attach_that_fails_leaves_the_vector_store_as_it_was(upstream_world: World, how: dict[str, Any]) -> None:
    world = upstream_world
    there, new = world.upload("1.txt"), world.upload("2.txt")
    id = world.vector_store(there)
    before = world.left()
    calls: tuple[tuple[str, Callable[[], object]], ...] = (
        ("files", lambda: world.files_in(id).attach({"file_id": new})),
        ("file_batches", lambda: world.files_in(id).create_batch({"file_ids": [there, new]})),
    )
    for route, call in calls:
        world.upstream.fail(f"POST /vector_stores/{{store}}/{route}", **how)
        with pytest.raises((UpstreamError, RequestError)):
            call()
        assert world.left() == before


def test_an_attach_whose_record_fails_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, id = world.upload("1.txt"), world.upload("2.txt"), world.vector_store()
    before = world.left()
    insert = world.store.insert

    def fail(record: Any) -> Any:
        stored = insert(record)
        if record.kind is Kind.VECTOR_STORE_FILE and record.extra["file_id"] == two:
            raise StoreError("down")
        return stored

    monkeypatch.setattr(world.store, "insert", fail)
    calls: tuple[Callable[[], object], ...] = (
        lambda: world.files_in(id).attach({"file_id": two}),
        lambda: world.files_in(id).create_batch({"file_ids": [one, two]}),
        lambda: world.vector_stores.create(ANN, {"file_ids": [one, two]}),
    )
    for call in calls:
        with pytest.raises(StoreError):
            call()
        left = world.left()
        left.pop("passages")  # they go with their file, which stays
        assert left == {key: value for key, value in before.items() if key != "passages"}


def test_a_vector_store_whose_record_fails_is_deleted_at_the_upstream(
    upstream_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(record: Any) -> Any:
        raise StoreError("down")

    monkeypatch.setattr(upstream_world.store, "insert", fail)
    with pytest.raises(StoreError):
        upstream_world.vector_store()
    assert not upstream_world.upstream.vector_stores


@pytest.mark.parametrize("deleted", ["file", "vector store"])
def test_a_delete_during_an_attach_wins(world: World, deleted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id, id = world.upload(), world.vector_store()
    attach = world.storage.attach

    def meanwhile(*args: Any) -> Any:
        body = attach(*args)
        if deleted == "file":
            world.files.delete(ANN, file_id)
        else:
            world.vector_stores.delete(ANN, id)
        return body

    monkeypatch.setattr(world.storage, "attach", meanwhile)
    with pytest.raises(NotFound):
        world.files_in(id).attach({"file_id": file_id})
    assert world.store.list(Kind.VECTOR_STORE_FILE, ANN, parent=id).records == []
    assert not world.passages() or deleted == "vector store"


def test_a_vector_store_that_is_being_deleted_accepts_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id, id = world.upload(), world.vector_store()
    errors: list[str] = []

    def meanwhile(*_: Any) -> None:
        with pytest.raises(NotFound) as caught:
            world.files_in(id).attach({"file_id": file_id})
        errors.append(caught.value.message)

    monkeypatch.setattr(world.storage, "delete_vector_store", meanwhile)
    world.vector_stores.delete(ANN, id)
    assert errors == [f"No vector store found with id '{id}'."]
    assert world.store.list(Kind.VECTOR_STORE_FILE, ANN, parent=id).records == []


def test_a_delete_that_failed_can_be_repeated(upstream_world: World) -> None:
    world = upstream_world
    id = world.vector_store(world.upload())
    world.upstream.fail("DELETE /vector_stores/{store}", status=500)
    with pytest.raises(UpstreamError):
        world.vector_stores.delete(ANN, id)
    world.vector_stores.delete(ANN, id)
    assert world.left()["vector_store"] == []


def test_search_results_match_the_specification(world: World) -> None:
    file_id = world.upload()
    id = world.vector_store(file_id)
    for query in ("sky", ["sky"]):
        (result,) = world.vector_stores.search(ANN, id, {"query": query, "max_num_results": 3, "filters": None})
        assert (result["file_id"], result["filename"]) == (file_id, "facts.txt")
        assert result["content"] == [{"type": "text", "text": "The sky is blue."}]
        assert valid("VectorStoreSearchResultItem", result)
