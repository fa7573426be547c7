"""How an upstream is shown its key, and which headers must never be told."""

from __future__ import annotations

import re
from collections.abc import Mapping

BEARER = "Authorization"
API_KEY = "api-key"

_JSON_WEB_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


def with_key(headers: Mapping[str, str], key: str, header: str = BEARER) -> dict[str, str]:
    """Return headers with the one that carries the key, if there is a key and they do not bring that one themselves.

    Args:
        headers: those of the configuration.
        key: a server's key, or a token of a directory of identities: Microsoft's Entra ID gives JSON Web Tokens, which
            are sent as bearers also to servers that take their own keys in another header.
        header: `BEARER`, or `API_KEY` as Azure has it.
    """
    named = {BEARER if name.lower() == BEARER.lower() else name: value for name, value in headers.items()}
    if not key:
        return named
    if header == BEARER or _JSON_WEB_TOKEN.fullmatch(key):
        return {BEARER: f"Bearer {key}", **named}
    if header in map(str.lower, named):
        return named
    return {header: key, **named}


def holds_secret(name: str) -> bool:
    """Say whether a header of that name may hold a credential."""
    return any(word in name.lower() for word in ("auth", "key", "token", "secret", "cookie"))
