"""Where the bytes of a file come from that a tool of the upstream has made.

Nothing is fetched from an address that an upstream names: it could be one inside the host's network.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from ..errors import NotFound, RequestError, TooLarge
from ..protocol.generated_files import GeneratedFile
from ..storages.base import Storage
from ..stores.capabilities import CHUNK_BYTES


def chunks_of(made_file: GeneratedFile, storage: Storage, max_bytes: int) -> Iterator[bytes]:
    """Return the bytes of a made file, at most `max_bytes`.

    Raises:
        NotFound: they are nowhere that may be asked.
        TooLarge: they are too many; while iterating, too.
        RequestError: `data` cannot be decoded.
        UpstreamError: the upstream does not give them; while iterating, too.
    """
    data = made_file.data
    if data is None and made_file.url is not None and made_file.url[:5].lower() == "data:":
        data = made_file.url
    if data is not None:
        return _bounded(iter([_decoded(data, max_bytes)]), max_bytes)
    if made_file.container_id is not None:
        upstream_id = made_file.upstream_id or made_file.file_id
        return _bounded(storage.container_file(made_file.container_id, upstream_id), max_bytes)
    raise NotFound("addresses are not fetched" if made_file.url else "the upstream did not say where they are")


def _bounded(chunks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"it has more than {max_bytes} bytes")
        for start in range(0, len(chunk), CHUNK_BYTES):
            yield chunk[start : start + CHUNK_BYTES]


def _decoded(data: str, max_bytes: int) -> bytes:
    """Decode a `data:` URL or plain base64."""
    head, text = "base64", data
    if data[:5].lower() == "data:":
        head, comma, text = data[5:].partition(",")
        if not comma:
            raise RequestError("its data: URL has no data")
    if len(text) > 4 * max_bytes + 1024:  # percent-encoding takes three characters a byte, base64 less than two
        raise TooLarge(f"it has more than {max_bytes} bytes")
    if not head.lower().rstrip().endswith("base64"):
        return unquote_to_bytes(text)
    try:
        compact = "".join(text.split())
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("its data is not base64") from None
