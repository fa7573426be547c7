"""Files of the SDK face. SDKs send these requests without the `OpenAI-Beta` header."""

from __future__ import annotations

from flask import Response

from ...protocol.objects import Object
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..download import download
from ..files import remove
from ..paging import page_from
from . import file_schemas as schemas

resource = Resource("SDK: files", "v1")


@resource.route("POST", "/files", upload=schemas.NewFile(), answer=schemas.File())
def create_file(request: ApiRequest) -> Object:
    """Upload a file of any type."""
    return request.registration.files.create(request.owner, request.file).body


@resource.route("GET", "/files", query=schemas.FilesQuery(), answer=schemas.FilePage())
def list_files(request: ApiRequest) -> Object:
    """List your files, or those of one purpose."""
    find, purpose = request.registration.files.page, request.query.get("purpose")
    return page_from(request, find, request.owner, before=False, purpose=purpose)


@resource.route("GET", "/files/<file_id>", answer=schemas.File())
def get_file(request: ApiRequest, file_id: str) -> Object:
    """Return the description of a file."""
    return request.registration.files.get(request.owner, file_id)


@resource.route("DELETE", "/files/<file_id>", answer=app_schemas.Deleted())
def delete_file(request: ApiRequest, file_id: str) -> Object:
    """Delete a file, also from every vector store."""
    return remove(request, file_id)


@resource.route("GET", "/files/<file_id>/content", download=True)
def get_file_content(request: ApiRequest, file_id: str) -> Response:
    """Return the bytes of a file."""
    return download(request.registration.files.content(request.owner, file_id))
