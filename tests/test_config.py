"""The settings table: precedence, parsing, refusals, and that secrets stay inside."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from flask_assistant_stream.config import ALIASES, KEYS, Key, Settings, resolve
from flask_assistant_stream.errors import ConfigError
from flask_assistant_stream.extension import Options


def settled(argument: str, **sources: Any) -> Any:
    """Resolve with one value per source and return one setting."""
    settings = resolve(sources.get("arguments", {}), sources.get("config", {}), sources.get("environ", {}))
    return getattr(settings, argument)


def test_defaults() -> None:
    settings = resolve({}, {}, {})
    assert (settings.model, settings.assistant_id) == ("", "asst_default")
    assert settings.cors_origins == ("http://localhost:3000", "http://127.0.0.1:3000")
    assert settings.store is None
    assert settings.engine is None
    assert settings.max_content_chars == 256_000


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({"arguments": {"assistant_id": "asst_a"}}, "asst_a"),
        ({"config": {"ASSISTANT_ID": "asst_b"}}, "asst_b"),
        ({"environ": {"ASSISTANT_ID": "asst_c"}}, "asst_c"),
        ({"environ": {"OPENAI_ASSISTANT_ID": "asst_d"}}, "asst_d"),
        ({}, "asst_default"),
        ({"arguments": {"assistant_id": "asst_a"}, "config": {"ASSISTANT_ID": "asst_b"}}, "asst_a"),
        ({"config": {"ASSISTANT_ID": "asst_b"}, "environ": {"ASSISTANT_ID": "asst_c"}}, "asst_b"),
        ({"environ": {"ASSISTANT_ID": "asst_c", "OPENAI_ASSISTANT_ID": "asst_d"}}, "asst_c"),
    ],
)
def test_precedence(sources: dict[str, Any], expected: str) -> None:
    assert settled("assistant_id", **sources) == expected


@pytest.mark.parametrize("blank", ["", "  "])
def test_blank_and_none_count_as_not_set(blank: str) -> None:
    assert settled("model", arguments={"model": None}, config={"ASSISTANT_MODEL": None}) == ""
    environ = {"ASSISTANT_ID": blank, "OPENAI_ASSISTANT_ID": "asst_d"}
    assert settled("assistant_id", config={"ASSISTANT_ID": blank}, environ=environ) == "asst_d"


@pytest.mark.parametrize(
    ("name", "argument"),
    [("MONGODB_URI", "store"), ("OPENAI_VECTOR_STORE_ID", "vector_store_ids"), ("OPENAI_API_KEY", "openai_api_key")],
)
def test_names_of_the_origin(name: str, argument: str) -> None:
    assert settled(argument, environ={name: "value"}) in ("value", ("value",))


def test_the_alias_of_the_store() -> None:
    assert settled("store", arguments={"mongo_uri": "mongodb://db"}) == "mongodb://db"
    with pytest.raises(ConfigError, match="both name the same"):
        resolve({"mongo_uri": "mongodb://a", "store": "mongodb://b"}, {}, {})


@pytest.mark.parametrize(
    ("argument", "given", "expected"),
    [
        ("heartbeat_seconds", "2.5", 2.5),
        ("heartbeat_seconds", 3, 3.0),
        ("max_content_chars", "1000", 1000),
        ("max_content_chars", 1000.0, 1000),
        ("assistant_id", 123, "123"),
        ("vector_store_ids", "vs_a, vs_b,,vs_a", ("vs_a", "vs_b")),
        ("vector_store_ids", ["vs_a", " vs_b "], ("vs_a", "vs_b")),
        ("api_keys", "k1=anna, k2=ben=x", {"k1": "anna", "k2": "ben=x"}),
        ("api_keys", '{"k1": "anna"}', {"k1": "anna"}),
        ("api_keys", {"k1": "anna"}, {"k1": "anna"}),
        ("upstream_headers", "X-Team=blue", {"X-Team": "blue"}),
        ("engine", "Offline", "offline"),
        *(("ui", on, True) for on in (True, "on", "TRUE", " yes ", "1", 1)),
        *(("titles", off, False) for off in (False, "off", "False", "no", "0", 0)),
        ("owner", "session", "session"),
        ("owner", "shared:team", "shared:team"),
        ("cors_origins", "none", ()),
        ("cors_origins", [], ()),
        ("cors_origins", "https://A.Test:443, http://[::1]:3000/", ("https://a.test", "http://[::1]:3000")),
        ("cors_origins", ["capacitor://localhost"], ("capacitor://localhost",)),
    ],
)
def test_values_are_parsed(argument: str, given: Any, expected: Any) -> None:
    assert settled(argument, arguments={argument: given}) == expected


@pytest.mark.parametrize(
    ("argument", "given", "says"),
    [
        ("heartbeat_seconds", "soon", "a number from 0.01"),
        ("heartbeat_seconds", 0, "a number from 0.01"),
        ("heartbeat_seconds", "nan", "a number"),
        ("heartbeat_seconds", "inf", "a number"),
        ("heartbeat_seconds", True, "a number"),
        ("heartbeat_seconds", [1], "a number"),
        ("max_content_chars", "1.5", "a whole number"),
        ("max_content_chars", 1.5, "a whole number"),
        ("max_content_chars", 0, "a whole number from 1"),
        ("upstream_retries", 11, "a whole number from 0 to 10"),
        ("model", ["m"], "a string"),
        ("citations", "all", "one of marker, none"),
        ("ui", "maybe", "on or off"),
        ("ui", 2, "on or off"),
        ("ui", 1.0, "on or off"),
        ("owner", "everybody", "session or shared:NAME"),
        ("owner", "shared:", "session or shared:NAME"),
        ("vector_store_ids", {"vs": 1}, "a list of names"),
        ("vector_store_ids", [1], "a list of names"),
        ("vector_store_ids", 5, "a list of names"),
        ("api_keys", "just-a-key", "name=value"),
        ("api_keys", {"k": 1}, "a dict of strings"),
        ("api_keys", {"": "anna"}, "none of them empty"),
        ("api_keys", "{broken", "a dict of strings"),
        ("upstream_headers", {"X-A": "a\r\nX-B: b"}, "printable ASCII"),
        ("cors_origins", "*", "browsers refuse"),
        ("cors_origins", "https://*.example.com", "origins like"),
        ("cors_origins", "example.com", "origins like"),
        ("cors_origins", "https://example.com/app", "origins like"),
        ("cors_origins", "https://user@example.com", "origins like"),
        ("cors_origins", "https://example.com:port", "origins like"),
    ],
)
def test_bad_values_are_refused_with_the_fix(argument: str, given: Any, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve({argument: given}, {}, {})
    assert says in str(caught.value)
    assert f"argument '{argument}'" in str(caught.value)


def test_the_error_names_where_a_value_came_from() -> None:
    with pytest.raises(ConfigError, match="environment variable ASSISTANT_LEASE_SECONDS"):
        resolve({}, {}, {"ASSISTANT_LEASE_SECONDS": "x"})
    with pytest.raises(ConfigError, match=r"app\.config\['ASSISTANT_LEASE_SECONDS'\]"):
        resolve({}, {"ASSISTANT_LEASE_SECONDS": "x"}, {})


@pytest.mark.parametrize("argument", ["ui", "titles", "reasoning_summaries", "quickstart_compat"])
def test_a_switch_takes_booleans_and_words_from_every_place(argument: str) -> None:
    name = f"ASSISTANT_{argument.upper()}"
    for on, off in ((True, False), ("on", "off"), ("true", "false"), ("1", "0"), ("yes", "no")):
        for value in (on, off):
            places: list[dict[str, Any]] = [{"arguments": {argument: value}}, {"config": {name: value}}]
            places += [{"environ": {name: value}}] if isinstance(value, str) else []
            assert [settled(argument, **place) for place in places] == [value is on] * len(places)


def test_unknown_names_of_ours_are_refused() -> None:
    resolve({}, {"SECRET_KEY": "x", "MY_ASSISTANT_X": 1}, {"ASSISTANT_INSTANCE": "/somewhere"})
    with pytest.raises(ConfigError, match=r"'modle'; did you mean 'model'\?"):
        resolve({"modle": "x"}, {}, {})
    with pytest.raises(ConfigError, match=r"'ASSISTANT_MODLE'.*did you mean 'ASSISTANT_MODEL'\?"):
        resolve({}, {"ASSISTANT_MODLE": "x"}, {})


SECRETS = {
    "store": "mongodb://user:hunter2@db/app",
    "api_keys": "hunter2=anna",
    "openai_api_key": "hunter2",
    "openai_base_url": "https://user:hunter2@proxy/v1",
    "upstream_headers": "Authorization=hunter2",
}


def test_secrets_stay_out_of_the_repr_and_of_errors() -> None:
    assert "hunter2" not in repr(resolve(SECRETS, {}, {}))
    for name in ("ASSISTANT_API_KEYS", "ASSISTANT_UPSTREAM_HEADERS"):
        with pytest.raises(ConfigError) as caught:
            resolve({}, {}, {name: "hunter2"})
        assert "hunter2" not in str(caught.value)
    assert {key.argument for key in KEYS if key.secret} == set(SECRETS)


def test_settings_cannot_be_changed() -> None:
    settings = resolve({}, {}, {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.model = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.api_keys["k"] = "x"  # type: ignore[index]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_every_row_is_complete(key: Key) -> None:
    assert key.name.isupper()
    assert key.doc
    assert getattr(resolve({}, {}, {}), key.argument) == key.default


def test_the_typed_arguments_are_the_table() -> None:
    only_code = {"assistants", "authenticate", "tools", "upstream_tools"}
    assert set(Options.__annotations__) - only_code - set(ALIASES) == {key.argument for key in KEYS}
    assert {field.name for field in dataclasses.fields(Settings)} == {key.argument for key in KEYS}
