"""Base URLs become addresses."""

import pytest

from flask_assistant_stream.engines.openai.http_connect import Address


@pytest.mark.parametrize(
    ("base_url", "authority", "target"),
    [
        ("https://api.openai.com/v1", "api.openai.com", "/v1/responses"),
        ("https://api.openai.com/v1/", "api.openai.com", "/v1/responses"),
        ("https://host:443", "host", "/responses"),
        ("http://host:80/a/b", "host", "/a/b/responses"),
        ("http://host:443/v1", "host:443", "/v1/responses"),
        ("http://[::1]:8080/v1", "[::1]:8080", "/v1/responses"),
        ("https://bücher.example/v1", "xn--bcher-kva.example", "/v1/responses"),
        (" https://HOST.example/v1?api-version=preview ", "host.example", "/v1/responses?api-version=preview"),
    ],
)
def test_addresses(base_url: str, authority: str, target: str) -> None:
    address = Address.parse(base_url, "/responses")
    assert (address.authority, address.target) == (authority, target)
    scheme = "https" if base_url.strip().startswith("https") else "http"
    assert address.url == f"{scheme}://{authority}{target}"
