"""The API description matches the SDK face's responses, key by key."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from flask_assistant_stream.testing.scripted import call

from .conftest import WEATHER, MakeSite, Site, ended

RUN = "/v1/threads/{thread_id}/runs/{run_id}"


class CheckedClient:
    """Calls a site and compares its responses with the description, key by key; `names` are the ids so far."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._document = site.get("/openapi.json").get_json()
        self.names: dict[str, str] = {}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        schemas = self._document["components"]["schemas"]
        options = {} if body is None else {"json": body}
        answer = self._site.request(method, path.format(**self.names), **options)
        assert answer.status_code == 200, answer.text
        body = answer.get_json()
        operation = self._document["paths"][path][method.lower()]
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": self._document["components"]}).validate(body)
        name = schema["$ref"].rpartition("/")[2]
        assert {*body} - {"phase"} == {*schemas[name]["properties"]}, name
        return body


def test_the_answers_have_the_described_keys(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"))
    request = CheckedClient(site)
    names = request.names
    names["assistant_id"] = request("POST", "/v1/assistants", {"model": "m", "tools": [WEATHER]})["id"]
    names["thread_id"] = request("POST", "/v1/threads", {})["id"]
    message = {"role": "user", "content": "x"}
    names["message_id"] = request("POST", "/v1/threads/{thread_id}/messages", message)["id"]
    run = request("POST", "/v1/threads/{thread_id}/runs", {"assistant_id": names["assistant_id"]})
    names["run_id"] = run["id"]
    ended(site, run)
    names["step_id"] = request("GET", f"{RUN}/steps")["data"][0]["id"]
    request("POST", f"{RUN}/cancel")
    lists = ("/v1/assistants", "/v1/threads/{thread_id}/runs", "/v1/threads/{thread_id}/messages")
    for path in (RUN, f"{RUN}/steps/{{step_id}}", *lists):
        request("GET", path)
    for path in ("/v1/threads/{thread_id}/messages/{message_id}", "/v1/threads/{thread_id}"):
        request("GET", path)
        request("POST", path, {"metadata": {}})
        request("DELETE", path)
    request("DELETE", "/v1/assistants/{assistant_id}")


def test_the_answers_about_files_have_the_described_keys(make_site: MakeSite) -> None:
    site = make_site()
    request = CheckedClient(site)
    request.names["file_id"] = site.new_file()
    for path in ("/v1/files", "/v1/files/{file_id}"):
        request("GET", path)
    request.names["vector_store_id"] = request("POST", "/v1/vector_stores", {})["id"]
    store = "/v1/vector_stores/{vector_store_id}"
    request("GET", store)
    request("POST", store, {"name": "N"})
    request("POST", f"{store}/files", {"file_id": request.names["file_id"]})
    request("POST", f"{store}/files/{{file_id}}", {"attributes": {"a": 1}})
    request.names["batch_id"] = request("POST", f"{store}/file_batches", {"file_ids": [request.names["file_id"]]})["id"]
    batch = f"{store}/file_batches/{{batch_id}}"
    for path in ("/v1/vector_stores", f"{store}/files", f"{store}/files/{{file_id}}", batch, f"{batch}/files"):
        request("GET", path)
    request("GET", f"{store}/files/{{file_id}}/content")
    request("POST", f"{store}/search", {"query": "sky"})
    for path in (f"{store}/files/{{file_id}}", store, "/v1/files/{file_id}"):
        request("DELETE", path)


@pytest.mark.parametrize("path", [RUN + "/submit_tool_outputs", "/v1/threads/runs", "/v1/threads/{thread_id}/runs"])
def test_streams_are_described_beside_the_run(make_site: MakeSite, path: str) -> None:
    described = make_site().get("/openapi.json").get_json()["paths"][path]["post"]
    assert {*described["responses"]["200"]["content"]} == {"application/json", "text/event-stream"}
    assert "format" not in [parameter["name"] for parameter in described["parameters"] if parameter["in"] == "query"]
