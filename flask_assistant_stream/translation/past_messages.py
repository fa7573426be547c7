"""The earlier messages of a thread as input items, from any stored shape, and which of them there is room for.

Threads may be imported: a part may have its text as a string, no annotations, or a type that no version knew. What
cannot be read is left out (spec/servers.md#message-items).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..protocol.events import dump
from ..protocol.objects import Object
from ..protocol.text import FILE_GONE, mend, without_markers
from .coerce import list_of, object_of, objects_of, text_of
from .outputs import Item

BYTES_PER_TOKEN = 4
"""UTF-8 bytes of a token: right for English, cautious for most other languages."""
FILE_TOKENS = 1000
"""The count of an image or file of any size."""

_TEXTS = ("text", "input_text", "output_text")


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message of the thread as it is sent.

    Attributes:
        tokens: an estimate, because tokenizers differ by upstream.
        attached: the ids of its attachments for tools.
    """

    item: Item
    tokens: int
    attached: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether it is the user's, which begins a turn."""
        return bool(self.item["role"] == "user")

    @property
    def chars(self) -> int:
        """The length of its texts and links."""
        content = self.item["content"]
        if isinstance(content, str):
            return len(content)
        return sum(len(part.get("text") or part.get("image_url") or "") for part in content)

    @property
    def sources(self) -> list[str]:
        """The ids and links of its files and images."""
        content = self.item["content"]
        parts = content if isinstance(content, list) else []
        return [source for part in parts if (source := part.get("file_id") or part.get("image_url"))]

    def without(self, gone: Container[str]) -> PastMessage:
        """Return it with a remark in place of each of these files and images."""
        if not any(source in gone for source in self.sources):
            return self
        remark = {"type": "input_text", "text": FILE_GONE}
        content = [
            remark if (part.get("file_id") or part.get("image_url")) in gone else part for part in self.item["content"]
        ]
        return replace(self, item={**self.item, "content": content})


def past_message(message: Object) -> PastMessage | None:
    """Translate a stored message; None for an empty one."""
    if message.get("role") == "assistant":
        text = "\n".join(filter(None, map(_model_text, _parts(message))))
        phase = {"phase": phase} if isinstance(phase := message.get("phase"), str) and phase else {}
        answer = {"type": "message", "role": "assistant", "content": text, **phase}
        return PastMessage(answer, tokens_of(text)) if text else None
    parts = [part for part in map(_user_part, _parts(message)) if part is not None]
    attachments = [entry for entry in objects_of(message.get("attachments")) if text_of(entry.get("file_id"))]
    loose = [entry for entry in attachments if not entry.get("tools")]  # sent (spec/responses.md#attachments)
    parts += [{"type": "input_file", "file_id": text_of(entry["file_id"])} for entry in loose]
    if not parts:
        return None
    single = len(parts) == 1 and parts[0]["type"] == "input_text"
    tokens = sum(tokens_of(part["text"]) if part["type"] == "input_text" else FILE_TOKENS for part in parts)
    item: Item = {"type": "message", "role": "user", "content": parts[0]["text"] if single else parts}
    return PastMessage(item, tokens, tuple(text_of(entry["file_id"]) for entry in attachments if entry.get("tools")))


def message_text(message: Object) -> str:
    """Return the text of a stored message's parts."""
    return "\n".join(_text(part)[0] for part in _parts(message) if part.get("type") in _TEXTS)


def tokens_of(value: Any) -> int:
    """Estimate the tokens of a text or a JSON value."""
    if not value:
        return 0
    if isinstance(value, str):
        size = len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
    else:
        size = len(dump(value))
    return -(-size // BYTES_PER_TOKEN)


# -- room for turns ---------------------------------------------------------------------------------------


def last_turn(history: Sequence[PastMessage]) -> int:
    """Return where the last turn begins: at the newest message of the user."""
    return next((n for n in range(len(history) - 1, -1, -1) if history[n].asks), max(len(history) - 1, 0))


def first_turn_within(history: Sequence[PastMessage], tokens: float) -> int:
    """Return where the turns before the last one begin that fit into so many tokens: whole ones, the newest."""
    first = last_turn(history)
    for index in range(first - 1, -1, -1):
        tokens -= history[index].tokens
        if tokens < 0:
            break
        if history[index].asks or index == 0:
            first = index
    return first


# -- stored shapes ----------------------------------------------------------------------------------------


def _parts(message: Object) -> list[Object]:
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    return [{"type": "text", "text": part} if isinstance(part, str) else object_of(part) for part in parts]


def _text(part: Object) -> tuple[str, list[Any]]:
    """Return the text and the annotations of a text part."""
    text = part.get("text")
    body = text if isinstance(text, dict) else {"value": text, "annotations": part.get("annotations")}
    value = body.get("value")
    return value if isinstance(value, str) else "", list_of(body.get("annotations"))


def _model_text(part: Object) -> str:
    """Return the text of the model. A refusal is plain text (spec/servers.md#message-items)."""
    if part.get("type") in _TEXTS:
        value, annotations = _text(part)
        return mend(without_markers(value, annotations) if annotations else value)
    return text_of(part.get("refusal")) if part.get("type") == "refusal" else ""


def _user_part(part: Object) -> Item | None:
    kind = part.get("type")
    if kind in _TEXTS:
        text = mend(_text(part)[0])
        return {"type": "input_text", "text": text} if text else None
    if kind == "input_file":
        return {"type": "input_file", "file_id": id} if (id := text_of(part.get("file_id"))) else None
    if kind not in ("image_file", "image_url", "input_image"):
        return None
    named = part if kind == "input_image" else part.get(kind)
    image = {"file_id" if kind == "image_file" else "url": named} if isinstance(named, str) else object_of(named)
    link = image.get("url") or image.get("image_url")
    file_id, url = text_of(image.get("file_id")), text_of(object_of(link).get("url") or link)
    if not file_id and not url:
        return None
    source = {"file_id": file_id} if file_id else {"image_url": url}
    return {"type": "input_image", **source, "detail": text_of(image.get("detail")) or "auto"}
