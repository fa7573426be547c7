"""The engine for OpenAI and every other server with `POST /v1/responses`.

It streams over its own HTTP client (`http_stream`), one list of items per socket read, without the official package.
"""

from __future__ import annotations

import json
import math
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...errors import ConfigError, ContextOverflow, EngineError, UnusableInput
from ...profiles import OPTIONAL_FIELDS, Profile, profile_of
from ...protocol.events import dump
from ...upstream import Upstream, retry_after
from ..base import Engine, Item, ItemStream, Search
from . import http_errors
from .fitting import REFUSALS, Learnt, blamed, fit
from .http_connect import Address, ConnectionPool
from .http_stream import READ_BYTES, Exchange, request_head, request_headers
from .limits import limited
from .notices import ShutdownNotices
from .response_body import BodyReader

DRAIN_SECONDS = 0.1
REFUSED_SECONDS = 300.0
"""How long `ping` reports a refused key without a request that succeeds."""
MAX_WAIT_SECONDS = 20.0
"""If the upstream asks for a longer pause, the request is not retried."""
REFUSAL_BYTES, REFUSAL_SECONDS = 65536, 5.0
MODELS_BYTES, MODELS_SECONDS = 4 * 2**20, 20.0
_TOO_LONG = re.compile(r"/(responses|chat/completions|completions|models)/?$")
_OLD_AZURE = re.compile(r"/openai(/deployments/.*)?$")


