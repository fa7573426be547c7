"""Requests to the Responses API: valid by its own description, and what `spec/responses.md#the-request` asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flask_assistant_stream.protocol import objects
from flask_assistant_stream.protocol.run_states import MessageStatus
from flask_assistant_stream.translation.request import to_responses, wants_encrypted_reasoning

from .material import Item, asked, play, run, shared_missing, terminal, validate

FUNCTION = {"type": "function", "function": {"name": "weather"}}
SEARCH = {"type": "file_search"}
KEYS = {
    "model", "instructions", "input", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "temperature",
    "top_p", "max_output_tokens", "truncation", "include", "safety_identifier", "store", "stream", "stream_options",
}  # fmt: skip


OPTIONS = {
    "vector_store_ids", "search_results", "used_tokens", "user", "extra_tools", "reasoning_summaries", "code_files",
}  # fmt: skip
"""Of `to_responses`; everything else is of the run."""


def request(history: Any = (), items: Any = (), **given: Any) -> Item:
    """Build a request and assert that it is valid."""
    options = {key: given.pop(key) for key in OPTIONS & given.keys()}
    made = to_responses(run(**given), list(history), list(items), **options)
    assert set(made) <= KEYS
    if not shared_missing():
        validate("CreateResponse", made)
    return made


def said(role: str, *parts: Item | str, **fields: Any) -> Item:
    content = [objects.text_part(part) if isinstance(part, str) else part for part in parts]
    return {**objects.message("msg_1", 1, "thread_1", role, content), **fields}


HELLO = [said("user", "Hi")]


def test_the_least_that_is_sent() -> None:
    assert request(HELLO) == {
        "model": "gpt-4.1",
        "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "truncation": "auto",
        "store": False,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
    }


def test_instructions_are_omitted_when_empty_and_sent_on_every_call() -> None:
    body = {**run(), "instructions": ""}
    assert "instructions" not in to_responses(body, HELLO, [])
    made, _ = play([*asked(), terminal()])
    made.tool_outputs({"call_u": "x"})
    assert request(HELLO, made.items())["instructions"] == "Be brief."


def test_history() -> None:
    marker = "【0:0†notes.txt】"
    note = {"type": "file_citation", "text": marker, "start_index": 5, "end_index": 5 + len(marker)}
    cited = {"type": "text", "text": {"value": f"Pizza{marker}.", "annotations": [note]}}
    path = {"type": "file_path", "text": "sandbox:/a.csv", "start_index": 0, "end_index": 14, "file_path": {}}
    imported = {"type": "text", "text": {"value": "sandbox:/a.csv", "annotations": [path, {"index": 0}, None]}}
    history = [
        said("user", "One", "Two"),
        said("assistant", cited),
        said("user", "Half?"),
        said("assistant", "Half", status=MessageStatus.INCOMPLETE.value),
        said("assistant", status=MessageStatus.INCOMPLETE.value),
        said("assistant", {"type": "refusal", "refusal": "No."}, "Sorry", phase="final_answer"),
        said("assistant", imported),
        said("user"),
        said("user", "A \ud83d half"),
    ]
    assert request(history)["input"] == [
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "One"}, {"type": "input_text", "text": "Two"}],
        },
        {"type": "message", "role": "assistant", "content": "Pizza."},
        {"type": "message", "role": "user", "content": "Half?"},
        {"type": "message", "role": "assistant", "content": "Half"},
        {"type": "message", "role": "assistant", "content": "No.\nSorry", "phase": "final_answer"},
        {"type": "message", "role": "assistant", "content": "sandbox:/a.csv"},
        {"type": "message", "role": "user", "content": "A \ufffd half"},
    ]


def test_images_and_files() -> None:
    file = {"type": "image_file", "image_file": {"file_id": "file_1"}}
    url = {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}}
    attachments = [{"file_id": "file_2"}, {"file_id": "file_3", "tools": [SEARCH]}]
    (message,) = request([said("user", "See", file, url, attachments=attachments)])["input"]
    assert message["content"] == [
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "file_id": "file_1", "detail": "auto"},
        {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"},
        {"type": "input_file", "file_id": "file_2"},
    ]
    alone = {"type": "image_file", "image_file": {"file_id": "file_1", "detail": "high"}}
    (message,) = request([said("user", alone)])["input"]
    assert message["content"] == [{"type": "input_image", "file_id": "file_1", "detail": "high"}]
    (message,) = request([said("user", {"type": "image_file", "image_file": "file_1"})])["input"]
    assert message["content"] == [{"type": "input_image", "file_id": "file_1", "detail": "auto"}]


def test_input_begins_with_a_role() -> None:
    made, _ = play([*asked(), terminal()])
    made.tool_outputs({"call_u": "x"})
    for items in ([], made.items()):
        assert request([], items)["input"][0] == {"type": "message", "role": "user", "content": ""}


NAMES = (
    "role content type text value annotations image_url image_file url file_id attachments phase tools start_index "
    "end_index refusal detail user assistant"
)
WORDS = st.sampled_from(NAMES.split())
KINDS = st.sampled_from(["text", "input_text", "image_url", "image_file", "input_image", "input_file", "refusal"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | KINDS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(WORDS, JSON, max_size=5), max_size=3), st.none() | st.just(300))
@example([{"role": "user", "content": [{"type": [], "text": "hi"}]}], None)
def test_messages_of_any_shape_make_a_request(history: list[dict[str, Any]], budget: int | None) -> None:
    made = to_responses(run(max_prompt_tokens=budget), history, [])
    assert all(item["role"] in ("user", "assistant") for item in made["input"])
    for item in made["input"]:
        parts = item["content"] if isinstance(item["content"], list) else [{"type": "input_text", "text": ""}]
        assert {part["type"] for part in parts} <= {"input_text", "input_image", "input_file"}
        assert all(isinstance(value, str) for part in parts for value in part.values())
    json.dumps(made).encode()


def test_items_of_the_run_follow_the_history() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
    done = {"type": "response.output_item.done", "output_index": 0, "item": thought}
    made, _ = play([done, *asked(index=1), terminal()])
    made.tool_outputs({"call_u": "sunny"})
    kinds = [item["type"] for item in request(HELLO, made.items())["input"]]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]


@pytest.mark.parametrize(("last", "kept"), [(1, ["c"]), (2, ["b", "c"]), (9, ["a", "b", "c"])])
def test_last_messages(last: int, kept: list[str]) -> None:
    strategy = {"type": "last_messages", "last_messages": last}
    made = request([said("user", text) for text in "abc"], truncation_strategy=strategy)
    assert [item["content"] for item in made["input"]] == kept
    assert "truncation" not in made


def test_function_tools_always_have_parameters_and_strict() -> None:
    full = {"name": "a", "description": "Does a.", "parameters": {"type": "object", "properties": {}}, "strict": True}
    made = request(HELLO, tools=[FUNCTION, {"type": "function", "function": full}])
    assert made["tools"] == [
        {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}, "strict": False},
        {"type": "function", **full},
    ]


def test_file_search() -> None:
    options = {"max_num_results": 5, "ranking_options": {"ranker": "default_2024_08_21", "score_threshold": 0.3}}
    made = request(
        HELLO,
        tools=[{**SEARCH, "file_search": options}],
        tool_resources={"file_search": {"vector_store_ids": ["vs_own"]}},
        vector_store_ids=["vs_shared", "vs_own"],
        search_results=True,
    )
    assert made["tools"] == [
        {
            "type": "file_search",
            "vector_store_ids": ["vs_own", "vs_shared"],
            "max_num_results": 5,
            "ranking_options": {"ranker": "auto", "score_threshold": 0.3},
        }
    ]
    assert made["include"] == ["file_search_call.results"]


def test_file_search_without_stores_is_dropped_with_all_that_needs_it() -> None:
    made = request(HELLO, tools=[SEARCH], tool_choice=SEARCH, search_results=True)
    assert not {"tools", "tool_choice", "include"} & set(made)
    kept = request(HELLO, tools=[SEARCH, FUNCTION], tool_choice=SEARCH)
    assert "tool_choice" not in kept
    found = request(HELLO, tools=[SEARCH], tool_choice=SEARCH, vector_store_ids=["vs_1"])
    assert found["tool_choice"] == SEARCH


CODE = {"type": "code_interpreter"}


def test_code_interpreter() -> None:
    resources = {"code_interpreter": {"file_ids": ["file_1", "file_2"]}}
    given: Item = {"tools": [CODE], "tool_resources": resources, "code_files": ["file_2", "file_3"]}
    made = request(HELLO, tool_choice=CODE, **given)
    files = ["file_1", "file_2", "file_3"]
    assert made["tools"] == [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": files}}]
    assert (made["include"], made["tool_choice"]) == (["code_interpreter_call.outputs"], CODE)
    assert "tool_choice" not in request(HELLO, tools=[FUNCTION], tool_choice=CODE)
    many = request(HELLO, tools=[CODE], code_files=[f"file_{n}" for n in range(60)])
    assert len(many["tools"][0]["container"]["file_ids"]) == 50, "more than a container takes"


def test_tools_of_the_configuration_are_sent_as_they_are() -> None:
    extra: list[Item] = [{"type": "web_search"}, {"type": "mcp", "server_label": "crm", "server_url": "https://a.test"}]
    made = request(HELLO, tools=[FUNCTION], extra_tools=extra)
    assert made["tools"][1:] == extra
    assert request(HELLO, extra_tools=extra, tool_choice="required")["tool_choice"] == "required"


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("o3", None, {"summary": "auto"}),
        ("o3", "low", {"effort": "low", "summary": "auto"}),
        ("my-deployment", "low", {"effort": "low", "summary": "auto"}),
        ("gpt-4.1", None, None),
    ],
)
def test_reasoning_summaries_are_asked_of_models_that_may_reason(model: str, effort: Any, expected: Any) -> None:
    given = {"model": model, "reasoning_effort": effort}
    assert request(HELLO, reasoning_summaries=True, **given).get("reasoning") == expected
    assert request(HELLO, **given).get("reasoning") == (effort and {"effort": effort})


def test_answers_of_all_kinds_of_calls_are_valid_input() -> None:
    items = [*asked(), *asked("{}", "fc_2", "call_2", 1)]
    wanted = {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "crm", "name": "x", "arguments": "{}"}
    items.append({"type": "response.output_item.done", "output_index": 2, "item": wanted})
    made, _ = play([*items, terminal()], server_tools={"weather": False})
    made.tool_results({"call_u": "x", "call_2": "y"})
    made.tool_outputs({"mcpr_1": "true"})
    kinds = [item["type"] for item in request(HELLO, made.items())["input"][1:]]
    calls = ["function_call", "function_call", "mcp_approval_request"]
    assert kinds == [*calls, "function_call_output", "function_call_output", "mcp_approval_response"]


FORCED = {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize(
    ("choice", "first", "later"),
    [
        ("auto", None, None),
        ("none", "none", "none"),
        ("required", "required", None),
        (FORCED, {"type": "function", "name": "weather"}, None),
    ],
)
def test_tool_choice(choice: Any, first: Any, later: Any) -> None:
    made, _ = play([*asked(), terminal()])
    made.tool_outputs({"call_u": "x"})
    assert request(HELLO, tools=[FUNCTION], tool_choice=choice).get("tool_choice") == first
    assert request(HELLO, made.items(), tools=[FUNCTION], tool_choice=choice).get("tool_choice") == later
    assert "tool_choice" not in request(HELLO, tool_choice=choice)


def test_parallel_calls_are_forbidden_only_where_there_are_tools() -> None:
    assert request(HELLO, tools=[FUNCTION], parallel_tool_calls=False)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in request(HELLO, parallel_tool_calls=False)


SCHEMA = {"name": "answer", "schema": {"type": "object"}, "strict": True, "description": "An answer."}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("auto", None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        ({"type": "json_schema", "json_schema": SCHEMA}, {"type": "json_schema", **SCHEMA}),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, {"type": "json_schema", "name": "n", "schema": {}}),
    ],
)
def test_response_format(given: Any, expected: Any) -> None:
    assert request(HELLO, response_format=given).get("text", {}).get("format") == expected


def test_sampling_and_end_user_are_sent_only_where_they_are_set() -> None:
    made = request(HELLO, temperature=0.0, top_p=0.5, reasoning_effort="low", user="u_hash")
    assert made["safety_identifier"] == "u_hash"
    assert (made["temperature"], made["top_p"], made["reasoning"]) == (0.0, 0.5, {"effort": "low"})
    assert not {"temperature", "top_p"} & set(request(HELLO, temperature=1.0, top_p=1))


@pytest.mark.parametrize(("used", "expected"), [(0, 300), (200, 100), (299, 16), (900, 16)])
def test_the_budget_is_what_remains(used: int, expected: int) -> None:
    made = request(HELLO, max_completion_tokens=300, used_tokens=used)
    assert made["max_output_tokens"] == expected


REASONING = [
    "o3",
    "o4-mini-2025-04-16",
    "gpt-5",
    "gpt-5.2-codex",
    "gpt-6-mini",
    "openai/gpt-5",
    "ft:o4-mini:org",
    "GPT-5",
]
PLAIN = [
    "gpt-4o",
    "gpt-4.1-mini",
    "gpt-5-chat-latest",
    "gpt-5.2-chat-latest",
    "gpt-3.5-turbo",
    "gpt-oss-20b",
    "olmo-2",
    "llama-3",
    "my-deployment",
]


@pytest.mark.parametrize("model", REASONING + PLAIN)
def test_encrypted_reasoning_is_requested_of_models_that_reason(model: str) -> None:
    assert wants_encrypted_reasoning(model) is (model in REASONING)
    included = request(HELLO, model=model).get("include", [])
    assert ("reasoning.encrypted_content" in included) is (model in REASONING)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.lists(st.text(), max_size=3)), max_size=6),
    st.lists(st.sampled_from([FUNCTION, SEARCH, {"type": "code_interpreter"}]), max_size=3),
    st.sampled_from(["auto", "none", "required", FORCED, SEARCH]),
    st.sampled_from(["gpt-4.1", "o3"]),
    st.booleans(),
)
def test_every_request_is_valid(history: Any, tools: Any, choice: Any, model: str, stores: bool) -> None:
    messages = [said(role, *texts) for role, texts in history]
    ids = ["vs_1"] if stores else []
    made = request(messages, tools=tools, tool_choice=choice, model=model, vector_store_ids=ids, search_results=True)
    assert all(item["content"] for item in made["input"][1:])
