"""Assistants of the SDK face: create, list, read, change, delete; assistants declared in code are read-only."""

from __future__ import annotations

from ...protocol.objects import Object
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..paging import page_from
from ..responses import deleted
from . import schemas

resource = Resource("SDK: assistants", "v1")


@resource.route("POST", "/assistants", body=schemas.NewAssistant(), answer=schemas.Assistant())
def create_assistant(request: ApiRequest) -> Object:
    """Create an assistant."""
    with request.registration.attachments.prepared(request.owner, request.body.get("tool_resources")) as resources:
        body = {**request.body, "tool_resources": resources} if resources else request.body
        return request.registration.assistants.create(request.owner, body)


@resource.route("GET", "/assistants", query=app_schemas.ListQuery(), answer=schemas.AssistantPage())
def list_assistants(request: ApiRequest) -> Object:
    """List your assistants, with those declared in code and the default one."""
    return page_from(request, request.registration.assistants.page, request.owner)


@resource.route("GET", "/assistants/<assistant_id>", answer=schemas.Assistant())
def get_assistant(request: ApiRequest, assistant_id: str) -> Object:
    """Return an assistant."""
    return request.registration.assistants.find(request.owner, assistant_id).body


@resource.route("POST", "/assistants/<assistant_id>", body=schemas.AssistantPatch(), answer=schemas.Assistant())
def update_assistant(request: ApiRequest, assistant_id: str) -> Object:
    """Change an assistant; absent keys keep their values."""
    request.registration.attachments.check_resources(request.owner, request.body.get("tool_resources"))
    return request.registration.assistants.update(request.owner, assistant_id, request.body)


@resource.route("DELETE", "/assistants/<assistant_id>", answer=app_schemas.Deleted())
def delete_assistant(request: ApiRequest, assistant_id: str) -> Object:
    """Delete an assistant; its runs are kept."""
    request.registration.assistants.delete(request.owner, assistant_id)
    return deleted(assistant_id, "assistant.deleted")
