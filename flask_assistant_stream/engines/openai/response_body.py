"""Read the body of a response: bytes from the socket, items out, one list for each read.

The hot path of a stream (docs/performance.md).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jiter

from ...errors import EngineError
from ...upstream import Upstream
from ..base import Item
from ..sse import SSEDecoder
from . import http_errors
from .http_connect import Address
from .http_stream import READ_BYTES, Exchange
from .refusals import failed_input

ENDINGS = frozenset(("response.completed", "response.incomplete"))
FAILURES = frozenset(("response.failed", "error"))
PRELUDE = frozenset(("response.created", "response.queued", "response.in_progress", "keepalive", *FAILURES))
"""Items before the first output."""
KEEPALIVE: Item = {"type": "keepalive"}
"""Emitted if the upstream sends only a comment as a heartbeat; the translator skips it."""

FAILURE_SECONDS = 1.0
"""Seconds to read on after a failure: several servers send a second item, with the reason."""
BODY_BYTES, BODY_SECONDS = 32 * 2**20, 20.0
"""Limits of a response that is not a stream."""
RESPONSE_BYTES = 128 * 2**20
"""Limit of a stream, keepalives included."""
EVENT_VALUES = 1_000_000
"""Limit of JSON values in an event or a whole response: a small one takes many times its bytes in memory."""
PROGRESS_BYTES = 2**20
"""Bytes of an event that is not complete yet which count as a sign of life."""


class BodyReader:
    """Reads the items of one response.

    Args:
        exchange: with its head read, status 200.
        request: as it was sent.
        stopped: returns whether the items are no longer wanted.

    Attributes:
        streaming: the body is a stream.
        begun: its first bytes were read.
        ended: its terminal item was read.
    """

    def __init__(
        self,
        exchange: Exchange,
        upstream: Upstream,
        address: Address,
        request: dict[str, Any],
        stopped: Callable[[], bool],
    ) -> None:
        self.streaming = False
        self.begun = False
        self.ended = False
        self._exchange = exchange
        self._upstream = upstream
        self._address = address
        self._request = request
        self._stopped = stopped
        self._failed = False
        self._unreadable: EngineError | None = None

    def __iter__(self) -> Iterator[list[Item]]:
        exchange = self._exchange
        kind = exchange.headers.get("content-type", "").lower()
        if "json" in kind or "html" in kind:
            yield [self._whole_response()]
            self.ended = True
            return
        self.streaming = True
        decoder, silent, begun, size, reported = SSEDecoder(), 0, False, 0, 0
        while data := exchange.read():
            self.begun = True
            size += len(data)
            if size > RESPONSE_BYTES:
                raise EngineError(f"The upstream sent a response of more than {RESPONSE_BYTES} bytes.")
            items = self._decode(decoder.feed(data))
            begun = begun or not PRELUDE.issuperset(item.get("type") for item in items)
            if self._failed and not begun:
                items += [item for read in self._after_failure(decoder) for item in read]
                if error := failed_input(items, self._request):
                    raise error
                yield items
                return
            if items:
                reported = size
                yield items
            elif decoder.silent > silent or size - reported >= PROGRESS_BYTES:
                silent, reported = decoder.silent, size
                yield [KEEPALIVE]
            if self.ended or self._stopped():
                return
            if self._unreadable is not None:
                raise self._unreadable
            if self._failed:
                yield from self._after_failure(decoder)
                return
            if not items or len(data) >= READ_BYTES // 4:
                time.sleep(0)  # a full socket never blocks: yield to other greenlets
        if items := self._decode(decoder.end()):  # the last event lacks its blank line
            yield items

    def _after_failure(self, decoder: SSEDecoder) -> Iterator[list[Item]]:
        """Yield the items that follow a failure within a second; they may have details (`spec/servers.md#failures`)."""
        deadline = time.monotonic() + FAILURE_SECONDS
        try:
            while data := self._exchange.read_until(deadline):
                if items := self._decode(decoder.feed(data)):
                    yield items
        except OSError:
            return  # the failure was yielded already

    def _decode(self, payloads: list[bytes]) -> list[Item]:
        """Decode payloads up to the first unreadable one, skip other JSON values, and note the end of the stream."""
        items = []
        for payload in payloads:
            _check_values(payload, "an event")
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
            if type(kind) is not str:
                item["type"] = kind = "error" if "error" in item else ""
            if kind in ENDINGS:
                self.ended = True
            elif kind in FAILURES:
                self._failed, item = True, {**self._upstream.masked(item), "type": kind}
            items.append(item)
        return items

    def _whole_response(self) -> Item:
        """Read a response that is not a stream: a finished one becomes its terminal item, anything else an error."""
        exchange = self._exchange
        body = exchange.read_rest(BODY_BYTES + 1, BODY_SECONDS)
        if len(body) > BODY_BYTES:
            raise EngineError(f"The upstream sent a response of more than {BODY_BYTES} bytes.")
        _check_values(body, "a response")
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and isinstance(value.get("output"), list) and not value.get("error"):
            return {"type": f"response.{value.get('status') or 'completed'}", "response": value}
        raise http_errors.refused(self._address, exchange.status, exchange.headers, body)


def _check_values(text: bytes, name: str) -> None:
    """Refuse JSON of more than `EVENT_VALUES` before it is decoded."""
    if len(text) > EVENT_VALUES and text.count(b",") > EVENT_VALUES:
        raise EngineError(f"The upstream sent {name} of more than {EVENT_VALUES} values.")


def _from_json(payload: bytes) -> Any:
    """Decode with the standard library, which also accepts lone surrogates."""
    try:
        return json.loads(payload.decode("utf-8"))
    except UnicodeDecodeError:
        raise EngineError("The upstream sent an event that is not UTF-8.") from None
    except (ValueError, RecursionError):
        raise EngineError("The upstream sent an event that is not JSON.") from None
