"""The engine for OpenAI and every other server that offers `POST /v1/responses`.

It streams through a lean path of its own (`http_stream`), a list of items per socket read; the official package is
never imported for that. It knows nothing of threads, runs and events.
"""

from __future__ import annotations

import functools
import json
import math
import random
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import jiter

from ..errors import ConfigError, EngineError
from ..protocol.events import dump
from ..protocol.sse import SSEDecoder
from . import http_errors
from .base import Engine, Item, ItemStream
from .http_connect import Address, Connections
from .http_stream import READ_BYTES, Exchange, request_head

BASE_URL = "https://api.openai.com/v1"
ENDINGS = frozenset(("response.completed", "response.incomplete"))
FAILURES = frozenset(("response.failed", "error"))
KEEPALIVE: Item = {"type": "keepalive"}
"""Told where the upstream sent only a comment: a sign of life (a translator skips it)."""

FAILURE_SECONDS = 1.0
"""How long to wait for more after a failure: several servers tell it twice, once with the reason."""
DRAIN_SECONDS = 0.1
MAX_WAIT_SECONDS = 20.0
"""An upstream that asks for a longer pause is not asked again."""
REFUSAL_BYTES, REFUSAL_SECONDS = 65536, 5.0

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class OpenAIEngine(Engine):
    """Streams from one upstream.

    Args:
        api_key: sent as a bearer token; None or empty for a server that wants none.
        base_url: up to and without `/responses`.
        headers: sent with every request; they win over the engine's own.
        organization, project: OpenAI's headers of that name.
        connect_timeout: seconds for TCP, TLS and proxy each. Reading has no time-out: who iterates watches the
            time and calls `close`.
        retries: how often a request is sent again; never once a stream has begun.
        bare_end: whether the server is known to end streams without a terminal item.

    Raises:
        ConfigError: the base URL or a header cannot be used.
    """

    name = "openai"

    def __init__(
        self,
        api_key: str | None,
        base_url: str = BASE_URL,
        *,
        headers: Mapping[str, str] | None = None,
        organization: str | None = None,
        project: str | None = None,
        connect_timeout: float = 10.0,
        retries: int = 2,
        bare_end: bool = False,
    ) -> None:
        self._key = (api_key or "").strip()
        self._address = Address.parse(base_url or BASE_URL, "/responses")
        self._headers = _headers(self._key, organization, project, headers or {})
        self._secrets = (self._key, *(v for n, v in (headers or {}).items() if _holds_secret(n)))
        self._connections = Connections(self._address, connect_timeout)
        self._retries = retries
        self.bare_end = bare_end

    def __repr__(self) -> str:
        return f"OpenAIEngine({self._address.authority}{self._address.path})"

    def stream(self, request: dict[str, Any]) -> ItemStream:
        """Begin a response; the request goes out when the iteration starts."""
        return _ResponseStream(self, request)

    def ping(self) -> str | None:
        """Say that the key is missing, where the address is OpenAI's own."""
        if not self._key and self._address.host == "api.openai.com":
            return "OPENAI_API_KEY is not set."
        return None

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()

    def _told(self, error: EngineError) -> EngineError:
        """Take our secrets out of an error that may repeat them."""
        return EngineError(http_errors.without(error.message, self._secrets), code=error.code)


