"""Ids in OpenAI's shape: a prefix, an underscore, 24 characters."""

from __future__ import annotations

import hashlib
import re
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
LINE = "line"

MAX_CHARS = 128
_SEGMENT = re.compile(rf"(?!\.{{1,2}}\Z)[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff/\\?#%;]{{1,{MAX_CHARS}}}")

_LINE = re.compile(rf"{LINE}_(0|[1-9][0-9]{{0,14}})")

NewId = Callable[[str], str]

_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTERS = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))


def is_segment(id: str) -> bool:
    """Return whether an id can be one segment of a URL's path, and leads nowhere else."""
    return _SEGMENT.fullmatch(id) is not None


def line_id(number: int) -> str:
    """Return the id of a line of a thread."""
    return f"{LINE}_{number}"


def line_number(id: str) -> int | None:
    """Return the number of a line by its id; None if no line can have this id."""
    match = _LINE.fullmatch(id)
    return int(match[1]) if match else None


def derived_id(prefix: str, *parts: str) -> str:
    """Derive an id from texts: equal texts have equal ids."""
    text = "".join(f"{len(part)}/{part}" for part in (prefix, *parts))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:24]
    return f"{prefix}_{digest.translate(_LETTERS).decode('ascii')}"


def new_id(prefix: str) -> str:
    """Return a random id: 24 characters of 62 kinds, 142 bits."""
    return f"{prefix}_{secrets.token_bytes(24).translate(_LETTERS).decode('ascii')}"
