"""A response over a limit of items, parts, annotations, results or bytes fails its run, in linear time."""

from __future__ import annotations

import time
from typing import Any

import pytest

from flask_assistant_stream.protocol.deltas import add_up
from flask_assistant_stream.translation import coerce, reader

from .material import added, answer, call, done, message, play, played, terminal, text

Item = dict[str, Any]


def failure(*items: Item) -> str:
    made, _ = play([*items, terminal()])
    assert made.run["status"] == "failed"
    return str(made.run["last_error"]["message"])


def whole(number: int) -> Item:
    content = [{"type": "output_text", "text": "x", "annotations": []}]
    return {"id": f"m{number}", "type": "message", "role": "assistant", "status": "completed", "content": content}


def test_a_terminal_item_with_100_000_outputs() -> None:
    began = time.process_time()
    fold = played([*answer("Let me see"), terminal(output=[whole(number) for number in range(100_000)])])
    assert time.process_time() - began < 20, "quadratic work takes minutes"
    assert fold.run["last_error"]["message"] == "The upstream sent more than 1000 output items."
    assert fold.texts == ["Let me see"]


@pytest.mark.parametrize("kind", ["added", "done"])
def test_one_output_after_the_other(kind: str) -> None:
    def items(count: int) -> list[Item]:
        outputs = [whole(number) if kind == "done" else message(id=f"m{number}") for number in range(count)]
        return [done(item, n) if kind == "done" else added(item, n) for n, item in enumerate(outputs)]

    assert failure(*items(1001)) == "The upstream sent more than 1000 output items."
    assert play([*items(1000), terminal()])[0].run["status"] == "completed"


def test_parts_annotations_outputs_and_results() -> None:
    def part(number: int) -> Item:
        return {"type": "output_text", "text": f"{number}", "annotations": []}

    content = [part(number) for number in range(1001)]
    assert "more than 1000 parts of a message" in failure(done({**message(), "content": content}))
    notes = [{"type": "file_citation", "file_id": f"file_{number}", "index": 1} for number in range(1001)]
    content = [{**part(1), "annotations": notes}]
    assert "more than 1000 annotations of a text" in failure(done({**message(), "content": content}))
    code: Item = {"type": "code_interpreter_call", "id": "ci_1", "code": "1"}
    logs = [{"type": "logs", "logs": "1"}] * 1001
    assert "more than 1000 outputs of code" in failure(done({**code, "outputs": logs}))
    search: Item = {"type": "file_search_call", "id": "fs_1"}
    assert "more than 1000 results of a search" in failure(done({**search, "results": [{"file_id": "file_1"}] * 1001}))


def test_bytes_of_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coerce, "OUTPUT_BYTES", 20_000)
    monkeypatch.setattr(reader, "OUTPUT_BYTES", 20_000)
    words = "The upstream sent more than 20000 bytes of output."
    fold = played([added(message()), *[text("x" * 1000)] * 30, terminal()])
    assert fold.run["last_error"]["message"] == words
    assert fold.texts[0].startswith("x" * 10_000), "the text before the limit is kept"
    code = {
        "type": "response.code_interpreter_call_code.delta",
        "item_id": "ci_1",
        "output_index": 0,
        "delta": "x" * 1000,
    }
    assert failure(added({"type": "code_interpreter_call", "id": "ci_1"}), *[code] * 30) == words
    results = [{"file_id": "file_1", "text": "x" * 20_001}]
    search = done({"type": "file_search_call", "id": "fs_1", "results": results})
    assert failure(search) == "The upstream sent more than 20000 bytes of results of a search."


def test_a_new_response_begins_at_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "OUTPUT_BYTES", 20_000)
    made, _ = play([*answer("x" * 5000), done(call("{}"), 1), terminal()])
    made.tool_outputs({"call_u": "y"})
    for item in [*answer("x" * 5000), terminal()]:
        made.feed([item])
    assert made.run["status"] == "completed"


def test_code_that_streams_in_small_pieces_takes_linear_time() -> None:
    code = {
        "type": "response.code_interpreter_call_code.delta",
        "item_id": "ci_1",
        "output_index": 0,
        "delta": "x = 1\n",
    }
    began = time.process_time()
    _, events = play([added({"type": "code_interpreter_call", "id": "ci_1"}, 0), *[code] * 30_000, terminal()])
    assert time.process_time() - began < 20, "quadratic work takes minutes"
    step = next(event.object() for event in events if event.name == "thread.run.step.completed")
    assert step["step_details"]["tool_calls"][0]["code_interpreter"]["input"] == "x = 1\n" * 30_000


def test_deltas_add_up_at_once_as_one_by_one() -> None:
    deltas: list[Any] = [
        [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "", "output": None}}],
        [{"index": 0, "type": "function", "function": {"arguments": '{"a"'}}],
        [{"index": 1, "id": "d", "type": "function", "function": {"arguments": "{}"}}],
        [{"index": 0, "type": "function", "function": {"arguments": ":1}"}}],
        [{"index": 0, "type": "function", "function": {"output": "x"}}],
    ]
    one_by_one: Any = None
    for delta in deltas:
        one_by_one = add_up(one_by_one, delta)
    assert add_up(None, *deltas) == one_by_one
    assert one_by_one[0]["function"] == {"name": "f", "arguments": '{"a":1}', "output": "x"}
