"""Events of the Assistants stream, numbered and serialised once. Knows no wire format and no store."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

STEP_ENDINGS = frozenset(f"thread.run.step.{status}" for status in ("completed", "failed", "cancelled", "expired"))
"""Names of the terminal events of a run step."""

TITLE_UPDATED = "thread.title.updated"
REASONING_DELTA = "thread.run.x_reasoning.delta"
CONTEXT_SHORTENED = "thread.context.shortened"
"""Names that the Assistants API does not know. The app's own routes send them, the routes under `/v1` do not.

* `thread.title.updated`: the thread got its title during the run.
* `thread.run.x_reasoning.delta`: a piece of a reasoning summary. `{"id": run id, "object":
  "thread.run.x_reasoning.delta", "item": n, "delta": "…"}`; `item` is a number from 0 within
  the run. The joined pieces of an item are one text with blank lines between paragraphs.
* `thread.context.shortened`: what the run's requests leave out, because the upstream refuses it: `{"id": thread id,
  "object": "thread.context", "run_id": …, "messages": n, "of_messages": n, "files": n}`: the oldest messages, and files
  and images of older messages that a remark replaces.
"""


class Event(NamedTuple):
    """One event of a run.

    Attributes:
        seq: position in the run's log, consecutive from 1; 0 for an event beside the log.
        name: `thread.run.created` …
        data: the object as ASCII JSON without a line break (spec/assistants.md#ascii-json).
    """

    seq: int
    name: str
    data: bytes

    def object(self) -> dict[str, Any]:
        """Decode `data`."""
        decoded: dict[str, Any] = json.loads(self.data)
        return decoded


_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), check_circular=False).encode


def dump(value: object) -> bytes:
    """Serialise to compact ASCII JSON."""
    return _encode(value).encode("ascii")


def pack(events: list[Event]) -> bytes:
    """Join events for a log row: `name SP data`, a line each."""
    return b"\n".join([b"%s %s" % (name.encode("ascii"), data) for _, name, data in events])


def unpack(first: int, packed: bytes) -> list[Event]:
    """Read the bytes of `pack`, numbered from `first`. Empty bytes (a fence) have no event."""
    if not packed:
        return []
    events = []
    for seq, line in enumerate(packed.split(b"\n"), first):
        name, _, data = line.partition(b" ")
        events.append(Event(seq, name.decode("ascii"), data))
    return events
