"""Files of the SDK face. Its calls come without the `OpenAI-Beta` header of the others."""

from __future__ import annotations

from flask import Response

from ...protocol.objects import Object
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..download import download
from ..files import remove
from ..paging import found_page
from . import file_schemas as schemas

resource = Resource("SDK: files", "v1")


@resource.route("POST", "/files", upload=schemas.NewFile(), answer=schemas.File())
def create_file(request: ApiRequest) -> Object:
    """Upload a file of any type."""
    return request.registration.files.create(request.owner, request.file)


@resource.route("GET", "/files", query=schemas.FilesQuery(), answer=schemas.FilePage())
def list_files(request: ApiRequest) -> Object:
    """List your files, of one purpose if one is named."""
    return found_page(
        request, request.registration.files.page, request.owner, before=False, purpose=request.query.get("purpose")
    )


@resource.route("GET", "/files/<file_id>", answer=schemas.File())
def get_file(request: ApiRequest, file_id: str) -> Object:
    """Return a file's description."""
    return request.registration.files.get(request.owner, file_id)


@resource.route("DELETE", "/files/<file_id>", answer=app_schemas.Deleted())
def delete_file(request: ApiRequest, file_id: str) -> Object:
    """Delete a file, out of every vector store as well."""
    return remove(request, file_id)


@resource.route("GET", "/files/<file_id>/content", download=True)
def get_file_content(request: ApiRequest, file_id: str) -> Response:
    """Return a file's bytes."""
    return download(request.registration.files.content(request.owner, file_id))
