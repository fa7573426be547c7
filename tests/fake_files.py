"""The fake upstream's files, vector stores and containers, in the shapes of the API's description.

A part of `tests.fake_upstream`: `upstream.files` in a test, `told_files` and `control_files` of an `UpstreamProcess`.

    fake.files.indexing_reads = 3            how often a file is told as in progress; None until `finish()`
    fake.files.outcomes["bad.txt"] = error   what becomes of files of that name: a `last_error`
    fake.files.fail("POST /files", status=500)          also retry_after="7", message="…", times=2
    fake.files.fail("POST /files", how="cut")           breaks off in the middle of the request
    fake.files.fail("POST /files", how="late_cut")      does what is asked, then breaks off
    fake.files.fail("GET /files/{file}", how="nonsense")  also "html", "empty", "stall"
    fake.files.counts["POST /files"]         calls by route
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header
from werkzeug.wsgi import LimitedStream

Body = dict[str, Any]
Validate = Callable[[str, Any], list[str]]

ROUTES = (
    "/files",
    "/files/{file}",
    "/files/{file}/content",
    "/vector_stores",
    "/vector_stores/{store}",
    "/vector_stores/{store}/search",
    "/vector_stores/{store}/files",
    "/vector_stores/{store}/files/{file}",
    "/vector_stores/{store}/files/{file}/content",
    "/vector_stores/{store}/file_batches",
    "/vector_stores/{store}/file_batches/{batch}",
    "/vector_stores/{store}/file_batches/{batch}/cancel",
    "/vector_stores/{store}/file_batches/{batch}/files",
    "/containers/{container}/files/{file}/content",
)
SCHEMAS = {
    "POST /vector_stores": "CreateVectorStoreRequest",
    "POST /vector_stores/{store}": "UpdateVectorStoreRequest",
    "POST /vector_stores/{store}/search": "VectorStoreSearchRequest",
    "POST /vector_stores/{store}/files": "CreateVectorStoreFileRequest",
    "POST /vector_stores/{store}/files/{file}": "UpdateVectorStoreFileAttributesRequest",
    "POST /vector_stores/{store}/file_batches": "CreateVectorStoreFileBatchRequest",
}
CONTROL = "/_control/files"


@dataclass(frozen=True)
class Answer:
    """What goes out; `cut` closes the connection instead, `stall` says nothing until the other side goes."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    stall: bool = False


@dataclass(frozen=True)
class Sent:
    """A file of a multipart request."""

    filename: str
    content: bytes


@dataclass
class Request:
    """One request, read as far as it goes."""

    method: str
    route: str
    ids: dict[str, str]
    query: dict[str, str]
    headers: Mapping[str, str]
    fields: Body


