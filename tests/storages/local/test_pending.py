"""Files that wait to be read: each is claimed by one worker at a time, and the owners take turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest

from flask_assistant_stream.errors import TooManyFiles
from flask_assistant_stream.storages.local.pending import MAX_WAITING, Claim, PendingFiles
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind, Store
from tests.files.worlds import Clock

LEASE = 10.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "mongodb"])
def store(request: pytest.FixtureRequest, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    store = make_store(request.getfixturevalue(f"{request.param}_url"))
    monkeypatch.setattr(store, "now", clock)
    yield store
    store.close()


@pytest.fixture
def pending(store: Store) -> PendingFiles:
    return PendingFiles(store, LEASE)


def taken(pending: PendingFiles) -> list[str]:
    """Claim and remove all files; return their ids in the order of the claims."""
    ids = []
    while claim := pending.claim():
        ids.append(claim.file_id)
        pending.remove(claim.file_id)
    return ids


def left(store: Store) -> int:
    """Return the number of records of waiting files and of claims."""
    records = store.list(Kind.EXTRACTION, "", limit=100).records
    return len(records) + sum(len(store.list(Kind.EXTRACTION, "", parent=r.id).records) for r in records)


def test_the_owners_take_turns(pending: PendingFiles) -> None:
    for number in range(1, 4):
        pending.add("ann", f"a{number}")
    pending.add("bob", "b1")
    pending.add("bob", "b2")
    order = taken(pending)
    assert [file_id for file_id in order if file_id[0] == "a"] == ["a1", "a2", "a3"]
    assert order.index("b1") <= 1
    assert order.index("b2") <= 3


def test_a_new_owner_waits_for_no_more_than_what_is_being_read(pending: PendingFiles) -> None:
    for number in range(100):
        pending.add("ann", f"a{number:03}")
    for _ in range(50):
        claim = pending.claim()
        assert claim is not None
        pending.remove(claim.file_id)
    reading = pending.claim()
    assert reading is not None
    pending.add("bob", "b")
    following = pending.claim()
    assert following is not None
    assert following.file_id == "b"


def test_owners_take_turns_also_if_other_workers_add_their_files(store: Store, pending: PendingFiles) -> None:
    other = PendingFiles(store, LEASE)
    for number in range(20):
        (pending if number % 2 else other).add("ann", f"a{number:02}")
    other.add("bob", "b")
    assert taken(pending).index("b") <= 2


def test_a_file_waits_once(store: Store, pending: PendingFiles) -> None:
    pending.add("ann", "a")
    pending.add("ann", "a")
    assert left(store) == 1
    assert pending.any()
    assert taken(pending) == ["a"]
    assert not pending.any()


def test_a_claim_is_valid_until_its_end(store: Store, pending: PendingFiles, clock: Clock) -> None:
    other = PendingFiles(store, LEASE)
    pending.add("ann", "a")
    first = pending.claim()
    assert first == Claim("ann", "a", 1, clock.time)
    clock.move(LEASE - 1)
    assert other.claim() is None
    assert pending.renew(first)
    clock.move(LEASE - 1)
    assert other.claim() is None
    clock.move(2)
    second = other.claim()
    assert second == replace(first, number=2)
    assert pending.claim() is None
    assert second is not None
    other.fail(second)
    assert pending.claim() == replace(first, number=3)


def test_a_released_claim_does_not_count(pending: PendingFiles) -> None:
    pending.add("ann", "a")
    for _ in range(3):
        claim = pending.claim()
        assert claim is not None
        assert claim.number == 1
        pending.release(claim)


def test_a_removed_file_leaves_nothing_and_its_claim_cannot_be_renewed(
    store: Store, pending: PendingFiles, clock: Clock
) -> None:
    pending.add("ann", "a")
    claim = pending.claim()
    assert claim is not None
    pending.fail(claim)
    again = pending.claim()
    assert again is not None
    pending.remove("a")
    pending.remove("never")
    assert left(store) == 0
    assert store.list(Kind.EXTRACTION, "", parent="a").records == []
    assert not pending.renew(again)
    pending.fail(again)
    pending.release(again)
    clock.move(LEASE * 2)
    assert pending.claim() is None


def test_one_of_many_workers_claims_a_file(store: Store) -> None:
    workers = [PendingFiles(store, LEASE) for _ in range(8)]
    workers[0].add("ann", "a")
    claims: list[Claim | None] = []
    threads = [Thread(target=lambda worker=worker: claims.append(worker.claim())) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [claim.number for claim in claims if claim is not None] == [1]


def test_an_owner_has_a_limited_number_of_waiting_files(
    pending: PendingFiles, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 5
    monkeypatch.setattr("flask_assistant_stream.storages.local.pending.MAX_WAITING", limit)
    assert limit < MAX_WAITING
    for number in range(limit + 1):
        pending.add("ann", f"a{number}")
    with pytest.raises(TooManyFiles) as raised:
        pending.add("ann", "more")
    assert raised.value.status == 429
    pending.add("bob", "b")
    for _ in range(3):
        claim = pending.claim()
        assert claim is not None
        pending.remove(claim.file_id)
    pending.add("ann", "more")
