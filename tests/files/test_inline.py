"""Files put into requests for an upstream without a files API."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from flask_assistant_stream.errors import EngineError
from flask_assistant_stream.extraction.extractor import TextExtractor
from flask_assistant_stream.files.inline import InlineFiles
from tests.files.material import a_pdf
from tests.files.worlds import ANN, BOB, World, an_upload

IMAGES = {
    "png": b"\x89PNG\r\n\x1a\n" + b"p" * 40,
    "jpeg": b"\xff\xd8\xff\xe0" + b"j" * 40,
    "gif": b"GIF89a" + b"g" * 40,
    "webp": b"RIFF\x00\x00\x00\x00WEBP" + b"w" * 40,
}
GONE = {"type": "input_text", "text": "[A file that was here cannot be shown any more.]"}


@pytest.fixture
def world(local_world: World) -> World:
    return local_world


def add(world: World, name: str, content: Any) -> str:
    return str(world.files.create(ANN, an_upload(name, content)).id)


def image(file_id: str, **more: Any) -> dict[str, Any]:
    return {"type": "input_image", "file_id": file_id, "detail": "low", **more}


def file(file_id: str) -> dict[str, Any]:
    return {"type": "input_file", "file_id": file_id}


def inlined(world: World, *contents: Any, owner: str = ANN, **limits: int) -> list[Any]:
    """Return the contents of a user's messages with their files put in."""
    messages = [{"type": "message", "role": "user", "content": content} for content in contents]
    request = InlineFiles(world.files, TextExtractor(processes=0), **limits).put_into(
        owner, {"model": "m", "input": messages}
    )
    assert request["model"] == "m"
    return [message["content"] for message in request["input"]]


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_becomes_a_url(world: World, kind: str) -> None:
    file_id = add(world, f"picture.{kind}", IMAGES[kind] + bytes(70_000))
    url = f"data:image/{kind};base64,{base64.b64encode(IMAGES[kind] + bytes(70_000)).decode()}"
    assert inlined(world, [image(file_id)]) == [[{"type": "input_image", "image_url": url, "detail": "low"}]]
    assert inlined(world, [file(file_id)]) == [[{"type": "input_image", "image_url": url, "detail": "auto"}]]


def test_text_is_put_under_the_name_of_its_file(world: World) -> None:
    pdf = add(world, "whales.pdf", a_pdf("Blue whales are large."))
    text = {"type": "input_text", "text": "Sum it up."}
    ((first, second),) = inlined(world, [text, file(pdf)])
    assert first == text
    assert second["text"].startswith('<file name="whales.pdf">\nBlue whales are large.')
    assert second["text"].endswith("\n</file>")


def test_parts_without_files_do_not_change(world: World) -> None:
    url = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}
    assert inlined(world, "hello", [url]) == ["hello", [url]]
    request = {"input": [{"type": "function_call_output", "call_id": "c", "output": "file_id"}]}
    assert InlineFiles(world.files, TextExtractor(processes=0)).put_into(ANN, request) == request


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.bin", b"\x00\x01", "ending in 'bin'"),
        ("a.pdf", b"no pdf", "damaged"),
        ("a.png", b"no image", "ending in 'png'"),
        ("a.webp", b"RIFF\x00\x00\x00\x00WAVE", "ending in 'webp'"),
    ],
)
def test_a_file_that_models_cannot_read_is_an_error_in_the_last_message_only(
    world: World, name: str, content: bytes, why: str
) -> None:
    file_id = add(world, name, content)
    with pytest.raises(EngineError, match=f"^File '{file_id}' cannot be given to the model. .*{why}") as raised:
        inlined(world, [file(file_id)])
    assert raised.value.code == "invalid_prompt"
    assert inlined(world, [file(file_id)], "later") == [[GONE], "later"]


def test_text_in_place_of_an_image_is_an_error(world: World) -> None:
    file_id = world.upload()
    with pytest.raises(EngineError, match="must be PNG, JPEG, GIF or WebP"):
        inlined(world, [image(file_id)])


def test_deleted_files_and_files_of_other_owners_are_not_put_in(world: World) -> None:
    file_id = world.upload()
    with pytest.raises(EngineError, match="No file found"):
        inlined(world, [file(file_id)], owner=BOB)
    inline = InlineFiles(world.files, TextExtractor(processes=0))
    request = {"input": [{"role": "user", "content": [file(file_id)]}, {"role": "user", "content": "and"}]}
    assert "The sky is blue." in str(inline.put_into(ANN, request))
    world.files.delete(ANN, file_id)
    assert inline.put_into(ANN, request)["input"][0]["content"] == [GONE]


def test_the_newest_files_come_first(world: World) -> None:
    images = [add(world, f"{n}.png", IMAGES["png"]) for n in range(3)]
    old, middle, new = inlined(world, *([image(id)] for id in images), max_image_bytes=100)
    assert old == [GONE]
    assert middle[0]["type"] == new[0]["type"] == "input_image"
    texts = [add(world, f"{n}.txt", b"x" * 40) for n in range(2)]
    old, new = inlined(world, *([file(id)] for id in texts), max_text_chars=60)
    assert old == [GONE]
    assert "x" * 40 in new[0]["text"]


def test_a_long_text_is_cut_and_a_large_image_is_an_error(world: World) -> None:
    ((cut,),) = inlined(world, [file(add(world, "long.txt", b"x" * 500))], max_text_chars=60)
    assert "x" * 60 + "\n[The rest is left out.]" in cut["text"]
    assert "x" * 61 not in cut["text"]
    with pytest.raises(EngineError, match="at most 10 bytes in total"):
        inlined(world, [image(add(world, "a.png", IMAGES["png"]))], max_image_bytes=10)
