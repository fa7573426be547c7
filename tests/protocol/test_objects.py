"""Files and vector stores have every documented key, and the official client's models take them."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.protocol import ids, objects
from flask_assistant_stream.protocol.deltas import GrowingText, add_up
from flask_assistant_stream.protocol.generated_files import image_ending, is_image
from tests.translation.material import shared_missing, validate

Object = dict[str, Any]

FILE = objects.file("file_1", 1, "a.txt", 3, "assistants")
STORE = objects.vector_store("vs_1", 1, None, counts={"completed": 2, "in_progress": 1})
ATTACHED = objects.vector_store_file("file_1", 1, "vs_1", attributes={"year": 2026})
BATCH = objects.files_batch("vsfb_1", 1, "vs_1", {"completed": 1, "failed": 1})


@pytest.mark.parametrize(
    ("component", "made", "unset"),
    [
        ("OpenAIFile", FILE, {"expires_at", "status_details"}),
        ("VectorStoreObject", STORE, {"expires_after", "expires_at", "description"}),
        ("VectorStoreFileObject", ATTACHED, {"last_error"}),
        ("VectorStoreFileBatchObject", BATCH, set()),
    ],
)
def test_objects_are_as_described(component: str, made: Object, unset: set[str]) -> None:
    """Nulls are told, as the API tells them, although its description has some of these keys as absent instead."""
    assert {key for key, value in made.items() if value is None} == unset
    if not shared_missing():
        always = {key: value for key, value in made.items() if value is not None or key == "last_error"}
        validate(component, always)


def test_the_official_client_takes_them_strictly() -> None:
    from openai._models import validate_type
    from openai.types import FileObject, VectorStore
    from openai.types.vector_stores import VectorStoreFile, VectorStoreFileBatch

    for model, made in ((FileObject, FILE), (VectorStore, STORE), (VectorStoreFile, ATTACHED)):
        validate_type(type_=model, value=made)
    validate_type(type_=VectorStoreFileBatch, value=BATCH)


def test_counts_and_what_follows_from_them() -> None:
    assert STORE["file_counts"] == {"in_progress": 1, "completed": 2, "failed": 0, "cancelled": 0, "total": 3}
    assert (STORE["status"], STORE["name"]) == ("in_progress", "")
    assert (BATCH["status"], BATCH["file_counts"]["total"]) == ("completed", 2)
    assert objects.files_batch("vsfb_1", 1, "vs_1", {}, status="cancelled")["status"] == "cancelled"
    assert objects.vector_store("vs_1", 1, "Notes", last_active_at=9)["last_active_at"] == 9


@pytest.mark.parametrize("prefix", [ids.FILE, ids.VECTOR_STORE, ids.FILE_BATCH])
def test_ids(prefix: str) -> None:
    assert ids.new_id(prefix).startswith(f"{prefix}_")


@pytest.mark.parametrize(
    ("name", "expected"), [("a.PNG", True), ("a.b.jpeg", True), ("a.svg", False), ("png", False), ("", False)]
)
def test_images_by_name(name: str, expected: bool) -> None:
    assert is_image(name) is expected


@pytest.mark.parametrize(
    ("url", "expected"), [("data:image/gif;base64,AA", "gif"), ("data:,x", "png"), ("https://a.test/b.exe", "png")]
)
def test_the_ending_of_an_image(url: str, expected: str) -> None:
    assert image_ending(url) == expected


def test_a_growing_text() -> None:
    text = GrowingText()
    assert [text.add(piece) for piece in ("a", "\ud83d", "\ude00", "", "\ud83d")] == ["a", "", "😀", "", ""]
    assert text.complete("other") == ""
    assert (text.complete("a😀b"), text.text) == ("b", "a😀b")


def test_deltas_of_a_call_add_up() -> None:
    call: Any = None
    for delta in (
        {"index": 0, "id": "ci", "type": "code_interpreter", "code_interpreter": {"input": "", "outputs": []}},
        {"index": 0, "type": "code_interpreter", "code_interpreter": {"input": "1"}},
        {"index": 0, "type": "code_interpreter", "code_interpreter": {"outputs": [{"index": 0, "logs": "2"}]}},
    ):
        call = add_up(call, [delta])
    assert call == [
        {"id": "ci", "type": "code_interpreter", "code_interpreter": {"input": "1", "outputs": [{"logs": "2"}]}}
    ]
