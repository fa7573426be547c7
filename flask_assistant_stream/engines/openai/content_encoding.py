"""Decode a compressed body piece by piece, with a bounded output of each piece. Pure.

The engine requests no compression; some gateways compress in any case.
"""

from __future__ import annotations

import zlib

from ...errors import EngineError

PIECE_BYTES = 262_144
"""The largest output of one piece: a small input may hold a gigabyte."""
_GZIP = frozenset(("gzip", "x-gzip"))


class Inflater:
    """Decodes gzip and deflate, with or without the header of zlib.

    Attributes:
        ended: the compressed data is complete.
    """

    def __init__(self, encoding: str) -> None:
        self.ended = False
        self._gzip = encoding in _GZIP
        self._inflate: zlib._Decompress | None = None
        self._rest = b""

    @property
    def pending(self) -> bool:
        """Whether input is left that the limit of a piece held back."""
        return bool(self._rest)

    def feed(self, data: bytes) -> bytes:
        """Return the next piece of the decoded text, at most `PIECE_BYTES`; it may be empty.

        Raises:
            zlib.error: the data is damaged.
        """
        data = self._rest + data
        if not data:
            return b""
        if self._inflate is None or self._inflate.eof:  # a file of gzip may have several members
            self._inflate = zlib.decompressobj(self._window_bits(data))
        piece = self._inflate.decompress(data, PIECE_BYTES)
        self._rest = self._inflate.unconsumed_tail or self._inflate.unused_data
        self.ended = self._inflate.eof
        return piece

    def _window_bits(self, data: bytes) -> int:
        if self._gzip:
            return 16 + zlib.MAX_WBITS
        return zlib.MAX_WBITS if data[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS


def inflater_of(encoding: str) -> Inflater | None:
    """Return the decoder for a `Content-Encoding`, or None if the body is not compressed.

    Raises:
        EngineError: the encoding is unknown; the message names it.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding in (*_GZIP, "deflate"):
        return Inflater(encoding)
    message = (
        f"The upstream compressed its response with {encoding[:32]!r}, which was not requested and cannot be read."
    )
    raise EngineError(message, detail=f"{message} Turn compression off at the upstream, or at the proxy before it.")
