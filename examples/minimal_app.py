"""An existing Flask app with an assistant in it: `FLASK_SECRET_KEY=… flask --app examples/minimal_app.py run`."""

from __future__ import annotations

from flask import Flask

from flask_assistant_stream import create_assistant_blueprint, session_owner


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.register_blueprint(
        create_assistant_blueprint(
            instructions="You answer questions about our products, briefly.",
            authenticate=session_owner,  # or a function that returns the logged-in user's id
        ),
        url_prefix="/api/assistants",
    )

    @app.get("/")
    def index() -> str:
        return "The app that was here before."

    return app
