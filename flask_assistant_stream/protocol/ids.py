"""Ids in OpenAI's shape: a prefix, an underscore, 24 characters."""

from __future__ import annotations

import hashlib
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


def derived_id(prefix: str, *parts: str) -> str:
    """Derive an id from texts: equal texts have equal ids."""
    text = "".join(f"{len(part)}/{part}" for part in (prefix, *parts))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:24]
    return f"{prefix}_{digest.translate(_LETTERS).decode('ascii')}"


def new_id(prefix: str) -> str:
    """Return a random id: 24 characters of 62 kinds, 142 bits."""
    return f"{prefix}_{secrets.token_bytes(24).translate(_LETTERS).decode('ascii')}"
