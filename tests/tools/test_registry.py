"""Server tools: schemas and descriptions, arguments, results, and functions that cannot be tools."""

from __future__ import annotations

import enum
import functools
import json
import math
import re
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from flask_assistant_stream.errors import ConfigError, ToolError
from flask_assistant_stream.tools.registry import Tool, ToolContext, Tools, UnusableResult, result_text, tool_of

if TYPE_CHECKING:
    from fractions import Fraction as Elsewhere

CONTEXT = ToolContext("anna", "thread_1", "run_1", "call_1")


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


@dataclass
class Point:
    x: float
    y: float = 0.0


class Order(BaseModel):
    """An order of a customer."""

    title: str
    points: list[Point] = []
    parent: Order | None = None


def properties(function: Callable[..., Any]) -> dict[str, Any]:
    schema = tool_of(function).parameters
    jsonschema.Draft202012Validator.check_schema(schema)
    found: dict[str, Any] = schema["properties"]
    return found


def call(function: Callable[..., Any], **arguments: Any) -> str:
    return tool_of(function).call(json.dumps(arguments), CONTEXT)


def refusal(function: Callable[..., Any], arguments: str) -> str:
    with pytest.raises(ToolError) as caught:
        tool_of(function).call(arguments, CONTEXT)
    return caught.value.message


# -- what a model is told -------------------------------------------------------------------------------------
def test_a_function_becomes_a_definition() -> None:
    def get_weather(location: str, unit: Literal["c", "f"] = "c") -> str:
        """Determine the weather.

        Only for today.

        Args:
            location: A city,
                such as Paris.
            unit: Of the temperature.

        Returns:
            A text.
        """
        return f"{location} {unit}"

    unit = {"type": "string", "enum": ["c", "f"], "default": "c"}
    tool = tool_of(get_weather)
    assert tool.definition == {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Determine the weather.\n\nOnly for today.",
            "parameters": {
                "type": "object",
                "properties": {
                    "location": {"type": "string", "description": "A city, such as Paris."},
                    "unit": {**unit, "description": "Of the temperature."},
                },
                "required": ["location"],
                "additionalProperties": False,
            },
            "strict": False,
        },
    }
    assert (tool.function, tool.timeout_seconds, tool.requires_approval) == (get_weather, 30.0, False)
    assert get_weather("Oslo") == "Oslo c"


@pytest.mark.parametrize(
    "docstring",
    [
        "Find it.\n\nArgs:\n    number: The number.",
        "Find it.\n\n:param number: The number.",
        "Find it.\n\nParameters\n----------\nnumber : str\n    The number.",
        "Find it.\n\n@param number: The number.",
    ],
    ids=["google", "sphinx", "numpy", "epydoc"],
)
def test_docstrings_of_every_style(docstring: str) -> None:
    def find(number: str) -> None: ...

    find.__doc__ = docstring
    assert tool_of(find).description == "Find it."
    assert properties(find)["number"]["description"] == "The number."


def test_arguments_override_the_docstring() -> None:
    def find(
        one: Annotated[str, Field(description="annotated")],
        two: Annotated[str, "a plain text"],
        three: str = Field("x", description="in the default"),
    ) -> None:
        """Find it.

        Args:
            one: not this
            two: not this
            three: not this
        """

    found = properties(find)
    assert [entry["description"] for entry in found.values()] == ["annotated", "a plain text", "in the default"]
    tool = tool_of(find, name="search-it", description="Search.", timeout_seconds=5, requires_approval=True)
    assert (tool.name, tool.description) == ("search-it", "Search.")
    assert (tool.timeout_seconds, tool.requires_approval) == (5, True)
    assert tool_of(find, description="").description == ""


@pytest.mark.parametrize("blank", ["", " ", "\n", "{}"])
def test_a_function_without_arguments_and_every_way_to_write_none(blank: str) -> None:
    def ping() -> str:
        return "pong"

    function = tool_of(ping).definition["function"]
    assert function["description"] == ""
    assert function["parameters"] == {"type": "object", "properties": {}, "additionalProperties": False}
    assert tool_of(ping).call(blank, CONTEXT) == "pong"


