"""What a store is: an owner's records, runs under a lease, and the rows of run logs.

The docstrings here are the contract that every store fulfils (`spec/run-protocol.md#what-a-store-guarantees`);
`testing.StoreSuite` checks it. Long because the author of a store reads it as one page. Knows no Flask.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal, TypeVar

from ..errors import Duplicate, NotFound
from ..protocol.dialects import ASSISTANTS
from ..protocol.events import Event, pack, unpack
from ..protocol.objects import Object
from .lines import Fork, Lines, Span

T = TypeVar("T")

Order = Literal["asc", "desc"]
Changes = Mapping[str, Any] | None
"""Values by top-level key."""


class Kind(str, Enum):
    """The kind of a record; the value is its `object` on the wire."""

    ASSISTANT = "assistant"
    THREAD = "thread"
    MESSAGE = "thread.message"
    RUN = "thread.run"
    RUN_STEP = "thread.run.step"
    FILE = "file"
    VECTOR_STORE = "vector_store"
    VECTOR_STORE_FILE = "vector_store.file"
    """A file in a vector store, its parent. Its id names both, because a file may be in several."""
    FILE_BATCH = "vector_store.files_batch"
    OWNER = "owner"
    """Settings of an owner; one record each, with the id `owner`."""
    EXTRACTION = "extraction"
    """A file whose text is to be read, and below it the claims of workers. The owner of these records is "", so that
    every worker finds those of all owners in one list."""


WINDOW = 64
"""Events of a run shown before they are stored (`spec/run-protocol.md#the-window`); a fence has the same width."""

PER_OWNER = frozenset({Kind.ASSISTANT, Kind.OWNER})
"""Kinds whose ids are unique per owner; every other id is unique in a store."""

PAGE_BYTES = 4 << 20
"""The most bytes of a page, as the store keeps its records, unless one record alone is larger."""

OWNED = (Kind.THREAD, Kind.FILE, Kind.VECTOR_STORE, Kind.ASSISTANT)
"""Kinds of an owner's data; each other record of an owner is below one of these."""

CURSOR_SECONDS = 86_400.0
"""How long a deleted record keeps its place in its list, at least, so that a client can delete while it pages."""

BELOW: Mapping[Kind, tuple[Kind, ...]] = {
    Kind.THREAD: (Kind.MESSAGE, Kind.RUN),
    Kind.RUN: (Kind.RUN_STEP,),
    Kind.VECTOR_STORE: (Kind.VECTOR_STORE_FILE, Kind.FILE_BATCH),
}
"""The kinds below each kind; they are deleted with it."""

IN_TURNS = frozenset({Kind.MESSAGE, Kind.RUN})
"""Kinds that get their positions from their thread."""

ON_LINES = frozenset({Kind.MESSAGE})
"""Kinds whose records below a thread are on its lines; a change of one raises the thread's revision."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored object.

    Attributes:
        owner: the only owner for whom calls find it.
        body: the Assistants object with its `id`.
        parent: the id it is listed below: the thread of a message or run, the run of a step, "" otherwise.
        position: its place in lists, ascending. 0 on `insert` lets the store choose: the next turn of the
            thread for a message or run, the store's clock otherwise.
        extra: values that are not on the wire (a thread's title …); a flat JSON object.
        line: the line of its thread that a message is on, or that the messages of a run are on; else 0.
    """

    kind: Kind
    owner: str
    body: Object
    parent: str = ""
    position: int = 0
    extra: Object = field(default_factory=dict)
    line: int = 0

    @property
    def id(self) -> str:
        """The object's id."""
        return str(self.body["id"])


@dataclass(frozen=True, slots=True)
class ThreadRecord(Record):
    """A thread.

    Attributes:
        turns: how many turns it has given to messages and runs.
        revision: grows with every change of its messages or lines, so that a cache of them checks one number.
        lines: see `lines.Lines`.
    """

    turns: int = 0
    revision: int = 0
    lines: Lines = ()


