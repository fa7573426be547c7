"""An independent fold of an event sequence, as strict as the strictest client (`spec/assistants.md#event-order`).

Shares no code with the translator: it reads names and JSON only. Other tests import `check` too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from flask_assistant_stream.protocol.events import Event

RUN_ENDS = {"completed", "incomplete", "failed", "cancelled", "expired"}
STEP_ENDS = {"completed", "failed", "cancelled", "expired"}
MESSAGE_ENDS = {"completed", "incomplete"}
RUN_CODES = {"server_error", "rate_limit_exceeded", "invalid_prompt"}
STEP_CODES = {"server_error", "rate_limit_exceeded"}
MESSAGE_REASONS = {"content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"}


def merge(into: Any, delta: Any) -> Any:
    """Merge a delta as the SDKs do: strings and numbers add up, arrays go by `index`."""
    if into is None:
        return delta
    if isinstance(into, dict):
        merged = dict(into)
        for key, value in delta.items():
            merged[key] = value if key in ("index", "type") else merge(merged.get(key), value)
        return merged
    if isinstance(into, list):
        merged_list = list(into)
        for entry in delta:
            index = entry["index"]
            assert isinstance(index, int), "an array entry without index"
            assert 0 <= index <= len(merged_list), f"index {index} of {len(merged_list)}"
            if index == len(merged_list):
                merged_list.append(entry)
            else:
                merged_list[index] = merge(merged_list[index], entry)
        return merged_list
    if delta is None:
        return into
    return into + delta


def without(value: Any, *keys: str) -> Any:
    """Drop keys at every depth."""
    if isinstance(value, dict):
        return {key: without(one, *keys) for key, one in value.items() if key not in keys}
    return [without(one, *keys) for one in value] if isinstance(value, list) else value


class Fold:
    """What a client knows after some events.

    Attributes:
        run: the newest run object; asking for it before any came fails.
        messages, steps: closed ones, in order.
        message, step: the open ones.
        content: deltas of the open message, merged; `texts` has those of all, by message id.
        ended: the run has ended.
    """

    def __init__(self, *, first: int = 1, gaps: bool = False) -> None:
        self.seq = first - 1
        self.gaps = gaps
        self._run: dict[str, Any] | None = None
        self.message: dict[str, Any] | None = None
        self.step: dict[str, Any] | None = None
        self.content: list[Any] = []
        self.calls: list[Any] = []
        self.messages: list[dict[str, Any]] = []
        self.steps: list[dict[str, Any]] = []
        self.thoughts: list[str] = []
        self.names: list[str] = []
        self.seen: set[str] = set()
        self.ended = False

    @property
    def run(self) -> dict[str, Any]:
        assert self._run is not None, "no event of the run"
        return self._run

    def feed(self, event: Event) -> None:
        assert event.seq == self.seq + 1 or (self.gaps and event.seq > self.seq), f"{event.seq} after {self.seq}"
        self.seq = event.seq
        assert not self.ended, f"{event.name} after the run's end"
        assert event.data.isascii()
        assert b"\n" not in event.data
        data = json.loads(event.data)
        assert isinstance(data, dict)
        json.dumps(data, ensure_ascii=False).encode()  # no lone surrogate: no store takes one
        self.names.append(event.name)
        kind, _, what = event.name.rpartition(".")
        if kind == "thread.run":
            self._run_event(what, data)
        elif kind == "thread.run.step":
            self._step(what, data)
        elif kind == "thread.message":
            self._message(what, data)
        elif event.name == "thread.run.x_reasoning.delta":
            self._thought(data)
        else:
            assert event.name == "thread.created", event.name

    def _run_event(self, what: str, run: dict[str, Any]) -> None:
        assert (run["object"], run["status"]) == ("thread.run", "queued" if what == "created" else what)
        assert self._run is None or self._run["id"] == run["id"]
        self._run = run
        assert (run["required_action"] is not None) == (what == "requires_action")
        assert (run["last_error"] is not None) == (what == "failed")
        if what in RUN_ENDS:
            assert self.message is None, "a message is open at the end"
            assert self.step is None, "a step is open at the end"
            self.ended = True
        else:
            assert run["usage"] is None
        if what == "failed":
            assert run["last_error"]["code"] in RUN_CODES
            assert run["last_error"]["message"]
        if what == "incomplete":
            assert run["incomplete_details"] in ({}, {"reason": "max_completion_tokens"})
        if what == "requires_action":
            assert self.message is None
            assert self.step is not None
            asked = run["required_action"]["submit_tool_outputs"]["tool_calls"]
            told = {call["id"]: call for call in without(self.calls, "index", "output")}
            assert [call["id"] for call in asked] == [id for id in told if id in {call["id"] for call in asked}]
            for call in asked:
                name = call["function"]["name"]
                known = {**call, "function": {**call["function"], "name": name.removeprefix("approval.")}}
                assert told[call["id"]] in (call, known)
            assert len({call["id"] for call in asked}) == len(asked) > 0
            for call in asked:
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
                assert call["function"]["name"]

    def _thought(self, data: dict[str, Any]) -> None:
        assert data.keys() == {"id", "object", "item", "delta"}
        assert (data["id"], data["object"]) == (self.run["id"], "thread.run.x_reasoning.delta")
        assert 0 <= data["item"] <= len(self.thoughts), "items are numbered in order"
        self.thoughts += [""] * (data["item"] == len(self.thoughts))
        self.thoughts[data["item"]] += data["delta"]

    def _step(self, what: str, step: dict[str, Any]) -> None:
        if what == "delta":
            assert self.step is not None
            assert step["id"] == self.step["id"]
            assert "id" not in step["delta"]
            assert step["delta"]["step_details"]["type"] == self.step["type"] == "tool_calls"
            self.calls = merge(self.calls, step["delta"]["step_details"]["tool_calls"])
            return
        assert (step["object"], step["type"]) == ("thread.run.step", step["step_details"]["type"])
        if what == "created":
            assert self.step is None, "a second open step"
            assert step["id"] not in self.seen, "a step created twice"
            self.seen.add(step["id"])
            self.step, self.calls = step, []
        elif what == "in_progress":
            assert self.step == step
        else:
            self._step_end(what, step)

    def _step_end(self, what: str, step: dict[str, Any]) -> None:
        assert what in STEP_ENDS
        assert step["status"] == what
        assert isinstance(step[f"{what}_at"], int)
        assert self.message is None, "the step ends before its message"
        if self.step is not None or step["id"] in self.seen:
            assert self.step is not None, "a step ends twice"
            assert step["id"] == self.step["id"]
        if what == "failed":
            assert step["last_error"]["code"] in STEP_CODES
        else:
            assert step["last_error"] is None
        if step["type"] == "tool_calls" and self.step is not None:
            self._calls_end(step["step_details"]["tool_calls"])
        self.seen.add(step["id"])
        self.steps.append(step)
        self.step = None

    def _calls_end(self, calls: list[dict[str, Any]]) -> None:
        """Compare with the deltas; outputs of functions and search results may be in the closed step alone."""
        assert without(self.calls, "index", "output", "results") == without(calls, "output", "results")
        for call, told in zip(calls, self.calls, strict=True):
            assert call["type"] in ("function", "file_search", "code_interpreter"), "strict clients know no other"
            if call["type"] == "function":
                output = told["function"]["output"]
                assert output is None or output == call["function"]["output"]

    def _message(self, what: str, message: dict[str, Any]) -> None:
        if what == "delta":
            assert self.message is not None
            assert message["id"] == self.message["id"]
            self._content(message["delta"]["content"])
            return
        assert message["object"] == "thread.message"
        assert message["status"] == ("in_progress" if what == "created" else what)
        if what == "created":
            assert self.message is None, "a second open message"
            assert message["id"] not in self.seen, "a message created twice"
            assert self.step is not None
            assert self.step["step_details"]["message_creation"]["message_id"] == message["id"]
            assert message["content"] == []
            self.seen.add(message["id"])
            self.message, self.content = message, []
        elif what == "in_progress":
            assert self.message == message
        else:
            self._message_end(what, message)

    def _content(self, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            fresh = entry["index"] == len(self.content)
            assert entry["type"] in ("text", "refusal", "image_file")
            assert fresh or entry["type"] == self.content[entry["index"]]["type"]
            if entry["type"] == "text" and fresh:
                assert entry["text"]["annotations"] is not None
            assert entry[entry["type"]]
            if entry["type"] == "image_file":
                assert fresh, "an image told twice"
                assert entry["index"] > 0, "an image before any text"
            for note in entry.get("text", {}).get("annotations", ()):
                assert note["text"], "an empty marker"
        self.content = merge(self.content, entries)

    def _message_end(self, what: str, message: dict[str, Any]) -> None:
        assert what in MESSAGE_ENDS
        assert self.message is not None
        assert message["id"] == self.message["id"]
        assert isinstance(message[f"{what}_at"], int)
        assert message["content"] == without(self.content, "index", "quote"), "deltas do not add up"
        taken_over = self.gaps and what == "incomplete"  # the worker may have died between two events
        assert message["content"] or taken_over, "an empty message"
        for part in message["content"]:
            if part["type"] == "text":
                value = part["text"]["value"]
                value.encode()
                for note in part["text"]["annotations"]:
                    assert note["type"] in ("file_citation", "file_path"), "strict clients know no other"
                    assert value[note["start_index"] : note["end_index"]] == note["text"]
                for link in part["text"].get("x_url_citations", ()):
                    assert link["type"] == "url_citation"
                    assert 0 <= link["start_index"] <= link["end_index"] <= len(value)
        details = message["incomplete_details"]
        assert details is None or (what == "incomplete" and details["reason"] in MESSAGE_REASONS)
        self.messages.append(message)
        self.message, self.content = None, []

    @property
    def texts(self) -> list[str]:
        """The text of every closed message, parts joined."""
        return [
            "".join(
                part["text"]["value"] if part["type"] == "text" else part.get("refusal", "") for part in one["content"]
            )
            for one in self.messages
        ]


def check(events: Iterable[Event], *, first: int = 1, gaps: bool = False, ended: bool = True) -> Fold:
    """Fold events and assert that they are what a client takes; with `ended`, that the run has ended."""
    fold = Fold(first=first, gaps=gaps)
    for event in events:
        fold.feed(event)
    assert fold.ended or not ended, "the run has not ended"
    return fold
