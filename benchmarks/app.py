"""The app that is measured: the library with nothing switched off, under whatever server imports this."""

from __future__ import annotations

from flask import Flask

from flask_assistant_stream import create_assistant_blueprint, shared_owner

OWNER = "benchmark"


def create_app() -> Flask:
    """Make it; the store and the upstream come from the environment."""
    app = Flask(__name__)
    app.register_blueprint(create_assistant_blueprint(authenticate=shared_owner(OWNER)), url_prefix="/")
    return app
