"""One upstream: where it is, how the key reaches it, and how texts from it are cleaned of secrets.

The engine and the storage of one upstream share an `Upstream`. Knows no HTTP client.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .profiles import BEARER, Profile, profile_of

BASE_URL = "https://api.openai.com/v1"
MIN_SECRET_CHARS = 4
"""Shorter secrets hide nothing, and masking them would spoil the text."""

_JSON_WEB_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_PAUSES = {
    "retry-after-ms": 0.001,
    "llm_provider-retry-after-ms": 0.001,
    "retry-after": 1.0,
    "llm_provider-retry-after": 1.0,
}


@dataclass(frozen=True, slots=True, repr=False)
class Upstream:
    """A server with the Responses API.

    Attributes:
        api_key: sent in the header that the profile names; empty for a server without keys.
        base_url: ends before `/responses`.
        headers: sent with every request; they replace those of the same name.
        organization, project: OpenAI's headers of that name.
        profile: facts about the server; by default chosen by the base URL.
    """

    api_key: str | None = None
    base_url: str = BASE_URL
    headers: Mapping[str, str] | None = None
    organization: str | None = None
    project: str | None = None
    profile: Profile | None = None

    def __repr__(self) -> str:
        try:
            host = urlsplit(self.url).hostname
        except ValueError:
            host = None
        return f"Upstream({host}, {self.server.name})"

    @property
    def key(self) -> str:
        """The key, "" without one."""
        return (self.api_key or "").strip()

    @property
    def url(self) -> str:
        """The base URL, OpenAI's by default."""
        return (self.base_url or BASE_URL).strip()

    @property
    def server(self) -> Profile:
        """The profile, given or chosen by the base URL."""
        return self.profile or profile_of(self.url)

    @property
    def configured_headers(self) -> dict[str, str]:
        """The configured headers and the one that carries the key, unless they have that one.

        A JSON Web Token (Microsoft's Entra ID) is sent as a bearer token, also if keys go into another header.
        """
        headers = {BEARER if name.lower() == BEARER.lower() else name: v for name, v in (self.headers or {}).items()}
        key_header = self.server.key_header
        if not self.key:
            return headers
        if key_header == BEARER or _JSON_WEB_TOKEN.fullmatch(self.key):
            return {BEARER: f"Bearer {self.key}", **headers}
        return headers if key_header in map(str.lower, headers) else {key_header: self.key, **headers}

    @property
    def secrets(self) -> list[str]:
        """The key and the headers that hold credentials; empty without any."""
        values = [self.key, *(value for name, value in (self.headers or {}).items() if holds_secret(name))]
        return [value for value in values if value]

    def masked(self, value: Any) -> Any:
        """Return a JSON value with the secrets in its texts masked; names stay."""
        if isinstance(value, dict):
            return {name: self.masked(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.masked(inner) for inner in value]
        if isinstance(value, str):
            for secret in self.secrets:
                if len(secret) >= MIN_SECRET_CHARS:
                    value = value.replace(secret, "…")
        return value


def holds_secret(name: str) -> bool:
    """Return whether a header of that name may hold a credential."""
    return any(word in name.lower() for word in ("auth", "key", "token", "secret", "cookie"))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that the upstream asks to wait, or None.

    Args:
        headers: names in lower case; `retry-after-ms`, `retry-after` (seconds or a date), and the names under which a
            LiteLLM proxy passes on its own upstream's. The first readable one counts.
        now: seconds since the epoch.
    """
    for name, unit in _PAUSES.items():
        value = headers.get(name)
        if value is not None and (seconds := _seconds(value[:100].strip(), unit, now)) is not None:
            return max(0.0, seconds)
    return None


def pauses(headers: Mapping[Any, Any]) -> dict[str, str]:
    """Return those of the headers that `retry_after` reads, names in lower case."""
    return {str(name).lower(): str(value) for name, value in headers.items() if str(name).lower() in _PAUSES}


def _seconds(value: str, unit: float, now: float) -> float | None:
    if re.fullmatch(r"[0-9]{1,12}(\.[0-9]+)?", value):
        return float(value) * unit
    try:
        return email.utils.parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        return None
