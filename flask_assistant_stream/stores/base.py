"""What a store is: records of an owner, runs under a lease, and the rows of their logs.

Everything the run protocol needs of a store stands here; how a store keeps it is its own affair. Knows neither
Flask nor engines. Driver errors leave a store as `StoreError` only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Literal

from ..protocol.events import Event, pack, unpack
from ..protocol.objects import Object

Order = Literal["asc", "desc"]

TURN = 1 << 20
"""Positions per turn of a thread: what a run makes is placed at `turn * TURN + seq`."""


class Kind(str, Enum):
    """What a record is; the value is its `object` on the wire."""

    ASSISTANT = "assistant"
    THREAD = "thread"
    MESSAGE = "thread.message"
    RUN = "thread.run"
    RUN_STEP = "thread.run.step"
    FILE = "file"
    VECTOR_STORE = "vector_store"
    VECTOR_STORE_FILE = "vector_store.file"
    """A file in a vector store, its parent. A file may be in several, so the record's id names both."""
    FILE_BATCH = "vector_store.files_batch"
    OWNER = "owner"
    """What is kept of an owner as such; one record each, id `owner`."""


PER_OWNER = frozenset({Kind.ASSISTANT, Kind.OWNER})
"""Kinds whose ids each owner may have; every other id stands once in a store."""

BELOW_VECTOR_STORE = (Kind.VECTOR_STORE_FILE, Kind.FILE_BATCH)
"""What goes with its vector store."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored object.

    Attributes:
        kind: which kind of object.
        owner: whose it is; no call finds it for anybody else.
        body: the Assistants object, `id` in it.
        parent: what it is listed below: the thread of a message or run, the run of a step, "" otherwise.
        position: its place in lists, ascending. 0 on `insert` lets the store choose: the next turn of the
            thread for a message or run, the store's clock otherwise.
        extra: what the wire does not carry (a thread's title …): flat, JSON values.
    """

    kind: Kind
    owner: str
    body: Object
    parent: str = ""
    position: int = 0
    extra: Object = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The object's id."""
        return str(self.body["id"])


@dataclass(frozen=True, slots=True)
class RunRecord(Record):
    """A run and what the run protocol keeps with it.

    Attributes:
        epoch: grows by one with each claim; every write to the run compares it.
        due_at: seconds on the store's clock from when any worker may claim the run: the end of the lease while
            a worker has it, the expiry while it waits for tool outputs, earlier when a cancel is pending.
        cancel_requested: somebody asked for its end.
        active: not terminal; a thread has at most one active run.
        last_seq: the highest event number that its projections have seen.
        state: what the translator needs to go on after tool outputs and the wire does not carry.
    """

    epoch: int = 1
    due_at: float = 0.0
    cancel_requested: bool = False
    active: bool = True
    last_seq: int = 0
    state: Object | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Consecutive events of a run, written by one append.

    Attributes:
        first, last: the event numbers it covers; unique per (run, first). A fence covers numbers without events.
        epoch: of the worker that wrote it.
        token: names this append, so that a repeated one is told from a foreign one.
        packed: `protocol.events.pack` of its events.
        state: the translator's state after it, where a required action ends it.
    """

    run_id: str
    first: int
    last: int
    epoch: int
    token: str
    packed: bytes = b""
    state: Object | None = None

    @property
    def events(self) -> list[Event]:
        """Its events, numbered."""
        return unpack(self.first, self.packed)

    @classmethod
    def of(cls, run_id: str, epoch: int, token: str, events: list[Event], state: Object | None = None) -> Row:
        """Make the row of some consecutive events."""
        return cls(run_id, events[0].seq, events[-1].seq, epoch, token, pack(events), state)


class AppendResult(Enum):
    """What became of an append."""

    STORED = "stored"
    """This very row stands in the log, by this call or an earlier one with the same token."""
    REFUSED = "refused"
    """Somebody else's row stands there: the run is lost to this worker."""


