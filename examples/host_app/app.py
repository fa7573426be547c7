"""The app factory: a usual Flask app with its extensions, and one more blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from . import login, models, orders, support
from .extensions import babel, cache, compress, csrf, db, language, limiter, login_manager, talisman

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": ["'self'", "data:", "blob:"],  # the chat shows images of answers
    "font-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """Create the app. Settings come from the environment with the prefix FLASK_, or from the argument."""
    app = Flask(__name__)
    app.config.from_mapping(
        HTTPS=False,  # True in production
        SUPPORT_LIMIT="20 per minute",
        PROGRAM_LIMIT="100 per minute",
        MAX_CONTENT_LENGTH=16 * 1024 * 1024,  # the CSRF check reads forms first
        SQLALCHEMY_DATABASE_URI="sqlite:///orders.sqlite3",  # in the instance folder
        RATELIMIT_STORAGE_URI="memory://",  # per process; use redis:// to share counts
        CACHE_TYPE="SimpleCache",  # per process
        WTF_CSRF_TIME_LIMIT=None,  # a token lives as long as its session: chats stay open for hours
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(settings or {})
    db.init_app(app)
    login_manager.init_app(app)
    csrf.init_app(app)
    limiter.init_app(app)  # after the CSRF check, whose refusals are not counted
    cache.init_app(app)
    babel.init_app(app, locale_selector=language)
    compress.init_app(app)
    talisman.init_app(
        app,
        content_security_policy=POLICY,
        referrer_policy="same-origin",  # the CSRF check needs the referrer under HTTPS
        frame_options="DENY",
        force_https=app.config["HTTPS"],
        session_cookie_secure=app.config["HTTPS"],
    )
    app.register_blueprint(login.blueprint)
    app.register_blueprint(orders.blueprint)
    app.register_blueprint(support.blueprint)
    app.register_blueprint(support.assistant, url_prefix="/support/assistant")
    for name in ("health", "ready"):  # a load balancer asks the process itself, without TLS
        talisman(force_https=False)(app.view_functions[f"{support.assistant.name}.{name}"])
    for name in ("page", "download_file", "v1_get_file_content"):  # they have stricter policies of their own
        talisman(content_security_policy=None)(app.view_functions[f"{support.assistant.name}.{name}"])
    models.add_demo(app)
    return app
