"""A host's own readers: the setting, the process that calls them, their errors, the example of the docs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from flask import Flask

from flask_assistant_stream import AssistantStream
from flask_assistant_stream.config import resolve
from flask_assistant_stream.errors import ConfigError, RequestError
from flask_assistant_stream.extraction.extractor import TextExtractor
from tests.pages import DOCS, blocks

SUBTITLES = b"1\n00:00:01,000 --> 00:00:04,000\nThe warranty lasts\n37 months.\n"


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the module of the docs, and one that fails; return its name."""
    (example,) = (block for block in blocks(DOCS / "files.md", "python") if "def read_subtitles" in block)
    failing = (
        "def fails(content): raise KeyError('secret')\n"
        "def returns_bytes(content): return content.read()\n"
        "def not_pdf(content): return 'from the app'\n"
    )
    (tmp_path / "readers_of_the_host.py").write_text(example + failing, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return "readers_of_the_host"


@pytest.mark.parametrize("processes", [0, 1])
def test_the_example_of_the_docs_reads_a_file(on_path: str, processes: int) -> None:
    extractor = TextExtractor(processes, extractors={"srt": f"{on_path}:read_subtitles"})
    try:
        text = extractor.text("ann", "film.SRT", [SUBTITLES], 1000).text
    finally:
        extractor.stop()
    assert text == "The warranty lasts\n37 months."
    assert {"srt", "pdf"} <= extractor.searchable


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("fails", "has failed (KeyError)"),
        ("returns_bytes", "returned bytes instead of a string"),
        ("missing", "has failed (AttributeError)"),
    ],
)
def test_a_function_that_fails_fails_the_file(on_path: str, function: str, message: str) -> None:
    extractor = TextExtractor(0, extractors={"srt": f"{on_path}:{function}"})
    with pytest.raises(RequestError) as raised:
        extractor.text("ann", "a.srt", [b"x"], 1000)
    assert message in raised.value.message
    assert "secret" not in raised.value.message
    assert raised.value.code == "invalid_file"


def test_a_function_comes_before_a_built_in_reader(on_path: str) -> None:
    extractor = TextExtractor(0, extractors={"pdf": f"{on_path}:not_pdf"})
    assert extractor.text("ann", "a.pdf", [b"no PDF"], 1000).text == "from the app"


@pytest.mark.parametrize(
    "value", [{".SRT": "a.b:c", "x-y": "m:f"}, "srt=a.b:c, x-y=m:f", '{"srt": "a.b:c", "x-y": "m:f"}']
)
def test_the_setting(value: object) -> None:
    assert dict(resolve({"extractors": value}, {}, {}).extractors) == {"srt": "a.b:c", "x-y": "m:f"}


@pytest.mark.parametrize(
    "value", [{"srt": "a.b"}, {"srt": "a:"}, {"a/b": "m:f"}, {"": "m:f"}, "srt", {"srt": "1:f"}, 5]
)
def test_a_wrong_setting_is_rejected_at_the_start(value: object) -> None:
    with pytest.raises(ConfigError, match="myapp"):
        resolve({"extractors": value}, {}, {})


def test_a_module_that_does_not_exist_is_rejected_at_the_start() -> None:
    app = Flask(__name__)
    app.config.update(TESTING=True, ASSISTANT_ENGINE="offline", ASSISTANT_EXTRACTORS={"srt": "no_such.module:read"})
    with pytest.raises(ConfigError, match=r"no module 'no_such\.module'"):
        AssistantStream(app)


def test_uploads_of_the_type_are_accepted(on_path: str, tmp_path: Path) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.update(TESTING=True, SECRET_KEY="s", ASSISTANT_ENGINE="offline", ASSISTANT_OWNER="shared:ann")
    app.config.update(ASSISTANT_EXTRACTION_PROCESSES=0, ASSISTANT_EXTRACTORS={"srt": f"{on_path}:read_subtitles"})
    app.config.update(ASSISTANT_OFFLINE_DELAY_SECONDS=0)
    AssistantStream(app)
    client = app.test_client()
    file = {"file": (io.BytesIO(SUBTITLES), "film.srt")}
    assert client.post("/api/assistants/files", data=file).status_code == 200
    answer = client.post("/api/assistants/chat/stream", json={"content": "How long is the warranty?"}).text
    assert "37 months" in answer
