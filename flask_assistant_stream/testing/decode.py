"""Decode streams as clients do, in tests of host apps and of formats."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..protocol.events import Event, dump


def decode_ndjson(body: bytes) -> list[Event]:
    """Return the events of an NDJSON stream; empty lines (heartbeats) are skipped, a cut last line is an error."""
    events = []
    for line in body.split(b"\n"):
        if line.strip():
            envelope = json.loads(line)
            events.append(Event(envelope.get("seq", 0), envelope["event"], dump(envelope["data"])))
    return events


def decode_sse(body: bytes) -> list[Event]:
    """Return the events of a stream of server-sent events up to its `done`.

    Comments are skipped. Of a stream that stops before `done`, the complete events are returned.
    """
    events = []
    for block in body.split(b"\n\n"):
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if line and not line.startswith(b":"))
        if fields.get(b"event") == b"done" or not {b"event", b"data"} <= fields.keys():
            continue
        events.append(Event(int(fields.get(b"id", 0)), fields[b"event"].decode("ascii"), fields[b"data"]))
    return events


def text_of(events: Iterable[Event]) -> str:
    """Return the text of all `thread.message.delta` events, as a page shows it."""
    return "".join(
        part["text"].get("value", "")
        for event in events
        if event.name == "thread.message.delta"
        for part in event.object()["delta"]["content"]
        if part["type"] == "text"
    )


def objects_of(events: Iterable[Event], name: str) -> list[dict[str, Any]]:
    """Return the objects of all events called `name`."""
    return [event.object() for event in events if event.name == name]
