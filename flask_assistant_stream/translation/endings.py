"""The reasons why runs end early, and the errors that clients see."""

from __future__ import annotations

from enum import Enum

from ..protocol.objects import Object


class Ending(Enum):
    """The reason to close a run from outside."""

    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"
    EOF = "eof"
    """The upstream ended, perhaps without its terminal item (spec/servers.md#end-without-a-terminal-event)."""
    INTERRUPTED = "interrupted"
    """The worker of the run has died."""


UNFINISHED = {
    Ending.FAILED: "The upstream failed.",
    Ending.EOF: "The upstream closed the stream before the response was complete.",
    Ending.INTERRUPTED: "The run was interrupted before the response was complete. Send the message again.",
}
"""The message of `last_error` by ending, if the upstream gave none."""

_BUDGET_SPENT = {"reason": "max_completion_tokens"}
INCOMPLETE: dict[str, tuple[str, Object]] = {
    "max_output_tokens": ("max_tokens", _BUDGET_SPENT),
    "content_filter": ("content_filter", {}),  # spec/responses.md#incomplete-responses
}
"""The upstream's reason → the reason of the message, and `incomplete_details` of the run."""
