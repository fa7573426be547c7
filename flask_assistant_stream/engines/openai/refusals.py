"""Recognise refusals of the input that a shorter or cleaner input avoids.

Two kinds: the input exceeds the context window, or the upstream cannot use a file or image in it. Servers word them
differently; the forms are in `spec/servers.md#refused-inputs`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...errors import ContextOverflow, EngineError, UnusableInput
from ...translation.coerce import json_or_text, list_of, object_of, objects_of
from ...translation.failures import Failure
from ..base import Item

MAX_TEXT = 16384
"""Longer texts are cut before they are searched."""
STATUSES = frozenset((200, 400, 404, 413, 422))
"""Statuses under which a text counts; for a full context or a quoted link also 500. Others have other causes."""

_OVERFLOW_CODES = frozenset(
    (
        *("context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded"),
        *("model_max_prompt_tokens_exceeded", "contextwindowexceedederror"),
    )
)
_TOO_LONG_CODES = frozenset(("array_above_max_length", "string_above_max_length"))
"""Codes of a field that is too long; the input is such a field."""
_OVERFLOW = re.compile(
    r"context_length_exceeded|context ?window ?exceed|context length exceeded|context size has been exceeded"
    r"|maximum (context|prompt|model) length|max_model_len|maximum allowed length"
    r"|exceeds? (the |your |its |this model's |max(imum)? |available )*context"
    r"|(longer|greater) than the (model's |maximum |model )*(context )?length|context length of only"
    r"|(prompt|input) (is )?too long|input token count .{0,60}exceeds|input tokens exceed|exceeded model token limit"
    r"|prompt token count .{0,60}exceeds|too large for model with|too many (input )?tokens\b|max_new_tokens` must be"
    r"|reduce the length of|request too large for|context window exceeds",
    re.IGNORECASE,
)
_NUMBER = r"(\d[\d,_]{0,11})"
_LIMITS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:n_ctx|max_model_len)\W{{0,4}}{_NUMBER}",
        rf"<= ?{_NUMBER}",
        rf"\d ?(?:tokens )?> ?{_NUMBER}",
        rf"{_NUMBER} maximum context",
        rf"(?:context|prompt|model)[ _](?:length|window|size|limit)(?! by)\D{{0,20}}{_NUMBER}",
        rf"allowed (?:length )?\(?{_NUMBER}",
        rf"limit(?: of|:)? {_NUMBER}",
        rf"cannot exceed {_NUMBER}",
    )
]
"""Phrases that precede the number of tokens that the model takes, the most reliable first."""

_FILE_CODES = frozenset(("file_not_found", "image_file_not_found", "failed_to_download_image", "unsupported_file"))
_IMAGE_CODE = re.compile(r"(invalid|empty|unsupported)_(base64_)?image|image_(too|parse|file|content)_")
_GONE = re.compile(
    r"\bnot (be )?found\b|\bno (such|file)\b|\bdo(es)? not exist|doesn't exist"
    r"|\b(deleted|expired|invalid|missing|unsupported|not supported)\b"
    r"|\b(cannot|can't|could not|unable to) (find|access|read|load|use)\b",
    re.IGNORECASE,
)
_DOWNLOAD = re.compile(
    r"\b(error|timeout|timed out|failed|failure|unable|cannot|could not)\b.{0,40}\b(download|fetch|retriev)",
    re.IGNORECASE,
)
_FILE_ID = re.compile(r"\b(?:file|cfile|assistant)-[\w-]{1,128}|\bfile_(?=\w*\d)\w{1,128}")
_URL = re.compile(r"https?://[^\s'\"<>]{1,8192}")
_PATH = re.compile(r"\binput[\[.](\d{1,6})\]?(?:\.content[\[.](\d{1,6})\]?)?")


def unusable_input(
    message: str, status: int, text: str, error: Any = None, sent: dict[str, Any] | None = None, detail: str = ""
) -> EngineError | None:
    """Return the `ContextOverflow` or `UnusableInput` that a refusal reports, or None for any other refusal.

    Args:
        message, detail: the texts of the returned error.
        status: of the response; 200 for a failure inside a stream.
        text: the upstream's own message.
        error: the upstream's error object, if there is one.
        sent: the refused request; a path in the refusal is looked up in it.
    """
    fields, text = object_of(error), text[:MAX_TEXT]
    codes = {json_or_text(fields.get(key)).lower() for key in ("code", "type")}
    param = fields.get("param")
    path = param if isinstance(param, str) else ""
    if codes & _OVERFLOW_CODES or (codes & _TOO_LONG_CODES and path.startswith("input")):
        return ContextOverflow(message, limit=_limit(fields, text), detail=detail)
    if status in (500, *STATUSES) and _OVERFLOW.search(text):
        return ContextOverflow(message, limit=_limit(fields, text), detail=detail)
    quoted = _quoted(sent or {}, text)
    if status not in STATUSES and not (status == 500 and quoted):
        return None
    named = _unusable(codes, text, _part(sent or {}, path) or _part(sent or {}, text) or quoted)
    return None if named is None else UnusableInput(message, file_id=named[0], url=named[1], detail=detail)


def failed_input(items: Iterable[Item], sent: dict[str, Any]) -> EngineError | None:
    """Return the error of a response that failed before its first output, or None if its input is not the cause."""
    for item in items:
        whole = item.get("type") == "response.failed"
        error = object_of(item.get("response")).get("error") if whole else item.get("error", item)
        failure = Failure.of(error)
        fields = {**object_of(error), "code": failure.code}
        detail = "The upstream reported a problem of the input inside its response."
        refusal = unusable_input(failure.last_error()["message"], 200, failure.message, fields, sent, detail)
        if refusal is not None:
            return refusal
    return None


def _limit(fields: dict[str, Any], text: str) -> int | None:
    """Return the number of tokens that the model takes, if the refusal has it."""
    window = fields.get("n_ctx")
    if isinstance(window, int) and 1 < window < 10**12:
        return window
    matches = (pattern.search(text) for pattern in _LIMITS)
    number = next((match[1] for match in matches if match), "0")
    return int(re.sub("[,_]", "", number)) or None


def _unusable(codes: set[str], text: str, part: dict[str, Any]) -> tuple[str | None, str | None] | None:
    """Return the file id and the URL that a refusal names, or None if it is not about a file or image of the input."""
    file_id, url = part.get("file_id"), part.get("image_url") or part.get("file_url")
    named = _FILE_ID.search(text)
    links = _URL.findall(text)
    coded = bool(codes & _FILE_CODES) or any(map(_IMAGE_CODE.search, codes))
    fetched = _DOWNLOAD.search(text) and (links or re.search(r"\b(image|file|url)\b", text, re.IGNORECASE))
    if not (coded or part or fetched or (named and _GONE.search(text))):
        return None
    file_id = file_id or (named[0] if named else None)
    if url is None and file_id is None and links:
        url = links[0].rstrip(".,;:)]}")
    return file_id, url


def _part(sent: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the file or image at the path in a text such as `input[3].content[1].image_url`; empty without one."""
    match = _PATH.search(text)
    item = _at(sent.get("input"), match[1]) if match else {}
    part = _at(item.get("content"), match[2]) if match and match[2] else {}
    return part if part.get("type") in ("input_image", "input_file") else {}


def _quoted(sent: dict[str, Any], text: str) -> dict[str, Any]:
    """Return the file or image whose link is in a text, such as `404, message='Not Found', url='LINK'`."""
    links = _URL.findall(text)
    parts = (
        (part for item in objects_of(sent.get("input")) for part in objects_of(item.get("content"))) if links else ()
    )
    return next((part for part in parts if {part.get("image_url"), part.get("file_url")} & {*links}), {})


def _at(value: Any, index: str) -> dict[str, Any]:
    return object_of(dict(enumerate(list_of(value))).get(int(index)))
