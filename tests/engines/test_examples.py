"""Examples of a schema's values: each is accepted by the schema."""

from __future__ import annotations

from typing import Any, Literal

import jsonschema
import pytest

from flask_assistant_stream.engines.examples import example_of
from flask_assistant_stream.tools.registry import ToolContext, tool_of

HERE = ToolContext("ann", "thread_1", "run_1", "call_1")


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}},
        of(a={"type": "string"}, b={"type": "string", "minLength": 9}, c={"type": "string", "maxLength": 2}),
        of(a={"enum": ["red", "blue"]}, b={"const": 5}, c={"type": "string", "examples": ["Oslo"]}),
        of(a={"type": "integer"}, b={"type": "number"}, c={"type": "boolean"}, d={"type": "null"}),
        of(a={"type": "integer", "minimum": 10}, b={"type": "integer", "exclusiveMaximum": -3}),
        of(a={"type": "integer", "exclusiveMinimum": 7, "maximum": 8}, b={"type": "integer", "multipleOf": 5}),
        of(a={"type": "number", "minimum": 0.2, "maximum": 0.8}, b={"type": "integer", "maximum": 2**64 - 1}),
        of(a={"type": "array", "items": {"type": "integer"}, "minItems": 2}, b={"type": "array"}),
        of(a={"anyOf": [{"type": "integer"}, {"type": "null"}]}, b={"type": ["string", "null"]}),
        of(a=of(b=of(c={"type": "string", "format": "date"}))),
        {**of(a={"$ref": "#/$defs/city"}), "$defs": {"city": of(name={"type": "string"})}},
    ],
)
def test_an_example_is_accepted(schema: dict[str, Any]) -> None:
    example = example_of(schema)
    jsonschema.validate(example, schema)
    assert isinstance(example, dict)


@pytest.mark.parametrize(
    "schema",
    [
        of(a={"type": "string", "pattern": "^x$"}),
        of(a={"type": "string", "minLength": 1000}),
        of(a={"type": "array", "minItems": 1000}),
        of(a={"type": "array", "minItems": 2, "uniqueItems": True}),
        of(a={"type": "integer", "minimum": 2, "maximum": 1}),
        of(a={"allOf": [{"type": "string"}]}),
        {**of(a={"$ref": "#/$defs/a"}), "$defs": {"a": of(a={"$ref": "#/$defs/a"})}},
        of(a={"$ref": "https://example.com/schema"}),
        {"type": "object", "required": ["missing"]},
        {"type": "object", "required": 5},
        of(a={"type": "odd"}),
        of(a=[]),
        [],
        None,
    ],
)
def test_what_cannot_be_derived_has_no_example(schema: Any) -> None:
    assert example_of(schema) is None


def order(kettle: str, count: int, colour: Literal["red", "blue"], gift: bool, note: str | None = None) -> str:
    """Order kettles."""
    return f"{count} {colour} {kettle} {gift} {note}"


def test_a_server_tool_accepts_its_example() -> None:
    tool = tool_of(order)
    assert tool.call('{"kettle": "text", "count": 1, "colour": "red", "gift": true}', HERE) == "1 red text True None"
    assert example_of(tool.parameters) == {"kettle": "text", "count": 1, "colour": "red", "gift": True}
