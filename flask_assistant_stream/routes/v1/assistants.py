"""Assistants of the SDK face: made, listed, read, changed, deleted; those declared in code are only read."""

from __future__ import annotations

from ...protocol.objects import Object
from .. import schemas as app_schemas
from ..base import Call, Resource
from ..named_files import check_resources, prepared
from ..paging import found_page
from . import schemas

resource = Resource("SDK: assistants", "v1")


@resource.route("POST", "/assistants", body=schemas.NewAssistant(), answer=schemas.Assistant())
def create_assistant(call: Call) -> Object:
    """Make an assistant."""
    with prepared(call, call.body.get("tool_resources")) as resources:
        given = {**call.body, "tool_resources": resources} if resources else call.body
        return call.site.assistants.create(call.owner, given)


@resource.route("GET", "/assistants", query=app_schemas.ListQuery(), answer=schemas.AssistantPage())
def list_assistants(call: Call) -> Object:
    """List your assistants, those declared in code and the default one among them."""
    return found_page(call, call.site.assistants.page, call.owner)


@resource.route("GET", "/assistants/<assistant_id>", answer=schemas.Assistant())
def get_assistant(call: Call, assistant_id: str) -> Object:
    """Return an assistant."""
    return call.site.assistants.find(call.owner, assistant_id).body


@resource.route("POST", "/assistants/<assistant_id>", body=schemas.AssistantPatch(), answer=schemas.Assistant())
def update_assistant(call: Call, assistant_id: str) -> Object:
    """Change an assistant; what is left out stays."""
    check_resources(call, call.body.get("tool_resources"))
    return call.site.assistants.update(call.owner, assistant_id, call.body)


@resource.route("DELETE", "/assistants/<assistant_id>", answer=app_schemas.Deleted())
def delete_assistant(call: Call, assistant_id: str) -> Object:
    """Delete an assistant; its runs stay."""
    call.site.assistants.delete(call.owner, assistant_id)
    return {"id": assistant_id, "object": "assistant.deleted", "deleted": True}
