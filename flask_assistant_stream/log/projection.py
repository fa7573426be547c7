"""Compute what the events of a run change in its stored objects: pure, so every worker computes the same.

Both the worker that wrote the events and a worker that takes the run over apply it; applying it twice changes
nothing (`spec/run-protocol.md#projections`).
"""

from __future__ import annotations

from dataclasses import replace

from ..protocol.dialects import ASSISTANTS, dialect_of
from ..protocol.events import Event
from ..protocol.objects import RUN_VOLATILE, Object
from ..protocol.run_states import RunStatus
from ..stores.base import Kind, Projection, Record, RunRecord

_STEP, _RUN, _MESSAGE = "thread.run.step.", "thread.run.", "thread.message."


def project_events(run: RunRecord, events: list[Event], state: Object | None = None) -> Projection | None:
    """Return what consecutive events of `run` change; None if they change nothing.

    Args:
        state: the translator's state if the last event is a required action.
    """
    if run.dialect != ASSISTANTS.name:
        return _seen(run, events)
    objects: dict[str, tuple[Record, int]] = {}
    last_of_run: Event | None = None
    for event in events:
        if event.name.endswith(".delta"):
            continue
        if event.name.startswith(_STEP):
            record = _record(run, event, Kind.RUN_STEP, run.id)
        elif event.name.startswith(_MESSAGE):
            record = _record(run, event, Kind.MESSAGE, run.parent)
        elif event.name.startswith(_RUN):
            last_of_run = event
            continue
        else:
            continue
        first = objects.get(record.id, (record, 0))[0]
        objects[record.id] = (replace(record, position=first.position), event.seq)
    if state is not None and (step := state["step"]) is not None:  # the open step, with its unanswered calls
        place = objects[step["id"]][0].position if step["id"] in objects else run.position + events[-1].seq
        objects[step["id"]] = (Record(Kind.RUN_STEP, run.owner, step, run.id, place), events[-1].seq)
    if not objects and last_of_run is None:
        return None
    changes = {} if last_of_run is None else _changes(last_of_run)
    return Projection(
        run,
        tuple(record for record, _ in objects.values()),
        tuple(seq for _, seq in objects.values()),
        changes,
        float(changes["expires_at"]) if changes.get("status") == RunStatus.REQUIRES_ACTION.value else None,
        events[-1].seq,
        state,
    )


def _seen(run: RunRecord, events: list[Event]) -> Projection | None:
    """Return the projection of events that change no objects: readers on other workers wait for some of them."""
    stored_first = dialect_of(run.dialect).stored_first
    if any(event.name in stored_first for event in events):
        return Projection(run, last_seq=events[-1].seq)
    return None


def _changes(event: Event) -> Object:
    body = event.object()
    return {key: body[key] for key in RUN_VOLATILE}


def _record(run: RunRecord, event: Event, kind: Kind, parent: str) -> Record:
    return Record(kind, run.owner, event.object(), parent, run.position + event.seq, line=run.line)