def test_types_and_constraints_are_in_the_schema() -> None:
    def book(
        unit: Unit,
        when: date,
        key: UUID,
        order: Order,
        count: Annotated[int, Field(ge=1, le=9)] = 1,
        tags: list[str] | None = None,
        note: str = None,  # type: ignore[assignment]  # noqa: RUF013  (as many write it)
    ) -> None: ...

    schema = tool_of(book).parameters
    assert schema["required"] == ["unit", "when", "key", "order"]
    found = schema["properties"]
    assert schema["$defs"]["Unit"] == {"type": "string", "enum": ["c", "f"]}
    assert found["when"] == {"type": "string", "format": "date"}
    assert found["key"] == {"type": "string", "format": "uuid"}
    assert (found["count"]["minimum"], found["count"]["maximum"]) == (1, 9)
    assert {"type": "null"} in found["tags"]["anyOf"]
    assert {"type": "null"} in found["note"]["anyOf"]
    assert schema["$defs"]["Order"]["description"] == "An order of a customer."
    assert list(schema["$defs"]["Order"]["properties"]) == ["title", "points", "parent"]


def test_titles_are_removed_but_not_fields_named_title() -> None:
    def write(title: str, order: Order, default: str = "title") -> None: ...

    schema = tool_of(write).parameters
    assert schema["properties"]["title"] == {"type": "string"}
    assert schema["properties"]["default"] == {"type": "string", "default": "title"}
    assert "title" not in schema
    assert "title" not in schema["$defs"]["Order"]


def test_any_name_of_a_parameter_will_do() -> None:
    def odd(copy: int, json: int, model_config: int, _x: int, self: int, field_0: int) -> list[int]:
        return [copy, json, model_config, _x, self, field_0]

    names = ["copy", "json", "model_config", "_x", "self", "field_0"]
    assert list(properties(odd)) == names
    assert json.loads(call(odd, **{name: number for number, name in enumerate(names)})) == [0, 1, 2, 3, 4, 5]


def test_an_alias_is_what_the_model_writes() -> None:
    def trip(from_: Annotated[str, Field(alias="from")]) -> str:
        return from_

    assert (list(properties(trip)), call(trip, **{"from": "Oslo"})) == (["from"], "Oslo")


def test_a_default_that_json_cannot_hold_is_no_warning() -> None:
    missing = object()

    def find(what: str = missing) -> bool:  # type: ignore[assignment]
        return what is missing

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert properties(find)["what"] == {"type": "string"}
    assert call(find) == "true"


def test_a_default_is_the_function_s_own() -> None:
    shared: list[int] = []
    fresh: Any = Field(default_factory=list)

    def collect(number: int, into: list[int] = shared, more: list[int] = fresh) -> int:
        into.append(number)
        more.append(number)
        return len(more)

    assert call(collect, number=1) == call(collect, number=2) == "1"
    assert shared == [1, 2]


# -- context --------------------------------------------------------------------------------------------------
def test_the_context_is_passed_and_not_in_the_schema() -> None:
    def who(name: str, context: ToolContext, maybe: ToolContext | None = None) -> str:
        assert maybe is context
        return f"{name} {context.owner} {context.thread_id} {context.run_id} {context.call_id}"

    assert (list(properties(who)), call(who, name="x")) == (["name"], "x anna thread_1 run_1 call_1")
    assert "context: is not an argument" in refusal(who, '{"name": "x", "context": {}}')
    with pytest.raises(FrozenInstanceError):
        CONTEXT.owner = "bert"  # type: ignore[misc]


def test_a_context_that_is_imported_for_type_checkers_only() -> None:
    names: dict[str, Any] = {}
    exec("from __future__ import annotations\ndef who(it: ToolContext, /) -> str: return it.owner", names)
    assert call(names["who"]) == "anna"


# -- arguments ------------------------------------------------------------------------------------------------
def test_arguments_arrive_as_their_types() -> None:
    seen: list[Any] = []

    def book(unit: Unit, when: date, key: UUID, order: Order, at: datetime) -> None:
        seen.extend([unit, when, key, order, at])

    key = "2c9ce386-5732-4c45-b350-f07cca4908c5"
    order = {"title": "one", "points": [{"x": 1}], "parent": {"title": "two"}}
    call(book, unit="f", when="2026-01-02", key=key, order=order, at="2026-01-02T03:04:05Z")
    assert seen[:3] == [Unit.FAHRENHEIT, date(2026, 1, 2), UUID(key)]
    assert seen[3] == Order(title="one", points=[Point(1.0)], parent=Order(title="two"))
    assert seen[4] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def find_order(number: int, unit: Unit = Unit.CELSIUS, order: Order | None = None) -> str:
    return f"{number} {unit} {order}"


