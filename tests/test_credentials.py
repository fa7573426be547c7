"""How a key reaches an upstream."""

from __future__ import annotations

import pytest

from flask_assistant_stream.credentials import API_KEY, BEARER, holds_secret, with_key

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
    assert with_key(headers, key, header) == sent


@pytest.mark.parametrize("name", ["Authorization", "api-key", "X-Api-Key", "Cookie", "X-Auth-Token", "client-secret"])
def test_headers_that_hold_secrets(name: str) -> None:
    assert holds_secret(name)
    assert not holds_secret("X-Team")
