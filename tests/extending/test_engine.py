"""A host's own engine, as `docs/extending-engines.md` writes it, works by registration alone."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_assistant_stream import AssistantStream, ConfigError, shared_owner
from flask_assistant_stream.engines import Engine, ItemStream, engines, register_engine
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.engine_suite import EngineSuite
from flask_assistant_stream.testing.scripted import ScriptedEngine, text

PAGE = Path(__file__).parents[2] / "docs" / "extending-engines.md"
URL = "/api/assistants"


@pytest.fixture(scope="module", autouse=True)
def echo() -> Any:
    """Run the page's code, once for the process: a name is registered once."""
    if "echo" not in engines():
        (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
        exec(compile(code, str(PAGE), "exec"), {})
    return engines()["echo"]


def host(folder: Path, engine: Any) -> Flask:
    app = Flask("host", instance_path=str(folder))
    app.config.update(TESTING=True, ASSISTANT_ENGINE=engine if isinstance(engine, str) else None)
    options = {} if isinstance(engine, str) else {"engine": engine}
    AssistantStream(app, authenticate=shared_owner("ann"), **options)
    return app


def ask(app: Flask, question: str) -> bytes:
    """Upload a file, then ask; return the stream."""
    client = app.test_client()
    assert client.post(f"{URL}/files", data={"file": (BytesIO(b"The sky is blue."), "facts.txt")}).status_code == 200
    return client.post(f"{URL}/chat/stream", json={"content": question}).get_data()


class TestEcho(EngineSuite):
    @pytest.fixture
    def engine(self, echo: Any) -> Engine:
        engine: Engine = echo()
        return engine

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        return {"model": "m", "input": [{"role": "user", "content": "Hello, how are you?"}]}

    @pytest.fixture
    def slow(self) -> dict[str, Any]:
        return {"model": "m", "input": [{"role": "user", "content": "word " * 1_000_000}]}


@pytest.mark.parametrize("name", ["echo", "Echo"])
def test_the_setting_chooses_a_registered_engine(tmp_path: Path, name: str) -> None:
    events = decode_ndjson(ask(host(tmp_path, name), "Which colour is the sky?"))
    assert text_of(events).strip() == "Which colour is the sky? (facts.txt: The sky is blue.)"


def test_a_name_means_one_engine(echo: Any) -> None:
    register_engine("echo", echo)
    for name in ("echo", " OpenAI", "offline"):
        with pytest.raises(ConfigError, match="registered already"):
            register_engine(name, ScriptedEngine)


def test_an_unknown_name_is_rejected_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'anthropic'.*openai, offline, echo.*register_engine"):
        host(tmp_path, "anthropic")


def test_a_run_gives_the_engine_a_search_of_the_owners_files(tmp_path: Path) -> None:
    engine = ScriptedEngine(text("The sky is blue."))
    ask(host(tmp_path, engine), "Which colour?")
    (tool,) = engine.requests[0]["tools"]
    search = engine.searches[0]
    assert search is not None
    assert [passage["text"] for passage in search(tool["vector_store_ids"], "sky", 5)] == ["The sky is blue."]


def test_an_engine_that_takes_no_search_is_rejected_at_start(tmp_path: Path) -> None:
    class Old(Engine):
        name = "old"

        def stream(self, request: dict[str, Any]) -> ItemStream:  # type: ignore[override]
            raise NotImplementedError

    with pytest.raises(ConfigError, match=r"Old\.stream must accept the keyword argument `search`"):
        host(tmp_path, Old())
