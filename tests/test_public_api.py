"""The names that host apps import, and what importing them costs."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import flask_assistant_stream

PUBLIC = {
    *("AssistantStream", "AssistantBlueprint", "create_assistant_blueprint", "drain"),  # a host app
    *("Authenticator", "Principal", "session_owner", "shared_owner"),  # the owner of a request
    *("Tool", "ToolContext", "tool_of"),
    *("DEFAULT_MODEL", "KEYS", "Key", "Settings"),  # settings, for tools and documentation
    *("AssistantStreamError", "ConfigError", "EngineError", "Forbidden", "Gone", "NotFound", "RequestError"),
    *("ContextOverflow", "UnusableInput"),  # an engine's errors that another request may avoid
    *("StoreError", "TooLarge", "ToolError", "Unauthorized", "Unavailable", "UpstreamError"),
}
CLIENTS = {"openai", "pymongo", "gevent"}
FRAMEWORKS = {*CLIENTS, "flask", "marshmallow"}
HEAVY = {*FRAMEWORKS, "werkzeug", "apispec", "httptools", "ssl", "logging"}
"""None of these comes with the package: `FRAMEWORKS` by contract, all of them so that patching comes first."""
CORE = (
    *("errors", "config", "protocol.events", "encoders.sse", "stores", "stores.base", "stores.capabilities"),
    *("engines.base", "log.run_log", "per_process", "storages", "tools.calls"),
)
IMPORTS = {
    "import flask_assistant_stream": HEAVY,
    "import flask_assistant_stream.gunicorn_hooks": HEAVY,  # a configuration file imports it before gevent patches
    # They are loaded when they are used; Flask-WTF is not even installed everywhere.
    "from flask_assistant_stream import create_assistant_blueprint": {*CLIENTS, "flask_wtf"},
    "import flask_assistant_stream.csrf": CLIENTS,
    **{f"import flask_assistant_stream.{module}": FRAMEWORKS for module in CORE},
}
"""An import -> modules that it must not load."""


def loaded_after(code: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter loads for some code."""
    report = "import sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    answer = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, check=True, timeout=60)
    return set(json.loads(answer.stdout))


def test_all_is_what_is_documented() -> None:
    assert set(flask_assistant_stream.__all__) == PUBLIC
    assert set(dir(flask_assistant_stream)) >= PUBLIC
    assert [name for name in PUBLIC if getattr(flask_assistant_stream, name) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = flask_assistant_stream.nothing


def test_formats_are_where_hosts_look() -> None:
    from flask_assistant_stream.encoders import Encoder, StatefulEncoder, formats, register_encoder
    from flask_assistant_stream.encoders.base import Encoder as Base
    from flask_assistant_stream.encoders.ndjson import NDJSONEncoder
    from flask_assistant_stream.encoders.sse import SSEEncoder

    assert Encoder is Base
    assert issubclass(StatefulEncoder, Encoder)
    assert [register_encoder(format) for format in (NDJSONEncoder, SSEEncoder)] == list(formats().values())[:2]


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("csrf", "CSRFProtect"),
        ("encoders", "Encoder register_encoder"),
        ("encoders.base", "Encoder"),
        ("encoders.ndjson", "NDJSONEncoder"),
        ("encoders.sse", "SSEEncoder"),
        ("engines", "Engine register_engine"),
        ("engines.base", "Engine ItemStream Item"),
        ("engines.offline", "OfflineEngine"),
        ("engines.openai", "OpenAIEngine"),
        ("example", "create_example_app"),
        ("extension", "AssistantStream create_assistant_blueprint"),
        ("files.base", "Storage"),
        ("gunicorn_hooks", "post_worker_init worker_int worker_abort worker_exit"),
        ("storages", "Storage register_storage"),
        ("stores", "Store make_store register_store"),
        ("stores.capabilities", "Blobs Passages Push"),
        ("stores.mongodb", "MongoDBStore"),
        ("stores.sqlite", "SQLiteStore"),
        ("testing.decode", "decode_ndjson decode_sse text_of objects_of"),
        ("testing.encoder_suite", "EncoderSuite LosslessEncoderSuite"),
        ("testing.engine_suite", "EngineSuite"),
        ("testing.scripted", "ScriptedEngine text refusal call calls failure incomplete unfinished read_sse"),
        ("testing.store_blobs", "BlobSuite"),
        ("testing.store_passages", "PassageSuite"),
        ("testing.store_suite", "StoreSuite"),
        ("tools.registry", "Tool ToolContext tool_of"),
    ],
)
def test_import_paths_of_version_0_1_keep_working(module: str, names: str) -> None:
    home = importlib.import_module(f"flask_assistant_stream.{module}")
    assert all(hasattr(home, name) for name in names.split())


def test_logger_names_keep_working() -> None:
    """`logging` configurations of hosts name them. Importing the server would patch this process."""
    from flask_assistant_stream.routes import request_log

    assert request_log.logger.name == "flask_assistant_stream.requests"
    server = Path(flask_assistant_stream.__path__[0], "__main__.py").read_text(encoding="utf-8")
    assert 'logger_of("flask_assistant_stream.server")' in server


def test_the_parts_of_a_store() -> None:
    from flask_assistant_stream import stores
    from flask_assistant_stream.stores.base import Store
    from flask_assistant_stream.stores.capabilities import Blobs, Passages, Push
    from flask_assistant_stream.stores.mongodb import MongoDBStore
    from flask_assistant_stream.stores.sqlite import SQLiteStore

    assert (stores.Store, stores.Blobs, stores.Passages, stores.Push) == (Store, Blobs, Passages, Push)
    assert issubclass(SQLiteStore, Store)
    assert issubclass(MongoDBStore, Push)
    assert all(getattr(stores, name) for name in stores.__all__)


@pytest.mark.parametrize("code", IMPORTS)
def test_an_import_loads_nothing_heavy(code: str) -> None:
    assert not loaded_after(code) & IMPORTS[code]


def test_the_server_patches_before_it_imports() -> None:
    """`ssl`, `threading`'s users and frameworks imported before `patch_all` would keep the unpatched parts."""
    spy = """
import gevent.monkey, runpy, sys, json
before = set(sys.modules)
def patch_all(*args, **kwargs):
    print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))
    raise SystemExit
gevent.monkey.patch_all = patch_all
runpy.run_module("flask_assistant_stream", run_name="__main__")
"""
    answer = subprocess.run([sys.executable, "-c", spy], capture_output=True, check=True, timeout=60, text=True)
    assert not set(json.loads(answer.stdout)) & (HEAVY - {"gevent"})
