"""Endings for the page of OpenAI's quickstart: it shows text, and only `thread.run.completed` gives its input back.

Pure: what is told follows from what the log says, so every reader of a run is told the same, on any worker.
"""

from __future__ import annotations

from . import ids, objects
from .events import RUN_ENDINGS, Event, dump
from .objects import Object
from .run_states import MessageStatus, RunStatus

COMPLETED = "thread.run.completed"
UNREADABLE = RUN_ENDINGS - {COMPLETED}
"""Endings after which that page shows nothing and stays closed (front-ends.md Expected 1)."""

ADDED = 4
"""How many more events are told than the ending that stands in the log."""

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
        run: the run to tell of; what it knows of its failure stays in it.
        first: number of the first event; 0 for events that belong to no log and have none.
    """
    now = run["failed_at"] or run["cancelled_at"] or run["started_at"] or run["created_at"]
    id = ids.derived_id(ids.MESSAGE, run["id"], text)
    whole = objects.message(
        id,
        now,
        run["thread_id"],
        "assistant",
        [objects.text_part(text)],
        run_id=run["id"],
        assistant_id=run["assistant_id"],
    )
    begun = {**whole, "content": [], "status": MessageStatus.IN_PROGRESS.value, "completed_at": None}
    piece = {"index": 0, "type": "text", "text": {"value": text, "annotations": []}}
    told = [
        ("thread.message.created", begun),
        ("thread.message.in_progress", begun),
        ("thread.message.delta", {"id": id, "object": "thread.message.delta", "delta": {"content": [piece]}}),
        ("thread.message.completed", whole),
        (COMPLETED, {**run, "status": RunStatus.COMPLETED.value, "completed_at": now, "required_action": None}),
    ]
    return [Event(first and first + at, name, dump(data)) for at, (name, data) in enumerate(told)]


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
