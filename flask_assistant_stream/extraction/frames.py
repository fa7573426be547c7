"""The pipe between a worker and its extraction process: frames, each behind its length; an empty one ends a series."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

_LENGTH_BYTES = 4


def write_frame(pipe: IO[bytes], data: bytes) -> None:
    """Write one frame; the caller flushes."""
    pipe.write(len(data).to_bytes(_LENGTH_BYTES, "big"))
    pipe.write(data)


def write_series(pipe: IO[bytes], frames: Iterable[bytes]) -> None:
    """Write frames, none of them empty, and the end of their series."""
    for data in frames:
        write_frame(pipe, data)
    write_frame(pipe, b"")
    pipe.flush()


def read_frame(pipe: IO[bytes], limit: int) -> bytes:
    """Return the next frame.

    Raises:
        EOFError: the pipe has ended.
        ValueError: the frame has more than `limit` bytes.
    """
    length = int.from_bytes(_exactly(pipe, _LENGTH_BYTES), "big")
    if length > limit:
        raise ValueError(f"a frame of {length} bytes")
    return _exactly(pipe, length)


def read_series(pipe: IO[bytes], limit: int) -> Iterator[bytes]:
    """Yield the frames of a series, `limit` bytes in total at most; the errors are those of `read_frame`."""
    while data := read_frame(pipe, limit):
        yield data
        limit -= len(data)


def pack(value: Any) -> bytes:
    """Return a JSON value as the data of a frame; lone surrogates pass."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def unpack(data: bytes) -> Any:
    """Return the JSON value of a frame."""
    return json.loads(data.decode("utf-8", "surrogatepass"))


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    data = pipe.read(length) if length else b""
    if len(data) != length:
        raise EOFError
    return data
