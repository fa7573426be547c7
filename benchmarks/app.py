"""The measured app: the library with all features on, for any WSGI server."""

from __future__ import annotations

from flask import Flask

from flask_assistant_stream import create_assistant_blueprint, shared_owner

OWNER = "benchmark"


def create_app() -> Flask:
    """Return the app; store and upstream come from the environment."""
    app = Flask(__name__)
    app.register_blueprint(create_assistant_blueprint(authenticate=shared_owner(OWNER)), url_prefix="/")
    return app
