"""File downloads, with headers that let a browser save the bytes and nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import quote

from flask import Response

from ..errors import AssistantStreamError
from ..files.files import FileContent
from ..loggers import logger_of
from . import request_log

logger = logger_of(__name__)

HEADERS = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-site",  # a front-end of this machine on another port may show images
    "X-Content-Type-Options": "nosniff",
}
KEPT = {
    *("application/json", "application/msword", "application/pdf", "application/rtf", "application/zip"),
    *("application/vnd.ms-excel", "application/vnd.ms-powerpoint"),
    *("text/csv", "text/markdown", "text/plain"),
}
"""Types that no browser executes, beside pictures, sounds, films and office documents."""
KEPT_FAMILIES = (
    *("image/", "audio/", "video/"),
    *("application/vnd.oasis.opendocument.", "application/vnd.openxmlformats-officedocument."),
)
TEXT, BYTES = "text/plain", "application/octet-stream"
SCRIPTS = ("javascript", "ecmascript", "jscript", "livescript", "/xml")
JOINERS = "\u200c\u200d"
_LONE_JOINER = re.compile(rf"(?<![^\x00-\x7f{JOINERS}])[{JOINERS}]+|[{JOINERS}]+(?![^\x00-\x7f{JOINERS}])")
_ATTR_CHARS = "!#$&+-.^_`|~"
"""Characters that RFC 8187 does not escape, beside letters and digits."""


def download(content: FileContent) -> Response:
    """Return a response that reads the file while it is sent."""
    response = Response(_chunks(content, request_log.current().extra), headers=HEADERS)
    response.headers["Content-Type"] = inert_type(content.content_type)  # the charset of a text is unknown
    response.headers["Content-Disposition"] = disposition(content.filename)
    response.content_length = content.size
    return response


def inert_type(content_type: str) -> str:
    """Return the type of a file, or a plain one for scripts, styles, documents and all that a browser might execute.

    A page's own policy allows scripts of its origin, so a file must not be one, whatever its owner has called it.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in KEPT or (kind.startswith(KEPT_FAMILIES) and not kind.endswith("+xml")):
        return content_type
    return TEXT if kind.startswith("text/") or kind.endswith(SCRIPTS) else BYTES


def disposition(filename: str) -> str:
    """Return the header with the file's name, and with an ASCII name for old clients."""
    filename = visible_name(filename)  # of an old upload, or from the upstream
    plain = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    plain = "".join(char if char.isprintable() and char not in '"\\%' else "_" for char in plain).strip()
    stem, dot, end = plain.rpartition(".") if "." in plain else (plain, "", "")
    fallback = plain if stem.strip("._ ") else f"file{dot}{end}"
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHARS)}"


def visible_name(filename: str) -> str:
    """Return a name without format characters, which can hide its ending: bidirectional controls, zero widths, tags.

    A joiner stays between characters that are not ASCII: emoji and some scripts need it.
    """
    visible = "".join(char for char in filename if char in JOINERS or unicodedata.category(char) != "Cf")
    return _LONE_JOINER.sub("", visible)


def _chunks(content: FileContent, extra: dict[str, str]) -> Iterator[bytes]:
    """Yield the bytes. On an error the body just ends; the client sees that by `Content-Length`."""
    try:
        yield from content.chunks
    except AssistantStreamError as error:
        logger.warning("download broken off: %s [%s]", error.message, request_log.readable(extra), extra=extra)