def test_each_wrong_argument_is_named() -> None:
    said = refusal(find_order, '{"unit": "k", "order": {"points": [{"x": "far"}]}, "colour": "red"}')
    assert said == (
        "Invalid arguments of find_order: number: is required; unit: Input should be 'c' or 'f'; "
        "order.title: is required; "
        "order.points.0.x: Input should be a valid number, unable to parse string as a number; "
        "colour: is not an argument of this tool."
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{", "Invalid JSON"),
        ("number 3", "Invalid JSON"),
        ('{"number": 3', "Invalid JSON"),
        ('{"number": "\\ud800"}', "Invalid JSON"),
        ("\ud800", "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON: recursion limit"),
        ("[]", "should be an object"),
        ("null", "should be an object"),
        ("3", "should be an object"),
    ],
)
def test_arguments_that_are_not_a_json_object_are_refused(arguments: str, said: str) -> None:
    assert said in refusal(find_order, arguments)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    secret = "hush" * 10_000
    said = refusal(find_order, json.dumps({"number": secret, secret: 1, **{f"key{n}": n for n in range(50)}}))
    assert said.startswith("Invalid arguments of find_order: number: Input should be a valid integer")
    assert len(said) < 2000
    assert "hush" * 20 not in said
    assert said.endswith("; and 44 more.")


