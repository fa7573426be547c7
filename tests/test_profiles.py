"""Which profile a base URL gets, and that the table of profiles keeps its own rules."""

from __future__ import annotations

import pytest

from flask_assistant_stream.errors import ConfigError
from flask_assistant_stream.profiles import OPTIONAL_FIELDS, PROFILES, PROMISES, UNKNOWN, profile_of


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai/v1/", "azure"),
        ("https://mine.services.ai.azure.com/openai/v1", "azure"),
        ("http://localhost:11434/v1", "ollama"),
        ("http://ollama:8080/v1", "ollama"),
        ("http://192.168.1.5:1234/v1", "lmstudio"),
        ("http://vllm:8000/v1", "vllm"),
        ("http://127.0.0.1:4000/v1", "litellm"),
        ("http://[::1]:8321/v1", "ogx"),
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.x.ai/v1", "xai"),
        ("https://us-east-1.api.x.ai/v1", "xai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://router.huggingface.co/v1", "huggingface"),
        ("http://localhost:8000/v1", "other"),
        ("https://api.openai.com.example.com/v1", "other"),
        ("https://notapi.openai.com.evil/v1", "other"),
    ],
)
def test_recognised_by_the_base_url(base_url: str, name: str) -> None:
    assert profile_of(base_url).name == name


def test_the_setting_wins() -> None:
    assert profile_of("http://localhost:11434/v1", "vLLM ").name == "vllm"
    assert profile_of("https://api.openai.com/v1", "other") is UNKNOWN


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'gemini'.*openai, azure.*other"):
        profile_of("http://localhost/v1", "gemini")


def test_an_unknown_server_gets_the_core_and_is_watched() -> None:
    assert not UNKNOWN.fields
    assert not UNKNOWN.tools
    assert not UNKNOWN.files
    assert not UNKNOWN.model
    assert UNKNOWN.ignores == PROMISES


@pytest.mark.parametrize("name", PROFILES)
def test_rows_name_known_fields_only(name: str) -> None:
    assert PROFILES[name].fields <= OPTIONAL_FIELDS
    assert PROFILES[name].ignores <= PROMISES
    assert PROFILES[name].path in ("", "/v1", "/openai/v1", "/api/v1")


def test_no_two_rows_claim_the_same_place() -> None:
    places = [place for profile in PROFILES.values() for place in (profile.name, *profile.hosts, *profile.ports)]
    assert len(places) == len(set(places))


def test_files_and_file_search_go_together() -> None:
    """Without vector stores there is nothing to search upstream: the search is ours then."""
    assert all(profile.files == ("file_search" in profile.tools) for profile in PROFILES.values())
