"""Dialects: the languages that the events of a run may be in, and what the names of events mean in each."""

from __future__ import annotations

from dataclasses import dataclass, field

from .events import RUN_ENDINGS, STORED_FIRST, STREAM_ENDINGS, VENDOR_EVENTS


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the log must know about the names of a run's events."""

    name: str


ASSISTANTS = Dialect("assistants")
