"""Derive a value from a JSON schema, as an example that the schema accepts. Pure."""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 8
MAX_LENGTH = 20
"""Longest text and list of an example."""


class _Unknown(Exception):
    """The schema has a part that no example is derived from."""


def example_of(schema: Any) -> Any:
    """Return the smallest plain value that a schema accepts, or None if it cannot be derived.

    Objects have their required properties. Patterns and conditions are not derived.
    """
    try:
        return _value(schema, schema, MAX_DEPTH)
    except (_Unknown, TypeError, ValueError, KeyError, AttributeError):  # a schema of a client may be anything
        return None


def _value(schema: Any, root: Any, depth: int) -> Any:
    if not depth or not isinstance(schema, dict):
        raise _Unknown
    if "$ref" in schema:
        return _value(_resolved(schema["$ref"], root), root, depth - 1)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _value(schema[key][0], root, depth - 1)
    if _CONDITIONS & schema.keys():
        raise _Unknown
    if "const" in schema:
        return schema["const"]
    if "enum" in schema or schema.get("examples"):
        return (schema.get("enum") or schema["examples"])[0]
    kind = schema.get("type", "object" if "properties" in schema or not schema else "string")
    return _OF_TYPE[kind[0] if isinstance(kind, list) else kind](schema, root, depth - 1)


def _resolved(reference: str, root: Any) -> Any:
    """Return the part of a schema that `#/$defs/name` names."""
    place, *path = reference.split("/")
    if place != "#":
        raise _Unknown
    for name in path:
        root = root[name]
    return root


def _object(schema: Any, root: Any, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    return {name: _value(properties[name], root, depth) for name in schema.get("required") or ()}


def _array(schema: Any, root: Any, depth: int) -> list[Any]:
    count = schema.get("minItems", 0)
    if count > MAX_LENGTH or (count > 1 and schema.get("uniqueItems")):
        raise _Unknown
    return [_value(schema.get("items") or {"type": "string"}, root, depth)] * count


def _string(schema: Any, _root: Any, _depth: int) -> str:
    if "pattern" in schema or schema.get("minLength", 0) > MAX_LENGTH:
        raise _Unknown
    if "format" in schema:
        return _FORMATS[schema["format"]]
    return ("text" * 5)[: max(schema.get("minLength", 0), min(4, schema.get("maxLength", 4)))]


def _number(schema: Any, _root: Any, _depth: int) -> float:
    """Return 1 or a number at a bound."""
    whole, step = schema.get("type") == "integer", schema.get("multipleOf", 0)
    bounds = [schema[key] for key in _BOUNDS if key in schema]
    for number in (1, 0, step, *(bound + more for bound in bounds for more in (0, 1, -1)), sum(bounds) / 2):
        fits = not whole or isinstance(number, int)
        fits = fits and schema.get("minimum", number) <= number <= schema.get("maximum", number)
        fits = fits and schema.get("exclusiveMinimum", number - 1) < number < schema.get("exclusiveMaximum", number + 1)
        if fits and not (step and number % step):
            return number  # type: ignore[no-any-return]
    raise _Unknown


_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
_FORMATS = {
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_OF_TYPE = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _number,
    "number": _number,
    "boolean": lambda *_: True,
    "null": lambda *_: None,
}
_CONDITIONS = frozenset(("allOf", "not", "if", "patternProperties", "dependentRequired", "minProperties", "contains"))
