"""A host's own engine, as `docs/extending-engines.md` writes it, works by registration alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from flask_assistant_stream import ConfigError
from flask_assistant_stream.engines import Engine, ItemStream, register_engine, registered_engines
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.engine_suite import EngineSuite
from flask_assistant_stream.testing.scripted import ScriptedEngine, text
from tests.extending.host import ask, registered


@pytest.fixture(scope="module", autouse=True)
def echo() -> Any:
    return registered("extending-engines.md", registered_engines, "echo")


class TestEcho(EngineSuite):
    @pytest.fixture
    def engine(self, echo: Any) -> Engine:
        return cast(Engine, echo())

    @pytest.fixture
    def asked(self) -> dict[str, Any]:
        return {"model": "m", "input": [{"role": "user", "content": "Hello, how are you?"}]}

    @pytest.fixture
    def slow(self) -> dict[str, Any]:
        return {"model": "m", "input": [{"role": "user", "content": "word " * 1_000_000}]}


@pytest.mark.parametrize("name", ["echo", "Echo"])
def test_the_setting_chooses_a_registered_engine(tmp_path: Path, name: str) -> None:
    events = decode_ndjson(ask(tmp_path, "Which colour is the sky?", ASSISTANT_ENGINE=name))
    assert text_of(events).strip() == "Which colour is the sky? (facts.txt: The sky is blue.)"


def test_a_name_means_one_engine(echo: Any) -> None:
    register_engine("echo", echo)
    for name in ("echo", " OpenAI", "offline"):
        with pytest.raises(ConfigError, match="registered already"):
            register_engine(name, ScriptedEngine)


def test_an_unknown_name_is_rejected_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'anthropic'.*openai, offline, echo.*register_engine"):
        ask(tmp_path, "?", ASSISTANT_ENGINE="anthropic")


def test_a_run_gives_the_engine_a_search_of_the_owners_files(tmp_path: Path) -> None:
    engine = ScriptedEngine(text("The sky is blue."))
    ask(tmp_path, "Which colour?", engine)
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
        ask(tmp_path, "?", Old())
