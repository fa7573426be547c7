"""The API description matches the SDK face's responses, key by key."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from flask_assistant_stream.testing.scripted import call

from .conftest import WEATHER, MakeSite, Site, ended

RUN = "/v1/threads/{thread_id}/runs/{run_id}"


class Asker:
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
        said = answer.get_json()
        operation = self._document["paths"][path][method.lower()]
        described = operation["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**described, "components": self._document["components"]}).validate(said)
        name = described["$ref"].rpartition("/")[2]
        assert {*said} - {"phase"} == {*schemas[name]["properties"]}, name
        return said


def test_the_answers_have_the_described_keys(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"))
    ask = Asker(site)
    names = ask.names
    names["assistant_id"] = ask("POST", "/v1/assistants", {"model": "m", "tools": [WEATHER]})["id"]
    names["thread_id"] = ask("POST", "/v1/threads", {})["id"]
    message = {"role": "user", "content": "x"}
    names["message_id"] = ask("POST", "/v1/threads/{thread_id}/messages", message)["id"]
    begun = ask("POST", "/v1/threads/{thread_id}/runs", {"assistant_id": names["assistant_id"]})
    names["run_id"] = begun["id"]
    ended(site, begun)
    names["step_id"] = ask("GET", f"{RUN}/steps")["data"][0]["id"]
    ask("GET", f"{RUN}/steps/{{step_id}}")
    ask("GET", RUN)
    ask("POST", f"{RUN}/cancel")
    ask("GET", "/v1/assistants")
    ask("GET", "/v1/threads/{thread_id}/runs")
    ask("GET", "/v1/threads/{thread_id}/messages")
    for path in ("/v1/threads/{thread_id}/messages/{message_id}", "/v1/threads/{thread_id}"):
        ask("GET", path)
        ask("POST", path, {"metadata": {}})
        ask("DELETE", path)
    ask("DELETE", "/v1/assistants/{assistant_id}")


def test_the_answers_about_files_have_the_described_keys(make_site: MakeSite) -> None:
    site = make_site()
    ask = Asker(site)
    ask.names["file_id"] = site.new_file()
    for path in ("/v1/files", "/v1/files/{file_id}"):
        ask("GET", path)
    ask.names["vector_store_id"] = ask("POST", "/v1/vector_stores", {})["id"]
    store = "/v1/vector_stores/{vector_store_id}"
    ask("GET", store)
    ask("POST", store, {"name": "N"})
    ask("POST", f"{store}/files", {"file_id": ask.names["file_id"]})
    ask("POST", f"{store}/files/{{file_id}}", {"attributes": {"a": 1}})
    ask.names["batch_id"] = ask("POST", f"{store}/file_batches", {"file_ids": [ask.names["file_id"]]})["id"]
    batch = f"{store}/file_batches/{{batch_id}}"
    for path in ("/v1/vector_stores", f"{store}/files", f"{store}/files/{{file_id}}", batch, f"{batch}/files"):
        ask("GET", path)
    ask("GET", f"{store}/files/{{file_id}}/content")
    ask("POST", f"{store}/search", {"query": "sky"})
    for path in (f"{store}/files/{{file_id}}", store, "/v1/files/{file_id}"):
        ask("DELETE", path)


@pytest.mark.parametrize("path", [RUN + "/submit_tool_outputs", "/v1/threads/runs", "/v1/threads/{thread_id}/runs"])
def test_streams_are_described_beside_the_run(make_site: MakeSite, path: str) -> None:
    described = make_site().get("/openapi.json").get_json()["paths"][path]["post"]
    assert {*described["responses"]["200"]["content"]} == {"application/json", "text/event-stream"}
    assert "format" not in [one["name"] for one in described["parameters"] if one["in"] == "query"]
