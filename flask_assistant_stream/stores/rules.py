"""What every store decides alike, as pure functions (`spec/run-protocol.md`).

A store reads what is there, calls the function, and writes the result down, in one transaction. A store without
transactions evaluates the same rule in its server instead; `testing.StoreSuite` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

from ..protocol.objects import Object
from ..protocol.run_states import RUN_ACTIVE, RunStatus
from .base import ON_LINES, AppendResult, Changes, Kind, Projection, Record, Row, RunRecord, Start, ThreadRecord, placed
from .lines import TURN, active_line, forked, switched

START_TURNS = 2
"""Turns of a thread that a start takes: one for the user's messages, one for the run."""


# -- runs ---------------------------------------------------------------------------------------------------


class Lease(NamedTuple):
    """What the conditions of a change of a run look at, and what it changes beside the run's body."""

    epoch: int
    status: str
    due_at: float
    cancel_requested: bool
    active: bool
    last_seq: int

    @classmethod
    def of(cls, run: RunRecord) -> Lease:
        """Return the lease of a run."""
        return cls(run.epoch, run.body["status"], run.due_at, run.cancel_requested, run.active, run.last_seq)


class Due(Enum):
    """How a change of a run sets its `due_at`."""

    AT = "at"
    AT_MOST = "at most"
    UNLESS_CANCELLED = "unless a cancel is pending"


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """A change of one active run, in one write.

    Conditions; None is any:
        epoch, status: what they are.
        due_until: the latest `due_at`.
        held: no cancel is pending and the run does not wait for tool outputs.

    Changes; None keeps the value:
        claims: adds one to the epoch.
        due_at, due: the new `due_at`, and how to set it.
        cancels: marks the run as to be cancelled.
        last_seq: the least `last_seq`.
        state: the translator's state.
        body, extra: values by key. A terminal status in `body` ends the run.
    """

    run_id: str
    epoch: int | None = None
    status: str | None = None
    due_until: float | None = None
    held: bool = False
    claims: bool = False
    due_at: float | None = None
    due: Due = Due.AT
    cancels: bool = False
    last_seq: int = 0
    state: Object | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ends(self) -> bool:
        """Whether the run is not active afterwards."""
        status = self.body.get("status")
        return status is not None and RunStatus(status) not in RUN_ACTIVE

    def allowed(self, lease: Lease) -> bool:
        """Return whether the run is active and all conditions hold."""
        waits = lease.status == RunStatus.REQUIRES_ACTION.value
        return (
            lease.active
            and self.epoch in (None, lease.epoch)
            and self.status in (None, lease.status)
            and (self.due_until is None or lease.due_at <= self.due_until)
            and not (self.held and (waits or lease.cancel_requested))
        )

    def applied(self, lease: Lease) -> Lease:
        """Return the lease after the change."""
        due_at = lease.due_at
        if self.due_at is not None and not (self.due is Due.UNLESS_CANCELLED and lease.cancel_requested):
            due_at = min(due_at, self.due_at) if self.due is Due.AT_MOST else self.due_at
        return Lease(
            lease.epoch + self.claims,
            self.body.get("status") or lease.status,
            due_at,
            lease.cancel_requested or self.cancels,
            not self.ends,
            max(lease.last_seq, self.last_seq),
        )


def claim(run: RunRecord, due_at: float, if_due: float | None, extra: Changes) -> RunUpdate:
    """Return the change of `Store.claim`: a run that waits for tool outputs becomes `queued`, so one answer wins."""
    status = run.body["status"]
    waits = status == RunStatus.REQUIRES_ACTION.value
    body = {"status": RunStatus.QUEUED.value} if waits else {}
    return RunUpdate(run.id, run.epoch, status, if_due, claims=True, due_at=due_at, body=body, extra=extra or {})


def renewal(run_id: str, epoch: int, due_at: float) -> RunUpdate:
    """Return the change of `Store.renew` for one run."""
    return RunUpdate(run_id, epoch, held=True, due_at=due_at)


