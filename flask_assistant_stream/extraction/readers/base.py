"""What all readers share."""

from __future__ import annotations

import re

from ...errors import RequestError


def invalid(message: str, *, code: str = "invalid_file") -> RequestError:
    """Return the error of a file that cannot be read."""
    return RequestError(message, param="file", code=code)


def paragraphs(text: str) -> str:
    """Return lines with single spaces and at most one empty line between them."""
    lines = "\n".join(" ".join(line.split()) for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip()
