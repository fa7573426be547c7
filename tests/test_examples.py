"""The files in `examples/` work as they stand."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_host_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLASK_SECRET_KEY", "a test's secret")
    monkeypatch.setenv("FLASK_ASSISTANT_ENGINE", "offline")
    monkeypatch.setenv("FLASK_ASSISTANT_STORE", f"sqlite:///{tmp_path / 'host.sqlite3'}")
    monkeypatch.setenv("FLASK_ASSISTANT_OFFLINE_DELAY_SECONDS", "0")
    app = runpy.run_path(str(EXAMPLES / "host_app.py"))["create_app"]()
    client = app.test_client()
    assert client.get("/").text == "The app that was here before."
    answer = client.post("/api/assistants/chat/stream", json={"content": "hi"})
    events = [json.loads(line) for line in answer.data.splitlines() if line]
    assert events[-1]["event"] == "thread.run.completed"
    assert len(client.get("/api/assistants/threads").json["data"]) == 1
    assert app.test_client().get("/api/assistants/threads").json["data"] == [], "another browser, another owner"
