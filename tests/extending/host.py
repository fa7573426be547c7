"""Run the code of a documentation page, and ask a host app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from flask import Flask

from flask_assistant_stream import AssistantStream, shared_owner
from flask_assistant_stream.engines import Engine
from tests.pages import DOCS, blocks

URL = "/api/assistants"


def registered(page: str, kinds: Callable[[], Mapping[str, Any]], name: str) -> Any:
    """Return what the page's code registers; run it once for the process, since a name is registered once."""
    if name not in kinds():
        (code,) = blocks(DOCS / page, "python")
        exec(compile(code, page, "exec"), {})
    return kinds()[name]


def ask(folder: Path, question: str, engine: Engine | None = None, **settings: str | None) -> bytes:
    """Upload a file to a new host app, then ask; return the stream."""
    app = Flask("host", instance_path=str(folder))
    app.config.update(TESTING=True, **settings)
    AssistantStream(app, authenticate=shared_owner("ann"), engine=engine)
    client = app.test_client()
    assert client.post(f"{URL}/files", data={"file": (BytesIO(b"The sky is blue."), "facts.txt")}).status_code == 200
    return client.post(f"{URL}/chat/stream", json={"content": question}).get_data()
