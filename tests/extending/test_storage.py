"""A host's own storage, as `docs/extending-storages.md` writes it, works by registration alone."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_assistant_stream import AssistantStream, ConfigError, shared_owner
from flask_assistant_stream.engines.search.engine import LocalSearchEngine
from flask_assistant_stream.routes.base import EXTENSION
from flask_assistant_stream.storages import register_storage, registered_storages
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import ScriptedEngine, text

PAGE = Path(__file__).parents[2] / "docs" / "extending-storages.md"
URL = "/api/assistants"
OFFLINE = {"ASSISTANT_ENGINE": "offline", "ASSISTANT_OFFLINE_DELAY_SECONDS": 0}
OPENAI = {"ASSISTANT_ENGINE": "openai", "OPENAI_API_KEY": "sk-x"}
OTHER = {**OPENAI, "OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "ASSISTANT_MODEL": "m"}


@pytest.fixture(scope="module", autouse=True)
def words() -> Any:
    """Run the page's code, once for the process: a name is registered once."""
    if "words" not in registered_storages():
        for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
            exec(compile(code, str(PAGE), "exec"), {})
    return registered_storages()["words"]


def host(folder: Path, config: dict[str, Any] | None = None, **options: Any) -> FlaskClient:
    app = Flask("host", instance_path=str(folder))
    app.config.update({"TESTING": True, **OFFLINE, **(config or {})})
    AssistantStream(app, authenticate=shared_owner("ann"), **options)
    return app.test_client()


def upload(client: FlaskClient, path: str = "/files", name: str = "facts.txt") -> Any:
    form = {"file": (BytesIO(b"The sky is blue."), name), "purpose": "assistants"}
    return client.post(f"{URL}{path}", data=form)


@pytest.mark.parametrize("name", ["words", "Words"])
def test_the_setting_chooses_a_registered_storage(tmp_path: Path, name: str) -> None:
    client = host(tmp_path, {"ASSISTANT_STORAGE": name})
    refused = upload(client, name="page.html")
    assert (refused.status_code, ".md, .txt" in refused.text) == (400, True)
    assert upload(client).status_code == 200
    events = decode_ndjson(client.post(f"{URL}/chat/stream", json={"content": "Which sky?"}).get_data())
    assert "The sky is blue." in text_of(events)
    assert "facts.txt" in str(events)


def test_its_vector_stores(tmp_path: Path) -> None:
    client = host(tmp_path, {"ASSISTANT_STORAGE": "words"})

    def send(method: str, path: str, **body: Any) -> Any:
        answer = client.open(f"{URL}/v1/vector_stores{path}", method=method, json=body or None)
        return answer.get_json() if answer.status_code == 200 else answer.status_code

    file_ids = [upload(client, "/v1/files", f"{n}.txt").get_json()["id"] for n in range(3)]
    id = send("POST", "", name="N", metadata={"a": "b"}, file_ids=file_ids[:1])["id"]
    assert send("POST", f"/{id}/files", file_id=file_ids[1], attributes={"n": 1})["status"] == "completed"
    batch = send("POST", f"/{id}/file_batches", file_ids=file_ids[2:])
    assert send("GET", f"/{id}/file_batches/{batch['id']}")["file_counts"]["completed"] == 1
    assert send("POST", f"/{id}/files/{file_ids[1]}", attributes={"n": 2})["attributes"] == {"n": 2}
    assert send("GET", f"/{id}")["file_counts"]["completed"] == 3
    assert send("GET", f"/{id}/files/{file_ids[0]}/content")["data"][0]["text"] == "The sky is blue."
    results = send("POST", f"/{id}/search", query="sky")["data"]
    assert {hit["file_id"]: hit["attributes"] for hit in results} == {
        file_ids[0]: {},
        file_ids[1]: {"n": 2},
        file_ids[2]: {},
    }
    assert send("DELETE", f"/{id}/files/{file_ids[0]}")["deleted"]
    assert client.delete(f"{URL}/v1/files/{file_ids[1]}").get_json()["deleted"]
    assert [hit["file_id"] for hit in send("POST", f"/{id}/search", query="sky")["data"]] == file_ids[2:]
    assert send("POST", f"/{id}", name="M")["name"] == "M"
    assert send("DELETE", f"/{id}")["deleted"]
    assert send("GET", f"/{id}") == 404


@pytest.mark.parametrize(
    ("storage", "finds"), [(None, True), ("words", True), ("literal", False)], ids=["built-in", "words", "literal"]
)
def test_runs_search_in_the_storage(tmp_path: Path, storage: str | None, finds: bool) -> None:
    engine = ScriptedEngine(text("Blue."))
    client = host(tmp_path, {"ASSISTANT_STORAGE": storage}, engine=engine)
    upload(client)
    client.post(f"{URL}/chat/stream", json={"content": "Which sky?"}).get_data()
    (tool,) = engine.requests[0]["tools"]
    search = engine.searches[0]
    assert search is not None
    ids = [*tool["vector_store_ids"] * 2, "vs_gone"]
    assert [hit["text"] for hit in search(ids, "sky is", 5)] == ["The sky is blue."]
    assert bool(search(ids, "is sky", 5)) is finds


@pytest.mark.parametrize("server", [OPENAI, OTHER])
def test_it_searches_for_any_server(tmp_path: Path, server: dict[str, Any]) -> None:
    app = host(tmp_path, {**server, "ASSISTANT_STORAGE": "words"}).application
    engine = app.extensions[EXTENSION]["assistant_stream"].engine
    assert isinstance(engine, LocalSearchEngine)


def test_a_name_means_one_storage(words: Any) -> None:
    register_storage("words", words)
    with pytest.raises(ConfigError, match="registered already"):
        register_storage(" Words", lambda store: words(store))


def test_an_unknown_name_is_rejected_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'elastic'.*words.*register_storage"):
        host(tmp_path, {"ASSISTANT_STORAGE": "elastic"})
