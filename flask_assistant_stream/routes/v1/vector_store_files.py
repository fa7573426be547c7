"""Files in vector stores, put there one by one or as a batch. Their ids are those of the files."""

from __future__ import annotations

from ...protocol.objects import Object
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..paging import found_page
from . import file_schemas as schemas
from .vector_stores import given

resource = Resource("SDK: files in vector stores", "v1")

FILES = "/vector_stores/<vector_store_id>/files"
BATCHES = "/vector_stores/<vector_store_id>/file_batches"


@resource.route("POST", FILES, body=schemas.AttachedFile(), answer=schemas.VectorStoreFile())
def create_vector_store_file(request: ApiRequest, vector_store_id: str) -> Object:
    """Put a file into a vector store; it is searched when it is indexed."""
    return request.registration.vector_stores.attach(request.owner, vector_store_id, given(request))


@resource.route("GET", FILES, query=schemas.AttachedQuery(), answer=schemas.VectorStoreFilePage())
def list_vector_store_files(request: ApiRequest, vector_store_id: str) -> Object:
    """List the files of a vector store, of one status if one is named."""
    return _page(request, vector_store_id)


@resource.route("GET", f"{FILES}/<file_id>", answer=schemas.VectorStoreFile())
def get_vector_store_file(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Return a file of a vector store, with the state of its indexing."""
    return request.registration.vector_stores.attached(request.owner, vector_store_id, file_id)


@resource.route("POST", f"{FILES}/<file_id>", body=schemas.AttributesPatch(), answer=schemas.VectorStoreFile())
def update_vector_store_file(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Change the attributes of a file in a vector store."""
    attributes = request.body["attributes"] or {}
    return request.registration.vector_stores.update_attached(request.owner, vector_store_id, file_id, attributes)


@resource.route("DELETE", f"{FILES}/<file_id>", answer=app_schemas.Deleted())
def delete_vector_store_file(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Take a file out of a vector store; the file stays."""
    request.registration.vector_stores.detach(request.owner, vector_store_id, file_id)
    return {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}


@resource.route("GET", f"{FILES}/<file_id>/content", answer=schemas.TextPage())
def get_vector_store_file_content(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Return the text of a file that is searched."""
    texts = request.registration.vector_stores.attached_content(request.owner, vector_store_id, file_id)
    return {"object": "vector_store.file_content.page", "data": texts, "has_more": False, "next_page": None}


@resource.route("POST", BATCHES, body=schemas.NewBatch(), answer=schemas.Batch())
def create_file_batch(request: ApiRequest, vector_store_id: str) -> Object:
    """Put files into a vector store together."""
    return request.registration.vector_stores.create_batch(request.owner, vector_store_id, given(request))


@resource.route("GET", f"{BATCHES}/<batch_id>", answer=schemas.Batch())
def get_file_batch(request: ApiRequest, vector_store_id: str, batch_id: str) -> Object:
    """Return a batch, with the number of its files by status."""
    return request.registration.vector_stores.batch(request.owner, vector_store_id, batch_id)


@resource.route("POST", f"{BATCHES}/<batch_id>/cancel", answer=schemas.Batch())
def cancel_file_batch(request: ApiRequest, vector_store_id: str, batch_id: str) -> Object:
    """Stop what of a batch is still being indexed."""
    return request.registration.vector_stores.cancel_batch(request.owner, vector_store_id, batch_id)


@resource.route(
    "GET", f"{BATCHES}/<batch_id>/files", query=schemas.AttachedQuery(), answer=schemas.VectorStoreFilePage()
)
def list_file_batch_files(request: ApiRequest, vector_store_id: str, batch_id: str) -> Object:
    """List the files of a batch, of one status if one is named."""
    return _page(request, vector_store_id, batch_id)


def _page(request: ApiRequest, vector_store_id: str, batch_id: str | None = None) -> Object:
    find, status = request.registration.vector_stores.attached_page, request.query.get("filter")
    return found_page(request, find, request.owner, vector_store_id, status=status, batch_id=batch_id)
