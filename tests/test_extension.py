"""Registration: one app or many, one name or many, and errors at start-up."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask

from flask_assistant_stream import AssistantStream, ConfigError, create_assistant_blueprint, shared_owner
from flask_assistant_stream.config import DEFAULT_MODEL
from flask_assistant_stream.engines.offline import OfflineEngine
from flask_assistant_stream.engines.openai.engine import OpenAIEngine
from flask_assistant_stream.engines.search.engine import LocalSearchEngine
from flask_assistant_stream.routes.base import EXTENSION, Registration
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import ScriptedEngine, text

OWN = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MONGODB_URI")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OWN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return make_app(tmp_path)


def make_app(folder: Path) -> Flask:
    app = Flask("host", instance_path=str(folder / "instance"))
    app.config["TESTING"] = True
    return app


def of(app: Flask, name: str = "assistant_stream") -> Registration:
    found: Registration = app.extensions[EXTENSION][name]
    return found


def test_the_blueprint_form(app: Flask) -> None:
    blueprint = create_assistant_blueprint(engine=ScriptedEngine(text("Hi.")))
    app.register_blueprint(blueprint, url_prefix="/api/chat")
    response = app.test_client().post("/api/chat/chat/stream", json={"content": "hello"})
    assert text_of(decode_ndjson(response.data)) == "Hi."
    assert isinstance(blueprint.assistant_stream, AssistantStream)


def test_the_extension_form(app: Flask) -> None:
    stream = AssistantStream(engine=ScriptedEngine(text("Hi.")))
    stream.init_app(app)
    response = app.test_client().post("/api/assistants/chat/stream", json={"content": "hello"})
    assert text_of(decode_ndjson(response.data)) == "Hi."
    other = make_app(Path(app.instance_path))
    AssistantStream(other, url_prefix="/x", engine="offline")
    assert other.test_client().get("/x/health").status_code == 200


def test_several_apps_have_nothing_in_common(tmp_path: Path) -> None:
    blueprint = create_assistant_blueprint(engine="offline")
    apps = []
    for name in ("one", "two"):
        app = make_app(tmp_path / name)
        app.config["ASSISTANT_ID"] = f"asst_{name}"
        app.register_blueprint(blueprint)
        apps.append(app)
    one, two = apps
    assert of(one) is not of(two)
    assert one.test_client().post("/api/assistants/").get_json() == {"assistantId": "asst_one"}
    assert two.test_client().post("/api/assistants/").get_json() == {"assistantId": "asst_two"}
    made = one.test_client().post("/api/assistants/threads").get_json()["threadId"]
    assert one.test_client().get(f"/api/assistants/threads/{made}").status_code == 200
    assert two.test_client().get(f"/api/assistants/threads/{made}").status_code == 404


def test_one_blueprint_twice_in_an_app(app: Flask) -> None:
    blueprint = create_assistant_blueprint(engine="offline")
    app.register_blueprint(blueprint, url_prefix="/a")
    app.register_blueprint(blueprint, name="second", url_prefix="/b")
    assert of(app) is not of(app, "second")
    for prefix in ("/a", "/b"):
        assert app.test_client().get(f"{prefix}/health").status_code == 200
        assert app.test_client().get(f"{prefix}/nowhere").get_json()["error"]


def test_two_blueprints_in_an_app_keep_apart(app: Flask, tmp_path: Path) -> None:
    for name in ("support", "sales"):
        options: Any = {
            "assistant_id": f"asst_{name}",
            "cors_origins": [f"https://{name}.example"],
            "engine": "offline",
        }
        authenticate = shared_owner(name)
        blueprint = create_assistant_blueprint(name=name, url_prefix=f"/{name}", authenticate=authenticate, **options)
        app.register_blueprint(blueprint)
    client = app.test_client()
    for name, other in (("support", "sales"), ("sales", "support")):
        answer = client.post(f"/{name}/", headers={"Origin": f"https://{name}.example"})
        assert answer.get_json() == {"assistantId": f"asst_{name}"}
        assert answer.headers["Access-Control-Allow-Origin"] == f"https://{name}.example"
        assert client.post(f"/{name}/", headers={"Origin": f"https://{other}.example"}).status_code == 403
    made = client.post("/support/threads").get_json()["threadId"]
    assert client.get(f"/sales/threads/{made}").status_code == 404


def test_below_another_blueprint(app: Flask) -> None:
    parent = Blueprint("parent", __name__, url_prefix="/parent")
    parent.register_blueprint(create_assistant_blueprint(url_prefix="/chat", engine="offline"))
    app.register_blueprint(parent)
    assert of(app, "parent.assistant_stream").name == "parent.assistant_stream"
    assert app.test_client().post("/parent/chat/threads").status_code == 200
    assert app.test_client().put("/parent/chat/threads").status_code == 405


def test_a_blueprint_of_the_host_below_ours(app: Flask) -> None:
    blueprint = create_assistant_blueprint(engine="offline")
    child = Blueprint("child", __name__, url_prefix="/child")
    child.add_url_rule("/", "index", lambda: "the host's")
    blueprint.register_blueprint(child)
    app.register_blueprint(blueprint)
    assert app.test_client().get("/api/assistants/child/").text == "the host's"


def test_a_name_taken_is_refused_with_the_fix(app: Flask) -> None:
    create = create_assistant_blueprint
    app.register_blueprint(create(engine="offline"))
    before = of(app)
    with pytest.raises(ConfigError, match=r'name="assistant_stream_2"'):
        app.register_blueprint(create(engine="offline"), url_prefix="/other")
    assert of(app) is before


@pytest.mark.parametrize("prefix", ["/", "/deep/er/prefix", "/trailing/"])
def test_prefixes(app: Flask, prefix: str) -> None:
    app.register_blueprint(create_assistant_blueprint(engine="offline"), url_prefix=prefix)
    at = prefix.rstrip("/")
    client = app.test_client()
    assert client.get(f"{at}/health").status_code == 200
    assert client.get(f"{at}/openapi.json").get_json()["servers"] == [{"url": at or "/"}]
    assert client.get(f"{at}/nowhere").get_json()["error"]


def test_settings_come_from_the_apps_config(app: Flask) -> None:
    app.config.update(ASSISTANT_ENGINE="offline", ASSISTANT_OFFLINE_DELAY_SECONDS=0, ASSISTANT_MAX_CONTENT_CHARS=5)
    app.register_blueprint(create_assistant_blueprint())
    response = app.test_client().post("/api/assistants/chat/stream", json={"content": "too long"})
    assert response.get_json()["error"]["param"] == "content"


def test_from_prefixed_env(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_ASSISTANT_ID", "asst_env")
    monkeypatch.setenv("FLASK_ASSISTANT_API_KEYS", '{"key-a": "anna"}')
    app.config.from_prefixed_env()
    app.register_blueprint(create_assistant_blueprint(engine="offline"))
    client = app.test_client()
    assert client.post("/api/assistants/").status_code == 401
    answer = client.post("/api/assistants/", headers={"Authorization": "Bearer key-a"})
    assert answer.get_json() == {"assistantId": "asst_env"}


# -- engine and store -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, OfflineEngine),
        ({"OPENAI_API_KEY": "sk-x"}, OpenAIEngine),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "ASSISTANT_MODEL": "m"}, LocalSearchEngine),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "ASSISTANT_UPSTREAM_PROFILE": "openai"}, OpenAIEngine),
        ({"OPENAI_API_KEY": "sk-x", "ASSISTANT_ENGINE": "offline"}, OfflineEngine),
    ],
)
def test_the_engine(app: Flask, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], expected: type) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    app.register_blueprint(create_assistant_blueprint())
    assert type(of(app).engine) is expected


UPSTREAM = "http://127.0.0.1:1/v1"


@pytest.mark.parametrize(
    ("options", "model"),
    [
        ({"openai_api_key": "sk-x"}, DEFAULT_MODEL),
        ({"openai_base_url": UPSTREAM, "upstream_profile": "openai"}, DEFAULT_MODEL),
        ({"openai_base_url": UPSTREAM, "model": "qwen"}, "qwen"),
        ({"openai_base_url": UPSTREAM, "assistants": [{"id": "asst_default", "model": "declared"}]}, "declared"),
        ({"openai_base_url": "https://x.openai.azure.com/openai/v1", "openai_api_key": "k", "model": "gpt"}, "gpt"),
        ({}, DEFAULT_MODEL),
    ],
)
def test_the_model(app: Flask, options: dict[str, Any], model: str) -> None:
    app.register_blueprint(create_assistant_blueprint(**options))
    assert (of(app).model, of(app).assistants.find("x").body["model"]) == (model, model)


def test_the_profile_follows_from_the_address_or_its_name(app: Flask) -> None:
    given: dict[str, Any] = {"openai_base_url": "http://127.0.0.1:11434/v1", "model": "m"}
    app.register_blueprint(create_assistant_blueprint(**given))
    app.register_blueprint(create_assistant_blueprint(name="two", url_prefix="/two", upstream_profile="vllm", **given))
    assert of(app).engine.about()["profile"] == "ollama"
    assert of(app, "two").engine.about()["profile"] == "vllm"
    with pytest.raises(ConfigError, match=r"'gemini'.*openai, azure"):
        app.register_blueprint(create_assistant_blueprint(name="3", upstream_profile="gemini", **given))


def test_a_tool_that_the_upstream_would_pass_over_is_refused(app: Flask) -> None:
    tools: Any = [{"type": "web_search"}]
    with pytest.raises(ConfigError, match=r"upstream_tools: .*\(Ollama\) does not run the tool 'web_search'"):
        app.register_blueprint(
            create_assistant_blueprint(openai_base_url="http://ollama/v1", model="m", upstream_tools=tools)
        )
    app.register_blueprint(create_assistant_blueprint(openai_api_key="sk-x", upstream_tools=tools))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"openai_base_url": "http://127.0.0.1:1", "model": "m"}, "does not end in /v1"),
        ({}, "OPENAI_API_KEY"),  # the offline engine in production
    ],
)
def test_warnings_at_the_start(app: Flask, options: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    app.config["TESTING"] = False
    app.register_blueprint(create_assistant_blueprint(authenticate=shared_owner("x"), **options))
    assert said in caplog.text


@pytest.mark.parametrize(
    ("config", "options", "warned"),
    [
        ({"DEBUG": True}, {}, True),
        ({"DEBUG": True}, {"engine": "offline"}, False),  # chosen
        ({"DEBUG": True, "TESTING": True}, {}, False),
    ],
)
def test_the_offline_engine_says_once_that_it_answers(
    app: Flask, config: Any, options: Any, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app.config.update({"TESTING": False, **config})
    app.register_blueprint(create_assistant_blueprint(**options))
    for _request in range(2):
        app.test_client().get("/api/assistants/threads")
    assert caplog.text.count("the offline engine answers") == warned


def test_nothing_is_asked_while_the_app_starts(app: Flask) -> None:
    """A server may start the app before it forks its workers, where threads would be lost."""
    before = threading.enumerate()
    app.register_blueprint(create_assistant_blueprint(openai_api_key="sk-x"))
    assert threading.enumerate() == before


def test_a_store_object_is_used(app: Flask, tmp_path: Path) -> None:
    first = make_app(tmp_path / "first")
    first.register_blueprint(create_assistant_blueprint(engine="offline"))
    app.register_blueprint(create_assistant_blueprint(engine="offline", store=of(first).store))
    assert of(app).store is of(first).store


def test_the_default_store_is_a_file_in_the_instance_folder(app: Flask) -> None:
    app.register_blueprint(create_assistant_blueprint(engine="offline"))
    assert list(Path(app.instance_path).iterdir()) == []  # nothing is opened before the first use
    app.test_client().post("/api/assistants/threads")
    assert list(Path(app.instance_path).glob("assistant_stream.sqlite3"))


def test_an_instance_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "instance").write_text("a file")
    with pytest.raises(ConfigError, match="Set ASSISTANT_STORE"):
        make_app(tmp_path).register_blueprint(create_assistant_blueprint(engine="offline"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"modle": "x"}, "did you mean 'model'"),
        ({"cors_origins": "*"}, "browsers refuse"),
        ({"assistants": [{"name": "x"}]}, "at least an"),
        ({"authenticate": "session"}, "must be a function"),
        ({"store": object()}, "'store' must be a string or an object of the class Store"),
        ({"engine": object()}, "'engine' must be a string or an object of the class Engine"),
        ({"storage": object()}, "'storage' must be a string or an object of the class Storage"),
        ({"engine": "openai"}, "OPENAI_API_KEY is not set"),
        ({"engine": None, "openai_base_url": UPSTREAM}, "ASSISTANT_MODEL is not.*ASSISTANT_UPSTREAM_PROFILE=openai"),
        *(({"store": url}, "sqlite") for url in ("redis://x", "mongodb//x", "store.db")),
    ],
)
def test_start_up_refuses_with_the_fix(app: Flask, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        app.register_blueprint(create_assistant_blueprint(**{"engine": "offline", **options}))


def test_an_app_without_owners_is_refused(app: Flask) -> None:
    app.config["TESTING"] = False
    with pytest.raises(ConfigError, match="authenticate="):
        app.register_blueprint(create_assistant_blueprint(engine="offline"))


def test_a_host_app_imports_no_driver_it_does_not_use(tmp_path: Path) -> None:
    code = (
        "import sys; from flask import Flask; from flask_assistant_stream import create_assistant_blueprint as c; "
        f"app = Flask('x', instance_path={str(tmp_path)!r}); app.testing = True; "
        "app.register_blueprint(c(engine='offline')); assert not {'openai', 'pymongo', 'gevent'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
