"""From an upstream's failure to a run's `last_error` (`spec/responses.md#error-codes`). Knows neither HTTP nor runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..protocol.last_errors import INVALID_PROMPT, RATE_LIMIT, SERVER_ERROR
from ..protocol.objects import Object
from ..protocol.text import mend
from .coerce import json_or_text

REJECTED = "The upstream rejected the credentials of this server."
UNEXPLAINED = "The upstream failed without a reason."
CODE_CHARS, MESSAGE_CHARS = 200, 2000

_RATE = re.compile(r"rate.?limit|quota|throttl|too_many_requests|^429$")
_INVALID = re.compile(
    r"image|^(invalid_prompt|invalid_request(_error)?|invalid_value|bio_policy|misalignment_policy_violation"
    r"|context_length_exceeded|exceed_context_size_error|unusable_input|content_filter|content_policy_violation"
    r"|400|413|422)$"
)
_CREDENTIALS = re.compile(r"api_key|authentication|permission|unauthorized|forbidden|^40[13]$")
_ADDRESS = re.compile(
    r"(?P<documentation>https://(?:[\w-]{1,63}\.){0,4}(?:openai\.com|microsoft\.com|aka\.ms)(?![\w.:@-]*[\w@])[^\s'\"<>]*)"
    r"|\w{1,20}://[^\s'\"<>]+|\blocalhost:\d+|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9a-f:]{3,45}\]:\d+",
    re.IGNORECASE,
)
_SECRET = re.compile(r"\bsk-[\w*.-]{4,}|(?<=://)[^/\s@]+@|(?i:(?<=bearer ))[^\s\"',]+")


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as the upstream reports it: `code` and `message`, or empty."""

    code: str = ""
    message: str = ""

    @classmethod
    def of(cls, error: Any) -> Failure:
        """Read an error object, an error string or nothing (`spec/servers.md#error-bodies`)."""
        if isinstance(error, str):
            return cls(message=error)
        if not isinstance(error, dict):
            return cls()
        if isinstance(error.get("error"), (dict, str)):  # the nested form
            return cls.of(error["error"]).richer(cls.of({**error, "error": None}))
        code, kind, message = error.get("code"), error.get("type"), error.get("message")
        name = code if isinstance(code, (str, int)) and code else kind
        return cls(json_or_text(name)[:CODE_CHARS] if isinstance(name, (str, int)) else "", json_or_text(message))

    def richer(self, other: Failure) -> Failure:
        """Return both as one: the first message, the most precise code."""
        code = max(self.code, other.code, key=_weight)  # the first of equal ones
        return Failure(code, self.message or other.message)

    def last_error(self) -> Object:
        """Return the run's `last_error`; it reaches the client, so no credential is in it."""
        if _CREDENTIALS.search(self.code):
            return {"code": SERVER_ERROR, "message": REJECTED}
        message = without_addresses(without_secrets(mend(self.message[: 2 * MESSAGE_CHARS])))[:MESSAGE_CHARS]
        return {"code": classify(self.code), "message": message or UNEXPLAINED}


def without_secrets(text: str) -> str:
    """Return a text with its credentials masked."""
    return _SECRET.sub("…", text)


def without_addresses(text: str) -> str:
    """Return a text without URLs and network addresses, except links to the documentation of OpenAI and Azure."""
    return _ADDRESS.sub(lambda match: match[0] if match["documentation"] else "…", text)


def _weight(code: str) -> int:
    if classify(code) != SERVER_ERROR:
        return 3
    return 0 if not code else 1 if code in (SERVER_ERROR, "error") else 2


def classify(code: str) -> str:
    """Return the `last_error` code for an upstream's code, type or HTTP status."""
    code = code.lower()
    if _RATE.search(code):
        return RATE_LIMIT
    return INVALID_PROMPT if _INVALID.search(code) else SERVER_ERROR
