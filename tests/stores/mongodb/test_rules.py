"""The server evaluates what the rules decide: the same changes, for whatever is stored."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from flask_assistant_stream.protocol.run_states import RUN_ACTIVE, RunStatus
from flask_assistant_stream.stores.base import Kind, Projection, Record, RunRecord, Store
from flask_assistant_stream.stores.mongodb.documents import Document, to_document
from flask_assistant_stream.stores.mongodb.runs import update_run, update_runs
from flask_assistant_stream.stores.mongodb.schema import MESSAGES, RUNS, Db
from flask_assistant_stream.stores.rules import (
    Due,
    Lease,
    RunUpdate,
    cancellation,
    claim,
    projected_object,
    projected_run,
    renewal,
)
from flask_assistant_stream.testing.store_material import ANN, BOB, a_message, a_start, a_thread, changed

ACTIVE = sorted(status.value for status in RUN_ACTIVE)
STATUSES = [status.value for status in RunStatus]
TIMES = (1.0, 2.0, 3.0)
MANY = 100


@pytest.fixture
def chosen() -> Iterator[random.Random]:
    seed = random.randrange(1 << 32)
    yield random.Random(seed)
    print("seed", seed)  # shown if the test fails


def a_run(chosen: random.Random) -> RunRecord:
    run = a_start(a_thread()).run
    return replace(
        run,
        body={**run.body, "status": chosen.choice(STATUSES)},
        extra={"kept": "$owner"},
        epoch=chosen.randint(1, 2),
        due_at=chosen.choice(TIMES),
        cancel_requested=chosen.random() < 0.3,
        active=chosen.random() < 0.8,
        last_seq=chosen.randint(0, 3),
        state=chosen.choice([None, {"old": True}]),
    )


def an_update(chosen: random.Random, run: RunRecord) -> RunUpdate:
    epoch, due_at = chosen.randint(1, 2), chosen.choice(TIMES)
    seen = replace(run, epoch=epoch, body={**run.body, "status": chosen.choice([run.body["status"], *STATUSES])})
    due = chosen.choice([None, due_at])
    changes: dict[str, Any] = changed(run, chosen.choice(ACTIVE + STATUSES)) if chosen.random() < 0.7 else {}
    state = chosen.choice([None, {"$new": "$body"}])
    return chosen.choice(
        [
            claim(seen, due_at, due, chosen.choice([None, {"$a.b": "$epoch"}])),
            renewal(run.id, epoch, due_at),
            cancellation(run.id, due_at),
            projected_run(Projection(seen, changes=changes, due_at=due, last_seq=chosen.randint(0, 4), state=state)),
            RunUpdate(run.id, due_at=due, due=chosen.choice([*Due]), cancels=chosen.random() < 0.5),
        ]
    )


def after(run: RunRecord, update: RunUpdate) -> RunRecord:
    """Return what the rules make of a run."""
    if not update.allowed(Lease.of(run)):
        return run
    lease = update.applied(Lease.of(run))
    return replace(
        run,
        body={**run.body, **update.body},
        extra={**run.extra, **update.extra},
        epoch=lease.epoch,
        due_at=lease.due_at,
        cancel_requested=lease.cancel_requested,
        active=lease.active,
        last_seq=lease.last_seq,
        state=run.state if update.state is None else update.state,
    )


def test_runs_change_as_the_rules_say(store: Store, db: Db, chosen: random.Random) -> None:
    store.open()
    runs = [a_run(chosen) for _ in range(MANY)]
    db[RUNS].insert_many([to_document(run) for run in runs])
    updates = [an_update(chosen, run) for run in runs]
    update_runs(db, updates)
    expected = {run.id: after(run, update) for run, update in zip(runs, updates, strict=True)}
    stored = store.get_many(Kind.RUN, ANN, expected)
    assert stored == expected
    assert 0 < sum(stored[run.id] == run for run in runs) < MANY
    for run in [*expected.values()][:20]:  # the same by itself, which says whether it was allowed
        update = an_update(chosen, run)
        allowed = update.allowed(Lease.of(run))
        assert update_run(db, BOB, update) is None
        assert update_run(db, ANN, update) == (after(run, update) if allowed else None)
        assert store.get(Kind.RUN, ANN, run.id) == after(run, update)


def test_objects_are_replaced_as_the_rules_say(store: Store, db: Db, chosen: random.Random) -> None:
    thread = store.insert(a_thread())
    run = store.start(a_start(thread))
    expected: dict[str, Record] = {}
    versions: list[tuple[Record, int]] = []
    documents: list[Document] = []
    for number in range(MANY):
        line, seq = chosen.choice([0, run.position]), chosen.randint(1, 3)
        new = replace(a_message(thread, "$owner", metadata={"new": "$a"}), position=number + 1, line=line)
        stored, stored_seq = None, chosen.randint(0, 3)
        if chosen.random() < 0.8:
            body = {**new.body, "content": [], "metadata": {"kept": "yes"}}
            if chosen.random() < 0.2:
                del body["metadata"]
            owner, line = chosen.choice([ANN, ANN, BOB]), chosen.choice([0, 7])
            stored = replace(new, owner=owner, body=body, position=9, extra={"x": 1}, line=line)
            documents.append({**to_document(stored), "seq": stored_seq})
        versions.append((new, seq))
        left = projected_object(new, seq, stored, stored_seq) or stored
        assert left is not None
        expected[new.id] = left
    db[MESSAGES].insert_many(documents)
    objects, seqs = zip(*versions, strict=True)
    store.project([Projection(run, objects, seqs, last_seq=3)])
    found = {owner: store.get_many(Kind.MESSAGE, owner, expected) for owner in (ANN, BOB)}
    assert found == {
        owner: {id: record for id, record in expected.items() if record.owner == owner} for owner in (ANN, BOB)
    }
