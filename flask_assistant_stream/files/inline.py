"""Files put into a request as data URLs and text, for an upstream without a files API.

Images become `data:` URLs; files with text become text under the file's name. The newest files come first: when the
request is full, older ones are only mentioned.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..errors import EngineError, RequestError
from ..extraction.extractor import TextExtractor
from ..extraction.processes import ProcessEnded
from ..loggers import logger_of
from ..protocol.objects import Object
from ..protocol.text import FILE_GONE
from .files import FileContent, Files

logger = logger_of(__name__)

MAX_IMAGE_BYTES = 16 * 1024 * 1024
MAX_TEXT_CHARS = 100_000
"""About 25,000 tokens."""
CACHED_TEXTS = 32
"""Number of cached texts: every response of a thread needs the same ones."""

_IMAGES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))
_WEBP = b"WEBP"
_HEAD_BYTES = 12


@dataclass(slots=True)
class _Room:
    """What fits into the rest of a request."""

    image_bytes: int
    text_chars: int


class InlineFiles:
    """Puts an owner's files into requests.

    Args:
        extractor: reads the texts.
        max_image_bytes: of all images of a request together.
        max_text_chars: of the texts of all files of a request together.
    """

    def __init__(
        self,
        files: Files,
        extractor: TextExtractor,
        *,
        max_image_bytes: int = MAX_IMAGE_BYTES,
        max_text_chars: int = MAX_TEXT_CHARS,
    ) -> None:
        self._files = files
        self._extractor = extractor
        self._max_image_bytes = max_image_bytes
        self._max_text_chars = max_text_chars
        self._text = lru_cache(CACHED_TEXTS)(self._read_text)

    def put_into(self, owner: str, request: Mapping[str, Any]) -> Object:
        """Return a request with the files themselves in place of their ids.

        Raises:
            EngineError: a file of the last message cannot be given to a model; older ones are only mentioned then.
        """
        items = list(request["input"])
        users = [index for index, item in enumerate(items) if item.get("role") == "user"]
        room = _Room(self._max_image_bytes, self._max_text_chars)
        for index in reversed(users):
            content = items[index]["content"]
            if isinstance(content, list):
                parts = self._parts(owner, content, room, last=index == users[-1])
                items[index] = {**items[index], "content": parts}
        return {**request, "input": items}

    def _parts(self, owner: str, content: Sequence[Object], room: _Room, *, last: bool) -> list[Object]:
        return [self._part(owner, part, room, last=last) if "file_id" in part else part for part in content]

    def _part(self, owner: str, part: Object, room: _Room, *, last: bool) -> Object:
        file_id = part["file_id"]
        try:
            content = self._files.content(owner, file_id)
            head, image = _image_of(content)
            if image is not None:
                url = self._data_url(image, head, content, room)
                return {"type": "input_image", "image_url": url, "detail": part.get("detail") or "auto"}
            if part["type"] == "input_image":
                raise RequestError("Images must be PNG, JPEG, GIF or WebP.")
            return self._text_part(content.filename, self._text(owner, file_id), room)
        except RequestError as error:
            if last:
                message = f"File '{file_id}' cannot be given to the model. {error.message}"
                raise EngineError(message, code="invalid_prompt") from error
            return {"type": "input_text", "text": FILE_GONE}

    def _read_text(self, owner: str, file_id: str) -> str:
        content = self._files.content(owner, file_id)
        limit = self._max_text_chars
        try:
            text = self._extractor.text(owner, content.filename, content.chunks, limit + 1).text
        except ProcessEnded as error:
            logger.warning("file %s not read, its process ended: %s", file_id, error)
            raise RequestError("Reading the file has ended the process that read it.") from error
        return text if len(text) <= limit else f"{text[:limit]}\n[The rest is left out.]"

    def _data_url(self, kind: str, head: bytes, content: FileContent, room: _Room) -> str:
        """Return an image as a URL; `head` is its part that has been read already."""
        if content.size > room.image_bytes:
            raise RequestError(f"The images of a request may have at most {self._max_image_bytes} bytes in total.")
        room.image_bytes -= content.size
        return f"data:image/{kind};base64,{base64.b64encode(b''.join([head, *content.chunks])).decode('ascii')}"

    def _text_part(self, filename: str, text: str, room: _Room) -> Object:
        limit = self._max_text_chars
        if len(text) > room.text_chars and room.text_chars < limit:
            raise RequestError(f"The files of a request may have at most {limit} characters of text in total.")
        room.text_chars -= len(text)
        name = filename.replace('"', "'").replace("<", "‹")
        return {"type": "input_text", "text": f'<file name="{name}">\n{text.replace("</file", "‹/file")}\n</file>'}


def _image_of(content: FileContent) -> tuple[bytes, str | None]:
    """Return the first bytes of a file, and the kind of image that they begin, if any."""
    head = b""
    for chunk in content.chunks:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    kind = next((name for begin, name in _IMAGES if head.startswith(begin)), None)
    return head, None if kind == "webp" and head[8:12] != _WEBP else kind
