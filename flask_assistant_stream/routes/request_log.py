"""The facts of the current request, and its log record, which has neither content nor keys."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import Request, Response, g, request

from ..loggers import logger_of
from ..run_logger import owner_digest

logger = logger_of("flask_assistant_stream.requests")

_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


@dataclass(slots=True)
class RequestInfo:
    """The facts of a request, set as they become known.

    Attributes:
        request_id: the client's if it is well-formed, else a new one.
        started: on the monotonic clock.
        owner: a digest.
        show_error: turns an error response into one that the client can read; the log record keeps the original.
    """

    request_id: str
    started: float = field(default_factory=time.monotonic)
    owner: str = ""
    thread_id: str = ""
    run_id: str = ""
    show_error: Callable[[Response], Response] | None = None

    def of_owner(self, owner: str) -> None:
        """Set the owner."""
        self.owner = owner_digest(owner)

    @property
    def extra(self) -> dict[str, str]:
        """The attributes of log records."""
        return {"request_id": self.request_id, "owner": self.owner, "thread_id": self.thread_id, "run_id": self.run_id}

    def __str__(self) -> str:
        return readable(self.extra)


def readable(extra: Mapping[str, str]) -> str:
    """Return the attributes of a record for its message."""
    return " ".join(f"{key}={value}" for key, value in extra.items() if value)


def current() -> RequestInfo:
    """Return the facts of the current request."""
    info = g.get("flask_assistant_stream")
    if info is None:
        info = g.flask_assistant_stream = RequestInfo(_request_id(request))
    assert isinstance(info, RequestInfo)
    return info


def write(response: Response) -> None:
    """Write the record of an answered request; for a stream, the duration ends at its headers."""
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
    sent = request.headers.get("X-Request-Id", "")
    return sent if _SANE_ID.fullmatch(sent) else f"req_{secrets.token_hex(12)}"
