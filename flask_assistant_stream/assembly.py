"""Assemble a registration from settings and arguments; the only module that knows all parts.

Every configuration error is raised here, while the app starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, cast

from flask import Flask, Response, request
from flask_cors import cross_origin

from . import config
from .assistants import Assistants, declare
from .auth import build_gate
from .config import Settings, resolve
from .engines import BUILT_IN, Engine, registered_engines
from .errors import ConfigError, StoreError
from .extraction.extractor import TextExtractor
from .extraction.processes import Limits
from .files.attachments import Attachments
from .files.files import Files
from .files.inline import InlineFiles
from .files.tool_resources import ToolResources
from .files.vector_stores import VectorStores
from .log.run_log import RunLog
from .loggers import logger_of
from .namespaces import FIRST, hides_data
from .profiles import Profile, no_such_tool, profile_of
from .routes.base import Registration
from .routes.clients import Clients
from .routes.receiving import Receiving
from .runs.execution import RunContext
from .runs.readers import Readers
from .runs.runner import Runner, RunnerOptions
from .runs.start_request import Busy
from .runs.upstream_request import RequestBuilder
from .storages import Storage, registered_storages
from .storages.local.storage import LocalStorage
from .stores import make_store
from .stores.base import Store
from .stores.capabilities import Blobs, Passages
from .titles import Titles
from .tool_context import contexts_of
from .tools.options import AppTools, check_upstream_tools
from .tools.server import ServerTools
from .translation.options import TranslatorOptions
from .upstream import BASE_URL, Upstream

logger = logger_of(__name__)

STORE_FILE = "assistant_stream.sqlite3"
PREFLIGHT_SECONDS = 600


def assemble(app: Flask, name: str, options: dict[str, Any], tools: AppTools) -> Registration:
    """Resolve the configuration for an app and create its registration.

    Args:
        options: the arguments of the extension.
        tools: the tools of the extension; functions may be added later.

    Raises:
        ConfigError: the configuration is wrong; the message has the fix.
    """
    assistants, authenticate = options.pop("assistants", None), options.pop("authenticate", None)
    upstream_tools = check_upstream_tools(options.pop("upstream_tools", None))
    settings = resolve(options, app.config)
    own_engine = _checked(_own_engine(settings.engine))
    gate = build_gate(
        app,
        authenticate=authenticate,
        owner=settings.owner,
        api_keys=settings.api_keys,
        origins=settings.cors_origins,
        namespace=settings.namespace or name,
    )
    plain, by_assistant = tools.of_assistants(assistants or (), settings.assistant_id)
    upstream = _upstream(settings) if own_engine is None and _asks_upstream(settings) else None
    profile = None if upstream is None else upstream.server
    settings = replace(settings, model=settings.model or _default_model(plain, settings, profile))
    _refuse_foreign_tools(upstream_tools, profile)
    declared = declare(plain, settings.model)
    store = _store(app, settings)
    models = {settings.model, *(assistant["model"] for assistant in declared.values())}
    _warn_of_hidden_data(settings, store, name)
    storage = _storage(settings, store, upstream, [*settings.vector_store_ids, *_vector_stores_of(declared.values())])
    extractor = _extractor(settings)
    if isinstance(storage, LocalStorage):
        storage.extract_with(extractor, settings.lease_seconds)
    engine = own_engine or _engine(app, settings, upstream, models)
    log = RunLog(store, heartbeat_seconds=settings.heartbeat_seconds, deadline_seconds=settings.lease_seconds)
    files = Files(_with(store, Blobs), storage, max_bytes=settings.max_upload_bytes)
    vector_stores = VectorStores(store, storage, files, shared=settings.vector_store_ids)
    resources = ToolResources(
        store, files, vector_stores, None if engine.takes_files else InlineFiles(files, extractor)
    )
    titles = _titles(settings, store, engine)
    requests = RequestBuilder(
        store,
        resources,
        vector_store_ids=settings.vector_store_ids,
        search=None if _upstream_indexes(settings, upstream) else storage.find,
        extra_tools=upstream_tools,
        reasoning_summaries=settings.reasoning_summaries,
    )
    server_tools = ServerTools(by_assistant, contexts_of(app), settings.max_content_chars)
    context = RunContext(engine, requests, server_tools, files)
    runner = Runner(store, log, context, _runner_options(settings), titles=titles)
    clients = Clients(settings.max_streams, settings.send_timeout_seconds)
    receiving = Receiving()
    log.on_tick += [clients.check, receiving.check]
    grace = {"continue": None, "cancel": 0.0, "grace": settings.grace_seconds}[settings.on_disconnect]
    readers = Readers(store, log, runner.cancel, grace)
    runner.on_sweep += [readers.look, storage.look, extractor.look]
    runner.drain.at_end += [storage.stop, extractor.stop]
    return Registration(
        name=name,
        store=store,
        engine=engine,
        log=log,
        runner=runner,
        assistants=Assistants(store, _default_assistant(settings), declared, functions=tools.definitions),
        files=files,
        vector_stores=vector_stores,
        resources=resources,
        attachments=Attachments(store, files, vector_stores, resources),
        titles=titles,
        gate=gate,
        cors=_cors(settings.cors_origins),
        max_content_chars=settings.max_content_chars,
        ui=settings.ui,
        clients=clients,
        receiving=receiving,
        readers=readers,
        quickstart_compat=settings.quickstart_compat,
        model=settings.model,
    )


def _runner_options(settings: Settings) -> RunnerOptions:
    return RunnerOptions(
        lease_seconds=settings.lease_seconds,
        expires_seconds=settings.run_expires_seconds,
        idle_seconds=settings.upstream_idle_seconds,
        busy_thread=cast(Busy, settings.busy_thread),
        translation=TranslatorOptions(
            citations=settings.citations == "marker",
            reasoning_summaries=settings.reasoning_summaries,
            max_rounds=settings.max_rounds,
        ),
    )


def _default_assistant(settings: Settings) -> dict[str, Any]:
    return {
        "id": settings.assistant_id,
        "model": settings.model,
        "instructions": settings.instructions or None,
        "tools": [{"type": "file_search"}],  # sent upstream only with a vector store to search
    }


def _titles(settings: Settings, store: Store, engine: Engine) -> Titles:
    """Create the writer of titles; the default model needs no reasoning."""
    if not settings.titles:
        return Titles(store, engine, None)
    if settings.title_model or settings.openai_base_url:
        return Titles(store, engine, settings.title_model or settings.model)
    return Titles(store, engine, config.DEFAULT_TITLE_MODEL, effort="none")


def _store(app: Flask, settings: Settings) -> Store:
    """Return the host's store, or one at the configured address, or in the instance folder."""
    if isinstance(settings.store, Store):
        return settings.store
    return make_store(settings.store or _store_file(app), log_seconds=settings.log_seconds)


