"""Tools that the upstream runs, row by row: what a client sees of them, and which files they leave behind."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_assistant_stream.engines.response_items import ResponseItems
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.protocol.generated_files import GeneratedFile
from flask_assistant_stream.translation.options import TranslatorOptions
from flask_assistant_stream.translation.translator import Ending, Translator

from .checker import Fold, check
from .material import added, answer, checked, clock, done, ids, play, played, run, terminal, text, translator

Item = dict[str, Any]
CODE: Item = {"type": "code_interpreter_call", "id": "ci_1", "status": "in_progress", "code": "", "outputs": None}
PNG = "data:image/png;base64,iVBORw0KGgo="
LOGS = {"type": "logs", "logs": "2\n"}
IMAGE = {"type": "image", "url": PNG}


def writer() -> ResponseItems:
    return ResponseItems({"model": "gpt-4.1"}, new_id=ids(), now=lambda: 1)


def shown(fold: Fold, step: int = 0) -> Item:
    """Return the one call of a step."""
    (call,) = fold.steps[step]["step_details"]["tool_calls"]
    assert isinstance(call, dict)
    return call


def deltas(events: list[Event]) -> list[Item]:
    return [e.object()["delta"]["step_details"]["tool_calls"][0] for e in events if e.name.endswith("step.delta")]


# -- code interpreter -------------------------------------------------------------------------------------
def code(delta: str) -> Item:
    name = "response.code_interpreter_call_code.delta"
    return {"type": name, "item_id": "ci_1", "output_index": 0, "delta": delta}


def code_done(value: str) -> Item:
    name = "response.code_interpreter_call_code.done"
    return {"type": name, "item_id": "ci_1", "output_index": 0, "code": value}


def test_code_interpreter() -> None:
    code = writer().code_interpreter("1 + 1", [LOGS, IMAGE], ["1 +", " 1"])
    made, events = play([*code, *answer("Two", index=1), terminal()])
    outputs = [{"index": 0, **LOGS}, {"index": 1, "type": "image", "image": {"file_id": "file_1"}}]
    fold = checked(events)
    assert deltas(events) == [
        {"index": 0, "id": "ci_1", "type": "code_interpreter", "code_interpreter": {"input": "", "outputs": []}},
        {"index": 0, "type": "code_interpreter", "code_interpreter": {"input": "1 +"}},
        {"index": 0, "type": "code_interpreter", "code_interpreter": {"input": " 1"}},
        {"index": 0, "type": "code_interpreter", "code_interpreter": {"outputs": outputs}},
    ]
    image = {"type": "image", "image": {"file_id": "file_1"}}
    assert shown(fold)["code_interpreter"] == {"input": "1 + 1", "outputs": [LOGS, image]}
    assert made.take_files() == [GeneratedFile("file_1", "code_interpreter-1.png", data=PNG)]
    assert made.take_files() == []
    assert made.unknown == 0


@pytest.mark.parametrize(
    "items",
    [
        [added(CODE), code("1 +"), code_done("1 + 1")],
        [added(CODE), code("1 +"), done({**CODE, "code": "1 + 1"})],
        [added(CODE), code_done("1 + 1"), done({**CODE, "code": "1 + 1"})],
        [added(CODE), done({**CODE, "code": "1 + 1"})],
        [code("1 + 1")],
        [terminal(output=[{**CODE, "code": "1 + 1"}])],
        [added(CODE), code("1 + 1"), done({**CODE, "code": "something else"})],
        [added({**CODE, "code": "1 +"}), code("1 +"), code(" 1")],
    ],
)
def test_code_from_the_best_evidence(items: list[Item]) -> None:
    assert shown(played([*items, terminal()]))["code_interpreter"] == {"input": "1 + 1", "outputs": []}


def test_code_in_halves_of_characters() -> None:
    items = [added(CODE), code('print("\ud83d'), code('\ude00")'), code_done('print("😀")'), terminal()]
    assert shown(played(items))["code_interpreter"]["input"] == 'print("😀")'


@pytest.mark.parametrize("output", [None, 7, {}, {"type": "image"}, {"type": "logs"}, {"type": "image", "url": ""}])
def test_outputs_that_say_nothing(output: Any) -> None:
    fold = played([added(CODE), done({**CODE, "outputs": [output, LOGS]}), terminal()])
    assert shown(fold)["code_interpreter"]["outputs"] == [LOGS]


@pytest.mark.parametrize(
    ("url", "name", "where"),
    [
        ("https://files.test/a/plot.JPEG?sig=1", "code_interpreter-1.jpeg", "url"),
        ("https://files.test/a", "code_interpreter-1.png", "url"),
        ("data:image/webp;base64,AA==", "code_interpreter-1.webp", "data"),
        ("data:;base64,AA==", "code_interpreter-1.png", "data"),
    ],
)
def test_where_an_image_is(url: str, name: str, where: str) -> None:
    made, _ = play([done({**CODE, "outputs": [{"type": "image", "url": url}]}), terminal()])
    assert made.take_files() == [GeneratedFile("file_1", name, **{where: url})]


def test_text_waits_until_the_code_has_run() -> None:
    items = [added(CODE), *answer("Two", index=1), code("1"), done({**CODE, "outputs": [LOGS]}), terminal()]
    fold = played(items)
    assert [step["type"] for step in fold.steps] == ["tool_calls", "message_creation"]
    assert shown(fold)["code_interpreter"] == {"input": "1", "outputs": [LOGS]}


def test_code_that_fails_or_is_cut_keeps_what_came() -> None:
    fold = played(
        [added(CODE), code("1 +"), terminal("incomplete", incomplete_details={"reason": "max_output_tokens"})]
    )
    assert shown(fold)["code_interpreter"] == {"input": "1 +", "outputs": []}
    failed = played([added(CODE), code("1 +"), terminal("failed", error={"code": "server_error", "message": "No."})])
    assert failed.steps[0]["status"] == "failed"


def test_another_worker_closes_it_with_the_code_so_far() -> None:
    made = translator()
    events = made.start() + made.feed([added(CODE), code("1 +")]) + made.feed([code(" 1")])
    taken = Translator.restore(run(), events, None, new_id=ids(), now=clock())
    closing = taken.close(Ending.INTERRUPTED)
    assert shown(checked([*events, *closing]))["code_interpreter"] == {"input": "1 + 1", "outputs": []}


# -- tools that the Assistants API has no word for --------------------------------------------------------
MCP: Item = {"type": "mcp_call", "id": "mcp_1", "server_label": "crm", "name": "find", "arguments": ""}


def function(name: str, arguments: Any, output: str | None) -> Item:
    return {"name": name, "arguments": arguments, "output": output}


@pytest.mark.parametrize(
    ("item", "name", "arguments", "output"),
    [
        ({"type": "web_search_call", "action": {"type": "search", "query": "rain"}}, "web_search", None, None),
        ({"type": "web_search_call", "queries": ["rain"]}, "web_search", {"queries": ["rain"]}, None),
        ({"type": "web_search_call"}, "web_search", {}, None),
        ({**MCP, "arguments": '{"a":1}', "output": "found"}, "crm.find", {"a": 1}, "found"),
        ({**MCP, "output": "", "error": None}, "crm.find", {}, ""),
        ({**MCP, "arguments": "{", "error": "no such tool"}, "crm.find", {"arguments": "{"}, "no such tool"),
        ({**MCP, "arguments": {"a": 1}, "output": {"b": [2]}}, "crm.find", {"a": 1}, '{"b":[2]}'),
        ({**MCP, "arguments": [1], "output": False}, "crm.find", {"arguments": "[1]"}, "false"),
        ({**MCP, "arguments": "null"}, "crm.find", {}, None),
        ({**MCP, "error": {"type": "http_error", "code": 502, "message": "down"}}, "crm.find", {}, "down"),
        ({**MCP, "error": {"type": "mcp_tool_execution_error", "content": "bad"}}, "crm.find", {}, "bad"),
        ({**MCP, "error": {"content": [1]}}, "crm.find", {}, '{"content":[1]}'),
        ({"type": "mcp_call"}, "mcp", {}, None),
        ({"type": "custom_tool_call", "name": "sql", "input": "select 1"}, "sql", {"input": "select 1"}, None),
        ({"type": "custom_tool_call", "name": "sql", "input": {"q": 1}}, "sql", {"input": {"q": 1}}, None),
        ({"type": "web_search_call", "queries": "rain"}, "web_search", {"queries": "rain"}, None),
        ({"type": "shell_call", "action": "ls"}, "shell", {"action": "ls"}, None),
        ({"type": "tool_search_call", "arguments": '{"goal":"x"}'}, "tool_search", {"goal": "x"}, None),
        ({"type": "computer_call", "action": {"type": "click"}}, "computer", None, None),
        ({"type": "computer_call", "actions": [{"type": "wait"}]}, "computer", {"actions": [{"type": "wait"}]}, None),
        ({"type": "local_shell_call", "action": {"type": "exec", "command": ["ls"]}}, "local_shell", None, None),
        ({"type": "shell_call", "action": {"commands": ["ls"]}}, "shell", None, None),
        ({"type": "apply_patch_call", "operation": {"type": "delete_file", "path": "a"}}, "apply_patch", None, None),
        ({"type": "tool_search_call", "arguments": {"goal": "x"}}, "tool_search", {"goal": "x"}, None),
    ],
)
def test_function_steps(item: Item, name: str, arguments: Any, output: str | None) -> None:
    item = {"id": "x_1", **item}
    made, events = play([added({"type": item["type"], **item}), done(item), *answer("Done", index=1), terminal()])
    fold = checked(events)
    call = shown(fold)
    assert call["type"] == "function"
    expected = item.get("action") or item.get("operation") if arguments is None else arguments
    said = json.loads(call["function"]["arguments"])
    assert {**call["function"], "arguments": said} == function(name, expected, output)
    assert "thread.run.requires_action" not in fold.names
    assert (made.items(), made.unknown) == ([], 0)


def test_deltas_of_a_function_step() -> None:
    _, events = play([*writer().mcp_call("crm", "find", '{"a":1}', "found"), terminal()])
    assert deltas(events) == [
        {"index": 0, "id": "mcp_1", "type": "function", "function": function("crm.find", "", None)},
        {"index": 0, "type": "function", "function": {"arguments": '{"a":1}'}},
        {"index": 0, "type": "function", "function": {"output": "found"}},
    ]


def test_arguments_of_a_slow_mcp_call_are_shown_before_its_output() -> None:
    made = translator()
    items = list(writer().mcp_call("crm", "find", '{"a":1}', "found"))
    events = made.feed(items[:-1])
    assert deltas(events)[-1]["function"] == {"arguments": '{"a":1}'}
    taken = Translator.restore(run(), events, None, new_id=ids(), now=clock())
    closing = taken.close(Ending.CANCELLED)
    assert closing[1].object()["step_details"]["tool_calls"][0]["function"] == function("crm.find", '{"a":1}', None)


def test_mcp_arguments_that_only_streamed() -> None:
    piece = {"type": "response.mcp_call_arguments.delta", "item_id": "mcp_1", "output_index": 0}
    items = [{**piece, "delta": '{"a"'}, added(MCP), {**piece, "delta": ":1}"}, done(MCP), terminal()]
    assert shown(played(items))["function"]["arguments"] == '{"a":1}'


def test_a_generated_image_is_a_file() -> None:
    made, events = play([*writer().image_generation("iVBORw0KGgo="), terminal()])
    fold = check(events)
    assert shown(fold)["function"] == function("image_generation", "{}", '{"file_id":"file_1"}')
    assert made.take_files() == [GeneratedFile("file_1", "image_generation-1.png", data="iVBORw0KGgo=")]
    assert not any(b"iVBORw0KGgo" in event.data for event in events)


@pytest.mark.parametrize("result", [None, ""])
def test_no_image_is_no_file(result: Any) -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "result": result, "output_format": []}
    made, events = play([done(item), terminal()])
    assert shown(check(events))["function"]["output"] is None
    assert made.take_files() == []


def test_images_are_numbered() -> None:
    image = {"type": "image_generation_call", "result": "AA==", "output_format": "webp"}
    made, _ = play([done({**image, "id": "ig_0"}), done({**image, "id": "ig_1"}, 1), terminal()])
    assert [file.filename for file in made.take_files()] == ["image_generation-1.webp", "image_generation-2.webp"]


def test_arguments_that_json_cannot_say() -> None:
    item = {"type": "web_search_call", "id": "ws_1", "action": {"query": "\ud83d", "score": float("nan")}}
    assert shown(played([done(item), terminal()]))["function"]["arguments"] == '{"action":"…"}'
    mended = {**item, "action": {"query": "\ud83d"}}
    assert shown(played([done(mended), terminal()]))["function"]["arguments"] == '{"query":"\ufffd"}'


@pytest.mark.parametrize("kind", ["mcp_list_tools", "compaction", "additional_tools", "program"])
def test_what_clients_are_not_told_of(kind: str) -> None:
    made, events = play([added({"type": kind, "id": "x"}), done({"type": kind, "id": "x"}), *answer("Hi"), terminal()])
    assert [step["type"] for step in check(events).steps] == ["message_creation"]
    assert made.unknown == 0


# -- reasoning --------------------------------------------------------------------------------------------
def thoughts(events: list[Event]) -> list[tuple[int, str]]:
    told = [event.object() for event in events if event.name == "thread.run.x_reasoning.delta"]
    return [(one["item"], one["delta"]) for one in told]


def test_reasoning_is_told_as_it_comes() -> None:
    mine = writer()
    items = [*mine.reasoning([["First ", "part"], ["second"]]), *mine.web_search("x"), *mine.reasoning([["Then"]])]
    _, events = play([*items, terminal()], reasoning_summaries=True)
    assert thoughts(events) == [(0, "First "), (0, "part"), (0, "\n\nsecond"), (1, "Then")]
    assert check(events).thoughts == ["First part\n\nsecond", "Then"]
    delta = {"id": "run_1", "object": "thread.run.x_reasoning.delta", "item": 0, "delta": "First "}
    assert events[3].object() == delta
    assert thoughts(play([*items, terminal()])[1]) == [], "off by default"


@pytest.mark.parametrize(
    "items",
    [
        [{"type": "response.reasoning_summary_text.delta", "item_id": "rs_1", "delta": "Hm"}],
        [{"type": "response.reasoning_summary_text.done", "item_id": "rs_1", "summary_index": 0, "text": "Hm"}],
        [done({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}, 7, {}]})],
    ],
)
def test_reasoning_from_the_first_that_has_it(items: list[Item]) -> None:
    whole = done({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]})
    _, events = play([*items, whole, *answer("Hi", index=1), terminal()], reasoning_summaries=True)
    assert thoughts(events) == [(0, "Hm")]


def test_reasoning_does_not_wait_for_its_turn() -> None:
    made = translator(reasoning_summaries=True)
    made.feed([text("Let me see")])
    thought = {"type": "response.reasoning_summary_text.delta", "item_id": "rs_1", "output_index": 1, "delta": "Hm"}
    assert [event.name for event in made.feed([thought])] == ["thread.run.x_reasoning.delta"]


def test_reasoning_items_are_numbered_on_by_another_worker() -> None:
    made = translator(reasoning_summaries=True)
    call = [done({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": "{}"}, 1)]
    events = made.start() + made.feed([*writer().reasoning([["Hm"]]), *call, terminal()])
    taken = Translator.restore(
        made.run, events, made.state(), new_id=ids(), now=clock(), options=TranslatorOptions(reasoning_summaries=True)
    )
    taken.tool_outputs({"call_1": "x"})
    assert thoughts(taken.feed([*writer().reasoning([["So"]]), terminal()])) == [(1, "So")]
