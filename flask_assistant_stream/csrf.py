"""Flask-WTF's CSRF protection for an app whose assistant is also used by programs with a bearer key.

The only module that needs Flask-WTF; the package does not install it.
"""

from __future__ import annotations

from typing import Any

from flask import current_app, request
from flask_wtf import csrf

from .auth import bearer
from .routes import RESOURCES
from .routes.base import EXTENSION
from .routes.error_responses import CATCH_ALL

OPERATIONS = frozenset(operation.name for resource in RESOURCES for operation in resource.operations)
"""The names of the assistant's own routes: a host may add others to the blueprint."""


class CSRFProtect(csrf.CSRFProtect):  # type: ignore[misc]
    """Flask-WTF's check, except for bearer requests and unknown URLs of the assistant.

    Everything else is as with the base class: other routes of the app, `exempt`, `WTF_CSRF_ENABLED`.
    """

    def protect(self, *args: Any, **options: Any) -> None:
        """Check the token of the current request, if it needs one."""
        if not _needs_no_token():
            super().protect(*args, **options)


def _needs_no_token() -> bool:
    """Return whether the assistant receives a request that no foreign page can forge, or that changes nothing.

    A page of another origin cannot add `Authorization: Bearer` without a preflight, which only the origins in
    `ASSISTANT_CORS_ORIGINS` pass; no browser adds it by itself, unlike cookies and `Basic`. Routes of the host are
    checked whatever the header says: they may ignore it and read the cookie.
    """
    blueprint, _, name = (request.endpoint or "").rpartition(".")
    if blueprint not in current_app.extensions.get(EXTENSION, {}):
        return False
    return name == CATCH_ALL or (name in OPERATIONS and bool(bearer(request)))
