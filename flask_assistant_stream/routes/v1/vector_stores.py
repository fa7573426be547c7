"""Vector stores of the SDK face: create, list, read, change, search, delete."""

from __future__ import annotations

from typing import Any

from ...protocol.objects import Object
from .. import schemas as app_schemas
from ..base import ApiRequest, Resource
from ..paging import page_from
from ..responses import deleted
from . import file_schemas as schemas

resource = Resource("SDK: vector stores", "v1")


@resource.route("POST", "/vector_stores", body=schemas.NewVectorStore(), answer=schemas.VectorStore())
def create_vector_store(request: ApiRequest) -> Object:
    """Create a vector store, with or without files."""
    return request.registration.vector_stores.create(request.owner, values_of(request)).body


@resource.route("GET", "/vector_stores", query=app_schemas.ListQuery(), answer=schemas.VectorStorePage())
def list_vector_stores(request: ApiRequest) -> Object:
    """List your vector stores."""
    return page_from(request, request.registration.vector_stores.page, request.owner)


@resource.route("GET", "/vector_stores/<vector_store_id>", answer=schemas.VectorStore())
def get_vector_store(request: ApiRequest, vector_store_id: str) -> Object:
    """Return a vector store."""
    return request.registration.vector_stores.get(request.owner, vector_store_id)


@resource.route(
    "POST", "/vector_stores/<vector_store_id>", body=schemas.VectorStorePatch(), answer=schemas.VectorStore()
)
def update_vector_store(request: ApiRequest, vector_store_id: str) -> Object:
    """Change the name, expiry or metadata of a vector store; absent keys keep their values."""
    return request.registration.vector_stores.update(request.owner, vector_store_id, request.body)


@resource.route("DELETE", "/vector_stores/<vector_store_id>", answer=app_schemas.Deleted())
def delete_vector_store(request: ApiRequest, vector_store_id: str) -> Object:
    """Delete a vector store; its files are kept."""
    request.registration.vector_stores.delete(request.owner, vector_store_id)
    return deleted(vector_store_id, "vector_store.deleted")


@resource.route(
    "POST", "/vector_stores/<vector_store_id>/search", body=schemas.VectorStoreSearch(), answer=schemas.FoundPage()
)
def search_vector_store(request: ApiRequest, vector_store_id: str) -> Object:
    """Search a vector store of yours."""
    results = request.registration.vector_stores.search(request.owner, vector_store_id, values_of(request))
    kind = {"object": "vector_store.search_results.page", "search_query": request.body["query"]}
    return {**kind, "data": results, "has_more": False, "next_page": None}


def values_of(request: ApiRequest) -> dict[str, Any]:
    """Return the keys of a body that are not null; null means the default."""
    return {key: value for key, value in request.body.items() if value is not None}
