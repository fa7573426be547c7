"""Events of the Assistants stream, numbered and serialised once. Knows no wire format and no store."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

RUN_ENDINGS = frozenset(
    f"thread.run.{status}" for status in ("completed", "incomplete", "failed", "cancelled", "expired")
)
"""Names of the terminal events of a run: nothing numbered follows one."""

STEP_ENDINGS = frozenset(f"thread.run.step.{status}" for status in ("completed", "failed", "cancelled", "expired"))
"""Names of the terminal events of a run step."""

STREAM_ENDINGS = RUN_ENDINGS | {"thread.run.requires_action"}
"""Names after which a stream ends if nothing follows in the log (a submit may add to it later)."""

STORED_FIRST = STREAM_ENDINGS | {"thread.message.completed", "thread.message.incomplete"}
"""Names that no reader sees before the store has them (product promise 1)."""

REASONING_DELTA = "thread.run.x_reasoning.delta"
VENDOR_EVENTS = frozenset({"thread.title.updated", REASONING_DELTA})
"""Names that the Assistants API does not know: the app face may carry them, the SDK face carries none.

* `thread.title.updated`: the thread's title was made while the run went on.
* `thread.run.x_reasoning.delta`: a piece of what the model tells of its thoughts. `{"id": run id, "object":
  "thread.run.x_reasoning.delta", "item": n, "delta": "…"}`; the pieces of one `item`, a number from 0 within the
  run, joined are a text, its paragraphs parted by a blank line. It stands between other events as it arrives.
"""


class Event(NamedTuple):
    """One event of a run.

    Attributes:
        seq: position in the run's log, consecutive from 1; 0 where it is told beside the log and has none.
        name: `thread.run.created` …
        data: the object as ASCII JSON without a line break (`spec/assistants.md#ascii-json`).
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
    """Read what `pack` wrote; the numbers run on from `first`. Empty bytes (a fence) give no event."""
    if not packed:
        return []
    events = []
    for seq, line in enumerate(packed.split(b"\n"), first):
        name, _, data = line.partition(b" ")
        events.append(Event(seq, name.decode("ascii"), data))
    return events
