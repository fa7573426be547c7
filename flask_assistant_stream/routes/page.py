"""The chat page: `GET /`, and `GET /ui/<version>/<name>` for its scripts and styles. Public, as no data is in either.

Only a registration with the setting `ui` has these routes. They are left out of `openapi.json`: that describes the API,
for programs, and is the same whatever is set; the page is for people.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from flask import Response, current_app, render_template
from flask import request as flask_request
from flask.blueprints import BlueprintSetupState
from werkzeug.security import safe_join

from ..errors import ConfigError, NotFound
from .base import EXTENSION, ApiRequest, Registration, Resource
from .dispatch import add_operation

UI = Path(__file__).parent.parent / "ui"
TYPES = {".js": "text/javascript", ".css": "text/css"}
"""What is given out of that folder. Said here, as the host system's own table may say otherwise."""
VERSION_CHARS = 12
UNCHANGING = "public, max-age=31536000, immutable"
"""Of a file at the address of its version. At another one a browser asks each time: pages and files may come from
processes of different versions while a server is updated."""

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


@dataclass(frozen=True)
class PageFiles:
    """What the page loads.

    Attributes:
        version: of all of them together; part of their addresses.
        scripts: names of the modules, which are asked for at once instead of one after the other imports it.
    """

    version: str
    scripts: tuple[str, ...]


@functools.cache
def page_files() -> PageFiles:
    """Return what is in the folder, as this process found it."""
    names = sorted(path.relative_to(UI).as_posix() for path in UI.rglob("*") if path.suffix in TYPES)
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0" + (UI / name).read_bytes())
    return PageFiles(digest.hexdigest()[:VERSION_CHARS], tuple(name for name in names if name.endswith(".js")))


def files_of(blueprint: str) -> PageFiles:
    """Return what the page of a registration loads, for the template that hosts include.

    Args:
        blueprint: the registration's name, as the host has written it.

    Raises:
        ConfigError: it has no page.
    """
    registrations: dict[str, Registration] = current_app.extensions[EXTENSION]
    if blueprint not in registrations:
        raise ConfigError(
            f"The chat page: no blueprint of the assistant is registered as {blueprint!r}. Set assistant_stream before "
            f"the include to one of: {', '.join(registrations)}."
        )
    if not registrations[blueprint].ui:
        raise ConfigError(f"The chat page of {blueprint!r} is switched off. Set ASSISTANT_UI=on, or ui=True in code.")
    return page_files()


resource = Resource("page")


@resource.route("GET", "/", public=True)
def page(request: ApiRequest) -> Response:
    """Return the chat page."""
    html = render_template("flask_assistant_stream/page.html", assistant_stream=request.registration.name)
    return Response(html, headers=HEADERS)


@resource.route("GET", "/ui/<version>/<path:name>", public=True)
def ui(_request: ApiRequest, version: str, name: str) -> Response:
    """Return a script or a style sheet of the page; a browser keeps it, as another version has another address."""
    path, media_type = safe_join(str(UI), name), TYPES.get(PurePosixPath(name).suffix)
    if path is None or media_type is None or not Path(path).is_file():
        raise NotFound(f"The chat page has no file {name!r}.")
    response = Response(Path(path).read_bytes(), mimetype=media_type)
    keeps = version == page_files().version and not current_app.debug  # who works on the files debugs
    response.headers.update({"Cache-Control": UNCHANGING if keeps else "no-cache", "X-Content-Type-Options": "nosniff"})
    response.add_etag()  # of the content: files of a wheel may all bear one time
    response.make_conditional(flask_request)
    return response


def add_page(state: BlueprintSetupState) -> None:
    """Add the routes to a registration whose settings want them; for `Blueprint.record`."""
    name = f"{state.name_prefix}.{state.name}".lstrip(".")
    registrations: dict[str, Registration] = state.app.extensions[EXTENSION]
    state.app.add_template_global(files_of, "assistant_stream_files")
    if registrations[name].ui:
        for operation in resource.operations:
            add_operation(state, operation)
