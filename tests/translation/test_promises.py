"""What a run asks for and its upstream passes over: kept here, or told as a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .checker import Fold, check
from .material import Item, added, call, done, message, play, run, terminal, text

ALL = frozenset(("max_output_tokens", "parallel_tool_calls", "text", "tool_choice"))
WEATHER = {"type": "function", "function": {"name": "weather"}}
OTHER = {"type": "function", "function": {"name": "other"}}
JSON = {"type": "json_object"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}
REFUSAL: Item = {**message(), "content": [{"type": "refusal", "refusal": "No."}]}


def told(items: list[Item], ignored: frozenset[str] = ALL, **overrides: Any) -> Fold:
    made, events = play([*items, terminal()], run=run(**overrides), ignored=ignored)
    return check(events, ended=not made.waiting)


def outcome(fold: Fold) -> tuple[str, str | None]:
    assert fold.run is not None
    return fold.run["status"], (fold.run["last_error"] or {}).get("message")


def said(value: str) -> list[Item]:
    return [added(message()), text(value), done(message(value))]


def called(*names: str) -> list[Item]:
    made = [call("{}", id=f"fc_{i}", call_id=f"call_{i}", name=name) for i, name in enumerate(names)]
    return [item for i, one in enumerate(made) for item in (added(one, i), done(one, i))]


@pytest.mark.parametrize(
    ("choice", "items", "missing"),
    [
        ("required", said("Hello."), "a tool"),
        ("required", called("weather"), None),
        ({"type": "function", "function": {"name": "other"}}, called("weather"), "the function other"),
        ({"type": "function", "function": {"name": "other"}}, said("Hello."), "the function other"),
        ({"type": "function", "function": {"name": "other"}}, called("other"), None),
        ("required", [done(REFUSAL)], None),
        ("auto", said("Hello."), None),
        ("none", said("Hello."), None),
    ],
)
def test_a_forced_call(choice: Any, items: list[Item], missing: str | None) -> None:
    status, why = outcome(told(items, tool_choice=choice, tools=[WEATHER, OTHER]))
    assert (status == "failed") == bool(missing)
    assert why == (missing and f"The upstream did not call {missing}, which tool_choice requires.")


def test_a_forced_call_is_not_asked_of_a_run_without_functions() -> None:
    assert outcome(told(said("Hello."), tool_choice="required", tools=[]))[0] == "completed"


@pytest.mark.parametrize(
    ("wanted", "value", "status"),
    [
        (JSON, '{"a": 1}', "completed"),
        (JSON, ' {"a": 1}\n', "completed"),
        (JSON, "[1]", "failed"),
        (JSON, "Sure! Here it is.", "failed"),
        (JSON, '```json\n{"a": 1}\n```', "failed"),
        (JSON, "[" * 100_000, "failed"),
        (SCHEMA, "[1]", "completed"),
        (SCHEMA, '{"a": ', "failed"),
        ({"type": "text"}, "Sure!", "completed"),
        ("auto", "Sure!", "completed"),
    ],
)
def test_the_format_of_the_answer(wanted: Any, value: str, status: str) -> None:
    fold = told(said(value), response_format=wanted)
    assert outcome(fold)[0] == status
    assert json.dumps(value) in json.dumps(fold.messages)


def test_a_refusal_and_a_call_need_no_format() -> None:
    assert outcome(told([done(REFUSAL)], response_format=JSON))[0] == "completed"
    assert outcome(told(called("weather"), response_format=JSON, tools=[WEATHER]))[0] == "requires_action"


def test_no_answer_at_all_is_not_json() -> None:
    assert outcome(told([], response_format=SCHEMA))[0] == "failed"


def test_who_keeps_its_promises_is_not_checked() -> None:
    asked = {"response_format": JSON, "tool_choice": "required", "tools": [WEATHER]}
    assert outcome(told(said("Hello."), frozenset(), **asked))[0] == "completed"


@pytest.mark.parametrize("ignored", [ALL, frozenset()])
def test_without_parallel_calls_only_the_first_is_taken(ignored: frozenset[str]) -> None:
    overrides = {"parallel_tool_calls": False, "tools": [WEATHER, OTHER]}
    items = [*said("Let me look."), *called("weather", "other", "weather")]
    made, events = play([*items, terminal()], run=run(**overrides), ignored=ignored)
    fold = check(events, ended=False)
    assert fold.run is not None
    calls = fold.run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [one["function"]["name"] for one in calls] == ["weather"]
    assert [item["name"] for item in made.items() if item["type"] == "function_call"] == ["weather"]
    assert "other" not in json.dumps([event.object() for event in events if "step" in event.name])
