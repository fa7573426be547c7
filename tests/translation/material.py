"""Builders of items and translators, recordings, and the schemas of the API description."""

from __future__ import annotations

import functools
import gzip
import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.protocol import objects
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.translation.options import TranslatorOptions
from flask_assistant_stream.translation.translator import Ending, Translator

from .checker import Fold, check

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
RECORDINGS = sorted(SHARED.glob("recordings/**/*.sse"))
Item = dict[str, Any]


def shared_missing() -> bool:
    return not SHARED.is_dir()


def read_sse(path: Path) -> list[Item]:
    """Decode a recording, naively: it is a file, and whole."""
    data = [line[5:].strip() for line in path.read_text().splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in data if line != "[DONE]"]


def recording(name: str) -> list[Item]:
    if shared_missing():
        pytest.skip("shared material is missing")
    return read_sse(SHARED / "recordings" / f"{name}.sse")


@functools.cache
def _schemas() -> dict[str, Any]:
    with gzip.open(SHARED / "spec" / "openapi.anyof.json.gz") as file:
        document: dict[str, Any] = json.load(file)
    made: dict[str, Any] = _draft(document)
    return made


def _draft(value: Any) -> Any:
    """Turn OpenAPI 3.0's `nullable` into what JSON schema calls it."""
    if isinstance(value, list):
        return [_draft(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: _draft(one) for key, one in value.items()}
    if "approval_request_id" in made.get("properties", {}):  # it requires a property that it does not have
        made["required"] = [name for name in made["required"] if name != "request_id"]
    if made.pop("nullable", None) is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


@functools.cache
def _validator(component: str) -> Any:
    import jsonschema

    schema = {**_schemas(), "$ref": f"#/components/schemas/{component}"}
    return jsonschema.Draft202012Validator(schema)


def validate(component: str, value: Any) -> None:
    """Assert that a value is an instance of a component of the API description."""
    if shared_missing():
        pytest.skip("shared material is missing")
    errors = [
        f"{list(error.absolute_path)}: {error.message[:300]}" for error in _validator(component).iter_errors(value)
    ]
    assert not errors, f"{component}: {errors[:3]}"


COMPONENTS = {
    "thread.run": "RunObject",
    "thread.run.step": "RunStepObject",
    "thread.run.step.delta": "RunStepDeltaObject",
    "thread.message": "MessageObject",
    "thread.message.delta": "MessageDeltaObject",
    "thread": "ThreadObject",
}


def validate_event(event: Event) -> None:
    """Assert that an event's object is valid; without the API description nothing is known to be wrong."""
    if shared_missing():
        return
    data = event.object()
    validate(COMPONENTS[data["object"]], data)


def checked(events: list[Event], **options: Any) -> Fold:
    """Check the order of events and every object; return what a client then knows."""
    for event in events:
        validate_event(event)
    return check(events, **options)


def ids() -> Any:
    counters: dict[str, Any] = {}
    return lambda prefix: f"{prefix}_{next(counters.setdefault(prefix, count(1)))}"


def clock() -> Any:
    ticks = count(1000)
    return lambda: next(ticks)


def run(**overrides: Any) -> dict[str, Any]:
    assistant = objects.assistant("asst_1", 1, "gpt-4.1", instructions="Be brief.")
    return objects.run("run_1", 1, "thread_1", assistant, **overrides)


def translator(**options: Any) -> Translator:
    body, last_seq = options.pop("run", None) or run(), options.pop("last_seq", 0)
    return Translator(body, new_id=ids(), now=clock(), last_seq=last_seq, options=TranslatorOptions(**options))


def play(items: list[Item], *, eof: bool = True, **options: Any) -> tuple[Translator, list[Event]]:
    """Play items, each a read of its own, then the upstream's end."""
    made = translator(**options)
    events = made.start()
    for item in items:
        events += made.feed([item])
    if eof:
        events += made.close(Ending.EOF)
    return made, events


def played(items: list[Item], **options: Any) -> Fold:
    """Play items to the upstream's end and return what a client then knows."""
    made, events = play(items, **options)
    return checked(events, ended=not made.waiting)


# -- items ------------------------------------------------------------------------------------------------
def created(**fields: Any) -> Item:
    return {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", **fields}}


def added(item: Item, index: int | None = 0, **fields: Any) -> Item:
    return _placed({"type": "response.output_item.added", "item": item, **fields}, index)


def done(item: Item, index: int | None = 0) -> Item:
    return _placed({"type": "response.output_item.done", "item": item}, index)


def text(delta: str, id: str = "msg_u", index: int | None = 0, content: int | None = 0) -> Item:
    item = {"type": "response.output_text.delta", "item_id": id, "delta": delta}
    return _placed(item if content is None else {**item, "content_index": content}, index)


def text_done(value: str, id: str = "msg_u", index: int | None = 0) -> Item:
    return _placed({"type": "response.output_text.done", "item_id": id, "content_index": 0, "text": value}, index)


def annotated(note: Item, id: str = "msg_u", index: int = 0, number: int = 0) -> Item:
    item = {"type": "response.output_text.annotation.added", "item_id": id, "content_index": 0, "annotation": note}
    return _placed({**item, "annotation_index": number}, index)


def message(value: str | None = None, id: str = "msg_u", **fields: Any) -> Item:
    content = [] if value is None else [{"type": "output_text", "text": value, "annotations": []}]
    return {"type": "message", "id": id, "role": "assistant", "content": content, **fields}


def call(arguments: Any = "", id: str = "fc_u", call_id: str = "call_u", name: str = "weather", **fields: Any) -> Item:
    return {"type": "function_call", "id": id, "call_id": call_id, "name": name, "arguments": arguments, **fields}


def arguments(delta: Any, id: str = "fc_u", index: int | None = 0) -> Item:
    return _placed({"type": "response.function_call_arguments.delta", "item_id": id, "delta": delta}, index)


def arguments_done(value: Any, id: str = "fc_u", index: int | None = 0) -> Item:
    return _placed({"type": "response.function_call_arguments.done", "item_id": id, "arguments": value}, index)


def usage(given: int = 10, made: int = 5) -> Item:
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": given + made,
    }


def terminal(kind: str = "completed", output: list[Item] | None = None, **fields: Any) -> Item:
    response = {"id": "resp_1", "status": kind, "output": output or [], "usage": usage(), **fields}
    return {"type": f"response.{kind}", "response": response}


def answer(value: str, id: str = "msg_u", index: int = 0) -> list[Item]:
    """Return the items of one whole message, a delta a word."""
    words = value.replace(" ", "\0 ").split("\0")
    deltas = [text(word, id, index) for word in words if word]
    return [added(message(id=id), index), *deltas, text_done(value, id, index), done(message(value, id), index)]


def asked(value: str = '{"city":"Rome"}', id: str = "fc_u", call_id: str = "call_u", index: int = 0) -> list[Item]:
    """Return the items of one whole function call."""
    half = len(value) // 2
    pieces = [arguments(value[:half], id, index), arguments(value[half:], id, index)]
    begin = added(call(id=id, call_id=call_id), index)
    return [begin, *pieces, arguments_done(value, id, index), done(call(value, id, call_id), index)]


def _placed(item: Item, index: int | None) -> Item:
    return item if index is None else {**item, "output_index": index}
