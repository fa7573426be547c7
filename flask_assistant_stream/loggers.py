"""The loggers of this package: one record is one line, whatever a client, an upstream or a model has put into it."""

from __future__ import annotations

import logging
import traceback

EXTRAS = ("request_id", "owner", "thread_id", "run_id", "method", "route")
"""The attributes that records have beside the standard ones; a host's format may print them."""
INDENT = "    "


class Lines(str):
    """Text of this process that may have several lines, such as a stack."""

    __slots__ = ()


def logger_of(name: str) -> logging.Logger:
    """Return a logger whose records are escaped before any handler gets them."""
    logger = logging.getLogger(name)
    if _escape_record not in logger.filters:
        logger.addFilter(_escape_record)
    return logger


def escaped(text: str) -> str:
    """Return a text with its control and format characters, line separators and lone surrogates as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _escape_record(record: logging.LogRecord) -> bool:
    """Escape the arguments, the extras and the traceback of a record; a filter, which keeps every record."""
    if not record.args and not isinstance(record.msg, Lines):  # from a server that writes whole lines
        record.msg = escaped(str(record.msg).rstrip("\n"))
    if isinstance(record.args, tuple):
        record.args = tuple(_escaped_argument(argument) for argument in record.args)
    for name in EXTRAS:
        if isinstance(value := getattr(record, name, None), str):
            setattr(record, name, escaped(value))
    if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
        # Formatters print this text instead of the exception, whose message may have lines of its own.
        lines = "".join(traceback.format_exception(record.exc_info[1])).rstrip("\n").split("\n")
        record.exc_text = "\n".join(INDENT + escaped(line) for line in lines)
    return True


def _escaped_argument(argument: object) -> object:
    return argument if isinstance(argument, (int, float, Lines)) else escaped(str(argument))
