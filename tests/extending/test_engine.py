"""An engine of a host's own, used by an app."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_assistant_stream import AssistantStream, ConfigError, shared_owner
from flask_assistant_stream.engines.base import Engine, ItemStream
from flask_assistant_stream.testing.scripted import ScriptedEngine, text

OWNER = "ann"


def host(folder: Path, engine: Any, **options: Any) -> Flask:
    app = Flask("host", instance_path=str(folder))
    app.config["TESTING"] = True
    AssistantStream(app, engine=engine, authenticate=shared_owner(OWNER), **options)
    return app


def test_a_run_gives_the_engine_a_search_of_the_owners_files(tmp_path: Path) -> None:
    engine = ScriptedEngine(text("The sky is blue."))
    client = host(tmp_path, engine).test_client()
    file = {"file": (BytesIO(b"The sky is blue."), "facts.txt")}
    assert client.post("/api/assistants/files", data=file).status_code == 200
    assert client.post("/api/assistants/chat/stream", json={"content": "Which colour?"}).get_data()
    (tool,) = engine.requests[0]["tools"]
    search = engine.searches[0]
    assert search is not None
    assert [passage["text"] for passage in search(tool["vector_store_ids"], "sky", 5)] == ["The sky is blue."]


def test_an_engine_that_takes_no_search_is_refused_at_the_start(tmp_path: Path) -> None:
    class Old(Engine):
        name = "old"

        def stream(self, request: dict[str, Any]) -> ItemStream:  # type: ignore[override]
            raise NotImplementedError

    with pytest.raises(ConfigError, match=r"Old\.stream must accept the keyword argument `search`"):
        host(tmp_path, Old())
