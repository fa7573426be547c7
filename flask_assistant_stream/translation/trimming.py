"""Select the messages that fit a run's `max_prompt_tokens`: an estimate, because tokenizers differ by upstream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..protocol.events import dump
from ..protocol.objects import Object

BYTES_PER_TOKEN = 4
"""UTF-8 bytes of a token: right for English, cautious for most other languages."""
IMAGE_TOKENS = 1000
"""The count of an image of any size."""


def trim(run: Object, history: Sequence[Object], items: Sequence[Object], used: int = 0) -> Sequence[Object]:
    """Return the newest messages that fit the remaining prompt tokens of a run, oldest first.

    The newest message is always included, even over the budget.

    Args:
        run: its `max_prompt_tokens` covers the whole run.
        used: prompt tokens of its earlier requests.
    """
    limit = run.get("max_prompt_tokens")
    if limit is None:
        return history
    left = limit - used - _tokens(run["instructions"]) - _tokens([*run["tools"], *items])
    first = len(history)
    for message in reversed(history):
        left -= sum(map(_part_tokens, message["content"]))
        if left < 0 and first < len(history):
            break
        first -= 1
    return history[first:]


def _part_tokens(part: Object) -> int:
    return IMAGE_TOKENS if part["type"] in ("image_file", "image_url") else _tokens(part.get("text") or "")


def _tokens(value: Any) -> int:
    if not value:
        return 0
    text = value["value"] if isinstance(value, dict) and "value" in value else value
    size = len(text.encode("utf-8", "replace")) if isinstance(text, str) else len(dump(text))
    return -(-size // BYTES_PER_TOKEN)