@given(st.text() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_a_model_writes_is_taken_or_refused(arguments: str) -> None:
    tool = tool_of(find_order)
    try:
        said = tool.call(arguments, CONTEXT)
    except ToolError as error:
        said = error.message
    assert re.match("Invalid arguments of find_order: .|-?[0-9]+ Unit", said)
    assert len(said) < 2000


@given(
    st.fixed_dictionaries(
        {"number": st.integers(-(10**9), 10**9)},
        optional={"unit": st.sampled_from(["c", "f", "k"]), "order": st.none() | st.just({"title": "t"})},
    )
)
def test_the_schema_accepts_what_the_tool_accepts(arguments: dict[str, Any]) -> None:
    tool = tool_of(find_order)
    fits = jsonschema.Draft202012Validator(tool.parameters).is_valid(arguments)
    try:
        tool.call(json.dumps(arguments), CONTEXT)
    except ToolError:
        assert not fits
    else:
        assert fits


def test_only_the_arguments_are_looked_at_for_refusals() -> None:
    """An invalid model that the function itself builds is an error of the function."""

    def broken() -> None:
        Order.model_validate({})

    with pytest.raises(ValueError, match="title"):
        call(broken)


# -- kinds of functions ---------------------------------------------------------------------------------------
def three(a: int, b: int = 2, /, *, c: int) -> list[int]:
    return [a, b, c]


@functools.wraps(three)
def wrapped(*args: Any, **kwargs: Any) -> Any:
    return three(*args, **kwargs)


class Shop:
    def __init__(self, name: str) -> None:
        self.name = name

    def find(self, number: int) -> str:
        """Find an order."""
        return f"{self.name} {number}"

    @classmethod
    def kinds(cls, count: int) -> str:
        return f"{cls.__name__} {count}"

    @staticmethod
    def rate(day: int) -> int:
        return day

    def __call__(self, number: int) -> str:
        """Call the shop."""
        return f"called {self.name} {number}"


@pytest.mark.parametrize(
    ("function", "arguments", "answer"),
    [
        (three, {"a": 1, "c": 3}, "[1,2,3]"),
        (three, {"a": 1, "b": 5, "c": 3}, "[1,5,3]"),
        (wrapped, {"a": 1, "b": 5, "c": 3}, "[1,5,3]"),
        (functools.partial(three, 7), {"b": 5, "c": 3}, "[7,5,3]"),
        (functools.partial(three, c=9), {"a": 1}, "[1,2,9]"),
        (functools.partial(functools.partial(three, 7), c=9), {}, "[7,2,9]"),
        (functools.lru_cache(Shop.rate), {"day": 4}, "4"),
        (Shop("Kiosk").find, {"number": 4}, "Kiosk 4"),
        (Shop.kinds, {"count": 4}, "Shop 4"),
        (Shop.rate, {"day": 4}, "4"),
    ],
)
def test_functions_of_many_kinds(function: Callable[..., Any], arguments: dict[str, Any], answer: str) -> None:
    assert (call(function, **arguments), tool_of(function).code.co_filename) == (answer, __file__)


def test_what_a_partial_has_bound_the_model_cannot_change() -> None:
    bound = functools.partial(three, c=9)
    assert list(properties(bound)) == ["a", "b"]
    assert "c: is not an argument" in refusal(bound, '{"a": 1, "c": 3}')


def test_an_object_that_can_be_called_needs_a_name() -> None:
    with pytest.raises(ConfigError, match="name="):
        tool_of(Shop("Kiosk"))
    tool = tool_of(Shop("Kiosk"), name="shop")
    assert (tool.description, tool.call('{"number": 1}', CONTEXT)) == ("Call the shop.", "called Kiosk 1")
    assert tool_of(lambda: "yes", name="sure").call("", CONTEXT) == "yes"


async def later(a: int) -> None: ...


async def pieces(a: int) -> AsyncIterator[int]:
    yield a


def unannotated(a): ...  # type: ignore[no-untyped-def]


def starred(*many: int) -> None: ...


def keywords(**many: int) -> None: ...


def of_a_class(a: Shop) -> None: ...


def of_a_function(a: Callable[[], int]) -> None: ...


def of_elsewhere(a: Elsewhere) -> None: ...


@pytest.mark.parametrize(
    ("function", "fix"),
    [
        (pieces, "async generator. Return one value"),
        (unannotated, "parameter 'a' has no annotation. Annotate it, as in a: str"),
        (Shop.find, "bound method"),
        (starred, r"\*many cannot .* Name each parameter"),
        (keywords, r"\*\*many cannot .* Name each parameter"),
        (of_a_class, r"class .*Shop.*types that JSON can hold"),
        (of_a_function, "types that JSON can hold"),
        (of_elsewhere, "annotation of 'a' cannot be resolved .* outside `if TYPE_CHECKING`"),
        (lambda: 1, "name="),
        (print, "Wrap it in a function"),
        (Shop, "pass a function"),
        (3, "pass a function"),
        ({"type": "function"}, "put it into the tools of an assistant"),
    ],
)
def test_functions_that_cannot_be_tools_are_refused_with_the_fix(function: Any, fix: str) -> None:
    with pytest.raises(ConfigError, match=fix):
        tool_of(function)


def test_an_annotation_of_the_result_is_not_looked_at() -> None:
    def find(a: int) -> Elsewhere:
        return a  # type: ignore[return-value]

    assert call(find, a=1) == "1"


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        *(("name", name, "a-z A-Z") for name in ("", "a b", "a.b", "é", "x" * 65, "a\n", 3)),
        *(("timeout_seconds", s, "timeout_seconds") for s in (0, -1, math.nan, math.inf, True, "5", None, 86_401)),
    ],
)
def test_invalid_options_are_refused(option: str, value: Any, says: str) -> None:
    options = {option: value}
    with pytest.raises(ConfigError, match=says):
        tool_of(find_order, **options)


# -- results --------------------------------------------------------------------------------------------------
class Tint(str, enum.Enum):
    RED = "red"


def letters() -> Iterator[str]:
    yield "a"
    yield "b"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ("as it is", "as it is"),
        ("", ""),
        ('"', '"'),
        ("Grüße", "Grüße"),
        ("\ud83d\ude00 \ud800", "😀 \ufffd"),
        (Tint.RED, "red"),
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (math.nan, '"NaN"'),
        (["ü", None], '["ü",null]'),
        ({"when": date(2026, 1, 2), 3: Decimal("1.10")}, '{"when":"2026-01-02","3":"1.10"}'),
        (Point(1, 2), '{"x":1,"y":2}'),
        (Order(title="t"), '{"title":"t","points":[],"parent":null}'),
        (Unit.CELSIUS, '"c"'),
        (letters(), '["a","b"]'),
        (b"bytes", '"bytes"'),
    ],
)
def test_results_become_text(result: Any, said: str) -> None:
    assert result_text(result) == said


