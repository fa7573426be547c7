"""Read an upload: a multipart body with one file, written to disk and checked before it is stored."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from os import SEEK_END
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, cast

from flask import Request
from marshmallow import Schema
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from ..errors import RequestError, TooLarge
from ..files.files import content_type
from ..storages.base import Upload
from .body import load
from .download import visible_name

FIELD = "file"
"""The part of the form with the file."""
MULTIPART = "multipart/form-data"
SLACK_BYTES = 64 * 1024
"""The limit of everything in a body beside the file."""
MAX_PARTS = 16
MAX_FIELD_BYTES = 256 * 1024
"""The limit of a text part. The form parser applies it to headers, too, so it must exceed one read of 64 KiB."""
MAX_NAME_CHARS = 255
BROKEN = "The form is incomplete: the upload was cut off, or its parts do not match its boundary. Send it again."

Form = MultiDict[str, str]
Files = MultiDict[str, FileStorage]


def read_upload(request: Request, schema: Schema, max_bytes: int) -> tuple[dict[str, Any], Upload]:
    """Return the fields and the file of a multipart body; the caller closes `Upload.content`.

    Args:
        schema: of the form's fields, among them `file`; the default purpose is `assistants`.
        max_bytes: the limit of the file; a lower `MAX_CONTENT_LENGTH` of the app applies to the body.

    Raises:
        TooLarge: over the limit, with or without a `Content-Length`.
        RequestError: not a complete form with one named file, or an invalid field.
    """
    opened: list[IO[bytes]] = []  # unnamed files on disk, which closing deletes

    def open_part(*_: Any, **__: Any) -> IO[bytes]:
        opened.append(TemporaryFile("w+b"))  # noqa: SIM115
        return opened[-1]

    try:
        form, files = _parse(request, max_bytes, open_part)
        part = _only_file(files, form)
        fields = load(schema, {**form.to_dict(), FIELD: part})
        name = plain_name(part.filename or "")
        size = _size(part, max_bytes)
        del fields[FIELD]
        purpose, expires_after = fields.get("purpose", "assistants"), fields.get("expires_after")
        content = cast(BinaryIO, part.stream)
        return fields, Upload(name, content_type(name), purpose, content, size, expires_after)
    except BaseException:
        for file in opened:
            file.close()
        raise


def plain_name(filename: str) -> str:
    """Return a visible name in composed Unicode; RequestError for an empty or long one, a path, control characters."""
    name = visible_name(unicodedata.normalize("NFC", filename))
    if not name.strip() or len(name) > MAX_NAME_CHARS:
        raise _refused(f"its name must have 1 to {MAX_NAME_CHARS} characters.")
    if "/" in name or "\\" in name or name in (".", ".."):
        raise _refused("it must be a plain file name, without a path.")
    # Control characters, line and paragraph separators, halves of surrogate pairs.
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in name):
        raise _refused("its name must not contain control characters.")
    return name


class _LimitedBody:
    """A body for the form parser: it raises our errors when the body is too long or ends early."""

    def __init__(self, request: Request, max_bytes: int) -> None:
        own = request.max_content_length
        limit = max_bytes + SLACK_BYTES
        request.max_content_length = limit if own is None else min(own, limit)
        self._too_large = TooLarge(_too_large(max_bytes if own is None else min(own, max_bytes)))
        try:
            self._stream = request.stream
        except RequestEntityTooLarge:  # by its Content-Length
            raise self._too_large from None

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        try:
            return self._stream.read(size)
        except RequestEntityTooLarge:
            raise self._too_large from None
        except ClientDisconnected:
            raise RequestError(BROKEN) from None


def _parse(request: Request, max_bytes: int, open_part: Any) -> tuple[Form, Files]:
    if request.mimetype != MULTIPART:
        raise RequestError(f"Send the file as {MULTIPART}, in the part '{FIELD}'.")
    if "files" in vars(request):  # a host's CSRF check has read the form already
        return request.form, request.files
    parser = FormDataParser(open_part, MAX_FIELD_BYTES, max_form_parts=MAX_PARTS, silent=False)
    body = cast(IO[bytes], _LimitedBody(request, max_bytes))
    try:
        _, form, files = parser.parse(body, MULTIPART, request.content_length, dict(request.mimetype_params))
    except RequestEntityTooLarge:
        raise RequestError(f"The form has more than {MAX_PARTS} parts, or a part that is too long for text.") from None
    except UnicodeError:
        raise RequestError("The form is not valid UTF-8.") from None
    except ValueError:
        boundary = request.mimetype_params.get("boundary")
        raise RequestError(BROKEN if boundary else "The Content-Type names no boundary.") from None
    return form, files


def _only_file(files: Files, form: Mapping[str, str]) -> FileStorage:
    """Return the only file of a form. A browser sends one without a name when the user has chosen none."""
    parts = [part for _, part in files.items(multi=True)]
    if len(parts) > 1:
        raise _refused("send one file at a time.")
    if not parts or FIELD not in files:
        raise _refused("it must be a part with a file name." if FIELD in form else "the form has no such file.")
    if not parts[0].filename:
        raise _refused("the part has no file name: no file was chosen.")
    return parts[0]


def _size(part: FileStorage, max_bytes: int) -> int:
    size = part.stream.seek(0, SEEK_END)
    part.stream.seek(0)
    if not size:
        raise _refused("it is empty.")
    if size > max_bytes:
        raise TooLarge(_too_large(max_bytes), param=FIELD)
    return size


def _too_large(limit: int) -> str:
    return f"The file is too large: the limit is {limit} bytes."


def _refused(why: str) -> RequestError:
    return RequestError(f"Invalid '{FIELD}': {why}", param=FIELD)
