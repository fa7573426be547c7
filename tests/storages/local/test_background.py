"""Files that are read in the background: what clients see meanwhile, and what is left of those that they delete."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from flask_assistant_stream.errors import NotFound, RequestError
from flask_assistant_stream.extraction.extractor import TextExtractor
from flask_assistant_stream.extraction.processes import ProcessEnded, TextPieces
from flask_assistant_stream.storages.local.pending import MAX_CLAIMS
from flask_assistant_stream.storages.local.storage import LocalStorage
from flask_assistant_stream.stores.base import Kind
from tests.files.worlds import ANN, BOB, World, an_upload
from tests.waiting import soon


class GatedExtractor(TextExtractor):
    """Reads a file as UTF-8, when the test lets it.

    Attributes:
        begun: the names of the files in the order in which they were begun.
        note: of every text.
        ends: how many more readings end their process.
    """

    def __init__(self) -> None:
        super().__init__(processes=1)
        self.gate = threading.Event()
        self.begun: list[str] = []
        self.note = ""
        self.ends = 0

    def passages(self, owner: str, filename: str, content: Iterable[bytes]) -> TextPieces:
        self.begun.append(filename)
        data = b"".join(content)
        assert self.gate.wait(30)
        if self.ends:
            self.ends -= 1
            raise ProcessEnded("signal 11")
        if filename.startswith("bad"):
            raise RequestError("It is damaged.", code="invalid_file")
        return TextPieces([data.decode()], self.note)

    def stop(self) -> None:
        self.gate.set()


@pytest.fixture
def extractor() -> GatedExtractor:
    return GatedExtractor()


@pytest.fixture(params=["local", "mongodb"])
def world(request: pytest.FixtureRequest, extractor: GatedExtractor) -> Iterator[World]:
    store = request.getfixturevalue(f"{request.param}_world").store
    world = World(store, lambda store, clock: LocalStorage(store, now=clock, extractor=extractor))
    yield world
    world.storage.stop()


def read(world: World, extractor: GatedExtractor) -> None:
    """Let all waiting files be read."""
    extractor.gate.set()
    soon(lambda: waiting(world) == [])


def waiting(world: World) -> list[str]:
    return [record.id for record in world.store.list(Kind.EXTRACTION, "", limit=100).records]


def file(world: World, file_id: str) -> dict[str, Any]:
    body: dict[str, Any] = world.files.get(ANN, file_id)
    return body


def test_an_upload_answers_before_the_file_is_read(world: World, extractor: GatedExtractor) -> None:
    good, bad = world.upload(), world.upload("bad.txt")
    assert [file(world, id)["status"] for id in (good, bad)] == ["uploaded"] * 2
    read(world, extractor)
    assert (file(world, good)["status"], file(world, good)["status_details"]) == ("processed", None)
    assert (file(world, bad)["status"], file(world, bad)["status_details"]) == ("error", "It is damaged.")
    assert world.passages() == [good]


def test_a_file_that_is_not_searched_is_processed_at_once(world: World, extractor: GatedExtractor) -> None:
    assert file(world, world.upload("a.png"))["status"] == "processed"
    other = world.files.create(ANN, an_upload(purpose="user_data")).id
    assert file(world, other)["status"] == "processed"
    assert (extractor.begun, waiting(world)) == ([], [])
    vector_store = world.vector_store(other)
    assert world.files_in(vector_store).get(other)["status"] == "in_progress"
    read(world, extractor)
    assert world.files_in(vector_store).get(other)["status"] == "completed"


def test_a_vector_store_follows_its_files(world: World, extractor: GatedExtractor) -> None:
    good, bad = world.upload(), world.upload("bad.txt")
    id = world.vector_store(good, bad)
    before = world.vector_stores.get(ANN, id)
    assert (before["status"], before["file_counts"]["in_progress"]) == ("in_progress", 2)
    assert world.vector_stores.search(ANN, id, {"query": "sky"}) == []
    read(world, extractor)
    after = world.vector_stores.get(ANN, id)
    counts = {"in_progress": 0, "completed": 1, "failed": 1, "cancelled": 0, "total": 2}
    assert (after["status"], after["file_counts"]) == ("completed", counts)
    member = world.files_in(id).get(bad)
    assert (member["status"], member["last_error"]) == ("failed", {"code": "invalid_file", "message": "It is damaged."})
    assert [hit["file_id"] for hit in world.vector_stores.search(ANN, id, {"query": "sky"})] == [good]
    again = world.vector_store(good)
    assert world.files_in(again).get(good)["status"] == "completed"
    assert extractor.begun == ["facts.txt", "bad.txt"]


def test_a_batch_follows_its_files(world: World, extractor: GatedExtractor) -> None:
    files, id = [world.upload(f"{n}.txt") for n in range(3)], world.vector_store()
    batch = world.files_in(id).create_batch({"file_ids": files})
    assert (batch["status"], batch["file_counts"]["in_progress"]) == ("in_progress", 3)
    assert world.files_in(id).batch(batch["id"])["status"] == "in_progress"
    read(world, extractor)
    done = world.files_in(id).batch(batch["id"])
    assert (done["status"], done["file_counts"]["completed"]) == ("completed", 3)
    assert world.files_in(id).cancel_batch(batch["id"]) == done


def test_a_cancelled_batch_has_no_unfinished_files(world: World, extractor: GatedExtractor) -> None:
    early, late, id = world.upload("early.txt"), world.upload("late.txt"), world.vector_store()
    read(world, extractor)
    extractor.gate.clear()
    slow = world.upload("slow.txt")
    batch = world.files_in(id).create_batch({"file_ids": [early, slow]})
    cancelled = world.files_in(id).cancel_batch(batch["id"])
    counts = {"in_progress": 0, "completed": 1, "failed": 0, "cancelled": 1, "total": 2}
    assert (cancelled["status"], cancelled["file_counts"]) == ("cancelled", counts)
    read(world, extractor)
    assert world.files_in(id).batch(batch["id"]) == cancelled
    assert world.files_in(id).get(slow)["status"] == "cancelled"
    assert file(world, slow)["status"] == "processed"
    found = world.vector_stores.search(ANN, id, {"query": "sky"})
    assert [hit["file_id"] for hit in found] == [early]
    assert late in [file["id"] for file in world.files.page(ANN, purpose=None, limit=9, order="asc", after=None)[0]]


@pytest.mark.parametrize("begun", [False, True])
def test_a_file_that_is_deleted_before_it_is_read_leaves_nothing(
    world: World, extractor: GatedExtractor, begun: bool
) -> None:
    empty = world.left()
    first = world.upload("first.txt")
    soon(lambda: extractor.begun)
    deleted = first if begun else world.upload("second.txt")
    world.files.delete(ANN, deleted)
    read(world, extractor)
    soon(lambda: begun or file(world, first)["status"] == "processed")
    soon(lambda: world.passages() == ([] if begun else [first]))
    if not begun:
        assert extractor.begun == ["first.txt"]
        world.files.delete(ANN, first)
    soon(lambda: world.left() == empty)
    assert waiting(world) == []


def test_a_vector_store_that_is_deleted_while_a_file_waits_leaves_the_file(
    world: World, extractor: GatedExtractor
) -> None:
    file_id = world.upload()
    id = world.vector_store(file_id)
    world.vector_stores.delete(ANN, id)
    read(world, extractor)
    assert file(world, file_id)["status"] == "processed"
    with pytest.raises(NotFound):
        world.vector_stores.get(ANN, id)


def test_a_file_that_ends_its_process_again_and_again_fails(world: World, extractor: GatedExtractor) -> None:
    extractor.ends = MAX_CLAIMS
    file_id = world.upload()
    read(world, extractor)
    assert file(world, file_id)["status"] == "error"
    assert f"has ended the process that read it {MAX_CLAIMS} times" in file(world, file_id)["status_details"]
    extractor.ends = MAX_CLAIMS - 1
    other = world.upload()
    soon(lambda: file(world, other)["status"] == "processed")


def test_one_owner_does_not_wait_for_all_files_of_another(world: World, extractor: GatedExtractor) -> None:
    for number in range(20):
        world.upload(f"{number}.txt")
    world.upload("hers.txt", owner=BOB)
    read(world, extractor)
    assert extractor.begun.index("hers.txt") <= 2


def test_a_note_comes_with_the_passages_and_with_the_file(world: World, extractor: GatedExtractor) -> None:
    extractor.note = "Page 3 could not be read."
    file_id = world.upload()
    id = world.vector_store(file_id)
    read(world, extractor)
    assert file(world, file_id)["status"] == "processed"
    assert file(world, file_id)["status_details"] == extractor.note
    (hit,) = world.storage.find(ANN, [id], "sky", 5)
    assert hit["note"] == extractor.note


def test_an_upload_that_failed_leaves_nothing_to_read(
    world: World, extractor: GatedExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, empty = world.store.insert, world.left()

    def refuse_files(record: Any) -> Any:
        if record.kind is Kind.FILE:
            raise RequestError("no")
        return insert(record)

    monkeypatch.setattr(world.store, "insert", refuse_files)
    with pytest.raises(RequestError):
        world.upload()
    assert (waiting(world), world.left()) == ([], empty)