class Refused(Exception):
    """An error of the API."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeFiles:
    """Keeps files and vector stores in memory.

    Args:
        validate: says what the API would refuse in a body, by the name of its schema.
        violations: where that is noted.
    """

    def __init__(self, validate: Validate, violations: list[str]) -> None:
        self.files: dict[str, Body] = {}
        self.contents: dict[str, bytes] = {}
        self.vector_stores: dict[str, Body] = {}
        self.members: dict[str, dict[str, Body]] = {}
        self.batches: dict[str, Body] = {}
        self.containers: dict[tuple[str, str], bytes] = {}
        self.outcomes: dict[str, Body] = {}
        self.counts: Counter[str] = Counter()
        self.requests: list[Request] = []
        self.indexing_reads: int | None = 0
        self._reads: Counter[str] = Counter()
        self._failures: list[Body] = []
        self._validate = validate
        self._violations = violations
        self._lock = threading.RLock()
        self._number = 0

    # -- for tests ----------------------------------------------------------------------------------------

    def fail(self, route: str, *, times: int = 1, **how: Any) -> None:
        """Let the next calls of a route fail."""
        self._failures.append({"route": route, "times": times, **how})

    def finish(self) -> None:
        """End all indexing, now and from now on."""
        self.indexing_reads = 0

    @property
    def calls(self) -> int:
        """How many calls there have been."""
        return sum(self.counts.values())

    def put(self, container_id: str, file_id: str, content: bytes) -> None:
        """Let a code interpreter have made a file."""
        self.containers[container_id, file_id] = content

    # -- for the server -----------------------------------------------------------------------------------

    def serves(self, path: str) -> bool:
        return path.startswith(("/v1/files", "/v1/vector_stores", "/v1/containers", CONTROL))

    def answer(self, method: str, target: str, headers: Mapping[str, str], rfile: BinaryIO) -> Answer:
        path, _, query = target.partition("?")
        length = int(headers.get("content-length") or 0)
        if path == CONTROL:
            return self._control(method, json.loads(rfile.read(length) or b"{}"))
        route, ids = _route(path.removeprefix("/v1"))
        name = f"{method} {route}"
        with self._lock:
            self.counts[name] += 1
            failure = self._failure(name)
        if failure is not None and failure.get("how") == "cut":
            rfile.read(min(length, 4096))
            return Answer(cut=True)
        fields = self._read(name, headers, rfile, length)
        request = Request(method, route, ids, dict(parse_qsl(query, keep_blank_values=True)), headers, fields)
        self.requests.append(request)
        self._check(name, request)
        if failure is not None and failure.get("how") != "late_cut":
            return _failed(failure)
        with self._lock:
            answer = self._answer(name, request)
        return Answer(cut=True) if failure is not None else answer

    def _control(self, method: str, told: Body) -> Answer:
        """Set what tests of another process want, and tell what there is."""
        if method == "POST":
            if "indexing_reads" in told:
                self.indexing_reads = told["indexing_reads"]
            if "fail" in told:  # in place of those before
                self._failures.clear()
                for failure in told["fail"]:
                    self.fail(**failure)
            for container_id, file_id, text in told.get("containers", ()):
                self.put(container_id, file_id, text.encode())
            self.outcomes.update(told.get("outcomes", {}))
        stores = {id: list(members) for id, members in self.members.items()}
        return _json({"counts": self.counts, "files": list(self.files), "vector_stores": stores})

    def _failure(self, name: str) -> Body | None:
        for failure in self._failures:
            if failure["route"] in (name, "*"):
                failure["times"] -= 1
                if not failure["times"]:
                    self._failures.remove(failure)
                return failure
        return None

    def _read(self, name: str, headers: Mapping[str, str], rfile: BinaryIO, length: int) -> Body:
        kind, options = parse_options_header(headers.get("content-type"))
        if kind == "multipart/form-data":
            stream = LimitedStream(rfile, length)
            _, form, files = FormDataParser(silent=False).parse(stream, kind, length, options)  # type: ignore[arg-type]
            taken = {}
            for key, file in files.items():
                taken[key] = Sent(file.filename or "", file.stream.read())
                file.close()
            return {**_nested(form.to_dict()), **taken}
        raw = rfile.read(length)
        return dict(json.loads(raw)) if raw else {}

    def _check(self, name: str, request: Request) -> None:
        found: list[str] = []
        if name == "POST /files":
            shown = {key: "bytes" if isinstance(one, Sent) else one for key, one in request.fields.items()}
            found = self._validate("CreateFileRequest", shown)
            found += [] if isinstance(request.fields.get("file"), Sent) else ["file: not a file"]
        elif name in SCHEMAS:
            found = self._validate(SCHEMAS[name], request.fields)
        if request.route.startswith("/vector_stores") and request.headers.get("openai-beta") != "assistants=v2":
            found.append("no header OpenAI-Beta: assistants=v2")
        self._violations += [f"{name}: {text}" for text in found]

    def _answer(self, name: str, request: Request) -> Answer:
        method = _METHODS.get(name)
        if method is None:
            return _error(404, f"Invalid URL ({name})")
        try:
            told = method(self, request)
        except Refused as refusal:
            return _error(refusal.status, str(refusal))
        if isinstance(told, bytes):
            return Answer(body=told, content_type="application/octet-stream")
        return _json(told)

    # -- files --------------------------------------------------------------------------------------------

    def _id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}{self._number:020d}"

    def create_file(self, request: Request) -> Body:
        file = request.fields["file"]
        id = self._id("file-")
        self.contents[id] = file.content
        if not self.contents[id]:
            raise Refused(400, "File is empty.")
        made = {"object": "file", "id": id, "bytes": len(self.contents[id]), "created_at": int(time.time())}
        named = {"filename": file.filename, "purpose": request.fields["purpose"], "status": "processed"}
        expires_after = request.fields.get("expires_after")
        expires_at = made["created_at"] + expires_after["seconds"] if expires_after else None
        self.files[id] = {**made, **named, "expires_at": expires_at, "status_details": None}
        return self.files[id]

    def read_file(self, request: Request) -> Body:
        return _found(self.files, request.ids["file"], "No such File object: {}")

    def delete_file(self, request: Request) -> Body:
        self.read_file(request)
        del self.files[request.ids["file"]]
        for members in self.members.values():
            members.pop(request.ids["file"], None)
        return {"id": request.ids["file"], "object": "file", "deleted": True}

    def file_content(self, request: Request) -> Body:
        self.read_file(request)
        raise Refused(400, "Not allowed to download files of purpose: assistants")

    def container_content(self, request: Request) -> bytes:
        key = request.ids["container"], request.ids["file"]
        if key not in self.containers:
            raise Refused(404, f"Container with id '{key[0]}' not found.")
        return self.containers[key]

    # -- vector stores ------------------------------------------------------------------------------------

    def _store(self, request: Request) -> Body:
        return _found(self.vector_stores, request.ids["store"], "No vector store found with id '{}'.")

    def create_store(self, request: Request) -> Body:
        now, given = int(time.time()), request.fields
        id = self._id("vs_")
        self.members[id] = {}
        expires_after = given.get("expires_after")
        made = {"id": id, "object": "vector_store", "created_at": now, "last_active_at": now}
        named = {"name": given.get("name"), "metadata": given.get("metadata") or {}}
        until = {"expires_at": now + expires_after["days"] * 86400 if expires_after else None}
        self.vector_stores[id] = {**made, **named, **until, "expires_after": expires_after}
        return self._shown_store(id)

    def _shown_store(self, id: str) -> Body:
        counts = Counter(member["status"] for member in self.members[id].values())
        told = {status: counts[status] for status in ("in_progress", "completed", "failed", "cancelled")}
        status = "in_progress" if counts["in_progress"] else "completed"
        size = sum(member["usage_bytes"] for member in self.members[id].values())
        counted = {"file_counts": {**told, "total": sum(told.values())}, "usage_bytes": size}
        return {"status": status, **self.vector_stores[id], **counted}

    def read_store(self, request: Request) -> Body:
        self._store(request)
        return self._shown_store(request.ids["store"])

    def update_store(self, request: Request) -> Body:
        store = self._store(request)
        store.update(request.fields)
        if "expires_after" in request.fields:
            after = store["expires_after"]
            store["expires_at"] = int(time.time()) + after["days"] * 86400 if after else None
        return self._shown_store(request.ids["store"])

    def delete_store(self, request: Request) -> Body:
        self._store(request)
        id = request.ids["store"]
        del self.vector_stores[id], self.members[id]
        return {"id": id, "object": "vector_store.deleted", "deleted": True}

    def search(self, request: Request) -> Body:
        self._store(request)
        query, members = request.fields["query"], self.members[request.ids["store"]]
        found = [
            {
                "file_id": id,
                "filename": self.files[id]["filename"],
                "score": 0.9,
                "attributes": members[id]["attributes"],
                "content": [{"type": "text", "text": self.contents[id].decode(errors="replace")}],
            }
            for id in members
            if query.lower() in self.contents[id].decode(errors="replace").lower()
        ]
        page = {"object": "vector_store.search_results.page", "search_query": [query]}
        return {
            **page,
            "data": found[: request.fields.get("max_num_results", 10)],
            "has_more": False,
            "next_page": None,
        }

    # -- files in vector stores -----------------------------------------------------------------------------

    def _join(self, store_id: str, given: Body) -> Body:
        file_id = given["file_id"]
        file = _found(self.files, file_id, "No such File object: {}")
        member = {
            "id": file_id,
            "object": "vector_store.file",
            "created_at": int(time.time()),
            "vector_store_id": store_id,
            "status": "in_progress",
            "usage_bytes": 0,
            "last_error": None,
            "attributes": given.get("attributes") or {},
            "chunking_strategy": {
                "type": "static",
                "static": {"max_chunk_size_tokens": 800, "chunk_overlap_tokens": 400},
            },
        }
        if file["filename"].endswith(".exe"):
            raise Refused(400, f"Files with extensions [.exe] are not supported for retrieval: {file_id}")
        self.members[store_id][file_id] = member
        self._reads[f"{store_id}.{file_id}"] = 0
        return member

    def attach(self, request: Request) -> Body:
        self._store(request)
        return dict(self._join(request.ids["store"], request.fields))

    def _index(self, store_id: str) -> None:
        """Let the files of a vector store get on: a read has come."""
        for id, member in self.members[store_id].items():
            if member["status"] != "in_progress" or self.indexing_reads is None:
                continue
            if self._reads[f"{store_id}.{id}"] < self.indexing_reads:
                self._reads[f"{store_id}.{id}"] += 1
                continue
            error = self.outcomes.get(self.files[id]["filename"])
            member["status"] = "failed" if error else "completed"
            member["last_error"] = error
            member["usage_bytes"] = 0 if error else len(self.contents[id])

    def _member(self, request: Request) -> Body:
        self._store(request)
        return _found(self.members[request.ids["store"]], request.ids["file"], "No file found with id '{}'.")

    def read_attached(self, request: Request) -> Body:
        member = self._member(request)
        self._index(request.ids["store"])
        return member

    def update_attached(self, request: Request) -> Body:
        member = self._member(request)
        member["attributes"] = request.fields["attributes"]
        return member

    def detach(self, request: Request) -> Body:
        self._member(request)
        del self.members[request.ids["store"]][request.ids["file"]]
        return {"id": request.ids["file"], "object": "vector_store.file.deleted", "deleted": True}

    def attached_content(self, request: Request) -> Body:
        self._member(request)
        text = self.contents[request.ids["file"]].decode(errors="replace")
        page = {"object": "vector_store.file_content.page", "has_more": False, "next_page": None}
        return {**page, "data": [{"type": "text", "text": text}]}

    def list_attached(self, request: Request) -> Body:
        self._store(request)
        self._index(request.ids["store"])
        return page_of(list(self.members[request.ids["store"]].values()), request.query)

    # -- batches --------------------------------------------------------------------------------------------

    def create_batch(self, request: Request) -> Body:
        self._store(request)
        given = request.fields.get("files") or [{**request.fields, "file_id": id} for id in request.fields["file_ids"]]
        for file in given:
            _found(self.files, file["file_id"], "No such File object: {}")
        store_id = request.ids["store"]
        id = self._id("vsfb_")
        made = {"id": id, "object": "vector_store.file_batch", "created_at": int(time.time())}
        self.batches[id] = {**made, "vector_store_id": store_id, "members": [f["file_id"] for f in given]}
        for file in given:
            self._join(store_id, file)
        return self._shown_batch(id)

    def _shown_batch(self, id: str) -> Body:
        batch = self.batches[id]
        members = self.members[batch["vector_store_id"]]
        counts = Counter(members[file]["status"] for file in batch["members"] if file in members)
        told = {status: counts[status] for status in ("in_progress", "completed", "failed", "cancelled")}
        status = "in_progress" if counts["in_progress"] else "cancelled" if counts["cancelled"] else "completed"
        shown = {key: value for key, value in batch.items() if key != "members"}
        return {**shown, "status": status, "file_counts": {**told, "total": sum(told.values())}}

    def _batch(self, request: Request) -> str:
        self._store(request)
        _found(self.batches, request.ids["batch"], "No file batch found with id '{}'.")
        return request.ids["batch"]

    def read_batch(self, request: Request) -> Body:
        id = self._batch(request)
        self._index(request.ids["store"])
        return self._shown_batch(id)

    def cancel_batch(self, request: Request) -> Body:
        id = self._batch(request)
        for file in self.batches[id]["members"]:
            member = self.members[request.ids["store"]].get(file)
            if member is not None and member["status"] == "in_progress":
                member["status"] = "cancelled"
        return self._shown_batch(id)

    def list_batch(self, request: Request) -> Body:
        members = self.members[request.ids["store"]]
        return page_of([members[id] for id in self.batches[self._batch(request)]["members"]], request.query)


_METHODS: dict[str, Callable[[FakeFiles, Request], Body | bytes]] = {
    "POST /files": FakeFiles.create_file,
    "GET /files/{file}": FakeFiles.read_file,
    "DELETE /files/{file}": FakeFiles.delete_file,
    "GET /files/{file}/content": FakeFiles.file_content,
    "POST /vector_stores": FakeFiles.create_store,
    "GET /vector_stores/{store}": FakeFiles.read_store,
    "POST /vector_stores/{store}": FakeFiles.update_store,
    "DELETE /vector_stores/{store}": FakeFiles.delete_store,
    "POST /vector_stores/{store}/search": FakeFiles.search,
    "POST /vector_stores/{store}/files": FakeFiles.attach,
    "GET /vector_stores/{store}/files": FakeFiles.list_attached,
    "GET /vector_stores/{store}/files/{file}": FakeFiles.read_attached,
    "POST /vector_stores/{store}/files/{file}": FakeFiles.update_attached,
    "DELETE /vector_stores/{store}/files/{file}": FakeFiles.detach,
    "GET /vector_stores/{store}/files/{file}/content": FakeFiles.attached_content,
    "POST /vector_stores/{store}/file_batches": FakeFiles.create_batch,
    "GET /vector_stores/{store}/file_batches/{batch}": FakeFiles.read_batch,
    "POST /vector_stores/{store}/file_batches/{batch}/cancel": FakeFiles.cancel_batch,
    "GET /vector_stores/{store}/file_batches/{batch}/files": FakeFiles.list_batch,
    "GET /containers/{container}/files/{file}/content": FakeFiles.container_content,
}


def _route(path: str) -> tuple[str, dict[str, str]]:
    for route in ROUTES:
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route), path)
        if found:
            return route, found.groupdict()
    return path, {}


def _nested(form: Mapping[str, str]) -> Body:
    """Return a form's fields, `a[b]` below `a`; digits there are numbers."""
    found: Body = {}
    for key, value in form.items():
        name, bracket, inner = key.removesuffix("]").partition("[")
        if bracket:
            found.setdefault(name, {})[inner] = int(value) if value.isdigit() else value
        else:
            found[key] = value
    return found


