"""`POST /`: which assistant answers here (the quickstart's set-up page asks)."""

from __future__ import annotations

from ..protocol.objects import Object
from . import schemas
from .base import Call, Resource

resource = Resource("assistants")


@resource.route("POST", "/", answer=schemas.AssistantId())
def default_assistant(call: Call) -> Object:
    """Return the id of the default assistant."""
    assistant = call.site.assistants.find(call.owner)
    assistant.keep()
    return {"assistantId": assistant.body["id"]}
