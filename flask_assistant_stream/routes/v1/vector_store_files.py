"""Files in vector stores, attached one by one or in a batch. Their ids are the ids of the files."""

from __future__ import annotations

from ...files.vector_store_files import VectorStoreFiles
from ...protocol.objects import Object
from ...stores.base import Record
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
    vector_store, files = _opened(request, vector_store_id)
    return files.attach(vector_store, values_of(request))


@resource.route("GET", FILES, query=schemas.AttachedQuery(), answer=schemas.VectorStoreFilePage())
def list_vector_store_files(request: ApiRequest, vector_store_id: str) -> Object:
    """List the files of a vector store, or those of one status."""
    return _page(request, vector_store_id)


@resource.route("GET", f"{FILES}/<file_id>", answer=schemas.VectorStoreFile())
def get_vector_store_file(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Return a file of a vector store, with its indexing status."""
    vector_store, files = _opened(request, vector_store_id)
    return files.get(vector_store, file_id)


@resource.route("POST", f"{FILES}/<file_id>", body=schemas.AttributesPatch(), answer=schemas.VectorStoreFile())
def update_vector_store_file(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Change the attributes of a file in a vector store."""
    vector_store, files = _opened(request, vector_store_id)
    return files.update(vector_store, file_id, request.body["attributes"] or {})


@resource.route("DELETE", f"{FILES}/<file_id>", answer=app_schemas.Deleted())
def delete_vector_store_file(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Remove a file from a vector store; the file itself is kept."""
    vector_store, files = _opened(request, vector_store_id)
    files.detach(vector_store, file_id)
    return deleted(file_id, "vector_store.file.deleted")


@resource.route("GET", f"{FILES}/<file_id>/content", answer=schemas.TextPage())
def get_vector_store_file_content(request: ApiRequest, vector_store_id: str, file_id: str) -> Object:
    """Return the text of a file that searches read."""
    vector_store, files = _opened(request, vector_store_id)
    texts = files.content(vector_store, file_id)
    return {"object": "vector_store.file_content.page", "data": texts, "has_more": False, "next_page": None}


@resource.route("POST", BATCHES, body=schemas.NewBatch(), answer=schemas.Batch())
def create_file_batch(request: ApiRequest, vector_store_id: str) -> Object:
    """Attach a batch of files to a vector store."""
    vector_store, files = _opened(request, vector_store_id)
    return files.create_batch(vector_store, values_of(request))


@resource.route("GET", f"{BATCHES}/<batch_id>", answer=schemas.Batch())
def get_file_batch(request: ApiRequest, vector_store_id: str, batch_id: str) -> Object:
    """Return a batch, with its file counts by status."""
    vector_store, files = _opened(request, vector_store_id)
    return files.batch(vector_store, batch_id)


@resource.route("POST", f"{BATCHES}/<batch_id>/cancel", answer=schemas.Batch())
def cancel_file_batch(request: ApiRequest, vector_store_id: str, batch_id: str) -> Object:
    """Cancel the files of a batch that are not indexed yet."""
    vector_store, files = _opened(request, vector_store_id)
    return files.cancel_batch(vector_store, batch_id)


@resource.route(
    "GET", f"{BATCHES}/<batch_id>/files", query=schemas.AttachedQuery(), answer=schemas.VectorStoreFilePage()
)
def list_file_batch_files(request: ApiRequest, vector_store_id: str, batch_id: str) -> Object:
    """List the files of a batch, or those of one status."""
    return _page(request, vector_store_id, batch_id)


def _opened(request: ApiRequest, vector_store_id: str) -> tuple[Record, VectorStoreFiles]:
    """Return the owner's vector store, and what reads and changes the files in it."""
    vector_stores = request.registration.vector_stores
    return vector_stores.record(request.owner, vector_store_id), vector_stores.files


def _page(request: ApiRequest, vector_store_id: str, batch_id: str | None = None) -> Object:
    vector_store, files = _opened(request, vector_store_id)
    return page_from(request, files.page, vector_store, status=request.query.get("filter"), batch_id=batch_id)
