"""Why runs end that do not complete, and what is told of it."""

from __future__ import annotations

from enum import Enum

from ..protocol.objects import Object


class Ending(Enum):
    """Why a run is closed from outside."""

    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"
    EOF = "eof"
    """The upstream ended, perhaps without its terminal item (`spec/servers.md#end-without-a-terminal-event`)."""
    INTERRUPTED = "interrupted"
    """The worker that had the run is gone."""


UNFINISHED = {
    Ending.FAILED: "The upstream failed.",
    Ending.EOF: "The upstream ended before its answer was complete.",
    Ending.INTERRUPTED: "The run was interrupted before its answer was complete; the message may be sent again.",
}
"""What `last_error` says of a run that failed by an ending, where nothing better is known."""

_BUDGET_SPENT = {"reason": "max_completion_tokens"}
INCOMPLETE: dict[str, tuple[str, Object]] = {
    "max_output_tokens": ("max_tokens", _BUDGET_SPENT),
    "content_filter": ("content_filter", {}),  # see `spec/responses.md#incomplete-responses`
}
"""`incomplete_details` of a message (the reason) and of the run, by the upstream's reason."""
