"""NDJSON, the bytes that `AssistantStream.fromReadableStream` of openai-node decodes (`spec/assistants.md#ndjson`)."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.events import Event
from .base import Encoder


class NDJSONEncoder(Encoder):
    """One line `{"event", "data", "seq"}` per event; decoders skip an empty line and no other heartbeat."""

    name = "ndjson"
    media_type = "application/x-ndjson"
    content_type = "application/x-ndjson; charset=utf-8"
    heartbeat = b"\n"

    def encode(self, events: Sequence[Event]) -> bytes:
        """Return a line per event."""
        if events and not events[0].seq:
            return b"".join([b'{"event":"%s","data":%s}\n' % (name.encode("ascii"), data) for _, name, data in events])
        return b"".join(
            [b'{"event":"%s","data":%s,"seq":%d}\n' % (name.encode("ascii"), data, seq) for seq, name, data in events]
        )
