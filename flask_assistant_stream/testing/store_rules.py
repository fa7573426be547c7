"""Stores against `stores/rules.py`: random changes of a run and of objects leave what the pure functions say."""

# ruff: noqa: D102 (the name of a test is its description)

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from ..protocol.ids import new_id
from ..protocol.run_states import RUN_ACTIVE, RunStatus
from ..stores.base import Kind, Projection, Record, RunRecord, Store, ThreadRecord
from ..stores.rules import Lease, RunUpdate, cancellation, claim, projected_object, projected_run, renewal
from .store_material import ANN, BOB, StoreFixtures, a_message, a_start, changed

SEEDS = pytest.mark.parametrize("seed", range(3))
STEPS = 40
ACTIVE = sorted(status.value for status in RUN_ACTIVE)
ENDED = sorted(status.value for status in RunStatus if status not in RUN_ACTIVE)
TIMES = (10.0, 20.0, 30.0, 40.0)
OBJECTS = (Kind.MESSAGE, Kind.RUN_STEP)


def change(chosen: random.Random, store: Store, held: RunRecord) -> tuple[RunUpdate, object]:
    """Change a run as a worker does that read it as `held`; return the rule's change and the result of the call."""
    due_at, if_due = chosen.choice(TIMES), chosen.choice([None, *TIMES])
    what = chosen.choices(["claim", "renew", "cancel", "project"], [3, 3, 1, 5])[0]
    if what == "claim":
        extra = chosen.choice([None, {"$a.b": "$epoch"}])
        return claim(held, due_at, if_due, extra), store.claim(held, due_at=due_at, if_due=if_due, extra=extra)
    if what == "renew":
        store.renew([("run_unknown", 1), (held.id, held.epoch)], due_at)
        return renewal(held.id, held.epoch, due_at), None
    if what == "cancel":
        return cancellation(held.id, due_at), store.request_cancel(ANN, held.id, due_at=due_at)
    changes: dict[str, Any] = {}
    if chosen.random() < 0.7:
        status = chosen.choice(ENDED if chosen.random() < 0.1 else ACTIVE)
        changes = {**changed(held, status), "usage": {"total_tokens": chosen.randint(0, 9)}}
    state = chosen.choice([None, {}, {"$calls": [chosen.randint(0, 9)]}])
    projection = Projection(held, (), (), changes, if_due, chosen.randint(0, 9), state)
    store.project([projection])
    return projected_run(projection), None


def after_change(run: RunRecord, update: RunUpdate) -> RunRecord:
    """Return a run after a change that it allows."""
    lease = update.applied(Lease.of(run))
    return replace(
        run,
        body={**run.body, **update.body, "status": lease.status},
        extra={**run.extra, **update.extra},
        epoch=lease.epoch,
        due_at=lease.due_at,
        cancel_requested=lease.cancel_requested,
        active=lease.active,
        last_seq=lease.last_seq,
        state=run.state if update.state is None else update.state,
    )


def a_version(chosen: random.Random, kind: Kind, id: str, run: RunRecord, parent: str) -> Record:
    """Return some version of an object, each in another place; some without metadata."""
    body = {**a_message(run, str(chosen.random())).body, "id": id, "metadata": {"new": "$owner"}}
    if chosen.random() < 0.3:
        del body["metadata"]
    extra = {"x": chosen.random()}
    return Record(kind, ANN, body, parent, run.position + chosen.randint(1, 99), extra)


class RuleSuite(StoreFixtures):
    """Each step of a random walk is made by the store and by a rule."""

    @SEEDS
    def test_a_run_changes_as_the_rules_say(self, store: Store, other: Store, thread: ThreadRecord, seed: int) -> None:
        chosen = random.Random(seed)
        seen = [store.start(a_start(thread, "Hello", due_at=chosen.choice(TIMES)))]
        for step in range(STEPS):
            before, worker = seen[-1], chosen.choice([store, other])
            update, returned = change(chosen, worker, chosen.choice(seen[-3:]))
            allowed = update.allowed(Lease.of(before))
            after = after_change(before, update) if allowed else before
            assert other.get(Kind.RUN, ANN, before.id) == after, f"seed {seed}, step {step}: {update}"
            if update.claims or update.cancels:
                assert returned == (after if allowed or update.cancels else None)
            assert ([after] if after.active else []) == store.due(1e12)
            seen.append(after)
            if not after.active and chosen.random() < 0.5:
                seen = [store.start(a_start(thread, due_at=chosen.choice(TIMES)))]

    @SEEDS
    @pytest.mark.parametrize("kind", OBJECTS, ids=["message", "step"])
    def test_objects_are_replaced_as_the_rules_say(
        self, store: Store, other: Store, run: RunRecord, kind: Kind, seed: int
    ) -> None:
        """Between edits and deletions by the client, and versions of another owner."""
        chosen = random.Random(seed)
        id, parent = new_id("msg"), run.parent if kind is Kind.MESSAGE else run.id
        stored: Record | None = None
        stored_seq = 0
        for step in range(STEPS):
            worker, edits = chosen.choice([store, other]), chosen.random() < 0.3
            if edits and stored is not None:
                if chosen.random() < 0.4:
                    worker.delete(kind, ANN, id)
                    stored, stored_seq = None, 0
                else:
                    body, extra = {"metadata": {"step": str(step)}}, {"step": step}
                    stored = worker.update(kind, ANN, id, body=body, extra=extra)
            else:
                new, seq = a_version(chosen, kind, id, run, parent), chosen.randint(1, 12)
                if stored is not None and chosen.random() < 0.2:
                    new = replace(new, owner=BOB)
                worker.project([Projection(run, (new,), (seq,))])
                version = projected_object(new, seq, stored, stored_seq)
                if version is not None:
                    stored, stored_seq = version, seq
            assert other.find(kind, ANN, id) == store.find(kind, ANN, id) == stored, f"seed {seed}, step {step}"
            assert store.find(kind, BOB, id) is None
