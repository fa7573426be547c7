"""Files put into requests for an upstream that has none."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from flask_assistant_stream.errors import EngineError
from flask_assistant_stream.files import inline
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


def given(world: World, *contents: Any, owner: str = ANN) -> list[Any]:
    """Return what the contents of a user's messages become."""
    messages = [{"type": "message", "role": "user", "content": content} for content in contents]
    made = InlineFiles(world.files).put_into(owner, {"model": "m", "input": messages})
    assert made["model"] == "m"
    return [message["content"] for message in made["input"]]


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_becomes_a_url(world: World, kind: str) -> None:
    file_id = add(world, f"picture.{kind}", IMAGES[kind] + bytes(70_000))
    url = f"data:image/{kind};base64,{base64.b64encode(IMAGES[kind] + bytes(70_000)).decode()}"
    assert given(world, [image(file_id)]) == [[{"type": "input_image", "image_url": url, "detail": "low"}]]
    assert given(world, [file(file_id)]) == [[{"type": "input_image", "image_url": url, "detail": "auto"}]]


def test_text_is_given_under_the_name_of_its_file(world: World) -> None:
    pdf = add(world, "whales.pdf", a_pdf("Blue whales are large."))
    said = {"type": "input_text", "text": "Sum it up."}
    ((first, second),) = given(world, [said, file(pdf)])
    assert first == said
    assert second["text"].startswith('<file name="whales.pdf">\nBlue whales are large.')
    assert second["text"].endswith("\n</file>")


def test_all_else_stays_as_it_is(world: World) -> None:
    url = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}
    assert given(world, "hello", [url]) == ["hello", [url]]
    request = {"input": [{"type": "function_call_output", "call_id": "c", "output": "file_id"}]}
    assert InlineFiles(world.files).put_into(ANN, request) == request


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.bin", b"\x00\x01", "ends in 'bin'"),
        ("a.pdf", b"no pdf", "damaged"),
        ("a.png", b"no image", "ends in 'png'"),
        ("a.webp", b"RIFF\x00\x00\x00\x00WAVE", "ends in 'webp'"),
    ],
)
def test_what_cannot_be_given_is_told(world: World, name: str, content: bytes, why: str) -> None:
    file_id = add(world, name, content)
    with pytest.raises(EngineError, match=f"^File '{file_id}' cannot be given to the model. .*{why}") as raised:
        given(world, [file(file_id)])
    assert raised.value.code == "invalid_prompt"
    assert given(world, [file(file_id)], "later") == [[GONE], "later"]


def test_text_is_no_image(world: World) -> None:
    file_id = world.upload()
    with pytest.raises(EngineError, match="no image that models take"):
        given(world, [image(file_id)])


def test_files_that_are_gone_or_another_owners_are_not_given(world: World) -> None:
    file_id = world.upload()
    with pytest.raises(EngineError, match="No file found"):
        given(world, [file(file_id)], owner=BOB)
    inlined = InlineFiles(world.files)
    request = {"input": [{"role": "user", "content": [file(file_id)]}, {"role": "user", "content": "and"}]}
    assert "The sky is blue." in str(inlined.put_into(ANN, request))
    world.files.delete(ANN, file_id)
    assert inlined.put_into(ANN, request)["input"][0]["content"] == [GONE]


def test_the_newest_have_the_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline._Room, "__init__", lambda self: _set(self, 100, 60))
    monkeypatch.setattr(inline, "MAX_TEXT_CHARS", 60)
    pictures = [add(world, f"{n}.png", IMAGES["png"]) for n in range(3)]
    old, middle, new = given(world, *([image(one)] for one in pictures))
    assert old == [GONE]
    assert middle[0]["type"] == new[0]["type"] == "input_image"
    texts = [add(world, f"{n}.txt", b"x" * 40) for n in range(2)]
    old, new = given(world, *([file(one)] for one in texts))
    assert old == [GONE]
    assert "x" * 40 in new[0]["text"]


def test_a_long_text_is_cut_and_an_image_that_is_too_large_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "MAX_TEXT_CHARS", 60)
    monkeypatch.setattr(inline._Room, "__init__", lambda self: _set(self, 10, 60))
    ((cut,),) = given(world, [file(add(world, "long.txt", b"x" * 500))])
    assert "x" * 60 + "\n[The rest is left out.]" in cut["text"]
    assert "x" * 61 not in cut["text"]
    with pytest.raises(EngineError, match="bytes together"):
        given(world, [image(add(world, "a.png", IMAGES["png"]))])


def _set(room: Any, image_bytes: int, text_chars: int) -> None:
    room.image_bytes, room.text_chars = image_bytes, text_chars
