"""The table of settings: keys, types, units, defaults and environment names. Knows nothing of Flask.

Each field of `Settings` is a row of the table. Arguments, `app.config`, the environment and the docs page all follow
it. Long because the table is one.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from .engines.base import Engine
from .errors import ConfigError
from .storages.base import Storage
from .stores.base import Store

DEFAULT_MODEL = "gpt-6.1-terra"
"""Generally available since 2026-10-26, no shutdown announced; recommended by OpenAI in place of gpt-5-mini."""

DEFAULT_TITLE_MODEL = "gpt-6-luna"
"""OpenAI's smallest model, generally available since 2026-09-22, no shutdown announced."""

PREFIX = "ASSISTANT_"
DEFAULT_ORIGINS = ("http://localhost:3000", "http://127.0.0.1:3000")
ALIASES: Mapping[str, str] = MappingProxyType({"mongo_uri": "store"})
"""Other names of arguments."""

Parse = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Key:
    """A row of the table.

    Attributes:
        argument: name of the keyword argument; the other names follow from it.
        parse: returns the value of an argument or text, or raises ValueError with the words that follow "must be".
        default: the parsed value of a setting that is not set.
        origin: environment names of the original project, tried last.
        secret: hidden in the repr and in errors.
    """

    argument: str
    parse: Parse
    default: Any
    doc: str
    unit: str = ""
    origin: tuple[str, ...] = ()
    secret: bool = False

    @property
    def name(self) -> str:
        """The key in `app.config` and in the environment."""
        upper = self.argument.upper()
        return upper if upper.startswith((PREFIX, "OPENAI_")) else PREFIX + upper


# -- parsers: the text of a ValueError follows "must be" ----------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        # app.config.from_prefixed_env() reads digits as a number.
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise ValueError("a string")
    return value.strip()


def _or_object(parse: Parse, kind: type[Any]) -> Parse:
    """Return a parser that also accepts an object of a kind, unchanged."""

    def parse_either(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        try:
            return parse(value)
        except ValueError:
            raise ValueError(f"a string or an object of the class {kind.__name__}") from None

    return parse_either


_ENDING = re.compile(r"[^\W_][\w-]*")
_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_SWITCH = {**dict.fromkeys(("on", "true", "yes", "1"), True), **dict.fromkeys(("off", "false", "no", "0"), False)}


def _switch(value: Any) -> bool:
    # app.config.from_prefixed_env() reads `true` as a boolean and `1` as a number.
    switch = _SWITCH.get(str(value).strip().lower()) if isinstance(value, str | int) else None
    if switch is None:
        raise ValueError("on or off (true or false)")
    return switch


def _choice(*choices: str) -> Parse:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or value.strip().lower() not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return value.strip().lower()

    return parse


def _lower(value: Any) -> str:
    return _text(value).lower()


def _number(kind: type[int] | type[float], low: float, high: float = math.inf) -> Parse:
    shape = "a whole number" if kind is int else "a number"
    shape += f" from {low:g}" + (f" to {high:g}" if high < math.inf else " up")

    def parse(value: Any) -> float:
        try:
            if isinstance(value, bool):
                raise TypeError
            number = kind(value.strip()) if isinstance(value, str) else kind(value)
            exact = isinstance(value, str) or number == value
        except (TypeError, ValueError, OverflowError):
            raise ValueError(shape) from None
        if not exact or not low <= number <= high or math.isinf(number):
            raise ValueError(shape)
        return number

    return parse


def _names(value: Any) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, Iterable) or isinstance(names, Mapping) or not all(isinstance(n, str) for n in names):
        raise ValueError("a list of names, or names separated by commas")
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _pairs(value: Any) -> Mapping[str, str]:
    """Read a dict, a JSON object, or `name=value` pairs separated by commas."""
    shape = "a dict of strings, or name=value pairs separated by commas"
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(shape) from None
    if isinstance(value, str):
        value = dict(_pair(part, shape) for part in value.split(",") if part.strip())
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise ValueError(shape)
    pairs = {name.strip(): text.strip() for name, text in value.items()}
    if not all(pairs) or not all(pairs.values()):
        raise ValueError(shape + ", none of them empty")
    return MappingProxyType(pairs)


