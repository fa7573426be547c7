"""The app of the documentation's screenshots: the assistant of a tool library."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask

from flask_assistant_stream import create_assistant_blueprint
from flask_assistant_stream.tools.registry import tool_of
from tests.browser.app import by_cookie
from tests.server_process import PREFIX


def find_tool(name: str) -> dict[str, Any]:
    """Look for a tool on the shelves."""
    return {"tool": name, "shelf": "C 4", "free": True, "deposit": "20 €"}


def reserve_tool(name: str, day: str) -> str:
    """Reserve a tool for a day."""
    return f"{name} is reserved for {day}."


TOOLS: list[Any] = [find_tool, tool_of(reserve_tool, requires_approval=True), {"type": "file_search"}]


def create_app() -> Flask:
    """Return the app."""
    app = Flask("showcase", instance_path=os.environ["ASSISTANT_INSTANCE"], static_folder=None)
    app.config.from_prefixed_env()
    blueprint = create_assistant_blueprint(tools=TOOLS, authenticate=by_cookie)
    app.register_blueprint(blueprint, url_prefix=PREFIX)
    return app
