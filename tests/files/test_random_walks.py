"""Random calls, some of which fail: after each, the upstream has exactly what our records say."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from flask_assistant_stream.errors import AssistantStreamError, StoreError
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.stores.listing import all_records
from tests.files.worlds import ANN, BOB, World

STEPS = 200
SEEDS = range(6)
OWNERS = (ANN, BOB)


class Walk:
    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.threads: dict[str, dict[str, Any]] = {owner: {} for owner in OWNERS}
        self.insert: Callable[..., Any] = world.store.insert

    def ids(self, kind: Kind, owner: str) -> list[str]:
        return [record.id for record in all_records(self.world.store, kind, owner)]

    def pick(self, kind: Kind, owner: str) -> str:
        """Return a random id, mostly one of the owner."""
        whose = owner if self.random.random() < 0.9 else self.random.choice(OWNERS)
        return self.random.choice(self.ids(kind, whose) or ["unknown"])

    def step(self) -> None:
        world, owner, chance = self.world, self.random.choice(OWNERS), self.random.random
        names = ["a.txt", "b.md", "c.html", "d.exe"]
        if world.fake is not None and chance() < 0.25:
            how: Any = self.random.choice([{"status": 500}, {"status": 400}, {"status": 429}, {"how": "nonsense"}])
            routes = ["POST /files", "POST /vector_stores", "POST /vector_stores/{store}/files"]
            routes += ["POST /vector_stores/{store}/file_batches", "GET /vector_stores/{store}/files"]
            world.fake.fail(self.random.choice(routes), **how)
        if chance() < 0.1:
            self.fail_next_insert()
        file_id, store_id = self.pick(Kind.FILE, owner), self.pick(Kind.VECTOR_STORE, owner)
        calls: list[Callable[[], Any]] = [
            lambda: world.upload(self.random.choice(names), owner=owner),
            lambda: world.own(self.random.choice(names), owner=owner),
            lambda: world.vector_store(file_id, self.pick(Kind.FILE, owner), owner=owner),
            lambda: world.files_in(store_id, owner).attach({"file_id": file_id}),
            lambda: world.files_in(store_id, owner).create_batch({"file_ids": [file_id, self.pick(Kind.FILE, owner)]}),
            lambda: world.files_in(store_id, owner).detach(file_id),
            lambda: world.vector_stores.get(owner, store_id),
            lambda: world.resources.own_files(owner),
            lambda: self.attach_message(owner, file_id),
        ]
        if chance() < 0.15:
            calls = [
                lambda: world.files.delete(owner, file_id),
                lambda: world.vector_stores.delete(owner, store_id),
                lambda: self.delete_thread(owner),
            ]
        try:
            self.random.choice(calls)()
        except AssistantStreamError:
            pass
        finally:
            world.store.insert = self.insert
        world.clock.move(self.random.choice([0, 0.3, 2]))

    def fail_next_insert(self) -> None:
        after = self.random.randrange(3)

        def insert(record: Any) -> Any:
            nonlocal after
            after -= 1
            stored = self.insert(record)
            if after == -1:
                raise StoreError("down")
            return stored

        self.world.store.insert = insert

    def attach_message(self, owner: str, file_id: str) -> None:
        tools = [{"type": self.random.choice(["file_search", "code_interpreter"])}]
        attachments = [{"file_id": file_id, "tools": tools}]
        changed = self.world.resources.attach_messages(owner, self.threads[owner], attachments)
        self.threads[owner] = self.threads[owner] if changed is None else changed

    def delete_thread(self, owner: str) -> None:
        resources, self.threads[owner] = self.threads[owner], {}
        self.world.resources.thread_deleted(owner, resources)

    def check(self) -> None:
        """Compare all stored data with the records."""
        world = self.world
        files = [r for owner in OWNERS for r in all_records(world.store, Kind.FILE, owner)]
        stores = [r for owner in OWNERS for r in all_records(world.store, Kind.VECTOR_STORE, owner)]
        members = {
            store.id: sorted(
                m.extra["file_id"] for m in all_records(world.store, Kind.VECTOR_STORE_FILE, store.owner, store.id)
            )
            for store in stores
        }
        known = {file.id for file in files}
        assert {id for ids in members.values() for id in ids} <= known
        assert sorted(file.extra["blob"] for file in files) == world.blobs()
        assert set(world.passages()) <= known
        if world.fake is not None:
            assert set(world.fake.files) == known
            assert {id: sorted(file_ids) for id, file_ids in world.fake.members.items()} == members


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("which", ["local", "upstream"])
def test_no_data_is_orphaned(which: str, seed: int, request: pytest.FixtureRequest) -> None:
    walk = Walk(request.getfixturevalue(f"{which}_world"), seed)
    for _ in range(STEPS):
        walk.step()
        walk.check()
