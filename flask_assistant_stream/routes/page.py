"""The chat page: `GET /`, and `GET /ui/<name>` for its scripts and styles. Public, as no data is in either.

Only a registration with the setting `ui` has these routes. They are left out of `openapi.json`: that describes the API,
for programs, and is the same whatever is set; the page is for people.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from flask import Response, make_response, render_template, send_from_directory
from flask.blueprints import BlueprintSetupState

from ..errors import NotFound
from .base import EXTENSION, Call, Registration, Resource
from .dispatch import add_operation

UI = Path(__file__).parent.parent / "ui"
TYPES = {".js": "text/javascript", ".css": "text/css"}
"""What is given out of that folder. Said here, as the host system's own table may say otherwise."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # extensions that check for forged requests look at it under HTTPS
}

resource = Resource("page")


@resource.route("GET", "/", public=True)
def page(call: Call) -> Response:
    """Return the chat page."""
    html = render_template("flask_assistant_stream/page.html", assistant_stream=call.site.name)
    response = make_response(html)
    response.headers.update({**HEADERS, "Cache-Control": "private, no-cache"})
    return response


@resource.route("GET", "/ui/<path:name>", public=True)
def ui(_call: Call, name: str) -> Response:
    """Return a script or a style sheet of the page; a browser asks each time whether it has changed."""
    media_type = TYPES.get(PurePosixPath(name).suffix)
    if media_type is None:
        raise NotFound(f"The chat page has no file {name!r}.")
    response = send_from_directory(UI, name, mimetype=media_type, max_age=0)
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def add_page(state: BlueprintSetupState) -> None:
    """Add the routes to a registration whose settings want them; for `Blueprint.record`."""
    name = f"{state.name_prefix}.{state.name}".lstrip(".")
    registrations: dict[str, Registration] = state.app.extensions[EXTENSION]
    if registrations[name].ui:
        for operation in resource.operations:
            add_operation(state, operation)
