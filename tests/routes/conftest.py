"""An app with a scripted engine and its own store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_assistant_stream import Unauthorized, create_assistant_blueprint
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.routes.base import EXTENSION, Registration
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.decode import decode_ndjson
from flask_assistant_stream.testing.scripted import ScriptedEngine

PREFIX = "/api/assistants"
OWNERS = ("anna", "ben", "local")
FRONT_END = "http://localhost:3000"


def by_header(request: Any) -> str:
    """Authenticate by a header; the default owner is anna."""
    user = request.headers.get("X-User", "anna")
    if user == "nobody":
        raise Unauthorized("Log in first.")
    return str(user)


@dataclass
class Site:
    app: Flask
    engine: ScriptedEngine
    prefix: str = PREFIX

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def registration(self) -> Registration:
        registration: Registration = self.app.extensions[EXTENSION]["assistant_stream"]
        return registration

    def request(self, method: str, path: str, *, user: str = "anna", **options: Any) -> TestResponse:
        """Make a request and read the whole response."""
        headers = {"X-User": user, **options.pop("headers", {})}
        return self.client.open(self.prefix + path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> TestResponse:
        return self.request("POST", path, **({} if body is None else {"json": body}), **options)

    def upload(
        self, filename: str = "notes.txt", content: bytes = b"The sky is green.", **options: Any
    ) -> TestResponse:
        """Upload a file to `path`, with more `fields` of the form."""
        fields = options.pop("fields", {})
        form = {**fields, "file": (BytesIO(content), filename)}
        return self.request("POST", options.pop("path", "/files"), data=form, **options)

    def new_file(self, filename: str = "notes.txt", content: bytes = b"The sky is green.", **options: Any) -> str:
        fields = {"purpose": options.pop("purpose", "assistants")}
        answer = self.upload(filename, content, path="/v1/files", fields=fields, **options)
        assert answer.status_code == 200, answer.text
        return str(answer.get_json()["id"])

    def new_vector_store(self, *file_ids: str, **options: Any) -> str:
        answer = self.post("/v1/vector_stores", {"file_ids": file_ids}, **options)
        assert answer.status_code == 200, answer.text
        return str(answer.get_json()["id"])

    def new_thread(self) -> str:
        """Create a thread through the app face and return its id."""
        return str(self.post("/threads").get_json()["threadId"])

    def bodies(self, kind: Kind, thread_id: str) -> list[dict[str, Any]]:
        """Return what the store has of a thread of anna's: messages or runs, the newest first."""
        return [record.body for record in self.registration.store.list(kind, "anna", parent=thread_id).records]

    def close(self) -> None:
        self.registration.runner.stop()
        self.registration.store.close()

    def chat(self, content: str = "hello", **rest: Any) -> list[Event]:
        response = self.post("/chat/stream", {"content": content, **rest})
        assert response.status_code == 200, response.text
        return decode_ndjson(response.data)

    def listed(self, path: str, query: str = "limit=100", **options: Any) -> list[dict[str, Any]]:
        """Return the objects of a list, from all pages."""
        objects: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self.get(f"{path}?{query}{after}", **options).get_json()
            assert (page["object"], page["has_more"]) in (("list", True), ("list", False))
            ends = (page["data"][0]["id"], page["data"][-1]["id"]) if page["data"] else (None, None)
            assert (page["first_id"], page["last_id"]) == ends
            objects += page["data"]
            if not page["has_more"]:
                return objects
            after = f"&after={page['last_id']}"

    def contents(self) -> list[Any]:
        """Return the stored objects of all owners."""
        store, objects = self.registration.store, list[Any]()
        for owner in OWNERS:
            objects += [(owner, record.body) for record in store.list(Kind.ASSISTANT, owner, limit=100).records]
            for thread in store.list(Kind.THREAD, owner, limit=100).records:
                objects.append((owner, thread.body, thread.extra))
                for kind in (Kind.MESSAGE, Kind.RUN):
                    below = store.list(kind, owner, parent=thread.id, limit=100).records
                    objects += [(owner, record.body) for record in below]
        return objects


MakeSite = Callable[..., Site]


class FakeFollower:
    """A follower that plays batches and raises the exceptions among them."""

    def __init__(self, *batches: list[Event] | Exception) -> None:
        self.batches = batches
        self.closed, self.patient, self.wrote_at = False, True, 100.0

    def __iter__(self) -> Iterator[list[Event]]:
        for batch in self.batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch

    def close(self) -> None:
        self.closed = True


def fail_with(error: Exception) -> Callable[..., Any]:

    def failing(*_: Any, **__: Any) -> Any:
        raise error

    return failing


def build(folder: Path, *scripts: Any, config: dict[str, Any] | None = None, **options: Any) -> Site:
    """Build a site; `options` are those of the blueprint."""
    app = Flask("host", instance_path=str(folder))
    app.config.update({"TESTING": True, "SECRET_KEY": "test"}, **(config or {}))
    engine = ScriptedEngine(*scripts)
    defaults = {"engine": engine, "store": f"sqlite:///{folder / 'store.sqlite3'}", "titles": "off"}
    app.register_blueprint(create_assistant_blueprint(**{"authenticate": by_header, **defaults, **options}))
    return Site(app, engine)


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[MakeSite]:
    """Return a function that builds a site from scripts of the engine and options."""
    sites: list[Site] = []

    def make(*scripts: Any, **options: Any) -> Site:
        folder = tmp_path / str(len(sites))
        folder.mkdir()
        sites.append(build(folder, *scripts, **options))
        return sites[-1]

    yield make
    for site in sites:
        site.close()


def run_of(events: list[Event]) -> dict[str, Any]:
    return next(event.object() for event in reversed(events) if event.name.startswith("thread.run."))
