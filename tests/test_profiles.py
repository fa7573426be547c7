"""Which profile a base URL gets, and that the table of profiles keeps its own rules."""

from __future__ import annotations

import pytest

from flask_assistant_stream.errors import ConfigError
from flask_assistant_stream.profiles import OPTIONAL_FIELDS, PROFILES, PROMISES, UNKNOWN, profile_of

URLS = {
    "openai": ("https://api.openai.com/v1", "https://eu.api.openai.com/v1"),
    "azure": ("https://mine.openai.azure.com/openai/v1/", "https://mine.services.ai.azure.com/openai/v1"),
    "ollama": ("http://localhost:11434/v1", "http://ollama:8080/v1"),
    "lmstudio": ("http://192.168.1.5:1234/v1",),
    "vllm": ("http://vllm:8000/v1",),
    "litellm": ("http://127.0.0.1:4000/v1",),
    "ogx": ("http://[::1]:8321/v1",),
    "openrouter": ("https://openrouter.ai/api/v1",),
    "xai": ("https://api.x.ai/v1", "https://us-east-1.api.x.ai/v1"),
    "groq": ("https://api.groq.com/openai/v1",),
    "huggingface": ("https://router.huggingface.co/v1",),
    "other": ("http://localhost:8000/v1", "https://api.openai.com.example.com/v1", "https://notapi.openai.com.evil/v1"),
}


@pytest.mark.parametrize("name", URLS)
def test_the_base_url_decides_unless_the_setting_does(name: str) -> None:
    assert [profile_of(url).name for url in URLS[name]] == [name] * len(URLS[name])
    assert profile_of("http://localhost:11434/v1", "vLLM ").name == "vllm"
    assert profile_of("https://api.openai.com/v1", "other") is UNKNOWN


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'gemini'.*openai, azure.*other"):
        profile_of("http://localhost/v1", "gemini")


def test_an_unknown_server_gets_the_core_and_is_watched() -> None:
    assert not any((UNKNOWN.fields, UNKNOWN.tools, UNKNOWN.files, UNKNOWN.model))
    assert UNKNOWN.ignores == PROMISES


@pytest.mark.parametrize("name", PROFILES)
def test_rows_name_known_fields_only(name: str) -> None:
    profile = PROFILES[name]
    assert profile.fields <= OPTIONAL_FIELDS
    assert profile.ignores <= PROMISES
    assert profile.path in ("", "/v1", "/openai/v1", "/api/v1")
    assert profile.files == ("file_search" in profile.tools), "without vector stores the search is ours"


def test_no_two_rows_claim_the_same_place() -> None:
    places = [place for profile in PROFILES.values() for place in (profile.name, *profile.hosts, *profile.ports)]
    assert len(places) == len(set(places))
