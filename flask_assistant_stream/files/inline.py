"""Files of a thread's messages put into a request as they are, for an upstream that has no files to name by id.

Images become `data:` URLs, everything that has text in it becomes text under the file's name. The newest come first:
when a request is full, older ones are only mentioned.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from ..errors import EngineError, RequestError
from ..protocol.objects import Object
from ..storages import extract
from ..threads import run_blocking
from .files import FileContent, Files

MAX_IMAGE_BYTES = 16 * 1024 * 1024
"""Of all images of a request together."""
MAX_TEXT_CHARS = 100_000
"""Of all texts of files in a request together: about 25,000 tokens."""
MEMORY_BYTES = 1 << 20
KNOWN_TEXTS = 32
"""How many texts are remembered: every response of a thread asks for the same ones."""

_IMAGES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))
_WEBP = b"WEBP"
_HEAD_BYTES = 12


@dataclass(slots=True)
class _Room:
    """What a request still has room for."""

    image_bytes: int = MAX_IMAGE_BYTES
    text_chars: int = MAX_TEXT_CHARS


class InlineFiles:
    """Puts files into requests; an owner's only."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._text = lru_cache(KNOWN_TEXTS)(self._read_text)

    def put_into(self, owner: str, request: Mapping[str, Any]) -> Object:
        """Return a request that names no file by its id.

        Raises:
            EngineError: a file of the last message cannot be given to a model; older ones are only mentioned then.
        """
        given = list(request["input"])
        users = [number for number, item in enumerate(given) if item.get("role") == "user"]
        room = _Room()
        for number in reversed(users):
            content = given[number]["content"]
            if isinstance(content, list):
                parts = self._parts(owner, content, room, last=number == users[-1])
                given[number] = {**given[number], "content": parts}
        return {**request, "input": given}

    def _parts(self, owner: str, content: Sequence[Object], room: _Room, *, last: bool) -> list[Object]:
        return [self._part(owner, part, room, last=last) if "file_id" in part else part for part in content]

    def _part(self, owner: str, part: Object, room: _Room, *, last: bool) -> Object:
        file_id = part["file_id"]
        try:
            content = self._files.content(owner, file_id)
            head, image = _image_of(content)
            if image is not None:
                url = _data_url(image, head, content, room)
                return {"type": "input_image", "image_url": url, "detail": part.get("detail") or "auto"}
            if part["type"] == "input_image":
                raise RequestError("It is no image that models take: PNG, JPEG, GIF or WebP.")
            return _text_part(content.filename, self._text(owner, file_id), room)
        except RequestError as error:
            if last:
                message = f"File '{file_id}' cannot be given to the model. {error.message}"
                raise EngineError(message, code="invalid_prompt") from error
            return {"type": "input_text", "text": "[A file that was here cannot be shown any more.]"}

    def _read_text(self, owner: str, file_id: str) -> str:
        content = self._files.content(owner, file_id)
        with SpooledTemporaryFile(MEMORY_BYTES) as file:
            for chunk in content.chunks:
                file.write(chunk)
            file.seek(0)
            text: str = run_blocking(extract.text_of, content.filename, cast(BinaryIO, file))
        return text if len(text) <= MAX_TEXT_CHARS else f"{text[:MAX_TEXT_CHARS]}\n[The rest is left out.]"


def _image_of(content: FileContent) -> tuple[bytes, str | None]:
    """Return the first bytes of a file, and which kind of image it is by them, if it is one."""
    head = b""
    for chunk in content.chunks:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    kind = next((name for begin, name in _IMAGES if head.startswith(begin)), None)
    return head, None if kind == "webp" and head[8:12] != _WEBP else kind


def _data_url(kind: str, head: bytes, content: FileContent, room: _Room) -> str:
    """Return an image as a URL; `head` has been read of it."""
    if content.size > room.image_bytes:
        raise RequestError(f"The images of a request may have {MAX_IMAGE_BYTES} bytes together.")
    room.image_bytes -= content.size
    return f"data:image/{kind};base64,{base64.b64encode(b''.join([head, *content.chunks])).decode('ascii')}"


def _text_part(filename: str, text: str, room: _Room) -> Object:
    if len(text) > room.text_chars and room.text_chars < MAX_TEXT_CHARS:
        raise RequestError(f"The files of a request may have {MAX_TEXT_CHARS} characters of text together.")
    room.text_chars -= len(text)
    name = filename.replace('"', "'").replace("<", "‹")
    return {"type": "input_text", "text": f'<file name="{name}">\n{text.replace("</file", "‹/file")}\n</file>'}
