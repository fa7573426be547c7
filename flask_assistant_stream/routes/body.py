"""Read and validate the body of a request: JSON of any Content-Type, within a limit of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from flask import Request
from marshmallow import Schema, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from ..errors import RequestError, TooLarge
from .bounds import CODES, MISSING, MISSING_CODE, too_long
from .receiving import received_bytes

BYTES_PER_CHAR = 12
"""The longest JSON escape of a character: two surrogates."""
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
SLACK_BYTES = 256 * 1024
"""The limit of everything in a body beside the content."""


def body_limit(max_content_chars: int) -> int:
    """Return the limit of a body in bytes, so that a huge one is rejected before it is read."""
    return max_content_chars * BYTES_PER_CHAR + SLACK_BYTES


def read_object(request: Request, limit: int) -> dict[str, Any]:
    """Return the JSON object of a request; an empty one without a body.

    The Content-Type is ignored: front-ends send JSON without one (`spec/clients.md#what-the-quickstart-sends`).

    Args:
        limit: in bytes; a lower `MAX_CONTENT_LENGTH` of the app applies.

    Raises:
        TooLarge: over the limit.
        RequestError: not a JSON object.
    """
    text = _decode(_read(request, limit))
    if not text.strip():
        if request.mimetype in FORMS and "form" in vars(request) and request.form:  # a check of the host has read it
            raise _is_a_form(request)
        return {}
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        if request.mimetype in FORMS:
            raise _is_a_form(request) from None
        raise RequestError(f"The body is not valid JSON: {error.msg} at character {error.pos}.") from None
    except (ValueError, RecursionError):
        raise RequestError("The body is not valid JSON: a number or its nesting is out of bounds.") from None
    if not isinstance(value, dict):
        raise RequestError('The body must be a JSON object, such as {"content": "hello"}.')
    return value


def load(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """Validate values against a schema; the RequestError's `param` is a path such as `attachments[0].file_id`."""
    try:
        loaded: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        param, message = _first(error.messages)
        if message == MISSING:
            raise RequestError(f"Missing required parameter: '{param}'.", param=param, code=MISSING_CODE) from None
        code = CODES.get(message.partition(".")[0])
        raise RequestError(f"Invalid '{param}': {message}", param=param, code=code) from None
    return loaded


def check_length(text: str, limit: int, param: str) -> None:
    """Reject a text of more than `limit` characters."""
    if len(text) > limit:
        raise RequestError(
            f"Invalid '{param}': {too_long('string', limit, len(text))}",
            param=param,
            code="string_above_max_length",
        )


def outputs_by_call(sent: Iterable[Mapping[str, Any]], limit: int, field: str) -> dict[str, str]:
    """Return tool outputs by call id. An absent one is empty: pages leave it out for a function they do not know.

    Args:
        sent: objects with `tool_call_id` and `output`.
        limit: of one output, in characters.
        field: their key in the body, for `param`.

    Raises:
        RequestError: an output is too long, or a call has two.
    """
    outputs: dict[str, str] = {}
    for index, item in enumerate(sent):
        param, output = f"{field}[{index}]", item["output"] or ""
        check_length(output, limit, f"{param}.output")
        if item["tool_call_id"] in outputs:
            raise RequestError(
                f"Invalid '{param}.tool_call_id': it appears twice. Send one output per call.",
                param=f"{param}.tool_call_id",
            )
        outputs[item["tool_call_id"]] = output
    return outputs


def _read(request: Request, limit: int) -> bytes:
    own = request.max_content_length
    limit = request.max_content_length = limit if own is None else min(own, limit)
    try:
        data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        data = None
    # A chunked body has no length, and werkzeug silently stops reading it at the limit.
    if data is None or (request.content_length is None and len(data) >= limit):
        raise TooLarge(f"The body is too large: the limit is {limit} bytes.")
    received = received_bytes(request)
    if received is not None and received < (request.content_length or 0):  # gunicorn's end of data is also a body's
        raise RequestError("The body is incomplete: it has fewer bytes than its Content-Length. Send it again.")
    return data


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"The body is not valid UTF-8 at byte {error.start}.") from None


def _is_a_form(request: Request) -> RequestError:
    return RequestError(
        f"The body is a form ({request.mimetype}), not JSON. Send a JSON object, with Content-Type: application/json."
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _first(messages: Any) -> tuple[str, str]:
    """Return path and text of the first message in marshmallow's tree of messages."""
    path = ""
    while isinstance(messages, dict):
        key, messages = next(iter(messages.items()))
        if key == "_schema":  # marshmallow's key for the value as a whole
            continue
        path += f"[{key}]" if isinstance(key, int) else f".{key}" if path else str(key)
    return path, str(messages[0] if isinstance(messages, list) else messages)
