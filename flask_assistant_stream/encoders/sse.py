"""Server-sent events as the Assistants API sent them (`spec/assistants.md#sse`), with `id:` for resuming."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.events import Event
from .base import Encoder


class SSEEncoder(Encoder):
    """`id`, `event`, `data` a block.

    The heartbeat is a comment with a *single* newline: as a block of its own it would make openai-python
    dispatch an empty event once an `id:` was seen (`spec/assistants.md#heartbeats`).
    """

    name = "sse"
    media_type = "text/event-stream"
    content_type = "text/event-stream; charset=utf-8"
    heartbeat = b": ping\n"

    def encode(self, events: Sequence[Event]) -> bytes:
        """Return a block per event."""
        if events and not events[0].seq:
            return b"".join([b"event: %s\ndata: %s\n\n" % (name.encode("ascii"), data) for _, name, data in events])
        return b"".join(
            [b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, name.encode("ascii"), data) for seq, name, data in events]
        )

    def end(self) -> bytes:
        """Return the `done` block that the SDKs stop at."""
        return b"event: done\ndata: [DONE]\n\n"
