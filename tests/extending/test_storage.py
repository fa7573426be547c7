"""A host's own storage, as `docs/extending-storages.md` writes it, works by registration alone."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_assistant_stream import AssistantStream, ConfigError, shared_owner
from flask_assistant_stream.storages import register_storage, storages
from flask_assistant_stream.storages.base import Storage
from flask_assistant_stream.storages.local import LocalStorage
from flask_assistant_stream.testing.scripted import ScriptedEngine, text

PAGE = Path(__file__).parents[2] / "docs" / "extending-storages.md"
URL = "/api/assistants"


@pytest.fixture(scope="module", autouse=True)
def literal() -> Any:
    """Run the page's code, once for the process: a name is registered once."""
    if "literal" not in storages():
        (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
        exec(compile(code, str(PAGE), "exec"), {})
    return storages()["literal"]


def search(folder: Path, storage: str | None) -> Any:
    """Upload a file, ask, and return the search that the engine received, bound to the run's vector stores."""
    app = Flask("host", instance_path=str(folder))
    app.config.update(TESTING=True, ASSISTANT_STORAGE=storage)
    engine = ScriptedEngine(text("The sky is blue."))
    AssistantStream(app, authenticate=shared_owner("ann"), engine=engine)
    client = app.test_client()
    assert client.post(f"{URL}/files", data={"file": (BytesIO(b"The sky is blue."), "facts.txt")}).status_code == 200
    client.post(f"{URL}/chat/stream", json={"content": "Which colour?"}).get_data()
    (tool,) = engine.requests[0]["tools"]
    bound = engine.searches[0]
    assert bound is not None
    return lambda query: [passage["text"] for passage in bound(tool["vector_store_ids"], query, 5)]


@pytest.mark.parametrize("name", ["literal", "Literal"])
def test_the_setting_chooses_a_registered_storage(tmp_path: Path, name: str) -> None:
    find = search(tmp_path, name)
    assert find("sky is") == ["The sky is blue."]
    assert find("is sky") == []


def test_without_the_setting_the_built_in_one_searches(tmp_path: Path) -> None:
    assert search(tmp_path, None)("is sky") == ["The sky is blue."]


def test_find_is_built_from_search(tmp_path: Path) -> None:
    class Plain(LocalStorage):
        name = "plain"
        find = Storage.find

    if "plain" not in storages():
        register_storage("plain", Plain)
    assert search(tmp_path, "plain")("sky") == ["The sky is blue."]


def test_a_name_means_one_storage(literal: Any) -> None:
    register_storage("literal", literal)
    with pytest.raises(ConfigError, match="registered already"):
        register_storage("literal", LocalStorage)


def test_an_unknown_name_is_rejected_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'qdrant'.*literal.*register_storage"):
        search(tmp_path, "qdrant")
