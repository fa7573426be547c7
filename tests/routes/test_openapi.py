"""The API description: valid, complete, and correct for the routes' responses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from flask_assistant_stream.encoders import formats as known_formats
from flask_assistant_stream.routes import RESOURCES
from flask_assistant_stream.routes.error_responses import CATCH_ALL
from flask_assistant_stream.testing.scripted import text

from .conftest import PREFIX, MakeSite, Site


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(text("Hi."))


@pytest.fixture
def document(site: Site) -> Any:
    return site.get("/openapi.json", user="nobody").get_json()


def test_it_is_valid_and_names_its_server(document: dict[str, Any], site: Site) -> None:
    assert document["openapi"] == "3.1.0"
    validate(document)
    assert document["servers"] == [{"url": PREFIX}]
    below = site.client.get(f"{PREFIX}/openapi.json", base_url="http://localhost/sub").get_json()
    assert below["servers"] == [{"url": f"/sub{PREFIX}"}]


def test_it_has_every_route_of_the_app_and_no_other(document: dict[str, Any], site: Site) -> None:
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    routed = set()
    for rule in site.app.url_map.iter_rules():
        if rule.rule.startswith(PREFIX) and not rule.endpoint.endswith(CATCH_ALL):
            path = re.sub(r"<(\w+)>", r"{\1}", rule.rule.removeprefix(PREFIX))
            routed |= {(method, path) for method in (rule.methods or set()) - {"HEAD"}}
    assert described == routed
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len(operations) == sum(len(resource.operations) for resource in RESOURCES)
    assert all(each["summary"] and each["operationId"] and each["responses"]["default"] for each in operations)


def check(document: dict[str, Any], method: str, path: str, response: TestResponse) -> None:
    described = document["paths"][path][method.lower()]["responses"]
    answer = described["200" if response.status_code == 200 else "default"]
    schema = {**answer["content"]["application/json"]["schema"], "components": document["components"]}
    Draft202012Validator(schema).validate(response.get_json())


def filled(body: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {key: value.format(**names) if isinstance(value, str) else value for key, value in body.items()}


def test_the_answers_are_as_described(document: dict[str, Any], site: Site) -> None:
    run = site.chat()[-1].object()
    uploaded = site.upload()
    check(document, "POST", "/files", uploaded)
    names = {"thread_id": run["thread_id"], "run_id": run["id"], "file_id": uploaded.get_json()["fileId"]}
    for path, method, body in (
        ("/threads", "POST", {}),
        ("/threads", "GET", None),
        ("/threads/{thread_id}", "GET", None),
        ("/threads/{thread_id}", "PATCH", {"title": "x"}),
        ("/threads/{thread_id}/messages", "GET", None),
        ("/threads/{thread_id}/runs/{run_id}/cancel", "POST", None),  # ended already: an error
        ("/chat/stream", "POST", {}),
        ("/health", "GET", None),
        ("/health/ready", "GET", None),
        ("/", "POST", None),
        ("/threads/{thread_id}/title", "POST", None),
        ("/files", "GET", None),
        ("/files", "POST", None),  # no form: an error
        ("/files", "DELETE", {"fileId": "{file_id}"}),
        ("/threads/{thread_id}", "DELETE", None),
    ):
        options: Any = {} if body is None else {"json": filled(body, names)}
        check(document, method, path, site.request(method, path.format(**names), **options))


def test_forms_and_downloads(document: dict[str, Any]) -> None:
    paths, schemas = document["paths"], document["components"]["schemas"]
    for path, name in (("/files", "FileForm"), ("/v1/files", "V1NewFile")):
        body = paths[path]["post"]["requestBody"]
        form = {"multipart/form-data": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        assert (body["content"], body["required"]) == (form, True)
        described = schemas[name]["properties"]["file"]
        assert (described["type"], described["format"]) == ("string", "binary")
    assert set(schemas["FileForm"]["properties"]) == {"file"}
    assert "expires_after[seconds]" in schemas["V1NewFile"]["properties"]
    for path in ("/files/{file_id}", "/v1/files/{file_id}/content"):
        assert set(paths[path]["get"]["responses"]["200"]["content"]) == {"*/*"}


def test_what_must_be_there_is_marked(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["ChatMessage"]["required"] == ["content"]
    assert {"threadId", "attachments", "assistantId", "content"} == set(schemas["ChatMessage"]["properties"])
    assert document["paths"]["/chat/stream"]["post"]["requestBody"]["required"] is True
    assert document["paths"]["/threads"]["post"]["requestBody"]["required"] is False
    formats = [p for p in document["paths"]["/chat/stream"]["post"]["parameters"] if p["name"] == "format"]
    assert formats[0]["schema"]["enum"] == list(known_formats())
    assert list(known_formats())[:2] == ["ndjson", "sse"]
