"""Whatever an upstream does to its items, the stream stays one that clients take, and ends exactly once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_assistant_stream.protocol.dialects import ASSISTANTS
from flask_assistant_stream.protocol.events import Event, pack, unpack
from flask_assistant_stream.translation.options import TranslatorOptions
from flask_assistant_stream.translation.translator import Ending, Translator

from .checker import check, without
from .material import answer, asked, clock, ids, play, run, terminal, text, translator, validate_event
from .streams import STREAMS

Item = dict[str, Any]
ODD: list[Any] = [None, "", 7, [], {}, ["x"], "msg_u", True, "\ud83d", {"id": "\udc00", "type": "message"}, -1, 10**30]
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=250)


def scrambled(draw: st.DrawFn, value: Any, odd: Any) -> Any:
    """Put something odd somewhere into a value, at any depth."""
    if not isinstance(value, (dict, list)) or not value or draw(st.integers(0, 3)) == 0:
        return odd
    if isinstance(value, list):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], scrambled(draw, value[at], odd), *value[at + 1 :]]
    key = draw(st.sampled_from(sorted(value)))
    return {**value, key: scrambled(draw, value[key], odd)}


@st.composite
def mangled(draw: st.DrawFn) -> list[list[Item]]:
    """Draw a stream with items moved, dropped, repeated, stripped of keys and cut into reads."""
    items = list(draw(st.sampled_from(STREAMS)))
    for _ in range(draw(st.integers(0, 6))):
        if not items:
            break
        at = draw(st.integers(0, len(items) - 1))
        to = draw(st.integers(0, len(items) - 1))
        what = draw(st.sampled_from(["move", "drop", "repeat", "strip", "truncate", "mix"]))
        if what == "move":
            items.insert(to, items.pop(at))
        elif what == "drop":
            del items[at]
        elif what == "repeat":
            items.insert(to, items[at])
        elif what == "strip":
            keys = draw(st.sets(st.sampled_from(["item_id", "output_index", "content_index", "item", "response"])))
            items[at] = {key: value for key, value in items[at].items() if key not in keys}
        elif what == "mix":
            made = scrambled(draw, items[at], draw(st.sampled_from(ODD)))
            items[at] = made if isinstance(made, dict) else {}
        else:
            del items[max(at, 1) :]
    reads = []
    while items:
        size = draw(st.integers(1, 5))
        reads.append(items[:size])
        items = items[size:]
    return reads


TOOLS: list[dict[str, Any]] = [
    {},
    {"server_tools": {"weather": False}},
    {"server_tools": {"weather": False, "pay": True}, "reasoning_summaries": True},
    {"server_tools": {"weather": True}, "max_rounds": 2, "citations": False},
]
OPTIONS = st.sampled_from(TOOLS)
OUTPUTS = st.sampled_from(["true", "false", "x", "\ud83d"])
END: list[list[Item]] = [[*answer("end", "m_end"), terminal()]]


def follow(made: Translator, reads: list[list[Item]]) -> list[Event]:
    events = made.start()
    for items in reads:
        events += made.feed(items)
    return events


def step(made: Translator, output: str) -> list[Event]:
    """Answer the calls that are pending, this server's or the client's."""
    if made.calls_to_run:
        return made.tool_results({call["id"]: output for call in made.calls_to_run})
    calls = made.run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return made.tool_outputs({call["id"]: output for call in calls})


def restored(made: Translator, events: list[Event], options: Any, worker: str = "b") -> Translator:
    """Take a run over with its state as a store returns it."""
    state, of_run = json.loads(json.dumps(made.state())), TranslatorOptions(**options)
    return Translator.restore(made.run, events, state, new_id=ids_of(worker), now=clock(), options=of_run)


def pending(made: Translator) -> bool:
    return made.waiting or bool(made.calls_to_run)


def finish(made: Translator, rounds: list[list[list[Item]]], output: str) -> list[Event]:
    """Answer what is asked for, let the next responses end the run, or end it."""
    events: list[Event] = []
    for reads in [*rounds, END]:
        if not pending(made):
            break
        while pending(made):
            events += step(made, output)
        for items in reads:
            events += made.feed(items)
    while pending(made):
        events += step(made, output)
    return events + made.close(Ending.EOF)


@RELAXED
@given(mangled(), OPTIONS, OUTPUTS)
def test_always_a_stream_that_ends_once(reads: list[list[Item]], options: Any, output: str) -> None:
    made = translator(**options)
    events = follow(made, reads)
    events += finish(made, [reads], output)
    fold = check(events)
    assert made.ended
    assert made.last_seq == events[-1].seq
    assert made.close(Ending.EOF) == made.close(Ending.CANCELLED) == made.feed([text("late")]) == []
    assert (made.calls_to_run, made.tool_results({})) == ([], [])
    again = translator(**options)
    assert follow(again, reads) + finish(again, [reads], output) == events
    told = b"".join(event.data for event in events)
    assert all(file.file_id in json.dumps(fold.steps + fold.messages) for file in made.take_files()), told


@RELAXED
@given(mangled(), OPTIONS, OUTPUTS)
def test_objects_are_valid(reads: list[list[Item]], options: Any, output: str) -> None:
    made = translator(**options)
    for event in follow(made, reads) + finish(made, [reads], output):
        if event.name not in ASSISTANTS.vendor_events:
            validate_event(event)


@RELAXED
@given(mangled(), OPTIONS, st.sampled_from(list(Ending)), st.data())
def test_another_worker_can_end_it_at_any_point(
    reads: list[list[Item]], options: Any, ending: Ending, data: st.DataObject
) -> None:
    made = translator(**options)
    events = follow(made, reads) + finish(made, [reads], "true")
    kept = events[: data.draw(st.integers(0, len(events)))]
    told = unpack(1, pack(kept))
    fence = len(kept) + 64
    taken = Translator.restore(
        run(), told, None, new_id=ids_of("b"), now=clock(), last_seq=fence, options=TranslatorOptions(**options)
    )
    before = check(kept, ended=False)
    if before.ended:
        assert taken.close(ending) == []
        return
    closing = taken.close(ending if ending is not Ending.EOF else Ending.INTERRUPTED)
    assert closing[0].seq == fence + 1
    after = check([*kept, *closing], gaps=True)
    if before.content:
        assert after.messages[-1]["status"] == "incomplete"
        assert after.messages[-1]["content"] == without(before.content, "index", "quote")
    else:
        assert len(after.messages) - len(before.messages) <= 1


@RELAXED
@given(mangled(), OPTIONS, OUTPUTS, st.sampled_from(list(Ending)), st.integers(0, 3))
def test_it_can_be_closed_while_calls_are_pending(
    reads: list[list[Item]], options: Any, output: str, ending: Ending, steps: int
) -> None:
    made = translator(**options)
    events = follow(made, reads)
    for _ in range(steps):
        if pending(made):
            events += step(made, output)
    if pending(made):
        assert made.close(Ending.EOF) == []
        taken = restored(made, events, options)
        closing = made.close(ending if ending is not Ending.EOF else Ending.INTERRUPTED)
        other = taken.close(ending if ending is not Ending.EOF else Ending.INTERRUPTED)
        assert [event.name for event in other] == [event.name for event in closing]
        assert taken.run["usage"] == made.run["usage"]
        check([*events, *closing])
        check([*events, *other])


@RELAXED
@given(mangled(), OPTIONS, OUTPUTS)
def test_another_worker_can_go_on_with_pending_calls(reads: list[list[Item]], options: Any, output: str) -> None:
    made = translator(**options)
    events = follow(made, reads)
    if not pending(made):
        return
    state = json.loads(json.dumps(made.state()))
    given: dict[str, Any] = {"now": clock(), "options": TranslatorOptions(**options)}
    stored = Translator.restore(made.run, events, state, new_id=ids_of("b"), **given)
    fresh = Translator.restore(made.run, [], state, new_id=ids_of("b"), last_seq=made.last_seq, **given)
    assert (stored.waiting, stored.calls_to_run) == (made.waiting, made.calls_to_run)
    if "reasoning_summaries" not in options:  # else the log is needed, to number what is told on
        assert names(finish(fresh, [reads], output)) == names(finish(stored, [reads], output))
    goes_on = restored(made, events, options)
    fold = check([*events, *finish(goes_on, [reads], output)])
    finish(made, [reads], output)
    assert (fold.run["usage"], len(goes_on.items())) == (made.run["usage"], len(made.items()))


@RELAXED
@given(mangled(), OPTIONS, OUTPUTS, st.data())
def test_workers_can_change_at_every_step(
    reads: list[list[Item]], options: Any, output: str, data: st.DataObject
) -> None:
    """Pass a run from worker to worker wherever calls are pending: the stream stays one, nothing is asked twice."""
    made = translator(**options)
    events = follow(made, reads)
    for worker in range(12):
        if made.ended:
            break
        if pending(made) and data.draw(st.booleans()):
            made = restored(made, events, options, f"w{worker}")
        if pending(made):
            events += step(made, output)
        else:
            for items in reads if worker < 3 else END:
                events += made.feed(items)
            if not pending(made):
                events += made.close(Ending.EOF)
    check(events)
    answered = [item["call_id"] for item in made.items() if item["type"] == "function_call_output"]
    assert answered == [item["call_id"] for item in made.items() if item["type"] == "function_call"]


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def ids_of(worker: str) -> Any:
    make = ids()
    return lambda prefix: f"{make(prefix)}{worker}"


@pytest.mark.parametrize("ending", list(Ending))
def test_a_run_that_told_nothing_can_be_ended(ending: Ending) -> None:
    taken = Translator.restore(run(), [], None, new_id=ids(), now=clock(), last_seq=64)
    (event,) = taken.close(ending)
    assert event.seq == 65
    assert event.name in ("thread.run.failed", "thread.run.cancelled", "thread.run.expired")


def test_usage_of_earlier_rounds_counts_once_after_a_worker_died() -> None:
    made, events = play([*asked(), terminal()])
    state = made.state()
    events += made.tool_outputs({"call_u": "x"})
    events += made.feed([text("Half")])
    taken = Translator.restore(made.run, events, state, new_id=ids_of("b"), now=clock())
    fold = check([*events, *taken.close(Ending.INTERRUPTED)])
    assert (fold.run["usage"]["total_tokens"], fold.texts) == (15, ["Half"])
    assert "Send the message again" in fold.run["last_error"]["message"]
