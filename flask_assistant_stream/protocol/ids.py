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
FILE = "file"
VECTOR_STORE = "vs"
FILE_BATCH = "vsfb"

NewId = Callable[[str], str]

_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTERS = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))


def new_id(prefix: str) -> str:
    """Make an id nobody can guess: 24 characters of 62 kinds are 142 bits."""
    return f"{prefix}_{secrets.token_bytes(24).translate(_LETTERS).decode('ascii')}"
