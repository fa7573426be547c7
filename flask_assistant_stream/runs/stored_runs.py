"""Runs as the store has them."""

from __future__ import annotations

from ..stores.base import Kind, RunRecord, Store


def find_run(store: Store, owner: str, run_id: str) -> RunRecord | None:
    """Return a run, or None if it does not exist."""
    run = store.find(Kind.RUN, owner, run_id)
    assert run is None or isinstance(run, RunRecord)
    return run


def active_run(store: Store, owner: str, thread_id: str) -> RunRecord | None:
    """Return the active run of a thread, which is its newest one, or None."""
    for run in store.list(Kind.RUN, owner, parent=thread_id, limit=1).records:
        if isinstance(run, RunRecord) and run.active:
            return run
    return None
