"""Liveness and readiness."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.errors import StoreError

from .conftest import MakeSite


def away(*_: Any) -> None:
    raise StoreError("mongodb://db:27017 refused")


def test_liveness_asks_nobody(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    monkeypatch.setattr(site.registration.store, "ping", away)
    response = site.get("/health", user="nobody")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})


def test_ready(make_site: MakeSite) -> None:
    response = make_site().get("/health/ready", user="nobody")
    assert (response.status_code, response.get_json()) == (200, {"status": "ok", "store": "ok", "engine": "ok"})


def test_not_ready_without_the_store(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    monkeypatch.setattr(site.registration.store, "ping", away)
    response = site.get("/health/ready")
    assert response.status_code == 503
    assert response.get_json() == {"status": "unavailable", "store": "unreachable", "engine": "ok"}


def test_not_ready_without_the_engine(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site()
    monkeypatch.setattr(site.engine, "ping", lambda: "OPENAI_API_KEY is not set.")
    response = site.get("/health/ready")
    assert response.status_code == 503
    assert response.get_json()["engine"] == "OPENAI_API_KEY is not set."
