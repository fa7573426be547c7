"""`GET /openapi.json`: a description of the API, built from the routes' declarations and schemas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import request
from marshmallow import Schema

from ..encoders import formats
from ..encoders.sse import SSEEncoder
from ..protocol.objects import Object
from ..runs.request_key import HEADER, MAX_CHARS
from . import schemas
from .base import ApiRequest, Operation, Resource
from .upload import MULTIPART

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_PUBLISHED = {"UpstreamState": "Upstream", "VectorStoreSearch": "Search"}


def openapi_resource(resources: Sequence[Resource]) -> Resource:
    """Return the resource `/openapi.json`, which describes `resources` and itself."""
    resource = Resource("description")

    @resource.route("GET", "/openapi.json", public=True)
    def openapi(_request: ApiRequest) -> Object:
        """Describe this API."""
        server = request.root_path + request.path.removesuffix("/openapi.json")
        return describe([*resources, resource], server or "/")

    return resource


def describe(resources: Sequence[Resource], server: str) -> Object:
    """Return the OpenAPI document; `server` is the URL or path of the routes."""
    plugin = MarshmallowPlugin(schema_name_resolver=_schema_name)
    spec = APISpec(
        title="Assistant stream",
        version="1",
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": "Threads, messages and streamed runs in the shapes of the Assistants API."},
        servers=[{"url": server}],
    )
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
    for group in resources:
        spec.tag({"name": group.tag})
        for operation in group.operations:
            spec.path(path=_path(operation), operations={operation.method.lower(): _operation(group, operation)})
    document: Object = spec.to_dict()
    return document


def _schema_name(schema: Any) -> str:
    """Return the published name of a schema: it stays when a class gets another name."""
    kind = schema if isinstance(schema, type) else type(schema)
    name = _PUBLISHED.get(kind.__name__, kind.__name__.replace("Assistants", ""))
    return f"V1{name}" if kind.__module__.startswith(f"{__package__}.v1.") else name


def _path(operation: Operation) -> str:
    return _PARAMETER.sub(r"{\1}", operation.rule)


def _operation(group: Resource, operation: Operation) -> Object:
    described: Object = {
        "tags": [group.tag],
        "summary": operation.summary,
        "operationId": operation.name,
        # The empty alternative is for cookies and other ways of the host.
        "security": [] if operation.public else [{"bearer": []}, {}],
        "parameters": _parameters(operation),
        "responses": {"200": _answer(operation), "default": _json("The error.", schemas.Error())},
    }
    if operation.negotiates and not operation.begins:
        described["responses"]["204"] = {"description": "The run has ended, and Last-Event-ID is its end."}
    if operation.body is not None:
        body = _json("JSON; the Content-Type is ignored.", operation.body)
        described["requestBody"] = {**body, "required": _required(operation.body)}
    if operation.upload is not None:
        described["requestBody"] = {"content": {MULTIPART: {"schema": operation.upload}}, "required": True}
    return described


def _required(body: Schema) -> bool:
    return any(field.required for field in body.fields.values())


def _parameters(operation: Operation) -> list[Any]:
    parameters: list[Any] = [
        {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(operation.rule)
    ]
    if operation.query is not None:
        parameters.append({"in": "query", "schema": operation.query})
    if operation.begins:
        words = "Identifies the request: a repetition with the same key returns the same run and its stream."
        key = {"type": "string", "minLength": 1, "maxLength": MAX_CHARS}
        parameters.append({"in": "header", "name": HEADER, "description": words, "schema": key})
    if operation.negotiates:
        words = "The stream format. Default: by Accept."
        choices = {"type": "string", "enum": list(formats())}
        parameters.append({"in": "query", "name": "format", "description": words, "schema": choices})
    return parameters


def _answer(operation: Operation) -> Object:
    if operation.download:
        # The type depends on the file's name.
        return {"description": "The file's bytes.", "content": {"*/*": {"schema": {}}}}
    if not operation.stream:
        return _json("Done.", operation.answer or {"type": "object"})
    text = {"type": "string"}
    if operation.answer is not None:
        answer = _json("Done. With `stream` true in the body, the run's events.", operation.answer)
        answer["content"][SSEEncoder.media_type] = {"schema": text}
        return answer
    return {
        "description": "The run's events, numbered from 1, with heartbeats between them.",
        "headers": {
            "X-Thread-Id": {"schema": text, "description": "The thread."},
            "X-Run-Id": {"schema": text, "description": "The run."},
        },
        "content": {format.content_type.partition(";")[0]: {"schema": text} for format in formats().values()},
    }


def _json(description: str, schema: Any) -> Object:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
