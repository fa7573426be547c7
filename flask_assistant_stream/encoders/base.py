"""What an encoder is: made per response, deterministic, events in, bytes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from ..protocol.events import Event


class Encoder(ABC):
    """One stream format.

    Attributes:
        name: what `?format=` calls it.
        media_type: what `Accept` calls it.
        content_type: the response header.
        heartbeat: bytes that every decoder of this format skips (`spec/assistants.md#heartbeats`).
    """

    name: ClassVar[str]
    media_type: ClassVar[str]
    content_type: ClassVar[str]
    heartbeat: ClassVar[bytes]

    @abstractmethod
    def encode(self, events: Sequence[Event]) -> bytes:
        """Return the frames of some consecutive events, or of some that all have no number."""

    def end(self) -> bytes:
        """Return what closes the stream; empty where the format has nothing for it."""
        return b""
