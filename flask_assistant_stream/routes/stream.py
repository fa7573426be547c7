"""Stream a run's log as a response, in the requested format."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import chain, islice

from flask import Request, Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import NotAcceptable
from werkzeug.http import parse_accept_header

from ..encoders import Encoder, Position, StreamStart, formats, media_types
from ..errors import AssistantStreamError, RequestError, StoreError
from ..log.follow import Follower
from ..loggers import logger_of
from ..protocol.events import Event
from ..runs.start_request import RunPosition
from . import request_log
from .base import STREAM_HEADERS, ApiRequest

logger = logger_of(__name__)

BROKEN_OFF = "The answer could not be read to its end. It may still complete: read the run again."


def choose_format(request: Request) -> type[Encoder]:
    """Return the format that `?format=` names, else `Accept` prefers, else the first; RequestError or NotAcceptable."""
    known = formats()
    name = request.args.get("format")
    if name:
        if name not in known:
            raise RequestError(f"Invalid 'format': it must be one of {', '.join(known)}.", param="format")
        return known[name]
    accepted = request.headers.get("Accept", "")
    if not accepted:
        return next(iter(known.values()))
    types = media_types()
    media_type = _best_match(accepted, tuple(types))
    if media_type is None:
        raise NotAcceptable(f"Accept one of {', '.join(types)} or */*, or choose with ?format={'|'.join(known)}.")
    return types[media_type]


@lru_cache(maxsize=64)
def _best_match(accepted: str, types: tuple[str, ...]) -> str | None:
    """Return the type that an `Accept` header prefers; clients send few different headers."""
    header = parse_accept_header(accepted, MIMEAccept)
    return header.best_match(types) if header else types[0]


def stream(
    request: ApiRequest,
    position: RunPosition,
    *,
    resume: Position | None = None,
    live: bool = False,
    over: bool = False,
) -> Response:
    """Return a response that follows a run.

    Errors before the first event are raised here, so that they have a status.

    Args:
        resume: where the client resumes; None: this request has started or continued the run, at `position`.
        live: the store has no event after the position yet, so the headers are sent at once.
        over: the run has ended, and an empty response is 204: any other one makes an EventSource reconnect for ever.

    Raises:
        Gone: the events after the position have expired.
        StoreError: the store does not answer.
    """
    assert request.format is not None
    assert request.client is not None
    info = request_log.current()
    info.thread_id, info.run_id = position.thread_id, position.run_id
    began, resumed = resume is None, resume is not None and resume.seq > 0
    start = StreamStart(position.run_id, position.thread_id, resume or Position(position.after), resumed)
    encoder = request.format(start)
    follower = request.registration.log.follow(position.run_id, encoder.reads_after())
    follower.patient = live  # before the first byte a store that fails is a 503
    batches = iter(follower)
    first: Iterable[list[Event]] = [[]] if live else islice(batches, 1)
    batches = chain(list(first), batches)
    left_over = _first_frames(batches, encoder) if over else b""
    if over and not left_over:
        follower.close()
        return Response(status=204, headers=STREAM_HEADERS)
    body = _body(follower, batches, encoder, info.extra, left_over)
    follower.patient = True
    response = Response(body, headers={**STREAM_HEADERS, **encoder.headers}, content_type=encoder.content_type)
    response.headers["X-Thread-Id"] = position.thread_id
    response.headers["X-Run-Id"] = position.run_id
    request.client.follow(follower, body, info.extra)
    left = request.registration.readers.join(request.owner, position, began=began)
    for close in (follower.close, request.client.leave, left):
        response.call_on_close(close)
    return response


def _first_frames(batches: Iterable[list[Event]], encoder: Encoder) -> bytes:
    """Return the first frames of a run that has ended; empty if no event gives one."""
    return next((frames for events in batches if events and (frames := encoder.encode(events))), b"")


def _body(
    follower: Follower, batches: Iterator[list[Event]], encoder: Encoder, extra: dict[str, str], first: bytes
) -> Generator[bytes, None, None]:
    """Yield the bytes of a stream. Never raises into an open body: a stream that breaks off ends with its error.

    Args:
        first: frames that were encoded before.
    """
    try:
        if not encoder.start.resumed and (frames := encoder.begin()):
            yield frames
        if first:
            yield first
        for events in batches:
            if not events:
                yield encoder.heartbeat
            elif frames := encoder.encode(events):
                yield frames
        if not follower.closed and (frames := encoder.end()):  # closed: the client has gone, and the run may continue
            yield frames
    except Exception as error:
        reason = error.message if isinstance(error, AssistantStreamError) else type(error).__name__
        logger.warning("stream broken off: %s [%s]", reason, request_log.readable(extra), extra=extra)
        frames = b""
        with suppress(Exception):  # the encoder itself may be what failed
            frames = encoder.error(error if isinstance(error, RequestError) else StoreError(BROKEN_OFF))
        if frames:
            yield frames
    finally:
        follower.close()
