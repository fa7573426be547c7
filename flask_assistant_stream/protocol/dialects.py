"""Dialects: the languages that the events of a run may be in. Runs and log rows name theirs.

The log stores and replays events of any dialect. What it must know about their names is in a row of the table. What
Assistants events change in stored objects (`log/projection.py`), and how such a run is ended for its worker
(`runs/takeover.py`), is code: a new dialect needs its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import StoreError
from .events import CONTEXT_SHORTENED, REASONING_DELTA, TITLE_UPDATED


class UnknownDialect(StoreError):
    """A newer version of this library wrote the run. To repeat the call in this process changes nothing."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The run's events are in the dialect '{name}', of a newer version: upgrade the package.")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the names of a run's events mean.

    Attributes:
        name: as stored with a run and its rows; never changes.
        run_endings: terminal events of a run. No numbered event follows.
        pauses: the run waits for its client. A stream ends there if the log has no more events; an answer adds some.
        stream_endings: `run_endings` and `pauses`.
        stored_first: events that the store has before any reader sees them.
        vendor_events: events that the protocol's clients do not know. Only the app's own routes send them.
    """

    name: str
    run_endings: frozenset[str]
    pauses: frozenset[str]
    stream_endings: frozenset[str]
    stored_first: frozenset[str]
    vendor_events: frozenset[str]

    @classmethod
    def of(
        cls, name: str, *, run_endings: set[str], pauses: set[str], stored_first: set[str], vendor_events: set[str]
    ) -> Dialect:
        """Return a dialect; the endings of its streams are stored first, beside `stored_first`."""
        endings = frozenset(run_endings | pauses)
        return cls(
            name,
            frozenset(run_endings),
            frozenset(pauses),
            endings,
            endings | stored_first,
            frozenset(vendor_events),
        )


ASSISTANTS = Dialect.of(
    "assistants",
    run_endings={f"thread.run.{status}" for status in ("completed", "incomplete", "failed", "cancelled", "expired")},
    pauses={"thread.run.requires_action"},
    stored_first={"thread.message.completed", "thread.message.incomplete"},
    vendor_events={TITLE_UPDATED, REASONING_DELTA, CONTEXT_SHORTENED},
)
"""The events of the Assistants API (`spec/assistants.md#event-order`)."""

DIALECTS = {ASSISTANTS.name: ASSISTANTS}


def dialect_of(name: str) -> Dialect:
    """Return a dialect by its name; UnknownDialect if it is not in the table."""
    try:
        return DIALECTS[name]
    except KeyError:
        raise UnknownDialect(name) from None
