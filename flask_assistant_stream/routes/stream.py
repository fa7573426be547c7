"""Turn a place in a run's log into a streaming response, in the format that was asked for."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, islice

from flask import Request, Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable
from werkzeug.http import parse_accept_header

from ..encoders.base import Encoder
from ..encoders.ndjson import NDJSONEncoder
from ..encoders.sse import SSEEncoder
from ..errors import AssistantStreamError, RequestError
from ..log.follow import Follower
from ..protocol.events import Event
from ..runs.start_request import RunPosition
from . import compat, request_log
from .base import STREAM_HEADERS, ApiRequest

logger = logging.getLogger(__name__)

FORMATS: Mapping[str, type[Encoder]] = {encoder.name: encoder for encoder in (NDJSONEncoder, SSEEncoder)}
"""What `?format=` knows; the first is the default."""


def choose_format(request: Request) -> Encoder:
    """Return the encoder for a request: `?format=`, else `Accept`, else NDJSON.

    Raises:
        RequestError: no such format.
        NotAcceptable: `Accept` names other types only.
    """
    name = request.args.get("format")
    if name:
        if name not in FORMATS:
            raise RequestError(f"Invalid 'format': it must be one of {', '.join(FORMATS)}.", param="format")
        return FORMATS[name]()
    encoder = _accepted(request.headers.get("Accept", ""))
    if encoder is None:
        types = ", ".join(encoder.media_type for encoder in FORMATS.values())
        raise NotAcceptable(f"Accept one of {types} or */*, or choose with ?format={'|'.join(FORMATS)}.")
    return encoder()


@lru_cache(maxsize=64)
def _accepted(header: str) -> type[Encoder] | None:
    """Return what an `Accept` header likes best; clients send few different ones."""
    accepted = parse_accept_header(header, MIMEAccept)
    if not accepted:
        return next(iter(FORMATS.values()))
    types = {encoder.media_type: encoder for encoder in FORMATS.values()}
    best = accepted.best_match(types)
    return None if best is None else types[best]


def stream(
    request: ApiRequest,
    position: RunPosition,
    *,
    live: bool = False,
    began: bool = True,
    without: frozenset[str] = frozenset(),
) -> Response:
    """Return a response that follows a run.

    What can fail before there is anything to show fails here, so that it has a status.

    Args:
        live: the store has nothing after `position.after` yet: send the headers instead of waiting for it.
        began: this request has started the run or let it go on.
        without: names of events that are left out; the numbers of the others stay.

    Raises:
        Gone: the events after `position.after` have expired.
        StoreError: the store does not answer.
    """
    assert request.encoder is not None
    assert request.client is not None
    info = request_log.current()
    info.thread_id, info.run_id = position.thread_id, position.run_id
    after = compat.place(position.after) if request.compat and not began else position.after
    follower = request.registration.log.follow(position.run_id, after)
    follower.patient = live  # before there is a body, a store that fails is a 503
    batches = iter(follower)
    first: Iterable[list[Event]] = [[]] if live else islice(batches, 1)
    batches = chain(list(first), batches)
    told = compat.retold(batches, position) if request.compat else batches
    body = _frames(follower, told, request.encoder, without, info.extra)
    follower.patient = True
    response = Response(body, headers=STREAM_HEADERS, content_type=request.encoder.content_type)
    response.headers["X-Thread-Id"] = position.thread_id
    response.headers["X-Run-Id"] = position.run_id
    request.client.follow(follower, body, info.extra)
    for ended in (
        follower.close,
        request.client.leave,
        request.registration.readers.join(request.owner, position, began=began),
    ):
        response.call_on_close(ended)
    return response


def _frames(
    follower: Follower,
    batches: Iterator[list[Event]],
    encoder: Encoder,
    without: frozenset[str],
    extra: dict[str, str],
) -> Generator[bytes, None, None]:
    """Yield what goes over the wire. Never raises into an open body: a stream that breaks off just ends."""
    try:
        for events in batches:
            if not events:
                yield encoder.heartbeat
            elif shown := [event for event in events if event.name not in without] if without else events:
                yield encoder.encode(shown)
        if not follower.closed and (end := encoder.end()):  # closed: its client has gone, and the run may go on
            yield end
    except Exception as error:
        reason = error.message if isinstance(error, AssistantStreamError) else type(error).__name__
        logger.warning("stream broken off: %s [%s]", reason, request_log.readable(extra), extra=extra)
    finally:
        follower.close()
