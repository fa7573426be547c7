"""What each known server of the Responses API takes, runs and leaves undone: one row a server, by its base URL.

Facts alone, and pure; `docs/upstreams.md` shows them as a table with how each was found out, and a test compares both.
A server that is not known gets the documented core of the API and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from .errors import ConfigError

BEARER, API_KEY = "Authorization", "api-key"
"""Headers that carry a key; `api-key` is Azure's."""

OPTIONAL_FIELDS = frozenset(
    ("include", "phase", "reasoning.summary", "safety_identifier", "stream_options", "truncation")
)
"""What a request may do without: nobody is promised anything that depends on them. `phase` is one of messages."""

PROMISES = frozenset(("max_output_tokens", "parallel_tool_calls", "text", "tool_choice"))
"""Fields that some servers ignore and that clients are promised: what they say is watched over here."""

_OF_OPENAI = frozenset(("code_interpreter", "image_generation", "mcp", "web_search", "web_search_preview"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A server.

    Attributes:
        name: as `ASSISTANT_UPSTREAM_PROFILE` gives it; a host of that name is recognised by it.
        title: as people call it.
        hosts: domains at which it is found.
        ports: where it listens unless it is told otherwise, if that port is hardly used by anything else.
        path: how its base URLs end, "" where that does not matter.
        fields: those of `OPTIONAL_FIELDS` that it takes.
        tools: hosted tools that it runs by itself, by their types in the Responses API.
        files: whether it has `/files` and `/vector_stores`.
        reasoning: whether reasoning items may be sent back to it.
        arrays: whether a function's output may be a list of parts.
        ignores: those of `PROMISES` that it is known, or not known not, to ignore.
        bare_end: whether its streams may end without a terminal event, so that all items closed means completed.
        key: whether it refuses requests without a key.
        key_header: in which it takes the key, `BEARER` or `API_KEY`.
        model: whether our default model makes sense there.
    """

    name: str
    title: str
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    path: str = "/v1"
    fields: frozenset[str] = frozenset()
    tools: frozenset[str] = frozenset()
    files: bool = False
    reasoning: bool = False
    arrays: bool = False
    ignores: frozenset[str] = PROMISES
    bare_end: bool = False
    key: bool = False
    key_header: str = BEARER
    model: bool = False


UNKNOWN = Profile(name="other", title="any other server")

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                name="openai",
                title="OpenAI",
                hosts=("api.openai.com",),
                fields=OPTIONAL_FIELDS,
                tools=_OF_OPENAI | {"file_search"},
                files=True,
                reasoning=True,
                arrays=True,
                ignores=frozenset(),
                key=True,
                model=True,
            ),
            Profile(
                name="azure",
                title="Azure OpenAI",
                hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
                path="/openai/v1",
                fields=OPTIONAL_FIELDS - {"safety_identifier"},
                tools=_OF_OPENAI | {"file_search"},
                files=True,
                reasoning=True,
                arrays=True,
                ignores=frozenset(),
                key=True,
                key_header=API_KEY,
            ),
            Profile(
                name="litellm",
                title="LiteLLM proxy",
                ports=(4000,),
                path="",
                fields=OPTIONAL_FIELDS,
                tools=frozenset(("mcp",)),
                reasoning=True,
            ),
            Profile(
                name="vllm",
                title="vLLM",
                fields=frozenset(("include", "truncation")),
                tools=frozenset(("code_interpreter", "mcp", "web_search_preview")),
                reasoning=True,
            ),
            Profile(
                name="ollama",
                title="Ollama",
                ports=(11434,),
                reasoning=True,
            ),
            Profile(name="llamacpp", title="llama.cpp server"),
            Profile(name="transformers", title="transformers serve"),
            Profile(name="lmstudio", title="LM Studio", ports=(1234,), tools=frozenset(("mcp",))),
            Profile(
                name="sglang",
                title="SGLang",
                ports=(30000,),
                tools=frozenset(("code_interpreter", "web_search_preview")),
            ),
            Profile(
                name="ogx",
                title="OGX / Llama Stack",
                hosts=("llama-stack", "llamastack"),
                ports=(8321,),
                tools=frozenset(("file_search", "mcp", "web_search")),
                files=True,
            ),
            Profile(
                name="openrouter",
                title="OpenRouter",
                hosts=("openrouter.ai",),
                path="/api/v1",
                tools=frozenset(("openrouter:web_search",)),
                bare_end=True,
                key=True,
            ),
            Profile(
                name="xai",
                title="xAI",
                hosts=("api.x.ai",),
                tools=frozenset(("code_interpreter", "mcp", "web_search", "x_search")),
                key=True,
            ),
            Profile(
                name="groq",
                title="Groq",
                hosts=("api.groq.com",),
                path="/openai/v1",
                tools=frozenset(("browser_search", "code_interpreter", "mcp")),
                key=True,
            ),
            Profile(
                name="huggingface",
                title="Hugging Face router",
                hosts=("router.huggingface.co",),
                tools=frozenset(("mcp",)),
                key=True,
            ),
            UNKNOWN,
        )
    }
)
"""All of them by name, the unknown one last."""


def profile_of(base_url: str, name: str | None = None) -> Profile:
    """Return the profile of the server at a base URL.

    Args:
        base_url: up to and with `/v1`.
        name: of the profile, where the setting says so; the base URL is not looked at then.

    Raises:
        ConfigError: there is no profile of that name.
    """
    if name:
        return _named(name.strip().lower())
    try:
        parts = urlsplit(base_url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:  # the engine says what is wrong with it
        return UNKNOWN
    known = [profile for profile in PROFILES.values() if profile is not UNKNOWN]
    by_host = (one for one in known if any(_within(host, domain) for domain in (one.name, *one.hosts)))
    return next(by_host, None) or next((one for one in known if port in one.ports), UNKNOWN)


def no_such_tool(profile: Profile, kind: str) -> str:
    """Say that a server does not run a tool, and what can be done about it."""
    has = f"it runs {', '.join(sorted(profile.tools))}" if profile.tools else "it runs functions only"
    return (
        f"the upstream ({profile.title}) does not run the tool {kind!r}, as far as is known {has}. If another server "
        "stands behind OPENAI_BASE_URL, name it in ASSISTANT_UPSTREAM_PROFILE."
    )


def _named(name: str) -> Profile:
    if name not in PROFILES:
        raise ConfigError(f"There is no upstream profile {name!r}. ASSISTANT_UPSTREAM_PROFILE is {_one_of(PROFILES)}.")
    return PROFILES[name]


def _one_of(names: Mapping[str, Profile]) -> str:
    return "one of " + ", ".join(names)


def _within(host: str, domain: str) -> bool:
    return host == domain or ("." in domain and host.endswith(f".{domain}"))
