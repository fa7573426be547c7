"""Vector stores of an upstream, taken over by the local storage: indexed from the stored bytes."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.stores.base import Kind
from tests.files.worlds import ANN, BOB, World, local


@pytest.fixture
def worlds(upstream_world: World) -> tuple[World, World]:
    """Return the world before and after the change of storage, on one store."""
    return upstream_world, World(upstream_world.store, local)


def search(world: World, vector_store_id: str, owner: str = ANN) -> list[str]:
    results: list[dict[str, Any]] = world.vector_stores.search(owner, vector_store_id, {"query": "What is blue?"})
    return [result["file_id"] for result in results]


def indexed_here(world: World, vector_store_id: str, owner: str = ANN) -> bool:
    vector_store = world.vector_stores.find(owner, vector_store_id)
    return vector_store is not None and world.vector_stores.indexed_here(vector_store) is not None


def test_a_search_returns_earlier_uploads(worlds: tuple[World, World]) -> None:
    before, after = worlds
    file_id = before.upload()
    vector_store = before.vector_store(file_id, metadata={"a": "b"})
    assert search(after, vector_store) == [file_id]
    body = after.vector_stores.get(ANN, vector_store)
    assert (body["status"], body["file_counts"]["completed"], body["metadata"]) == ("completed", 1, {"a": "b"})
    more = after.upload("more.txt", "Blue, too.")
    after.files_in(vector_store).attach({"file_id": more})
    assert set(search(after, vector_store)) == {file_id, more}


def test_files_are_indexed_once(worlds: tuple[World, World], monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = worlds
    vector_store = before.vector_store(before.upload())
    assert indexed_here(after, vector_store)
    monkeypatch.setattr(after.storage, "attach", None)
    assert indexed_here(after, vector_store)
    assert search(after, vector_store)


def test_an_owners_own_files_are_searched(worlds: tuple[World, World]) -> None:
    before, after = worlds
    file_id = before.own()
    own = before.resources.own_store(ANN)
    assert own is not None
    assert own == after.resources.own_store(ANN)
    assert after.statuses() == ["completed"]
    assert [hit["file_id"] for hit in after.storage.find(ANN, [own], "blue", 5)] == [file_id]
    assert after.resources.searchable(ANN, [own]) == [own]


def test_files_without_a_text_reader_and_deleted_files_fail(worlds: tuple[World, World]) -> None:
    before, after = worlds
    slides, gone = before.upload("talk.doc", "PK"), before.upload("gone.txt", "blue")
    vector_store = before.vector_store(slides, gone)
    before.store.delete(Kind.FILE, ANN, gone)
    assert search(after, vector_store) == []
    by_id = {file["id"]: file for file in after.files_in(vector_store).page()[0]}
    assert {file["status"] for file in by_id.values()} == {"failed"}
    assert by_id[slides]["last_error"]["code"] == "unsupported_file"
    assert after.vector_stores.get(ANN, vector_store)["file_counts"]["failed"] == 2


def test_an_expired_vector_store_is_not_taken_over(worlds: tuple[World, World]) -> None:
    before, _ = worlds
    vector_store = before.vector_store(before.upload(), expires_after={"anchor": "last_active_at", "days": 1})
    expired = World(before.store, local)
    expired.clock.time = before.vector_stores.get(ANN, vector_store)["expires_at"] + 1.0
    assert expired.resources.searchable(ANN, [vector_store]) == []
    assert search(expired, vector_store) == []


def test_another_owner_does_not_take_it_over(worlds: tuple[World, World]) -> None:
    before, after = worlds
    vector_store = before.vector_store(before.upload())
    assert not indexed_here(after, vector_store, BOB)


def test_the_first_storage_still_has_it(worlds: tuple[World, World]) -> None:
    before, after = worlds
    vector_store = before.vector_store(before.upload())
    assert indexed_here(after, vector_store)
    assert indexed_here(before, vector_store)
    assert not indexed_here(before, after.vector_store(after.upload()))
