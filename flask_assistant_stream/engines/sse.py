"""Decode server-sent events: bytes in, `data` payloads out. Pure."""

from __future__ import annotations

from ..errors import EngineError

_SMALL = 8192
"""Bytes of an event that are joined with each next piece, without a search for its end."""
_BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 32 * 2**20
"""Limit of one event, so that an endless one does not fill the memory. The largest are images."""


class SSEDecoder:
    """Cut a byte stream into the `data` of its events, independent of how the bytes arrive.

    Field names other than `data` are skipped: the JSON names its own type, and several servers send no `event:`
    line (`spec/servers.md#dispatch-on-type`). Lines end in LF, CRLF or CR, also mixed.

    Attributes:
        silent: number of blocks without data so far (comments sent as heartbeats).
    """

    __slots__ = ("_after_cr", "_held", "_size", "silent")

    def __init__(self) -> None:
        self.silent = 0
        self._held: list[bytes] = []
        self._size = 0
        self._after_cr = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads of the events that `data` completes.

        Raises:
            EngineError: an event is over `MAX_EVENT_BYTES`.
        """
        if self._after_cr or b"\r" in data:
            data = self._with_line_feeds(data)
        held = self._held
        if held:
            ends = self._size <= _SMALL or b"\n\n" in data or (data.startswith(b"\n") and held[-1].endswith(b"\n"))
            if not ends:
                self._hold(data)  # joined once, when the event ends: an event may arrive in any number of pieces
                return []
            data = held[0] + data if len(held) == 1 else b"".join([*held, data])
            held.clear()
            self._size = 0
        *blocks, rest = data.split(b"\n\n")
        if rest:
            self._hold(rest)
        payloads = [payload for block in blocks if block and (payload := _payload(block))]
        self.silent += len(blocks) - len(payloads)
        return payloads

    def end(self) -> list[bytes]:
        """Return the payload of a last event that lacks its blank line, if any."""
        payload = _payload(b"".join(self._held))
        self._held.clear()
        return [payload] if payload else []

    def _hold(self, data: bytes) -> None:
        if data:
            self._held.append(data)
            self._size += len(data)
        if self._size > MAX_EVENT_BYTES:
            raise EngineError(f"The upstream sent an event of more than {MAX_EVENT_BYTES} bytes.")

    def _with_line_feeds(self, data: bytes) -> bytes:
        """Replace CRLF and CR by LF; a CR at the end counts at once, an LF after it does not."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _payload(block: bytes) -> bytes:
    """Join the `data` lines of one event; empty without data."""
    head, mark, payload = block.partition(b"\ndata: ")
    if mark and b"\n" not in payload and head.startswith(b"event:") and b"\n" not in head:
        return payload  # the usual event: two lines
    lines = [line[5:] for line in block.removeprefix(_BOM).split(b"\n") if line.startswith(b"data:")]
    return b"\n".join([line.removeprefix(b" ") for line in lines])
