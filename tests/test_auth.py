"""Owners of requests, the order of the ways to find them, and the Origins that may send changes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask import Flask, Request, Response
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder

from flask_assistant_stream.auth import SESSION_KEY, Gate, build_gate, session_owner, shared_owner
from flask_assistant_stream.errors import ConfigError, Forbidden, Unauthorized


def app_with(**attributes: Any) -> Flask:
    app = Flask(__name__)
    app.config.update(attributes)
    return app


def gate(app: Flask | None = None, **choices: Any) -> Gate:
    given: dict[str, Any] = {"authenticate": None, "owner": None, "api_keys": {}, "origins": (), **choices}
    return build_gate(app or app_with(), **given)


def a_request(method: str = "POST", url: str = "http://app.example/x", **headers: str) -> Request:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(EnvironBuilder(method=method, base_url=url, headers=names.items()).get_environ())


def hook(owner: Any) -> Any:
    return lambda request: owner


# -- who ------------------------------------------------------------------------------------------------------
def test_a_key_of_the_table_is_its_owner() -> None:
    keys = {"key-a": "anna", "key-b": "ben"}
    for key, owner in keys.items():
        assert gate(api_keys=keys).admit(a_request(Authorization=f"Bearer {key}")).owner == owner
    assert gate(api_keys=keys).admit(a_request(Authorization="bearer  key-a ")).owner == "anna"
    assert "key-a" not in repr(gate(api_keys=keys))


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Bearer", "Basic a2V5", "key-a", "Bearer kéy"])
def test_keys_alone_refuse_everything_else(header: str) -> None:
    with pytest.raises(Unauthorized):
        gate(api_keys={"key-a": "anna"}).admit(a_request(Authorization=header))
    with pytest.raises(Unauthorized, match="didn't provide"):
        gate(api_keys={"key-a": "anna"}).admit(a_request())


def test_a_key_goes_before_the_hosts_function() -> None:
    both = gate(api_keys={"key-a": "anna"}, authenticate=hook("carl"))
    assert both.admit(a_request(Authorization="Bearer key-a")).owner == "anna"
    assert both.admit(a_request()).owner == "carl"


def test_the_hosts_function_sees_tokens_that_are_not_in_the_table() -> None:
    seen = []

    def authenticate(request: Request) -> str:
        seen.append(request.headers["Authorization"])
        return "from-jwt"

    both = gate(api_keys={"key-a": "anna"}, authenticate=authenticate)
    assert both.admit(a_request(Authorization="Bearer a.b.c")).owner == "from-jwt"
    assert seen == ["Bearer a.b.c"]


@pytest.mark.parametrize("shipped", [shared_owner("team"), session_owner])
def test_the_shipped_authenticators_refuse_unknown_tokens(shipped: Any) -> None:
    app = app_with(SECRET_KEY="k")
    with app.test_request_context("/"), pytest.raises(Unauthorized, match="ASSISTANT_API_KEYS"):
        gate(app, authenticate=shipped).admit(a_request(Authorization="Bearer wrong"))


def test_each_browser_is_its_own_owner() -> None:
    app = app_with(SECRET_KEY="k")
    by_session = gate(app, authenticate=session_owner)

    @app.get("/")
    def who() -> str:
        from flask import request

        return by_session.admit(request).owner

    one, two = app.test_client(), app.test_client()
    first = one.get("/").text
    assert first.startswith("session_")
    assert one.get("/").text == first
    assert two.get("/").text != first
    with one.session_transaction() as kept:
        kept[SESSION_KEY] = 5  # not ours
    assert one.get("/").text != first


@pytest.mark.parametrize(("owner", "expected"), [("shared:team", "team"), ("shared: team a ", "team a")])
def test_the_setting_chooses_without_a_function(owner: str, expected: str) -> None:
    assert gate(owner=owner).admit(a_request()).owner == expected
    assert gate(owner=owner, authenticate=hook("carl")).admit(a_request()).owner == "carl"
    assert gate(app_with(SECRET_KEY="k"), owner="session").authenticate is session_owner


@pytest.mark.parametrize("mode", ["DEBUG", "TESTING"])
def test_without_a_choice_everybody_is_local_in_debug_and_testing(mode: str) -> None:
    assert gate(app_with(**{mode: True})).admit(a_request(url="http://localhost/")).owner == "local"


def test_an_app_in_production_without_owners_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError) as caught:
        gate()
    for way in ("authenticate=", "session_owner", "shared_owner", "ASSISTANT_API_KEYS", "ASSISTANT_OWNER"):
        assert way in str(caught.value)


@pytest.mark.parametrize("choice", [{"authenticate": session_owner}, {"owner": "session"}])
def test_sessions_need_a_secret_key(choice: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="FLASK_SECRET_KEY"):
        gate(**choice)


@pytest.mark.parametrize("name", ["", "x" * 257, "a\0b", "\ud800"])
def test_invalid_owners(name: str) -> None:
    with pytest.raises(ConfigError):
        shared_owner(name)
    with pytest.raises(ConfigError, match="ASSISTANT_API_KEYS"):
        gate(api_keys={"k": name})
    with pytest.raises(ConfigError, match="invalid owner"):
        gate(authenticate=hook(name)).admit(a_request())


@pytest.mark.parametrize("returned", [7, 0, UUID("12345678123456781234567812345678")])
def test_a_number_or_a_uuid_is_its_text(returned: Any) -> None:
    assert gate(authenticate=hook(returned)).admit(a_request()).owner == str(returned)


@pytest.mark.parametrize(
    ("returned", "says"), [(Response("no"), "returned a response"), (True, "returned bool"), (7.5, "returned float")]
)
def test_a_hook_that_returns_something_else_is_the_hosts_mistake(returned: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        gate(authenticate=hook(returned)).admit(a_request())
    with pytest.raises(Unauthorized):
        gate(authenticate=hook(None)).admit(a_request())


# -- Origin ---------------------------------------------------------------------------------------------------
OPEN = ("http://localhost:3000",)


def allowed(request: Request, **choices: Any) -> bool:
    try:
        gate(authenticate=hook("anna"), origins=OPEN, **choices).admit(request)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("origin", "url", "expected"),
    [
        ("http://app.example", "http://app.example/", True),
        ("http://APP.example", "http://app.example/", True),
        ("http://app.example:80", "http://app.example/", True),
        ("https://app.example", "http://app.example/", True),  # TLS ends at a proxy
        ("https://app.example:443", "http://app.example/", True),
        ("https://app.example", "https://app.example:443/", True),
        ("http://app.example:5000", "http://app.example:5000/", True),
        ("http://app.example:5000", "http://app.example:5001/", False),
        ("http://app.example:5000", "http://app.example/", False),
        ("http://evil.example", "http://app.example/", False),
        ("http://app.example.evil", "http://app.example/", False),
        ("http://localhost:3000", "http://app.example/", True),
        ("HTTP://LOCALHOST:3000", "http://app.example/", True),
        ("http://localhost:3001", "http://app.example/", False),
        ("https://localhost:3000", "http://app.example/", False),
        ("http://[::1]:5000", "http://[::1]:5000/", True),
        ("null", "http://app.example/", False),
        ("", "http://app.example/", False),
        ("http://app.example:port", "http://app.example/", False),
        ("app.example", "http://app.example/", False),
        ("http://app.example", "https://app.example/", False),  # a network in between may write such a page
        ("http://app.example:443", "https://app.example/", False),
        ("http://app.example:443", "http://app.example/", False),
        ("https://app.example:80", "http://app.example/", False),
        ("https://user@app.example", "https://app.example/", False),
        ("http://app.example/path", "http://app.example/", False),
        ("http://app.example/", "http://app.example/", False),
        ("ftp://app.example", "http://app.example/", False),
        ("chrome-extension://app.example", "http://app.example/", False),
        ("//app.example", "http://app.example/", False),
        ("http://app.example#x", "http://app.example/", False),
        ("http://[::1", "http://[::1]/", False),
    ],
)
def test_origins_that_may_change_something(origin: str, url: str, expected: bool) -> None:
    assert allowed(a_request(url=url, Origin=origin)) is expected


READING = ["GET", "HEAD", "OPTIONS"]


@pytest.mark.parametrize("method", [*READING, "POST", "PATCH", "DELETE", "PUT"])
def test_a_foreign_origin_may_read_and_no_origin_may_do_all(method: str) -> None:
    assert allowed(a_request(method, Origin="http://evil.example")) is (method in READING)
    assert allowed(a_request(method))


@pytest.mark.parametrize("method", [*READING, "POST", "DELETE"])
@pytest.mark.parametrize("relation", ["cross-site", "same-site", "Cross-Site", "same-origin", "none", ""])
def test_a_browser_names_a_foreign_page_even_without_an_origin(method: str, relation: str) -> None:
    headers: dict[str, str] = {"Sec-Fetch-Site": relation} if relation else {}
    request = a_request(method, **headers)
    assert allowed(request) is (method in READING or not relation.lower().endswith("-site"))
    assert allowed(a_request(method, **{**headers, "Origin": OPEN[0]}))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost:5000", "127.0.0.1", "[::1]:5000", "192.168.1.4:5000", "web:8000")),
        *((host, True) for host in ("LOCALHOST", "a.localhost", "mac.local:5000", "app.test")),
        *((host, False) for host in ("evil.example", "evil.example:5000", "127.0.0.1.evil.example", "localhost.evil")),
        *((host, False) for host in ("127.0.0.1@evil.example", "evil.example.", "127.0.0.1:5000.evil.example", "")),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_name_that_leads_to_this_machine_is_refused_in_debug(method: str, host: str, expected: bool) -> None:
    builder = EnvironBuilder(method=method, headers=[("Host", host)])
    request = Request(builder.get_environ())
    choices: list[dict[str, Any]] = [{}, {"owner": "shared:team"}]
    for choice in choices:
        for mode, accepted in (("DEBUG", expected), ("TESTING", True)):
            try:
                gate(app_with(**{mode: True}), **choice).admit(request)
            except Forbidden:
                assert not accepted or host == ""
            else:
                assert accepted or host == ""


def test_the_app_may_trust_more_hosts_in_debug() -> None:
    request = a_request(url="http://dev.example:5000/")
    with pytest.raises(Forbidden, match="TRUSTED_HOSTS"):
        gate(app_with(DEBUG=True)).admit(request)
    assert gate(app_with(DEBUG=True, TRUSTED_HOSTS=["dev.example"])).admit(request).owner == "local"
    assert gate(app_with(DEBUG=True, SERVER_NAME="dev.example:5000")).admit(request).owner == "local"
    assert gate(app_with(DEBUG=True), authenticate=hook("anna")).admit(request).owner == "anna"


def test_a_key_is_exempt_an_unknown_token_is_not() -> None:
    keys = {"key-a": "anna"}
    assert allowed(a_request(Origin="http://evil.example", Authorization="Bearer key-a"), api_keys=keys)
    assert not allowed(a_request(Origin="http://evil.example", Authorization="Bearer other"), api_keys=keys)


def test_the_refusal_names_the_ways_out() -> None:
    with pytest.raises(Forbidden) as caught:
        gate(authenticate=hook("anna")).admit(a_request(Origin="http://evil.example"))
    assert "ProxyFix" in str(caught.value)
    assert "ASSISTANT_CORS_ORIGINS" in str(caught.value)


def test_a_forwarded_host_counts_behind_proxy_fix() -> None:
    app = app_with()
    only = gate(app, authenticate=hook("anna"))

    @app.post("/")
    def who() -> str:
        from flask import request

        return only.admit(request).owner

    @app.errorhandler(Forbidden)
    def refused(error: Forbidden) -> tuple[str, int]:
        return error.message, error.status

    headers = {"Origin": "https://chat.example", "X-Forwarded-Host": "chat.example"}
    assert app.test_client().post("/", headers=headers).status_code == 403
    app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1)  # type: ignore[method-assign]
    assert app.test_client().post("/", headers=headers).status_code == 200
