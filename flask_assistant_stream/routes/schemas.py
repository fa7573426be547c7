"""Schemas of bodies, queries and responses. Unknown keys are ignored, since front-ends send extra ones."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, INCLUDE, Schema, ValidationError, fields, pre_load, validate

from ..encoders.base import Position
from ..protocol import ids, objects
from . import bounds

MAX_ID_CHARS = ids.MAX_CHARS
MAX_TITLE_CHARS = 200
MAX_TOOL_OUTPUTS = 128
MAX_SEQ = 2**53 - 1


def check_text(value: Any) -> str:
    """Return a string that every store and every encoder accepts."""
    if not isinstance(value, str):
        raise ValidationError("It must be a string.")
    if "\0" in value:
        raise ValidationError("It must not contain NUL characters.")
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise ValidationError("It must not contain lone surrogates: it is not valid Unicode.")
    return value


class Text(fields.String):
    """A string without NUL and lone surrogates."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        return check_text(value)


class Id(Text):
    """An id. Only its length is checked: a malformed id is unknown like any other."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=bounds.Length(1, MAX_ID_CHARS), **kwargs)


class Digits(fields.Integer):
    """A whole number in a query, in ASCII digits."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,16}", value):
            raise ValidationError("It must be a whole number, 0 or more.")
        return int(value)


class Place(fields.String):
    """A position in a run's events; loads to a `Position`."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        position = Position.parse(value) if isinstance(value, str) else None
        if position is None or position.seq > MAX_SEQ:
            raise ValidationError("It must be a whole number, 0 or more.")
        return position


def check_content(parts: list[objects.Object]) -> list[objects.Object]:
    """Return the content parts of a message; at least one has text or is an image."""
    if not any(part["type"] != "text" or part["text"]["value"].strip() for part in parts):
        raise ValidationError("It must not be empty.")
    return parts


class TextContent(fields.Field[list[objects.Object]]):
    """The content of a message: a string or text parts; loads to content parts."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[objects.Object]:
        texts = [self._part(part) for part in value] if isinstance(value, list) else [check_text(value)]
        return check_content([objects.text_part(text) for text in texts])

    def _part(self, part: Any) -> str:
        if not isinstance(part, dict) or part.get("type") != "text":
            raise ValidationError('A content part must be {"type": "text", "text": "…"}.')
        return check_text(part.get("text"))


class Metadata(fields.Dict):
    """Up to 16 strings, keys up to 64 characters, values up to 512 (`spec/assistants.md#limits`); null empties it."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise ValidationError("It must be an object of strings.")
        if len(value) > 16:
            raise ValidationError("It must have at most 16 keys.")
        for key, text in value.items():
            if len(check_text(key)) > 64 or len(check_text(text)) > 512:
                raise ValidationError("Its keys are at most 64 characters long, its values at most 512.")
        return value


class Body(Schema):
    """Base of bodies and queries."""

    class Meta:
        """Drop unknown keys."""

        unknown = EXCLUDE


class AppBody(Body):
    """Base of the app face's bodies: each key may be in camelCase or in snake_case, as pages write one or the other."""

    @pre_load
    def take_other_spellings(self, data: Any, **_: Any) -> Any:
        """Give a key's value under its other spelling to a key that is absent or null."""
        if not isinstance(data, Mapping):
            return data
        spelled = dict(data)
        for name, field in self.load_fields.items():
            key = field.data_key or name
            for other in _other_spellings(key):
                if spelled.get(key) is None and other in data:
                    spelled[key] = data[other]
        return spelled


@functools.cache
def _other_spellings(key: str) -> tuple[str, ...]:
    """Return a declared key in camelCase and in snake_case, without its own spelling."""
    head, *words = key.split("_")
    camel = head + "".join(word.capitalize() for word in words)
    snake = re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", key)
    return tuple({camel, snake} - {key})


# -- bodies ---------------------------------------------------------------------------------------------------


class AttachmentTool(AppBody):
    type = Text(required=True, validate=validate.OneOf(("file_search", "code_interpreter")))


class Attachment(AppBody):
    file_id = Id(required=True)
    tools = fields.List(fields.Nested(AttachmentTool), validate=bounds.Length(1, 2))


CONTENT: dict[str, Any] = {
    "description": "The text, or text parts.",
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["type", "text"],
                "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
            },
        },
    ],
}


class NewMessage(AppBody):
    content = TextContent(required=True, metadata=CONTENT)
    attachments = fields.List(fields.Nested(Attachment), allow_none=True, validate=bounds.Length(max=10))
    assistant_id = Id(
        data_key="assistantId", allow_none=True, metadata={"description": "Instead of the default assistant."}
    )


class ThreadRef(Text):
    """The id of a thread; null or "" for a new one, as pages without a thread send it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_none=True, validate=bounds.Length(max=MAX_ID_CHARS), **kwargs)


class ChatMessage(NewMessage):
    """A user's message, on an existing or a new thread."""

    thread_id = ThreadRef(data_key="threadId", metadata={"description": "Absent, null or empty: a new thread."})


class NewThread(AppBody):
    title = Text(allow_none=True, validate=bounds.Length(max=MAX_TITLE_CHARS))
    metadata = Metadata(allow_none=True)


class ThreadPatch(NewThread):
    """Changes of a thread; null clears the title or the metadata."""


class ToolOutput(AppBody):
    """The output of a function call; front-ends omit `output` for functions they do not know."""

    tool_call_id = Id(required=True)
    output = Text(load_default="", allow_none=True)


