"""Ids in OpenAI's shape: a prefix, an underscore, 24 characters."""

from __future__ import annotations

import secrets
from collections.abc import Callable

ASSISTANT = "asst"
THREAD = "thread"
MESSAGE = "msg"
RUN = "run"
RUN_STEP = "step"
CALL = "call"

NewId = Callable[[str], str]

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_id(prefix: str) -> str:
    """Make an id nobody can guess: 24 of 62 characters are 142 bits."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(24))
