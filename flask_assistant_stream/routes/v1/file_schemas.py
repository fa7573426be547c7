"""Schemas of files and vector stores: bodies, queries and responses (`spec/assistants.md#limits`)."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from .. import bounds, schemas
from ..schemas import Body, Digits, Id, Metadata, Text
from .fields import Attributes, Filters, Flag, Number, Variant, Whole, ids

PURPOSES = ("assistants", "vision", "user_data")
RANKERS = ("none", "auto", "default-2024-11-15")
STATUSES = ("in_progress", "completed", "failed", "cancelled")
MAX_STORE_FILES = 500
MAX_BATCH_FILES = 2000
MAX_LISTED_FILES = 10_000
MAX_QUERIES = 10
MAX_QUERY_CHARS = 4096


class FixedChunks(Body):
    """Chunks of one size."""

    max_chunk_size_tokens = Whole(required=True, validate=bounds.Range(100, 4096))
    chunk_overlap_tokens = Whole(required=True, validate=bounds.Range(min=0))

    @validates_schema
    def _overlaps_at_most_half(self, data: dict[str, Any], **_: Any) -> None:
        if data["chunk_overlap_tokens"] * 2 > data["max_chunk_size_tokens"]:
            raise ValidationError("It must be at most half of max_chunk_size_tokens.", "chunk_overlap_tokens")


class StaticChunking(Body):
    static = fields.Nested(FixedChunks, required=True)


def _chunking() -> Variant:
    return Variant({"auto": Body(), "static": StaticChunking()}, allow_none=True)


# -- tool resources of assistants, threads and runs --------------------------------------------------------------


class SearchedFiles(Body):
    """A vector store to create with its assistant or thread."""

    file_ids = ids(MAX_STORE_FILES)
    chunking_strategy = _chunking()
    metadata = Metadata(allow_none=True)


class CodeFiles(Body):
    file_ids = ids(20)


def _refuse_stores(_: Any) -> None:
    raise ValidationError("Only a new assistant or thread can create one. Name the vector store in vector_store_ids.")


class SearchStores(Body):
    vector_store_ids = ids(1)
    vector_stores = fields.Raw(validate=_refuse_stores, metadata={"description": "Not accepted here."})


class AssistantsToolResources(Body):
    code_interpreter = fields.Nested(CodeFiles)
    file_search = fields.Nested(SearchStores)


class NewSearchStores(Body):
    """The vector store of a file search, or a new one."""

    vector_store_ids = ids(1)
    vector_stores = fields.List(fields.Nested(SearchedFiles), validate=bounds.Length(max=1))

    @validates_schema
    def _not_both(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("vector_store_ids") and data.get("vector_stores"):
            raise ValidationError("Give either vector_store_ids or vector_stores.", "vector_stores")


class NewToolResources(AssistantsToolResources):
    file_search = fields.Nested(NewSearchStores)


# -- files ----------------------------------------------------------------------------------------------------


class NewFile(schemas.FileForm):
    """A file to upload, in a multipart form."""

    purpose = Text(required=True, validate=validate.OneOf(PURPOSES))
    anchor = Text(data_key="expires_after[anchor]", validate=validate.OneOf(("created_at",)))
    seconds = Digits(data_key="expires_after[seconds]", validate=bounds.Range(3600, 30 * 86_400))

    @validates_schema
    def _both_or_none(self, data: dict[str, Any], **_: Any) -> None:
        if ("anchor" in data) != ("seconds" in data):
            raise ValidationError("It must have anchor and seconds.", "expires_after")

    @post_load
    def _join(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Join the parts of `expires_after`."""
        if "anchor" in data:
            data["expires_after"] = {"anchor": data.pop("anchor"), "seconds": data.pop("seconds")}
        return data


class FilesQuery(Body):
    purpose = Id()
    limit = Digits(load_default=MAX_LISTED_FILES, validate=bounds.Range(1, MAX_LISTED_FILES))
    order = Text(load_default="desc", validate=validate.OneOf(("asc", "desc")))
    after = Id(metadata={"description": "Id of the last object of the previous page."})


class File(schemas.StoredObject):
    bytes = fields.Integer(required=True)
    expires_at = fields.Integer(required=True, allow_none=True)
    filename = fields.String(required=True)
    purpose = fields.String(required=True)
    status = fields.String(required=True)
    status_details = fields.String(required=True, allow_none=True)


FilePage = schemas.page_of(File)


