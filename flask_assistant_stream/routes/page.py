"""The chat page: `GET /`, and `GET /ui/<version>/<name>` for its bundle and the modules that this is built from.

They are public and hold no data. A page loads one script and one style sheet; the modules are for a developer's tools.

Only a registration with the setting `ui` has these routes. `openapi.json` leaves them out: it describes the API for
programs, whatever the settings.
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
TYPES = {".js": "text/javascript", ".css": "text/css", ".map": "application/json"}
"""The types that are served. The table of the host system may have others for these endings."""
VERSION_CHARS = 12
UNCHANGING = "public, max-age=31536000, immutable"
"""For a file at the address of its own version. At another version's address a browser revalidates each time: during
an update, page and files may come from processes of different versions."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # CSRF extensions read it under HTTPS
    "Cache-Control": "private, no-cache",  # the page may have a token of the visitor's session
}


@dataclass(frozen=True)
class PageFiles:
    """The files of the page.

    Attributes:
        version: of all files together; part of their addresses.
    """

    version: str


@functools.cache
def page_files() -> PageFiles:
    """Return the files in the folder, read once per process."""
    names = sorted(path.relative_to(UI).as_posix() for path in UI.rglob("*") if path.suffix in TYPES)
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + b"\0" + (UI / name).read_bytes())
    return PageFiles(digest.hexdigest()[:VERSION_CHARS])


def files_of(blueprint: str) -> PageFiles:
    """Return the files of the page of a registration, by its name, for the template that hosts include.

    Raises:
        ConfigError: there is no such registration, or it has no page.
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
    """Return a file of the page; a browser caches it, since each version has its own address."""
    path, media_type = safe_join(str(UI), name), TYPES.get(PurePosixPath(name).suffix)
    if path is None or media_type is None or not Path(path).is_file():
        raise NotFound(f"The chat page has no file {name!r}.")
    response = Response(Path(path).read_bytes(), mimetype=media_type)
    cached = version == page_files().version and not current_app.debug  # in debug mode the files may change
    response.headers["Cache-Control"] = UNCHANGING if cached else "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.add_etag()  # of the content: all files of a wheel may have the same time
    response.make_conditional(flask_request)
    return response


def add_page(state: BlueprintSetupState) -> None:
    """Add the routes to a registration with the setting `ui`; for `Blueprint.record`."""
    name = f"{state.name_prefix}.{state.name}".lstrip(".")
    registrations: dict[str, Registration] = state.app.extensions[EXTENSION]
    state.app.add_template_global(files_of, "assistant_stream_files")
    if registrations[name].ui:
        for operation in resource.operations:
            add_operation(state, operation)
