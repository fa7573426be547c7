"""Readers of the host: functions that the setting `ASSISTANT_EXTRACTORS` names, imported where files are read."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from typing import BinaryIO

from ...errors import AssistantStreamError
from .base import Notes, Reader, invalid


def reader_of(kind: str, reference: str) -> Reader:
    """Return a reader that calls `module:function` with the file; the function returns its text.

    An error of the function becomes that of the file, with the name of its class only: its text is the host's. A
    `RequestError` passes with its message.
    """

    def read(content: BinaryIO, _: Notes) -> Iterator[str]:
        try:
            text = pkgutil.resolve_name(reference)(content)
        except (AssistantStreamError, MemoryError):
            raise
        except (Exception, SystemExit) as error:
            raise invalid(f"The app's own reader of .{kind} files has failed ({type(error).__name__}).") from error
        if not isinstance(text, str):
            raise invalid(f"The app's own reader of .{kind} files returned {type(text).__name__} instead of a string.")
        yield text

    return read
