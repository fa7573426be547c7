"""The SDK face's stream: the events that the Assistants API knows, and no others."""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.dialects import ASSISTANTS
from ..protocol.events import Event
from .base import Wrapper


class WithoutVendorEvents(Wrapper):
    """An encoder without the vendor's events; the numbers of the others stay."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """Return the frames of the events that remain."""
        return self.inner.encode([event for event in events if event.name not in ASSISTANTS.vendor_events])
