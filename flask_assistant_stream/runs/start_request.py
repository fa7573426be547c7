"""A request to start a run, the messages it adds, and the position to follow a run from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..protocol import ids, objects
from ..protocol.objects import Object
from ..stores.lines import Fork
from .request_key import RequestKey

Busy = Literal["replace", "reject", "queue"]
"""The policy for a message on a thread with an active run: cancel that run, refuse the message, or wait."""


FindFork = Callable[[], Fork | None]
"""Returns where a new line of the thread begins; None continues the active one."""


def no_fork() -> Fork | None:
    """Continue the active line."""
    return None


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """A message to add to a thread: validated, `content` in stored form."""

    content: list[Object]
    role: str = "user"
    attachments: list[Object] | None = None
    metadata: Mapping[str, str] | None = None

    def body(self, new_id: ids.NewId, now: int, thread_id: str) -> Object:
        """Return the message as it is stored."""
        id = new_id(ids.MESSAGE)
        return objects.message(
            id, now, thread_id, self.role, self.content, attachments=self.attachments, metadata=self.metadata
        )


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A request to add messages to a thread and run an assistant on it.

    Attributes:
        messages: in order; without any, the thread runs as it is.
        thread_id: None creates a thread, and `thread.created` is the first event.
        new_thread: the new thread's `metadata` and `tool_resources`.
        overrides: fields of the run request.
        extra: stored with the run beside its body.
        fork: where the run begins a line, on an existing thread. Called for each try: an active run may add to the
            thread before it ends.
        busy: the policy for a thread with an active run; None takes that of `RunnerOptions`.
        titled: the thread gets a title from its first message, unless it has one.
        request_id: appears in the log records of this run.
    """

    owner: str
    assistant: Object
    messages: Sequence[MessageDraft] = ()
    thread_id: str | None = None
    new_thread: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    fork: FindFork = no_fork
    busy: Busy | None = None
    titled: bool = False
    key: RequestKey | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class RunPosition:
    """A run and the number of the event that its reader has already."""

    thread_id: str
    run_id: str
    after: int
