"""The bytes and the names of files that an upstream's tool has generated.

Bytes are never fetched from a URL that an upstream names: it could be inside the host's network.
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from ..errors import NotFound, RequestError, TooLarge
from ..protocol.generated_files import GeneratedFile
from ..storages.base import Storage
from ..stores.capabilities import CHUNK_BYTES

MAX_NAME_CHARS = 255


def read_chunks(file: GeneratedFile, storage: Storage, max_bytes: int) -> Iterator[bytes]:
    """Return the bytes of a generated file, at most `max_bytes`.

    Raises:
        NotFound: the file names no place that they can be read from.
        TooLarge: there are more; also while iterating.
        RequestError: `data` cannot be decoded.
        UpstreamError: the upstream fails; also while iterating.
    """
    data = file.data
    if data is None and file.url is not None and file.url[:5].lower() == "data:":
        data = file.url
    if data is not None:
        return _limited(iter([_decoded(data, max_bytes)]), max_bytes)
    if file.container_id is not None:
        return _limited(storage.container_file(file.container_id, file.upstream_id or file.file_id), max_bytes)
    raise NotFound("URLs are not fetched" if file.url else "the upstream named no container, data or URL")


def safe_name(name: str) -> str:
    """Return the safe part of a file name: no path, control characters or surrogates; NFC; at most 255 characters.

    The result is empty if nothing is left, and for `.` and `..`.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    safe = "".join(char for char in last if unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"))
    safe = unicodedata.normalize("NFC", safe).strip()
    if len(safe) > MAX_NAME_CHARS:
        stem, dot, end = safe.rpartition(".")
        safe = stem[: MAX_NAME_CHARS - len(end) - 1] + dot + end if stem and len(end) <= 16 else safe[:MAX_NAME_CHARS]
    return "" if safe in (".", "..") else safe


def _limited(chunks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"the limit is {max_bytes} bytes")
        for start in range(0, len(chunk), CHUNK_BYTES):
            yield chunk[start : start + CHUNK_BYTES]


def _decoded(data: str, max_bytes: int) -> bytes:
    """Decode a `data:` URL or plain base64."""
    head, text = "base64", data
    if data[:5].lower() == "data:":
        head, comma, text = data[5:].partition(",")
        if not comma:
            raise RequestError("the data: URL has no data")
    if len(text) > 4 * max_bytes + 1024:  # percent-encoding takes three characters a byte, base64 less than two
        raise TooLarge(f"the limit is {max_bytes} bytes")
    if not head.lower().rstrip().endswith("base64"):
        return unquote_to_bytes(text)
    try:
        compact = "".join(text.split())
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("the data is not base64") from None
