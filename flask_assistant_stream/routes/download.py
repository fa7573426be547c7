"""File downloads, with headers that let a browser save the bytes and nothing else."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

from flask import Response

from ..errors import AssistantStreamError
from ..files.files import FileContent
from . import request_log

logger = logging.getLogger(__name__)

HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "sandbox",
    "X-Content-Type-Options": "nosniff",
}
_ATTR_CHARS = "!#$&+-.^_`|~"
"""Characters that RFC 8187 does not escape, beside letters and digits."""


def download(content: FileContent) -> Response:
    """Return a response that reads the file while it is sent."""
    response = Response(_chunks(content, request_log.current().extra), headers=HEADERS)
    response.headers["Content-Type"] = content.content_type  # unchanged: the charset of a text is unknown
    response.headers["Content-Disposition"] = disposition(content.filename)
    response.content_length = content.size
    return response


def disposition(filename: str) -> str:
    """Return the header with the file's name, and with an ASCII name for old clients."""
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    plain = "".join(char if char.isprintable() and char not in '"\\%' else "_" for char in plain).strip()
    stem, dot, end = plain.rpartition(".") if "." in plain else (plain, "", "")
    fallback = plain if stem.strip("._ ") else f"file{dot}{end}"
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHARS)}"


def _chunks(content: FileContent, extra: dict[str, str]) -> Iterator[bytes]:
    """Yield the bytes. On an error the body just ends; the client sees that by `Content-Length`."""
    try:
        yield from content.chunks
    except AssistantStreamError as error:
        logger.warning("download broken off: %s [%s]", error.message, request_log.readable(extra), extra=extra)
