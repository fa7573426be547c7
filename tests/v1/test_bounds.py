"""Values beyond a limit and missing ones are refused with OpenAI's words and codes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.routes.conftest import MakeSite, Site

RUN = {"assistant_id": "asst_default"}


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


def below(kind: str, low: float, value: float) -> tuple[str, str]:
    text = f"{kind} below minimum value. Expected a value >= {low}, but got {value} instead."
    return text, f"{kind}_below_min_value"


def above(kind: str, high: float, value: float) -> tuple[str, str]:
    text = f"{kind} above maximum value. Expected a value <= {high}, but got {value} instead."
    return text, f"{kind}_above_max_value"


def too_long(kind: str, high: int, length: int) -> tuple[str, str]:
    text = f"{kind} too long. Expected {kind} with maximum length {high}, but got {kind} with length {length} instead."
    article = "a" if kind == "string" else "an"
    return text.replace(f" {kind} with", f" {article} {kind} with"), f"{kind}_above_max_length"


EMPTY = "empty string. Expected a string with minimum length 1, but got an empty string instead."


@pytest.mark.parametrize(
    ("body", "param", "refusal"),
    [
        ({"max_prompt_tokens": 255}, "max_prompt_tokens", below("integer", 256, 255)),
        ({"max_completion_tokens": -1}, "max_completion_tokens", below("integer", 256, -1)),
        ({"temperature": -0.5}, "temperature", below("decimal", 0, -0.5)),
        ({"temperature": 3}, "temperature", above("decimal", 2, 3)),
        ({"top_p": 1.5}, "top_p", above("decimal", 1, 1.5)),
        ({"instructions": "x" * 256_001}, "instructions", too_long("string", 256_000, 256_001)),
        ({"tools": [{"type": "file_search"}] * 21}, "tools", too_long("array", 20, 21)),
        ({"model": ""}, "model", (EMPTY, "empty_string")),
        (
            {"truncation_strategy": {"type": "last_messages", "last_messages": 0}},
            "truncation_strategy.last_messages",
            below("integer", 1, 0),
        ),
    ],
)
def test_limits(site: Site, body: dict[str, Any], param: str, refusal: tuple[str, str]) -> None:
    answer = site.post("/v1/threads/runs", {**RUN, **body})
    text, code = refusal
    assert answer.status_code == 400
    assert answer.get_json()["error"] == {
        "message": f"Invalid '{param}': {text}",
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }


@pytest.mark.parametrize("query", ["limit=0", "limit=101"])
def test_limits_of_queries(site: Site, query: str) -> None:
    value = int(query.removeprefix("limit="))
    text, code = below("integer", 1, 0) if value == 0 else above("integer", 100, 101)
    error = site.get(f"/v1/assistants?{query}").get_json()["error"]
    assert (error["message"], error["param"], error["code"]) == (f"Invalid 'limit': {text}", "limit", code)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/threads/runs", {}, "assistant_id"),
        ("/v1/assistants", {}, "model"),
        ("/v1/threads", {"messages": [{"role": "user"}]}, "messages[0].content"),
        ("/v1/threads/runs", {**RUN, "tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ("/chat/stream", {}, "content"),
    ],
)
def test_what_is_missing(site: Site, path: str, body: dict[str, Any], param: str) -> None:
    answer = site.post(path, body)
    assert answer.status_code == 400
    assert answer.get_json()["error"] == {
        "message": f"Missing required parameter: '{param}'.",
        "type": "invalid_request_error",
        "param": param,
        "code": "missing_required_parameter",
    }
