"""Server-sent events as the Assistants API sent them (`spec/assistants.md#sse`), with `id:` for resuming."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.events import Event
from .base import Encoder


class SSEEncoder(Encoder):
    """One block of `id`, `event` and `data` per event.

    The heartbeat is a comment with a *single* newline: after an `id:`, openai-python dispatches an empty event for a
    comment that is a block of its own (`spec/assistants.md#heartbeats`).
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
        """Return the `done` block, at which the SDKs stop."""
        return b"event: done\ndata: [DONE]\n\n"
