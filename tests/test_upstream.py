"""How a key reaches an upstream, and how it stays out of texts."""

from __future__ import annotations

import pytest

from flask_assistant_stream.profiles import API_KEY, BEARER, PROFILES
from flask_assistant_stream.upstream import Upstream, holds_secret

TOKEN = "eyJhbGciOiJub25lIn0.eyJhdWQiOiJtZSJ9.c2lnbmVk"


@pytest.mark.parametrize(
    ("headers", "key", "header", "sent"),
    [
        ({}, "", BEARER, {}),
        ({}, "", API_KEY, {}),
        ({}, "sk-1", BEARER, {"Authorization": "Bearer sk-1"}),
        ({}, "0123abcd", API_KEY, {"api-key": "0123abcd"}),
        ({}, TOKEN, API_KEY, {"Authorization": f"Bearer {TOKEN}"}),
        ({"X-Team": "blue"}, "sk-1", BEARER, {"Authorization": "Bearer sk-1", "X-Team": "blue"}),
        ({"authorization": "Basic abc"}, "sk-1", BEARER, {"Authorization": "Basic abc"}),
        ({"authorization": "Basic abc"}, "", BEARER, {"Authorization": "Basic abc"}),
        ({"Api-Key": "mine"}, "0123abcd", API_KEY, {"Api-Key": "mine"}),
    ],
)
def test_the_key_goes_where_the_server_takes_it(
    headers: dict[str, str], key: str, header: str, sent: dict[str, str]
) -> None:
    profile = PROFILES["azure" if header == API_KEY else "openai"]
    assert Upstream(key, headers=headers, profile=profile).configured_headers == sent


def test_headers_that_hold_secrets() -> None:
    names = ("Authorization", "api-key", "X-Api-Key", "Cookie", "X-Auth-Token", "client-secret", "X-Team")
    assert [name for name in names if not holds_secret(name)] == ["X-Team"]


def test_secrets_are_masked_in_values_but_not_in_names() -> None:
    upstream = Upstream(" sk-1234 ", headers={"X-Token": "tok-5678", "X-Team": "blue"})
    value = {"error": {"message": "a sk-1234 b blue", "code": 5}, "sk-1234": ["tok-5678", None]}
    masked = {"error": {"message": "a … b blue", "code": 5}, "sk-1234": ["…", None]}
    assert upstream.masked(value) == masked
    text = "a short secret hides nothing"
    assert Upstream("a", headers={"X-Token": ""}).masked(text) == text


def test_the_representation_shows_no_secret() -> None:
    upstream = Upstream("sk-1234", "https://host.example/v1?code=secret", headers={"X-Token": "tok-5678"})
    assert repr(upstream) == "Upstream(host.example, other)"
    assert repr(Upstream("sk-1234", "http://[broken")) == "Upstream(None, other)"


def test_openai_is_the_default() -> None:
    assert (Upstream().url, Upstream(base_url="").url) == ("https://api.openai.com/v1",) * 2
    assert Upstream().server is PROFILES["openai"]
