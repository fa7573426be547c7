"""What is asked of the runner and what it answers: options, messages to add, a place to follow a run from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..protocol import ids, objects
from ..protocol.objects import Object

Busy = Literal["replace", "reject", "queue"]
"""What becomes of a message on a thread with an active run: that run is cancelled first, or stays, or is waited for."""


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """What a runner is told by the configuration; times in seconds.

    Attributes:
        lease_seconds: how long a silent worker keeps a run.
        expires_seconds: how long a required action may stay unanswered.
        idle_seconds: silence upstream that ends a run as failed.
        citations: whether markers and annotations are given out.
        vector_store_ids: searched by every run.
        upstream_tools: tools of the upstream that every run may use, as the upstream takes them.
        reasoning: whether summaries of what the model thinks are asked for and told.
        max_rounds: responses of one run; 0 for any number.
        busy_thread: what becomes of a message on a busy thread, where the request does not say.
        queue_seconds: how long a message waits for its turn: below the 30 s after which proxies give up an answer
            that has not begun.
    """

    lease_seconds: float = 15.0
    expires_seconds: float = 600.0
    idle_seconds: float = 120.0
    citations: bool = True
    vector_store_ids: tuple[str, ...] = ()
    upstream_tools: tuple[Object, ...] = ()
    reasoning: bool = False
    max_rounds: int = 0
    busy_thread: Busy = "replace"
    queue_seconds: float = 25.0


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to add to a thread: validated, `content` in stored form."""

    content: list[Object]
    role: str = "user"
    attachments: list[Object] | None = None
    metadata: Mapping[str, str] | None = None

    def body(self, new_id: ids.NewId, now: int, thread_id: str) -> Object:
        """Return the message as it is stored."""
        return objects.message(
            new_id(ids.MESSAGE),
            now,
            thread_id,
            self.role,
            self.content,
            attachments=self.attachments,
            metadata=self.metadata,
        )


@dataclass(frozen=True, slots=True)
class Attached:
    """Where to follow a run from."""

    thread_id: str
    run_id: str
    after: int
