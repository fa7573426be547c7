"""What is known of a request while it is answered, and its one log record: never content, never a key."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import Request, Response, g, request

from ..run_logger import owner_digest

logger = logging.getLogger("flask_assistant_stream.requests")

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


@dataclass(slots=True)
class RequestInfo:
    """Who asked for what; filled in as it becomes known.

    Attributes:
        request_id: the client's, where it is sane; else our own.
        started: on the monotonic clock.
        owner: hashed.
        tell_error: makes what is sent of an error, where its client cannot read one; the record has it as it was.
    """

    request_id: str
    started: float = field(default_factory=time.monotonic)
    owner: str = ""
    thread_id: str = ""
    run_id: str = ""
    tell_error: Callable[[Response], Response] | None = None

    def of_owner(self, owner: str) -> None:
        """Note whose request it is."""
        self.owner = owner_digest(owner)

    @property
    def extra(self) -> dict[str, str]:
        """The attributes of log records."""
        return {
            "request_id": self.request_id,
            "owner": self.owner,
            "thread_id": self.thread_id,
            "run_id": self.run_id,
        }

    def __str__(self) -> str:
        return readable(self.extra)


def readable(extra: Mapping[str, str]) -> str:
    """Return the attributes of a record as they stand in its message."""
    return " ".join(f"{key}={value}" for key, value in extra.items() if value)


def current() -> RequestInfo:
    """Return the current request's information; the first call makes it."""
    info = g.get("flask_assistant_stream")
    if info is None:
        info = g.flask_assistant_stream = RequestInfo(_request_id(request))
    assert isinstance(info, RequestInfo)
    return info


def write(response: Response) -> None:
    """Write the record of a request that is answered; a stream's duration is the time to its headers."""
    info = current()
    route = request.url_rule.rule if request.url_rule is not None else "unknown"
    duration = (time.monotonic() - info.started) * 1000
    logger.info(
        "%s %s %d in %.1f ms [%s]",
        request.method,
        route,
        response.status_code,
        duration,
        info,
        extra={**info.extra, "method": request.method, "route": route, "status": response.status_code},
    )


def _request_id(request: Request) -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if _SANE_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
