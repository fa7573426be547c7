"""Several registrations in one app and one store: their owners are apart, unless a setting puts them together."""

from __future__ import annotations

import logging
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, Request
from flask.testing import FlaskClient

from flask_assistant_stream import ConfigError, ToolContext, create_assistant_blueprint
from flask_assistant_stream.namespaces import hides_data, stored_owner
from flask_assistant_stream.routes.base import EXTENSION
from flask_assistant_stream.shutdown import drain
from flask_assistant_stream.storages.local.pending import PendingFiles
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import ScriptedEngine, text

FIRST, SECOND = "assistant_stream", "second"
PREFIXES = {FIRST: "/a", SECOND: "/b"}


def the_user(request: Request) -> str:
    return request.headers.get("X-User", "1")


def make_app(store: Any, *, second: Any = None, **options: Any) -> Flask:
    """Return an app with two registrations; `second` are more options of the second one."""
    app = Flask("host")
    for name, prefix in PREFIXES.items():
        more = (second or {}) if name == SECOND else {}
        own = {"engine": "offline", "store": store, "authenticate": the_user, "name": name}
        quick = {"titles": False, "offline_delay_seconds": 0}
        blueprint = create_assistant_blueprint(**{**own, **quick, **options, **more})
        app.register_blueprint(blueprint, url_prefix=prefix)
    return app


def close(app: Flask) -> None:
    drain(app, seconds=5)  # runs use the store until their end
    for registration in app.extensions[EXTENSION].values():
        registration.runner.stop()
        registration.store.close()


def file_of(client: FlaskClient, prefix: str) -> str:
    form = {"purpose": "assistants", "file": (BytesIO(b"The sky is green."), "notes.txt")}
    return str(client.post(f"{prefix}/v1/files", data=form).get_json()["id"])


def test_owners_of_the_same_name_are_apart(store_url: str) -> None:
    app = make_app(store_url)
    client = app.test_client()
    thread = client.post("/a/threads", json={"title": "Private"}).get_json()["threadId"]
    answer = client.post("/a/chat/stream", json={"content": "hi", "threadId": thread})
    run = answer.headers["X-Run-Id"]
    answer.get_data()
    file = file_of(client, "/a")
    store = client.post("/a/v1/vector_stores", json={"file_ids": [file]}).get_json()["id"]
    assistant = client.post("/a/v1/assistants", json={"model": "m"}).get_json()["id"]
    for path in (
        f"/threads/{thread}",
        f"/threads/{thread}/messages",
        f"/threads/{thread}/runs/{run}/stream",
        f"/v1/threads/{thread}/runs/{run}",
        f"/v1/files/{file}",
        f"/v1/files/{file}/content",
        f"/v1/vector_stores/{store}",
        f"/v1/assistants/{assistant}",
    ):
        assert client.get(f"/a{path}", buffered=True).status_code == 200, path
        assert client.get(f"/b{path}").status_code == 404, path
    assert client.get("/b/threads").get_json()["data"] == []
    assert client.get("/b/v1/files").get_json()["data"] == []
    assert client.post("/b/chat/stream", json={"content": "hi", "threadId": thread}).status_code == 404
    close(app)


def test_one_idempotency_key_serves_both(store_url: str) -> None:
    app = make_app(store_url)
    headers = {"Idempotency-Key": "the-same"}
    bodies = [
        app.test_client().post(f"{prefix}/chat/stream", json={"content": "hi"}, headers=headers, buffered=True)
        for prefix in PREFIXES.values()
    ]
    assert [answer.status_code for answer in bodies] == [200, 200]
    assert bodies[0].headers["X-Run-Id"] != bodies[1].headers["X-Run-Id"]
    close(app)


def test_the_first_registration_stores_owners_as_they_are(store_url: str) -> None:
    app = make_app(store_url)
    app.test_client().post("/a/threads")
    app.test_client().post("/b/threads")
    store = app.extensions[EXTENSION][FIRST].store
    assert len(store.list(Kind.THREAD, "1").records) == 1
    assert len(store.list(Kind.THREAD, f"{SECOND}\x1f1").records) == 1
    close(app)


@pytest.mark.parametrize("owner", ["second\x1f1", "a\x1fb"])
def test_no_owner_reaches_another_namespace_by_its_name(owner: str, sqlite_url: str) -> None:
    app = make_app(sqlite_url, authenticate=lambda _request: owner)
    assert app.test_client().get("/a/threads").status_code == 500
    with pytest.raises(ConfigError, match=r"U\+001F"):
        make_app(sqlite_url, api_keys={"key": owner})


@pytest.mark.parametrize("options", [{"namespace": FIRST}, {"second": {"namespace": FIRST}}, {"namespace": "both"}])
def test_a_setting_puts_them_together(options: Any, store_url: str) -> None:
    app = make_app(store_url, **options)
    thread = app.test_client().post("/a/threads").get_json()["threadId"]
    assert app.test_client().get(f"/b/threads/{thread}").status_code == 200
    close(app)


