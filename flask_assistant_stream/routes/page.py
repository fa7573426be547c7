"""The chat page: `GET /`, and `GET /ui/<name>` for its scripts and styles. Public, as no data is in either.

Only a registration with the setting `ui` has these routes. They are left out of `openapi.json`: that describes the API,
for programs, and is the same whatever is set; the page is for people.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from flask import Response, render_template, request
from flask.blueprints import BlueprintSetupState
from werkzeug.security import safe_join

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
    "Cache-Control": "private, no-cache",  # there may be a token of the visitor's session in it
}

resource = Resource("page")


@resource.route("GET", "/", public=True)
def page(call: Call) -> Response:
    """Return the chat page."""
    html = render_template("flask_assistant_stream/page.html", assistant_stream=call.site.name)
    return Response(html, headers=HEADERS)


@resource.route("GET", "/ui/<path:name>", public=True)
def ui(_call: Call, name: str) -> Response:
    """Return a script or a style sheet of the page; a browser asks each time whether it has changed."""
    path, media_type = safe_join(str(UI), name), TYPES.get(PurePosixPath(name).suffix)
    if path is None or media_type is None or not Path(path).is_file():
        raise NotFound(f"The chat page has no file {name!r}.")
    response = Response(Path(path).read_bytes(), mimetype=media_type)
    response.headers.update({"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
    response.add_etag()  # of the content: files of a wheel may all bear one time
    response.make_conditional(request)
    return response


def add_page(state: BlueprintSetupState) -> None:
    """Add the routes to a registration whose settings want them; for `Blueprint.record`."""
    name = f"{state.name_prefix}.{state.name}".lstrip(".")
    registrations: dict[str, Registration] = state.app.extensions[EXTENSION]
    if registrations[name].ui:
        for operation in resource.operations:
            add_operation(state, operation)
