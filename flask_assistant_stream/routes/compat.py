"""Errors as the quickstart's page can read them (`spec/clients.md#what-the-quickstart-expects`), where configured.

How runs end there is `encoders/quickstart.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response

from ..encoders.base import StreamStart
from ..encoders.quickstart import QuickstartEncoder
from ..protocol import ids
from .base import STREAM_HEADERS, MakeEncoder


def wrap(format: MakeEncoder) -> MakeEncoder:
    """Return a format whose runs end as the page can read it."""
    return lambda start: QuickstartEncoder(format(start))


def as_stream(format: MakeEncoder, path: Mapping[str, str], response: Response) -> Response:
    """Return the error of a valid request as a stream; there is no run, so nothing to resume."""
    body = response.get_json(silent=True)
    if not isinstance(body, dict) or "error" not in body:  # a response of the host's own
        return response
    encoder = QuickstartEncoder(format(StreamStart(ids.new_id(ids.RUN), path.get("thread_id", ""))))
    frames = encoder.rejected(body["error"]["message"])
    return Response(frames, headers={**STREAM_HEADERS, **encoder.headers}, content_type=encoder.content_type)


def as_list(response: Response) -> Response:
    """Return the error of a route that lists as an empty list: the page shows any body as a list."""
    response.set_data(b"[]")
    return response
