"""What a route is: declared once, with the schemas of what goes in and out; dispatch and description read the same.

A view sees a `ApiRequest` and path parameters, never Flask's request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Response
from marshmallow import Schema

from ..assistants import Assistants
from ..auth import Gate
from ..encoders.base import Encoder, StreamStart
from ..engines.base import Engine
from ..files.files import Files
from ..files.tool_resources import Resources
from ..files.vector_stores import VectorStores
from ..log.run_log import RunLog
from ..runs.readers import Readers
from ..runs.request_key import RequestKey
from ..runs.runner import Runner
from ..storages.base import Upload
from ..stores.base import Store
from ..titles import Titles
from .clients import Client, Clients

STREAM_HEADERS = {
    # Without these, proxies that compress and nginx hold a stream back (`spec/clients.md#proxies`).
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
"""Of every answer that streams events."""

EXTENSION = "flask_assistant_stream"
"""The key of `app.extensions` under which registrations stand by name."""


MakeEncoder = Callable[[StreamStart], Encoder]
"""A format, or a format with a wrapper around it."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One blueprint in one app under one name, and all it works with.

    Attributes:
        name: the blueprint's name in the app, dotted where it is nested.
        gate: decides who owns a request.
        cors: adds the CORS headers to a response.
        max_content_chars: of one message or one tool output.
        ui: whether the chat page is served.
        files, vector_stores: what owners have uploaded.
        resources: what their threads and runs use of that.
        titles: writes titles of threads.
        clients: the clients of open streams.
        readers: who reads which run.
        quickstart_compat: the app face speaks to the quickstart's page (`routes.compat`).
        model: of the default assistant, as configured.
    """

    name: str
    store: Store
    engine: Engine
    log: RunLog
    runner: Runner
    assistants: Assistants
    gate: Gate
    cors: Callable[[Response], Response]
    max_content_chars: int
    ui: bool
    files: Files
    vector_stores: VectorStores
    resources: Resources
    titles: Titles
    clients: Clients
    readers: Readers
    quickstart_compat: bool = False
    model: str = ""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request as a view sees it: authenticated and validated.

    Attributes:
        owner: "" on public routes.
        body: the loaded body, of an upload the form's fields; empty where the route takes none.
        query: the loaded query.
        format: makes the encoder of the stream, where the route streams.
        request_id: for the records of a run that it starts.
        upload: the file that was sent, where the route takes one; it is closed when the view returns.
        client: who is sent the stream, where the answer is one.
        key: what the client names the request by, where the route starts or goes on with a run, or None.
    """

    registration: Registration
    owner: str
    body: Mapping[str, Any]
    query: Mapping[str, Any]
    format: MakeEncoder | None
    request_id: str
    upload: Upload | None = None
    client: Client | None = None
    key: RequestKey | None = None

    @property
    def file(self) -> Upload:
        """The file that was sent; only where the route takes one."""
        assert self.upload is not None
        return self.upload


View = Callable[..., Any]
"""Takes a `ApiRequest` and the path parameters by name; returns an object, which becomes JSON, or a response."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A route: method and rule, its view, and what it takes and gives.

    Attributes:
        rule: below the prefix, Flask's syntax.
        summary: one line for the API description; the first of the view's docstring.
        body, query: schemas of what is taken, or None.
        upload: the body is multipart instead of JSON, one file in it; the schema of its parts.
        answer: the schema of the JSON answer, or None for a stream or a free document.
        download: the answer is a file's bytes.
        stream: the answer is a stream; its format is chosen before the view is called. With an `answer` too it is
            one of both, as the body's `stream` says.
        public: needs no owner.
        face: the first part of the rule, where the API is another one than the app's own.
    """

    method: str
    rule: str
    view: View
    summary: str
    body: Schema | None = None
    upload: Schema | None = None
    query: Schema | None = None
    answer: Schema | None = None
    stream: bool = False
    download: bool = False
    public: bool = False
    face: str = ""

    @property
    def name(self) -> str:
        """The endpoint and `operationId`."""
        return f"{self.face}_{self.view.__name__}" if self.face else self.view.__name__

    @property
    def begins(self) -> bool:
        """Whether it starts a run or lets one go on."""
        return self.stream and self.method == "POST"

    @property
    def lists(self) -> bool:
        """Whether its answer is a bare array."""
        return self.answer is not None and self.answer.many

    @property
    def negotiates(self) -> bool:
        """Whether query or `Accept` choose the format of its stream."""
        return self.stream and self.answer is None

    def streams(self, body: Mapping[str, Any]) -> bool:
        """Say whether the answer to a body is a stream."""
        return self.stream and (self.answer is None or bool(body.get("stream")))


@dataclass(slots=True)
class Resource:
    """Collects the routes of one file.

    Attributes:
        tag: what the API description groups them under.
        face: goes before their rules and names.
    """

    tag: str
    face: str = ""
    operations: list[Operation] = field(default_factory=list)

    def route(
        self,
        method: str,
        rule: str,
        *,
        body: Schema | None = None,
        upload: Schema | None = None,
        query: Schema | None = None,
        answer: Schema | None = None,
        stream: bool = False,
        download: bool = False,
        public: bool = False,
    ) -> Callable[[View], View]:
        """Declare the decorated view as a route; see `Operation`."""

        def declare(view: View) -> View:
            summary = (view.__doc__ or "").strip().partition("\n")[0].removesuffix(".")
            path = f"/{self.face}{rule}" if self.face else rule
            made = (summary, body, upload, query, answer, stream, download, public, self.face)
            self.operations.append(Operation(method, path, view, *made))
            return view

        return declare
