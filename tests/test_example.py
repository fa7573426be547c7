"""The example app under any server: its defaults, and its secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flask_assistant_stream import ConfigError
from flask_assistant_stream.auth import is_loopback
from flask_assistant_stream.example import PREFIX, create_example_app, kept_secret
from flask_assistant_stream.testing.store_material import at_once
from tests.example_server import FOREIGN, gunicorn_server


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ASSISTANT_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.setenv("ASSISTANT_ENGINE", "offline")


def test_without_an_address_the_owners_must_be_configured() -> None:
    """`gunicorn "flask_assistant_stream.example:create_example_app()"` may listen anywhere."""
    with pytest.raises(ConfigError, match="ASSISTANT_OWNER"):
        create_example_app()


def test_the_secret_key_is_given_or_kept_for_the_next_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLASK_SECRET_KEY", "given")
    assert create_example_app(host="127.0.0.1").secret_key == "given"
    assert not (tmp_path / "instance" / "secret_key").exists()
    monkeypatch.delenv("FLASK_SECRET_KEY")
    first, second = create_example_app(host="localhost"), create_example_app(host="localhost")
    assert first.secret_key == second.secret_key


def test_the_chat_page_is_there_unless_the_settings_say_no(monkeypatch: pytest.MonkeyPatch) -> None:
    client = create_example_app(host="127.0.0.1").test_client()
    assert client.get("/").location == f"{PREFIX}/"
    assert "data-suggestions" in client.get(PREFIX).text
    monkeypatch.setenv("ASSISTANT_UI", "off")
    client = create_example_app(host="127.0.0.1").test_client()
    assert (client.get("/").status_code, client.get(PREFIX).status_code) == (404, 405)


LOOPBACK = ["127.0.0.1", "127.8.0.1", "::1", "localhost"]


@pytest.mark.parametrize("host", [*LOOPBACK, "0.0.0.0", "::", "10.0.0.1", "example.com", ""])
def test_addresses_of_this_machine_alone(host: str) -> None:
    assert is_loopback(host) is (host in LOOPBACK)


@pytest.mark.parametrize("host", LOOPBACK)
def test_on_a_loopback_address_only_names_of_this_machine_are_served(host: str) -> None:
    client = create_example_app(host=host).test_client()
    own = f"[{host}]" if ":" in host else host
    for name in (own, f"{own}:5000", "localhost:5000", "127.0.0.1", "[::1]:80", "[0:0:0:0:0:0:0:1]"):
        assert client.get(f"{PREFIX}/threads", headers={"Host": name}).status_code == 200, name
        assert client.get("/", headers={"Host": name}).status_code == 302, name
    for name in ("evil.example", "evil.example:5000", "127.0.0.1.evil.example", "[::2]", "10.0.0.1"):
        answer = client.get(f"{PREFIX}/threads", headers={"Host": name})
        assert answer.status_code == 400, name
        assert "not trusted" in answer.get_json()["error"]["message"]
        assert client.get("/", headers={"Host": name}).status_code == 400


def test_workers_that_start_at_once_agree_on_a_secret(tmp_path: Path) -> None:
    secrets = at_once(*[lambda: kept_secret(tmp_path / "key", "sk-")] * 8)
    assert set(secrets) == {(tmp_path / "key").read_text()}
    assert list(tmp_path.iterdir()) == [tmp_path / "key"]


def test_an_empty_secret_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    with pytest.raises(ConfigError, match="Remove it"):
        kept_secret(tmp_path / "key", "sk-")


@pytest.mark.slow
def test_gunicorn_serves_it_on_several_workers(tmp_path: Path) -> None:
    with gunicorn_server(tmp_path / "served", "--workers", "2") as server:
        asked = [server.post("/chat/stream", {"content": f"message {number}"}) for number in range(4)]
        assert [answer.names[-1] for answer in asked] == ["thread.run.completed"] * 4
        key = (tmp_path / "served" / "api_key").read_text()
        assert len(server.get("/threads", Authorization=f"Bearer {key}").json["data"]) == 4
        assert server.stop() == 0
