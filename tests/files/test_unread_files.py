"""Files that a run cannot search: the model learns which, and why."""

from __future__ import annotations

import pytest

from flask_assistant_stream.files.unread_files import (
    attached_file_notices,
    unfinished_file_notices,
    with_notices,
)
from flask_assistant_stream.stores.base import Kind
from tests.files.worlds import ANN, World


@pytest.fixture
def world(local_world: World) -> World:
    return local_world


def set_status(world: World, vector_store: str, file_id: str, status: str) -> None:
    world.store.update(Kind.VECTOR_STORE_FILE, ANN, f"{vector_store}.{file_id}", body={"status": status})


def texts(world: World, vector_store: str, *file_ids: str) -> list[str]:
    return [notice.text for notice in attached_file_notices(world.store, ANN, [vector_store], file_ids)]


def test_a_failed_attachment_is_mentioned_with_its_reason(world: World) -> None:
    good, bad = world.upload(), world.upload('a "scan".pdf', "no pdf")
    vector_store = world.vector_store(good, bad)
    (notice,) = texts(world, vector_store, good, bad)
    assert notice.startswith("""The attached file "a 'scan'.pdf" could not be read""")
    assert notice.endswith("The reason: " + world.files_in(vector_store).get(bad)["last_error"]["message"])


@pytest.mark.parametrize(("status", "words"), [("in_progress", "still being read"), ("cancelled", "was not read")])
def test_an_attachment_that_is_not_read_is_mentioned(world: World, status: str, words: str) -> None:
    file_id = world.upload()
    vector_store = world.vector_store(file_id)
    set_status(world, vector_store, file_id, status)
    (notice,) = texts(world, vector_store, file_id)
    assert words in notice


def test_a_file_that_another_vector_store_has_is_not_mentioned(world: World) -> None:
    file_id = world.upload()
    one, two = world.vector_store(file_id), world.vector_store(file_id)
    set_status(world, one, file_id, "cancelled")
    assert attached_file_notices(world.store, ANN, [one, two], [file_id, "file-gone"]) == []


def test_unfinished_files_of_a_vector_store_are_mentioned(world: World) -> None:
    file_id, done = world.upload("long.txt"), world.upload("short.txt")
    vector_store = world.vector_store(file_id, done)
    assert unfinished_file_notices(world.store, ANN, [vector_store]) == []
    set_status(world, vector_store, file_id, "in_progress")
    (notice,) = unfinished_file_notices(world.store, ANN, [vector_store])
    assert notice.file_id == file_id
    assert notice.text.startswith('The file "long.txt" is still being read')


def test_notices_are_behind_the_words_of_the_last_user_message(world: World) -> None:
    bad = world.upload("a.pdf", "no pdf")
    notices = attached_file_notices(world.store, ANN, [world.vector_store(bad)], [bad])
    items = [
        {"role": "user", "content": "Before."},
        {"role": "user", "content": "What is in it?"},
        {"role": "assistant"},
    ]
    request = {"model": "m", "input": items}
    noted = with_notices(request, notices)
    first, second = noted["input"][1]["content"]
    assert first == {"type": "input_text", "text": "What is in it?"}
    assert second == {"type": "input_text", "text": f"[{notices[0].text}]"}
    assert [noted["input"][0], noted["input"][2]] == [items[0], items[2]]
    assert with_notices(request, []) is request
    assert with_notices({"input": [{"role": "assistant"}]}, notices) == {"input": [{"role": "assistant"}]}