def _pair(part: str, shape: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals:
        raise ValueError(shape)
    return name, value


def _headers(value: Any) -> Mapping[str, str]:
    pairs = _pairs(value)
    if any(not part.isascii() or not part.isprintable() for pair in pairs.items() for part in pair):
        raise ValueError("a dict of headers of printable ASCII")
    return pairs


def _extractors(value: Any) -> Mapping[str, str]:
    shape = (
        'a dict of endings and functions, like {"pages": "myapp.readers:read_pages"}, or ending=module:function pairs'
    )
    try:
        pairs = _pairs(value)
    except ValueError:
        raise ValueError(shape) from None
    named = {ending.lower().removeprefix("."): function for ending, function in pairs.items()}
    if not all(map(_ENDING.fullmatch, named)) or not all(map(_FUNCTION.fullmatch, named.values())):
        raise ValueError(shape)
    return MappingProxyType(named)


def _origins(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and value.strip().lower() == "none":
        return ()
    return tuple(_origin(origin) for origin in _names(value))


def _origin(value: str) -> str:
    """Read an origin as browsers send it: `scheme://host`, and the port unless it is the scheme's own."""
    if value == "*":
        raise ValueError("origins by name: browsers refuse * with credentials; list the front-ends, or set none")
    shape = "origins like https://chat.example.com or http://localhost:3000, without a path"
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise ValueError(shape) from None
    bad = set(value) & set(" *@?#\\")
    if bad or not url.scheme or not url.hostname or url.path not in ("", "/"):
        raise ValueError(shape)
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    default = {"http": 80, "https": 443}.get(url.scheme)
    return f"{url.scheme}://{host}" + (f":{port}" if port is not None and port != default else "")


def _owner(value: Any) -> str:
    owner = _text(value)
    kind, colon, name = owner.partition(":")
    if owner != "session" and not (kind == "shared" and colon and name.strip()):
        raise ValueError("session or shared:NAME")
    return owner


# -- the table ------------------------------------------------------------------------------------------------


def _key(
    parse: Parse, default: Any, doc: str, *, unit: str = "", origin: Iterable[str] = (), secret: bool = False
) -> Any:
    row = {"parse": parse, "default": default, "doc": doc, "unit": unit, "origin": tuple(origin), "secret": secret}
    return field(default_factory=lambda: default, repr=not secret, metadata=row)


def _seconds(default: float, doc: str) -> Any:
    return _key(_number(float, 0.01, 86_400 * 366), default, doc, unit="seconds")


_NO_PAIRS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All resolved settings of one registration; see `resolve`."""

    assistant_id: str = _key(_text, "asst_default", "id of the default assistant", origin=["OPENAI_ASSISTANT_ID"])
    model: str = _key(
        _text, "", f"model of the assistant built from configuration; by default {DEFAULT_MODEL}, at OpenAI alone"
    )
    instructions: str = _key(_text, "", "instructions of the assistant built from configuration")
    store: str | Store | None = _key(  # noqa: RUF009
        _or_object(_text, Store),
        None,
        "mongodb://…, mongodb+srv://…, sqlite:///path or a Store; by default one SQLite file in the instance folder",
        origin=["MONGODB_URI"],
        secret=True,
    )
    namespace: str | None = _key(
        _text,
        None,
        "where the data of all owners are; by default the registration's name, so that registrations are apart",
    )
    engine: str | Engine | None = _key(  # noqa: RUF009
        _or_object(_lower, Engine),
        None,
        "openai, offline, a registered name or an Engine; by default openai with a key or base URL, else offline",
    )
    storage: str | Storage | None = _key(  # noqa: RUF009
        _or_object(_lower, Storage),
        None,
        "a registered name or a Storage; by default files are indexed upstream if it searches, else in the store",
    )
    vector_store_ids: tuple[str, ...] = _key(
        _names,
        (),
        "vector stores that file search covers for all owners, separated by commas",
        origin=["OPENAI_VECTOR_STORE_ID", "OPENAI_KNOWLEDGE_STORE_ID"],
    )
    owner: str | None = _key(
        _owner, None, "session or shared:NAME: the owner of a request if there is no authenticate function"
    )
    api_keys: Mapping[str, str] = _key(
        _pairs, _NO_PAIRS, "bearer keys and their owners: a dict, or key=owner pairs separated by commas", secret=True
    )
    ui: bool = _key(_switch, False, "serve the chat page at the prefix")
    cors_origins: tuple[str, ...] = _key(
        _origins, DEFAULT_ORIGINS, "front-ends on other origins, separated by commas; none for none"
    )
    max_content_chars: int = _key(
        _number(int, 1, 10**8),
        256_000,
        "maximum length of a message's content and of a tool call's output",
        unit="characters",
    )
    heartbeat_seconds: float = _seconds(
        10.0, "silence after which a stream gets a heartbeat; keep it below every proxy's time-out"
    )
    max_streams: int = _key(
        _number(int, 1, 10**6), 900, "maximum of open streams per process; the next one gets 503", unit="streams"
    )
    send_timeout_seconds: float = _seconds(30.0, "seconds a client may stop reading before it is disconnected")
    on_disconnect: str = _key(
        _choice("continue", "cancel", "grace"),
        "continue",
        "what happens to a run whose last reader disconnects: continue, cancel, or grace (wait, then cancel)",
    )
    grace_seconds: float = _seconds(30.0, "how long a run waits for a reader to return, with on_disconnect=grace")
    lease_seconds: float = _seconds(15.0, "how long a worker may be silent before another worker may end its runs")
    run_expires_seconds: float = _seconds(600.0, "how long a required action waits for its tool outputs")
    log_seconds: float = _seconds(86_400.0, "how long a run's events stay readable after its end")
    busy_thread: str = _key(
        _choice("replace", "reject", "queue"),
        "replace",
        "what a message does on a thread with an active run: replace that run, reject the message, or queue it",
    )
    upstream_idle_seconds: float = _seconds(120.0, "silence of the upstream that ends a run as failed")
    upstream_retries: int = _key(
        _number(int, 0, 10), 2, "further attempts upstream, only before the first byte of a response", unit="attempts"
    )
    upstream_headers: Mapping[str, str] = _key(
        _headers,
        _NO_PAIRS,
        "headers added to every upstream request: a dict, or name=value pairs separated by commas",
        secret=True,
    )
    upstream_profile: str | None = _key(
        _text, None, "profile of the server upstream; by default recognised by the base URL"
    )
    max_upload_bytes: int = _key(_number(int, 1, 2**40), 64 * 2**20, "maximum size of a file", unit="bytes")
    extraction_processes: int = _key(
        _number(int, 0, 64),
        1,
        "how many processes of each worker read the text of uploaded files; 0 reads them in the worker, for tests",
        unit="processes",
    )
    extraction_seconds: float = _seconds(120.0, "how long reading the text of one file may take")
    extraction_memory_bytes: int = _key(
        _number(int, 128 * 2**20, 2**40), 2**30, "how much memory reading the text of one file may take", unit="bytes"
    )
    extractors: Mapping[str, str] = _key(
        _extractors, _NO_PAIRS, "your own readers of file types: a dict of endings and `module:function`, or pairs"
    )
    max_rounds: int = _key(
        _number(int, 1, 10_000),
        25,
        "maximum of responses in a run, with tool calls between them; a run that needs more ends incomplete",
    )
    titles: bool = _key(_switch, True, "a model writes the titles of threads")
    title_model: str | None = _key(
        _text, None, f"model that writes titles; by default {DEFAULT_TITLE_MODEL} at OpenAI, elsewhere ASSISTANT_MODEL"
    )
    reasoning_summaries: bool = _key(_switch, False, "send summaries of the model's reasoning to clients")
    quickstart_compat: bool = _key(_switch, False, "send failures in a form that the quickstart's page shows")
    citations: str = _key(_choice("marker", "none"), "marker", "file citations in the text: marker, or none")
    offline_delay_seconds: float = _key(
        _number(float, 0, 60), 0.02, "pace of the offline engine, per word", unit="seconds"
    )
    openai_api_key: str | None = _key(_text, None, "key of the upstream", secret=True)
    openai_base_url: str | None = _key(
        _text, None, "another server with the Responses API, including its /v1", secret=True
    )
    openai_org_id: str | None = _key(_text, None, "organisation to bill")
    openai_project_id: str | None = _key(_text, None, "project to bill")


KEYS: tuple[Key, ...] = tuple(Key(argument=row.name, **row.metadata) for row in fields(Settings))
"""The table, in the order of the docs page."""


def resolve(
    arguments: Mapping[str, Any], config: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> Settings:
    """Resolve every setting: argument, `config`, environment, the original project's names, default; the first wins.

    None and blank strings count as not set.

    Args:
        arguments: by argument name, or by an alias.
        config: `app.config`.
        environ: `os.environ` by default.

    Raises:
        ConfigError: a name is unknown or a value invalid.
    """
    environ = os.environ if environ is None else environ
    arguments = without_aliases(arguments)
    _refuse_unknown(arguments, config)
    values = {}
    for key in KEYS:
        for source, value in _candidates(key, arguments, config, environ):
            if value is not None and not (isinstance(value, str) and not value.strip()):
                values[key.argument] = _parse(key, source, value)
                break
    return Settings(**values)


def _candidates(
    key: Key, arguments: Mapping[str, Any], config: Mapping[str, Any], environ: Mapping[str, str]
) -> Iterable[tuple[str, Any]]:
    yield f"argument {key.argument!r}", arguments.get(key.argument)
    yield f"app.config[{key.name!r}]", config.get(key.name)
    for name in (key.name, *key.origin):
        yield f"environment variable {name}", environ.get(name)


def _parse(key: Key, source: str, value: Any) -> Any:
    try:
        return key.parse(value)
    except ValueError as error:
        got = "" if key.secret else f", not {value!r}"
        raise ConfigError(f"The {source} must be {error}{got}. It is: {key.doc}.") from None


def without_aliases(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are set, by the names of their settings; ConfigError for two names of one."""
    known = {name: value for name, value in arguments.items() if value is not None}
    for alias, name in ALIASES.items():
        if alias in known:
            if name in known:
                raise ConfigError(f"Set either {alias!r} or {name!r}: both name the same setting.")
            known[name] = known.pop(alias)
    return known


def _refuse_unknown(arguments: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    names, keys = {key.argument for key in KEYS}, {key.name for key in KEYS}
    for argument in arguments:
        if argument not in names:
            raise ConfigError(f"There is no argument {argument!r}{_nearest(argument, names | set(ALIASES))}")
    for name in config:
        if isinstance(name, str) and name.startswith(PREFIX) and name not in keys:
            raise ConfigError(
                f"There is no setting {name!r} (in app.config){_nearest(name, keys)} Remove or rename it: names that "
                f"begin with {PREFIX} belong to flask-assistant-stream."
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ": the configuration page lists them all."
