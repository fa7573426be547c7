"""Find mistakes in a base URL before the first request fails."""

from __future__ import annotations

import re

from ...errors import ConfigError
from ...profiles import Profile
from .http_connect import Address

_TOO_LONG = re.compile(r"/(responses|chat/completions|completions|models)/?$")
_OLD_AZURE = re.compile(r"/openai(/deployments/.*)?$")


def endpoint(base_url: str, path: str) -> Address:
    """Return the address of `path` below a base URL.

    Raises:
        ConfigError: the URL is not valid, or includes a route.
    """
    address = Address.parse(base_url, path)
    base = address.path.removesuffix(path)
    if route := _TOO_LONG.search(base):
        raise ConfigError(
            f"OPENAI_BASE_URL ends in {route[0]}. Remove that, as in https://host/v1: routes such as "
            "POST /responses are added to it."
        )
    return address


def unusual_base(address: Address, profile: Profile) -> list[str]:
    """Return what is unusual about a base URL, without its path.

    Args:
        address: the one of `/responses`.
        profile: the profile of its server.
    """
    base = address.path.removesuffix("/responses")
    if profile.name == "azure" and _OLD_AZURE.search(base):
        return ["OPENAI_BASE_URL is Azure's older address; the Responses API is at https://RESOURCE…/openai/v1/."]
    if profile.path and not base.endswith(profile.path) and not re.search(r"/v\d", base):
        return [f"OPENAI_BASE_URL does not end in {profile.path}, as it does for most servers ({profile.title})."]
    return []
