"""`POST /chat/stream`: one message in, the run's events out."""

from __future__ import annotations

from flask import Response

from . import schemas
from .base import ApiRequest, Resource
from .messages import send
from .stream import stream

resource = Resource("chat")


@resource.route("POST", "/chat/stream", body=schemas.ChatMessage(), stream=True)
def chat(request: ApiRequest) -> Response:
    """Send a message and stream the answer; without a thread id, on a new thread.

    An active run of the thread is cancelled first.
    """
    return stream(request, send(request, request.body.get("thread_id") or None))
