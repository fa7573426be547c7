"""Calls that this server executes, alone, beside the client's, and after an approval."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flask_assistant_stream.errors import RequestError
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.translation.options import TranslatorOptions
from flask_assistant_stream.translation.pending_calls import NOT_APPROVED
from flask_assistant_stream.translation.translator import Ending, Translator

from .checker import Fold
from .material import added, answer, asked, call, checked, clock, done, ids, play, run, terminal, text, usage

Item = dict[str, Any]
TOOLS = {"weather": False, "pay": True}
CLOSING = [Ending.CANCELLED, Ending.EXPIRED, Ending.FAILED, Ending.INTERRUPTED]


def called(name: str, call_id: str, index: int = 0, value: Any = '{"a":1}') -> list[Item]:
    item = call(id=f"fc_{call_id}", call_id=call_id, name=name)
    return [added(item, index), done({**item, "arguments": value}, index)]


def approval(tool: str = "delete", id: str = "mcpr_1", index: int = 0, value: Any = '{"b":2}') -> list[Item]:
    item = {"type": "mcp_approval_request", "id": id, "server_label": "crm", "name": tool, "arguments": value}
    return [added(item, index), done(item, index)]


def begun(*items: list[Item], **options: Any) -> tuple[Translator, list[Event]]:
    """Play a response that ends with calls."""
    options = {"server_tools": TOOLS, **options}
    return play([*(item for one in items for item in one), terminal()], **options)


def to_run(made: Translator) -> dict[str, str]:
    return {one["id"]: one["function"]["name"] for one in made.calls_to_run}


def required(made: Translator) -> dict[str, str]:
    calls = made.run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return {one["id"]: one["function"]["name"] for one in calls}


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def last(made: Translator, events: list[Event]) -> Fold:
    """Let one more response end the run and check all events."""
    for item in [*answer("Done"), terminal()]:
        events = events + made.feed([item])
    return checked(events)


def again(made: Translator, events: list[Event]) -> Translator:
    """Take the run over where it is, with its state as a store gives it back."""
    state, make, worker = json.loads(json.dumps(made.state())), ids(), len(events)
    return Translator.restore(
        made.run,
        events,
        state,
        new_id=lambda prefix: f"{make(prefix)}w{worker}",
        now=clock(),
        options=TranslatorOptions(server_tools=TOOLS),
    )


# -- executed here ----------------------------------------------------------------------------------------
def test_a_round() -> None:
    made, events = begun(called("weather", "call_1"))
    assert names(events)[2:] == [
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.run.step.delta",
        "thread.run.step.delta",
    ]
    assert made.calls_to_run == [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"a":1}'}}
    ]
    assert not made.waiting
    told = made.tool_results({"call_1": "sunny"})
    assert names(told) == ["thread.run.step.completed"]
    assert (told[0].object()["usage"]["total_tokens"], made.calls_to_run) == (15, [])
    assert made.items()[-1] == {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}
    fold = last(made, events + told)
    assert fold.steps[0]["step_details"]["tool_calls"][0]["function"]["output"] == "sunny"
    assert (fold.names.count("thread.run.in_progress"), fold.run["usage"]["total_tokens"]) == (1, 30)


def test_calls_come_in_order_and_after_the_text() -> None:
    items = [*called("weather", "call_1"), *answer("Let me see", index=1), *called("weather", "call_2", 2)]
    made, events = begun(items)
    assert list(to_run(made)) == ["call_1", "call_2"]
    fold = last(made, events + made.tool_results({"call_2": "b", "call_1": "a"}))
    assert [one["function"]["output"] for one in fold.steps[1]["step_details"]["tool_calls"]] == ["a", "b"]


@pytest.mark.parametrize("outputs", [{}, {"call_2": "x"}, {"call_1": "x", "call_2": "y"}])
def test_other_results_than_those_of_the_calls_are_a_fault(outputs: dict[str, str]) -> None:
    made, _ = begun(called("weather", "call_1"))
    assert made.feed([text("late")]) == made.close(Ending.EOF) == [], "nothing is read meanwhile"
    with pytest.raises(ValueError, match="to run were"):
        made.tool_results(outputs)
    assert made.tool_results({"call_1": "x"})
    with pytest.raises(ValueError, match="no calls"):
        made.tool_results({})


def test_results_that_come_after_the_end_are_dropped() -> None:
    made, _ = begun(called("weather", "call_1"))
    assert made.close(Ending.CANCELLED)
    assert (made.calls_to_run, made.tool_results({"call_1": "x"})) == ([], [])


@pytest.mark.parametrize(
    "items",
    [
        called("weather", "call_1", value="{"),
        called("weather", "call_1", value="[1]"),
        called("pay", "call_1", value='{"a":NaN}'),
        [*called("weather", "call_1"), *called("theirs", "call_2", 1, "{")],
        approval("delete", value="{"),
        approval("weather", value="{"),
    ],
    ids=["cut", "array", "NaN", "client's call", "approval", "approval named as a tool of this server"],
)
def test_broken_arguments_fail_the_run_before_anything_is_executed(items: list[Item]) -> None:
    made, events = begun(items)
    assert (made.run["status"], made.calls_to_run) == ("failed", [])
    checked(events)


def test_the_limit_of_rounds() -> None:
    made, events = begun(called("weather", "call_1"), max_rounds=2)
    events += made.tool_results({"call_1": "x"})
    for item in [*answer("Again"), *called("weather", "call_2", 1), terminal()]:
        events += made.feed([item])
    fold = checked(events)
    assert (fold.run["status"], fold.run["incomplete_details"]) == ("incomplete", {})
    assert (fold.run["usage"]["total_tokens"], fold.messages[0]["status"]) == (30, "completed")
    assert len(fold.steps) == 2
    made, events = begun(called("weather", "call_1"), max_rounds=2)
    assert last(made, events + made.tool_results({"call_1": "x"})).run["status"] == "completed", "an answer is in time"


def test_a_spent_budget_drops_the_calls() -> None:
    items = [*called("weather", "call_1"), terminal(usage=usage(made=300))]
    made, events = play(items, server_tools=TOOLS, run=run(max_completion_tokens=256))
    assert made.calls_to_run == []
    assert made.run["incomplete_details"] == {"reason": "max_completion_tokens"}
    checked(events)


# -- beside the client's ----------------------------------------------------------------------------------
def test_mixed_with_calls_of_the_client() -> None:
    made, events = begun(called("theirs", "call_1"), called("weather", "call_2", 1))
    assert to_run(made) == {"call_2": "weather"}
    told = made.tool_results({"call_2": "sunny"})
    assert (names(told), required(made)) == (["thread.run.requires_action"], {"call_1": "theirs"})
    assert made.calls_to_run == []
    outputs = [one["function"]["output"] for one in made.state()["step"]["step_details"]["tool_calls"]]
    assert outputs == [None, "sunny"]
    with pytest.raises(RequestError, match="Expected tool outputs"):
        made.tool_outputs({"call_1": "x", "call_2": "y"})
    answered = made.tool_outputs({"call_1": "x"})
    assert names(answered) == ["thread.run.step.completed", "thread.run.queued"]
    assert [item["output"] for item in made.items()[-2:]] == ["x", "sunny"]
    last(made, events + told + answered)


# -- approvals --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("yes", ["true", " TRUE\n", "True"])
def test_an_approved_call_is_executed(yes: str) -> None:
    made, events = begun(called("pay", "call_1"))
    assert (required(made), made.calls_to_run) == ({"call_1": "approval.pay"}, [])
    told = made.tool_outputs({"call_1": yes})
    assert (names(told), to_run(made)) == (["thread.run.queued"], {"call_1": "pay"})
    assert made.feed([text("early")]) == []
    results = made.tool_results({"call_1": "paid"})
    assert names(results) == ["thread.run.in_progress", "thread.run.step.completed"]
    fold = last(made, events + told + results)
    (shown,) = fold.steps[0]["step_details"]["tool_calls"]
    assert shown["function"] == {"name": "pay", "arguments": '{"a":1}', "output": "paid"}
    assert made.items()[0]["name"] == "pay"


@pytest.mark.parametrize("no", ["false", "", "yes", "true!"])
def test_a_call_that_is_not_approved_tells_the_model_so(no: str) -> None:
    made, events = begun(called("pay", "call_1"))
    told = made.tool_outputs({"call_1": no})
    assert (names(told), made.calls_to_run) == (["thread.run.step.completed", "thread.run.queued"], [])
    assert made.items()[-1]["output"] == NOT_APPROVED
    last(made, events + told)


def test_all_kinds_of_calls_in_one_response() -> None:
    made, events = begun(
        called("pay", "call_1"),
        called("theirs", "call_2", 1),
        called("weather", "call_3", 2),
        called("pay", "call_4", 3),
        approval(index=4),
    )
    assert to_run(made) == {"call_3": "weather"}
    events += made.tool_results({"call_3": "sunny"})
    assert required(made) == {
        "call_1": "approval.pay",
        "call_2": "theirs",
        "call_4": "approval.pay",
        "mcpr_1": "mcp_approval.delete",
    }
    events += made.tool_outputs({"call_1": "true", "call_2": "x", "call_4": "no", "mcpr_1": "true"})
    assert to_run(made) == {"call_1": "pay"}
    events += made.tool_results({"call_1": "paid"})
    assert [item.get("output", item.get("approve")) for item in made.items()[-5:]] == [
        "paid",
        "x",
        "sunny",
        NOT_APPROVED,
        True,
    ]
    fold = last(made, events)
    assert len(fold.steps) == 2


def test_an_approval_shows_the_arguments_of_an_object() -> None:
    made, _ = begun([*called("pay", "call_1", value={"to": "Ada"}), *approval(index=1, value={"id": 7})])
    calls = made.run["required_action"]["submit_tool_outputs"]["tool_calls"]
    assert [call["function"]["arguments"] for call in calls] == ['{"to":"Ada"}', '{"id":7}']
    made.tool_outputs({"call_1": "true", "mcpr_1": "true"})
    assert made.calls_to_run[0]["function"]["arguments"] == '{"to":"Ada"}'
    assert [item["arguments"] for item in made.items()] == ['{"to":"Ada"}', '{"id":7}']


@pytest.mark.parametrize("missing", ["id", "server_label"])
def test_an_approval_that_cannot_be_answered_fails_the_run(missing: str) -> None:
    (_, item) = approval()
    made, _ = begun([{**item, "item": {key: value for key, value in item["item"].items() if key != missing}}])
    assert made.run["last_error"]["message"] == "The upstream asked for an approval without an id or a server."


def test_an_approval_keeps_an_id_of_any_length() -> None:
    made, _ = begun(approval(id="mcpr_" + "x" * 400))
    assert made.tool_outputs({"mcpr_" + "x" * 400: "true"})


@pytest.mark.parametrize(("output", "approve"), [("true", True), ("false", False), ("what?", False)])
def test_approval_of_a_call_that_the_upstream_makes(output: str, approve: bool) -> None:
    made, events = begun([*answer("Let me see"), *approval(index=1)])
    assert required(made) == {"mcpr_1": "mcp_approval.delete"}
    told = made.tool_outputs({"mcpr_1": output})
    assert names(told) == ["thread.run.step.completed", "thread.run.queued"]
    request = {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "crm", "name": "delete"}
    assert made.items()[1:] == [
        {**request, "arguments": '{"b":2}'},
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": approve},
    ]
    last(made, events + told)


# -- other workers, other ends ----------------------------------------------------------------------------
def test_another_worker_goes_on_from_every_state() -> None:
    made, events = begun(called("pay", "call_1"), called("weather", "call_2", 1), approval(index=2))
    taken = again(made, events)
    assert taken.calls_to_run == made.calls_to_run
    events += taken.tool_results({"call_2": "sunny"})
    taken = again(taken, events)
    assert required(taken) == {"call_1": "approval.pay", "mcpr_1": "mcp_approval.delete"}
    events += taken.tool_outputs({"call_1": "true", "mcpr_1": "true"})
    taken = again(taken, events)
    assert to_run(taken) == {"call_1": "pay"}
    events += taken.tool_results({"call_1": "paid"})
    taken = again(taken, events)
    assert len(taken.items()) == 6
    fold = last(taken, events)
    assert fold.run["usage"]["total_tokens"] == 30


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("ending", CLOSING)
@pytest.mark.parametrize("where", ["executing", "asking", "approved", "between"])
def test_close(where: str, ending: Ending, restored: bool) -> None:
    items = [*answer("Let me see"), *called("pay", "call_1", 1)]
    made, events = begun(items + (called("weather", "call_2", 2) if where == "executing" else []))
    if where in ("approved", "between"):
        events += made.tool_outputs({"call_1": "true"})
    if where == "between":
        events += made.tool_results({"call_1": "paid"})
    closing = (again(made, events) if restored else made).close(ending)
    fold = checked(events + closing)
    status = {Ending.CANCELLED: "cancelled", Ending.EXPIRED: "expired"}.get(ending, "failed")
    assert (fold.run["status"], fold.run["usage"]["total_tokens"]) == (status, 15)
    assert fold.steps[-1]["status"] == ("completed" if where == "between" else status)
    assert (fold.steps[-1]["usage"]["total_tokens"], fold.messages[0]["status"]) == (15, "completed")


def test_what_earlier_rounds_cost_is_known_to_a_worker_without_their_states() -> None:
    made, events = begun(called("theirs", "call_1"))
    state = made.state()
    events += made.tool_outputs({"call_1": "x"})
    for number in (2, 3):
        events += made.feed([*called("weather", f"call_{number}"), terminal()])
        events += made.tool_results({f"call_{number}": "sunny"})
    events += made.feed([text("Half")])
    for stored in (state, None):
        taken = Translator.restore(run(), events, stored, new_id=ids(), now=clock())
        fold = checked([*events, *taken.close(Ending.INTERRUPTED)])
        assert fold.run["usage"]["total_tokens"] == 45


def test_a_title_that_comes_between_does_not_make_a_state_stale() -> None:
    made, events = begun(called("theirs", "call_1"))
    state = made.state()
    events += made.announce("thread.title.updated", {"id": "thread_1", "title": "Rain"})
    taken = Translator.restore(
        made.run, events, state, new_id=ids(), now=clock(), options=TranslatorOptions(server_tools=TOOLS)
    )
    assert names(taken.tool_outputs({"call_1": "x"})) == ["thread.run.step.completed", "thread.run.queued"]


def test_call_ids_of_all_rounds_are_told_apart() -> None:
    made, events = begun(asked(call_id="same"), server_tools={"weather": False})
    events += made.tool_results({"same": "x"})
    events += made.feed([*asked(call_id="same"), terminal()])
    assert list(to_run(made)) == ["call_1"]
