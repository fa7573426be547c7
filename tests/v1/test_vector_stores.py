"""Vector stores of the SDK face, the files in them and batches of those: every endpoint, limits, walls; the client."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from .conftest import MakeSite, Site, ended, new_assistant, new_thread, refused

SKY, GRASS = b"The sky is green.", b"The grass is blue."
STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 100}}
COUNTS = {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0}


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


def listed(site: Site, path: str, **options: Any) -> list[str]:
    answer = site.get(path, **options)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.get_json()["data"]]


# -- vector stores --------------------------------------------------------------------------------------------


def test_a_vector_store_from_begin_to_end(site: Site) -> None:
    expiry = {"anchor": "last_active_at", "days": 3}
    given = {"name": "N", "description": "D", "expires_after": expiry, "metadata": {"a": "b"}}
    made = site.post("/v1/vector_stores", given).get_json()
    assert {key: made[key] for key in given} == given
    assert (made["object"], made["status"], made["file_counts"]) == ("vector_store", "completed", COUNTS)
    assert made["expires_at"] == made["created_at"] + 3 * 86_400
    path = f"/v1/vector_stores/{made['id']}"
    assert site.get(path).get_json() == made
    changed = site.post(path, {"name": "M", "expires_after": None}).get_json()
    assert (changed["name"], changed["expires_after"], changed["metadata"]) == ("M", None, {"a": "b"})
    cleared = site.post(path, {"name": None, "metadata": None}).get_json()
    assert (cleared["name"], cleared["metadata"]) == ("", {})
    assert site.post(path).get_json()["name"] == ""
    assert listed(site, "/v1/vector_stores") == [made["id"]]
    deleted = site.request("DELETE", path, headers={"Content-Type": "application/json"}).get_json()
    assert deleted == {"id": made["id"], "object": "vector_store.deleted", "deleted": True}
    for answer in (site.get(path), site.post(path, {}), site.request("DELETE", path)):
        refused(answer, 404, f"No vector store found with id '{made['id']}'.")


def test_one_is_made_of_little(site: Site) -> None:
    bodies: list[Any] = [{}, {"json": {}}, {"json": {"name": None, "file_ids": None, "chunking_strategy": None}}]
    for options in bodies:
        made = site.request("POST", "/v1/vector_stores", **options).get_json()
        assert (made["name"], made["metadata"], made["expires_after"]) == ("", {}, None)


def test_one_is_made_of_files(site: Site) -> None:
    files = [site.new_file("sky.txt", SKY), site.new_file("grass.txt", GRASS)]
    made = site.post("/v1/vector_stores", {"file_ids": files, "chunking_strategy": STATIC}).get_json()
    path = f"/v1/vector_stores/{made['id']}"
    assert made["file_counts"]["total"] == 2
    assert set(listed(site, f"{path}/files")) == set(files)
    for file_id in files:
        assert site.get(f"{path}/files/{file_id}").get_json()["status"] == "completed"
    assert site.get(path).get_json()["file_counts"] == {**COUNTS, "completed": 2, "total": 2}
    assert site.request("DELETE", path).status_code == 200
    assert site.get(f"/v1/files/{files[0]}").status_code == 200


def test_lists(site: Site) -> None:
    made = [site.new_vector_store() for _ in range(5)]
    assert listed(site, "/v1/vector_stores") == made[::-1]
    assert listed(site, f"/v1/vector_stores?order=asc&limit=2&after={made[1]}") == made[2:4]
    assert listed(site, f"/v1/vector_stores?order=asc&limit=2&before={made[3]}") == made[1:3]
    for query, param in (("limit=101", "limit"), ("after=vs_x", "after"), ("before=vs_x", "before")):
        refused(site.get(f"/v1/vector_stores?{query}"), 400, f"Invalid '{param}'", param)


def test_a_search(site: Site) -> None:
    files = [site.new_file("sky.txt", SKY), site.new_file("grass.txt", GRASS)]
    path = f"/v1/vector_stores/{site.new_vector_store(*files)}/search"
    found = site.post(path, {"query": "the sky"}).get_json()
    assert {key: found[key] for key in found if key != "data"} == {
        "object": "vector_store.search_results.page",
        "search_query": ["the sky"],
        "has_more": False,
        "next_page": None,
    }
    best = found["data"][0]
    assert (best["file_id"], best["filename"], best["attributes"]) == (files[0], "sky.txt", {})
    assert best["content"] == [{"type": "text", "text": SKY.decode()}]
    assert 0 < best["score"] <= 1
    several = {"query": ["sky", "grass"], "max_num_results": 1, "rewrite_query": None, "filters": None}
    one = site.post(path, several).get_json()
    assert (len(one["data"]), one["search_query"]) == (1, ["sky", "grass"])


def test_a_search_with_filters(site: Site) -> None:
    files = [site.new_file("sky.txt", SKY), site.new_file("grass.txt", GRASS)]
    path = f"/v1/vector_stores/{site.new_vector_store()}"
    for number, file_id in enumerate(files):
        site.post(f"{path}/files", {"file_id": file_id, "attributes": {"n": number, "kind": "x"}})
    first = {"type": "eq", "key": "n", "value": 0}
    for filters, expected in (
        (first, {files[0]}),
        ({"type": "in", "key": "n", "value": [1, 2]}, {files[1]}),
        ({"type": "or", "filters": [first, {"type": "gte", "key": "n", "value": 1}]}, set(files)),
    ):
        found = site.post(f"{path}/search", {"query": "the is", "filters": filters}).get_json()
        assert {one["file_id"] for one in found["data"]} == expected


# -- files in vector stores -----------------------------------------------------------------------------------


def test_a_file_in_a_vector_store(site: Site) -> None:
    file_id, vector_store = site.new_file("sky.txt", SKY), site.new_vector_store()
    path = f"/v1/vector_stores/{vector_store}/files"
    given = {"file_id": file_id, "attributes": {"a": "b", "n": 1.5, "t": True}, "chunking_strategy": STATIC}
    made = site.post(path, given).get_json()
    assert (made["id"], made["object"], made["vector_store_id"]) == (file_id, "vector_store.file", vector_store)
    assert made["attributes"] == given["attributes"]
    told = site.get(f"{path}/{file_id}").get_json()
    assert (told["status"], told["last_error"]) == ("completed", None)
    assert site.get(f"{path}/{file_id}/content").get_json() == {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": SKY.decode()}],
        "has_more": False,
        "next_page": None,
    }
    assert site.post(f"{path}/{file_id}", {"attributes": {"c": 1}}).get_json()["attributes"] == {"c": 1}
    assert site.post(f"{path}/{file_id}", {"attributes": None}).get_json()["attributes"] == {}
    deleted = site.request("DELETE", f"{path}/{file_id}").get_json()
    assert deleted == {"id": file_id, "object": "vector_store.file.deleted", "deleted": True}
    for method, below in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
        refused(site.request(method, f"{path}/{file_id}{below}"), 404, f"No file found with id '{file_id}'")
    assert site.get(f"/v1/files/{file_id}").status_code == 200


def test_lists_of_files(site: Site) -> None:
    files = [site.new_file(f"{number}.txt") for number in range(5)]
    path = f"/v1/vector_stores/{site.new_vector_store()}/files"
    for file_id in files:
        site.post(path, {"file_id": file_id})
    page = site.get(f"{path}?order=asc&limit=2&after={files[0]}").get_json()
    assert [one["id"] for one in page["data"]] == files[1:3]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (files[1], files[2], True)
    assert listed(site, f"{path}?order=asc&limit=2&before={files[4]}") == files[2:4]
    assert listed(site, f"{path}?filter=completed") == files[::-1]
    assert listed(site, f"{path}?filter=failed") == []
    for query, param in (("filter=odd", "filter"), ("limit=0", "limit"), ("after=file-x", "after")):
        refused(site.get(f"{path}?{query}"), 400, f"Invalid '{param}'", param)


def test_a_file_without_text_fails(site: Site) -> None:
    file_id = site.new_file("broken.pdf", b"no PDF at all")
    path = f"/v1/vector_stores/{site.new_vector_store()}/files"
    site.post(path, {"file_id": file_id})
    told = site.get(f"{path}/{file_id}").get_json()
    assert told["status"] == "failed"
    assert told["last_error"]["code"] in ("server_error", "unsupported_file", "invalid_file")


def test_a_type_that_cannot_be_searched(site: Site) -> None:
    file_id, vector_store = site.new_file("a.exe"), site.new_vector_store()
    answer = site.post(f"/v1/vector_stores/{vector_store}/files", {"file_id": file_id})
    refused(answer, 400, "'a.exe' cannot be searched; files must end in one of", "file_id")
    refused(site.post("/v1/vector_stores", {"file_ids": [file_id]}), 400, "'a.exe' cannot be searched", "file_ids")
    assert listed(site, "/v1/vector_stores") == [vector_store]


# -- batches --------------------------------------------------------------------------------------------------


def test_batches(site: Site) -> None:
    files = [site.new_file(f"{number}.txt") for number in range(4)]
    vector_store = site.new_vector_store()
    path = f"/v1/vector_stores/{vector_store}/file_batches"
    made = site.post(path, {"file_ids": files[:2], "attributes": {"a": "b"}}).get_json()
    assert (made["object"], made["vector_store_id"]) == ("vector_store.files_batch", vector_store)
    assert made["file_counts"]["total"] == 2
    told = site.get(f"{path}/{made['id']}").get_json()
    assert (told["status"], told["file_counts"]) == ("completed", {**COUNTS, "completed": 2, "total": 2})
    assert set(listed(site, f"{path}/{made['id']}/files")) == set(files[:2])
    own = [{"file_id": files[2], "attributes": {"n": 1}}, {"file_id": files[3], "chunking_strategy": STATIC}]
    more = site.post(path, {"files": own}).get_json()
    assert set(listed(site, f"{path}/{more['id']}/files?filter=completed")) == set(files[2:])
    one = site.get(f"/v1/vector_stores/{vector_store}/files/{files[2]}").get_json()
    assert one["attributes"] == {"n": 1}
    cancelled = site.post(f"{path}/{made['id']}/cancel")
    assert cancelled.status_code in (200, 400)  # it is done already
    assert site.get(f"/v1/vector_stores/{vector_store}").get_json()["file_counts"]["completed"] == 4
    refused(site.get(f"{path}/vsfb_x"), 404, "No file batch found with id 'vsfb_x'.")
    refused(site.get(f"{path}/vsfb_x/files"), 404, "No file batch found with id 'vsfb_x'.")


# -- bad input ------------------------------------------------------------------------------------------------

STORES = "/v1/vector_stores"
FILES = STORES + "/{vs}/files"
BATCHES = STORES + "/{vs}/file_batches"
SEARCH = STORES + "/{vs}/search"


def deep(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(depth):
        inner = {"type": "and", "filters": [inner]}
    return inner


@pytest.mark.parametrize(
    ("path", "given", "param"),
    [
        (STORES, {"name": 5}, "name"),
        (STORES, {"name": "n" * 257}, "name"),
        (STORES, {"file_ids": "file-1"}, "file_ids"),
        (STORES, {"file_ids": ["f"] * 501}, "file_ids"),
        (STORES, {"file_ids": [5]}, "file_ids[0]"),
        (STORES, {"expires_after": {"anchor": "now", "days": 1}}, "expires_after.anchor"),
        (STORES, {"expires_after": {"anchor": "last_active_at", "days": 366}}, "expires_after.days"),
        (STORES, {"expires_after": {"anchor": "last_active_at"}}, "expires_after.days"),
        (STORES, {"metadata": {"a": 1}}, "metadata"),
        (STORES, {"chunking_strategy": {"type": "odd"}}, "chunking_strategy.type"),
        (STORES, {"chunking_strategy": {"type": "static"}}, "chunking_strategy.static"),
        (
            STORES,
            {"chunking_strategy": {"type": "static", "static": {**STATIC["static"], "chunk_overlap_tokens": 101}}},  # type: ignore[dict-item]
            "chunking_strategy.static.chunk_overlap_tokens",
        ),
        (STORES + "/{vs}", {"expires_after": {"anchor": "last_active_at", "days": 0}}, "expires_after.days"),
        (SEARCH, {}, "query"),
        (SEARCH, {"query": ""}, "query"),
        (SEARCH, {"query": []}, "query"),
        (SEARCH, {"query": ["a"] * 11}, "query"),
        (SEARCH, {"query": "x" * 5000}, "query"),
        (SEARCH, {"query": 5}, "query"),
        (SEARCH, {"query": "x", "max_num_results": 51}, "max_num_results"),
        (SEARCH, {"query": "x", "ranking_options": {"score_threshold": 2}}, "ranking_options.score_threshold"),
        (SEARCH, {"query": "x", "filters": []}, "filters"),
        (SEARCH, {"query": "x", "filters": {"type": "like", "key": "a", "value": "b"}}, "filters"),
        (SEARCH, {"query": "x", "filters": {"type": "eq", "value": "b"}}, "filters"),
        (SEARCH, {"query": "x", "filters": {"type": "eq", "key": "a", "value": {}}}, "filters"),
        (SEARCH, {"query": "x", "filters": {"type": "eq", "key": "a", "value": [1]}}, "filters"),
        (SEARCH, {"query": "x", "filters": {"type": "in", "key": "a", "value": 1}}, "filters"),
        (SEARCH, {"query": "x", "filters": {"type": "and", "filters": []}}, "filters"),
        (SEARCH, {"query": "x", "filters": deep(5)}, "filters"),
        (FILES, {}, "file_id"),
        (FILES, {"file_id": ["x"]}, "file_id"),
        (FILES, {"file_id": "{file}", "attributes": {"a": {}}}, "attributes"),
        (FILES, {"file_id": "{file}", "attributes": {"a": None}}, "attributes"),
        (FILES, {"file_id": "{file}", "attributes": {"k" * 65: 1}}, "attributes"),
        (FILES, {"file_id": "{file}", "attributes": {"a": "x" * 513}}, "attributes"),
        (FILES, {"file_id": "{file}", "attributes": {str(n): n for n in range(17)}}, "attributes"),
        (FILES + "/{file}", {}, "attributes"),
        (BATCHES, {}, "file_ids"),
        (BATCHES, {"file_ids": []}, "file_ids"),
        (BATCHES, {"file_ids": ["{file}"], "files": [{"file_id": "{file}"}]}, "file_ids"),
        (BATCHES, {"file_ids": ["f"] * 2001}, "file_ids"),
        (BATCHES, {"files": [{}]}, "files[0].file_id"),
    ],
)
def test_bad_bodies(site: Site, path: str, given: dict[str, Any], param: str) -> None:
    file_id, vector_store = site.new_file(), site.new_vector_store()
    before = site.get(f"{STORES}/{vector_store}").get_json()
    body = site.app.json.dumps(given).replace("{file}", file_id)
    answer = site.request("POST", path.format(vs=vector_store, file=file_id), data=body)
    refused(answer, 400, f"Invalid '{param}'", param)
    assert site.get("/v1/vector_stores").get_json()["data"] == [before]


# -- walls ----------------------------------------------------------------------------------------------------

BY_ID: list[Any] = [{"file_search": {"vector_store_ids": ["{vs}"]}}, {"code_interpreter": {"file_ids": ["{file}"]}}]
MADE = {"file_search": {"vector_stores": [{"file_ids": ["{file}"]}]}}
Route = tuple[str, str, Any]


def makers(resources: Any) -> list[Route]:
    """Return requests for something new that may describe a vector store."""
    thread = {"tool_resources": resources}
    return [
        ("POST", "/v1/assistants", {"model": "m", **thread}),
        ("POST", "/v1/threads", thread),
        ("POST", "/v1/threads/runs", {"assistant_id": "asst_default", "thread": thread}),
    ]


def changers(resources: Any) -> list[Route]:
    """Return requests that may only name one."""
    changed = {"tool_resources": resources}
    return [
        ("POST", "/v1/assistants/{own_assistant}", changed),
        ("POST", "/v1/threads/{own_thread}", changed),
        ("POST", "/v1/threads/runs", {"assistant_id": "asst_default", **changed}),
    ]


ROUTES: list[Route] = [
    ("GET", "/v1/vector_stores/{vs}", None),
    ("POST", "/v1/vector_stores/{vs}", {"name": "x"}),
    ("DELETE", "/v1/vector_stores/{vs}", None),
    ("POST", "/v1/vector_stores/{vs}/search", {"query": "sky"}),
    ("GET", "/v1/vector_stores/{vs}/files", None),
    ("POST", "/v1/vector_stores/{vs}/files", {"file_id": "{own}"}),
    ("GET", "/v1/vector_stores/{vs}/files/{file}", None),
    ("POST", "/v1/vector_stores/{vs}/files/{file}", {"attributes": {}}),
    ("DELETE", "/v1/vector_stores/{vs}/files/{file}", None),
    ("GET", "/v1/vector_stores/{vs}/files/{file}/content", None),
    ("POST", "/v1/vector_stores/{vs}/file_batches", {"file_ids": ["{own}"]}),
    ("GET", "/v1/vector_stores/{vs}/file_batches/{batch}", None),
    ("POST", "/v1/vector_stores/{vs}/file_batches/{batch}/cancel", None),
    ("GET", "/v1/vector_stores/{vs}/file_batches/{batch}/files", None),
    # an own vector store, foreign things in it
    ("POST", "/v1/vector_stores/{own_vs}/files", {"file_id": "{file}"}),
    ("GET", "/v1/vector_stores/{own_vs}/files/{file}", None),
    ("POST", "/v1/vector_stores/{own_vs}/files/{file}", {"attributes": {}}),
    ("DELETE", "/v1/vector_stores/{own_vs}/files/{file}", None),
    ("GET", "/v1/vector_stores/{own_vs}/files/{file}/content", None),
    ("POST", "/v1/vector_stores/{own_vs}/file_batches", {"file_ids": ["{own}", "{file}"]}),
    ("POST", "/v1/vector_stores/{own_vs}/file_batches", {"files": [{"file_id": "{file}"}]}),
    ("GET", "/v1/vector_stores/{own_vs}/file_batches/{batch}", None),
    ("POST", "/v1/vector_stores/{own_vs}/file_batches/{batch}/cancel", None),
    ("GET", "/v1/vector_stores/{own_vs}/file_batches/{batch}/files", None),
    ("GET", "/v1/vector_stores?after={vs}", None),
    ("GET", "/v1/vector_stores/{own_vs}/files?after={file}", None),
    # other requests that name a file or a vector store
    ("POST", "/v1/vector_stores", {"file_ids": ["{file}"]}),
    *[row for resources in (*BY_ID, MADE) for row in makers(resources)],
    *[row for resources in BY_ID for row in changers(resources)],
    *[
        ("POST", path, wrap({"role": "user", "content": content, "attachments": attachments}))
        for content, attachments in (
            ([{"type": "image_file", "image_file": {"file_id": "{file}"}}], []),
            ("x", [{"file_id": "{file}", "tools": [{"type": "file_search"}]}]),
            ("x", [{"file_id": "{file}", "tools": [{"type": "code_interpreter"}]}]),
            ("x", [{"file_id": "{file}"}]),
        )
        for path, wrap in (
            ("/v1/threads/{own_thread}/messages", lambda one: one),
            ("/v1/threads", lambda one: {"messages": [one]}),
            (
                "/v1/threads/{own_thread}/runs",
                lambda one: {"assistant_id": "asst_default", "additional_messages": [one]},
            ),
            ("/v1/threads/runs", lambda one: {"assistant_id": "asst_default", "thread": {"messages": [one]}}),
        )
    ],
]


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a site with objects of anna and ben, and their ids."""
    from tests.routes.conftest import build

    site = build(tmp_path_factory.mktemp("walls"))
    file_id = site.new_file()
    vector_store = site.new_vector_store()
    batch = site.post(f"/v1/vector_stores/{vector_store}/file_batches", {"file_ids": [file_id]}).get_json()["id"]
    own = {
        "own": site.new_file(user="ben"),
        "own_vs": site.new_vector_store(user="ben"),
        "own_thread": site.post("/v1/threads", {}, user="ben").get_json()["id"],
        "own_assistant": site.post("/v1/assistants", {"model": "m"}, user="ben").get_json()["id"],
    }
    yield site, {"vs": vector_store, "file": file_id, "batch": batch}, own
    site.registration.runner.stop()
    site.registration.store.close()


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=lambda value: str(value)[:90])
def test_what_others_have_is_as_unknown_as_what_nobody_has(walled: Any, method: str, path: str, body: Any) -> None:
    site, foreign, own = walled
    nobody = {"vs": "vs_x", "file": "file-x", "batch": "vsfb_x"}

    def ask(names: dict[str, str]) -> tuple[int, str]:
        def fill(text: str) -> str:
            for name, id in {**own, **names}.items():
                text = text.replace("{" + name + "}", id)
            return text

        data = None if body is None else fill(site.app.json.dumps(body))
        answer = site.request(method, fill(path), user="ben", data=data)
        text = answer.text
        for name, id in names.items():
            text = text.replace(id, f"<{name}>")
        return answer.status_code, text

    before = site.contents(), site.get("/v1/vector_stores", user="ben").text, site.get("/v1/vector_stores").text
    first, second = ask(foreign), ask(nobody)
    assert first == second
    assert first[0] == (400 if "after=" in path else 404), first
    assert "anna" not in first[1]
    after = site.contents(), site.get("/v1/vector_stores", user="ben").text, site.get("/v1/vector_stores").text
    assert after == before
    assert site.get(f"/v1/files/{foreign['file']}").status_code == 200


