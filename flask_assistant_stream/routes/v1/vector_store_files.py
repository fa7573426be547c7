"""Files in vector stores, attached one by one or in a batch. Their ids are the ids of the files."""

from __future__ import annotations

from ...protocol.objects import Object
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..paging import page_from
from ..responses import deleted
from . import file_schemas as schemas
from .vector_stores import values_of

resource = Resource("SDK: files in vector stores", "v1")

FILES = "/vector_stores/<vector_store_id>/files"
BATCHES = "/vector_stores/<vector_store_id>/file_batches"


@resource.route("POST", FILES, body=schemas.AttachedFile(), answer=schemas.VectorStoreFile())
def create_vector_store_file(request: ApiRequest, vector_store_id: str) -> Object:
    """Attach a file to a vector store; searches include it once it is indexed."""
    return request.registration.vector_stores.attach(request.owner, vector_store_id, values_of(request))


@resource.route("GET", FILES, query=schemas.AttachedQuery(), answer=schemas.VectorStoreFilePage())
def list_vector_store_files(request: ApiRequest, vector_store_id: str) -> Object:
    """List the files of a vector store, or those of one status."""
    return _page(request, vector_store_id)


@resource.route("GET", f"{FILES}/<file_id>", answer=schemas.VectorStoreFile())
def get_vector_store_file(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Return a file of a vector store, with its indexing status."""
    return request.registration.vector_stores.attached(request.owner, vector_store_id, file_id)


@resource.route("POST", f"{FILES}/<file_id>", body=schemas.AttributesPatch(), answer=schemas.VectorStoreFile())
def update_vector_store_file(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Change the attributes of a file in a vector store."""
    attributes = request.body["attributes"] or {}
    return request.registration.vector_stores.update_attached(request.owner, vector_store_id, file_id, attributes)


@resource.route("DELETE", f"{FILES}/<file_id>", answer=app_schemas.Deleted())
def delete_vector_store_file(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Remove a file from a vector store; the file itself is kept."""
    request.registration.vector_stores.detach(request.owner, vector_store_id, file_id)
    return deleted(file_id, "vector_store.file.deleted")


@resource.route("GET", f"{FILES}/<file_id>/content", answer=schemas.TextPage())
def get_vector_store_file_content(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Return the text of a file that searches read."""
    texts = request.registration.vector_stores.attached_content(request.owner, vector_store_id, file_id)
    return {"object": "vector_store.file_content.page", "data": texts, "has_more": False, "next_page": None}


@resource.route("POST", BATCHES, body=schemas.NewBatch(), answer=schemas.Batch())
def create_file_batch(request: ApiRequest, vector_store_id: str) -> Object:
    """Attach a batch of files to a vector store."""
    return request.registration.vector_stores.create_batch(request.owner, vector_store_id, values_of(request))


@resource.route("GET", f"{BATCHES}/<batch_id>", answer=schemas.Batch())
def get_file_batch(request: ApiRequest, vector_store_id: str, batch_id: str) -> Object:
    """Return a batch, with its file counts by status."""
    return request.registration.vector_stores.batch(request.owner, vector_store_id, batch_id)


@resource.route("POST", f"{BATCHES}/<batch_id>/cancel", answer=schemas.Batch())
def cancel_file_batch(request: ApiRequest, vector_store_id: str, batch_id: str) -> Object:
    """Cancel the files of a batch that are not indexed yet."""
    return request.registration.vector_stores.cancel_batch(request.owner, vector_store_id, batch_id)


@resource.route(
    "GET", f"{BATCHES}/<batch_id>/files", query=schemas.AttachedQuery(), answer=schemas.VectorStoreFilePage()
)
def list_file_batch_files(request: ApiRequest, vector_store_id: str, batch_id: str) -> Object:
    """List the files of a batch, or those of one status."""
    return _page(request, vector_store_id, batch_id)


def _page(request: ApiRequest, vector_store_id: str, batch_id: str | None = None) -> Object:
    find, status = request.registration.vector_stores.attached_page, request.query.get("filter")
    return page_from(request, find, request.owner, vector_store_id, status=status, batch_id=batch_id)
