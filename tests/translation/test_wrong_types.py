"""Content of another type than the API's: nothing is lost or invented in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_assistant_stream.translation.coerce import UNREADABLE, arguments_of, json_or_text

from .checker import check
from .material import answer, call, done, message, play, played, terminal, text, text_done

Item = dict[str, Any]
REFUSAL: Item = {"type": "response.refusal.delta", "item_id": "msg_1", "output_index": 1}
CODE_DELTA: Item = {"type": "response.code_interpreter_call_code.delta", "item_id": "ci_1", "output_index": 1}


def part(value: Any) -> Item:
    return done({"type": "message", "id": "msg_2", "role": "assistant", "content": value}, 1)


@pytest.mark.parametrize(
    ("item", "what"),
    [
        ({**text(""), "delta": ["Hel", "lo"]}, "a piece of the answer that is not text but a list"),
        ({**text(""), "delta": {"text": "Hello"}}, "a piece of the answer that is not text but an object"),
        ({**text(""), "delta": 5}, "a piece of the answer that is not text but a number"),
        ({**text_done(""), "text": {"value": "Hello"}}, "a text that is not text but an object"),
        (part([{"type": "output_text", "text": ["Hello"]}]), "a text that is not text but a list"),
        (part([{"type": "output_text", "text": 0}]), "a text that is not text but a number"),
        (part([{"type": "refusal", "refusal": {"no": 1}}]), "a text that is not text but an object"),
        (part([{"type": "refusal", "refusal": False}]), "a text that is not text but true or false"),
        (part([5]), "a part of a message that is not text but a number"),
        (part(True), "a part of a message that is not text but true or false"),
        ({**REFUSAL, "delta": 5}, "a refusal that is not text but a number"),
        ({**CODE_DELTA, "delta": ["1 + 1"]}, "a piece of code that is not text but a list"),
        (done({"type": "code_interpreter_call", "id": "ci_1", "code": 7}, 1), "code that is not text but a number"),
        (
            done({"type": "code_interpreter_call", "id": "ci_1", "outputs": [{"type": "image", "url": {}}]}, 1),
            "the address of an image that is not text but an object",
        ),
        (
            done({"type": "image_generation_call", "id": "ig_1", "result": 7}, 1),
            "an image that is not text but a number",
        ),
    ],
)
def test_content_of_another_type_fails_the_run_and_keeps_the_text_so_far(item: Item, what: str) -> None:
    made, events = play([*answer("Let me see"), item, *answer("lost", index=2), terminal()])
    fold = check(events)
    assert fold.run["last_error"] == {"code": "server_error", "message": f"The upstream sent {what}."}
    assert (fold.run["status"], fold.texts) == ("failed", ["Let me see"])
    assert made.ended


@pytest.mark.parametrize(
    "items",
    [
        [{**text(""), "delta": None}],
        [{**text_done(""), "text": None}],
        [part(None)],
        [part([None])],
        [part([{"type": "output_text", "text": None}])],
        [{**REFUSAL, "delta": None}],
        [{**CODE_DELTA, "delta": None}],
    ],
)
def test_null_is_no_content(items: list[Item]) -> None:
    fold = played([*answer("Hi"), *items, terminal()])
    assert (fold.run["status"], fold.texts) == ("completed", ["Hi"])


@pytest.mark.parametrize("content", ["Hello", ["Hello"], {"type": "output_text", "text": "Hello"}])
def test_a_message_whose_content_is_no_list_is_read(content: Any) -> None:
    assert played([done({**message(), "content": content}), terminal()]).texts == ["Hello"]


@pytest.mark.parametrize(("logs", "text_of_logs"), [("2", "2"), ({"out": 2}, '{"out":2}'), ([1, 2], "[1,2]")])
def test_logs_of_another_type_are_shown_as_json(logs: Any, text_of_logs: str) -> None:
    item = {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "outputs": [{"type": "logs", "logs": logs}]}
    (step,) = played([done(item), terminal()]).steps
    (output,) = step["step_details"]["tool_calls"][0]["code_interpreter"]["outputs"]
    assert output["logs"] == text_of_logs


def test_results_of_a_search_of_another_type_are_shown_as_json() -> None:
    found = {"file_id": "file_1", "filename": 7, "score": "high", "text": {"page": 1}}
    item = {"type": "file_search_call", "id": "fs_1", "results": [found]}
    (step,) = played([done(item), terminal()]).steps
    (result,) = step["step_details"]["tool_calls"][0]["file_search"]["results"]
    assert result["content"] == [{"type": "text", "text": '{"page":1}'}]
    assert (result["file_name"], result["score"]) == ("file_1", 0)


@pytest.mark.parametrize(
    ("value", "text_of_value"),
    [
        (None, ""),
        ("null", ""),
        ("", ""),
        ({"city": "Łódź"}, '{"city":"Łódź"}'),
        ({"n": 2**64}, '{"n":18446744073709551616}'),
        ([], "[]"),
        (0, "0"),
        (False, "false"),
        ('{"a":"\ud83d"}', '{"a":"\ufffd"}'),
        ({"a": float("inf")}, UNREADABLE),
    ],
)
def test_arguments_are_what_they_are(value: Any, text_of_value: str) -> None:
    assert arguments_of(value) == text_of_value


def test_a_value_that_json_cannot_hold_is_no_json() -> None:
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    assert json_or_text(nested) == UNREADABLE
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(UNREADABLE)


def test_a_call_without_a_readable_name_fails_the_run() -> None:
    fold = played([done({**call("{}"), "name": 7}), terminal()])
    assert fold.run["last_error"]["message"] == "The model called a function without a name."
