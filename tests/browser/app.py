"""A host app with the chat page twice: the blueprint's own page, and included in a page of the host."""

from __future__ import annotations

import logging
import os
from typing import Any

from flask import Flask, Request, Response, render_template_string

from flask_assistant_stream import ToolError, Unauthorized, create_assistant_blueprint
from flask_assistant_stream.tools.registry import tool_of
from tests.server_process import PREFIX
from tests.stack.app import WEATHER

COOKIE = "user"


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def erase(name: str) -> str:
    """Erase an item; needs approval."""
    return f"{name} is erased"


def closed() -> None:
    """Fail with a message for the model."""
    raise ToolError("Closed on Sundays.")


TOOLS: list[Any] = [add, closed, tool_of(erase, requires_approval=True), WEATHER]
HOSTED = [{"type": "file_search"}, {"type": "code_interpreter"}]
ASSISTANT: dict[str, Any] = {"id": "asst_default", "model": "a-model", "tools": [*TOOLS, *HOSTED]}
HOST_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The host</title><link rel="icon" href="data:,">
<meta name="csrf-token" content="token-of-the-host"></head>
<body><h1>The host</h1>{% set assistant_stream_tools = "/tools.js" %}
{% include "flask_assistant_stream/chat.html" %}</body></html>"""
HOST_TOOLS = "export const tools = { get_weather: async ({ location }) => `18 degrees in ${location}` };"
HOST_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'"


def by_cookie(request: Request) -> str:
    """Return the owner named by the cookie."""
    user = request.cookies.get(COOKIE)
    if not user:
        raise Unauthorized("Log in first.")
    return user


def create_app() -> Flask:
    """Return the app; store and upstream come from the environment."""
    logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s %(name)s: %(message)s")
    app = Flask("host", instance_path=os.environ["ASSISTANT_INSTANCE"], static_folder=None)
    app.config.from_prefixed_env()
    blueprint = create_assistant_blueprint(assistants=[ASSISTANT], authenticate=by_cookie)
    app.register_blueprint(blueprint, url_prefix=PREFIX)

    @app.get("/host")
    def host() -> Response:
        return Response(render_template_string(HOST_PAGE), headers={"Content-Security-Policy": HOST_POLICY})

    @app.get("/tools.js")
    def tools() -> Response:
        return Response(HOST_TOOLS, mimetype="text/javascript")

    return app
