"""Files and vector stores at OpenAI, or at a server with the same API, through the official client.

The client is imported when a storage is created; each process creates its own client at first use.
"""

# ruff: noqa: ARG002 (an upstream does not know our owners)

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from ...errors import AssistantStreamError, NotFound, UpstreamError
from ...per_process import PerProcess
from ...profiles import BEARER
from ...protocol.ids import MAX_CHARS, is_segment
from ...protocol.objects import Object
from ...upstream import Upstream
from ..base import Storage, Upload
from . import objects as read
from .errors import INVALID_RESPONSE, TIMED_OUT, UNREACHABLE, refused

if TYPE_CHECKING:
    from openai import OpenAI

CHUNK_BYTES = 256 * 1024
"""Bytes of a container's file that are in memory at a time."""
PAGE = 100
"""Entries of a page, the API's maximum."""

Fields = Mapping[str, Any]
Call = Callable[..., Any]


class UpstreamStorage(Storage):
    """Stores files and vector stores at an upstream.

    Args:
        upstream: the server.
        connect_timeout, timeout, upload_timeout: seconds for connecting, for each read and write, and for the
            response to an upload.
        now: seconds since the epoch.
    """

    name = "openai"
    searchable = frozenset(
        (
            *("c", "cpp", "cs", "css", "doc", "docx", "go", "html", "java", "js", "json", "md", "pdf", "php", "pptx"),
            *("py", "rb", "sh", "tex", "ts", "txt"),
        )
    )

    def __init__(
        self,
        upstream: Upstream,
        *,
        connect_timeout: float = 10.0,
        timeout: float = 60.0,
        upload_timeout: float = 300.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        import openai  # noqa: F401 (takes a second, which must not delay running streams)

        self._upstream = upstream
        self._headers = upstream.configured_headers
        self._timeouts = (connect_timeout, timeout, upload_timeout)
        self._clock = now
        self._clients: PerProcess[Any] = PerProcess(self._make_client)

    # -- files --------------------------------------------------------------------------------------------

    def create_file(self, owner: str, upload: Upload) -> Object:
        """Upload a file in pieces."""
        upload.content.seek(0)
        file = (upload.filename, upload.content, upload.content_type)
        create = self._client().files.with_raw_response.create
        options = {} if upload.expires_after is None else {"expires_after": dict(upload.expires_after)}
        timeout = self._timeout(self._timeouts[2])
        body = self._ask(create, file=file, purpose=upload.purpose, timeout=timeout, **options)
        return read.read_file(body, upload, self._now())

    def delete_file(self, owner: str, file_id: str) -> None:
        self._remove(self._client().files.with_raw_response.delete, file_id)

    # -- vector stores ------------------------------------------------------------------------------------

    def create_vector_store(self, owner: str, fields: Fields) -> Object:
        body = self._ask(self._client().vector_stores.with_raw_response.create, **fields)
        return read.read_vector_store(body, self._now())

    def read_vector_store(self, owner: str, vector_store_id: str) -> Object:
        body = self._look(self._client().vector_stores.with_raw_response.retrieve, vector_store_id)
        return read.read_vector_store(body, self._now())

    def update_vector_store(self, owner: str, vector_store_id: str, fields: Fields) -> Object:
        body = self._look(self._client().vector_stores.with_raw_response.update, vector_store_id, **fields)
        return read.read_vector_store(body, self._now())

    def delete_vector_store(self, owner: str, vector_store_id: str) -> None:
        self._remove(self._client().vector_stores.with_raw_response.delete, vector_store_id)

    def search(self, owner: str, vector_store_id: str, query: str, options: Fields) -> list[Object]:
        search = self._client().vector_stores.with_raw_response.search
        return read.read_list(self._look(search, vector_store_id, query=query, **options), read.read_result)

    # -- files in vector stores -----------------------------------------------------------------------------

    def attach(self, owner: str, vector_store_id: str, file_id: str, fields: Fields) -> Object:
        create = self._client().vector_stores.files.with_raw_response.create
        body = self._ask(create, vector_store_id, file_id=file_id, **fields)
        return read.read_attached(body, vector_store_id, self._now())

    def read_attached(self, owner: str, vector_store_id: str, file_id: str) -> Object:
        retrieve = self._client().vector_stores.files.with_raw_response.retrieve
        body = self._look(retrieve, file_id, vector_store_id=vector_store_id)
        return read.read_attached(body, vector_store_id, self._now())

    def update_attached(self, owner: str, vector_store_id: str, file_id: str, attributes: Fields) -> Object:
        update = self._client().vector_stores.files.with_raw_response.update
        body = self._look(update, file_id, vector_store_id=vector_store_id, attributes=dict(attributes))
        return read.read_attached(body, vector_store_id, self._now())

    def detach(self, owner: str, vector_store_id: str, file_id: str) -> None:
        delete = self._client().vector_stores.files.with_raw_response.delete
        self._remove(delete, file_id, vector_store_id=vector_store_id)

    def unfinished(self, owner: str, vector_store_id: str) -> set[str]:
        """List the files that are being indexed, all pages."""
        pages = self._client().vector_stores.files.with_raw_response.list
        file_ids: set[str] = set()
        more: Fields = {}
        while True:
            answer = self._look(pages, vector_store_id, filter="in_progress", limit=PAGE, **more)
            entries = read.read_list(answer, lambda entry: read.read_attached(entry, vector_store_id, 0))
            # Servers that ignore the filter return all files.
            file_ids.update(entry["id"] for entry in entries if entry["status"] == "in_progress")
            if answer.get("has_more") is not True or not entries or entries[-1]["id"] == more.get("after"):
                return file_ids
            more = {"after": entries[-1]["id"]}

    def attached_content(self, owner: str, vector_store_id: str, file_id: str) -> list[Object]:
        content = self._client().vector_stores.files.with_raw_response.content
        answer = self._look(content, file_id, vector_store_id=vector_store_id)
        return read.read_parts(answer.get("data") if isinstance(answer, dict) else None)

    # -- batches --------------------------------------------------------------------------------------------

    def attach_batch(self, owner: str, vector_store_id: str, files: Sequence[Fields]) -> Object:
        create = self._client().vector_stores.file_batches.with_raw_response.create
        plain = all(file.keys() == {"file_id"} for file in files)  # older servers accept only this form
        entries = {"file_ids": [file["file_id"] for file in files]} if plain else {"files": [dict(f) for f in files]}
        return read.read_batch(self._ask(create, vector_store_id, **entries), vector_store_id, self._now())

    def read_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        retrieve = self._client().vector_stores.file_batches.with_raw_response.retrieve
        body = self._look(retrieve, batch_id, vector_store_id=vector_store_id)
        return read.read_batch(body, vector_store_id, self._now())

    def cancel_batch(self, owner: str, vector_store_id: str, batch_id: str) -> Object:
        cancel = self._client().vector_stores.file_batches.with_raw_response.cancel
        body = self._look(cancel, batch_id, vector_store_id=vector_store_id)
        return read.read_batch(body, vector_store_id, self._now())

    # -- generated files --------------------------------------------------------------------------------------

    def container_file(self, container_id: str, file_id: str) -> Iterator[bytes]:
        """Read a file of a container in pieces."""
        chunks = self._container_chunks(container_id, file_id)
        next(chunks)  # connects, so that errors are raised here and an unread generator is closed
        return chunks

    def _container_chunks(self, container_id: str, file_id: str) -> Iterator[bytes]:
        _check_ids(container_id, file_id)
        retrieve = self._client().containers.files.content.with_streaming_response.retrieve
        try:
            with retrieve(file_id, container_id=container_id, **self._without_bearer()) as response:
                yield b""
                yield from response.iter_bytes(CHUNK_BYTES)
        except AssistantStreamError:
            raise
        except Exception as error:  # the client raises its HTTP library's errors while a body is read
            raise self._error(error) from error

    # -- the client -------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the idle connections of this process."""
        client = self._clients.pop()
        if client is not None:
            client.close()

    def _client(self) -> Any:
        """Return the client of this process: connections do not outlive a fork."""
        return self._clients.get()

    def _make_client(self) -> OpenAI:
        import openai

        base_url, _, query = self._upstream.url.partition("?")
        return openai.OpenAI(
            api_key=self._upstream.key or "none",
            base_url=base_url,
            organization=self._upstream.organization,
            project=self._upstream.project,
            default_headers=self._headers,
            default_query=dict(parse_qsl(query, keep_blank_values=True)),
            timeout=self._timeout(self._timeouts[1]),
            max_retries=0,  # `_look` retries; the client would sleep as long as the upstream asks
        )

    def _timeout(self, read_seconds: float) -> Any:
        import openai

        return openai.Timeout(self._timeouts[1], connect=self._timeouts[0], read=read_seconds)

    def _now(self) -> int:
        return int(self._clock())

    def _look(self, call: Call, *values: Any, **fields: Any) -> Any:
        """Make a repeatable call, a second time if a kept connection is dead."""
        import openai

        try:
            return self._ask(call, *values, **fields)
        except UpstreamError as error:
            cause = error.__cause__
            if not isinstance(cause, openai.APIConnectionError) or isinstance(cause, openai.APITimeoutError):
                raise
        return self._ask(call, *values, **fields)

    def _remove(self, call: Call, *values: Any, **fields: Any) -> None:
        """Delete an object that may be deleted already."""
        with suppress(NotFound):
            self._look(call, *values, **fields)

    def _ask(self, call: Call, *values: Any, **fields: Any) -> Any:
        """Return the JSON of a call's response.

        Raises:
            NotFound: an id for the path cannot be one.
            UpstreamError, RequestError: see `Storage`.
        """
        import openai

        _check_ids(*values, *(id for name, id in fields.items() if name.endswith("_id")))
        try:
            text: str = call(*values, **fields, **self._without_bearer()).text
        except openai.OpenAIError as error:
            raise self._error(error) from error
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise UpstreamError(INVALID_RESPONSE) from None

    def _without_bearer(self) -> dict[str, Any]:
        """Return options that remove the client's bearer header unless one is configured; needed for each call."""
        import openai

        if BEARER in self._headers:
            return {}
        return {"extra_headers": {"Authorization": openai.Omit()}}

    def _error(self, error: Exception) -> AssistantStreamError:
        import openai

        if isinstance(error, openai.APIStatusError):
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            return refused(error.status_code, headers, error.body, self._upstream, self._clock())
        if isinstance(error, openai.APITimeoutError):
            return UpstreamError(TIMED_OUT, status=504)
        return UpstreamError(UNREACHABLE)


def _check_ids(*values: str) -> None:
    """Refuse ids that would lead to another path of the upstream: some come from its own responses."""
    for id in values:
        if not is_segment(id):
            raise NotFound(f"No object found with id {id[:MAX_CHARS]!r}.")
