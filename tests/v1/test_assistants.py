"""Assistants over the SDK face."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import PARAMETERS, WEATHER, MakeSite, Site, bad, new_assistant, refused

DECLARED = [{"id": "asst_support", "name": "Support"}, {"id": "asst_poet", "tools": [WEATHER]}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True}}


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(assistants=DECLARED, model="m-1")


def ids(site: Site, query: str = "", **options: Any) -> list[str]:
    return [assistant["id"] for assistant in site.get(f"/v1/assistants{query}", **options).get_json()["data"]]


def test_all_fields(site: Site) -> None:
    file_id = site.new_file()
    stores = {"vector_store_ids": [site.new_vector_store()]}
    fields = {
        "name": "N",
        "description": "D",
        "instructions": "I",
        "tools": [WEATHER, {"type": "file_search"}, {"type": "code_interpreter"}],
        "tool_resources": {"file_search": stores, "code_interpreter": {"file_ids": [file_id]}},
        "metadata": {"a": "b"},
        "temperature": 0.5,
        "top_p": 0.25,
        "response_format": SCHEMA,
        "reasoning_effort": "low",
    }
    assistant = new_assistant(site, **fields)
    assert assistant["object"] == "assistant"
    assert assistant["tools"][0]["function"]["name"] == fields.pop("tools")[0]["function"]["name"]  # type: ignore[index]
    assert fields.items() <= assistant.items()
    assert site.get(f"/v1/assistants/{assistant['id']}").get_json()["id"] == assistant["id"]


def test_defaults_and_nulls(site: Site) -> None:
    nulls = dict.fromkeys(("name", "tools", "metadata", "temperature", "response_format"))
    defaults: dict[str, Any] = {
        "name": None,
        "tools": [],
        "metadata": {},
        "temperature": 1.0,
        "response_format": "auto",
    }
    assert defaults.items() <= new_assistant(site, **nulls).items()
    assistant = new_assistant(site, tools=[{"type": "function", "function": {"name": "f"}}])
    assert assistant["tools"][0]["function"] == {"name": "f", "parameters": PARAMETERS, "strict": False}


def test_update_keeps_what_is_left_out_and_delete(site: Site) -> None:
    assistant = new_assistant(site, name="N", instructions="I")
    path, unknown = f"/v1/assistants/{assistant['id']}", f"No assistant found with id '{assistant['id']}'."
    changed = site.post(path, {"name": None, "model": "m-2"}).get_json()
    assert changed == {**assistant, "name": None, "model": "m-2"}
    assert site.get(path).get_json() == changed
    refused(site.get(path, user="ben"), 404, unknown)
    refused(site.post(path, {}, user="ben"), 404, unknown)
    assert assistant["id"] not in ids(site, user="ben")
    answer = site.request("DELETE", path, headers={"Content-Type": "application/json"})
    assert answer.get_json() == {"id": assistant["id"], "object": "assistant.deleted", "deleted": True}
    refused(site.get(path), 404, unknown)
    refused(site.request("DELETE", path), 404, unknown)


def test_declared_ones_are_read_only(site: Site) -> None:
    assert site.get("/v1/assistants/asst_support").get_json()["name"] == "Support"
    text = "Assistant asst_support is declared in the app's code"
    refused(site.post("/v1/assistants/asst_support", {"name": "x"}), 400, text)
    refused(site.request("DELETE", "/v1/assistants/asst_support"), 400, text)


def test_the_default_one_is_listed_and_can_be_updated(site: Site) -> None:
    assert "asst_default" in ids(site)
    stores = {"file_search": {"vector_store_ids": [site.new_vector_store()]}}
    changed = site.post("/v1/assistants/asst_default", {"tool_resources": stores, "tools": []})
    assert (changed.get_json()["tool_resources"], changed.get_json()["model"]) == (stores, "m-1")
    assert site.get("/v1/assistants/asst_default").get_json() == changed.get_json()
    assert site.get("/v1/assistants/asst_default", user="ben").get_json()["tools"] == [{"type": "file_search"}]
    site.post("/v1/assistants/asst_default", {"name": "mine"})
    assert site.request("DELETE", "/v1/assistants/asst_default").status_code == 200
    assert site.get("/v1/assistants/asst_default").get_json()["name"] is None, "it comes back as configured"


def test_pages(site: Site) -> None:
    new_ids = [new_assistant(site)["id"] for _ in range(3)]
    ascending = ids(site, "?order=asc")
    assert ascending == ["asst_support", "asst_poet", *new_ids, "asst_default"]
    assert ids(site) == ascending[::-1]
    for limit in range(1, 8):
        for order, whole in (("asc", ascending), ("desc", ascending[::-1])):
            assert [one["id"] for one in site.listed("/v1/assistants", f"limit={limit}&order={order}")] == whole
    page = site.get(f"/v1/assistants?order=asc&limit=2&before={new_ids[1]}").get_json()
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (["asst_poet", new_ids[0]], True)
    assert ids(site, f"?order=asc&after=asst_support&before={new_ids[0]}") == ["asst_poet"]
    assert ids(site, f"?order=asc&after={new_ids[0]}&before={new_ids[0]}") == []


def test_pages_with_deleted_ones(site: Site) -> None:
    first, gone, last = [new_assistant(site)["id"] for _ in range(3)]
    site.request("DELETE", f"/v1/assistants/{gone}")
    assert ids(site, f"?order=desc&after={gone}") == [first, "asst_poet", "asst_support"]
    assert ids(site, f"?order=asc&before={gone}") == ["asst_support", "asst_poet", first]
    assert ids(site, f"?order=asc&limit=1&after={gone}") == [last]
    assert ids(site, f"?order=desc&after=asst_poet&before={gone}") == []
    assert ids(site, f"?order=desc&before={gone}&limit=1") == [last]
    refused(site.get(f"/v1/assistants?after={gone}", user="ben"), 400, "Invalid 'after'", "after")


LIMITS = ["limit=0", "limit=101", "limit=-1", "limit=99999999999999999999", "limit=x"]


@pytest.mark.parametrize("query", [*LIMITS, "order=up", "after=asst_nobody", "before=asst_nobody", "after="])
def test_bad_queries(site: Site, query: str) -> None:
    param = query.partition("=")[0]
    refused(site.get(f"/v1/assistants?{query}"), 400, f"Invalid '{param}'", param)


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else {}


def test_whole_numbers_of_a_schema_are_kept_whatever_their_size(site: Site) -> None:
    count = {"type": "integer", "maximum": 2**64 - 1, "minimum": -(10**300), "exclusiveMaximum": 1e300}
    parameters = {"type": "object", "properties": {"n": count}}
    response_format = {"type": "json_schema", "json_schema": {"name": "s", "schema": parameters}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    assistant = new_assistant(site, tools=tools, response_format=response_format)
    stored = site.get(f"/v1/assistants/{assistant['id']}").get_json()
    assert stored["tools"][0]["function"]["parameters"] == parameters
    assert stored["response_format"]["json_schema"]["schema"] == parameters


def bad_tool(kind: str, param: str, **options: Any) -> tuple[dict[str, Any], str]:
    return {"tools": [{"type": kind, kind: options}]}, f"tools[0].{kind}.{param}"


def bad_resources(tool: str, param: str, **resources: Any) -> tuple[dict[str, Any], str]:
    return {"tool_resources": {tool: resources}}, f"tool_resources.{tool}.{param}"


BAD_PARAMETERS: list[Any] = [[], deep(40), {"a": 10**309}, {"a\0": 1}]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        *bad("model", None, "", 5),
        *bad("name", "n" * 257, "\0"),
        *bad("description", "d" * 513),
        *bad("instructions", "i" * 256_001),
        *bad("tools", [{"type": "file_search"}] * 129, "function"),
        *bad("tools", [5], param="tools[0]"),
        *bad("tools", [{}], [{"type": "web_search"}], param="tools[0].type"),
        *bad("tools", [{"type": "function"}], param="tools[0].function"),
        *bad("tools", [WEATHER, {"type": "function", "function": {"name": "a b"}}], param="tools[1].function.name"),
        bad_tool("function", "strict", name="f", strict="yes"),
        *(bad_tool("function", "parameters", name="f", parameters=value) for value in BAD_PARAMETERS),
        bad_tool("file_search", "max_num_results", max_num_results=51),
        bad_tool("file_search", "ranking_options.score_threshold", ranking_options={"score_threshold": 2}),
        bad_resources("file_search", "vector_store_ids", vector_store_ids=["a", "b"]),
        bad_resources("file_search", "vector_stores", vector_stores=[{}, {}]),
        bad_resources("file_search", "vector_stores", vector_store_ids=["a"], vector_stores=[{}]),
        bad_resources("code_interpreter", "file_ids", file_ids=["f"] * 21),
        *bad("temperature", 2.1, "1", True),
        *bad("top_p", -0.1),
        *bad("reasoning_effort", "huge"),
        *bad("response_format", "json"),
        *bad("response_format", {"type": "xml"}, param="response_format.type"),
        *bad("response_format", {"type": "json_schema"}, param="response_format.json_schema"),
    ],
)
def test_bad_bodies(site: Site, body: dict[str, Any], param: str) -> None:
    for path in ("/v1/assistants", f"/v1/assistants/{new_assistant(site)['id']}"):
        refused(site.post(path, {"model": "m", **body}), 400, f"Invalid '{param}'", param)


def test_a_model_is_needed_and_numbers_have_bounds(site: Site) -> None:
    refused(site.post("/v1/assistants", {}), 400, "Invalid 'model'", "model")
    refused(site.request("POST", "/v1/assistants"), 400, "Invalid 'model'", "model")
    refused(site.request("POST", "/v1/assistants", data="{"), 400, "The body is not valid JSON")
    body = '{"model": "m", "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": 1e999}}}]}'
    param = "tools[0].function.parameters"
    refused(site.request("POST", "/v1/assistants", data=body), 400, f"Invalid '{param}'", param)


def test_a_key_that_is_wrong(make_site: MakeSite) -> None:
    site = make_site(api_keys={"sk-right": "anna"})
    wrong = site.get("/v1/assistants", user="nobody", headers={"Authorization": "Bearer sk-wrong"})
    assert (wrong.status_code, wrong.get_json()["error"]["code"]) == (401, "invalid_api_key")
    right = site.get("/v1/assistants", user="nobody", headers={"Authorization": "Bearer sk-right"})
    assert right.status_code == 200
