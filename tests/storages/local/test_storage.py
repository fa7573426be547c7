"""Files that are indexed and searched in the app's own store."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flask_assistant_stream.errors import NotFound, RequestError, StoreError, TooManySearches
from flask_assistant_stream.extraction.extract import ExtractedText
from flask_assistant_stream.protocol.generated_files import GeneratedFile
from flask_assistant_stream.storages.local.storage import LocalStorage
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind
from tests.files.material import a_pdf
from tests.files.worlds import ANN, BOB, World, an_upload
from tests.waiting import soon

DAY = 86400


@pytest.fixture
def world(local_world: World) -> World:
    return local_world


def filenames(world: World, store_id: str, query: str, **options: Any) -> list[str]:
    """Search a vector store; return the file names of the results."""
    results = world.vector_stores.search(ANN, store_id, {"query": query, **options})
    return [result["filename"] for result in results]


def test_a_store_that_cannot_search_is_rejected(sqlite_url: str) -> None:
    with pytest.raises(TypeError, match="Passages"):
        LocalStorage(object())  # type: ignore[arg-type]
    assert make_store(sqlite_url)


def test_text_of_every_type_is_found(world: World) -> None:
    pdf = world.files.create(ANN, an_upload("whales.pdf", a_pdf("Blue whales are the largest animals."))).id
    html = world.upload("birds.html", "<html><body><p>The blue tit sings.</p></body></html>")
    id = world.vector_store(pdf, html)
    assert filenames(world, id, "whales") == ["whales.pdf"]
    assert filenames(world, id, "tit") == ["birds.html"]
    assert set(filenames(world, id, "blue")) == {"whales.pdf", "birds.html"}
    assert filenames(world, id, "nothing") == []
    assert world.vector_stores.get(ANN, id)["usage_bytes"] > 0


def test_a_file_without_text_fails_with_a_message(world: World) -> None:
    broken = world.upload("broken.pdf", "no PDF at all")
    id = world.vector_store(broken, world.upload("good.txt"))
    body = world.files_in(id).get(broken)
    assert (body["status"], body["last_error"]["code"]) == ("failed", "invalid_file")
    assert body["last_error"]["message"]
    counts = world.vector_stores.get(ANN, id)["file_counts"]
    assert (counts["failed"], counts["completed"], counts["total"]) == (1, 1, 2)
    (batch_file,) = world.files_in(id).page(status="failed")[0]
    assert batch_file["id"] == broken


def test_an_unreadable_file_is_listed_as_failed(world: World) -> None:
    world.own("broken.docx", "no document")
    assert world.statuses() == ["failed"]


def test_text_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    where = "flask_assistant_stream.extraction.extractor.extract_text"

    def text_of(*_: object) -> ExtractedText:
        calls.append(1)
        return ExtractedText("blue text")

    monkeypatch.setattr(where, text_of)
    file_id = world.upload()
    one, two = world.vector_store(file_id), world.vector_store(file_id)
    assert filenames(world, one, "blue") == filenames(world, two, "blue") == ["facts.txt"]
    assert len(calls) == 1


def unread(world: World) -> str:
    """Upload a file that is not read before it is attached."""
    return str(world.files.create(ANN, an_upload(purpose="user_data")).id)


def test_a_file_that_is_deleted_while_it_is_read_leaves_no_passages(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id, id = unread(world), world.vector_store()
    half_way: list[Any] = []

    def delete_meanwhile(*_: Any) -> ExtractedText:
        with monkeypatch.context() as patched:
            if half_way:  # the deletion has deleted no more than the bytes
                patched.setattr(world.store, "delete", lambda *_: None)
            world.files.delete(ANN, file_id)
        return ExtractedText("blue text")

    monkeypatch.setattr("flask_assistant_stream.extraction.extractor.extract_text", delete_meanwhile)
    for _ in range(2):
        with pytest.raises(NotFound, match=f"No file found with id '{file_id}'"):
            world.files_in(id).attach({"file_id": file_id})
        assert not world.passages()
        assert world.store.list(Kind.VECTOR_STORE_FILE, ANN, parent=id).records == []
        file_id = unread(world)
        half_way.append(True)


def test_a_store_error_while_indexing_fails_the_call(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise StoreError("down")

    file_id, id = unread(world), world.vector_store()
    before = world.left()
    monkeypatch.setattr(world.store, "write_passages", fail)
    with pytest.raises(StoreError):
        world.files_in(id).attach({"file_id": file_id})
    assert world.left() == before


def test_a_search_is_filtered_and_bounded(world: World) -> None:
    ids = [world.upload(f"{year}.txt", f"blue report of {year}") for year in range(2020, 2026)]
    id = world.vector_store()
    for number, file_id in enumerate(ids):
        world.files_in(id).attach({"file_id": file_id, "attributes": {"year": 2020 + number}})
    newer = {"type": "gte", "key": "year", "value": 2024}
    assert sorted(filenames(world, id, "blue", filters=newer)) == ["2024.txt", "2025.txt"]
    assert len(filenames(world, id, "blue", max_num_results=3)) == 3
    assert len(filenames(world, id, "blue", ranking_options={"score_threshold": 0.0})) == 6
    assert filenames(world, id, "blue", ranking_options={"score_threshold": 1.01}) == []
    for vector_store in (id, world.vector_store()):  # also an empty one
        with pytest.raises(RequestError, match="filters"):
            filenames(world, vector_store, "blue", filters={"type": "like"})


def test_few_searches_of_an_owner_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    id, begun, end = world.vector_store(world.upload()), threading.Event(), threading.Event()
    search, results, refused = world.store.search_passages, list[list[str]](), list[str]()

    def slow(*arguments: Any) -> Any:
        begun.set()
        assert end.wait(30)
        return search(*arguments)

    def work() -> None:
        try:
            results.append(filenames(world, id, "sky"))
        except TooManySearches as error:
            refused.append(error.message)

    monkeypatch.setattr(world.store, "search_passages", slow)
    monkeypatch.setattr("flask_assistant_stream.storages.local.storage.WAITING_SEARCHES", 1)
    searches = [threading.Thread(target=work) for _ in range(3)]
    searches[0].start()
    assert begun.wait(30)
    for thread in searches[1:]:
        thread.start()
    soon(lambda: refused)
    end.set()
    for thread in searches:
        thread.join(30)
    assert refused == ["Too many searches of yours wait for their turn. Try again in a moment."]
    assert results == [["facts.txt"]] * 2


def test_an_expired_store_is_not_searched(world: World) -> None:
    file_id = world.upload()
    id = world.vector_store(file_id, expires_after={"anchor": "last_active_at", "days": 2})
    world.clock.move(1.5 * DAY)
    assert filenames(world, id, "sky") == ["facts.txt"]  # a search is a use
    world.clock.move(1.5 * DAY)
    assert world.vector_stores.get(ANN, id)["status"] == "completed"
    assert world.storage.find(ANN, [id], "sky", 5)
    world.clock.move(2.1 * DAY)
    assert world.vector_stores.get(ANN, id)["status"] == "expired"
    assert filenames(world, id, "sky") == []
    assert world.storage.find(ANN, [id], "sky", 5) == []
    with pytest.raises(RequestError, match="expired"):
        world.files_in(id).attach({"file_id": file_id})


def test_a_run_searches_its_owners_and_shared_vector_stores_only(world: World) -> None:
    mine, theirs = world.upload("mine.txt", "blue sky over Oslo"), world.upload("theirs.txt", "blue sea", owner=BOB)
    one, two, shared = world.vector_store(mine), world.vector_store(mine), world.vector_store(theirs, owner=BOB)
    assert [hit["file_id"] for hit in world.storage.find(ANN, [one, shared], "blue", 5)] == [mine]
    storage = LocalStorage(world.store, shared=[shared], now=world.clock)
    hits = storage.find(ANN, [one, two, shared], "blue sky", 5)
    assert [(hit["file_id"], hit["filename"], hit["text"]) for hit in hits] == [
        (mine, "mine.txt", "blue sky over Oslo"),
        (theirs, "theirs.txt", "blue sea"),
    ]
    assert hits[0]["score"] >= hits[1]["score"]
    assert len(storage.find(ANN, [one, shared], "blue", 1)) == 1
    assert storage.find(ANN, [], "blue", 5) == []
    assert [hit["file_id"] for hit in storage.find("cleo", [one, shared], "blue", 5)] == [theirs]
    world.files.delete(ANN, mine)
    assert [hit["file_id"] for hit in storage.find(ANN, [one, two, shared], "blue", 5)] == [theirs]


def test_a_file_without_bytes_cannot_be_searched(world: World) -> None:
    world.files.keep(ANN, GeneratedFile("file-1", "made.txt", url="https://example.org/made.txt"))
    body = world.files_in(world.vector_store()).attach({"file_id": "file-1"})
    assert (body["status"], body["last_error"]["code"]) == ("failed", "invalid_file")


def test_there_is_no_code_interpreter(world: World) -> None:
    with pytest.raises(NotFound):
        world.storage.container_file("cntr_1", "cfile_1")


def test_an_update_with_null_clears_fields(world: World) -> None:
    id = world.vector_store(name="n", metadata={"a": "b"}, expires_after={"anchor": "last_active_at", "days": 1})
    body = world.vector_stores.update(ANN, id, {"name": None, "metadata": None, "expires_after": None})
    assert (body["name"], body["metadata"], body["expires_after"], body["expires_at"]) == ("", {}, None, None)


def test_a_static_strategy_is_shown(world: World) -> None:
    strategy = {"type": "static", "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400}}
    file_id, id = world.upload(), world.vector_store()
    for requested, shown in ((strategy, strategy), ({"type": "auto"}, {"type": "other"})):
        body = world.files_in(id).attach({"file_id": file_id, "chunking_strategy": requested})
        assert body["chunking_strategy"] == shown


def test_a_shared_vector_store_that_is_missing_is_logged_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    id = world.vector_store(world.upload())
    storage = LocalStorage(world.store, shared=[id, "vs_unknown"], now=world.clock)
    for _ in range(2):
        assert len(storage.find(ANN, [id, "vs_unknown", "vs_deleted"], "sky", 5)) == 1
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("vector store vs_unknown is not searched")
