"""Liveness and readiness."""

from __future__ import annotations

import pytest

from flask_assistant_stream.config import DEFAULT_MODEL
from flask_assistant_stream.engines.openai.engine import OpenAIEngine
from flask_assistant_stream.errors import StoreError
from flask_assistant_stream.profiles import OPTIONAL_FIELDS
from flask_assistant_stream.upstream import Upstream

from .conftest import MakeSite, fail_with

READY = {"status": "ok", "store": "ok", "engine": "ok"}
away = fail_with(StoreError("mongodb://db:27017 refused"))


def test_liveness_asks_nobody(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    monkeypatch.setattr(site.registration.store, "ping", away)
    response = site.get("/health", user="nobody")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})


def test_ready(make_site: MakeSite) -> None:
    response = make_site().get("/health/ready", user="nobody")
    upstream = {"engine": "scripted", "model": DEFAULT_MODEL}
    assert (response.status_code, response.get_json()) == (200, {**READY, "upstream": upstream, "warnings": []})


def test_ready_tells_of_the_upstream_but_no_secret(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    engine = OpenAIEngine(Upstream("sk-secret", "https://gateway.example:8443/team-secret/v1?key=secret"), retries=0)
    monkeypatch.setattr(site.engine, "about", engine.about)
    monkeypatch.setattr(site.engine, "warnings", lambda: ["Soon."])
    response = site.get("/health/ready", user="nobody")
    assert response.get_json()["upstream"] == {
        "engine": "openai",
        "model": DEFAULT_MODEL,
        "host": "gateway.example:8443",
        "profile": "other",
        "leaves_out": sorted(OPTIONAL_FIELDS),
    }
    assert response.get_json()["warnings"] == ["Soon."]
    assert "secret" not in response.get_data(as_text=True)


def test_not_ready_without_the_engine_or_the_store(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    monkeypatch.setattr(site.engine, "ping", lambda: "OPENAI_API_KEY is not set.")
    response = site.get("/health/ready")
    assert (response.status_code, response.get_json()["engine"]) == (503, "OPENAI_API_KEY is not set.")
    monkeypatch.undo()
    monkeypatch.setattr(site.registration.store, "ping", away)
    response = site.get("/health/ready")
    assert response.status_code == 503
    expected = {**READY, "status": "unavailable", "store": "unreachable"}
    assert {name: response.get_json()[name] for name in READY} == expected
