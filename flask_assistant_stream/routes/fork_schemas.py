"""Schemas of the routes of forks."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from ..protocol import ids
from . import bounds
from .schemas import (
    CONTENT,
    AppBody,
    Attachment,
    ListQuery,
    Message,
    NewMessage,
    Text,
    TextContent,
    check_text,
    page_of,
)


class LineId(Text):
    """The id of a line of a thread; loads to its number."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        number = ids.line_number(check_text(value))
        if number is None:
            raise ValidationError(
                "It must be the id of a line, such as line_0: the `line_id` of a thread or of an alternative."
            )
        return number


class NewFork(NewMessage):
    """The new text of a message; without `content` its answer is generated again."""

    content = TextContent(metadata=CONTENT)
    attachments = fields.List(
        fields.Nested(Attachment),
        allow_none=True,
        validate=bounds.Length(max=10),
        metadata={"description": "Absent or null: those of the old message."},
    )


class LineChoice(AppBody):
    """The line to continue."""

    line_id = LineId(required=True, metadata={"pattern": r"^line_[0-9]+$"})


class AlternativesQuery(ListQuery):
    """A page of alternatives, by default in the order in which they were made."""

    order = Text(load_default="asc", validate=validate.OneOf(("asc", "desc")))


class ThreadLine(Schema):
    """One of the ways in which a thread continues from the place of a message."""

    id = fields.String(required=True, metadata={"description": "The line that began with it."})
    object = fields.String(required=True)
    line_id = fields.String(
        required=True, metadata={"description": "The line to switch to: the one used last of those that show it."}
    )
    active = fields.Boolean(required=True, metadata={"description": "The active line shows it."})
    message = fields.Nested(
        Message, required=True, allow_none=True, metadata={"description": "Its first message; null without one."}
    )


ThreadLinePage = page_of(ThreadLine)