@dataclass(frozen=True, slots=True)
class Projection:
    """The changes of a run's objects by stored rows (`spec/run-protocol.md#projections`); idempotent.

    Attributes:
        run: the run it belongs to, as this worker holds it (`epoch`, owner, `position`).
        objects: message and step records, the newest version each, `position` set; `seqs` gives the number of
            the event that carried each version: a version replaces only an older one.
        changes: the run's `RUN_VOLATILE` keys; empty when no run event was among the rows.
        due_at: new `due_at` of the run, or None to leave it; a run that is to be cancelled keeps its own.
        last_seq: the last event number covered.
        state: the new `state`, or None to leave it.
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
    """Everything that begins a run, stored together or not at all.

    Attributes:
        run: the new run (`due_at` set); its position is given by the store.
        row: its first row of events.
        messages: the user's messages, in order.
        thread: a thread to make with it, or None for one that must be there.
        touched: `extra` keys to set on the thread (`updated_at` …).
    """

    run: RunRecord
    row: Row
    messages: tuple[Record, ...] = ()
    thread: Record | None = None
    touched: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """A slice of a list."""

    records: list[Record]
    has_more: bool


# `Store.list` hides the builtin inside the class, so its signatures use these.
Runs = list[RunRecord]
Rows = list[Row]
AppendResults = list[AppendResult]


class Store(ABC):
    """A place for everything that must outlive a process.

    Every call blocks its thread but never the gevent loop, may be made from any thread, and raises `StoreError`
    when the driver fails: the outcome of a write is then unknown, unless it is `Duplicate` or `ThreadBusy`.
    Nothing touches the driver before the first call, so a store may be made before a fork.
    """

    # -- life ---------------------------------------------------------------------------------------------

    @abstractmethod
    def open(self) -> None:
        """Make tables and indexes or migrate them forward; idempotent. Called by the first use in a process."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections; a later call opens them again."""

    @abstractmethod
    def ping(self) -> None:
        """Raise `StoreError` unless the store answers within 2 seconds."""

    @abstractmethod
    def now(self) -> float:
        """Seconds since the epoch on the store's clock, the same for every worker."""

    # -- records ------------------------------------------------------------------------------------------

    @abstractmethod
    def insert(self, record: Record) -> Record:
        """Store a new record and return it with its position.

        Raises:
            Duplicate: a record of that kind and id stands already (for assistants and owners: of that owner).
            NotFound: a message's thread is not this owner's.
        """

    @abstractmethod
    def get(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> Record:
        """Return a record, a `RunRecord` for runs.

        Raises:
            NotFound: unknown, another owner's, or below another parent.
        """

    @abstractmethod
    def update(
        self,
        kind: Kind,
        owner: str,
        id: str,
        *,
        parent: str | None = None,
        body: Mapping[str, Any] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Record:
        """Set some top-level keys of `body` and `extra` and return the record as it is then.

        Never for the volatile keys of a run: those are written by `project` alone.

        Raises:
            NotFound: as `get`.
        """

    @abstractmethod
    def delete(self, kind: Kind, owner: str, id: str, *, parent: str | None = None) -> None:
        """Remove a record; a thread goes with its messages, runs, steps and logs, a vector store with its
        `VECTOR_STORE_FILE` and `FILE_BATCH` records.

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
        run_id: str | None = None,
    ) -> Page:
        """Return up to `limit` records below `parent`, ordered by (position, id).

        `after` and `before` are ids of the same list and bound it in the order asked for; `run_id` keeps the
        messages of one run.

        Raises:
            NotFound: `after` or `before` is not in this list.
        """

    # -- runs ---------------------------------------------------------------------------------------------

    @abstractmethod
    def start(self, start: Start) -> RunRecord:
        """Begin a run (`spec/run-protocol.md#starts`) and return it with its position: all of it is stored, or nothing.

        Raises:
            ThreadBusy: the thread has an active run.
            NotFound: the thread is not this owner's.
            Duplicate: the run or the new thread stands already.
        """

    @abstractmethod
    def claim(
        self,
        run: RunRecord,
        *,
        due_at: float,
        if_due: float | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> RunRecord | None:
        """Take a run over if its status and epoch are those of `run` (`spec/run-protocol.md#claims`).

        A run that required an action is `queued` from then on, so that of two answers one is taken; whoever finds
        it abandoned like that releases it again.

        Args:
            run: as it was read.
            due_at: the end of the new lease.
            if_due: claim only if the run's `due_at` is not later than this.
            extra: keys of its `extra` to set with the claim, in the same write.

        Returns:
            The run as it is now, or None if it has moved since it was read.
        """

    @abstractmethod
    def renew(self, runs: Sequence[tuple[str, int]], due_at: float) -> None:
        """Extend the leases of active runs, given as (run id, epoch); one with another epoch or with a cancel
        pending stays as it is."""

    @abstractmethod
    def request_cancel(self, owner: str, run_id: str, *, due_at: float) -> RunRecord:
        """Note that an active run is to end, and let it be claimed from `due_at` at the latest.

        Returns:
            The run as it is then; unchanged if it was not active.

        Raises:
            NotFound: as `get`.
        """

    @abstractmethod
    def cancel_requested(self, run_ids: Sequence[str]) -> set[str]:
        """Return which of these runs have a cancel pending."""

    @abstractmethod
    def due(self, now: float, limit: int = 100) -> Runs:
        """Return active runs of any owner whose `due_at` has passed, the longest due first."""

    # -- the log ------------------------------------------------------------------------------------------

    @abstractmethod
    def append(self, rows: Sequence[Row]) -> AppendResults:
        """Store rows of many runs, each once (`spec/run-protocol.md#log-rows`); an outcome for each, in order.

        A row whose place is taken is `STORED` if its own token stands there, else `REFUSED`; the others are
        stored all the same.
        """

    @abstractmethod
    def project(self, projections: Sequence[Projection]) -> None:
        """Apply what stored rows say: messages and steps first, the run last (`spec/run-protocol.md#projections`).

        Objects: inserted, or replaced where the stored version is older (metadata is kept as stored).
        Runs: written only where the epoch is the projection's and the run is still active; a terminal status
        clears `active` and dates the log's expiry.
        """

    @abstractmethod
    def read(self, run_id: str, after: int = 0, limit: int = 500) -> Rows:
        """Return the first rows of a run with `last > after`, ascending, fences included."""

    @abstractmethod
    def last_row(self, run_id: str) -> Row | None:
        """Return the newest row of a run, a fence or not."""

    @abstractmethod
    def projected(self, run_id: str) -> int | None:
        """Return the number of the last event whose row has been projected, or None where there is no such run."""

    # -- together -----------------------------------------------------------------------------------------

    def commit(self, writes: Sequence[tuple[Row, Projection | None]]) -> AppendResults:
        """Append rows and apply the projections of those that were stored, in that order.

        A store that can write both in one transaction overrides this to do so.
        """
        outcomes = self.append([row for row, _ in writes])
        self.project(
            [
                projection
                for (_, projection), outcome in zip(writes, outcomes, strict=True)
                if projection is not None and outcome is AppendResult.STORED
            ]
        )
        return outcomes


def placed(record: Record, position: int) -> Record:
    """Return the record with its position set."""
    return replace(record, position=position)