class _ResponseStream(ItemStream):
    def __init__(self, engine: OpenAIEngine, request: dict[str, Any]) -> None:
        self._engine = engine
        self._request = request
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._exchange: Exchange | None = None
        self._streaming = False
        self._failed = False
        self._unreadable: EngineError | None = None
        self._ended = False

    def __iter__(self) -> Iterator[list[Item]]:
        try:
            exchange = self._open()
            if exchange is not None:
                yield from self._items(exchange)
        except OSError as error:
            if not self._closed.is_set():
                raise http_errors.broken(self._engine._address, error, streaming=self._streaming) from None
        except EngineError as error:
            if not self._closed.is_set():
                raise self._engine._told(error) from None
        finally:
            if not self._ended:
                self._give_up()

    def close(self) -> None:
        """Break the connection where items may still come; after the last one keep it, if it is soon free."""
        with self._lock:
            self._closed.set()
            exchange = self._exchange
            if self._ended:
                self._exchange = None
        if exchange is None:
            return
        if not self._ended:
            exchange.abort()  # whoever iterates wakes and closes it
            return
        exchange.read_rest(READ_BYTES, DRAIN_SECONDS)
        if exchange.reusable:
            self._engine._connections.give(exchange.connection)
        else:
            exchange.discard()

    # ---- the answer's head -------------------------------------------------------------------------------------

    def _open(self) -> Exchange | None:
        """Send the request until a stream begins; None when closed meanwhile."""
        body = dump(self._request)
        for attempt in range(self._engine._retries + 1):
            failure, wait = None, _pause(attempt)
            try:
                exchange = self._ask(body)
                if exchange is None or exchange.status == 200:
                    return exchange
                failure, asked = self._refusal(exchange)
                wait = wait if asked is None else asked
            except ssl.SSLCertVerificationError:
                raise
            except OSError as error:
                failure = http_errors.broken(self._engine._address, error)
            self._give_up()
            if attempt == self._engine._retries or wait > MAX_WAIT_SECONDS:
                raise failure
            if self._closed.wait(wait):
                break
        return None

    def _refusal(self, exchange: Exchange) -> tuple[EngineError, float | None]:
        """Return what a refusal says and the pause it asks for; endless where asking again is no use."""
        headers, status = exchange.headers, exchange.status
        body = exchange.read_rest(REFUSAL_BYTES, REFUSAL_SECONDS)
        failure = http_errors.refused(self._engine._address, status, headers, body)
        if not http_errors.may_retry(status, headers):
            return failure, math.inf
        return failure, http_errors.retry_after(headers, time.time())

    def _ask(self, body: bytes) -> Exchange | None:
        """Send the request once, or twice where a kept connection turns out to be dead; None when closed."""
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
            self._give_up()
            connections.close()  # what was idle as long is as dead
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
        """Make the exchange known to `close`; None when that came first."""
        with self._lock:
            if not self._closed.is_set():
                self._exchange = exchange
                return exchange
        exchange.discard()
        return None

    def _give_up(self) -> None:
        with self._lock:
            exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.discard()

    # ---- the answer's body -------------------------------------------------------------------------------------

    def _items(self, exchange: Exchange) -> Iterator[list[Item]]:
        kind = exchange.headers.get("content-type", "").lower()
        if "json" in kind or "html" in kind:
            yield [self._whole_answer(exchange)]
            self._ended = True
            return
        self._streaming = True
        decoder, silent = SSEDecoder(), 0
        while data := exchange.read():
            items = self._decode(decoder.feed(data))
            if items:
                yield items
            elif decoder.silent > silent:
                silent = decoder.silent
                yield [KEEPALIVE]
            if self._ended or self._closed.is_set():
                return
            if self._unreadable is not None:
                raise self._unreadable
            if self._failed:
                yield from self._after_failure(exchange, decoder)
                return
            if len(data) >= READ_BYTES // 4:
                time.sleep(0)  # a full socket never blocks: let the other greenlets have their turn
        if items := self._decode(decoder.end()):  # what is cut off here is not an event
            yield items

    def _after_failure(self, exchange: Exchange, decoder: SSEDecoder) -> Iterator[list[Item]]:
        """Yield what follows a failure within a second: the richest telling may come last (upstreams.md, rule 12)."""
        deadline = time.monotonic() + FAILURE_SECONDS
        try:
            while data := exchange.read_until(deadline):
                if items := self._decode(decoder.feed(data)):
                    yield items
        except OSError:
            return  # the failure has been told

    def _decode(self, payloads: list[bytes]) -> list[Item]:
        """Decode payloads up to the first unreadable one, skipping what is not an item; note what ends the stream."""
        items = []
        for payload in payloads:
            try:
                item = jiter.from_json(payload)
            except ValueError:
                if payload == b"[DONE]":
                    continue
                try:
                    item = _from_json(payload)
                except EngineError as error:
                    self._unreadable = error
                    break
            if type(item) is not dict:
                continue
            kind = item.get("type")
            if kind is None and "error" in item:
                item["type"] = kind = "error"
            if kind in ENDINGS:
                self._ended = True
            elif kind in FAILURES:
                self._failed = True
            items.append(item)
        return items

    def _whole_answer(self, exchange: Exchange) -> Item:
        """Read an answer that is no stream: a finished response counts as its terminal item, all else is refused."""
        body = exchange.read_rest(64 * REFUSAL_BYTES, REFUSAL_SECONDS)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and isinstance(value.get("output"), list) and not value.get("error"):
            return {"type": f"response.{value.get('status') or 'completed'}", "response": value}
        raise http_errors.refused(self._engine._address, exchange.status, exchange.headers, body)


def _from_json(payload: bytes) -> Any:
    """Decode what jiter refuses: the standard library also takes lone surrogates."""
    try:
        return json.loads(payload.decode("utf-8"))
    except UnicodeDecodeError:
        raise EngineError("The upstream sent an event that is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise EngineError("The upstream sent an event that is not JSON.") from None


def _pause(attempt: int) -> float:
    """Return the seconds before the next attempt: 0.5, 1, 2 … at most 8, up to a quarter less by chance."""
    return float(min(0.5 * 2.0**attempt, 8.0)) * (1 - 0.25 * random.random())


def _headers(key: str, organization: str | None, project: str | None, extra: Mapping[str, str]) -> dict[str, str]:
    """Put the headers of every request together.

    Raises:
        ConfigError: one of them cannot be sent.
    """
    headers = {
        "Accept": "text/event-stream",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": f"flask-assistant-stream/{_version()}",
        "Authorization": f"Bearer {key}" if key else "",
        "OpenAI-Organization": organization or "",
        "OpenAI-Project": project or "",
    }
    names = {name.lower(): name for name in headers}
    for name, value in extra.items():
        headers[names.get(name.lower(), name)] = value
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ConfigError(f"The upstream header {name!r} cannot be sent: use Latin-1 without line breaks.")
    return {name: value for name, value in headers.items() if value}


def _holds_secret(name: str) -> bool:
    """Say whether a header of that name may hold a credential."""
    return any(word in name.lower() for word in ("auth", "key", "token", "secret", "cookie"))


@functools.cache
def _version() -> str:
    return metadata.version("flask-assistant-stream")