def _found(where: Mapping[str, Body], id: str, message: str) -> Body:
    if id not in where:
        raise Refused(404, message.format(id))
    return where[id]


def page_of(entries: list[Body], query: Mapping[str, str]) -> Body:
    status, limit = query.get("filter"), int(query.get("limit", "20"))
    kept = [entry for entry in entries if status in (None, entry["status"])]
    if query.get("order") != "asc":
        kept.reverse()
    if "after" in query:
        ids = [entry["id"] for entry in kept]
        kept = kept[ids.index(query["after"]) + 1 :] if query["after"] in ids else []
    data = kept[:limit]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return {"object": "list", "data": data, **ends, "has_more": len(kept) > limit}


def _json(value: object, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), headers=headers)


def _error(status: int, message: str, **headers: str) -> Answer:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return _json({"error": error}, status, **{name.replace("_", "-"): value for name, value in headers.items()})


def _failed(failure: Body) -> Answer:
    how = failure.get("how")
    if how == "nonsense":
        return _json(["what", "is", "this"])
    if how == "empty":
        return _json({})
    if how == "html":
        return Answer(body=b"<!doctype html><title>Sign in</title>", content_type="text/html")
    if how == "stall":
        return Answer(stall=True)
    headers = {"retry_after": failure["retry_after"]} if "retry_after" in failure else {}
    return _error(failure.get("status", 500), failure.get("message", "scripted"), **headers)