def test_shared_vector_stores_may_be_named_and_not_touched(make_site: MakeSite) -> None:
    site = make_site(vector_store_ids=["vs_shared"])
    stores = {"file_search": {"vector_store_ids": ["vs_shared"]}}
    assert new_assistant(site, tool_resources=stores)["tool_resources"] == stores
    thread_id = new_thread(site, tool_resources=stores)
    assert site.get(f"/v1/threads/{thread_id}").get_json()["tool_resources"] == stores
    for method, path, body in ROUTES[:14]:
        answer = site.request(method, path.format(vs="vs_shared", file="file-x", batch="vsfb_x"), json=body)
        assert answer.status_code == 404, path
    file_id = site.new_file()
    attachments = [{"file_id": file_id, "tools": [{"type": "file_search"}]}]
    site.post(f"/v1/threads/{thread_id}/messages", {"role": "user", "content": "x", "attachments": attachments})
    after = site.get(f"/v1/threads/{thread_id}").get_json()["tool_resources"]["file_search"]["vector_store_ids"]
    assert after[0] == "vs_shared"
    assert listed(site, f"/v1/vector_stores/{after[1]}/files") == [file_id]


@pytest.mark.parametrize(("method", "path", "body"), changers(MADE))
def test_only_what_is_new_has_a_vector_store_made(walled: Any, method: str, path: str, body: Any) -> None:
    site, _, own = walled
    param = "tool_resources.file_search.vector_stores"
    answer = site.request(method, path.format(**own), user="ben", json=body)
    refused(answer, 400, f"Invalid '{param}': Only a new", param)


