"""The files that threads and runs use: an owner's own vector store, tool resources, attachments."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from flask_assistant_stream.errors import NotFound, RequestError, StoreError, UpstreamError
from flask_assistant_stream.stores.base import Kind, Record
from tests.fake_upstream import FakeUpstream
from tests.files.worlds import ANN, BOB, SHARED, World, an_upload, at

ATTACH = "POST /vector_stores/{store}/files"


def attachment(file_id: str, *tools: str) -> dict[str, Any]:
    return {"file_id": file_id, "tools": [{"type": tool} for tool in tools or ("file_search",)]}


def fail_second_attach(world: World) -> None:
    attach, calls = world.storage.attach, itertools.count(1)

    def second_fails(*args: Any) -> Any:
        if next(calls) == 2:
            raise UpstreamError("down")
        return attach(*args)

    world.storage.attach = second_fails


# -- the owner's own vector store -----------------------------------------------------------------------------


def test_each_owner_uploads_into_a_vector_store_of_its_own(world: World) -> None:
    assert world.resources.own_files(ANN) == []
    assert world.resources.own_store(ANN) is None
    first, second = world.own("first.txt"), world.own("second.md")
    assert world.resources.own_files(ANN) == [
        {"file_id": second, "filename": "second.md", "status": "completed"},
        {"file_id": first, "filename": "first.txt", "status": "completed"},
    ]
    own = world.resources.own_store(ANN)
    assert own is not None
    assert world.left()["vector_store"] == [own]
    assert world.resources.own_files(BOB) == []
    assert world.resources.own_store(BOB) is None
    world.own(owner=BOB)
    assert world.resources.own_store(BOB) not in (own, None)
    assert [len(world.resources.own_files(owner)) for owner in (ANN, BOB)] == [2, 1]


def test_polling_sends_no_request_once_a_file_is_indexed(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = 3
    world.own()
    statuses = []
    while world.statuses() != ["completed"]:
        statuses.append(world.statuses())
        world.clock.move(1)
    assert statuses[0] == ["in_progress"]
    assert len(statuses) <= 4
    calls = world.upstream.calls
    for _ in range(60):
        world.clock.move(1)
        assert world.statuses() == ["completed"]
    assert world.upstream.calls == calls


def test_polling_sends_at_most_one_request_a_second_during_indexing(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = None
    for number in range(5):
        world.own(f"{number}.txt")
    world.statuses()
    calls = world.upstream.calls
    for _ in range(100):
        assert world.statuses() == ["in_progress"] * 5
        world.clock.move(0.1)
    assert world.upstream.calls - calls <= 10


def test_an_upload_sends_two_requests(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = None
    world.own("first.txt")
    calls = world.upstream.calls
    for number in range(3):
        world.own(f"{number}.txt")
    own = [world.resources.own_store(ANN) or ""]
    assert world.resources.searchable(ANN, own) == own
    assert world.upstream.calls - calls == 6


def test_own_files_are_not_paged(world: World) -> None:
    ids = [world.upload(f"{number}.txt") for number in range(120)]
    world.own("last.txt")
    own = world.resources.own_store(ANN)
    assert own is not None
    world.files_in(own).create_batch({"file_ids": ids})
    assert len(world.resources.own_files(ANN)) == 121


def test_a_file_that_cannot_be_searched_is_rejected_before_it_is_stored(world: World) -> None:
    for name in ("picture.png", "noending", "archive.tar.gz"):
        with pytest.raises(RequestError, match=r"files must end in one of: .*\.md, .*\.txt") as caught:
            world.own(name)
        assert caught.value.param == "file"
    assert not any(world.left().values())
    assert not world.blobs()


@pytest.mark.parametrize("route", ["POST /files", "POST /vector_stores", ATTACH])
@pytest.mark.parametrize("how", [{"status": 500}, {"status": 429}, {"status": 400}, {"how": "nonsense"}])
def test_an_upload_that_fails_at_any_step_leaves_nothing(
    upstream_world: World, route: str, how: dict[str, Any]
) -> None:
    world = upstream_world
    if route == ATTACH:
        world.own("earlier.txt")
    before = world.left()
    world.upstream.fail(route, **how)
    with pytest.raises((UpstreamError, RequestError)):
        world.own()
    if route == "POST /vector_stores" and how.get("how") == "nonsense":
        assert len(world.upstream.vector_stores) == 0  # the fake created none
    assert world.left() == before


def test_the_first_upload_that_cannot_be_attached_leaves_an_empty_own_store(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.fail(ATTACH, status=500)
    with pytest.raises(UpstreamError):
        world.own()
    assert not world.upstream.files
    assert world.resources.own_files(ANN) == []
    world.own()
    assert len(world.upstream.vector_stores) == 1


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.VECTOR_STORE, Kind.OWNER, Kind.VECTOR_STORE_FILE])
def test_an_upload_whose_records_fail_leaves_no_file(world: World, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = world.store.insert

    def fail(record: Record) -> Record:
        if record.kind is kind:
            raise StoreError("down")
        stored: Record = insert(record)
        return stored

    monkeypatch.setattr(world.store, "insert", fail)
    with pytest.raises(StoreError):
        world.own()
    left = world.left()
    assert left["file"] == []
    assert not world.blobs()
    if world.fake is not None:
        assert not world.fake.files
        assert not any(world.fake.members.values())
        assert len(world.fake.vector_stores) == (kind is Kind.VECTOR_STORE_FILE)


def test_two_first_uploads_at_once_create_one_vector_store(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    create, both = world.storage.create_vector_store, threading.Barrier(2, timeout=10)

    def meet(*args: Any) -> Any:
        body = create(*args)
        both.wait()
        return body

    monkeypatch.setattr(world.storage, "create_vector_store", meet)
    failures: list[BaseException] = []

    def upload(name: str) -> None:
        try:
            world.own(name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=upload, args=(f"{number}.txt",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
    assert world.left()["vector_store"] == [world.resources.own_store(ANN)]
    assert sorted(file["filename"] for file in world.resources.own_files(ANN)) == ["0.txt", "1.txt"]
    if world.fake is not None:
        assert len(world.fake.vector_stores) == 1


def test_a_deleted_own_store_is_replaced(world: World) -> None:
    world.own("old.txt")
    own = world.resources.own_store(ANN)
    assert own is not None
    world.vector_stores.delete(ANN, own)
    assert world.resources.own_store(ANN) is None
    assert world.resources.own_files(ANN) == []
    world.own("new.txt")
    assert [file["filename"] for file in world.resources.own_files(ANN)] == ["new.txt"]


def test_an_own_store_that_the_upstream_has_lost_is_replaced(upstream_world: World) -> None:
    world = upstream_world
    old = [world.own(f"{number}.txt") for number in range(3)]
    world.upstream.vector_stores.clear()
    world.upstream.members.clear()
    new = world.own("new.txt")
    assert {file["file_id"]: file["status"] for file in world.resources.own_files(ANN)} == dict.fromkeys(
        (*old, new), "completed"
    )
    assert list(world.upstream.vector_stores) == [world.resources.own_store(ANN)]
    assert world.left()["vector_store"] == [world.resources.own_store(ANN)]


def test_files_that_the_upstream_has_lost_do_not_stop_an_upload(
    upstream_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world = upstream_world
    world.own("old.txt")
    for lost in (world.upstream.vector_stores, world.upstream.members, world.upstream.files):
        lost.clear()
    with caplog.at_level(logging.WARNING):
        new = world.own("new.txt")
    assert "not moved to" in caplog.text
    assert [file["file_id"] for file in world.resources.own_files(ANN)] == [new]


def test_files_of_another_storage_are_not_searched_and_can_be_deleted(
    local_world: World, upstream: FakeUpstream
) -> None:
    old = local_world.own("offline.txt")
    world = World(local_world.store, at(upstream), upstream.files)
    ids = [local_world.resources.own_store(ANN) or ""]
    assert local_world.resources.searchable(ANN, ids) == ids
    assert world.resources.searchable(ANN, ids) == []
    assert world.resources.own_store(ANN) is None
    new = world.own("online.txt")
    assert [file["file_id"] for file in world.resources.own_files(ANN)] == [new]
    assert world.files.get(ANN, old)["filename"] == "offline.txt"
    world.files.delete(ANN, old)
    assert not world.passages()
    world.storage.close()


def test_searchable_vector_stores(world: World) -> None:
    mine, theirs = world.vector_store(), world.vector_store(owner=BOB)
    brief = world.vector_store(expires_after={"anchor": "last_active_at", "days": 1})
    ids = [SHARED, mine, theirs, brief, "vs_unknown", mine]
    assert world.resources.searchable(ANN, ids) == [SHARED, mine, brief]
    world.clock.time = world.vector_stores.get(ANN, brief)["expires_at"] + 1
    if world.fake is not None:
        world.fake.vector_stores[brief]["status"] = "expired"
    assert world.resources.searchable(ANN, ids) == [SHARED, mine]


def test_deleting_an_own_file_leaves_the_others(world: World) -> None:
    first, second = world.own("1.txt", "the first"), world.own("2.txt", "the second")
    world.files.delete(ANN, first)
    assert [file["file_id"] for file in world.resources.own_files(ANN)] == [second]


# -- tool resources ---------------------------------------------------------------------------------------


def test_valid_tool_resources(world: World) -> None:
    file_id, store_id = world.upload(), world.vector_store()
    named = {
        "code_interpreter": {"file_ids": [file_id]},
        "file_search": {"vector_store_ids": [store_id, SHARED]},
    }
    world.resources.check(ANN, named, "tool_resources")
    assert world.resources.prepare(ANN, named) == named
    empty: list[Any] = [None, {}, {"code_interpreter": None, "file_search": None}, {"file_search": {}}]
    for nothing in empty:
        world.resources.check(ANN, nothing, "tool_resources")
        assert world.resources.prepare(ANN, nothing) == {}


Name = Callable[[str, str], dict[str, Any]]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        (lambda f, s: {"code_interpreter": {"file_ids": [f]}}, "code_interpreter.file_ids"),
        (lambda f, s: {"file_search": {"vector_store_ids": [s]}}, "file_search.vector_store_ids"),
        (lambda f, s: {"file_search": {"vector_stores": [{"file_ids": [f]}]}}, "file_search.vector_stores"),
    ],
)
def test_resources_of_another_owner_are_unknown(world: World, name: Name, field: str) -> None:
    file_id, store_id = world.upload(), world.vector_store()
    messages = []
    for named in (name(file_id, store_id), name("file-unknown", "vs_unknown")):
        for call in (world.resources.check, world.resources.prepare):
            with pytest.raises(NotFound) as caught:
                call(BOB, named, param="tool_resources")
            messages.append(caught.value.message.replace(file_id, "X").replace(store_id, "X"))
            assert caught.value.param == f"tool_resources.{field}"
    assert {text.replace("file-unknown", "X").replace("vs_unknown", "X") for text in messages} == {messages[0]}
    assert world.left(BOB)["vector_store"] == []


def test_described_vector_stores_are_created(world: World) -> None:
    file_id = world.upload()
    named = {"file_search": {"vector_stores": [{"file_ids": [file_id], "metadata": {"a": "b"}}]}}
    prepared = world.resources.prepare(ANN, named)
    (id,) = prepared["file_search"]["vector_store_ids"]
    body = world.vector_stores.get(ANN, id)
    assert (body["metadata"], body["file_counts"]["total"], body["expires_after"]) == ({"a": "b"}, 1, None)
    for_thread = world.resources.prepare(ANN, named, for_thread=True)
    (id,) = for_thread["file_search"]["vector_store_ids"]
    assert world.vector_stores.get(ANN, id)["expires_after"] == {"anchor": "last_active_at", "days": 7}


def test_created_vector_stores_are_deleted_if_a_later_one_fails(upstream_world: World) -> None:
    world = upstream_world
    named = {"file_search": {"vector_stores": [{"file_ids": [world.upload()]}, {"file_ids": [world.upload()]}]}}
    before = world.left()
    fail_second_attach(world)
    with pytest.raises(UpstreamError):
        world.resources.prepare(ANN, named)
    assert world.left() == before


# -- attachments ------------------------------------------------------------------------------------------


def test_attachments_for_search_go_into_the_threads_vector_store(world: World) -> None:
    one, two = world.upload("1.txt"), world.upload("2.txt")
    resources = world.resources.attach_messages(ANN, {}, [attachment(one)])
    assert resources is not None
    (id,) = resources["file_search"]["vector_store_ids"]
    body = world.vector_stores.get(ANN, id)
    assert body["expires_after"] == {"anchor": "last_active_at", "days": 7}
    assert world.resources.attach_messages(ANN, resources, [attachment(one), attachment(two)]) is None
    assert [file["id"] for file in world.files_in(id).page(order="asc")[0]] == [one, two]


def test_a_thread_with_a_shared_vector_store_gets_a_second_one(world: World) -> None:
    resources = {"file_search": {"vector_store_ids": [SHARED]}}
    changed = world.resources.attach_messages(ANN, resources, [attachment(world.upload())])
    assert changed is not None
    assert changed["file_search"]["vector_store_ids"][0] == SHARED
    assert len(changed["file_search"]["vector_store_ids"]) == 2


def test_attachments_for_code_go_into_the_file_ids(world: World) -> None:
    one, two = world.upload("1.csv"), world.upload("2.bin")
    resources = {"code_interpreter": {"file_ids": [one]}, "other": {"kept": 1}}
    changed = world.resources.attach_messages(ANN, resources, [attachment(two, "code_interpreter")])
    assert changed == {"code_interpreter": {"file_ids": [one, two]}, "other": {"kept": 1}}
    assert world.resources.attach_messages(ANN, changed, [attachment(one, "code_interpreter")]) is None
    assert world.left()["vector_store"] == []


def test_an_attachment_for_both_and_for_none(world: World) -> None:
    file_id = world.upload()
    changed = world.resources.attach_messages(ANN, None, [attachment(file_id, "code_interpreter", "file_search")])
    assert changed is not None
    assert changed["code_interpreter"] == {"file_ids": [file_id]}
    assert len(changed["file_search"]["vector_store_ids"]) == 1
    assert world.resources.attach_messages(ANN, {}, [{"file_id": file_id, "tools": []}]) is None
    assert world.resources.attach_messages(ANN, {}, []) is None


def test_another_owners_file_cannot_be_attached(world: World) -> None:
    theirs, mine = world.upload(), world.upload(owner=BOB)
    before = world.left(BOB)
    for tool in ("file_search", "code_interpreter"):
        for id in (theirs, "file-unknown"):
            with pytest.raises(NotFound, match=f"No file found with id '{id}'") as caught:
                world.resources.attach_messages(BOB, {}, [attachment(mine, tool), attachment(id, tool)])
            assert caught.value.param == "attachments"
    assert world.left(BOB) == before


def test_invalid_attachments_are_rejected(world: World) -> None:
    program = world.upload("program.exe")
    before = world.left()
    with pytest.raises(RequestError, match="cannot be searched"):
        world.resources.attach_messages(ANN, {}, [attachment(program)])
    many = [attachment(world.upload(f"{n}.csv"), "code_interpreter") for n in range(21)]
    with pytest.raises(RequestError, match="20 files"):
        world.resources.attach_messages(ANN, {}, many)
    assert world.left()["vector_store"] == before["vector_store"]


def test_attachments_are_undone_together(upstream_world: World) -> None:
    world = upstream_world
    first = world.upload("0.txt")
    resources = world.resources.attach_messages(ANN, {}, [attachment(first)])
    new = [attachment(world.upload(f"{number}.txt")) for number in (1, 2)]
    before = world.left()
    fail_second_attach(world)
    with pytest.raises(UpstreamError):
        world.resources.attach_messages(ANN, resources, new)
    assert world.left() == before
    world.upstream.fail("POST /vector_stores/{store}/file_batches", status=500)
    with pytest.raises(UpstreamError):
        world.resources.attach_messages(ANN, {}, new)
    assert world.left() == before


def test_an_expired_store_of_a_thread_is_replaced(world: World) -> None:
    resources = world.resources.attach_messages(ANN, {}, [attachment(world.upload("1.txt"))])
    assert resources is not None
    (old,) = resources["file_search"]["vector_store_ids"]
    world.clock.time = world.vector_stores.get(ANN, old)["expires_at"] + 1
    if world.fake is not None:
        world.fake.vector_stores[old]["status"] = "expired"
    changed = world.resources.attach_messages(ANN, resources, [attachment(world.upload("2.txt"))])
    assert changed is not None
    (new,) = changed["file_search"]["vector_store_ids"]
    assert new != old
    assert world.left()["vector_store"] == [new]


def test_a_store_of_a_thread_that_the_upstream_has_lost_is_replaced(upstream_world: World) -> None:
    world = upstream_world
    resources = world.resources.attach_messages(ANN, {}, [attachment(world.upload("1.txt"))])
    assert resources is not None
    resources["file_search"]["vector_store_ids"] += ["vs_gone", SHARED]
    world.upstream.vector_stores.clear()
    world.upstream.members.clear()
    changed = world.resources.attach_messages(ANN, resources, [attachment(world.upload("2.txt"))])
    assert changed is not None
    shared, new = changed["file_search"]["vector_store_ids"]
    assert (shared, world.left()["vector_store"]) == (SHARED, [new])


def test_the_vector_stores_of_a_deleted_thread_are_deleted(world: World) -> None:
    kept = world.vector_store()
    resources = world.resources.attach_messages(ANN, {}, [attachment(world.upload())])
    assert resources is not None
    resources["file_search"]["vector_store_ids"] += [kept, SHARED, "vs_unknown"]
    world.resources.thread_deleted(BOB, resources)
    assert len(world.left()["vector_store"]) == 2
    world.resources.thread_deleted(ANN, resources)
    assert world.left()["vector_store"] == [kept]
    world.resources.thread_deleted(ANN, resources)
    world.resources.thread_deleted(ANN, None)


def test_a_thread_is_deleted_even_if_the_upstream_fails(
    upstream_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world = upstream_world
    resources = world.resources.attach_messages(ANN, {}, [attachment(world.upload())])
    world.upstream.fail("DELETE /vector_stores/{store}", status=500)
    with caplog.at_level(logging.WARNING):
        world.resources.thread_deleted(ANN, resources)
    assert "unused vector store" in caplog.text


def test_attachments_are_reported_as_indexing(upstream_world: World) -> None:
    world = upstream_world
    world.upstream.indexing_reads = None
    resources = world.resources.attach_messages(ANN, {}, [attachment(world.upload())])
    assert resources is not None
    ids = resources["file_search"]["vector_store_ids"]
    assert world.resources.indexing(ANN, [SHARED, *ids])
    assert not world.resources.indexing(BOB, ids)
    world.upstream.finish()
    assert world.resources.indexing(ANN, ids)
    world.clock.move(1)
    assert not world.resources.indexing(ANN, ids)
    assert not world.resources.indexing(ANN, [SHARED, "vs_unknown"])


def test_uploads_of_other_purposes_are_not_own_files(world: World) -> None:
    world.files.create(ANN, an_upload("a.png", b"png", "vision"))
    assert world.resources.own_files(ANN) == []


def test_an_upload_reads_the_records_that_guard_a_race_and_no_others(
    local_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_world.own("first.txt")
    reads: Counter[Kind] = Counter()

    def counted(read: Callable[..., Any]) -> Callable[..., Any]:
        def reading(kind: Kind, *args: Any, **options: Any) -> Any:
            reads[kind] += 1
            return read(kind, *args, **options)

        return reading

    for name in ("find", "get_many"):
        monkeypatch.setattr(local_world.store, name, counted(getattr(local_world.store, name)))
    local_world.own("second.txt")
    # The own vector store's id; the vector store, here and in the storage; the file in the storage, and again once it
    # is attached, as it may have been deleted; whether the file was attached before.
    assert reads == {Kind.OWNER: 1, Kind.VECTOR_STORE: 2, Kind.FILE: 2, Kind.VECTOR_STORE_FILE: 1}
