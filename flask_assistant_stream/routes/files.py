"""The owner's files as the quickstart's page shows them: every one is in the vector store that answers come from."""

from __future__ import annotations

from flask import Response

from ..protocol.objects import Object
from . import schemas
from .base import ApiRequest, Resource
from .download import download

resource = Resource("files")


@resource.route("POST", "/files", upload=schemas.FileForm(), answer=schemas.UploadedFile())
def upload_file(request: ApiRequest) -> Object:
    """Upload a file that your questions are answered from."""
    made = request.registration.resources.upload_own(request.owner, request.file)
    return {"fileId": made["id"], "filename": made["filename"]}


@resource.route("GET", "/files", answer=schemas.OwnFile(many=True))
def list_files(request: ApiRequest) -> list[Object]:
    """List your files, the newest first, with the state of their indexing; cheap enough to ask every second."""
    return request.registration.resources.own_files(request.owner)


@resource.route("DELETE", "/files", body=schemas.FileRef(), answer=schemas.Deleted())
def delete_file(request: ApiRequest) -> Object:
    """Delete a file, everywhere."""
    return remove(request, request.body["file_id"])


@resource.route("GET", "/files/<file_id>", download=True)
def download_file(request: ApiRequest, file_id: str) -> Response:
    """Return a file's bytes, also those of a file that a tool has made."""
    return download(request.registration.files.content(request.owner, file_id))


def remove(request: ApiRequest, file_id: str) -> Object:
    """Delete a file and say so."""
    request.registration.files.delete(request.owner, file_id)
    return {"id": file_id, "object": "file", "deleted": True}
