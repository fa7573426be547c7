"""Turn an upstream's refusal or a broken connection into an error code, a message, and whether to retry.

Pure. Shapes: `spec/servers.md#error-bodies`. Codes: `spec/responses.md#error-codes`.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from ...errors import EngineError
from ...protocol.last_errors import INVALID_PROMPT, RATE_LIMIT, SERVER_ERROR
from ...translation.coerce import json_or_text, list_of, object_of, text_of
from ...translation.failures import REJECTED, classify, without_addresses, without_secrets
from ...upstream import pauses
from ..sse import SSEDecoder
from .http_connect import Address, Broken
from .refusals import unusable_input

MAX_TEXT = 1000
MAX_DETAILS = 20
_RETRIED = frozenset((408, 409, 429))
_PROMPT_STATUSES = frozenset((400, 413, 422))
UNREACHABLE = "The upstream cannot be reached."
_NO_ROUTE = (404, 405, 501)
_NO_RESPONSES = (
    "Check OPENAI_BASE_URL (most end in /v1) and the model's name; the server must offer POST /responses, "
    "chat completions alone are not enough."
)
_NO_KEY = ("invalid_api_key", "no_db_connection")
"""Codes for a rejected key under another status; `no_db_connection` is of a LiteLLM proxy without a database."""
_NO_MODEL = ("model_not_found", "DeploymentNotFound", "invalid_model")
_MODEL = re.compile(
    r"\bmodel\b.{0,80}(not found|not exist|not available|unknown|invalid)|(invalid|unknown|no such) model", re.I
)
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,500})</title>", re.IGNORECASE)


def refused(
    address: Address, status: int, headers: Mapping[str, str], body: bytes, sent: dict[str, Any] | None = None
) -> EngineError:
    """Return the error for a response that is not a stream: any status, any body.

    Args:
        sent: the refused request.
    """
    text, code = read_refusal(body)
    advice = _advice(status, headers, text, code, len(body))
    detail = f"The upstream {address.authority} answered {status}{_phrase(status)}. {advice}".strip()
    message = _message(address, status, headers, text, code)
    error = _error_object(body)
    words = text_of(object_of(error).get("message")) or text  # `text` is shortened
    return unusable_input(message, status, words, error, sent, detail) or EngineError(
        message, code=error_code(status, code), detail=detail
    )


def refuses_key(status: int, body: bytes) -> bool:
    """Return whether a refusal means that the key is wrong or may not do this."""
    return status in (401, 403) or read_refusal(body)[1] in _NO_KEY


def _message(address: Address, status: int, headers: Mapping[str, str], text: str, code: object) -> str:
    """Return what visitors see: the upstream's own text, without addresses, if it is about the request."""
    if status in (401, 403) or code in _NO_KEY:
        return REJECTED
    about_model = status in (400, *_NO_ROUTE) and (code in _NO_MODEL or _MODEL.search(text))
    foreign = 300 <= status < 400 or "html" in headers.get("content-type", "") or status in _NO_ROUTE
    shown = without_addresses(text.replace(address.authority, "…").replace(address.host, "…"))
    explanation = f": {shown}" if shown and (about_model or not foreign) else "."
    return f"The upstream answered {status}{_phrase(status)}{explanation}"


def _advice(status: int, headers: Mapping[str, str], text: str, code: object, size: int) -> str:
    """Return what the operator can check, or "" if the upstream's own text says it."""
    if status in (401, 403) or code in _NO_KEY:
        return "Check OPENAI_API_KEY (and the organisation and project, if set)."
    if 300 <= status < 400:
        return f"It redirects to {_host(headers.get('location', ''))}; set OPENAI_BASE_URL to that address."
    if "html" in headers.get("content-type", "") and status not in _NO_ROUTE:
        return f"It sent a web page ({text or 'untitled'}); check that OPENAI_BASE_URL is the API's address."
    if status in (400, *_NO_ROUTE) and (code in _NO_MODEL or _MODEL.search(text)):
        return "Check the model's name (ASSISTANT_MODEL, or the assistant's) and OPENAI_BASE_URL."
    if status in _NO_ROUTE:
        return _NO_RESPONSES
    if not text:
        kind = headers.get("content-type", "no content type")
        return f"It sent {size} bytes of {kind} and no reason; check OPENAI_BASE_URL."
    return ""


def error_code(status: int, code: object) -> str:
    """Return the run's error code: from the HTTP status if it is specific, else from the code in the body."""
    if status == 429:
        return RATE_LIMIT
    if status in _PROMPT_STATUSES:
        return SERVER_ERROR if code in _NO_KEY else INVALID_PROMPT
    return SERVER_ERROR if 300 <= status < 500 else classify(str(code or ""))