# -- vector stores --------------------------------------------------------------------------------------------


class ExpiresAfter(Body):
    """When a vector store expires after its last use."""

    anchor = Text(required=True, validate=validate.OneOf(("last_active_at",)))
    days = Whole(required=True, validate=bounds.Range(1, 365))


class VectorStorePatch(Body):
    name = Text(allow_none=True, validate=bounds.Length(max=256))
    expires_after = fields.Nested(ExpiresAfter, allow_none=True)
    metadata = Metadata(allow_none=True)


class NewVectorStore(VectorStorePatch):
    description = Text(allow_none=True, validate=bounds.Length(max=512))
    file_ids = ids(MAX_STORE_FILES, allow_none=True)
    chunking_strategy = _chunking()


class SearchRanking(Body):
    ranker = Text(validate=validate.OneOf(RANKERS))
    score_threshold = Number(validate=bounds.Range(0, 1, kind="decimal"))


class Queries(fields.Field[list[str]]):
    """One or several queries; loads to a list."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[str]:
        texts = [schemas.check_text(query) for query in (value if isinstance(value, list) else [value])]
        if not 1 <= len(texts) <= MAX_QUERIES or not all(text.strip() for text in texts):
            raise ValidationError(f"It must be a text, or 1 to {MAX_QUERIES} texts, none of them empty.")
        if any(len(text) > MAX_QUERY_CHARS for text in texts):
            raise ValidationError(f"It must have at most {MAX_QUERY_CHARS} characters.")
        return texts


class VectorStoreSearch(Body):
    query = Queries(
        required=True,
        metadata={"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]},
    )
    rewrite_query = Flag(allow_none=True)
    max_num_results = Whole(load_default=10, validate=bounds.Range(1, 50))
    filters = Filters(allow_none=True)
    ranking_options = fields.Nested(SearchRanking, allow_none=True)


class VectorStore(schemas.ApiObject):
    name = fields.String(required=True)
    description = fields.String(allow_none=True)
    usage_bytes = fields.Integer(required=True)
    file_counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    status = fields.String(required=True)
    expires_after = fields.Dict(allow_none=True)
    expires_at = fields.Integer(allow_none=True)
    last_active_at = fields.Integer(required=True, allow_none=True)


VectorStorePage = schemas.page_of(VectorStore)


class TextPage(Schema):
    """All texts of a file, on one page."""

    object = fields.String(required=True)
    data = fields.List(fields.Dict(), required=True)
    has_more = fields.Boolean(required=True)
    next_page = fields.String(required=True, allow_none=True)


class FoundPage(TextPage):
    search_query = fields.List(fields.String(), required=True)


# -- files in vector stores -----------------------------------------------------------------------------------


class AttributesPatch(Body):
    """The attributes that searches filter a file by; null empties them."""

    attributes = Attributes(required=True, allow_none=True)


class AttachedFile(Body):
    file_id = Id(required=True)
    attributes = Attributes(allow_none=True)
    chunking_strategy = _chunking()


class NewBatch(Body):
    """Files to attach together: ids with common options, or files with their own options."""

    file_ids = ids(MAX_BATCH_FILES, allow_none=True)
    files = fields.List(
        fields.Nested(AttachedFile),
        allow_none=True,
        validate=bounds.Length(max=MAX_BATCH_FILES),
    )
    attributes = Attributes(allow_none=True)
    chunking_strategy = _chunking()

    @validates_schema
    def _not_both(self, data: dict[str, Any], **_: Any) -> None:
        if bool(data.get("file_ids")) == bool(data.get("files")):
            raise ValidationError("Give either file_ids or files, at least one.", "file_ids")


class AttachedQuery(schemas.ListQuery):
    """A page of the files in a vector store, or of those of one status."""

    filter = Text(validate=validate.OneOf(STATUSES))


class VectorStoreFile(schemas.StoredObject):
    """A file in a vector store; it has the id of the file."""

    vector_store_id = fields.String(required=True)
    status = fields.String(required=True)
    usage_bytes = fields.Integer(required=True)
    last_error = fields.Dict(required=True, allow_none=True)
    attributes = fields.Dict(allow_none=True)
    chunking_strategy = fields.Dict(allow_none=True)


VectorStoreFilePage = schemas.page_of(VectorStoreFile)


class Batch(schemas.StoredObject):
    """Files that were attached together."""

    vector_store_id = fields.String(required=True)
    status = fields.String(required=True)
    file_counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
