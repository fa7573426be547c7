"""Fields of the SDK face: strict JSON types, objects with a `type`, free JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from ...protocol import objects
from ...protocol.objects import Object
from .. import bounds
from ..schemas import Body, Id, Text, check_content, check_text

MAX_DEPTH = 32
"""The depth of free JSON, within the limits of the stores."""
MAX_WHOLE = 2**53 - 1
MAX_NUMBER = 10**308
"""Of free JSON: clients and upstreams read larger ones as infinite."""
MAX_URL_CHARS = 1_000_000
MAX_FILTER_DEPTH = 4
MAX_FILTERS = 32
COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")
IMAGE_URLS = ("http://", "https://", "data:image/")


class Whole(fields.Integer):
    """A whole number in JSON."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_WHOLE:
            raise ValidationError("It must be a whole number.")
        return value


class Number(fields.Float):
    """A number in JSON."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValidationError("It must be a number.")
        return value


class Flag(fields.Boolean):
    """True or false in JSON."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("It must be true or false.")
        return value


class Free(fields.Dict):
    """A JSON object that every store can hold, such as a JSON schema."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[Any, Any]:
        if not isinstance(value, dict):
            raise ValidationError("It must be an object.")
        _check_json(value, MAX_DEPTH)
        return value


def _check_json(value: Any, depth: int) -> None:
    if depth < 0:
        raise ValidationError(f"It must not be nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, (int, float)) and not -MAX_NUMBER <= value <= MAX_NUMBER:  # NaN, too
        raise ValidationError("Its numbers must be finite, of at most 308 digits.")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_text(key)
            _check_json(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_json(inner, depth - 1)


class Attributes(fields.Dict):
    """Up to 16 strings, numbers and booleans for filters; keys up to 64 characters, strings up to 512."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[Any, Any]:
        if not isinstance(value, dict) or len(value) > 16:
            raise ValidationError("It must be an object of at most 16 keys.")
        for key, attribute in value.items():
            if len(check_text(key)) > 64 or (isinstance(attribute, str) and len(attribute) > 512):
                raise ValidationError("Its keys are at most 64 characters long, its texts at most 512.")
            _check_plain(attribute)
        return value


class Filters(fields.Dict):
    """Comparisons of attributes, joined by `and` and `or`."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[Any, Any]:
        _check_filter(value, MAX_FILTER_DEPTH)
        return dict(value)


def _check_filter(value: Any, depth: int) -> None:
    if depth < 0:
        raise ValidationError(f"It must not be nested more than {MAX_FILTER_DEPTH} levels deep.")
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in ("and", "or"):
        inner = value.get("filters")
        if not isinstance(inner, list) or not 1 <= len(inner) <= MAX_FILTERS:
            raise ValidationError(f"`and` and `or` need a list of 1 to {MAX_FILTERS} `filters`.")
        for part in inner:
            _check_filter(part, depth - 1)
        return
    if not isinstance(kind, str) or kind not in COMPARISONS:
        raise ValidationError(f"A filter is an object whose type is one of: {', '.join(COMPARISONS)}, and, or.")
    check_text(value.get("key"))
    compared = value.get("value")
    if (kind in ("in", "nin")) != isinstance(compared, list):
        raise ValidationError("The value of `in` and `nin` must be a list, that of other comparisons must not.")
    for operand in compared if isinstance(compared, list) else [compared]:
        _check_plain(operand)


def _check_plain(value: Any) -> None:
    if not isinstance(value, (str, int, float)):
        raise ValidationError("Its values must be texts, numbers, true or false.")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:  # they are compared by databases
        raise ValidationError("Its whole numbers must fit into 64 bits.")
    _check_json(value, 0)


class Variant(fields.Field[Any]):
    """An object whose `type` selects its schema, or one of some words."""

    def __init__(self, variants: Mapping[str, Schema], *, words: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._variants = variants
        self._words = words

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if isinstance(value, str) and value in self._words:
            return value
        if not isinstance(value, dict):
            choices = [f'"{word}"' for word in self._words] + ["an object with a type"]
            raise ValidationError(f"It must be {' or '.join(choices)}.")
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in self._variants:
            raise ValidationError({"type": [f"It must be one of: {', '.join(self._variants)}."]})
        return {"type": kind, **self._variants[kind].load(value)}


class _TextPart(Body):
    text = Text(required=True)


class _ImageFile(Body):
    file_id = Id(required=True)
    detail = Text(load_default="auto", validate=validate.OneOf(("auto", "low", "high")))


class _ImageUrl(Body):
    url = Text(required=True, validate=bounds.Length(1, MAX_URL_CHARS))
    detail = Text(load_default="auto", validate=validate.OneOf(("auto", "low", "high")))


class _ImageFilePart(Body):
    image_file = fields.Nested(_ImageFile, required=True)


class _ImageUrlPart(Body):
    image_url = fields.Nested(_ImageUrl, required=True)


class MessageContent(fields.Field[list[Object]]):
    """The content of a message: a string, or parts of text and images; loads to stored content parts."""

    part = Variant({"text": _TextPart(), "image_file": _ImageFilePart(), "image_url": _ImageUrlPart()})

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[Object]:
        if isinstance(value, list):
            return self._parts(value)
        return check_content([objects.text_part(check_text(value))])

    def _parts(self, parts: list[Any]) -> list[Object]:
        loaded: list[Object] = []
        for index, part in enumerate(parts):
            try:
                loaded.append(_stored(self.part.deserialize(part)))
            except ValidationError as error:
                raise ValidationError({index: error.messages}) from None
        return check_content(loaded)


def _stored(part: Object) -> Object:
    if part["type"] == "image_url" and not part["image_url"]["url"].startswith(IMAGE_URLS):
        raise ValidationError({"image_url": {"url": ["It must be an http or https address, or a data: image."]}})
    return objects.text_part(part["text"]) if part["type"] == "text" else part


def ids(most: int, **kwargs: Any) -> fields.List[str]:
    """Return a field for a list of up to `most` ids."""
    return fields.List(Id(), validate=bounds.Length(max=most), **kwargs)
