"""Runs: resume the stream of a run, and cancel a run."""

from __future__ import annotations

from flask import Response
from flask import request as flask_request

from ..encoders.base import ALL_FRAMES, Position, StreamStart
from ..errors import Gone, RequestError
from ..protocol.objects import Object
from ..runs.start_request import RunPosition
from ..stores.base import Kind, RunRecord
from . import schemas
from .base import ApiRequest, Resource
from .paging import spans_of_run
from .stream import stream

resource = Resource("runs")


@resource.route("GET", "/threads/<thread_id>/runs/<run_id>/stream", query=schemas.AttachQuery(), stream=True)
def stream_run(request: ApiRequest, thread_id: str, run_id: str) -> Response:
    """Stream the events of a live or finished run after a position, on any worker."""
    position = _position(request)
    run = request.registration.store.get(Kind.RUN, request.owner, run_id, parent=thread_id)
    assert isinstance(run, RunRecord)
    live = run.active and position.seq >= run.last_seq
    over = not run.active and bool(_last_event_id())
    try:
        return stream(request, RunPosition(thread_id, run_id, position.seq), resume=position, live=live, over=over)
    except Gone:
        raise Gone(f"The events of run {run_id} have expired; {_what_is_left(request, run)}.", param="after") from None


@resource.route("POST", "/threads/<thread_id>/runs/<run_id>/cancel", answer=schemas.Run())
def cancel_run(request: ApiRequest, thread_id: str, run_id: str) -> Object:
    """Cancel a run, from any tab or worker; its messages are kept."""
    return request.registration.runner.cancel(request.owner, thread_id, run_id)


def _what_is_left(request: ApiRequest, run: RunRecord) -> str:
    """Return where the answer of a run is after its events have expired."""
    store, spans = request.registration.store, spans_of_run(run)
    messages = store.list(Kind.MESSAGE, request.owner, parent=run.parent, spans=spans, limit=1).records
    if not messages:
        return f"it ended {run.body['status']} and left no message"
    return f"its answer is message {messages[0].id} of thread {run.parent}"


def _last_event_id() -> str:
    """Return the place that a reconnecting EventSource sends; empty without one."""
    return flask_request.headers.get("Last-Event-ID", "").strip()


def _position(request: ApiRequest) -> Position:
    """Return where to resume: a reconnecting EventSource repeats its URL, and has the newest place in its header."""
    param = "after"
    position: Position | None = request.query["after"]
    if header := _last_event_id():
        param, position = "Last-Event-ID", Position.parse(header)
    assert request.format is not None
    if position is None or (position.frame != ALL_FRAMES and not request.format(StreamStart()).numbers_frames):
        raise RequestError(f"Invalid '{param}': it must be a whole number, 0 or more.", param=param)
    return position