class OpenAIEngine(Engine):
    """Streams from one upstream.

    Args:
        connect_timeout: seconds for TCP, TLS and proxy each. Reading has no time-out: the reader watches the time and
            calls `close`.
        retries: how often a request is sent again; never once a stream has begun.
        models: the models in use; the engine warns if the upstream announces their end.

    Raises:
        ConfigError: the base URL or a header cannot be used.
    """

    name = "openai"

    def __init__(
        self,
        upstream: Upstream,
        *,
        connect_timeout: float = 10.0,
        retries: int = 2,
        models: Iterable[str] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._upstream = upstream
        self._profile = upstream.server
        self._address = endpoint(upstream.url, "/responses")
        self._headers = request_headers(upstream.organization, upstream.project, upstream.configured_headers)
        self._connections = ConnectionPool(self._address, connect_timeout)
        self._retries = retries
        self._learnt = Learnt()
        self._models = frozenset(models)
        self._now = now
        self._refused_at: float | None = None
        self._notices = ShutdownNotices(
            self._models if self._profile.model else (),
            lambda: self._list_models(ConnectionPool(Address.parse(upstream.url, "/models"), connect_timeout)),
        )
        self.ignores = self._profile.ignores
        self.bare_end = self._profile.bare_end
        self.first_seconds = self._profile.first_seconds
        self.one_at_a_time = not self._profile.key  # a server that always needs a key is a public service

    def __repr__(self) -> str:
        return f"OpenAIEngine({self._address.authority}{self._address.path})"

    def stream(self, request: dict[str, Any], *, search: Search | None = None) -> ItemStream:  # noqa: ARG002
        return _ResponseStream(self, request)

    def ping(self) -> str | None:
        """Return an error if a required key is missing, or if the key was refused and no request succeeded since."""
        if profile_of(self._upstream.url).key and not self._upstream.secrets:
            return "OPENAI_API_KEY is not set."
        if self._refused_at is not None and self._now() - self._refused_at < REFUSED_SECONDS:
            return "The upstream refused OPENAI_API_KEY."
        return None

    def _note_key(self, model: Any, *, refused: bool) -> None:
        """Remember that the upstream accepted the key, or refused it for a model in use: clients may name others."""
        if not refused:
            self._refused_at = None
        elif not self._models or model in self._models:
            self._refused_at = self._now()

    def wake(self) -> None:
        """Read once per process which models the upstream will switch off."""
        self._notices.look()

    def about(self) -> dict[str, Any]:
        """Return host, profile and omitted request fields, including those that this process learnt to omit."""
        left_out = (OPTIONAL_FIELDS - self._profile.fields) | self._learnt.fields
        facts = {"host": self._address.authority, "profile": self._profile.name, "leaves_out": sorted(left_out)}
        return {**super().about(), **facts}

    def warnings(self) -> list[str]:
        """Return problems of the base URL, and models that the upstream will switch off."""
        return [*self.base_url_warnings(), *self._notices.warnings]

    def base_url_warnings(self) -> list[str]:
        """Return problems of the base URL, without network access."""
        return unusual_base(self._address, self._profile)

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()

    def _list_models(self, connections: ConnectionPool) -> Any:
        """Return the decoded answer to `GET /models`."""
        exchange = Exchange(connections.open())
        try:
            exchange.connection.sock.settimeout(MODELS_SECONDS)
            headers = {**self._headers, "Accept": "application/json"}
            exchange.send(request_head(connections.address, exchange.connection, headers), b"")
            exchange.read_head()
            return json.loads(exchange.read_rest(MODELS_BYTES, MODELS_SECONDS))
        finally:
            exchange.discard()


class _ResponseStream(ItemStream):
    def __init__(self, engine: OpenAIEngine, request: dict[str, Any]) -> None:
        self._engine = engine
        self._request = request
        self._without: frozenset[str] = engine._learnt.of(request.get("model"))
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._exchange: Exchange | None = None
        self._body: BodyReader | None = None

    def __iter__(self) -> Iterator[list[Item]]:
        try:
            exchange = self._open()
            if exchange is not None:
                yield from self._watched(self._read(exchange))
        except OSError as error:
            if not self._closed.is_set():
                raise http_errors.broken(
                    self._engine._address, error, streaming=bool(self._body and self._body.streaming)
                ) from None
        except EngineError as error:
            if not self._closed.is_set():
                mask = self._engine._upstream.masked
                raise error.with_message(mask(error.message), mask(error.detail)) from None
        finally:
            if not self._ended:
                self._drop()

    @property
    def begun(self) -> bool:
        return self._body is not None and self._body.begun

    @property
    def _ended(self) -> bool:
        """Whether the terminal item was read."""
        return self._body is not None and self._body.ended

    def close(self) -> None:
        """Abort the connection if items may follow; after the last item keep it if its response ends soon."""
        with self._lock:
            self._closed.set()
            exchange = self._exchange
            if self._ended:
                self._exchange = None
        if exchange is None:
            return
        if not self._ended:
            exchange.abort()  # wakes the iterating thread, which closes it
            return
        exchange.read_rest(READ_BYTES, DRAIN_SECONDS)
        if exchange.reusable:
            self._engine._connections.give(exchange.connection)
        else:
            exchange.discard()

    # ---- the head of the response ----

    def _open(self) -> Exchange | None:
        """Send the request until a stream starts; None if closed meanwhile.

        If a refusal names an optional field, the request is sent again at once without it; that is not a retry.
        """
        attempt = 0
        while True:
            sent = fit(self._request, self._engine._profile, self._without)
            wait = pause_before_retry(attempt)
            try:
                exchange = self._request_stream(dump(sent))
                if exchange is None:
                    return None
                if exchange.status == 200:
                    self._remember()
                    self._engine._note_key(self._request.get("model"), refused=False)
                    return exchange
                failure, pause, field = self._refusal(exchange, sent)
                wait = wait if pause is None else pause
            except ssl.SSLCertVerificationError:
                raise
            except OSError as error:
                failure, field = http_errors.broken(self._engine._address, error), None
            self._drop()
            if field is not None:
                self._without |= {field}
                continue
            if attempt == self._engine._retries or wait > MAX_WAIT_SECONDS:
                raise failure
            attempt += 1
            if self._closed.wait(wait):
                return None

    def _refusal(self, exchange: Exchange, sent: dict[str, Any]) -> tuple[EngineError, float | None, str | None]:
        """Return the error of a refusal, the pause before a retry (infinite if a retry is useless), and the optional
        field that it names."""
        status, address = exchange.status, self._engine._address
        body = exchange.read_rest(REFUSAL_BYTES, REFUSAL_SECONDS)
        headers = {**http_errors.inner_headers(body), **exchange.headers}
        failure = http_errors.refused(address, status, headers, body, sent)
        if http_errors.refuses_key(status, body):
            self._engine._note_key(self._request.get("model"), refused=True)
        if isinstance(failure, (ContextOverflow, UnusableInput)):
            return failure, math.inf, None
        if not http_errors.may_retry(status, headers):
            param, text = http_errors.refused_param(body), http_errors.read_refusal(body)[0]
            field = blamed(sent, self._engine._profile, param, text) if status in REFUSALS else None
            return failure, math.inf, field
        return failure, retry_after(headers, time.time()), None

    def _remember(self) -> None:
        """Omit the refused fields from later requests for this model: the server accepted the request without them."""
        learnt, model = self._engine._learnt, self._request.get("model")
        if not self._without <= learnt.of(model):
            learnt.add(model, self._without)

    def _request_stream(self, body: bytes) -> Exchange | None:
        """Send the request, a second time if a kept connection is dead; None if closed."""
        connections = self._engine._connections
        kept = connections.take()
        if kept is not None:
            exchange = self._hold(Exchange(kept))
            if exchange is None:
                return None
            try:
                return self._send(exchange, body)
            except OSError:
                if exchange.started or self._closed.is_set():
                    raise
            self._drop()
            connections.close()  # the other idle connections are dead too
        if self._closed.is_set():
            return None
        exchange = self._hold(Exchange(connections.open()))
        return None if exchange is None else self._send(exchange, body)

    def _send(self, exchange: Exchange, body: bytes) -> Exchange:
        head = request_head(self._engine._address, exchange.connection, self._engine._headers, len(body))
        exchange.send(head, body)
        exchange.read_head()
        return exchange

    def _hold(self, exchange: Exchange) -> Exchange | None:
        """Let `close` abort the exchange; None if `close` came first."""
        with self._lock:
            if not self._closed.is_set():
                self._exchange = exchange
                return exchange
        exchange.discard()
        return None

    def _drop(self) -> None:
        with self._lock:
            exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.discard()

    # ---- the body of the response ----

    def _read(self, exchange: Exchange) -> Iterator[list[Item]]:
        engine = self._engine
        self._body = BodyReader(exchange, engine._upstream, engine._address, self._request, self._closed.is_set)
        return iter(self._body)

    def _watched(self, reads: Iterator[list[Item]]) -> Iterator[list[Item]]:
        """Enforce the output limit if the server may ignore it or did not receive it."""
        limit = self._request.get("max_output_tokens")
        ignored = self._engine.ignores | self._without
        return reads if limit is None or "max_output_tokens" not in ignored else limited(reads, limit)


def pause_before_retry(attempt: int) -> float:
    """Return the seconds before the next attempt: 0.5, 1, 2 … at most 8, less up to 25 % jitter."""
    return float(min(0.5 * 2.0**attempt, 8.0)) * (1 - 0.25 * random.random())


def endpoint(base_url: str, path: str) -> Address:
    """Return the address of `path` below a base URL.

    Raises:
        ConfigError: the URL is not valid, or includes a route.
    """
    address = Address.parse(base_url, path)
    base = address.path.removesuffix(path)
    if route := _TOO_LONG.search(base):
        raise ConfigError(
            f"OPENAI_BASE_URL ends in {route[0]}. Remove that, as in https://host/v1: routes such as "
            "POST /responses are added to it."
        )
    return address


def unusual_base(address: Address, profile: Profile) -> list[str]:
    """Return what is unusual about the base URL of `/responses` at a server, without its path."""
    base = address.path.removesuffix("/responses")
    if profile.name == "azure" and _OLD_AZURE.search(base):
        return ["OPENAI_BASE_URL is Azure's older address; the Responses API is at https://RESOURCE…/openai/v1/."]
    if profile.path and not base.endswith(profile.path) and not re.search(r"/v\d", base):
        return [f"OPENAI_BASE_URL does not end in {profile.path}, as it does for most servers ({profile.title})."]
    return []
