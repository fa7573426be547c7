"""Register the assistant with a Flask app: one blueprint, its state per app and name in `app.extensions`.

Nothing happens at import; configuration errors are raised while the app starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

from flask import Blueprint, Flask
from flask.sansio.app import App

from .assembly import assemble
from .auth import Authenticator
from .config import without_aliases
from .engines.base import Engine
from .errors import ConfigError
from .namespaces import FIRST
from .routes import add_routes
from .routes.base import EXTENSION, Registration
from .routes.error_responses import ANY_PATH, CATCH_ALL, AnyPath
from .shutdown import remember
from .storages.base import Storage
from .stores.base import Store
from .tools.options import AppTools
from .tools.registry import Tool

if TYPE_CHECKING:
    from typing_extensions import Unpack

NAME = FIRST
URL_PREFIX = "/api/assistants"

OPTIONS = "assistant_stream_options"
"""The key of `init_app`'s options among those that Flask passes to the blueprint."""

F = TypeVar("F", bound=Callable[..., Any])


class Options(TypedDict, total=False):
    """The keyword arguments of a registration: every setting of `config.py`, and arguments that only code can give.

    `store`, `engine` and `storage` may also be objects. `mongo_uri` is another name of `store`.

    Attributes:
        assistants: declared in code: Assistants API bodies with an `id`; their `tools` may include functions.
        authenticate: receives the request and returns the logged-in user's id, or raises `Unauthorized`.
        tools: of the default assistant: functions that the server executes, and tools in the form of the Assistants
            API.
        upstream_tools: tools of the upstream that every run may use, in the form of the Responses API (web_search,
            mcp …). Clients do not see them.
    """

    assistants: Iterable[Mapping[str, Any]] | None
    authenticate: Authenticator | None
    tools: Iterable[Callable[..., Any] | Tool | Mapping[str, Any]] | None
    upstream_tools: Iterable[Mapping[str, Any]] | None

    assistant_id: str | None
    model: str | None
    instructions: str | None
    store: str | Store | None
    namespace: str | None
    mongo_uri: str | None
    engine: str | Engine | None
    storage: str | Storage | None
    vector_store_ids: Iterable[str] | str | None
    owner: str | None
    api_keys: Mapping[str, str] | str | None
    ui: bool | str | None
    cors_origins: Iterable[str] | str | None
    max_content_chars: int | None
    max_upload_bytes: int | None
    extraction_processes: int | None
    extraction_seconds: float | None
    extraction_memory_bytes: int | None
    extractors: Mapping[str, str] | str | None
    max_rounds: int | None
    titles: bool | str | None
    title_model: str | None
    reasoning_summaries: bool | str | None
    heartbeat_seconds: float | None
    max_streams: int | None
    send_timeout_seconds: float | None
    on_disconnect: str | None
    grace_seconds: float | None
    lease_seconds: float | None
    run_expires_seconds: float | None
    log_seconds: float | None
    busy_thread: str | None
    upstream_idle_seconds: float | None
    upstream_retries: int | None
    upstream_headers: Mapping[str, str] | str | None
    quickstart_compat: bool | str | None
    upstream_profile: str | None
    citations: str | None
    offline_delay_seconds: float | None
    openai_api_key: str | None
    openai_base_url: str | None
    openai_org_id: str | None
    openai_project_id: str | None


