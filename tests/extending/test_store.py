"""A store as `docs/extending-stores.md` writes one: it passes the suites and serves an app by registration alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flask_assistant_stream.errors import ConfigError
from flask_assistant_stream.stores import make_store, register_store
from flask_assistant_stream.stores.sqlite import SQLiteStore
from tests.pages import DOCS, blocks

APP = """
from flask import Flask
import register
from flask_assistant_stream import create_assistant_blueprint, shared_owner
from flask_assistant_stream.testing.decode import decode_ndjson, text_of

def make_app():
    app = Flask(__name__)
    app.config.update(TESTING=True, ASSISTANT_STORE="memory://app", ASSISTANT_ENGINE="offline")
    app.register_blueprint(create_assistant_blueprint(authenticate=shared_owner("app")))
    return app

client = make_app().test_client()
reply = client.post("/api/assistants/chat/stream", json={"content": "Hello, memory"})
events = list(decode_ndjson(reply.data))
thread_id = client.get("/api/assistants/threads").json["data"][0]["id"]
messages = make_app().test_client().get(f"/api/assistants/threads/{thread_id}/messages").json["data"]
assert [message["role"] for message in messages] == ["assistant", "user"], messages
assert messages[0]["content"][0]["text"]["value"] == text_of(events) != ""
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    registration, *modules = blocks(DOCS / "extending-stores.md", "python")
    (tmp_path / "register.py").write_text(registration)
    for module in modules:
        (tmp_path / module.partition("\n")[0].removeprefix("# ")).write_text(module)
    return tmp_path


SUITES = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_memory_store.py")


@pytest.mark.parametrize("arguments", [SUITES, ("-c", APP)], ids=["suites", "app"])
def test_the_store_of_the_page(folder: Path, arguments: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_scheme_belongs_to_one_store() -> None:
    register_store("taken", SQLiteStore)
    register_store("taken", SQLiteStore)
    for scheme in ("taken", "sqlite", "mongodb"):
        with pytest.raises(ConfigError, match=f"'{scheme}' is already registered"):
            register_store(scheme, lambda url, *, log_seconds: SQLiteStore(url))
    with pytest.raises(ConfigError, match=r"ASSISTANT_STORE .* mongodb://…, sqlite://…"):
        make_store("unknown://host")
