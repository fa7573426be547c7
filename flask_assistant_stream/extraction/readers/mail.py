"""Mail messages: headers, text, and the names of attachments."""

from __future__ import annotations

import base64
import codecs
import email
import email.policy
import re
from collections.abc import Iterator
from email.errors import InvalidBase64LengthDefect
from email.header import decode_header
from email.message import Message
from typing import BinaryIO

from ...errors import RequestError
from .base import Notes, paragraphs
from .decoding import codec_by_label, decoded
from .html import html_text
from .plain import read_bytes

MAX_MAIL_BYTES = 16 * 1024 * 1024
"""Maximum that is read of a file; what follows are attachments, most often."""
MAX_NESTED = 20
MAX_MAIL_PARTS = 1000
MAX_HEADER_CHARS = 20_000
"""Limits of a message; a header takes time with the square of its length."""

_HEADERS = ("Subject", "From", "To", "Cc", "Date")
_ENCRYPTED = {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}


def read_eml(content: BinaryIO, notes: Notes) -> Iterator[str]:
    """Yield the text of a message."""
    data, _ = read_bytes(content, MAX_MAIL_BYTES, notes)
    message = email.message_from_bytes(data.removeprefix(codecs.BOM_UTF8), policy=email.policy.compat32)
    if not message.keys():
        raise ValueError("no headers")
    yield from paragraphs(_Mail(notes).message(message, 0))


class _Mail:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._parts = 0

    def message(self, message: Message, depth: int) -> Iterator[str]:
        """Yield the headers and the text of a message."""
        headers = {name.lower(): value for name, value in reversed([*message.raw_items()])}
        for name in _HEADERS:
            if name.lower() in headers:
                yield f"{name}: {_header(headers[name.lower()])}\n"
        yield "\n"
        yield from self._part(message, depth)

    def _part(self, part: Message, depth: int) -> Iterator[str]:
        self._parts += 1
        if any(len(value) > MAX_HEADER_CHARS for _, value in part.raw_items()):
            self._notes.add("A part of the message is missing: its headers are too long.")
        elif depth > MAX_NESTED or self._parts > MAX_MAIL_PARTS:
            self._notes.add("The message has too many parts; some are missing.")
        elif (kind := part.get_content_type()) in _ENCRYPTED:
            self._notes.add("The message is encrypted or signed in a form that is not read.")
        elif part.is_multipart():
            yield from self._parts_of(part, kind, depth)
        elif kind.startswith(("text/", "multipart/")) and part.get_content_disposition() != "attachment":
            yield self._text(part, kind) + "\n\n"
        else:
            self._notes.add("Attachments are not read, except for their names.")
            if name := _filename(part):
                yield f"Attachment: {name}\n"

    def _parts_of(self, part: Message, kind: str, depth: int) -> Iterator[str]:
        children = [child for child in part.get_payload() if isinstance(child, Message)]
        if kind == "multipart/alternative":
            yield max(("".join(self._part(child, depth + 1)) for child in children), key=len, default="")
            return
        for child in children:
            if kind == "message/rfc822":
                yield from self.message(child, depth + 1)
            elif kind == "message/delivery-status":
                yield "".join(f"{name}: {_header(value)}\n" for name, value in child.raw_items()) + "\n"
            else:
                yield from self._part(child, depth + 1)

    def _text(self, part: Message, kind: str) -> str:
        data, label = part.get_payload(decode=True), part.get_content_charset("")
        if not isinstance(data, bytes):
            return ""
        if any(isinstance(defect, InvalidBase64LengthDefect) for defect in part.defects):
            data = base64.b64decode(_whole_base64(data))
            self._notes.add("A part of the message is damaged; its end is missing.")
        try:
            if kind == "text/html":
                return html_text(data, self._notes, label)
            return "".join(decoded(data, self._notes, label=label))
        except RequestError:
            self._notes.add("A part of the message is missing: its encoding is not recognised.")
            return ""


def _header(value: str) -> str:
    """Return a header with its encoded words decoded."""
    raw = value[:MAX_HEADER_CHARS].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        return " ".join("".join(_decoded_words(raw)).split())
    except ValueError:  # wrong base64
        return raw


def _decoded_words(value: str) -> Iterator[str]:
    for text, label in decode_header(value):
        if isinstance(text, str):
            yield text
            continue
        codec = codec_by_label(label or "")
        yield codec.decode(text, "replace")[0] if codec else _without_codec(text, label)


def _without_codec(text: bytes, label: str | None) -> str:
    """Return a word of an unknown encoding; `decode_header` itself wrote those without a label."""
    return text.decode("utf-8", "replace") if label else text.decode("raw-unicode-escape")


def _whole_base64(data: bytes) -> bytes:
    """Return the beginning of a text in base64 that was cut or damaged."""
    digits = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    return digits[: len(digits) // 4 * 4]


def _filename(part: Message) -> str:
    try:
        return _header(part.get_filename() or "")
    except (LookupError, ValueError):
        return ""
