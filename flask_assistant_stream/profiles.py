"""The facts about each known server of the Responses API: fields it accepts, tools it runs, promises it ignores.

Pure. `docs/upstreams.md` shows them with their sources, and a test compares both. An unknown server gets only the
documented core of the API.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from types import MappingProxyType
from urllib.parse import urlsplit

from .errors import ConfigError

BEARER, API_KEY = "Authorization", "api-key"
"""Headers that carry a key; `api-key` is Azure's."""

OPTIONAL_FIELDS = frozenset(
    ("include", "phase", "reasoning.summary", "safety_identifier", "stream_options", "truncation")
)
"""Fields that may be omitted: no promise depends on them. `phase` is a field of messages."""

LOADING_SECONDS = 600.0
"""How long a server may load a model from a slow disk, and perhaps download it before."""

PROMISES = frozenset(("max_output_tokens", "parallel_tool_calls", "text", "tool_choice"))
"""Fields that clients rely on and some servers ignore: responses are checked against them."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A server.

    Attributes:
        name: its value in `ASSISTANT_UPSTREAM_PROFILE`; a host of that name is recognised by it.
        title: its name in messages.
        hosts: its domains.
        ports: its default ports, if hardly anything else uses them.
        path: the end of its base URLs, "" if any.
        fields: those of `OPTIONAL_FIELDS` that it accepts.
        tools: hosted tools that it runs, by their types in the Responses API.
        files: whether it has `/files` and `/vector_stores`.
        reasoning: whether reasoning items may be sent back to it.
        arrays: whether a function's output may be a list of parts.
        ignores: those of `PROMISES` that it may ignore.
        first_seconds: how long it may be silent before its first byte: it loads a model with the first request.
        bare_end: whether its streams may end without a terminal event; then closed items mean completed.
        key: whether it rejects requests without a key.
        key_header: the header of the key, `BEARER` or `API_KEY`.
        model: whether it has our default model.
    """

    name: str
    title: str
    _: KW_ONLY
    hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    path: str = "/v1"
    fields: frozenset[str] = frozenset()
    tools: Collection[str] = ()
    files: bool = False
    reasoning: bool = False
    arrays: bool = False
    ignores: frozenset[str] = PROMISES
    first_seconds: float = 0.0
    bare_end: bool = False
    key: bool = False
    key_header: str = BEARER
    model: bool = False


_OPENAI = Profile(
    "openai",
    "OpenAI",
    hosts=("api.openai.com",),
    fields=OPTIONAL_FIELDS,
    tools=("code_interpreter", "file_search", "image_generation", "mcp", "web_search", "web_search_preview"),
    files=True,
    reasoning=True,
    arrays=True,
    ignores=frozenset(),
    key=True,
    model=True,
)
UNKNOWN = Profile("other", "any other server")

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            _OPENAI,
            replace(
                _OPENAI,
                name="azure",
                title="Azure OpenAI",
                hosts=("openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"),
                path="/openai/v1",
                fields=OPTIONAL_FIELDS - {"safety_identifier"},
                key_header=API_KEY,
                model=False,
            ),
            Profile(
                "litellm",
                "LiteLLM proxy",
                ports=(4000,),
                path="",
                fields=OPTIONAL_FIELDS,
                tools=("mcp",),
                reasoning=True,
            ),
            Profile(
                "vllm",
                "vLLM",
                fields=frozenset(("include", "truncation")),
                tools=("code_interpreter", "mcp", "web_search_preview"),
                reasoning=True,
            ),
            Profile("ollama", "Ollama", ports=(11434,), reasoning=True, first_seconds=LOADING_SECONDS),
            Profile("llamacpp", "llama.cpp server", first_seconds=LOADING_SECONDS),
            Profile("transformers", "transformers serve", first_seconds=LOADING_SECONDS),
            Profile("lmstudio", "LM Studio", ports=(1234,), tools=("mcp",), first_seconds=LOADING_SECONDS),
            Profile("sglang", "SGLang", ports=(30000,), tools=("code_interpreter", "web_search_preview")),
            Profile(
                "ogx",
                "OGX / Llama Stack",
                hosts=("llama-stack", "llamastack"),
                ports=(8321,),
                tools=("file_search", "mcp", "web_search"),
                files=True,
            ),
            Profile(
                "openrouter",
                "OpenRouter",
                hosts=("openrouter.ai",),
                path="/api/v1",
                tools=("openrouter:web_search",),
                bare_end=True,
                key=True,
            ),
            Profile(
                "xai", "xAI", hosts=("api.x.ai",), tools=("code_interpreter", "mcp", "web_search", "x_search"), key=True
            ),
            Profile(
                "groq",
                "Groq",
                hosts=("api.groq.com",),
                path="/openai/v1",
                tools=("browser_search", "code_interpreter", "mcp"),
                key=True,
            ),
            Profile("huggingface", "Hugging Face router", hosts=("router.huggingface.co",), tools=("mcp",), key=True),
            UNKNOWN,
        )
    }
)
"""All profiles by name, the one of unknown servers last."""


def profile_of(base_url: str, name: str | None = None) -> Profile:
    """Return the profile of the server at a base URL.

    Args:
        base_url: up to and with `/v1`.
        name: the configured name of a profile; overrides the base URL.

    Raises:
        ConfigError: there is no profile of that name.
    """
    if name:
        return _named(name.strip().lower())
    try:
        parts = urlsplit(base_url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:  # the engine reports the error
        return UNKNOWN
    known = [profile for profile in PROFILES.values() if profile is not UNKNOWN]
    by_host = (one for one in known if any(_within(host, domain) for domain in (one.name, *one.hosts)))
    return next(by_host, None) or next((one for one in known if port in one.ports), UNKNOWN)


def no_such_tool(profile: Profile, kind: str) -> str:
    """Return the error for a tool that a server does not run."""
    has = f"it runs {', '.join(sorted(profile.tools))}" if profile.tools else "it runs functions only"
    return (
        f"the upstream ({profile.title}) does not run the tool {kind!r}, as far as is known {has}. If another server "
        "stands behind OPENAI_BASE_URL, name it in ASSISTANT_UPSTREAM_PROFILE."
    )


def _named(name: str) -> Profile:
    if name not in PROFILES:
        known = ", ".join(PROFILES)
        raise ConfigError(f"There is no upstream profile {name!r}. ASSISTANT_UPSTREAM_PROFILE is one of {known}.")
    return PROFILES[name]


def _within(host: str, domain: str) -> bool:
    return host == domain or ("." in domain and host.endswith(f".{domain}"))