def _warn_of_hidden_data(settings: Settings, store: Store, name: str) -> None:
    """Warn if a registration does not see the data that all registrations shared before namespaces existed."""
    if name == FIRST or settings.namespace is not None:
        return
    try:
        store.ping()  # fails soon
        hidden = hides_data(store, name)
    except StoreError:
        return
    finally:
        if store is not settings.store:
            store.close()  # a server may fork after this
    if hidden:
        logger.warning(
            "The registration %r has data of its own and does not see that of %r in the same store, which earlier "
            "versions shared. To share it, register with namespace=%r or set ASSISTANT_NAMESPACE=%s; to keep it apart "
            "without this warning, register with namespace=%r.",
            name,
            FIRST,
            FIRST,
            FIRST,
            name,
        )


def _store_file(app: Flask) -> str:
    """Return the URL of the default store; creates the instance folder, which Flask does not."""
    try:
        Path(app.instance_path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The instance folder {app.instance_path} cannot be created ({error.strerror}). Set ASSISTANT_STORE."
        ) from None
    return f"sqlite:///{Path(app.instance_path) / STORE_FILE}"


def _with(store: Store, kind: type[Any]) -> Any:
    """Return a store that has a required capability."""
    if not isinstance(store, kind):
        raise ConfigError(
            f"The store {type(store).__name__} stores no files: let it also inherit from "
            f"flask_assistant_stream.stores.capabilities.{kind.__name__}."
        )
    return store


def _storage(settings: Settings, store: Store, upstream: Upstream | None, shared: Sequence[str]) -> Storage:
    """Create what indexes files: a registered storage, the upstream if it searches, else the app's own store."""
    if isinstance(settings.storage, Storage):
        return settings.storage
    if settings.storage is not None:
        if settings.storage not in registered_storages():
            known = ", ".join(registered_storages()) or "none"
            raise ConfigError(
                f"ASSISTANT_STORAGE is {settings.storage!r}, registered: {known}. Call `register_storage` first."
            )
        return registered_storages()[settings.storage](store)
    if upstream is not None and _upstream_indexes(settings, upstream):
        from .storages.openai.storage import UpstreamStorage

        return UpstreamStorage(upstream)
    return LocalStorage(_with(_with(store, Blobs), Passages), shared=shared)


def _extractor(settings: Settings) -> TextExtractor:
    limits = Limits(settings.extraction_seconds, settings.extraction_memory_bytes)
    for ending, function in settings.extractors.items():
        module = function.partition(":")[0]
        if not _is_on_path(module):
            raise ConfigError(
                f"ASSISTANT_EXTRACTORS has {function!r} for .{ending} files, and there is no module {module!r}. "
                "Name a module that the app can import."
            )
    return TextExtractor(settings.extraction_processes, limits, settings.extractors)


