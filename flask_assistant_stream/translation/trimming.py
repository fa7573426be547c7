"""Select the messages that fit a run's `max_prompt_tokens`: an estimate, because tokenizers differ by upstream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..protocol.objects import Object
from .past_messages import PastMessage, past_message, tokens_of

M = TypeVar("M", Object, PastMessage)


def trim(run: Object, history: Sequence[M], items: Sequence[Object], used: int = 0) -> Sequence[M]:
    """Return the newest messages that fit the remaining prompt tokens of a run, oldest first.

    The newest message is always included, even over the budget.

    Args:
        run: its `max_prompt_tokens` covers the whole run.
        history: messages as stored or as sent.
        used: prompt tokens of its earlier requests.
    """
    limit = run.get("max_prompt_tokens")
    if limit is None:
        return history
    left = limit - used - tokens_beside(run, items)
    first = len(history)
    for message in reversed(history):
        left -= _tokens(message)
        if left < 0 and first < len(history):
            break
        first -= 1
    return history[first:]


def tokens_beside(run: Object, items: Sequence[Object]) -> int:
    """Estimate the tokens of a request beside its messages: instructions, tools, outputs of the run."""
    return tokens_of(run["instructions"]) + tokens_of([*run["tools"], *items])


def _tokens(message: Object | PastMessage) -> int:
    past = message if isinstance(message, PastMessage) else past_message(message)
    return 0 if past is None else past.tokens
