"""Endings for the page of OpenAI's quickstart: it shows text, and only `thread.run.completed` gives its input back.

Pure: what is told follows from what the log says, so every reader of a run is told the same, on any worker.
"""

from __future__ import annotations

from ..protocol import ids
from ..protocol.events import RUN_ENDINGS, Event
from ..protocol.objects import Object
from ..protocol.run_states import RunStatus
from ..protocol.writer import WHOLE, RunWriter

UNREADABLE = RUN_ENDINGS - {"thread.run.completed"}
"""Endings after which that page shows nothing and stays closed (`spec/clients.md#only-completed-reopens-the-input`)."""

ADDED = 7
"""How many more events are told than the one ending that stands in the log."""

_OPEN: Object = dict.fromkeys(("last_error", "incomplete_details", "failed_at", "cancelled_at", "required_action"))
_CUT = {
    "max_completion_tokens": "The answer ends here: it has reached its greatest length.",
    "max_prompt_tokens": "The answer ends here: the conversation has become too long.",
}


def retell(events: list[Event]) -> list[Event]:
    """Tell an ending that the page cannot read as a message, and close with `completed`; leave all else as it is.

    Numbers stay single: the message begins with that of the ending, and those that follow are nobody else's, as
    nothing stands behind an ending in the log.

    Args:
        events: consecutive ones of a log.
    """
    if not events or events[-1].name not in UNREADABLE:
        return events
    *before, last = events
    run = last.object()
    return [*before, *said(run, ending(run), last.seq)]


def said(run: Object, text: str, first: int) -> list[Event]:
    """Say something in an assistant's message of its own, and that the run is completed.

    Args:
        run: the run to tell of.
        first: the number of the first event.
    """
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


def ending(run: Object) -> str:
    """Say for a person how a run has ended that did not complete."""
    status = run["status"]
    if status == RunStatus.FAILED.value:
        return f"The answer failed: {run['last_error']['message']}"
    if status == RunStatus.INCOMPLETE.value:
        reason = (run["incomplete_details"] or {}).get("reason", "")
        return _CUT.get(reason, "The answer ends here: it was cut off.")
    if status == RunStatus.EXPIRED.value:
        return "The answer was given up: what it waited for did not come in time."
    return "The answer was stopped."
