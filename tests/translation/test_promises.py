"""What a run asks for and its upstream passes over: kept here, or told as a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .checker import check
from .material import Item, added, call, done, message, play, run, terminal, text

ALL = frozenset(("max_output_tokens", "parallel_tool_calls", "text", "tool_choice"))
WEATHER = {"type": "function", "function": {"name": "weather"}}
OTHER = {"type": "function", "function": {"name": "other"}}
JSON = {"type": "json_object"}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}
REFUSAL: Item = {**message(), "content": [{"type": "refusal", "refusal": "No."}]}


def outcome(items: list[Item], ignored: frozenset[str] = ALL, **overrides: Any) -> tuple[str, str | None]:
    """Return status and error message of a run whose upstream passes over what is `ignored`."""
    _, events = play([*items, terminal()], run=run(**overrides), ignored=ignored)
    ended = check(events, ended=False).run
    return ended["status"], (ended["last_error"] or {}).get("message")


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
        (OTHER, called("weather"), "the function other"),
        (OTHER, said("Hello."), "the function other"),
        (OTHER, called("other"), None),
        ("required", [done(REFUSAL)], None),
        ("auto", said("Hello."), None),
        ("none", said("Hello."), None),
    ],
)
def test_a_forced_call(choice: Any, items: list[Item], missing: str | None) -> None:
    status, why = outcome(items, tool_choice=choice, tools=[WEATHER, OTHER])
    assert (status == "failed") == bool(missing)
    assert why == (missing and f"The upstream did not call {missing}, which tool_choice requires.")


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
    _, events = play([*said(value), terminal()], run=run(response_format=wanted), ignored=ALL)
    fold = check(events)
    assert (fold.run["status"], fold.texts) == (status, [value])


def test_a_refusal_and_a_call_need_no_format_and_no_answer_has_none() -> None:
    assert outcome([], response_format=SCHEMA)[0] == "failed"
    assert outcome([done(REFUSAL)], response_format=JSON)[0] == "completed"
    assert outcome(called("weather"), response_format=JSON, tools=[WEATHER])[0] == "requires_action"


def test_only_promises_that_are_not_kept_are_checked() -> None:
    asked = {"response_format": JSON, "tool_choice": "required", "tools": [WEATHER]}
    assert outcome(said("Hello."), frozenset(), **asked)[0] == "completed"
    assert outcome(said("Hello."), tool_choice="required", tools=[])[0] == "completed"


@pytest.mark.parametrize("ignored", [ALL, frozenset()])
def test_without_parallel_calls_only_the_first_is_taken(ignored: frozenset[str]) -> None:
    overrides = {"parallel_tool_calls": False, "tools": [WEATHER, OTHER]}
    items = [*said("Let me look."), *called("weather", "other", "weather")]
    made, events = play([*items, terminal()], run=run(**overrides), ignored=ignored)
    fold = check(events, ended=False)
    calls = fold.run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [one["function"]["name"] for one in calls] == ["weather"]
    assert [item["name"] for item in made.items() if item["type"] == "function_call"] == ["weather"]
    assert "other" not in json.dumps([event.object() for event in events if "step" in event.name])