class Purchase:
    """A host's own."""


@dataclass
class Receipt:
    order: Purchase


@pytest.mark.parametrize(
    "result", [Purchase(), [Purchase()], {"a": (1, Purchase())}, Receipt(Purchase()), {Purchase(): 1}]
)
def test_an_object_of_the_hosts_own_is_named_with_the_fix(result: Any) -> None:
    with pytest.raises(UnusableResult, match=r"^returned Purchase; return a dict, a string or a pydantic model$"):
        result_text(result)


def test_dates_and_decimals_inside_dicts_are_text() -> None:
    result = {"day": date(2026, 12, 1), "price": Decimal("1.50"), "at": datetime(2026, 12, 1, 8, tzinfo=timezone.utc)}
    assert json.loads(result_text(result)) == {"day": "2026-12-01", "price": "1.50", "at": "2026-12-01T08:00:00Z"}


@pytest.mark.parametrize("result", [object(), b"\xff", {"a": {1: object()}}])
def test_a_result_that_is_no_json_fails(result: Any) -> None:
    with pytest.raises(ValueError):
        result_text(result)


# -- the registry ---------------------------------------------------------------------------------------------
def test_the_registry_keeps_names_and_order() -> None:
    tools = Tools()

    @tools.tool
    def second(a: int) -> int:
        return a

    @tools.tool(requires_approval=True, timeout_seconds=2, name="first")
    def other() -> None: ...

    added = tools.add(tool_of(find_order))
    assert tools.names == ("second", "first", "find_order")
    assert ([tool.name for tool in tools], len(tools)) == (list(tools.names), 3)
    assert tools.get("find_order") is added
    assert tools.get("other") is None
    first = tools.get("first")
    assert first is not None
    assert (first.function, first.requires_approval, first.timeout_seconds) == (other, True, 2)
    assert second(3) == 3


def test_the_same_function_twice_is_one_tool() -> None:
    tools, shop = Tools(), Shop("Kiosk")
    first = tools.add(find_order, requires_approval=True)
    assert tools.add(find_order) is first
    assert tools.add(find_order, requires_approval=True) is first
    assert tools.add(shop.find) is tools.add(shop.find)
    assert tools.add(find_order, name="again") is not first
    assert tools.names == ("find_order", "find", "again")


def test_a_name_is_used_once() -> None:
    tools = Tools()
    tools.add(Shop("one").find)
    with pytest.raises(ConfigError, match="two tools named 'find'"):
        tools.add(Shop("two").find)
    with pytest.raises(ConfigError, match="other options"):
        tools.add(find_order) and tools.add(find_order, requires_approval=True)
    with pytest.raises(ConfigError, match="tool_of"):
        tools.add(tool_of(find_order), timeout_seconds=3)


def test_tools_are_values() -> None:
    tool = tool_of(find_order)
    assert (tool, hash(tool)) == (tool_of(find_order), hash(tool_of(find_order)))
    assert replace(tool, name="other") != tool
    assert isinstance(tool, Tool)


def test_a_tool_costs_nothing_until_there_is_one() -> None:
    code = (
        "import sys, flask_assistant_stream.tools.registry as tools, flask_assistant_stream.tools.calls\n"
        "tools.Tools()\n"
        "assert not {'pydantic', 'pydantic_core', 'docstring_parser', 'flask', 'gevent'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# -- the page -------------------------------------------------------------------------------------------------
def snippets(kind: str) -> list[str]:
    page = (Path(__file__).parents[2] / "docs/tools.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def executed(snippet: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(snippet, "tools.md", "exec", dont_inherit=True), names)
    return names


def test_the_page_shows_a_tool_as_the_model_reads_it() -> None:
    function = executed(snippets("python")[0])["get_weather"]
    assert tool_of(function).definition == json.loads(snippets("json")[0])


def test_the_functions_of_the_page_are_tools() -> None:
    made = []
    for snippet in snippets("python"):
        if "create_assistant_blueprint" not in snippet:
            names = executed(snippet)
            names.pop("test_greet", lambda: None)()
            functions = [one for one in names.values() if isinstance(one, FunctionType) and one.__globals__ is names]
            made += [tool_of(one).name for one in functions]
    assert made == ["get_weather", "book_table", "my_orders", "find_order", "greet"]
