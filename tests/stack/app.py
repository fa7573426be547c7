"""A host app as its users write it: pages of its own, users of its own, and the blueprint. Served by `serving`."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from flask import Flask, current_app

from flask_assistant_stream import ToolContext, ToolError, Unauthorized, create_assistant_blueprint
from flask_assistant_stream.tools.registry import tool_of
from tests.server_process import PREFIX

API_KEY = "key-of-carla"
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Determine the weather at a place",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    },
}
SEARCH = {"type": "file_search"}
SECRET_OF_A_TOOL = "secret-that-an-exception-quotes"


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def who(context: ToolContext) -> dict[str, str]:
    """Return the caller, and the thread, run and app of the call."""
    return {"owner": context.owner, "thread": context.thread_id, "run": context.run_id, "app": current_app.name}


def refuse() -> None:
    """Refuse, with a text for the model."""
    raise ToolError("Closed on Sundays.")


def fail() -> None:
    """Break."""
    raise RuntimeError(SECRET_OF_A_TOOL)


def hang() -> str:
    """Take longer than any caller, or any server that stops, waits."""
    threading.Event().wait(60)
    return "at last"


def long() -> str:
    """Return more than a model receives."""
    return "x" * 1_000_000


def erase(name: str) -> str:
    """Erase something, with approval."""
    return f"{name} is erased"


TOOLS = [add, who, refuse, fail, tool_of(hang, timeout_seconds=0.3), long, tool_of(erase, requires_approval=True)]
ASSISTANTS: list[dict[str, Any]] = [
    {"id": "asst_default", "model": "a-model", "instructions": "Be brief.", "tools": [WEATHER]},
    {
        "id": "asst_search",
        "model": "a-model",
        "instructions": "Search first.",
        "tools": [SEARCH],
        "tool_resources": {"file_search": {"vector_store_ids": ["vs_food"]}},
    },
    {"id": "asst_slow", "model": "a-model", "tools": [tool_of(hang, timeout_seconds=300)]},
    {"id": "asst_tools", "model": "a-model", "tools": [*TOOLS, WEATHER]},
    {"id": "asst_code", "model": "a-model", "reasoning_effort": "low", "tools": [{"type": "code_interpreter"}, SEARCH]},
]
SKY = {"server_label": "sky", "server_url": "https://sky.example/mcp", "authorization": "token-of-the-sky"}
UPSTREAM_TOOLS = [{"type": "web_search"}, {"type": "mcp", **SKY}]


def by_header(request: Any) -> str:
    """Return the user that the header names, anna by default."""
    user = request.headers.get("X-User", "anna")
    if user == "nobody" or "Authorization" in request.headers:
        raise Unauthorized("Log in first.")
    return str(user)


def create_app(*, hosted: bool = True) -> Flask:
    """Build the app; `hosted` adds tools that the upstream runs, which few servers do."""
    logging.basicConfig(level=logging.INFO, format="%(process)d %(levelname)s %(name)s: %(message)s")
    app = Flask("host", instance_path=os.environ["ASSISTANT_INSTANCE"], static_folder=None)
    app.config.from_prefixed_env()
    app.register_blueprint(
        create_assistant_blueprint(
            assistants=ASSISTANTS if hosted else ASSISTANTS[:1],
            upstream_tools=UPSTREAM_TOOLS if hosted else (),
            authenticate=by_header,
            api_keys={API_KEY: "carla"},
        ),
        url_prefix=PREFIX,
    )
    built_in = os.getpid()

    @app.get("/")
    def index() -> str:
        return "The app that was here before."

    @app.get("/processes")
    def processes() -> dict[str, int]:
        return {"built_in": built_in, "serves": os.getpid()}

    return app
