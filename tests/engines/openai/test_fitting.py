"""What a request becomes for its server, and which field a refusal makes it do without: pure."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.engines.openai.fitting import MAX_MODELS, Learnt, blamed, fit
from flask_assistant_stream.errors import EngineError
from flask_assistant_stream.profiles import OPTIONAL_FIELDS, PROFILES, UNKNOWN

OPENAI = PROFILES["openai"]
USER = {"type": "message", "role": "user", "content": "hello"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"a":1}'}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
WEATHER = {"type": "function", "name": "weather", "parameters": {}, "strict": False}
PARTS = [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
TEXTS = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
OTHER = {**WEATHER, "name": "other"}


def asking(*items: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "instructions": "Be brief.", "input": list(items or (USER,)), "stream": True, **fields}


FULL = asking(
    {"type": "message", "role": "assistant", "content": "hi", "phase": "final_answer"},
    include=["reasoning.encrypted_content"],
    reasoning={"effort": "low", "summary": "auto"},
    safety_identifier="u",
    stream_options={"include_obfuscation": False},
    truncation="auto",
    max_output_tokens=100,
    parallel_tool_calls=False,
    store=False,
    temperature=0.5,
    text={"format": {"type": "json_object"}},
    tool_choice="required",
    tools=[WEATHER],
)
"""Has every field that there is to leave out."""


def test_openai_gets_all_of_it_and_the_request_stays_as_it_is() -> None:
    before = repr(FULL)
    assert fit(FULL, OPENAI) == FULL
    fit(FULL, UNKNOWN)
    assert repr(FULL) == before


def test_an_unknown_server_gets_the_core() -> None:
    core = {"model", "instructions", "input", "stream", "store", "temperature", "reasoning", "tools", "tool_choice"}
    fitted = fit(FULL, UNKNOWN)
    assert set(fitted) == core | {"max_output_tokens", "parallel_tool_calls", "text"}
    assert fitted["reasoning"] == {"effort": "low"}
    assert fitted["input"] == [{"type": "message", "role": "assistant", "content": "hi"}]


def test_no_empty_reasoning_is_sent() -> None:
    assert "reasoning" not in fit(asking(reasoning={"summary": "auto"}), UNKNOWN)


@pytest.mark.parametrize("name", sorted(OPTIONAL_FIELDS - {"phase", "reasoning.summary"}))
def test_what_was_refused_is_left_out_at_openai_too(name: str) -> None:
    assert name not in fit(FULL, OPENAI, {name})


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_reasoning_goes_back_only_to_those_who_take_it(profile: Any) -> None:
    fitted = fit(asking(USER, THOUGHT, CALL, OUTPUT), profile)["input"]
    assert (THOUGHT in fitted) == profile.reasoning
    assert [item["type"] for item in fitted if item != THOUGHT] == ["message", "function_call", "function_call_output"]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([OUTPUT, USER], [USER]),
        ([USER, {**OUTPUT, "call_id": "call_2"}], [USER]),
        ([USER, {**CALL, "arguments": ""}, OUTPUT], [USER, {**CALL, "arguments": "{}"}, OUTPUT]),
        ([USER, {**CALL, "arguments": "[1]"}], [USER, {**CALL, "arguments": "{}"}]),
        ([USER, {**CALL, "arguments": '{"a'}], [USER, {**CALL, "arguments": "{}"}]),
        ([CALL, OUTPUT], [{"type": "message", "role": "user", "content": ""}, CALL, OUTPUT]),
        ([{"role": "user", "content": "x"}], [{"type": "message", "role": "user", "content": "x"}]),
        ([{"role": "assistant", "content": PARTS}], [{"type": "message", "role": "assistant", "content": "a\nb"}]),
        ([USER, CALL, {**OUTPUT, "output": TEXTS}], [USER, CALL, {**OUTPUT, "output": "a\nb"}]),
    ],
)
def test_the_input_is_what_every_server_takes(items: list[Any], expected: list[Any]) -> None:
    assert fit(asking(*items), UNKNOWN)["input"] == expected


def test_parts_of_the_user_and_text_alone_stay() -> None:
    parts = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}
    assert fit(asking(parts), UNKNOWN)["input"] == [parts]
    assert fit({"model": "m", "input": "hello"}, UNKNOWN) == {"model": "m", "input": "hello"}


@pytest.mark.parametrize("kind", ["code_interpreter", "file_search", "web_search"])
def test_a_tool_that_the_server_does_not_run_is_refused(kind: str) -> None:
    with pytest.raises(EngineError, match=rf"does not run the tool '{kind}'\.$") as caught:
        fit(asking(tools=[WEATHER, {"type": kind}]), PROFILES["ollama"])
    assert caught.value.code == "invalid_prompt"
    assert "ASSISTANT_UPSTREAM_PROFILE" in caught.value.detail
    assert fit(asking(tools=[{"type": kind}]), OPENAI)["tools"] == [{"type": kind}]


def test_a_choice_that_would_not_be_heard_is_made_by_the_tools() -> None:
    choosing = asking(tools=[WEATHER, OTHER], tool_choice={"type": "function", "name": "other"})
    fitted = fit(choosing, UNKNOWN)
    assert (fitted["tools"], fitted["tool_choice"]) == ([OTHER], "required")
    fitted = fit(choosing, UNKNOWN, {"tool_choice"})
    assert (fitted["tools"], fitted.get("tool_choice")) == ([OTHER], None)
    assert fit(choosing, OPENAI) == choosing
    none = fit(asking(tools=[WEATHER], tool_choice="none"), UNKNOWN)
    assert not {"tools", "tool_choice"} & set(none)
    assert fit(asking(tools=[WEATHER], tool_choice="none"), OPENAI)["tools"] == [WEATHER]


# ---- what a refusal names --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("param", "text", "name"),
    [
        ("include", "Encrypted content is not supported with this model.", "include"),
        ("include[0]", "Invalid value.", "include"),
        ("stream_options.include_obfuscation", "No.", "stream_options"),
        ("reasoning.summary", "Your organization must be verified to generate summaries.", "reasoning.summary"),
        ("reasoning.effort", "Unsupported value: 'minimal'. Also unsupported: truncation", None),
        ("input[3].content", "Invalid: 'truncation' unsupported", None),
        ("includes", "No.", None),
        ("max_output_tokens", "Unsupported parameter: 'max_output_tokens'.", "max_output_tokens"),
        ("max_output_tokens", "Invalid 'max_output_tokens': integer above maximum value.", None),
        ("parallel_tool_calls", "Unsupported parameter.", "parallel_tool_calls"),
        ("text.format", "Unsupported: response_format json_schema.", None),
        ("temperature", "Unsupported parameter: 'temperature' is not supported with this model.", None),
        ("model", "Unknown model.", None),
        (None, "Argument not supported: include", "include"),
        (None, "Unexpected fields in the request: {'safety_identifier'}", "safety_identifier"),
        (None, "body.stream_options: Extra inputs are not permitted", "stream_options"),
        (None, "body.include.0: Input should be 'message.output_text.logprobs'", "include"),
        (None, "Unrecognized key(s) in object: 'truncation'", "truncation"),
        (None, "unknown parameter truncation", "truncation"),
        (None, "Tools are fine, but parallel_tool_calls is not supported.", "parallel_tool_calls"),
        (None, "tool_choice: only auto is supported, required is unsupported", "tool_choice"),
        (None, "The input is too long even after truncation of the prompt, please include less.", None),
        (None, "max_output_tokens + input exceeds the context", None),
        (None, "Please include a message and a summary", None),
        (None, "", None),
    ],
)
def test_the_field_that_a_refusal_names(param: str | None, text: str, name: str | None) -> None:
    assert blamed(FULL, UNKNOWN, param, text) == name


def test_only_what_was_sent_can_be_left_out() -> None:
    assert blamed(asking(), UNKNOWN, "include", "Unsupported") is None
    assert blamed(asking(reasoning={"effort": "low"}), UNKNOWN, "reasoning.summary", "Unsupported") is None


def test_a_promise_that_a_server_keeps_is_not_left_out() -> None:
    """Answers of such a server are not checked, so the request must say what they are to be."""
    assert blamed(FULL, OPENAI, "tool_choice", "Unsupported parameter") is None
    assert blamed(FULL, OPENAI, "parallel_tool_calls", "Unsupported parameter") == "parallel_tool_calls"


def test_what_was_learnt_is_kept_by_model_and_within_bounds() -> None:
    learnt = Learnt()
    learnt.add("a", frozenset({"include"}))
    learnt.add("a", frozenset({"truncation"}))
    learnt.add("b", frozenset({"stream_options"}))
    assert learnt.of("a") == {"include", "truncation"}
    assert not learnt.of("c")
    assert learnt.fields == {"include", "truncation", "stream_options"}
    for number in range(MAX_MODELS + 1):
        learnt.add(f"m{number}", frozenset({"include"}))
    assert learnt.fields == {"include"}