# -- created with their users ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/assistants", "/v1/threads", "/v1/threads/runs thread"])
def test_a_vector_store_is_made_beside_what_uses_it(make_site: MakeSite, path: str) -> None:
    site = make_site([])
    file_id = site.new_file()
    made = {"file_search": {"vector_stores": [{"file_ids": [file_id], "metadata": {"a": "b"}}]}}
    path, _, inside = path.partition(" ")
    body: dict[str, Any] = {"model": "m", "assistant_id": "asst_default"}
    body.update({"thread": {"tool_resources": made}} if inside else {"tool_resources": made})
    answer = site.post(path, body)
    assert answer.status_code == 200, answer.text
    told = answer.get_json()
    if inside:
        ended(site, told)
        told = site.get(f"/v1/threads/{told['thread_id']}").get_json()
    (vector_store,) = told["tool_resources"]["file_search"]["vector_store_ids"]
    assert listed(site, f"/v1/vector_stores/{vector_store}/files") == [file_id]
    assert site.get(f"/v1/vector_stores/{vector_store}").get_json()["metadata"] == {"a": "b"}


# -- the official client --------------------------------------------------------------------------------------


def test_the_official_client(client: openai.OpenAI) -> None:
    stores = client.vector_stores
    made = stores.create(name="N", metadata={"a": "b"}, expires_after={"anchor": "last_active_at", "days": 1})
    assert stores.retrieve(made.id).name == "N"
    assert stores.update(made.id, name="M").name == "M"
    more = [stores.create(name=str(number)).id for number in range(3)]
    assert {made.id, *more} <= {one.id for one in stores.list(limit=2)}
    sky = stores.files.upload_and_poll(vector_store_id=made.id, file=("sky.txt", SKY), attributes={"n": 1})
    assert (sky.status, sky.attributes) == ("completed", {"n": 1})
    grass = client.files.create(file=("grass.md", GRASS), purpose="assistants")
    assert stores.files.create_and_poll(grass.id, vector_store_id=made.id).status == "completed"
    assert {one.id for one in stores.files.list(made.id, limit=1)} == {sky.id, grass.id}
    assert stores.files.retrieve(sky.id, vector_store_id=made.id).status == "completed"
    assert stores.files.update(sky.id, vector_store_id=made.id, attributes={"n": 2}).attributes == {"n": 2}
    assert [one.type for one in stores.files.content(sky.id, vector_store_id=made.id)] == ["text"]
    assert stores.search(made.id, query="sky").data[0].filename
    assert stores.files.delete(grass.id, vector_store_id=made.id).deleted
    batch = stores.file_batches.upload_and_poll(
        made.id, files=[("a.txt", b"apples"), ("b.txt", b"pears")], file_ids=[grass.id]
    )
    assert (batch.status, batch.file_counts.completed) == ("completed", 3)
    assert stores.file_batches.retrieve(batch.id, vector_store_id=made.id).status == "completed"
    assert len(list(stores.file_batches.list_files(batch.id, vector_store_id=made.id, limit=2))) == 3
    assert stores.retrieve(made.id).file_counts.completed == 4
    for id in (made.id, *more):
        assert stores.delete(id).deleted
    with pytest.raises(openai.NotFoundError) as caught:
        stores.files.list(made.id)
    assert caught.value.body["message"] == f"No vector store found with id '{made.id}'."  # type: ignore[index]
