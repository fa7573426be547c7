"""Take over a run that no worker executes and end it (`spec/run-protocol.md#takeovers`).

Each step is one write that fails if another worker was first, so any number of workers may try at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ..errors import NotFound, StoreError
from ..log.projection import project_events
from ..protocol import ids
from ..protocol.dialects import ASSISTANTS, UnknownDialect
from ..protocol.events import Event
from ..protocol.objects import Object
from ..protocol.run_states import RunStatus
from ..stores.base import AppendResult, Row, RunRecord, Store
from ..translation.options import TranslatorOptions
from ..translation.translator import Ending, Translator

FENCE_TRIES = 5
READ_ROWS = 500


def can_end(run: RunRecord) -> bool:
    """Return whether this version can continue and end a run: the translator writes one dialect."""
    return run.dialect == ASSISTANTS.name


class Takeover:
    """Ends runs that no worker executes, and restores those that wait.

    Args:
        lease_seconds: how long a claim holds.
        translator_options: returns the options of a run's translator, from the run's body.
        ended: called with each run that was ended here.
    """

    def __init__(
        self,
        store: Store,
        lease_seconds: float,
        new_id: ids.NewId,
        translator_options: Callable[[Object], TranslatorOptions] = lambda _: TranslatorOptions(),
        ended: Callable[[RunRecord], None] | None = None,
    ) -> None:
        self._store = store
        self._lease_seconds = lease_seconds
        self._new_id = new_id
        self._translator_options = translator_options
        self._ended = ended

    def finish(self, run: RunRecord, *, if_due: float | None = None) -> None:
        """Claim a run and end it, or release it if its log shows that it waits for tool outputs.

        Does nothing if another worker was first. The run ends as cancelled after a cancel, as expired if its required
        action was not answered, else as failed.

        Args:
            if_due: only if its lease was not renewed since this time.

        Raises:
            UnknownDialect: the run is for a newer worker, and was not claimed.
        """
        if not can_end(run):
            raise UnknownDialect(run.dialect)
        waiting = run.body["status"] == RunStatus.REQUIRES_ACTION.value
        claimed = self._store.claim(run, due_at=self._store.now() + self._lease_seconds, if_due=if_due)
        if claimed is None:
            return
        events, last = self._fence(claimed)
        name = events[-1].name if events else ""
        unanswered = name in ASSISTANTS.pauses and not waiting and not claimed.cancel_requested
        if name in ASSISTANTS.run_endings or unanswered:
            self._project(claimed, events, self._state(claimed) if unanswered else None)
        else:
            ending = Ending.EXPIRED if waiting else Ending.INTERRUPTED
            self._close(claimed, events, last, Ending.CANCELLED if claimed.cancel_requested else ending)
        if self._ended is not None and not unanswered:
            self._ended(claimed)

    def restore(self, run: RunRecord) -> Translator:
        """Return the translator of a run as its stored events left it.

        Raises:
            NotFound: the run was deleted meanwhile.
            UnknownDialect: only a newer worker can continue the run.
        """
        if not can_end(run):
            raise UnknownDialect(run.dialect)
        rows = self._rows(run.id)
        if not rows:
            raise NotFound(f"No run found with id '{run.id}'.")
        return self._restore(run, [event for row in rows for event in row.events], rows[-1].last)

    def _restore(self, run: RunRecord, events: list[Event], last_seq: int) -> Translator:
        return Translator.restore(
            run.body,
            events,
            run.state,
            new_id=self._new_id,
            now=lambda: int(self._store.now()),
            last_seq=last_seq,
            options=self._translator_options(run.body),
        )

    def _project(self, run: RunRecord, events: list[Event], state: Object | None) -> None:
        projection = project_events(run, events, state)
        if projection is not None:
            self._store.project([projection])

    def _close(self, run: RunRecord, events: list[Event], last_seq: int, ending: Ending) -> None:
        """Append the events that close the run; on a conflict another worker has claimed the run and closes it."""
        closing = self._restore(run, events, last_seq).close(ending)
        row = Row.of(run, secrets.token_hex(8), closing)
        self._store.commit([(row, project_events(run, [*events, *closing]))])

    def _fence(self, run: RunRecord) -> tuple[list[Event], int]:
        """Block the previous worker with a fence, and return the run's events and the last number in use.

        The fence covers events that the worker may have sent without storing them, so a number never means two
        events. An ended run needs none.
        """
        for _ in range(FENCE_TRIES):
            rows = self._rows(run.id)
            events = [event for row in rows for event in row.events]
            last = rows[-1].last if rows else 0
            if events and events[-1].name in ASSISTANTS.run_endings:
                return events, last
            fence = Row.fence(run, last, secrets.token_hex(8))
            if self._store.append([fence])[0] is AppendResult.STORED:
                return events, fence.last
        raise StoreError(f"Other workers keep writing to run {run.id}; try again.")

    def _rows(self, run_id: str) -> list[Row]:
        rows: list[Row] = []
        while page := self._store.read(run_id, rows[-1].last if rows else 0, READ_ROWS):
            rows += page  # a page may end early, for its bytes
        return rows

    def _state(self, run: RunRecord) -> Object | None:
        """Return the state in the row with the required action."""
        return next((row.state for row in reversed(self._rows(run.id)) if row.state is not None), None)