@dataclass(frozen=True, slots=True)
class RunRecord(Record):
    """A run (`spec/run-protocol.md#the-run-record`).

    Attributes:
        epoch: each claim adds one; every write to the run compares it.
        due_at: when any worker may claim the run, in seconds on the store's clock: the end of the lease, or the
            expiry of a required action; earlier if a cancel is pending.
        cancel_requested: the run is to be cancelled.
        active: not terminal; a thread has at most one active run.
        last_seq: the last event number that was projected.
        state: the translator's state while the run waits for tool outputs.
        dialect: the name of its events' dialect (`protocol.dialects`).
    """

    epoch: int = 1
    due_at: float = 0.0
    cancel_requested: bool = False
    active: bool = True
    last_seq: int = 0
    state: Object | None = None
    dialect: str = ASSISTANTS.name


@dataclass(frozen=True, slots=True)
class Row:
    """Consecutive events of a run, stored by one append (`spec/run-protocol.md#log-rows`).

    Attributes:
        first, last: the event numbers it covers; `first` is unique in a run. A fence has numbers but no events.
        epoch: of the worker that wrote it.
        token: identifies the append, so that the store recognizes a repeated one.
        packed: `protocol.events.pack` of its events.
        state: the translator's state if the row ends with a required action.
        dialect: of its events, as of its run.
    """

    run_id: str
    first: int
    last: int
    epoch: int
    token: str
    packed: bytes = b""
    state: Object | None = None
    dialect: str = ASSISTANTS.name

    @property
    def events(self) -> list[Event]:
        """The numbered events of the row."""
        return unpack(self.first, self.packed)

    @classmethod
    def of(cls, run: RunRecord, token: str, events: list[Event], state: Object | None = None) -> Row:
        """Return the row of consecutive events of a run."""
        return cls(run.id, events[0].seq, events[-1].seq, run.epoch, token, pack(events), state, run.dialect)

    @classmethod
    def fence(cls, run: RunRecord, last: int, token: str) -> Row:
        """Return the fence behind event `last` of a claimed run (`spec/run-protocol.md#fences`)."""
        return cls(run.id, last + 1, last + WINDOW, run.epoch, token, dialect=run.dialect)


class AppendResult(Enum):
    """The result of an append."""

    STORED = "stored"
    """The row is in the log, by this call or an earlier one with the same token."""
    REFUSED = "refused"
    """Another row is in its place, or the run was deleted: the worker has lost the run."""


