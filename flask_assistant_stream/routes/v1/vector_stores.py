"""Vector stores of the SDK face: made, listed, read, changed, searched, deleted."""

from __future__ import annotations

from typing import Any

from ...protocol.objects import Object
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..paging import found_page
from . import file_schemas as schemas

resource = Resource("SDK: vector stores", "v1")


@resource.route("POST", "/vector_stores", body=schemas.NewVectorStore(), answer=schemas.VectorStore())
def create_vector_store(request: ApiRequest) -> Object:
    """Make a vector store, with files if some are named."""
    return request.registration.vector_stores.create(request.owner, given(request))


@resource.route("GET", "/vector_stores", query=app_schemas.ListQuery(), answer=schemas.VectorStorePage())
def list_vector_stores(request: ApiRequest) -> Object:
    """List your vector stores."""
    return found_page(request, request.registration.vector_stores.page, request.owner)


@resource.route("GET", "/vector_stores/<vector_store_id>", answer=schemas.VectorStore())
def get_vector_store(request: ApiRequest, vector_store_id: str) -> Object:
    """Return a vector store."""
    return request.registration.vector_stores.get(request.owner, vector_store_id)


@resource.route(
    "POST", "/vector_stores/<vector_store_id>", body=schemas.VectorStorePatch(), answer=schemas.VectorStore()
)
def update_vector_store(request: ApiRequest, vector_store_id: str) -> Object:
    """Change name, expiry or metadata of a vector store; what is left out stays."""
    return request.registration.vector_stores.update(request.owner, vector_store_id, request.body)


@resource.route("DELETE", "/vector_stores/<vector_store_id>", answer=app_schemas.Deleted())
def delete_vector_store(request: ApiRequest, vector_store_id: str) -> Object:
    """Delete a vector store; its files stay."""
    request.registration.vector_stores.delete(request.owner, vector_store_id)
    return {"id": vector_store_id, "object": "vector_store.deleted", "deleted": True}


@resource.route(
    "POST", "/vector_stores/<vector_store_id>/search", body=schemas.VectorStoreSearch(), answer=schemas.FoundPage()
)
def search_vector_store(request: ApiRequest, vector_store_id: str) -> Object:
    """Search a vector store of yours."""
    found = request.registration.vector_stores.search(request.owner, vector_store_id, given(request))
    kind = {"object": "vector_store.search_results.page", "search_query": request.body["query"]}
    return {**kind, "data": found, "has_more": False, "next_page": None}


def given(request: ApiRequest) -> dict[str, Any]:
    """Return what of a body is no null: it means the default."""
    return {key: value for key, value in request.body.items() if value is not None}
