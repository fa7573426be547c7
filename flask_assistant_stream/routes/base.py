"""Routes are declared once, with the schemas of requests and responses; dispatch and API description read the same.

A view receives an `ApiRequest` and path parameters, and does not read Flask's request.
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
from ..files.attachments import Attachments
from ..files.files import Files
from ..files.tool_resources import ToolResources
from ..files.vector_stores import VectorStores
from ..log.run_log import RunLog
from ..runs.readers import Readers
from ..runs.request_key import RequestKey
from ..runs.runner import Runner
from ..storages.base import Upload
from ..stores.base import Store
from ..titles import Titles
from .clients import Client, Clients
from .receiving import Receiving

STREAM_HEADERS = {
    # Without these, nginx and compressing proxies buffer a stream (`spec/clients.md#proxies`).
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every event stream."""

EXTENSION = "flask_assistant_stream"
"""The key of `app.extensions` for the registrations by name."""


MakeEncoder = Callable[[StreamStart], Encoder]
"""A format, or a format with a wrapper around it."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One blueprint in one app under one name, with everything it uses.

    Attributes:
        name: the blueprint's name in the app, dotted where it is nested.
        max_content_chars: the limit of one message or one tool output.
        files, vector_stores: the uploads of all owners.
        resources, attachments: the files and vector stores of threads and runs; those that requests name.
        quickstart_compat: the app face adapts to the quickstart's page (`routes.compat`).
        model: the configured model of the default assistant.
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
    resources: ToolResources
    attachments: Attachments
    titles: Titles
    clients: Clients
    receiving: Receiving
    readers: Readers
    quickstart_compat: bool = False
    model: str = ""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """An authenticated and validated request.

    Attributes:
        owner: "" on public routes.
        body: the loaded body, or an upload's form fields; empty if the route takes none.
        format: makes the encoder of the stream, where the route streams.
        request_id: for the log records of a run that it starts.
        upload: the file, on routes that take one; closed when the view returns.
        client: the receiver of the stream, if the response is one.
        key: the idempotency key, on routes that start or continue a run.
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
        """The file, on a route that takes one."""
        assert self.upload is not None
        return self.upload


View = Callable[..., Any]
"""Takes an `ApiRequest` and the path parameters by name; returns an object to send as JSON, or a response."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A route: method, rule, view and schemas.

    Attributes:
        rule: below the prefix, in Flask's syntax.
        summary: the first line of the view's docstring, for the API description.
        upload: the schema of a multipart body with one file, instead of JSON.
        answer: the schema of the JSON response; None for a stream or any document.
        download: the response is the bytes of a file.
        stream: the response is a stream. With an `answer`, too, the body's `stream` chooses.
        public: the route needs no owner.
        face: the first part of the rule, if it is not the app face.
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
        """Whether it starts or continues a run."""
        return self.stream and self.method == "POST"

    @property
    def lists(self) -> bool:
        """Whether its response is an array."""
        return self.answer is not None and self.answer.many

    @property
    def negotiates(self) -> bool:
        """Whether `?format=` or `Accept` chooses the format of its stream."""
        return self.stream and self.answer is None

    def streams(self, body: Mapping[str, Any]) -> bool:
        """Return if the response to a body is a stream."""
        return self.stream and (self.answer is None or bool(body.get("stream")))


@dataclass(slots=True)
class Resource:
    """The routes of one file; `tag` is their group in the API description, `face` the prefix of rules and names."""

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
            options = (summary, body, upload, query, answer, stream, download, public, self.face)
            self.operations.append(Operation(method, path, view, *options))
            return view

        return declare
