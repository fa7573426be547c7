"""The owner's files as the quickstart's page shows them: every one is in the vector store that answers come from."""

from __future__ import annotations

from flask import Response

from ..protocol.objects import Object
from . import schemas
from .base import Call, Resource
from .download import download

resource = Resource("files")


@resource.route("POST", "/files", upload=schemas.FileForm(), answer=schemas.UploadedFile())
def upload_file(call: Call) -> Object:
    """Upload a file that your questions are answered from."""
    made = call.site.resources.upload_own(call.owner, call.file)
    return {"fileId": made["id"], "filename": made["filename"]}


@resource.route("GET", "/files", answer=schemas.OwnFile(many=True))
def list_files(call: Call) -> list[Object]:
    """List your files, the newest first, with the state of their indexing; cheap enough to ask every second."""
    return call.site.resources.own_files(call.owner)


@resource.route("DELETE", "/files", body=schemas.FileRef(), answer=schemas.Deleted())
def delete_file(call: Call) -> Object:
    """Delete a file, everywhere."""
    return remove(call, call.body["file_id"])


@resource.route("GET", "/files/<file_id>", download=True)
def download_file(call: Call, file_id: str) -> Response:
    """Return a file's bytes, also those of a file that a tool has made."""
    return download(call.site.files.content(call.owner, file_id))


def remove(call: Call, file_id: str) -> Object:
    """Delete a file and say so."""
    call.site.files.delete(call.owner, file_id)
    return {"id": file_id, "object": "file", "deleted": True}
