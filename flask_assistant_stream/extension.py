"""Put the assistant into a Flask app: one blueprint, its state per app and name in `app.extensions`.

Nothing happens at import; what is wrong with the configuration is said while the app starts.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from flask import Blueprint, Flask, Response, request
from flask.sansio.app import App
from flask_cors import cross_origin

from .assistants import Assistants, declare
from .auth import Authenticator, build_gate
from .config import Settings, resolve
from .engines.base import Engine
from .errors import ConfigError
from .log import RunLog
from .routes import add_routes
from .routes.base import EXTENSION, Registration
from .routes.failures import CATCH_ALL
from .runner import Runner, RunnerOptions
from .stores.base import Store

if TYPE_CHECKING:
    from typing_extensions import Unpack

logger = logging.getLogger(__name__)

NAME = "assistant_stream"
URL_PREFIX = "/api/assistants"
STORE_FILE = "assistant_stream.sqlite3"
PREFLIGHT_SECONDS = 600


class Options(TypedDict, total=False):
    """The keyword arguments of a registration: every setting of `config.py`, and what only code can give.

    `store` and `engine` also take objects. `mongo_uri` is another name of `store`.

    Attributes:
        assistants: assistants declared in code: Assistants API bodies with an `id`.
        authenticate: takes the request and returns the logged-in user's id, or raises `Unauthorized`.
    """

    assistants: Iterable[Mapping[str, Any]] | None
    authenticate: Authenticator | None

    assistant_id: str | None
    model: str | None
    instructions: str | None
    store: str | Store | None
    mongo_uri: str | None
    engine: str | Engine | None
    vector_store_ids: Iterable[str] | str | None
    owner: str | None
    api_keys: Mapping[str, str] | str | None
    cors_origins: Iterable[str] | str | None
    max_content_chars: int | None
    heartbeat_seconds: float | None
    lease_seconds: float | None
    run_expires_seconds: float | None
    log_seconds: float | None
    upstream_idle_seconds: float | None
    upstream_retries: int | None
    upstream_headers: Mapping[str, str] | str | None
    citations: str | None
    offline_delay_seconds: float | None
    openai_api_key: str | None
    openai_base_url: str | None
    openai_org_id: str | None
    openai_project_id: str | None


class AssistantStream:
    """The extension: keeps what it is given until apps come.

    Args:
        app: registered at once if given.
        url_prefix: where the routes are.
        name: the blueprint's name; another one for each further registration in an app.
        options: see `Options`; what is not given comes from `app.config` and the environment.
    """

    def __init__(
        self, app: Flask | None = None, *, url_prefix: str = URL_PREFIX, name: str = NAME, **options: Unpack[Options]
    ) -> None:
        self._options = options
        self.blueprint = AssistantBlueprint(self, name, url_prefix)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, *, url_prefix: str | None = None, name: str | None = None) -> None:
        """Register with an app; several apps, and several names in one app, may follow one another.

        Raises:
            ConfigError: the configuration is wrong, or the name is taken; the fix is in the message.
        """
        given = {"url_prefix": url_prefix, "name": name}
        app.register_blueprint(self.blueprint, **{key: value for key, value in given.items() if value is not None})

    def build(self, app: Flask, name: str) -> Registration:
        """Resolve the configuration for an app and make what a registration works with."""
        return _build(app, name, dict(self._options))


class AssistantBlueprint(Blueprint):
    """The blueprint: each registration in an app gets a state of its own under its name.

    Attributes:
        assistant_stream: the extension behind it.
    """

    def __init__(self, stream: AssistantStream, name: str, url_prefix: str) -> None:
        super().__init__(name, __name__, url_prefix=url_prefix)
        self.assistant_stream = stream
        add_routes(self)

    def register(self, app: App, options: dict[str, Any]) -> None:
        """Build the state, then register as every blueprint does."""
        assert isinstance(app, Flask)
        name = f"{options.get('name_prefix', '')}.{options.get('name', self.name)}".lstrip(".")
        registrations: dict[str, Registration] = app.extensions.setdefault(EXTENSION, {})
        if name in app.blueprints:
            raise ConfigError(
                f"The app has a blueprint {name!r} already. Give this one a name and a prefix of its own: "
                f'app.register_blueprint(blueprint, name="{name}_2", url_prefix="/api/{name}_2").'
            )
        registrations[name] = self.assistant_stream.build(app, name)
        super().register(app, options)
        for rule in app.url_map.iter_rules(f"{name}.{CATCH_ALL}"):
            rule.methods = None  # any method there is, known or not: add_url_rule takes a list only


def create_assistant_blueprint(
    *, url_prefix: str = URL_PREFIX, name: str = NAME, **options: Unpack[Options]
) -> AssistantBlueprint:
    """Make the blueprint; `app.register_blueprint` does the rest.

    Args:
        url_prefix: where the routes are, unless the registration says so.
        name: unless the registration says so.
        options: see `Options`; what is not given comes from `app.config` and the environment.
    """
    return AssistantStream(url_prefix=url_prefix, name=name, **options).blueprint


# -- building a registration ----------------------------------------------------------------------------------


def _build(app: Flask, name: str, options: dict[str, Any]) -> Registration:
    declared, authenticate = options.pop("assistants", None), options.pop("authenticate", None)
    given_store = _object(options, "store", Store)
    given_engine = _object(options, "engine", Engine)
    settings = resolve(options, app.config)
    gate = build_gate(
        app,
        authenticate=authenticate,
        owner=settings.owner,
        api_keys=settings.api_keys,
        origins=settings.cors_origins,
    )
    assistants = declare(declared or (), settings.model)
    store = given_store or _store(app, settings)
    engine = given_engine or _engine(app, settings)
    log = RunLog(store, heartbeat_seconds=settings.heartbeat_seconds, deadline_seconds=settings.lease_seconds)
    return Registration(
        name=name,
        store=store,
        engine=engine,
        log=log,
        runner=Runner(store, log, engine, _runner_options(settings)),
        assistants=Assistants(store, _default_assistant(settings), assistants),
        gate=gate,
        cors=_cors(settings.cors_origins),
        max_content_chars=settings.max_content_chars,
    )


def _object(options: dict[str, Any], argument: str, kind: type[Any]) -> Any:
    """Take an argument out that is an object instead of text."""
    value = options.get(argument)
    if value is None or isinstance(value, str):
        return None
    if not isinstance(value, kind):
        raise ConfigError(f"Argument {argument!r} must be a string or a {kind.__name__}, not {type(value).__name__}.")
    return options.pop(argument)


def _runner_options(settings: Settings) -> RunnerOptions:
    return RunnerOptions(
        lease_seconds=settings.lease_seconds,
        expires_seconds=settings.run_expires_seconds,
        idle_seconds=settings.upstream_idle_seconds,
        citations=settings.citations == "marker",
        vector_store_ids=settings.vector_store_ids,
    )


def _default_assistant(settings: Settings) -> dict[str, Any]:
    return {
        "id": settings.assistant_id,
        "model": settings.model,
        "instructions": settings.instructions or None,
        "tools": [{"type": "file_search"}] if settings.vector_store_ids else [],
    }


def _store(app: Flask, settings: Settings) -> Store:
    from .stores import make_store

    return make_store(settings.store or _store_file(app), log_seconds=settings.log_seconds)


def _store_file(app: Flask) -> str:
    """Return the URL of the store that needs no setting; Flask leaves it to its users to make the folder."""
    try:
        Path(app.instance_path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The instance folder {app.instance_path} cannot be made ({error.strerror}). Set ASSISTANT_STORE."
        ) from None
    return f"sqlite:///{Path(app.instance_path) / STORE_FILE}"


def _engine(app: Flask, settings: Settings) -> Engine:
    name = settings.engine
    if name is None:
        name = "openai" if settings.openai_api_key or settings.openai_base_url else "offline"
        if name == "offline" and not (app.debug or app.testing):
            logger.warning("No OPENAI_API_KEY: the offline engine answers. ASSISTANT_ENGINE=offline says it is meant.")
    if name == "offline":
        from .engines.offline import OfflineEngine

        return OfflineEngine(settings.offline_delay_seconds)
    return _openai(settings)


def _openai(settings: Settings) -> Engine:
    from .engines.openai import BASE_URL, OpenAIEngine

    engine = OpenAIEngine(
        settings.openai_api_key,
        settings.openai_base_url or BASE_URL,
        headers=settings.upstream_headers,
        organization=settings.openai_org_id,
        project=settings.openai_project_id,
        retries=settings.upstream_retries,
    )
    if flaw := engine.ping():
        raise ConfigError(
            f"{flaw} Set it, or OPENAI_BASE_URL for a server that needs no key, or ASSISTANT_ENGINE=offline."
        )
    return engine


def _cors(origins: tuple[str, ...]) -> Callable[[Response], Response]:
    """Return what adds CORS headers to a response, for these origins alone."""
    if not origins:
        return lambda response: response
    decorate = cross_origin(
        # As patterns: flask-cors takes text with a bracket in it, an IPv6 address, for a pattern anyway.
        origins=[re.compile(re.escape(origin) + r"\Z", re.IGNORECASE) for origin in origins],
        methods=["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=["Content-Type", "Authorization", "Last-Event-ID", "Idempotency-Key", "X-Request-Id"],
        expose_headers=["X-Request-Id", "X-Thread-Id", "X-Run-Id", "Retry-After"],
        supports_credentials=True,
        max_age=PREFLIGHT_SECONDS,
        automatic_options=False,
        always_send=False,
        send_wildcard=False,
        vary_header=True,
    )
    decorated: Callable[[Response], Response] = decorate(lambda response: response)
    # Where there is no Origin flask-cors adds nothing, but takes its time to find that out.
    return lambda response: decorated(response) if "Origin" in request.headers else response