def cancellation(run_id: str, due_at: float) -> RunUpdate:
    """Return the change of `Store.request_cancel`, whoever has the run."""
    return RunUpdate(run_id, due_at=due_at, due=Due.AT_MOST, cancels=True)


def projected_run(projection: Projection) -> RunUpdate:
    """Return the change of a run by a projection: only in the epoch of the worker that wrote it."""
    return RunUpdate(
        projection.run.id,
        projection.run.epoch,
        due_at=projection.due_at,
        due=Due.UNLESS_CANCELLED,
        last_seq=projection.last_seq,
        state=projection.state,
        body=projection.changes,
    )


# -- rows and objects ---------------------------------------------------------------------------------------


def append_result(row: Row, stored_token: str | None) -> AppendResult:
    """Return the result of an append whose place has a row with this token; None: there is none."""
    return AppendResult.STORED if stored_token == row.token else AppendResult.REFUSED


def projected_object(new: Record, seq: int, stored: Record | None, stored_seq: int) -> Record | None:
    """Return the version of an object to store; None keeps the stored one.

    A version replaces only an older one of the same owner. Metadata, place and `extra` stay as stored.
    """
    if stored is None:
        return new
    if stored_seq >= seq or stored.owner != new.owner:
        return None
    kept = {"metadata": stored.body["metadata"]} if "metadata" in stored.body else {}
    return replace(stored, body={**new.body, **kept})


def changed_threads(projections: Iterable[Projection]) -> set[tuple[str, str]]:
    """Return owner and id of the threads whose revision projections raise."""
    return {(o.owner, o.parent) for projection in projections for o in projection.objects if o.kind in ON_LINES}


# -- threads ------------------------------------------------------------------------------------------------


def as_thread(record: Record) -> Record:
    """Return a new thread as the `ThreadRecord` that it becomes; other records as they are."""
    if record.kind is not Kind.THREAD or isinstance(record, ThreadRecord):
        return record
    return ThreadRecord(record.kind, record.owner, record.body, record.parent, record.position, record.extra)


def new_thread(record: Record, position: int) -> ThreadRecord:
    """Return the new thread of a start in its place: its own position, else this one."""
    thread = as_thread(placed(record, record.position or position))
    assert isinstance(thread, ThreadRecord)
    return thread


def with_line(thread: ThreadRecord, line: int) -> ThreadRecord:
    """Return a thread with another line active; NotFound: it has no such line."""
    if active_line(thread.lines) == line:
        return thread
    return replace(thread, lines=switched(thread.lines, line), revision=thread.revision + 1)


@dataclass(frozen=True, slots=True)
class PlacedStart:
    """The records of a start: the thread after it, the run and its messages, all in their places."""

    thread: ThreadRecord
    run: RunRecord
    messages: tuple[Record, ...]


def begin(thread: ThreadRecord, start: Start) -> PlacedStart:
    """Return what a start stores on a thread as it is.

    Raises:
        NotFound: the thread has no line to fork.
        RequestError: the thread has too many forks.
    """
    turn = thread.turns + START_TURNS
    first = turn - 1 if start.messages else turn
    lines = thread.lines if start.fork is None else forked(thread.lines, start.fork, first)
    line = active_line(lines)
    extra = {**thread.extra, **start.touched}
    return PlacedStart(
        replace(thread, extra=extra, turns=turn, revision=thread.revision + 1, lines=lines),
        replace(start.run, position=turn * TURN, line=line),
        tuple(
            replace(message, position=(turn - 1) * TURN + number, line=line)
            for number, message in enumerate(start.messages)
        ),
    )


def placed_in_turn(thread: ThreadRecord, record: Record) -> tuple[ThreadRecord, Record]:
    """Return the thread and a new message or run below it, in its place.

    A record with a position keeps its place; others get the next turn on the active line.
    """
    revision = thread.revision + (record.kind in ON_LINES)
    if record.position:
        return replace(thread, revision=revision), record
    turns = thread.turns + 1
    placed = replace(record, position=turns * TURN, line=active_line(thread.lines))
    return replace(thread, turns=turns, revision=revision), placed