def read_refusal(body: bytes) -> tuple[str, object]:
    """Return text and code of an error body: JSON of any known shape, events, HTML or plain text."""
    text = body.decode("utf-8", "replace").lstrip("\ufeff").strip()
    value = _json(text)
    if value is None and text.startswith(("data:", "event:", ":")):
        payloads = [_json(p.decode("utf-8", "replace")) for p in SSEDecoder().feed(body + b"\n\n")]
        value = next((p for p in payloads if isinstance(p, dict)), None)
    if value is None:
        title = _TITLE.search(text)
        if title or text.startswith("<"):
            text = title.group(1) if title else ""
        return _shown(text), None
    return _from_json(value)


def refused_param(body: bytes) -> str | None:
    """Return the field that an error body blames, or None."""
    error = _error_object(body)
    param = error.get("param") if isinstance(error, dict) else None
    return param if isinstance(param, str) and param not in ("", "None", "null") else None


def inner_headers(body: bytes) -> dict[str, str]:
    """Return the pauses in an error body: headers of the server behind a proxy."""
    error = _error_object(body)
    headers = error.get("headers") if isinstance(error, dict) else None
    return pauses(headers) if isinstance(headers, dict) else {}


def _error_object(body: bytes) -> Any:
    value = _json(body.decode("utf-8", "replace"))
    return value.get("error") if isinstance(value, dict) else None


def _from_json(value: Any) -> tuple[str, object]:
    if isinstance(value, list):
        value = value[0] if value else ""
    if not isinstance(value, dict):
        return _shown(json_or_text(value)), None
    error = value.get("error", value)
    if isinstance(error, str):
        return _shown(error), value.get("code")
    if not isinstance(error, dict):
        error = value
    message = error.get("message") or error.get("detail") or error.get("msg") or error.get("errors") or ""
    return _shown(_words(message)), error.get("code") or error.get("type")


def _words(value: Any) -> str:
    """Return a `detail` as text: a string, or a list of `{loc, msg}`."""
    return "; ".join(map(_problem, value[:MAX_DETAILS])) if isinstance(value, list) else _problem(value)


def _problem(value: Any) -> str:
    """Return one entry of a `detail` as text; values of other types are shown as JSON."""
    if not isinstance(value, dict):
        return json_or_text(value)
    where = ".".join(map(json_or_text, list_of(value.get("loc"))))
    text = json_or_text(value.get("msg") or value.get("message") or value)
    return f"{where}: {text}" if where else text


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _shown(text: str) -> str:
    """Return an upstream's text as one line of limited length, without control characters and credentials."""
    text = without_secrets(" ".join("".join(c if c.isprintable() else " " for c in text).split()))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _host(location: str) -> str:
    try:
        return _shown(urlsplit(location).hostname or location or "an address it does not name")
    except ValueError:
        return "an address that cannot be read"


def _phrase(status: int) -> str:
    try:
        return f" ({HTTPStatus(status).phrase})"
    except ValueError:
        return ""


def broken(address: Address, error: OSError, *, streaming: bool = False) -> EngineError:
    """Return the error for a connection that failed, or that broke while the response was `streaming`."""
    reason = _reason(error)
    if streaming:
        detail = f"The upstream {address.authority} broke off during its response: {reason}."
        return EngineError(f"The upstream broke off during its response: {reason}.", detail=detail)
    advice = "Check OPENAI_BASE_URL and that the upstream is reachable from here."
    message = f"The upstream cannot be read: {reason}." if isinstance(error, Broken) else UNREACHABLE
    return EngineError(message, detail=f"{_what_broke(address, error)} {advice}")


def _what_broke(address: Address, error: OSError) -> str:
    name = address.authority
    if isinstance(error, socket.gaierror):
        return f"The upstream's host {address.host} is unknown (DNS)."
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _shown(error.verify_message or "not trusted")
        return f"The certificate of {name} was refused: {reason}. SSL_CERT_FILE can name your own authority."
    if isinstance(error, ssl.SSLError):
        return f"TLS with {name} failed: {_shown(getattr(error, 'reason', None) or 'broken off')}."
    if isinstance(error, ConnectionRefusedError):
        return f"Nothing listens at {name}: connection refused."
    if isinstance(error, TimeoutError):
        return f"Connecting to {name} timed out."
    return f"The connection to {name} failed: {_reason(error)}."


def _reason(error: OSError) -> str:
    return _shown(error.strerror or str(error) or type(error).__name__).rstrip(".")


def may_retry(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether to retry a refused request: the upstream's header decides, then the status."""
    should_retry = headers.get("x-should-retry")
    if should_retry in ("true", "false"):
        return should_retry == "true"
    return status in _RETRIED or status >= 500
