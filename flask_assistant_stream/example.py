"""The example app: one blueprint in a Flask app whose data is in its instance folder.

For `python -m flask_assistant_stream` and for any WSGI server; knows no server and no engine.
"""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, abort, redirect, request, url_for

from . import config
from .auth import is_loopback, shared_owner
from .errors import ConfigError, ToolError
from .extension import create_assistant_blueprint

PREFIX = "/api/assistants"
OWNER = "local"
API_KEY_FILE = "api_key"
SECRET_KEY_FILE = "secret_key"

GET_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Determine the weather at a place",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "A city, such as Paris"},
                "unit": {"type": "string", "enum": ["c", "f"]},
            },
            "required": ["location"],
        },
    },
}
"""A tool of the client: the run waits in `requires_action` for the front-end's answer."""

SUGGESTIONS = [
    "What can you do?",
    "How long may I send a purchase back?",
    '/get_weather {"location": "Paris"}',
    '/current_time {"time_zone": "Europe/Berlin"}',
]
"""Suggestions of an empty chat. A line with a slash makes the offline engine call a tool."""


def current_time(time_zone: str = "UTC") -> datetime:
    """Return the current time.

    Args:
        time_zone: an IANA name, such as Europe/Berlin
    """
    try:
        return datetime.now(ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError):
        raise ToolError(f"There is no time zone {time_zone!r}.") from None


def instance_folder() -> Path:
    """Return the folder of the app's data: `ASSISTANT_INSTANCE`, else `./instance`."""
    return Path(os.environ.get("ASSISTANT_INSTANCE") or "instance").absolute()


def create_example_app(*, host: str = "") -> Flask:
    """Create the example app.

    Settings come from the environment: those of `config.py` by their own names, Flask's with the prefix `FLASK_`.

    Args:
        host: the address that will serve the app. On a loopback address all clients are one owner, an API key of that
            owner is in the instance folder, and only requests to this machine's own names are accepted. Without it, or
            on any other address, the settings must name the owners.

    Raises:
        ConfigError: a setting is invalid or missing; the message has the fix.
    """
    folder = instance_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    app = Flask("flask_assistant_stream.example", instance_path=str(folder), static_folder=None)
    app.config.from_prefixed_env()
    app.secret_key = app.secret_key or kept_secret(folder / SECRET_KEY_FILE, "")
    settings = config.resolve({}, app.config, {**os.environ, "ASSISTANT_UI": os.environ.get("ASSISTANT_UI") or "on"})
    app.register_blueprint(
        create_assistant_blueprint(
            assistants=[{"id": settings.assistant_id, "name": "Example", **_declared(settings)}],
            tools=[current_time, GET_WEATHER, {"type": "file_search"}],
            ui=settings.ui,
            **(_local_access(app, settings, folder) if is_loopback(host) else {}),
        ),
        url_prefix=PREFIX,
    )
    if settings.ui:
        app.context_processor(lambda: {"assistant_stream_suggestions": SUGGESTIONS})
        app.add_url_rule("/", "index", lambda: redirect(url_for("assistant_stream.page")))
    return app


def _declared(settings: config.Settings) -> dict[str, Any]:
    model = {"model": settings.model} if settings.model else {}
    return {**model, "instructions": settings.instructions or "You are a friendly assistant."}


def _local_access(app: Flask, settings: config.Settings, folder: Path) -> dict[str, Any]:
    """Make all clients on this machine one owner, unless the settings choose the owners."""
    if app.config["TRUSTED_HOSTS"] is None:  # which has no form for IPv6
        app.before_request(_refuse_foreign_hosts)
    if settings.owner is not None:
        return {}
    access: dict[str, Any] = {"authenticate": shared_owner(OWNER)}
    if not settings.api_keys:
        access["api_keys"] = {kept_secret(folder / API_KEY_FILE, "sk-local-"): OWNER}
    return access


def _refuse_foreign_hosts() -> None:
    """Refuse requests to names that are not this machine's: a page elsewhere could let its own name lead here."""
    if not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
        abort(400, f"Host {request.host!r} is not trusted.")


def kept_secret(path: Path, prefix: str) -> str:
    """Return the secret in a file that only its user may read; the first caller creates it.

    The file appears whole, even if several workers start at once.
    """
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(prefix + secrets.token_urlsafe(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another worker was first
        finally:
            draft.unlink()
    secret = path.read_text(encoding="ascii").strip()
    if not secret:
        raise ConfigError(f"{path} is empty. Remove it; the next start creates a new one.")
    return secret