def _is_on_path(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # its package is missing; it is `__main__`
        return False


def _engine(app: Flask, settings: Settings, upstream: Upstream | None, models: Iterable[str]) -> Engine:
    """Create the engine: the server of a profile, or the offline one; both search the app's own store."""
    if upstream is not None:
        engine = _openai(settings, upstream, models)
        if _upstream_indexes(settings, upstream):
            return engine
        from .engines.search.engine import LocalSearchEngine

        return LocalSearchEngine(engine)
    if settings.engine is None and not app.testing:
        logger.warning(
            "No OPENAI_API_KEY: the offline engine answers. Set OPENAI_API_KEY, or ASSISTANT_ENGINE=offline."
        )
    from .engines.offline import OfflineEngine

    return OfflineEngine(settings.offline_delay_seconds)


def _own_engine(name: str | Engine | None) -> Engine | None:
    """Return the host's engine, or create the one registered under a name; None for a built-in one."""
    if isinstance(name, Engine):
        return name
    if name is None or name in BUILT_IN:
        return None
    if name not in registered_engines():
        known = ", ".join([*BUILT_IN, *registered_engines()])
        raise ConfigError(f"ASSISTANT_ENGINE is {name!r}: it must be one of {known}, or call `register_engine` first.")
    return registered_engines()[name]()


def _checked(engine: Engine | None) -> Engine | None:
    """Return a host's engine; one written before `search` existed is rejected."""
    if engine is not None and "search" not in signature(engine.stream).parameters:
        raise ConfigError(f"{type(engine).__name__}.stream must accept the keyword argument `search`.")
    return engine


def _vector_stores_of(assistants: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the vector stores that assistants declared in code search."""
    searches = (((body.get("tool_resources") or {}).get("file_search") or {}) for body in assistants)
    return [id for search in searches for id in search.get("vector_store_ids") or ()]


def _upstream_indexes(settings: Settings, upstream: Upstream | None) -> bool:
    """Return whether the upstream indexes and searches the files."""
    if upstream is None or settings.storage is not None:
        return False
    return upstream.server.files and "file_search" in upstream.server.tools


def _asks_upstream(settings: Settings) -> bool:
    """Return whether the engine sends requests to a server, by its setting or by default."""
    configured = bool(settings.openai_api_key or settings.openai_base_url)
    return settings.engine == "openai" or (settings.engine is None and configured)


def _upstream(settings: Settings) -> Upstream:
    base_url = settings.openai_base_url or BASE_URL
    return Upstream(
        settings.openai_api_key,
        base_url,
        headers=settings.upstream_headers,
        organization=settings.openai_org_id,
        project=settings.openai_project_id,
        profile=profile_of(base_url, settings.upstream_profile),
    )


def _default_model(assistants: Sequence[Mapping[str, Any]], settings: Settings, profile: Profile | None) -> str:
    """Return the model if the settings name none: the declared default assistant's, or `DEFAULT_MODEL`."""
    for assistant in assistants:
        if assistant.get("id") == settings.assistant_id and isinstance(assistant.get("model"), str):
            return str(assistant["model"])
    if profile is None or profile.model:
        return config.DEFAULT_MODEL
    raise ConfigError(
        f"ASSISTANT_MODEL is not set, and OPENAI_BASE_URL is not OpenAI's ({profile.title}): set a model of "
        "that server (at Azure the deployment). If the address leads to OpenAI, set "
        "ASSISTANT_UPSTREAM_PROFILE=openai."
    )


def _refuse_foreign_tools(upstream_tools: Iterable[Mapping[str, Any]], profile: Profile | None) -> None:
    """Refuse tools that the upstream does not run: most servers ignore them silently."""
    for tool in upstream_tools:
        if profile is not None and tool["type"] not in profile.tools:
            raise ConfigError(f"upstream_tools: {no_such_tool(profile, tool['type'])}")


def _openai(settings: Settings, upstream: Upstream, models: Iterable[str]) -> Engine:
    from .engines.openai.engine import OpenAIEngine

    engine = OpenAIEngine(upstream, retries=settings.upstream_retries, models=models)
    if problem := engine.ping():
        raise ConfigError(
            f"{problem} Set it, or OPENAI_BASE_URL for a server that needs no key, or ASSISTANT_ENGINE=offline."
        )
    for warning in engine.base_url_warnings():
        logger.warning("%s", warning)
    return engine


def _cors(origins: tuple[str, ...]) -> Callable[[Response], Response]:
    """Return a function that adds CORS headers to a response, for these origins only."""
    if not origins:
        return lambda response: response
    decorate = cross_origin(
        # Patterns, as flask-cors takes text with a bracket (an IPv6 address) for one anyway.
        origins=[re.compile(re.escape(origin) + r"\Z", re.IGNORECASE) for origin in origins],
        methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers="*",  # those that the preflight names: SDKs, tracing and CSRF checks have headers of their own
        expose_headers=[
            "X-Request-Id",
            "X-Thread-Id",
            "X-Run-Id",
            "X-Should-Retry",
            "Retry-After",
            "Content-Disposition",
        ],
        supports_credentials=True,
        max_age=PREFLIGHT_SECONDS,
        automatic_options=False,
        always_send=False,
        send_wildcard=False,
        vary_header=True,
    )
    decorated: Callable[[Response], Response] = decorate(lambda response: response)
    # Without an Origin flask-cors adds nothing, slowly.
    return lambda response: decorated(response) if "Origin" in request.headers else response
