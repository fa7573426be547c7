"""`POST /`: the id of the default assistant, for the quickstart's set-up page."""

from __future__ import annotations

from ..protocol.objects import Object
from . import schemas
from .base import ApiRequest, Resource

resource = Resource("assistants")


@resource.route("POST", "/", answer=schemas.AssistantId())
def default_assistant(request: ApiRequest) -> Object:
    """Return the id of the default assistant."""
    assistant = request.registration.assistants.find(request.owner)
    assistant.keep()
    return {"assistantId": assistant.body["id"]}