class AssistantStream:
    """The extension; registers with any number of apps.

    Args:
        app: registers at once.
        url_prefix: of the routes.
        name: of the blueprint; each further registration in an app needs another one.
        options: see `Options`; other settings come from `app.config` and the environment.
    """

    def __init__(
        self, app: Flask | None = None, *, url_prefix: str = URL_PREFIX, name: str = NAME, **options: Unpack[Options]
    ) -> None:
        self._tools = AppTools(options.pop("tools", None))
        self._options = options
        self.blueprint = AssistantBlueprint(self, name, url_prefix)
        if app is not None:
            self.init_app(app)

    def init_app(
        self, app: Flask, *, url_prefix: str | None = None, name: str | None = None, **options: Unpack[Options]
    ) -> None:
        """Register with an app; several apps, and several names in one app, are possible.

        Args:
            url_prefix, name: instead of the extension's.
            options: for this app, before those of the extension; all but `tools`.

        Raises:
            ConfigError: the configuration is wrong, or the name is taken; the message has the fix.
        """
        if options.pop("tools", None) is not None:
            raise ConfigError("init_app takes no tools: give them to AssistantStream(tools=…).")
        own = {"url_prefix": url_prefix, "name": name, OPTIONS: options}
        app.register_blueprint(self.blueprint, **{key: value for key, value in own.items() if value is not None})

    def build(self, app: Flask, name: str, options: Mapping[str, Any]) -> Registration:
        """Resolve the configuration for an app and create its registration."""
        return assemble(app, name, without_aliases(self._options) | without_aliases(options), self._tools)

    @overload
    def tool(self, function: F) -> F: ...

    @overload
    def tool(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        timeout_seconds: float = ...,
        requires_approval: bool = False,
    ) -> Callable[[F], F]: ...

    def tool(self, function: F | None = None, **options: Any) -> F | Callable[[F], F]:
        """Make the decorated function a tool of the default assistant, even after the registration.

        Args:
            function: plain or `async def`; omitted with options: `@assistant_stream.tool(requires_approval=True)`.
            options: of `tool_of`.

        Raises:
            ConfigError: the function cannot be a tool, or its name is taken.
        """
        decorate: Callable[[F], F] = self._tools.functions.tool(**options)
        return decorate if function is None else decorate(function)


class AssistantBlueprint(Blueprint):
    """The blueprint; each registration in an app has a state of its own under its name.

    Attributes:
        assistant_stream: the extension behind it.
        tool: decorator, see `AssistantStream.tool`.
    """

    def __init__(self, stream: AssistantStream, name: str, url_prefix: str) -> None:
        super().__init__(name, __name__, url_prefix=url_prefix, template_folder="templates")
        self.assistant_stream = stream
        self.tool = stream.tool
        add_routes(self)

    def register(self, app: App, options: dict[str, Any]) -> None:
        """Build the state, then register the blueprint."""
        assert isinstance(app, Flask)
        name = f"{options.get('name_prefix', '')}.{options.get('name', self.name)}".lstrip(".")
        _refuse_variables(options, options.get("url_prefix") or self.url_prefix or "")
        registrations: dict[str, Registration] = app.extensions.setdefault(EXTENSION, {})
        if name in app.blueprints:
            raise ConfigError(
                f"The app has a blueprint {name!r} already. Give this one its own name and prefix: "
                f'app.register_blueprint(blueprint, name="{name}_2", url_prefix="/api/{name}_2").'
            )
        registrations[name] = self.assistant_stream.build(app, name, options.pop(OPTIONS, {}))
        remember(app)
        app.url_map.converters.setdefault(ANY_PATH, AnyPath)
        super().register(app, options)
        for rule in app.url_map.iter_rules(f"{name}.{CATCH_ALL}"):
            rule.methods = None  # every method, even an unknown one: add_url_rule accepts a list only


def _refuse_variables(options: Mapping[str, Any], url_prefix: str) -> None:
    """Refuse a place whose URLs have variables: no route takes them."""
    for name, place in (("url_prefix", url_prefix), ("subdomain", options.get("subdomain") or "")):
        if "<" in place:
            raise ConfigError(
                f"The {name} {place!r} has a variable: owners do not depend on the URL, and the routes take no "
                "variable. Register a fixed one, and let authenticate return an owner that names the tenant, such as "
                'f"{tenant}:{user_id}".'
            )
    if options.get("url_defaults"):
        raise ConfigError("The routes of the assistant take no url_defaults. Register the blueprint without them.")


def create_assistant_blueprint(
    *, url_prefix: str = URL_PREFIX, name: str = NAME, **options: Unpack[Options]
) -> AssistantBlueprint:
    """Create the blueprint; `app.register_blueprint` does the rest.

    Args:
        url_prefix: of the routes; `register_blueprint` may override it.
        name: of the blueprint; `register_blueprint` may override it.
        options: see `Options`; other settings come from `app.config` and the environment.
    """
    return AssistantStream(url_prefix=url_prefix, name=name, **options).blueprint
