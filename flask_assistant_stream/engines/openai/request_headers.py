"""The headers of every request to one upstream."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import metadata

from ...errors import ConfigError

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def request_headers(organization: str | None, project: str | None, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of every request; `extra` (the key and the configured ones) win.

    Raises:
        ConfigError: a name or value is not valid in HTTP.
    """
    headers = {
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": f"flask-assistant-stream/{_version()}",
        "OpenAI-Organization": organization or "",
        "OpenAI-Project": project or "",
    }
    names = {name.lower(): name for name in headers}
    for name, value in extra.items():
        headers[names.get(name.lower(), name)] = value
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigError(f"The upstream header {name!r} cannot be sent: use Latin-1 without line breaks.")
    return {name: value for name, value in headers.items() if value}


@functools.cache
def _version() -> str:
    return metadata.version("flask-assistant-stream")
