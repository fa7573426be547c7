"""Names of files: safe to show, to store and to offer for download."""

from __future__ import annotations

import unicodedata

MAX_CHARS = 255


def base_name(name: str) -> str:
    """Return what of a name is safe: without path, control characters and surrogates, NFC, at most 255 characters.

    Empty where nothing is left, and for `.` and `..`.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(char for char in last if unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"))
    kept = unicodedata.normalize("NFC", kept).strip()
    if len(kept) > MAX_CHARS:
        stem, dot, end = kept.rpartition(".")
        kept = stem[: MAX_CHARS - len(end) - 1] + dot + end if stem and len(end) <= 16 else kept[:MAX_CHARS]
    return "" if kept in (".", "..") else kept
