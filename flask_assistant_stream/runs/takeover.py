"""Take over a run that no worker executes and end it (`spec/run-protocol.md#takeovers`).

Every step is one write that a rival's step refuses, so any number of workers may try at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ..errors import StoreError
from ..log.projection import project_events
from ..log.run_log import WINDOW
from ..protocol import ids
from ..protocol.events import RUN_ENDINGS, Event
from ..protocol.objects import Object
from ..protocol.run_states import RunStatus
from ..stores.base import AppendResult, Row, RunRecord, Store
from ..translation.options import TranslatorOptions
from ..translation.translator import Ending, Translator

FENCE_TRIES = 5
READ_ROWS = 500


class Takeover:
    """Ends runs that no worker executes.

    Args:
        store: where they are.
        lease_seconds: how long a claim holds.
        new_id: makes ids.
        translator_options: what the translator of a run is made with besides, by the run's body.
    """

    def __init__(
        self,
        store: Store,
        lease_seconds: float,
        new_id: ids.NewId,
        translator_options: Callable[[Object], TranslatorOptions] = lambda _: TranslatorOptions(),
    ) -> None:
        self._store = store
        self._lease_seconds = lease_seconds
        self._new_id = new_id
        self._translator_options = translator_options

    def finish(self, run: RunRecord, *, if_due: float | None = None) -> None:
        """Claim a run and end it, or release it where it turns out to wait for tool outputs.

        Does nothing where another worker was quicker. What is told depends on why it has to end: cancelled
        when somebody asked for it, expired when its action was not answered, failed when its worker is gone.

        Args:
            run: as it was read.
            if_due: only if nobody has renewed its lease since it was due then.
        """
        waiting = run.body["status"] == RunStatus.REQUIRES_ACTION.value
        claimed = self._store.claim(run, due_at=self._store.now() + self._lease_seconds, if_due=if_due)
        if claimed is None:
            return
        events, last = self._fence(claimed)
        name = events[-1].name if events else ""
        unanswered = name == "thread.run.requires_action" and not waiting and not claimed.cancel_requested
        if name in RUN_ENDINGS or unanswered:
            self._project(claimed, events, self._state(claimed) if unanswered else None)
            return
        ending = Ending.EXPIRED if waiting else Ending.INTERRUPTED
        self._close(claimed, events, last, Ending.CANCELLED if claimed.cancel_requested else ending)

    def restore(self, run: RunRecord) -> Translator:
        """Return the translator of a run as its stored events left it."""
        rows = self._rows(run.id)
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
        """Append what closes the run; refused means that a rival has claimed it since and will."""
        closing = self._restore(run, events, last_seq).close(ending)
        row = Row.of(run.id, run.epoch, secrets.token_hex(8), closing)
        self._store.commit([(row, project_events(run, [*events, *closing]))])

    def _fence(self, run: RunRecord) -> tuple[list[Event], int]:
        """Shut out the worker that had the run, and return its events and the last number that is taken.

        The fence covers what that worker may have shown without storing it, so a number never means two
        events. A run that has ended needs none.
        """
        for _ in range(FENCE_TRIES):
            rows = self._rows(run.id)
            events = [event for row in rows for event in row.events]
            last = rows[-1].last if rows else 0
            if events and events[-1].name in RUN_ENDINGS:
                return events, last
            fence = Row(run.id, last + 1, last + WINDOW, run.epoch, secrets.token_hex(8))
            if self._store.append([fence])[0] is AppendResult.STORED:
                return events, fence.last
        raise StoreError(f"Run {run.id} is being written to by others.")

    def _rows(self, run_id: str) -> list[Row]:
        rows: list[Row] = []
        while page := self._store.read(run_id, rows[-1].last if rows else 0, READ_ROWS):
            rows += page
            if len(page) < READ_ROWS:
                break
        return rows

    def _state(self, run: RunRecord) -> Object | None:
        """Return the state that the row with the required action carried."""
        return next((row.state for row in reversed(self._rows(run.id)) if row.state is not None), None)
