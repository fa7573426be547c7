"""Render what the quickstart's page cannot read (`spec/clients.md#what-the-quickstart-expects`), if configured.

Only what this reader is told differs: log, messages and runs are stored as ever, and `/v1` tells them as they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from flask import Response

from ..encoders.base import Encoder
from ..encoders.quickstart import ADDED, retell, said
from ..errors import RequestError
from ..protocol import ids, objects
from ..protocol.events import Event
from ..protocol.objects import Object
from ..runs.start_request import RunPosition
from .base import STREAM_HEADERS

BROKEN_OFF = "The answer could not be read to its end; it may still be made. Please ask again."


def place(after: int) -> int:
    """Return where the log must be read from to tell what follows `after`, which may be within a told ending."""
    return max(after - ADDED, 0)


def retold(batches: Iterator[list[Event]], position: RunPosition) -> Iterator[list[Event]]:
    """Tell what is followed from `place(position.after)` so that the page can read it to its end.

    A log that cannot be read on is told as an answer, too: without numbers, as it may go on, and a reader that comes
    back at its last number gets the rest. The error goes on to whoever notes it.
    """
    try:
        for events in batches:
            told = [event for event in retell(events) if event.seq > position.after]
            if told or not events:  # an empty list is a heartbeat
                yield told
    except Exception as error:
        reason = error.message if isinstance(error, RequestError) else BROKEN_OFF
        yield [event._replace(seq=0) for event in said(_run(position.run_id, position.thread_id), reason, 1)]
        raise


def as_stream(encoder: Encoder, path: Mapping[str, str], refused: Response) -> Response:
    """Return a stream that tells an error of a request that was well-formed; there is no run, and no resuming."""
    body = refused.get_json(silent=True)
    if not isinstance(body, dict) or "error" not in body:  # an answer of the host's own
        return refused
    text = f"This could not be answered: {body['error']['message']}"
    events = said(_run(ids.new_id(ids.RUN), path.get("thread_id", "")), text, 1)
    return Response(encoder.encode(events) + encoder.end(), headers=STREAM_HEADERS, content_type=encoder.content_type)


def as_list(refused: Response) -> Response:
    """Return an error of a route that lists as an empty list: the page shows whatever it gets as one."""
    refused.set_data(b"[]")
    return refused


def _run(id: str, thread_id: str) -> Object:
    """Return a run to tell of where none can be read."""
    now = int(time.time())
    return objects.run(id, now, thread_id, objects.assistant("", now, ""))
