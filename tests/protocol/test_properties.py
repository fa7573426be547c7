"""Whatever an upstream does to its items, the stream stays one that clients take, and ends exactly once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_assistant_stream.protocol.events import Event, pack, unpack
from flask_assistant_stream.protocol.from_responses import Ending, Translator

from .checker import check
from .material import (
    RECORDINGS,
    annotated,
    answer,
    asked,
    clock,
    created,
    ids,
    message,
    play,
    read_sse,
    run,
    terminal,
    text,
    translator,
    validate_event,
)

Item = dict[str, Any]

SEARCH: Item = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": [], "results": None}
FOUND = {"file_id": "file_1", "filename": "a.txt", "score": 0.7, "text": "Pizza", "attributes": {}}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
CITED = {"type": "file_citation", "file_id": "file_1", "filename": "a.txt", "index": 3}
SYNTHETIC: list[list[Item]] = [
    [created(), *answer("one two three", "m1"), *asked(index=1), *answer("four", "m2", 2), terminal()],
    [
        created(),
        {"type": "response.output_item.added", "output_index": 0, "item": SEARCH},
        {"type": "response.output_item.done", "output_index": 0, "item": {**SEARCH, "results": [FOUND]}},
        {"type": "response.output_item.done", "output_index": 1, "item": THOUGHT},
        text("Pizza\ud83d", "m1", 2),
        text("\ude00", "m1", 2),
        annotated(CITED, "m1", 2),
        {"type": "response.refusal.delta", "item_id": "m1", "output_index": 2, "content_index": 1, "delta": "No."},
        *answer("other", "m2", 3),
        terminal("incomplete", output=[SEARCH, message("Pizza.", "m1")]),
    ],
    [created(), *asked(id="a", call_id="c"), *asked("{}", "b", "c", 1), terminal(output=[message("new", "m9")])],
    [*answer("half")[:3], {"type": "error", "error": {"code": "x", "message": "y"}}, terminal("failed")],
]
STREAMS = SYNTHETIC + [read_sse(path) for path in RECORDINGS]
"""The recordings are played too where they are there."""

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
            odd: Any = draw(
                st.sampled_from(
                    [
                        None,
                        "",
                        7,
                        [],
                        {},
                        ["x"],
                        "msg_u",
                        True,
                        "\ud83d",
                        {"id": "\udc00", "type": "message"},
                        -1,
                        10**30,
                    ]
                )
            )
            made = scrambled(draw, items[at], odd)
            items[at] = made if isinstance(made, dict) else {}
        else:
            del items[max(at, 1) :]
    reads, start = [], 0
    while start < len(items):
        size = draw(st.integers(1, 5))
        reads.append(items[start : start + size])
        start += size
    return reads


def follow(made: Translator, reads: list[list[Item]]) -> list[Event]:
    events = made.start()
    for items in reads:
        events += made.feed(items)
    return events


def finish(made: Translator) -> list[Event]:
    """Answer what is asked for, let the next response end the run, or end it."""
    if not made.waiting:
        return made.close(Ending.EOF)
    calls = made.run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return made.tool_outputs({call["id"]: "x" for call in calls}) + made.feed([*answer("end"), terminal()])


@RELAXED
@given(mangled())
def test_always_a_stream_that_ends_once(reads: list[list[Item]]) -> None:
    made = translator()
    events = follow(made, reads)
    events += finish(made)
    check(events)
    assert made.ended
    assert made.last_seq == events[-1].seq
    assert made.close(Ending.EOF) == made.close(Ending.CANCELLED) == made.feed([text("late")]) == []
    again = translator()
    assert follow(again, reads) + finish(again) == events


@RELAXED
@given(mangled())
def test_objects_are_valid(reads: list[list[Item]]) -> None:
    made = translator()
    for event in follow(made, reads) + finish(made):
        validate_event(event)


@RELAXED
@given(mangled(), st.sampled_from(list(Ending)), st.data())
def test_another_worker_can_end_it_at_any_point(reads: list[list[Item]], ending: Ending, data: st.DataObject) -> None:
    made = translator()
    events = follow(made, reads)
    kept = events[: data.draw(st.integers(0, len(events)))]
    told = unpack(1, pack(kept))
    fence = len(kept) + 64
    taken = Translator.restore(run(), told, None, new_id=ids_of("b"), now=clock(), last_seq=fence)
    before = check(kept, ended=False)
    if before.ended:
        assert taken.close(ending) == []
        return
    closing = taken.close(ending if ending is not Ending.EOF else Ending.INTERRUPTED)
    assert closing[0].seq == fence + 1
    after = check([*kept, *closing], gaps=True)
    partial = [entry.get("text", {}).get("value") or entry.get("refusal") for entry in before.content]
    if any(partial):
        assert after.messages[-1]["status"] == "incomplete"
        parts = after.messages[-1]["content"]
        assert [part["text"]["value"] if part["type"] == "text" else part["refusal"] for part in parts] == partial
    else:
        assert len(after.messages) - len(before.messages) <= 1


@RELAXED
@given(mangled())
def test_another_worker_can_go_on_with_tool_outputs(reads: list[list[Item]]) -> None:
    made = translator()
    events = follow(made, reads)
    if not made.waiting:
        return
    state = json.loads(json.dumps(made.state()))
    stored = Translator.restore(made.run, events, state, new_id=ids_of("b"), now=clock())
    fresh = Translator.restore(made.run, [], state, new_id=ids_of("b"), now=clock(), last_seq=made.last_seq)
    assert stored.waiting
    assert finish(fresh) == finish(stored)
    goes_on = Translator.restore(made.run, events, state, new_id=ids_of("b"), now=clock())
    fold = check([*events, *finish(goes_on)])
    finish(made)
    assert fold.run is not None
    assert fold.run["usage"] == made.run["usage"]
    assert goes_on.items() == made.items()


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
    assert fold.run is not None
    assert fold.run["usage"]["total_tokens"] == 15
    assert fold.texts == ["Half"]
    assert "sent again" in fold.run["last_error"]["message"]