def test_the_default_file_is_shared_by_owners_apart(tmp_path: Path) -> None:
    app = Flask("host", instance_path=str(tmp_path / "instance"))
    for name, prefix in PREFIXES.items():
        blueprint = create_assistant_blueprint(name=name, engine="offline", authenticate=the_user)
        app.register_blueprint(blueprint, url_prefix=prefix)
    thread = app.test_client().post("/a/threads").get_json()["threadId"]
    assert app.test_client().get(f"/b/threads/{thread}").status_code == 404
    assert [path.name for path in (tmp_path / "instance").glob("*.sqlite3")] == ["assistant_stream.sqlite3"]
    close(app)


def test_a_second_registration_that_loses_sight_of_data_says_so(
    store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    old = Flask("old")
    blueprint = create_assistant_blueprint(engine="offline", store=store_url, authenticate=the_user)
    old.register_blueprint(blueprint, url_prefix="/a")
    old.test_client().post("/a/threads")
    close(old)
    for _start in range(2):
        caplog.clear()
        close(make_app(store_url))
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 1
        assert "ASSISTANT_NAMESPACE=assistant_stream" in warnings[0]
        assert "'second'" in warnings[0]
    caplog.clear()
    close(make_app(store_url, second={"namespace": SECOND}))
    close(make_app(store_url, second={"namespace": FIRST}))
    assert not caplog.records


def test_a_new_app_with_two_registrations_is_not_warned(store_url: str, caplog: pytest.LogCaptureFixture) -> None:
    for _start in range(2):
        app = make_app(store_url)
        assert app.test_client().post("/a/threads").status_code == 200
        close(app)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_file_that_waits_to_be_read_is_no_data_of_an_owner(store_url: str) -> None:
    store = make_store(store_url)
    PendingFiles(store).add(stored_owner(SECOND, "1"), "file_1")
    assert not hides_data(store, "third")
    store.close()


def test_an_app_starts_without_its_store() -> None:
    app = make_app("mongodb://127.0.0.1:1/nothing")
    assert SECOND in app.extensions[EXTENSION]


def test_a_tool_receives_the_owner_as_authenticate_returned_it(sqlite_url: str) -> None:
    owners: list[str] = []

    def note(context: ToolContext) -> str:
        """Note the owner."""
        owners.append(context.owner)
        return "noted"

    app = make_app(sqlite_url, second={"tools": [note]})
    app.test_client().post("/b/chat/stream", json={"content": "/note {}"}).get_data()
    assert owners == ["1"]
    close(app)


@pytest.mark.parametrize(
    "place", [{"url_prefix": "/<tenant>/chat"}, {"subdomain": "<tenant>"}, {"url_defaults": {"x": 1}}]
)
def test_a_place_with_a_variable_is_refused_with_the_fix(place: Any, sqlite_url: str) -> None:
    blueprint = create_assistant_blueprint(engine="offline", store=sqlite_url, authenticate=the_user)
    with pytest.raises(ConfigError, match=r"variable|url_defaults"):
        Flask("host").register_blueprint(blueprint, **place)
    parent = Blueprint("parent", __name__, url_prefix="/<tenant>")
    parent.register_blueprint(blueprint)
    with pytest.raises(ConfigError, match="authenticate"):
        Flask("host").register_blueprint(parent)


# -- objects ----------------------------------------------------------------------------------------------------


def test_objects_in_the_apps_config_and_in_init_app(sqlite_url: str) -> None:
    from flask_assistant_stream import AssistantStream
    from flask_assistant_stream.stores import make_store

    store = make_store(sqlite_url)
    for way in ("config", "init_app"):
        app, engine = Flask(way), ScriptedEngine(text("Hi."))
        app.testing = True
        if way == "config":
            app.config.update(ASSISTANT_STORE=store, ASSISTANT_ENGINE=engine)
            AssistantStream().init_app(app)
        else:
            AssistantStream(mongo_uri="mongodb://elsewhere", engine="offline").init_app(app, store=store, engine=engine)
        registration = app.extensions[EXTENSION][FIRST]
        assert registration.store is store
        assert registration.engine is engine
        answer = app.test_client().post("/api/assistants/chat/stream", json={"content": "hi"})
        assert text_of(decode_ndjson(answer.data)) == "Hi."
        drain(app, seconds=5)
        registration.runner.stop()
    assert len(store.list(Kind.THREAD, "local").records) == 2, "the store stays open"
    store.close()


def test_init_app_refuses_what_it_does_not_take() -> None:
    from flask_assistant_stream import AssistantStream

    with pytest.raises(ConfigError, match="tools"):
        AssistantStream(engine="offline").init_app(Flask("host"), tools=[])
    options: Any = {"modle": "x"}
    with pytest.raises(ConfigError, match="did you mean 'model'"):
        AssistantStream(engine="offline").init_app(Flask("host"), **options)
