"""The app factory: a usual Flask app, and one more blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask, Response

from . import database, login, orders, support
from .extensions import csrf, limiter, login_manager

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",  # the CSRF check needs the referrer under TLS
    "X-Content-Type-Options": "nosniff",
}


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """Create the app. Settings come from the environment with the prefix FLASK_, or from the argument."""
    app = Flask(__name__)
    app.config.from_mapping(
        DATABASE=str(Path(app.instance_path) / "shop.sqlite3"),
        SUPPORT_LIMIT="20 per minute",
        MAX_CONTENT_LENGTH=16 * 1024 * 1024,  # the CSRF check reads forms first
        SESSION_COOKIE_SAMESITE="Lax",
        RATELIMIT_STORAGE_URI="memory://",  # per process; use redis:// to share counts
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session: chats stay open for hours
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(settings or {})
    database.init_app(app)
    login_manager.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)  # after the CSRF check, whose refusals are not counted
    app.register_blueprint(login.blueprint)
    app.register_blueprint(orders.blueprint)
    app.register_blueprint(support.blueprint)
    app.register_blueprint(support.assistant, url_prefix="/support/assistant")
    app.after_request(add_headers)
    return app


def add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
