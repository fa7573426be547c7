"""Find the run of a request that is sent again: same key and owner, same run and stream.

The ids of a run and of its new thread derive from owner and key. The store refuses a second record with an id, which
is the lock between workers. The run keeps a digest of its request.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import AssistantStreamError, NotFound, StoreError
from ..protocol.run_states import RunStatus
from ..stores.base import RunRecord, Store
from .queues import ThreadQueues
from .request_key import START_DIGEST, RequestKey
from .start_request import RunPosition
from .stored_runs import find_run

ALONE_SECONDS = 5.0
"""How long a request waits for an earlier one with its key in this process; then the store decides."""
POLL_SECONDS = 0.025


class Repeated(AssistantStreamError):
    """The request has started its run already: follow it from `position`. Never sent to a client."""

    def __init__(self, position: RunPosition) -> None:
        super().__init__(f"The same request has started run {position.run_id} already.")
        self.position = position


class IdempotencyKeys:
    """Finds the runs of requests that are sent again.

    Args:
        wait_seconds: how long to wait for another worker with the same request: longer than its lease.
    """

    def __init__(self, store: Store, wait_seconds: float) -> None:
        self._store = store
        self._wait_seconds = wait_seconds
        self._queues = ThreadQueues()

    @contextmanager
    def alone(self, key: RequestKey) -> Iterator[None]:
        """Admit one request with this key at a time in this process."""
        with self._queues.place((key.owner, key.value), ALONE_SECONDS):
            yield

    def started(self, key: RequestKey) -> RunPosition | None:
        """Return the start of the run that a key has started, or None.

        Waits for a start that is under way on another worker.

        Raises:
            RequestError: the key belongs to another request.
            StoreError: the other worker does not finish its start.
        """
        run = find_run(self._store, key.owner, key.run_id)
        if run is None:
            return None
        key.check(run.extra.get(START_DIGEST))
        deadline = time.monotonic() + self._wait_seconds
        while run.active and self._store.last_row(run.id) is None:
            self._wait(deadline, run)
            run = find_run(self._store, key.owner, key.run_id)
            if run is None:  # the start was undone
                return None
        return RunPosition(run.parent, run.id, 0)

    def submitted(self, run: RunRecord, key: RequestKey) -> RunPosition | None:
        """Return where the stream of the tool outputs sent with a key begins; None if they count as not sent.

        They count as not sent when their worker died before it stored them: the run waits again.

        Raises:
            RequestError: the key belongs to another request.
            StoreError: the worker that took the outputs does not store them.
        """
        answer = run.extra.get(key.answer)
        if answer is None:
            if find_run(self._store, key.owner, key.run_id) is not None:
                key.check(None)
            return None
        number, _, digest = str(answer).partition("/")
        key.check(digest)
        after, deadline, current = int(number), time.monotonic() + self._wait_seconds, run
        while current.active and not any(row.events for row in self._store.read(run.id, after, 10)):
            if current.body["status"] == RunStatus.REQUIRES_ACTION.value:
                return None
            self._wait(deadline, run)
            latest = find_run(self._store, run.owner, run.id)
            if latest is None:
                raise NotFound(f"No run found with id '{run.id}'.")
            current = latest
        return RunPosition(run.parent, run.id, after)

    def _wait(self, deadline: float, run: RunRecord) -> None:
        if time.monotonic() >= deadline:
            raise StoreError(f"Another worker has not finished the same request for run {run.id}; send it again.")
        time.sleep(POLL_SECONDS)
