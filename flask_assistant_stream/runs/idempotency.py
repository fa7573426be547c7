"""A request that is sent again is told by its key: the same key of the same owner is the same run and its stream.

The ids of a run and of a thread made with it follow from owner and key, so the store's own refusal of a second record
with an id is the lock, on any worker. What was asked for is kept with the run as a digest.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import AssistantStreamError, NotFound, RequestError, StoreError
from ..protocol import ids
from ..protocol.objects import Object
from ..protocol.run_states import RunStatus
from ..stores.base import Kind, RunRecord, Store
from .queues import Turns
from .requests import Attached

HEADER = "Idempotency-Key"
MAX_CHARS = 255
REUSED = "idempotency_key_reused"
ASKED = "request_digest"
"""Where a run's `extra` has the digest of the request that began it."""
ANSWERED = "answer"
"""What the names begin with under which it has those that answered its required actions."""

ALONE_SECONDS = 5.0
"""How long one of several at once waits here for the first; then the store decides, as between workers."""
POLL_SECONDS = 0.025


class Repeated(AssistantStreamError):
    """The run of this request stands already; never told to a client.

    Attributes:
        attached: where to follow it from.
    """

    def __init__(self, attached: Attached) -> None:
        super().__init__(f"Run {attached.run_id} was begun by the same request.")
        self.attached = attached


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What a client names a request by, so that it may send it again.

    Attributes:
        owner: whose request it is; keys of different owners have nothing to do with each other.
        value: what the client sent.
        digest: of everything that the request asks for.
    """

    owner: str
    value: str
    digest: str

    @classmethod
    def read(cls, owner: str, value: str, asked: Mapping[str, Any]) -> RequestKey:
        """Check a key and digest what is asked for: route and body as JSON values.

        Raises:
            RequestError: it is no key, or the body is nested too deep.
        """
        if not (value.isascii() and value.isprintable() and 0 < len(value) <= MAX_CHARS):
            message = f"Invalid '{HEADER}': it must be 1 to {MAX_CHARS} printable ASCII characters."
            raise RequestError(message, param=HEADER)
        try:
            canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=str)
        except RecursionError:
            raise RequestError("The body is not valid JSON: its nesting is out of bounds.") from None
        return cls(owner, value, hashlib.sha256(canonical.encode("ascii")).hexdigest()[:32])

    def new_id(self, prefix: str) -> str:
        """Return the id that this key gives to a new object: nobody else's key gives the same."""
        return ids.derived_id(prefix, self.owner, self.value)

    @property
    def run_id(self) -> str:
        """The id of a run that it begins."""
        return self.new_id(ids.RUN)

    @property
    def begun(self) -> Object:
        """What is kept in `extra` of a run that it begins."""
        return {ASKED: self.digest}

    @property
    def answer(self) -> str:
        """The name in `extra` of a run whose required action it answers."""
        return ids.derived_id(ANSWERED, self.owner, self.value)

    def answered(self, after: int) -> Object:
        """Return what is kept in `extra` then; `after` is where the stream of the answer begins."""
        return {self.answer: f"{after}/{self.digest}"}

    def check(self, digest: object) -> None:
        """Refuse a key that has named another request before."""
        if digest != self.digest:
            message = f"This {HEADER} was used before, for another request: each request takes a key of its own."
            raise RequestError(message, param=HEADER, code=REUSED)


class Repeats:
    """Finds the runs of requests that are sent again.

    Args:
        store: where they are.
        lease_seconds: how long a silent worker keeps a run.
    """

    def __init__(self, store: Store, lease_seconds: float) -> None:
        self._store = store
        self._patience = lease_seconds + 1
        self._turns = Turns()

    @contextmanager
    def alone(self, key: RequestKey) -> Iterator[None]:
        """Let one request at a time with this key do its work in this process: the others find it done."""
        with self._turns.turn((key.owner, key.value), ALONE_SECONDS):
            yield

    def started(self, key: RequestKey) -> Attached | None:
        """Return where to follow the run that a key has begun, from its first event; None where it has begun none.

        A start that is under way on another worker is waited for.

        Raises:
            RequestError: it was another request.
            StoreError: the start does not get on.
        """
        run = self._run(key.owner, key.run_id)
        if run is None:
            return None
        key.check(run.extra.get(ASKED))
        deadline = time.monotonic() + self._patience
        while run.active and self._store.last_row(run.id) is None:
            self._wait(deadline, run)
            run = self._run(key.owner, key.run_id)
            if run is None:  # the start was taken back
                return None
        return Attached(run.parent, run.id, 0)

    def submitted(self, run: RunRecord, key: RequestKey) -> Attached | None:
        """Return where to follow what came of the tool outputs sent with a key; None where they count as not sent.

        They do when the worker that took them died before it stored them: the run was released to wait on.

        Raises:
            RequestError: it was another request.
            StoreError: the worker that took them does not get on.
        """
        mark = run.extra.get(key.answer)
        if mark is None:
            if self._run(key.owner, key.run_id) is not None:
                key.check(None)
            return None
        place, _, digest = str(mark).partition("/")
        key.check(digest)
        after, deadline, current = int(place), time.monotonic() + self._patience, run
        while current.active and not any(row.events for row in self._store.read(run.id, after, 10)):
            if current.body["status"] == RunStatus.REQUIRES_ACTION.value:
                return None
            self._wait(deadline, run)
            found = self._run(run.owner, run.id)
            if found is None:
                raise NotFound(f"No run found with id '{run.id}'.")
            current = found
        return Attached(run.parent, run.id, after)

    def _run(self, owner: str, run_id: str) -> RunRecord | None:
        try:
            run = self._store.get(Kind.RUN, owner, run_id)
        except NotFound:
            return None
        assert isinstance(run, RunRecord)
        return run

    def _wait(self, deadline: float, run: RunRecord) -> None:
        if time.monotonic() >= deadline:
            raise StoreError(f"Another worker is at run {run.id} with the same request and does not get on.")
        time.sleep(POLL_SECONDS)
