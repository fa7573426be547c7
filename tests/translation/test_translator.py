"""The translator, row by row and rule by rule: what a client sees for what an upstream sends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_assistant_stream.errors import RequestError
from flask_assistant_stream.protocol import objects
from flask_assistant_stream.translation.translator import Ending, Translator

from .checker import Fold, check
from .material import (
    added,
    annotated,
    answer,
    arguments,
    arguments_done,
    asked,
    call,
    checked,
    clock,
    created,
    done,
    ids,
    message,
    play,
    played,
    run,
    terminal,
    text,
    text_done,
    translator,
    usage,
)

Item = dict[str, Any]
CITED = {"type": "file_citation", "file_id": "file_1", "filename": "notes.txt", "index": 5}
MARKER = "【0:0†notes.txt】"
PIZZA = {"type": "output_text", "text": "Pizza.", "annotations": [CITED]}


def status(fold: Fold) -> str:
    return str(fold.run["status"])


def calls(fold: Fold) -> list[tuple[str, str, Any]]:
    found = fold.run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return [(one["id"], one["function"]["name"], json.loads(one["function"]["arguments"])) for one in found]


# -- text -------------------------------------------------------------------------------------------------
def test_answer() -> None:
    fold = played([created(), *answer("Hello you there"), terminal()])
    assert (fold.texts, status(fold)) == (["Hello you there"], "completed")
    assert fold.run["expires_at"] is None
    assert fold.run["started_at"] is not None
    assert fold.run["completed_at"] is not None


def test_usage_is_on_the_last_step_and_on_the_run() -> None:
    fold = played([*answer("Hi"), terminal()])
    expected = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_token_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert (fold.steps[-1]["usage"], fold.run["usage"]) == (expected, expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ({}, None),
        ({"input_tokens": None, "output_tokens": 3}, (0, 3, 3)),
        ({"input_tokens": 2, "output_tokens": 3, "input_tokens_details": None}, (2, 3, 5)),
        ("many", None),
    ],
)
def test_partial_usage(given: Any, expected: Any) -> None:
    fold = played([*answer("Hi"), terminal(usage=given)])
    found = fold.run["usage"]
    assert found is expected or tuple(found[key] for key in found if key.endswith("tokens")) == expected


def test_deltas_of_a_read_become_one_event() -> None:
    made = translator()
    made.start()
    made.feed([created(), added(message())])
    events = made.feed([text("a"), text("b"), text("c")])
    assert [event.object()["delta"]["content"][0]["text"]["value"] for event in events if "delta" in event.name] == [
        "abc"
    ]
    (event,) = made.feed([text("d"), text("e")])
    assert event.object()["delta"]["content"] == [{"index": 0, "type": "text", "text": {"value": "de"}}]


def test_deltas_are_joined_although_ids_change_with_every_item() -> None:
    made = translator()
    made.feed([added(message(id="x0"))])
    assert len([e for e in made.feed([text("a", "x1"), text("b", "x2"), text("c", "x3")]) if "delta" in e.name]) == 1
    events = made.feed([done(message("abc", "x4")), terminal(output=[message("abc", "x5")])])
    assert events[-1].name == "thread.run.completed"
    assert events[0].object()["content"][0]["text"]["value"] == "abc"


def test_parts_are_dense_and_in_order_of_arrival() -> None:
    fold = played([text("one", content=3), text("two", content=1), text("!", content=3), terminal()])
    assert [part["text"]["value"] for part in fold.messages[0]["content"]] == ["one!", "two"]


def test_refusal() -> None:
    refusal = {"type": "response.refusal.delta", "item_id": "msg_u", "output_index": 0, "content_index": 0}
    items = [added(message()), {**refusal, "delta": "I "}, {**refusal, "delta": "won't."}]
    ended = {**refusal, "type": "response.refusal.done", "refusal": "I won't. Sorry."}
    fold = played([*items, ended, done(message()), terminal()])
    assert fold.messages[0]["content"] == [{"type": "refusal", "refusal": "I won't. Sorry."}]
    assert status(fold) == "completed"


@pytest.mark.parametrize("full", ["Hello!", "Hello", "Goodbye"])
def test_a_done_text_adds_its_tail_or_nothing(full: str) -> None:
    fold = played([text("Hello"), text_done(full), terminal()])
    assert fold.texts == ["Hello!" if full == "Hello!" else "Hello"]


@pytest.mark.parametrize(
    "only",
    [
        [text_done("Short.")],
        [{"type": "response.content_part.done", "item_id": "m", "part": {"type": "output_text", "text": "Short."}}],
        [done(message("Short."))],
        [added(message()), done(message()), terminal(output=[message("Short.")])],
        [terminal(output=[message("Short.", id="never seen")])],
    ],
)
def test_text_without_deltas_comes_from_the_first_that_has_it(only: list[Item]) -> None:
    assert played([*only, terminal()]).texts == ["Short."]


def test_empty_messages_are_no_messages_and_others_carry_their_phase() -> None:
    said = played([added(message(phase="final_answer")), text("Hi"), terminal()])
    assert said.messages[0]["phase"] == "final_answer"
    fold = played([added(message()), text(""), text_done(""), done(message("")), terminal(output=[message("")])])
    assert (fold.messages, status(fold)) == ([], "completed")


def test_split_surrogate_pairs_become_one_character_in_every_place() -> None:
    made, events = play([text("a\ud83d"), text("\ude00b\ud83d"), text("c"), text("d\ud83d"), terminal()])
    fold = check(events)
    assert fold.texts == ["a😀b\ufffdcd\ufffd"]
    assert b"\\ud83d\\ude00b" in events[-7].data + events[-6].data + b"".join(event.data for event in events)
    assert made.ended


# -- citations --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("items", "value"),
    [
        ([text("Pizza"), annotated(CITED), text("."), text_done("Pizza.")], f"Pizza{MARKER}."),
        ([text("Pizza and more"), annotated(CITED)], f"Pizza and more{MARKER}"),
        ([text("Pizza"), annotated(CITED), text("."), done({**message(), "content": [PIZZA]})], f"Pizza{MARKER}."),
    ],
    ids=["where it arrives", "late", "repeated"],
)
def test_a_citation_is_in_the_text_once(items: list[Item], value: str) -> None:
    assert played([*items, terminal()]).texts == [value]


def test_citations_of_a_text_that_was_never_streamed_stand_in_it() -> None:
    second = {**CITED, "file_id": "file_2", "index": 2}
    part = {"type": "output_text", "text": "Pizza.", "annotations": [CITED, second]}
    fold = played([done({**message(), "content": [part]}), terminal()])
    assert fold.texts == ["Pi【0:0†notes.txt】zza【0:1†notes.txt】."]


def test_a_file_path_at_an_offset_of_code_points() -> None:
    fold = played([text("😀é"), annotated({"type": "file_path", "file_id": "file_9", "index": 0}), terminal()])
    (note,) = fold.messages[0]["content"][0]["text"]["annotations"]
    assert note["start_index"] == 2
    assert (note["file_path"], note["text"]) == ({"file_id": "file_9"}, "【0:0†file_9】")


@pytest.mark.parametrize(
    "note", [{"type": "url_citation"}, {"type": "shiny", "file_id": "file_1"}, {}, None, {"type": "file_path"}]
)
def test_other_annotations_are_kept_out(note: Any) -> None:
    fold = played([text("Here"), annotated(note), terminal()])
    assert fold.messages[0]["content"] == [objects.text_part("Here")]


def test_without_citations_there_is_neither_marker_nor_annotation() -> None:
    fold = played([text("Pizza"), annotated(CITED), text("."), terminal()], citations=False)
    assert fold.messages[0]["content"] == [objects.text_part("Pizza.")]


# -- function calls ---------------------------------------------------------------------------------------
def test_call_is_handed_out_at_the_end() -> None:
    fold = played([*asked(), terminal()])
    assert calls(fold) == [("call_u", "weather", {"city": "Rome"})]
    assert fold.names[-5:] == [
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.run.step.delta",
        "thread.run.step.delta",
        "thread.run.requires_action",
    ]
    assert fold.calls[0]["function"]["arguments"] == '{"city":"Rome"}'


def test_call_deltas() -> None:
    _, events = play([*asked(), terminal()])
    first, second = (e.object()["delta"]["step_details"]["tool_calls"][0] for e in events if "step.delta" in e.name)
    function = {"name": "weather", "arguments": "", "output": None}
    assert first == {"index": 0, "id": "call_u", "type": "function", "function": function}
    assert second == {"index": 0, "type": "function", "function": {"arguments": '{"city":"Rome"}'}}


def test_parallel_calls_are_one_step_one_after_the_other() -> None:
    first, second = asked(id="fc_1", call_id="call_1"), asked('{"city":"Oslo"}', "fc_2", "call_2", 1)
    interleaved = [item for pair in zip(first, second, strict=True) for item in pair]
    fold = played([*interleaved, terminal()])
    assert calls(fold) == [("call_1", "weather", {"city": "Rome"}), ("call_2", "weather", {"city": "Oslo"})]
    assert [one["index"] for one in fold.calls] == [0, 1]


def test_text_comes_before_calls_whatever_came_first() -> None:
    fold = played([*asked(), *answer("Let me see", index=1), terminal()])
    assert (fold.texts, calls(fold)[0][0]) == (["Let me see"], "call_u")
    assert fold.messages[0]["status"] == "completed"


@pytest.mark.parametrize(
    "items",
    [
        [added(call()), arguments('{"a":1}')],
        [added(call('{"a":1}'))],
        [added(call()), arguments('{"a"'), arguments_done('{"a":1}')],
        [added(call()), arguments('{"a"'), done(call('{"a":1}'))],
        [added(call('{"a"')), arguments(":1}"), arguments_done('{"a":1}')],
        [added(call('{"a"')), arguments(":1"), arguments("}")],
        [added(call("{}")), arguments('{"a":1}')],
        [added(call(), index=None), arguments('{"a":1}', index=None)],
        [done(call('{"a":1}'))],
        [added(call()), terminal(output=[call('{"a":1}')])],
        [added(call(id="x1")), arguments('{"a":', "x2"), arguments("1}", "x3"), done(call('{"a":1}', "x4"))],
        [terminal(output=[call('{"a":1}')])],
        [added(call()), done(call({"a": 1}))],
        [added(call({"a": 1}))],
        [added(call()), arguments({"a": 1})],
        [added(call()), arguments('{"a":'), arguments(1), arguments("}"), arguments(None)],
        [added(call({})), arguments('{"a":1}'), done(call("null"))],
        [added(call()), arguments_done({"a": 1}), terminal(output=[call(None)])],
        [added(call()), arguments('{"a":1}'), terminal(output=[message(id="other")])],  # SGLang
    ],
)
def test_arguments_from_the_best_evidence(items: list[Item]) -> None:
    assert calls(played([*items, terminal()])) == [("call_u", "weather", {"a": 1})]


def test_empty_arguments_are_an_object_and_lone_surrogates_are_mended() -> None:
    nothings: list[Any] = ["", " ", None, "null", " null\n", {}, "{}"]
    for nothing in nothings:
        assert calls(played([added(call()), done(call(nothing)), terminal()])) == [("call_u", "weather", {})]
    assert calls(played([done(call('{"a":"\ud83d"}')), terminal()]))[0][2] == {"a": "\ufffd"}


BROKEN = ["{", "[1]", "[]", '"x"', '"{}"', "7", "false", '{"a":NaN}', "[" * 100_000, [], [1], 0, 7, False, {"a": 1e999}]


@pytest.mark.parametrize("broken", BROKEN)
def test_arguments_that_are_no_object_fail_the_run(broken: Any) -> None:
    fold = played([*answer("Let me see"), added(call(), 1), done(call(broken), 1), terminal()])
    assert status(fold) == "failed"
    message = "The model called weather with arguments that are not a JSON object."
    assert fold.run["last_error"] == {"code": "server_error", "message": message}
    assert fold.texts == ["Let me see"]
    assert status(played([added({"type": "function_call", "id": "fc"}), terminal()])) == "failed", "no name"


def test_missing_and_doubled_call_ids_are_replaced() -> None:
    first, second = asked(id="fc_1", call_id="same"), asked('{"city":"Oslo"}', "fc_2", "same", 1)
    third = [added(call(id="fc_3", call_id=""), 2), done(call("{}", "fc_3", ""), 2)]
    found = calls(played([*first, *second, *third, added(call(id="fc_4", call_id="x" * 65), 3), terminal()]))
    assert [one[0] for one in found] == ["same", "call_1", "call_2", "call_3"]
    assert [one[2] for one in found] == [{"city": "Rome"}, {"city": "Oslo"}, {}, {}]


def test_a_spent_budget_ends_the_run_instead_of_another_round() -> None:
    fold = played([*asked(), terminal(usage=usage(made=256))], run=run(max_completion_tokens=256))
    assert status(fold) == "incomplete"
    assert fold.run["incomplete_details"] == {"reason": "max_completion_tokens"}


# -- tool outputs -----------------------------------------------------------------------------------------
def test_a_second_round() -> None:
    made, events = play([*asked(), terminal()])
    (step_id,) = {e.object()["id"] for e in events if e.name == "thread.run.step.created"}
    events += made.tool_outputs({"call_u": "sunny"})
    assert [event.name for event in events[-2:]] == ["thread.run.step.completed", "thread.run.queued"]
    step = events[-2].object()
    assert (step["id"], step["usage"]["total_tokens"]) == (step_id, 15)
    assert step["step_details"]["tool_calls"][0]["function"]["output"] == "sunny"
    assert not made.waiting
    for item in [created(), *answer("It is sunny"), terminal()]:
        events += made.feed([item])
    fold = checked(events)
    assert (fold.names.count("thread.run.in_progress"), fold.texts) == (2, ["It is sunny"])
    assert fold.run["usage"]["total_tokens"] == 30
    assert fold.run["usage"]["prompt_token_details"] == {"cached_tokens": 8}


def test_items_to_replay() -> None:
    thought = {**THOUGHT, "summary": [{"type": "summary_text", "text": "hm"}]}
    sealed = {**thought, "encrypted_content": "secret"}
    items = [added(thought), done({**sealed, "status": "completed"}), *asked(index=1), *answer("Let me see", index=2)]
    made, _ = play([*items, terminal()])
    made.tool_outputs({"call_u": "sunny"})
    assert made.items() == [
        {"type": "message", "role": "assistant", "content": "Let me see"},
        sealed,
        {"type": "function_call", "call_id": "call_u", "name": "weather", "arguments": '{"city":"Rome"}'},
        {"type": "function_call_output", "call_id": "call_u", "output": "sunny"},
    ]
    assert made.completion_tokens == 5


THOUGHT: Item = {"type": "reasoning", "id": "rs_1", "summary": []}
SEALED = {**THOUGHT, "encrypted_content": "secret"}


@pytest.mark.parametrize(
    "items",
    [
        [added(THOUGHT), done(THOUGHT)],
        [done({**THOUGHT, "encrypted_content": ""})],
        [done({**THOUGHT, "encrypted_content": None})],
        [done(SEALED), done({"type": "file_search_call", "id": "fs_1", "status": "completed"}, 1)],
    ],
    ids=["never encrypted", "empty", "null", "before a search"],
)
def test_reasoning_is_replayed_encrypted_and_before_its_call_only(items: list[Item]) -> None:
    made, _ = play([*items, *asked(index=2), terminal(output=[items[0]["item"]])])
    assert [item["type"] for item in made.items()] == ["function_call"]


def test_call_ids_stay_unique_over_the_rounds() -> None:
    made, _ = play([*asked(), terminal()])
    made.tool_outputs({"call_u": "1"})
    made.feed([*asked(), terminal()])
    assert made.run["required_action"]["submit_tool_outputs"]["tool_calls"][0]["id"] == "call_1"


@pytest.mark.parametrize("given", [{}, {"other": "x"}, {"call_u": "x", "other": "x"}])
def test_only_the_pending_calls_may_be_answered(given: dict[str, str]) -> None:
    made, _ = play([*asked(), terminal()])
    with pytest.raises(RequestError, match=r"Expected tool outputs for call_ids \['call_u'\], got"):
        made.tool_outputs(given)
    assert made.waiting
    assert made.feed(answer("late")) == made.close(Ending.EOF) == [], "nothing is read meanwhile"


def test_outputs_are_refused_when_nothing_waits() -> None:
    made, _ = play([*answer("Hi"), terminal()])
    with pytest.raises(RequestError, match='Runs in status "completed" do not accept'):
        made.tool_outputs({})


def test_nothing_is_read_while_outputs_are_awaited() -> None:
    made, _ = play([*asked(), terminal()])
    assert (made.feed(answer("late")), made.close(Ending.EOF)) == ([], [])


# -- file search ------------------------------------------------------------------------------------------
SEARCH: Item = {"type": "file_search_call", "id": "fs_1", "status": "in_progress", "queries": [], "results": None}
FOUND = {"file_id": "file_1", "filename": "a.txt", "score": 0.7, "text": "Pizza", "attributes": {}}


def test_search_results() -> None:
    items = [added(SEARCH), done({**SEARCH, "results": [FOUND]}), *answer("Pizza", index=1), terminal()]
    fold = played(items)
    (search,) = fold.steps[0]["step_details"]["tool_calls"]
    assert search["file_search"]["results"] == [
        {"file_id": "file_1", "file_name": "a.txt", "score": 0.7, "content": [{"type": "text", "text": "Pizza"}]}
    ]
    assert [step["type"] for step in fold.steps] == ["tool_calls", "message_creation"]


@pytest.mark.parametrize(
    "items",
    [
        [added(SEARCH), done({**SEARCH, "status": "failed"})],
        [done(SEARCH)],
        [added(SEARCH)],
        [terminal(output=[SEARCH])],
        [added({**SEARCH, "id": None}), done({**SEARCH, "id": None, "results": [None, {"score": "x"}]})],
    ],
)
def test_search_without_results(items: list[Item]) -> None:
    fold = played([*items, terminal()])
    (search,) = fold.steps[0]["step_details"]["tool_calls"]
    assert (search["file_search"]["results"], fold.steps[0]["status"]) == ([], "completed")


@pytest.mark.parametrize(
    ("items", "kinds", "texts"),
    [
        ([added(SEARCH), *answer("Pizza", index=1), done(SEARCH)], ["tool_calls", "message_creation"], ["Pizza"]),
        (
            [*answer("Let me see", "m1"), added(SEARCH, 1), done(SEARCH, 1), *answer("Pizza", "m2", 2)],
            ["message_creation", "tool_calls", "message_creation"],
            ["Let me see", "Pizza"],
        ),
    ],
    ids=["text waits for an open search", "search between messages"],
)
def test_order_of_searches_and_messages(items: list[Item], kinds: list[str], texts: list[str]) -> None:
    fold = played([*items, terminal()])
    assert ([step["type"] for step in fold.steps], fold.texts) == (kinds, texts)


# -- overlapping ------------------------------------------------------------------------------------------
ONE, TWO = answer("one two", "m1"), answer("three four", "m2", 1)
AGAIN = [created(id="resp_a"), text("Hel", "m1"), created(id="resp_b")]
REASONING = {"type": "reasoning_text", "text": "hm"}
TEXTS: dict[str, tuple[list[Item], list[str]]] = {
    "overlapping messages follow each other": (
        [item for pair in zip(ONE, TWO, strict=True) for item in pair],
        ["one two", "three four"],
    ),
    "a message that goes on after its end opens another": (
        [*answer("one", "m1"), *answer("two", "m2", 1), text(" more", "m1")],
        ["one", "two", " more"],
    ),
    "reasoning parts open no message": (
        [
            {"type": "response.content_part.added", "item_id": "rs", "part": REASONING},
            {"type": "response.reasoning_text.delta", "item_id": "rs", "delta": "hm"},
            {"type": "response.content_part.done", "item_id": "rs", "part": REASONING},
            *answer("Hi"),
        ],
        ["Hi"],
    ),
    "a terminal copy is not of a message that was left": (
        [*AGAIN, text("Hello", "m2"), terminal(output=[message("Hello there", "m3")])],
        ["Hel", "Hello there"],
    ),
}


@pytest.mark.parametrize(("items", "texts"), TEXTS.values(), ids=TEXTS)
def test_texts(items: list[Item], texts: list[str]) -> None:
    assert played([*items, terminal()]).texts == texts


def test_a_message_added_again_goes_on() -> None:
    items = [added(message()), text("one "), *asked(index=1), added(message(), 1), text("two", index=1)]
    fold = played([*items, text_done("one two"), done(message("one two"), 1), terminal()])
    assert fold.texts == ["one two"]


# -- cut, failed, cancelled -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reason", "of_message", "of_run"),
    [
        ("max_output_tokens", "max_tokens", {"reason": "max_completion_tokens"}),
        ("content_filter", "content_filter", {}),
        ("steered", None, {}),
        (None, None, {}),
    ],
)
def test_incomplete(reason: str | None, of_message: str | None, of_run: Item) -> None:
    details = reason and {"reason": reason}
    fold = played([*answer("Half an"), terminal("incomplete", incomplete_details=details)])
    assert status(fold) == "incomplete"
    assert (fold.run["incomplete_details"], fold.messages[0]["status"]) == (of_run, "incomplete")
    assert (fold.messages[0]["incomplete_details"] or {}).get("reason") == of_message
    assert fold.steps[0]["status"] == "completed"


def test_incomplete_in_a_call_drops_the_call_and_keeps_the_message() -> None:
    fold = played([*answer("Let me see"), added(call(), 1), arguments('{"a', index=1), terminal("incomplete")])
    assert (fold.messages[0]["status"], status(fold)) == ("completed", "incomplete")
    assert [step["type"] for step in fold.steps] == ["message_creation"]


def failure(code: str | None = "server_error", told: str = "Broken.") -> Item:
    error = {"code": code, "message": told} if code else None
    return {"type": "response.failed", "response": {"status": "failed", "error": error, "output": []}}


NESTED = {"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow down."}}
FLAT = {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "param": None, "sequence_number": 2}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([failure()], ("server_error", "Broken.")),
        ([NESTED, failure("rate_limit_exceeded", "Slow down.")], ("rate_limit_exceeded", "Slow down.")),
        ([FLAT], ("rate_limit_exceeded", "Slow down.")),
        ([failure(None), NESTED], ("rate_limit_exceeded", "Slow down.")),
        ([NESTED, failure(None)], ("rate_limit_exceeded", "Slow down.")),
        ([NESTED, terminal()], ("rate_limit_exceeded", "Slow down.")),
        ([{"type": "error", "error": "no such field"}], ("server_error", "no such field")),
        ([{"type": "error", "code": "400", "error": "no such field"}], ("invalid_prompt", "no such field")),
        ([{"type": "error"}], ("server_error", "The upstream failed without a reason.")),
        ([failure("invalid_prompt", "No.")], ("invalid_prompt", "No.")),
        ([failure("image_parse_error", "Bad image.")], ("invalid_prompt", "Bad image.")),
        ([failure("429", "Later.")], ("rate_limit_exceeded", "Later.")),
        ([{**terminal(status="failed"), "type": "response.completed"}], ("server_error", None)),
    ],
)
def test_failure(items: list[Item], expected: tuple[str, str | None]) -> None:
    fold = played([*answer("Half")[:2], *items])
    assert status(fold) == "failed"
    code, said = expected
    assert fold.run["last_error"]["code"] == code
    assert said is None or fold.run["last_error"]["message"] == said
    assert fold.messages[0]["incomplete_details"] == {"reason": "run_failed"}
    assert (fold.steps[0]["status"], fold.texts) == ("failed", ["Half"])


def test_a_failure_is_held_until_the_upstream_ends() -> None:
    made = translator()
    made.feed([text("Half")])
    assert made.feed([failure(None)]) == []
    assert made.failing
    assert not made.ended
    assert made.close(Ending.EOF)[-1].name == "thread.run.failed"


@pytest.mark.parametrize(
    "said",
    [
        "Incorrect API key provided: sk-proj-abcdefghijkl. Look it up.",
        "cannot reach https://user:geheim@upstream.example/v1",
        "header Authorization: Bearer geheim-abcdefg refused",
    ],
)
def test_no_credential_reaches_the_client(said: str) -> None:
    made, _ = play([failure("server_error", said)])
    assert not any(secret in made.run["last_error"]["message"] for secret in ("geheim", "abcdefg"))
    refused, _ = play([failure("invalid_api_key", said)])
    assert refused.run["last_error"]["message"] == "The upstream rejected the credentials of this server."


def test_a_cancelled_response_cancels_the_run() -> None:
    fold = played([text("Half"), terminal("cancelled")])
    assert status(fold) == "cancelled"
    assert fold.messages[0]["incomplete_details"] == {"reason": "run_cancelled"}


@pytest.mark.parametrize(
    ("ending", "expected", "reason", "of_step"),
    [
        (Ending.CANCELLED, "cancelled", "run_cancelled", "cancelled"),
        (Ending.FAILED, "failed", "run_failed", "failed"),
        (Ending.EXPIRED, "expired", "run_expired", "expired"),
        (Ending.EOF, "failed", "run_failed", "failed"),
        (Ending.INTERRUPTED, "failed", "run_failed", "failed"),
    ],
)
def test_close_in_the_middle(ending: Ending, expected: str, reason: str, of_step: str) -> None:
    made = translator()
    events = made.start() + made.feed([created(), added(message()), text("Half")]) + made.close(ending)
    fold = checked(events)
    assert (status(fold), fold.messages[0]["incomplete_details"]) == (expected, {"reason": reason})
    assert (fold.steps[0]["status"], fold.texts, made.close(ending)) == (of_step, ["Half"], [])
    assert (made.feed(answer("late")), made.announce("thread.title.updated", {})) == ([], [])


@pytest.mark.parametrize("ending", list(Ending))
def test_close_before_anything_came(ending: Ending) -> None:
    made = translator()
    error = {"code": "rate_limit_exceeded", "message": "Later."}
    fold = check(made.start() + made.close(ending, error))
    assert len(fold.names) == 3
    assert fold.run["last_error"] == (error if fold.run["status"] == "failed" else None)


@pytest.mark.parametrize("ending", [Ending.CANCELLED, Ending.EXPIRED, Ending.FAILED, Ending.INTERRUPTED])
def test_close_while_outputs_are_awaited(ending: Ending) -> None:
    made, events = play([*asked(), terminal()])
    events += made.close(ending)
    fold = check(events)
    assert fold.run["usage"]["total_tokens"] == 15
    assert fold.steps[-1]["step_details"]["tool_calls"][0]["id"] == "call_u"


def test_cancelling_is_told_before_what_is_open_is_closed() -> None:
    made = translator()
    made.feed([text("Half")])
    assert [event.name for event in made.close(Ending.CANCELLED)] == [
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]


def test_queued_outputs_are_kept_at_a_failure() -> None:
    made = translator()
    items = [*answer("one", "m1")[:-1], *answer("two", "m2", 1)[:-1]]
    fold = check(made.start() + made.feed(items) + made.close(Ending.FAILED))
    assert fold.texts == ["one", "two"]


# -- the upstream's end -----------------------------------------------------------------------------------
@pytest.mark.parametrize("lenient", [False, True])
def test_end_without_terminal_item(lenient: bool) -> None:
    expected = "completed" if lenient else "failed"
    assert status(played([created(), *answer("Hi there")], lenient_end=lenient)) == expected
    assert status(played([created(), *answer("Hi there")[:-1]], lenient_end=lenient)) == "failed"
    assert status(played([created()], lenient_end=lenient)) == "failed"
    assert status(played([], lenient_end=lenient)) == "failed"
    broken = [added(call()), done(call("{"))]
    assert status(played(broken, lenient_end=lenient)) == "failed"


# -- deviations no recording holds ------------------------------------------------------------------------
def test_ollama_never_closes_the_message_and_reuses_its_index() -> None:
    items = [created(), added(message()), text("Let me see"), added(call(), 0), arguments('{"city":"Rome"}')]
    fold = played([*items, done(call('{"city":"Rome"}')), terminal(output=[call('{"city":"Rome"}')])])
    assert (fold.texts, calls(fold)) == (["Let me see"], [("call_u", "weather", {"city": "Rome"})])


CUT: Item = {"incomplete_details": {"reason": "max_output_tokens"}}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({**terminal("incomplete", **CUT), "type": "response.completed"}, "incomplete"),  # vLLM
        ({"type": "response.completed"}, "completed"),
        ({"type": "response.incomplete", "response": {}}, "incomplete"),
        ({"type": "response.completed", "response": CUT}, "incomplete"),
    ],
)
def test_status_of_unusual_terminal_items(last: Item, expected: str) -> None:
    assert status(played([*answer("Hi"), last])) == expected


def test_signs_of_life_and_strangers() -> None:
    strange: list[Item] = [
        {"type": "keepalive"},
        {"type": "response.in_progress"},
        {"type": "response.in_progress", "response": None},
        {"type": "response.shiny.delta", "delta": "x"},
        {"type": "response.output_item.added", "item": {"type": "shiny_call", "id": "s"}},
        {"type": "response.output_item.added"},
        {"type": "response.output_item.done", "item": 7},
        {"type": 7},
        {},
    ]
    made, events = play([*strange, *answer("Hi"), *strange, terminal()])
    assert (check(events).texts, made.unknown) == (["Hi"], 12)


def test_terminal_output_never_takes_away_and_only_adds_what_is_new() -> None:
    output = [message("Hello there", id="renamed"), call("{}", id="fc_new", call_id="call_new")]
    fold = played(
        [*answer("Hello"), *asked(index=1), terminal(output=[*output, call('{"city":"Rome"}', id="renamed")])]
    )
    assert (fold.texts, [one[0] for one in calls(fold)]) == (["Hello there"], ["call_u", "call_new"])


def test_a_response_that_begins_anew_leaves_its_calls_and_keeps_its_text() -> None:
    again = [text("Hello there", "m2"), *asked('{"city":"Oslo"}', "fc_2", "call_2", 1), terminal()]
    made, events = play([created(id="resp_a"), text("Hel", "m1"), *asked(index=1), created(id="resp_b"), *again])
    fold = check(events, ended=False)
    assert (fold.texts, calls(fold)) == (["Hel", "Hello there"], [("call_2", "weather", {"city": "Oslo"})])
    said = [item["content"] for item in made.items() if item["type"] == "message"]
    assert said == ["Hel", "Hello there"]


@pytest.mark.parametrize("again", [{}, {"id": "resp_1"}, {"id": None}, {"id": ""}])
def test_created_that_is_only_repeated_begins_nothing(again: Item) -> None:
    repeated = {"type": "response.created", "response": again}
    assert played([created(), text("Hel"), repeated, text("lo"), done(message("Hello")), terminal()]).texts == ["Hello"]


# -- numbers and names ------------------------------------------------------------------------------------
def test_numbers_run_on() -> None:
    made = translator(last_seq=41)
    thread = objects.thread("thread_1", 1)
    events = made.start(thread)
    events += made.feed([*answer("Hi")])
    events += made.announce("thread.title.updated", {"title": "Greeting"})
    events += made.feed([terminal()])
    assert [event.seq for event in events] == list(range(42, 42 + len(events)))
    assert (events[0].name, made.last_seq) == ("thread.created", events[-1].seq)


def test_the_run_given_is_not_changed() -> None:
    body = run()
    kept = json.dumps(body)
    made = Translator(body, new_id=ids(), now=clock())
    made.feed([*asked(), terminal()])
    assert (json.dumps(body), made.run["status"]) == (kept, "requires_action")