@dataclass(frozen=True, slots=True)
class Projection:
    """The changes of a run's objects by stored rows (`spec/run-protocol.md#projections`); idempotent.

    Attributes:
        run: the run as this worker holds it (`epoch`, `owner`, `position`).
        objects: messages and steps in their newest version, with their `position`.
        seqs: for each object the number of the event that carried the version; it replaces only an older one.
        changes: the run's `RUN_VOLATILE` keys; empty if the rows have no event of the run itself.
        due_at: the run's new `due_at`; None keeps it, and so does a pending cancel.
        last_seq: the last event number covered.
        state: the run's new `state`; None keeps it.
    """

    run: RunRecord
    objects: tuple[Record, ...] = ()
    seqs: tuple[int, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    due_at: float | None = None
    last_seq: int = 0
    state: Object | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """The beginning of a run, stored as a whole or not at all (`spec/run-protocol.md#starts`).

    Attributes:
        run: the new run with its `due_at`; the store sets its position.
        row: its first row of events.
        messages: the user's messages, in order.
        thread: a new thread for the run; None if the thread exists.
        touched: `extra` keys to set on the thread (`updated_at` …).
        fork: begins a line there, which becomes the active one; None continues the active line.
    """

    run: RunRecord
    row: Row
    messages: tuple[Record, ...] = ()
    thread: Record | None = None
    touched: Mapping[str, Any] = field(default_factory=dict)
    fork: Fork | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; `has_more` if it ended at the limit, in records or in bytes, and more follow."""

    records: list[Record]
    has_more: bool


# `Store.list` hides the builtin inside the class, so its signatures use these.
Runs = list[RunRecord]
Rows = list[Row]
AppendResults = list[AppendResult]


class Store(ABC):
    """Keeps everything that must outlive a process.

    Calls come from any thread. A call may block its thread but never the gevent loop. It raises `StoreError` if the
    driver fails, which leaves the result of a write unknown; `Duplicate` and `ThreadBusy` mean that nothing was
    written. A store does not connect before its first call, so it survives a fork.
    """

    # -- life ---------------------------------------------------------------------------------------------

    @abstractmethod
    def open(self) -> None:
        """Create or migrate tables and indexes; idempotent. The first call in a process does the same."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections of this process; a later call opens new ones."""

    @abstractmethod
    def ping(self) -> None:
        """Raise `StoreError` unless the store answers within 2 seconds."""

    @abstractmethod
    def now(self) -> float:
        """Return the seconds since the epoch on the store's clock, which all workers share."""

    # -- records ------------------------------------------------------------------------------------------

    @abstractmethod
    def insert(self, record: Record) -> Record:
        """Store a new record and return it with its position; a `ThreadRecord` for a thread.

        A message without a position goes to the end of the active line; one with a position to its own `line`.

        Raises:
            Duplicate: the id is taken (see `PER_OWNER`).
            NotFound: the owner has no such thread for the message.
        """

    @abstractmethod
    def find(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> Record | None:
        """Return a record: a `RunRecord` for a run, a `ThreadRecord` for a thread.

        None if the id is unknown, another owner's, or below another parent.
        """

    def get(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> Record:
        """Return what `find` returns; NotFound instead of None."""
        record = self.find(kind, owner, id, parent=parent)
        if record is None:
            raise not_found(kind, id)
        return record

    def get_thread(self, owner: str, id: str) -> ThreadRecord:
        """Return a thread; NotFound as `get`."""
        record = self.get(Kind.THREAD, owner, id)
        assert isinstance(record, ThreadRecord)
        return record

    @abstractmethod
    def get_many(self, kind: Kind, owner: str, ids: Iterable[str]) -> dict[str, Record]:
        """Return the owner's records by id; unknown ids are left out."""

    @abstractmethod
    def update(
        self, kind: Kind, owner: str, id: str, *, parent: str | None = None, body: Changes = None, extra: Changes = None
    ) -> Record:
        """Set top-level keys of `body` and `extra`, and return the changed record.

        Never for the volatile keys of a run: only `project` writes those.

        Raises:
            NotFound: as `get`.
        """

    @abstractmethod
    def delete(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> None:
        """Delete a record and what belongs to it.

        The records of `BELOW` go with it, those of all lines, and the logs of runs. The record's own place in its list
        stays known for `CURSOR_SECONDS` (see `list`).

        Raises:
            NotFound: as `get`.
        """

    @abstractmethod
    def list(
        self,
        kind: Kind,
        owner: str,
        *,
        parent: str = "",
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
        spans: Sequence[Span] | None = None,
    ) -> Page:
        """Return up to `limit` records below `parent`, ordered by (position, id).

        A page ends early rather than exceed `PAGE_BYTES`, but has at least one record; `first_fitting` cuts it while
        the records are read.

        Args:
            after, before: ids below `parent` that bound the page, in the requested order. With `before` alone, the page
                ends next to it. An id that was deleted bounds it as before, and so does one outside the spans.
            spans: ascending; only the records in them. None is everything below `parent`; of the messages of a thread,
                those of its active line.

        Raises:
            NotFound: `after` or `before` is not below `parent`, and was not deleted there in the last
                `CURSOR_SECONDS`.
        """

    @abstractmethod
    def of_owner(self, owner: str, kind: Kind, *, after: Record | None = None, limit: int = 500) -> Page:
        """Return all records of an owner, whatever their parents, ordered by (parent, line, position, id).

        The line counts for `ON_LINES` only: the runs of a thread are in one list.

        Args:
            after: the last record of the page before; it may have been deleted since.
        """

    @abstractmethod
    def switch(self, owner: str, thread_id: str, line: int) -> ThreadRecord:
        """Make a line of a thread the active one, and return the thread.

        Raises:
            ThreadBusy: the thread has an active run.
            NotFound: the owner has no such thread, or the thread no such line.
        """

    # -- runs ---------------------------------------------------------------------------------------------

    @abstractmethod
    def start(self, start: Start) -> RunRecord:
        """Store the beginning of a run, all of it or nothing, and return the run with its position.

        Raises:
            ThreadBusy: the thread has an active run.
            NotFound: the owner has no such thread, or the thread no line to fork.
            RequestError: the thread has too many forks.
            Duplicate: the run or the new thread exists.
        """

    @abstractmethod
    def claim(
        self, run: RunRecord, *, due_at: float, if_due: float | None = None, extra: Changes = None
    ) -> RunRecord | None:
        """Take a run over if its status and epoch are those of `run` (`spec/run-protocol.md#claims`).

        A run with a required action becomes `queued`, so that only one of two answers is accepted.

        Args:
            run: as it was read.
            due_at: the end of the new lease.
            if_due: claim only if the run's `due_at` is not later than this.
            extra: keys of its `extra` to set in the same write.

        Returns:
            The claimed run; None if it has changed since it was read.
        """

    @abstractmethod
    def renew(self, runs: Sequence[tuple[str, int]], due_at: float) -> None:
        """Extend the leases of active runs, given as (run id, epoch).

        Skips runs with another epoch, a pending cancel or a required action.
        """

    @abstractmethod
    def request_cancel(self, owner: str, run_id: str, *, due_at: float) -> RunRecord:
        """Mark an active run as to be cancelled and let any worker claim it from `due_at` at the latest.

        Returns:
            The run after that; unchanged if it was not active.

        Raises:
            NotFound: as `get`.
        """

    @abstractmethod
    def cancel_requested(self, run_ids: Sequence[str]) -> set[str]:
        """Return which of these runs have a pending cancel."""

    @abstractmethod
    def due(self, now: float, limit: int = 100) -> Runs:
        """Return the active runs of all owners whose `due_at` has passed, the longest due first."""

    # -- the log ------------------------------------------------------------------------------------------

    @abstractmethod
    def append(self, rows: Sequence[Row]) -> AppendResults:
        """Store rows of many runs and return a result for each, in order (`spec/run-protocol.md#log-rows`).

        One row that is refused does not affect the others.
        """

    @abstractmethod
    def project(self, projections: Sequence[Projection]) -> None:
        """Apply projections: messages and steps first, then the runs (`spec/run-protocol.md#projections`).

        An object is inserted, or replaces an older version; its metadata stays as stored. A run is changed only in
        the projection's epoch and while it is active. A terminal status clears `active` and starts the expiry of the
        log. Nothing is written for a deleted run.
        """

    @abstractmethod
    def read(self, run_id: str, after: int = 0, limit: int = 500) -> Rows:
        """Return the first rows of a run with `last > after`, ascending, fences included.

        As in `list`, fewer rather than more than `PAGE_BYTES` of events, but one at least if there is one.
        """

    @abstractmethod
    def last_row(self, run_id: str) -> Row | None:
        """Return the last row of a run, even a fence; None if there is none."""

    @abstractmethod
    def projected(self, run_id: str) -> int | None:
        """Return the run's `last_seq`; None if there is no such run."""

    # -- owners -------------------------------------------------------------------------------------------

    def has_owners_without(self, text: str) -> bool:  # noqa: ARG002
        """Return whether some owner whose name lacks `text` has `OWNED` records; True if the store cannot tell."""
        return True

    def commit(self, writes: Sequence[tuple[Row, Projection | None]]) -> AppendResults:
        """Append rows, then apply the projections of those that were stored.

        Override it if the store can do both in one transaction.
        """
        results = self.append([row for row, _ in writes])
        self.project(stored_projections(writes, results))
        return results


def stored_projections(
    writes: Sequence[tuple[Row, Projection | None]], results: Sequence[AppendResult]
) -> list[Projection]:
    """Return the projections of the rows that were stored."""
    return [
        projection
        for (_, projection), result in zip(writes, results, strict=True)
        if projection is not None and result is AppendResult.STORED
    ]


def first_fitting(items: Iterable[T], size: Callable[[T], int], limit: int) -> tuple[list[T], bool]:
    """Return the first items, at most `limit` and `PAGE_BYTES` but one at least, and whether more follow.

    Takes one item more than it returns, so a store that reads lazily never has a large list in memory.
    """
    taken: list[T] = []
    total = 0
    for item in items:
        total += size(item)
        if len(taken) == limit or (taken and total > PAGE_BYTES):
            return taken, True
        taken.append(item)
    return taken, False


def placed(record: Record, position: int) -> Record:
    """Return the record with its position set."""
    return replace(record, position=position)


def not_found(kind: Kind, id: str) -> NotFound:
    """Return the error for an id that an owner does not have."""
    return NotFound(f"No {kind.value.rpartition('.')[2]} found with id '{id}'.")


def already_exists(kind: Kind, id: str) -> Duplicate:
    """Return the error for an id that is taken."""
    return Duplicate(f"A {kind.value} with id '{id}' already exists.")
