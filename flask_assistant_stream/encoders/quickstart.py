"""Compat mode: the page of OpenAI's quickstart shows text only, and only `thread.run.completed` reopens its input.

A function of the log: every reader of a run gets the same bytes, on any worker, and the store keeps what happened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..errors import AssistantStreamError
from ..protocol import ids, objects
from ..protocol.dialects import ASSISTANTS
from ..protocol.events import Event
from ..protocol.objects import Object
from ..protocol.run_states import RunStatus
from ..protocol.writer import WHOLE, RunWriter
from .base import Encoder, Wrapper

UNREADABLE = ASSISTANTS.run_endings - {"thread.run.completed"}
"""Endings after which that page shows nothing and stays closed (`spec/clients.md#only-completed-reopens-the-input`)."""

ADDED = 7
"""The events that replace an ending are this many more than the one in the log."""

_OPEN: Object = dict.fromkeys(("last_error", "incomplete_details", "failed_at", "cancelled_at", "required_action"))
_CUT = {
    "max_completion_tokens": "The answer ends here: it has reached its maximum length.",
    "max_prompt_tokens": "The answer ends here: the conversation has become too long.",
}


class QuickstartEncoder(Wrapper):
    """An encoder that replaces an unreadable ending by a message and `completed`.

    The message's first event has the number of the ending. The numbers behind it are free, since nothing follows an
    ending in the log, so a client resumes among them, too.
    """

    def __init__(self, inner: Encoder, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(inner)
        self._now = now

    def reads_after(self) -> int:
        """Return a place before the ending, as the client may have a part of the events that replace it."""
        after = self.inner.reads_after()
        return max(after - ADDED, 0) if self.start.resumed else after

    def encode(self, events: Sequence[Event]) -> bytes:
        """Return the frames that the page can read."""
        readable = with_readable_ending(events)
        if self.start.resumed:
            after = self.inner.reads_after()
            readable = [event for event in readable if event.seq > after]
        return self.inner.encode(readable)

    def error(self, error: AssistantStreamError) -> bytes:
        """Return the error as a message without numbers: the log may continue, and the client resumes in it."""
        return self.inner.encode([event._replace(seq=0) for event in closing_message(self._run(), error.message, 1)])

    def rejected(self, message: str) -> bytes:
        """Return a whole stream with the error of a request that has started no run."""
        events = closing_message(self._run(), f"This could not be answered: {message}", 1)
        return self.begin() + self.inner.encode(events) + self.end()

    def _run(self) -> Object:
        """Return a run for a stream that has not read one."""
        now = int(self._now())
        return objects.run(self.start.run_id, now, self.start.thread_id, objects.assistant("", now, ""))


def with_readable_ending(events: Sequence[Event]) -> Sequence[Event]:
    """Replace an unreadable ending among consecutive events of a log; return other events as they are."""
    if not events or events[-1].name not in UNREADABLE:
        return events
    *before, last = events
    run = last.object()
    return [*before, *closing_message(run, ending_text(run), last.seq)]


def closing_message(run: Object, text: str, first: int) -> list[Event]:
    """Return the events, numbered from `first`, of an assistant's message and of the run's completion."""
    now = run["failed_at"] or run["cancelled_at"] or run["started_at"] or run["created_at"]
    writer = RunWriter(
        {**run, **_OPEN, "status": RunStatus.IN_PROGRESS.value},
        new_id=lambda prefix: ids.derived_id(prefix, run["id"], text),
        now=lambda: now,
        last_seq=first - 1,
    )
    writer.open_message()
    writer.add_text(writer.open_part("text"), text)
    writer.end_run(RunStatus.COMPLETED, WHOLE)
    return writer.take()


def ending_text(run: Object) -> str:
    """Explain to a person how a run has ended that did not complete."""
    status = run["status"]
    if status == RunStatus.FAILED.value:
        return f"The answer failed: {run['last_error']['message']}"
    if status == RunStatus.INCOMPLETE.value:
        reason = (run["incomplete_details"] or {}).get("reason", "")
        return _CUT.get(reason, "The answer ends here: it was cut off.")
    if status == RunStatus.EXPIRED.value:
        return "The answer was cancelled: the tool outputs did not arrive in time."
    return "The answer was stopped."
