"""Assistants over the SDK face."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import WEATHER, MakeSite, Site, new_assistant, refused

DECLARED = [{"id": "asst_support", "name": "Support"}, {"id": "asst_poet", "tools": [WEATHER]}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True}}


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(assistants=DECLARED, model="m-1")


def ids(site: Site, query: str = "") -> list[str]:
    return [one["id"] for one in site.get(f"/v1/assistants{query}").get_json()["data"]]


def test_all_fields(site: Site) -> None:
    file_id = site.new_file()
    stores = {"vector_store_ids": [site.new_vector_store()]}
    given = {
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
    made = new_assistant(site, **given)
    assert made["object"] == "assistant"
    assert made.pop("tools")[0]["function"]["name"] == "get_weather"
    assert {key: made[key] for key in given if key != "tools"} == {key: given[key] for key in given if key != "tools"}
    assert site.get(f"/v1/assistants/{made['id']}").get_json()["id"] == made["id"]


def test_defaults_and_nulls(site: Site) -> None:
    made = new_assistant(site, name=None, tools=None, metadata=None, temperature=None, response_format=None)
    assert (made["tools"], made["metadata"], made["temperature"], made["response_format"]) == ([], {}, 1.0, "auto")
    assert made["name"] is None


def test_a_function_is_echoed_whole(site: Site) -> None:
    made = new_assistant(site, tools=[{"type": "function", "function": {"name": "f"}}])
    function = made["tools"][0]["function"]
    assert function == {"name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}


def test_update_keeps_what_is_left_out(site: Site) -> None:
    made = new_assistant(site, name="N", instructions="I")
    changed = site.post(f"/v1/assistants/{made['id']}", {"name": None, "model": "m-2"}).get_json()
    assert changed == {**made, "name": None, "model": "m-2"}
    assert site.get(f"/v1/assistants/{made['id']}").get_json() == changed


def test_delete(site: Site) -> None:
    made = new_assistant(site)
    headers = {"Content-Type": "application/json"}
    answer = site.request("DELETE", f"/v1/assistants/{made['id']}", headers=headers)
    assert answer.get_json() == {"id": made["id"], "object": "assistant.deleted", "deleted": True}
    refused(site.get(f"/v1/assistants/{made['id']}"), 404, f"No assistant found with id '{made['id']}'.")
    refused(site.request("DELETE", f"/v1/assistants/{made['id']}"), 404, "No assistant found")


def test_others_do_not_see_it(site: Site) -> None:
    made = new_assistant(site)
    refused(site.get(f"/v1/assistants/{made['id']}", user="ben"), 404, "No assistant found")
    refused(site.post(f"/v1/assistants/{made['id']}", {}, user="ben"), 404, "No assistant found")
    assert made["id"] not in [one["id"] for one in site.get("/v1/assistants", user="ben").get_json()["data"]]


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


def test_a_deleted_default_one_comes_back_as_configured(site: Site) -> None:
    site.post("/v1/assistants/asst_default", {"name": "mine"})
    assert site.request("DELETE", "/v1/assistants/asst_default").status_code == 200
    assert site.get("/v1/assistants/asst_default").get_json()["name"] is None


def test_pages(site: Site) -> None:
    made = [new_assistant(site)["id"] for _ in range(3)]
    ascending = ids(site, "?order=asc")
    assert ascending == ["asst_support", "asst_poet", *made, "asst_default"]
    assert ids(site) == ascending[::-1]
    for limit in range(1, 8):
        for order, whole in (("asc", ascending), ("desc", ascending[::-1])):
            assert [one["id"] for one in site.listed("/v1/assistants", f"limit={limit}&order={order}")] == whole
    page = site.get(f"/v1/assistants?order=asc&limit=2&before={made[1]}").get_json()
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (["asst_poet", made[0]], True)
    assert ids(site, f"?order=asc&after=asst_support&before={made[0]}") == ["asst_poet"]
    assert ids(site, f"?order=asc&after={made[0]}&before={made[0]}") == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=x", "limit"),
        ("order=up", "order"),
        ("after=asst_nobody", "after"),
        ("before=asst_nobody", "before"),
        ("after=", "after"),
    ],
)
def test_bad_queries(site: Site, query: str, param: str) -> None:
    refused(site.get(f"/v1/assistants?{query}"), 400, f"Invalid '{param}'", param)


def deep(levels: int) -> Any:
    return {"a": deep(levels - 1)} if levels else {}


def function(**fields: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": "f", **fields}}]}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": 5}, "model"),
        ({"name": "n" * 257}, "name"),
        ({"name": "\0"}, "name"),
        ({"description": "d" * 513}, "description"),
        ({"instructions": "i" * 256_001}, "instructions"),
        ({"tools": [{"type": "file_search"}] * 129}, "tools"),
        ({"tools": "function"}, "tools"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        (
            {"tools": [{"type": "file_search"}, {"type": "function", "function": {"name": "a b"}}]},
            "tools[1].function.name",
        ),
        (function(strict="yes"), "tools[0].function.strict"),
        (function(parameters=[]), "tools[0].function.parameters"),
        (function(parameters=deep(40)), "tools[0].function.parameters"),
        (function(parameters={"a": 2**64}), "tools[0].function.parameters"),
        (function(parameters={"a\0": 1}), "tools[0].function.parameters"),
        (
            {"tools": [{"type": "file_search", "file_search": {"max_num_results": 51}}]},
            "tools[0].file_search.max_num_results",
        ),
        (
            {"tools": [{"type": "file_search", "file_search": {"ranking_options": {"score_threshold": 2}}}]},
            "tools[0].file_search.ranking_options.score_threshold",
        ),
        (
            {"tool_resources": {"file_search": {"vector_store_ids": ["a", "b"]}}},
            "tool_resources.file_search.vector_store_ids",
        ),
        (
            {"tool_resources": {"file_search": {"vector_stores": [{}, {}]}}},
            "tool_resources.file_search.vector_stores",
        ),
        (
            {"tool_resources": {"file_search": {"vector_store_ids": ["a"], "vector_stores": [{}]}}},
            "tool_resources.file_search.vector_stores",
        ),
        (
            {"tool_resources": {"code_interpreter": {"file_ids": ["f"] * 21}}},
            "tool_resources.code_interpreter.file_ids",
        ),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_bad_bodies(site: Site, given: dict[str, Any], param: str) -> None:
    refused(site.post("/v1/assistants", {"model": "m", **given}), 400, f"Invalid '{param}'", param)
    made = new_assistant(site)["id"]
    refused(site.post(f"/v1/assistants/{made}", given), 400, f"Invalid '{param}'", param)


def test_a_model_is_needed(site: Site) -> None:
    refused(site.post("/v1/assistants", {}), 400, "Invalid 'model'", "model")
    refused(site.request("POST", "/v1/assistants"), 400, "Invalid 'model'", "model")
    refused(site.request("POST", "/v1/assistants", data="{"), 400, "The body is not valid JSON")


def test_a_number_out_of_bounds(site: Site) -> None:
    body = '{"model": "m", "tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": 1e999}}}]}'
    param = "tools[0].function.parameters"
    refused(site.request("POST", "/v1/assistants", data=body), 400, f"Invalid '{param}'", param)


def test_a_key_that_is_wrong(make_site: MakeSite) -> None:
    site = make_site(api_keys={"sk-right": "anna"})
    wrong = site.get("/v1/assistants", user="nobody", headers={"Authorization": "Bearer sk-wrong"})
    assert (wrong.status_code, wrong.get_json()["error"]["code"]) == (401, "invalid_api_key")
    right = site.get("/v1/assistants", user="nobody", headers={"Authorization": "Bearer sk-right"})
    assert right.status_code == 200
