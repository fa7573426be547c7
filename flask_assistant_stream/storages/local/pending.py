"""The files whose text is to be read, in the store, so that any worker reads them and no two read the same one.

A claim is a record whose id is the file's id and a number: the store's rejection of a second one with that id is the
lock, on any worker. A claim has an end; after it another worker makes the claim with the next number. So the number of
a claim says how many workers have tried before.

A waiting file has a rank, by which all workers take them. The first file of an owner gets the rank of the file that is
next anyway, each further one a rank more. So the owners take turns, whatever number of files each of them has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from ...errors import Duplicate, NotFound, TooManyFiles
from ...stores.base import Kind, Record, Store
from ...stores.listing import all_records
from ..vector_store_files import drop

MAX_WAITING = 1000
"""The most files of an owner that wait, in the count of one worker."""
MAX_CLAIMS = 3
"""How often reading a file may end a process or a worker, before the file counts as failed."""

NO_OWNER = ""
_LISTED = 100
"""Waiting files that are considered at a time: more than the workers of a deployment read at once."""
_UNTIL, _OWNER, _SINCE = "until", "owner", "since"


@dataclass(frozen=True, slots=True)
class Claim:
    """One worker's claim to read a file.

    Attributes:
        number: from 1; each lost claim before adds one.
        since: when the file was added, in seconds on the store's clock.
    """

    owner: str
    file_id: str
    number: int
    since: float

    @property
    def id(self) -> str:
        """The id of its record."""
        return f"{self.file_id}.{self.number}"


class PendingFiles:
    """Adds files, claims them in fair order, and removes them.

    Args:
        lease_seconds: how long a claim is valid without `renew`.
    """

    def __init__(self, store: Store, lease_seconds: float = 15.0) -> None:
        self._store = store
        self._lease_seconds = lease_seconds
        self._last_ranks: dict[str, int] = {}

    def add(self, owner: str, file_id: str) -> None:
        """Add a file, unless it waits already.

        Raises:
            TooManyFiles: too many files of the owner wait.
        """
        first = next(self._listed(1), None)
        # With milliseconds as ranks, an empty queue begins behind all that was in it before.
        head = int(self._store.now() * 1000) if first is None else first.position
        rank = max(head, self._last_ranks.get(owner, 0) + 1)
        if rank - head > MAX_WAITING:
            raise TooManyFiles(f"{MAX_WAITING} of your files are still being read. Try again later.", param="file")
        extra = {_OWNER: owner, _SINCE: self._store.now()}
        with suppress(Duplicate):
            self._store.insert(Record(Kind.EXTRACTION, NO_OWNER, {"id": file_id}, position=rank, extra=extra))
            self._remember(owner, rank, head)

    def any(self) -> bool:
        """Return whether a file waits or is being read."""
        return next(self._listed(1), None) is not None

    def claim(self) -> Claim | None:
        """Claim the next file that no worker reads; None if there is none."""
        claims = (self._claim(waiting) for waiting in self._listed(_LISTED))
        return next((claim for claim in claims if claim is not None), None)

    def renew(self, claim: Claim) -> bool:
        """Extend a claim; return False if the file was removed meanwhile."""
        return self._set_end(claim, self._store.now() + self._lease_seconds)

    def fail(self, claim: Claim) -> None:
        """End a claim; the next one has the next number."""
        self._set_end(claim, 0.0)

    def release(self, claim: Claim) -> None:
        """Take a claim back, as if it had not been made."""
        drop(self._store, Kind.EXTRACTION, NO_OWNER, claim.id)

    def remove(self, file_id: str) -> None:
        """Remove a file and all claims to it, if it waits."""
        for claim in all_records(self._store, Kind.EXTRACTION, NO_OWNER, file_id):
            drop(self._store, Kind.EXTRACTION, NO_OWNER, claim.id)
        drop(self._store, Kind.EXTRACTION, NO_OWNER, file_id)

    def _listed(self, limit: int) -> Iterator[Record]:
        yield from self._store.list(Kind.EXTRACTION, NO_OWNER, limit=limit, order="asc").records

    def _claim(self, waiting: Record) -> Claim | None:
        """Claim a file with the first free number, unless another worker's claim is valid."""
        owner, since, now = waiting.extra[_OWNER], waiting.extra[_SINCE], self._store.now()
        for number in count(1):
            claim = Claim(owner, waiting.id, number, since)
            extra = {_UNTIL: now + self._lease_seconds}
            try:
                self._store.insert(Record(Kind.EXTRACTION, NO_OWNER, {"id": claim.id}, waiting.id, extra=extra))
                return claim
            except Duplicate:
                pass
            rival = self._store.find(Kind.EXTRACTION, NO_OWNER, claim.id)
            if rival is None or rival.extra[_UNTIL] > now:  # none: removed or released meanwhile
                return None
        return None

    def _set_end(self, claim: Claim, until: float) -> bool:
        try:
            self._store.update(Kind.EXTRACTION, NO_OWNER, claim.id, extra={_UNTIL: until})
        except NotFound:
            return False
        return True

    def _remember(self, owner: str, rank: int, head: int) -> None:
        """Remember the last rank of an owner, and forget those that no longer count."""
        self._last_ranks[owner] = rank
        if len(self._last_ranks) > MAX_WAITING:
            self._last_ranks = {owner: rank for owner, rank in self._last_ranks.items() if rank >= head}
