"""A host app as its users write it: pages of its own, users of its own, and the blueprint. Served by `serving`."""

from __future__ import annotations

import logging
import os
from typing import Any

from flask import Flask

from flask_assistant_stream import Unauthorized, create_assistant_blueprint
from tests.server_process import PREFIX

API_KEY = "key-of-carla"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Determine the weather at a place",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
        },
    },
}
SEARCH = {"type": "file_search"}
ASSISTANTS: list[dict[str, Any]] = [
    {"id": "asst_default", "model": "a-model", "instructions": "Be brief.", "tools": [WEATHER]},
    {
        "id": "asst_search",
        "model": "a-model",
        "instructions": "Search first.",
        "tools": [SEARCH],
        "tool_resources": {"file_search": {"vector_store_ids": ["vs_food"]}},
    },
]


def by_header(request: Any) -> str:
    """Authenticate as a host would: who says nothing is anna."""
    user = request.headers.get("X-User", "anna")
    if user == "nobody" or "Authorization" in request.headers:
        raise Unauthorized("Log in first.")
    return str(user)


def create_app() -> Flask:
    """Make the app; the environment says which store and which upstream."""
    logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s %(name)s: %(message)s")
    app = Flask("host", instance_path=os.environ["ASSISTANT_INSTANCE"], static_folder=None)
    app.config.from_prefixed_env()
    app.register_blueprint(
        create_assistant_blueprint(assistants=ASSISTANTS, authenticate=by_header, api_keys={API_KEY: "carla"}),
        url_prefix=PREFIX,
    )
    made_in = os.getpid()

    @app.get("/")
    def index() -> str:
        return "The app that was here before."

    @app.get("/processes")
    def processes() -> dict[str, int]:
        return {"made_in": made_in, "serves": os.getpid()}

    return app