class Actions(AppBody):
    """The outputs of all pending calls of a run."""

    run_id = Id(required=True, data_key="runId")
    outputs = fields.List(
        fields.Nested(ToolOutput),
        required=True,
        data_key="toolCallOutputs",
        validate=bounds.Length(1, MAX_TOOL_OUTPUTS),
    )


class FileForm(Body):
    """A file to upload, in a multipart form."""

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})


class FileRef(AppBody):
    file_id = Id(required=True, data_key="fileId")


# -- queries --------------------------------------------------------------------------------------------------


class ListQuery(Body):
    """A page of a list (`spec/assistants.md#lists`)."""

    limit = Digits(load_default=20, validate=bounds.Range(1, 100))
    order = Text(load_default="desc", validate=validate.OneOf(("asc", "desc")))
    after = Id(metadata={"description": "Id of the last object of the previous page."})
    before = Id(metadata={"description": "Id of the first object of the next page."})


class AttachQuery(Body):
    """Where to resume in a run's events."""

    after = Place(
        load_default=Position(),
        metadata={
            "description": "The number of the last event you have, or its `seq.frame` in a format that numbers frames. "
            "The header Last-Event-ID takes precedence.",
            "pattern": r"^[0-9]{1,16}(\.[0-9]{1,16})?$",
        },
    )


# -- responses ------------------------------------------------------------------------------------------------


class ErrorDetail(Schema):
    message = fields.String(required=True)
    type = fields.String(required=True)
    param = fields.String(required=True, allow_none=True, metadata={"description": "The invalid field."})
    code = fields.String(required=True, allow_none=True)


class Error(Schema):
    """The body of every error."""

    error = fields.Nested(ErrorDetail, required=True)


class ThreadId(Schema):
    thread_id = fields.String(required=True, data_key="threadId")


class Title(Schema):
    title = fields.String(required=True)


class UploadedFile(Schema):
    file_id = fields.String(required=True, data_key="fileId")
    filename = fields.String(required=True)


class OwnFile(Schema):
    """A file that answers are found in."""

    file_id = fields.String(required=True)
    filename = fields.String(required=True)
    status = fields.String(
        required=True,
        metadata={"description": "The indexing status: `in_progress`, `completed`, `failed` or `cancelled`."},
    )
    error = fields.String(metadata={"description": "Why the file failed; missing for others."})


class AssistantId(Schema):
    """The id of the default assistant."""

    assistant_id = fields.String(required=True, data_key="assistantId")


class StoredObject(Schema):
    """The keys of every object."""

    class Meta:
        """Allow more keys, as the Assistants API does."""

        unknown = INCLUDE

    id = fields.String(required=True)
    object = fields.String(required=True)
    created_at = fields.Integer(required=True, metadata={"description": "Seconds since the epoch."})


class ApiObject(StoredObject):
    """An object with metadata."""

    metadata = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class Thread(ApiObject):
    title = fields.String(required=True, allow_none=True)
    updated_at = fields.Integer(required=True, metadata={"description": "Seconds since the epoch."})
    tool_resources = fields.Dict(allow_none=True)
    line_id = fields.String(required=True, metadata={"description": "The active line, whose messages are listed."})
    revision = fields.Integer(
        required=True, metadata={"description": "Grows with every change of its messages or lines."}
    )


class Message(ApiObject):
    thread_id = fields.String(required=True)
    status = fields.String(required=True)
    role = fields.String(required=True)
    content = fields.List(fields.Dict(), required=True)
    assistant_id = fields.String(required=True, allow_none=True)
    run_id = fields.String(required=True, allow_none=True)
    attachments = fields.List(fields.Dict(), allow_none=True)
    incomplete_details = fields.Dict(required=True, allow_none=True)
    completed_at = fields.Integer(required=True, allow_none=True)
    incomplete_at = fields.Integer(required=True, allow_none=True)


class Run(ApiObject):
    thread_id = fields.String(required=True)
    assistant_id = fields.String(required=True)
    status = fields.String(required=True)
    model = fields.String(required=True)
    instructions = fields.String(required=True)
    last_error = fields.Dict(required=True, allow_none=True)
    usage = fields.Dict(required=True, allow_none=True)


class Deleted(Schema):
    id = fields.String(required=True)
    object = fields.String(required=True)
    deleted = fields.Boolean(required=True)


class ObjectPage(Schema):
    object = fields.String(required=True)
    first_id = fields.String(required=True, allow_none=True)
    last_id = fields.String(required=True, allow_none=True)
    has_more = fields.Boolean(required=True)


def page_of(item: type[Schema]) -> type[Schema]:
    """Return the schema of a page of objects."""
    data = fields.List(fields.Nested(item), required=True)
    return type(f"{item.__name__}Page", (ObjectPage,), {"__module__": item.__module__, "data": data})


ThreadPage = page_of(Thread)
MessagePage = page_of(Message)


class Health(Schema):
    status = fields.String(required=True)


class UpstreamState(Schema):
    """The engine and its model; `host`, `profile` and `leaves_out` for a server."""

    engine = fields.String(required=True)
    model = fields.String(required=True)
    host = fields.String()
    profile = fields.String()
    leaves_out = fields.List(fields.String())


class Readiness(Schema):
    """Whether requests can be served: each part is `ok` or its problem."""

    status = fields.String(required=True)
    store = fields.String(required=True)
    engine = fields.String(required=True)
    upstream = fields.Nested(UpstreamState, required=True)
    warnings = fields.List(fields.String(), required=True)
