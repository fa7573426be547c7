"""The contract of `Blobs`, as a test class."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import pytest

from ..errors import NotFound, StoreError
from ..stores.base import Store
from ..stores.capabilities import CHUNK_BYTES, Blobs
from .store_material import ANN, BOB, at_once

ODD_NAMES = ["$owner", "$$ROOT.owner", "", "%", "ann/", "' OR '1'='1", "1/ann", "世界"]


def some_bytes(size: int, seed: int = 1) -> bytes:
    """Return random bytes."""
    return random.Random(seed).randbytes(size)


def in_chunks(data: bytes, *sizes: int) -> Iterator[bytes]:
    """Cut bytes into chunks whose sizes repeat."""
    place = number = 0
    while place < len(data):
        size = sizes[number % len(sizes)]
        yield data[place : place + size]
        place, number = place + size, number + 1


class BlobSuite:
    """Subclass as `Test…` with a fixture `open_store`, as for `StoreSuite`."""

    @pytest.fixture
    def blobs(self, open_store: Callable[[], Store]) -> Blobs:
        """Return the store under test."""
        return cast(Blobs, open_store())

    @pytest.fixture
    def others_blobs(self, open_store: Callable[[], Store]) -> Blobs:
        """Return another process's view of the same data."""
        return cast(Blobs, open_store())

    @pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES + 12345])
    @pytest.mark.parametrize("sizes", [(7919, 1, 0, 100_003), (1 << 16,), (1 << 30,)])
    def test_bytes_come_back_as_they_were(
        self, blobs: Blobs, others_blobs: Blobs, size: int, sizes: tuple[int, ...]
    ) -> None:
        data = some_bytes(size)
        assert blobs.write_blob(ANN, "blob_1", in_chunks(data, *sizes)) == size
        for view in (blobs, others_blobs):
            pieces = [*view.read_blob(ANN, "blob_1")]
            assert b"".join(pieces) == data
            assert max(map(len, pieces), default=0) <= CHUNK_BYTES

    def test_earlier_bytes_are_replaced(self, blobs: Blobs) -> None:
        for size in (3 * CHUNK_BYTES, 10, 0, 2 * CHUNK_BYTES):
            data = some_bytes(size, size)
            blobs.write_blob(ANN, "blob_1", [data])
            assert b"".join(blobs.read_blob(ANN, "blob_1")) == data

    def test_new_bytes_appear_all_at_once(self, blobs: Blobs, others_blobs: Blobs) -> None:
        seen: list[bytes | None] = []

        def chunks() -> Iterator[bytes]:
            for _ in range(3):
                yield some_bytes(CHUNK_BYTES)
                seen.append(read(others_blobs))

        blobs.write_blob(ANN, "blob_1", chunks())
        assert seen == [None] * 3
        blobs.write_blob(ANN, "blob_1", [b"old"])
        seen.clear()
        blobs.write_blob(ANN, "blob_1", chunks())
        assert seen == [b"old"] * 3

    @pytest.mark.parametrize("before", [None, b"before"])
    @pytest.mark.parametrize("error", [ValueError, StoreError, KeyboardInterrupt])
    def test_a_failed_upload_leaves_the_earlier_bytes(
        self, blobs: Blobs, before: bytes | None, error: type[BaseException]
    ) -> None:
        def chunks() -> Iterator[bytes]:
            yield some_bytes(2 * CHUNK_BYTES + 1)
            raise error("gone")

        if before is not None:
            blobs.write_blob(ANN, "blob_1", [before])
        with pytest.raises(error):
            blobs.write_blob(ANN, "blob_1", chunks())
        assert read(blobs) == before

    @pytest.mark.parametrize("stranger", [BOB, *ODD_NAMES])
    def test_owners_are_isolated_for_bytes(self, blobs: Blobs, stranger: str) -> None:
        blobs.write_blob(ANN, "blob_1", [b"Ann's"])
        with pytest.raises(NotFound):
            blobs.read_blob(stranger, "blob_1")
        blobs.delete_blob(stranger, "blob_1")
        blobs.write_blob(stranger, "blob_1", [b"Mine"])
        assert read(blobs) == b"Ann's"
        assert read(blobs, stranger) == b"Mine"
        blobs.delete_blob(stranger, "blob_1")
        assert read(blobs) == b"Ann's"

    def test_owner_and_id_are_not_just_joined(self, blobs: Blobs) -> None:
        for owner, id in (("a/b", "c"), ("a", "b/c"), ("a/b/c", "")):
            blobs.write_blob(owner, id, [f"{owner} {id}".encode()])
        assert read(blobs, "a/b", "c") == b"a/b c"
        assert read(blobs, "a", "b/c") == b"a b/c"

    def test_deleted_bytes_are_gone(self, blobs: Blobs, others_blobs: Blobs) -> None:
        for size in (0, 3 * CHUNK_BYTES):
            blobs.write_blob(ANN, "blob_1", [some_bytes(size)])
            for _ in range(2):
                blobs.delete_blob(ANN, "blob_1")
            with pytest.raises(NotFound):
                others_blobs.read_blob(ANN, "blob_1")

    def test_bytes_deleted_while_they_are_read_are_an_error(self, blobs: Blobs) -> None:
        blobs.write_blob(ANN, "blob_1", [some_bytes(3 * CHUNK_BYTES)])
        reading = blobs.read_blob(ANN, "blob_1")
        next(reading)
        blobs.delete_blob(ANN, "blob_1")
        with pytest.raises(StoreError):
            next(reading)

    def test_one_of_simultaneous_uploads_wins(self, blobs: Blobs, others_blobs: Blobs) -> None:
        written = [some_bytes(2 * CHUNK_BYTES + 3, seed) for seed in range(6)]
        views = (blobs, others_blobs)
        calls = [
            partial(views[n % 2].write_blob, ANN, "blob_1", in_chunks(data, 99_991)) for n, data in enumerate(written)
        ]
        assert at_once(*calls) == [len(written[0])] * 6
        assert read(blobs) in written

    def test_many_blobs_at_once(self, blobs: Blobs) -> None:
        written = {f"blob_{seed}": some_bytes(CHUNK_BYTES + seed, seed) for seed in range(8)}
        at_once(*[partial(blobs.write_blob, ANN, id, in_chunks(data, 65_537)) for id, data in written.items()])
        assert {id: read(blobs, ANN, id) for id in written} == written


def read(blobs: Blobs, owner: str = ANN, id: str = "blob_1") -> bytes | None:
    """Return the bytes of a blob; None if there is none."""
    try:
        return b"".join(blobs.read_blob(owner, id))
    except NotFound:
        return None
