"""Vector stores of `/v1`, their files and batches: every endpoint, limits, owners, the official client."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.routes.conftest import build

from .conftest import MakeSite, Site, bad, ended, new_assistant, new_thread, refused

SKY, GRASS = b"The sky is green.", b"The grass is blue."
STATIC = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 100}}
COUNTS = {"in_progress": 0, "completed": 0, "failed": 0, "cancelled": 0, "total": 0}


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site()


def listed(site: Site, path: str, **options: Any) -> list[str]:
    answer = site.get(path, **options)
    assert answer.status_code == 200, answer.text
    return [entry["id"] for entry in answer.get_json()["data"]]


def two_files(site: Site) -> list[str]:
    return [site.new_file("sky.txt", SKY), site.new_file("grass.txt", GRASS)]


def test_the_life_of_a_vector_store(site: Site) -> None:
    expiry = {"anchor": "last_active_at", "days": 3}
    fields = {"name": "N", "description": "D", "expires_after": expiry, "metadata": {"a": "b"}}
    created = site.post("/v1/vector_stores", fields).get_json()
    assert {key: created[key] for key in fields} == fields
    assert (created["object"], created["status"], created["file_counts"]) == ("vector_store", "completed", COUNTS)
    assert created["expires_at"] == created["created_at"] + 3 * 86_400
    id = created["id"]
    path = f"/v1/vector_stores/{id}"
    assert site.get(path).get_json() == created
    changed = site.post(path, {"name": "M", "expires_after": None}).get_json()
    assert (changed["name"], changed["expires_after"], changed["metadata"]) == ("M", None, {"a": "b"})
    cleared = site.post(path, {"name": None, "metadata": None}).get_json()
    assert (cleared["name"], cleared["metadata"]) == ("", {})
    assert site.post(path).get_json()["name"] == ""
    assert listed(site, "/v1/vector_stores") == [id]
    deleted = site.request("DELETE", path, headers={"Content-Type": "application/json"}).get_json()
    assert deleted == {"id": id, "object": "vector_store.deleted", "deleted": True}
    for answer in (site.get(path), site.post(path, {}), site.request("DELETE", path)):
        refused(answer, 404, f"No vector store found with id '{id}'.")


NULLS = {"name": None, "file_ids": None, "chunking_strategy": None}


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"json": NULLS}])
def test_every_field_is_optional(site: Site, body: dict[str, Any]) -> None:
    created = site.request("POST", "/v1/vector_stores", **body).get_json()
    assert (created["name"], created["metadata"], created["expires_after"]) == ("", {}, None)


def test_a_vector_store_is_created_with_files(site: Site) -> None:
    files = two_files(site)
    created = site.post("/v1/vector_stores", {"file_ids": files, "chunking_strategy": STATIC}).get_json()
    path = f"/v1/vector_stores/{created['id']}"
    assert created["file_counts"]["total"] == 2
    assert set(listed(site, f"{path}/files")) == set(files)
    for file_id in files:
        assert site.get(f"{path}/files/{file_id}").get_json()["status"] == "completed"
    assert site.get(path).get_json()["file_counts"] == {**COUNTS, "completed": 2, "total": 2}
    assert site.request("DELETE", path).status_code == 200
    assert site.get(f"/v1/files/{files[0]}").status_code == 200


def test_lists(site: Site) -> None:
    ids = [site.new_vector_store() for _ in range(5)]
    assert listed(site, "/v1/vector_stores") == ids[::-1]
    assert listed(site, f"/v1/vector_stores?order=asc&limit=2&after={ids[1]}") == ids[2:4]
    assert listed(site, f"/v1/vector_stores?order=asc&limit=2&before={ids[3]}") == ids[1:3]
    for query, param in (("limit=101", "limit"), ("after=vs_x", "after"), ("before=vs_x", "before")):
        refused(site.get(f"/v1/vector_stores?{query}"), 400, f"Invalid '{param}'", param)


def test_a_search(site: Site) -> None:
    files = two_files(site)
    path = f"/v1/vector_stores/{site.new_vector_store(*files)}/search"
    results = site.post(path, {"query": "the sky"}).get_json()
    best = results.pop("data")[0]
    kind = {"object": "vector_store.search_results.page", "has_more": False, "next_page": None}
    assert results == {**kind, "search_query": ["the sky"]}
    assert (best["file_id"], best["filename"], best["attributes"]) == (files[0], "sky.txt", {})
    assert best["content"] == [{"type": "text", "text": SKY.decode()}]
    assert 0 < best["score"] <= 1
    several = {"query": ["sky", "grass"], "max_num_results": 1, "rewrite_query": None, "filters": None}
    results = site.post(path, several).get_json()
    assert (len(results["data"]), results["search_query"]) == (1, ["sky", "grass"])


def test_a_search_with_filters(site: Site) -> None:
    files = two_files(site)
    path = f"/v1/vector_stores/{site.new_vector_store()}"
    for number, file_id in enumerate(files):
        site.post(f"{path}/files", {"file_id": file_id, "attributes": {"n": number, "kind": "x"}})
    first = {"type": "eq", "key": "n", "value": 0}
    for filters, expected in (
        (first, {files[0]}),
        ({"type": "in", "key": "n", "value": [1, 2]}, {files[1]}),
        ({"type": "or", "filters": [first, {"type": "gte", "key": "n", "value": 1}]}, set(files)),
    ):
        results = site.post(f"{path}/search", {"query": "the is", "filters": filters}).get_json()["data"]
        assert {result["file_id"] for result in results} == expected


def test_a_file_in_a_vector_store(site: Site) -> None:
    file_id, vector_store = site.new_file("sky.txt", SKY), site.new_vector_store()
    path = f"/v1/vector_stores/{vector_store}/files"
    fields = {"file_id": file_id, "attributes": {"a": "b", "n": 1.5, "t": True}, "chunking_strategy": STATIC}
    attached = site.post(path, fields).get_json()
    expected = {"id": file_id, "object": "vector_store.file", "vector_store_id": vector_store}
    assert {**expected, "attributes": fields["attributes"]}.items() <= attached.items()
    read = site.get(f"{path}/{file_id}").get_json()
    assert (read["status"], read["last_error"]) == ("completed", None)
    kind = {"object": "vector_store.file_content.page", "has_more": False, "next_page": None}
    content = site.get(f"{path}/{file_id}/content").get_json()
    assert content == {**kind, "data": [{"type": "text", "text": SKY.decode()}]}
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
    assert [entry["id"] for entry in page["data"]] == files[1:3]
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
    read = site.get(f"{path}/{file_id}").get_json()
    assert (read["status"], read["last_error"]["code"]) == ("failed", "invalid_file")


def test_a_type_that_cannot_be_searched(site: Site) -> None:
    file_id, vector_store = site.new_file("a.exe"), site.new_vector_store()
    answer = site.post(f"/v1/vector_stores/{vector_store}/files", {"file_id": file_id})
    refused(answer, 400, "'a.exe' cannot be searched; files must end in one of", "file_id")
    refused(site.post("/v1/vector_stores", {"file_ids": [file_id]}), 400, "'a.exe' cannot be searched", "file_ids")
    assert listed(site, "/v1/vector_stores") == [vector_store]


def test_batches(site: Site) -> None:
    files = [site.new_file(f"{number}.txt") for number in range(4)]
    vector_store = site.new_vector_store()
    path = f"/v1/vector_stores/{vector_store}/file_batches"
    batch = site.post(path, {"file_ids": files[:2], "attributes": {"a": "b"}}).get_json()
    assert (batch["object"], batch["vector_store_id"]) == ("vector_store.files_batch", vector_store)
    assert batch["file_counts"]["total"] == 2
    read = site.get(f"{path}/{batch['id']}").get_json()
    assert (read["status"], read["file_counts"]) == ("completed", {**COUNTS, "completed": 2, "total": 2})
    assert set(listed(site, f"{path}/{batch['id']}/files")) == set(files[:2])
    entries = [{"file_id": files[2], "attributes": {"n": 1}}, {"file_id": files[3], "chunking_strategy": STATIC}]
    second = site.post(path, {"files": entries}).get_json()
    assert set(listed(site, f"{path}/{second['id']}/files?filter=completed")) == set(files[2:])
    attached = site.get(f"/v1/vector_stores/{vector_store}/files/{files[2]}").get_json()
    assert attached["attributes"] == {"n": 1}
    cancelled = site.post(f"{path}/{batch['id']}/cancel")
    assert (cancelled.status_code, cancelled.get_json()["status"]) == (200, "completed")  # too late to cancel
    assert site.get(f"/v1/vector_stores/{vector_store}").get_json()["file_counts"]["completed"] == 4
    for below in ("", "/files"):
        refused(site.get(f"{path}/vsfb_x{below}"), 404, "No file batch found with id 'vsfb_x'.")


STORES = "/v1/vector_stores"
FILES = STORES + "/{vs}/files"
BATCHES = STORES + "/{vs}/file_batches"
SEARCH = STORES + "/{vs}/search"


def deep(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "eq", "key": "a", "value": 1}
    for _ in range(depth):
        inner = {"type": "and", "filters": [inner]}
    return inner


def expiry(**fields: Any) -> dict[str, Any]:
    return {"anchor": "last_active_at", **fields}


OVERLAP = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 101}}
BAD_STORES = [
    *bad("name", 5, "n" * 257),
    *bad("file_ids", "file-1", ["f"] * 501),
    *bad("file_ids", [5], param="file_ids[0]"),
    *bad("expires_after", {"anchor": "now", "days": 1}, param="expires_after.anchor"),
    *bad("expires_after", expiry(days=366), expiry(), param="expires_after.days"),
    *bad("metadata", {"a": 1}),
    *bad("chunking_strategy", {"type": "odd"}, param="chunking_strategy.type"),
    *bad("chunking_strategy", {"type": "static"}, param="chunking_strategy.static"),
    *bad("chunking_strategy", OVERLAP, param="chunking_strategy.static.chunk_overlap_tokens"),
]
BAD_SEARCHES = [
    *bad("query", None, "", [], ["a"] * 11, "x" * 5000, 5),
    *bad("max_num_results", 51),
    *bad("ranking_options", {"score_threshold": 2}, param="ranking_options.score_threshold"),
    *bad("filters", [], {"type": "like", "key": "a", "value": "b"}, {"type": "eq", "value": "b"}),
    *bad("filters", {"type": "eq", "key": "a", "value": {}}, {"type": "eq", "key": "a", "value": [1]}),
    *bad("filters", {"type": "in", "key": "a", "value": 1}, {"type": "and", "filters": []}, deep(5)),
]
SEVENTEEN = {str(number): number for number in range(17)}
BAD_ATTRIBUTES = bad("attributes", {"a": {}}, {"a": None}, {"k" * 65: 1}, {"a": "x" * 513}, SEVENTEEN)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        *((STORES, *row) for row in BAD_STORES),
        (STORES + "/{vs}", {"expires_after": expiry(days=0)}, "expires_after.days"),
        (SEARCH, {}, "query"),
        *((SEARCH, {"query": "x", **body}, param) for body, param in BAD_SEARCHES),
        (FILES, {}, "file_id"),
        (FILES, {"file_id": ["x"]}, "file_id"),
        *((FILES, {"file_id": "{file}", **body}, param) for body, param in BAD_ATTRIBUTES),
        (FILES + "/{file}", {}, "attributes"),
        (BATCHES, {}, "file_ids"),
        (BATCHES, {"file_ids": []}, "file_ids"),
        (BATCHES, {"file_ids": ["{file}"], "files": [{"file_id": "{file}"}]}, "file_ids"),
        (BATCHES, {"file_ids": ["f"] * 2001}, "file_ids"),
        (BATCHES, {"files": [{}]}, "files[0].file_id"),
    ],
)
def test_invalid_bodies(site: Site, path: str, body: dict[str, Any], param: str) -> None:
    file_id, vector_store = site.new_file(), site.new_vector_store()
    before = site.get(f"{STORES}/{vector_store}").get_json()
    data = site.app.json.dumps(body).replace("{file}", file_id)
    answer = site.request("POST", path.format(vs=vector_store, file=file_id), data=data)
    refused(answer, 400, f"Invalid '{param}'", param)
    assert site.get("/v1/vector_stores").get_json()["data"] == [before]


BY_ID: list[Any] = [{"file_search": {"vector_store_ids": ["{vs}"]}}, {"code_interpreter": {"file_ids": ["{file}"]}}]
NEW = {"file_search": {"vector_stores": [{"file_ids": ["{file}"]}]}}
RUN = {"assistant_id": "asst_default"}
Route = tuple[str, str, Any]


def creations(resources: Any) -> list[Route]:
    """Return requests for a new object, which may describe a new vector store."""
    thread = {"tool_resources": resources}
    return [
        ("POST", "/v1/assistants", {"model": "m", **thread}),
        ("POST", "/v1/threads", thread),
        ("POST", "/v1/threads/runs", {**RUN, "thread": thread}),
    ]


def changes(resources: Any) -> list[Route]:
    """Return requests that may only name an existing vector store."""
    fields = {"tool_resources": resources}
    return [
        ("POST", "/v1/assistants/{own_assistant}", fields),
        ("POST", "/v1/threads/{own_thread}", fields),
        ("POST", "/v1/threads/runs", {**RUN, **fields}),
    ]


IN_A_STORE: list[Route] = [
    ("GET", "/files/{file}", None),
    ("POST", "/files/{file}", {"attributes": {}}),
    ("DELETE", "/files/{file}", None),
    ("GET", "/files/{file}/content", None),
    ("GET", "/file_batches/{batch}", None),
    ("POST", "/file_batches/{batch}/cancel", None),
    ("GET", "/file_batches/{batch}/files", None),
]
OF_A_STORE: list[Route] = [
    ("GET", "/v1/vector_stores/{vs}", None),
    ("POST", "/v1/vector_stores/{vs}", {"name": "x"}),
    ("DELETE", "/v1/vector_stores/{vs}", None),
    ("POST", "/v1/vector_stores/{vs}/search", {"query": "sky"}),
    ("GET", "/v1/vector_stores/{vs}/files", None),
    ("POST", "/v1/vector_stores/{vs}/files", {"file_id": "{own}"}),
    ("POST", "/v1/vector_stores/{vs}/file_batches", {"file_ids": ["{own}"]}),
    *((method, "/v1/vector_stores/{vs}" + path, body) for method, path, body in IN_A_STORE),
]
ROUTES: list[Route] = [
    *OF_A_STORE,
    # the caller's vector store with another owner's files
    ("POST", "/v1/vector_stores/{own_vs}/files", {"file_id": "{file}"}),
    ("POST", "/v1/vector_stores/{own_vs}/file_batches", {"file_ids": ["{own}", "{file}"]}),
    ("POST", "/v1/vector_stores/{own_vs}/file_batches", {"files": [{"file_id": "{file}"}]}),
    *((method, "/v1/vector_stores/{own_vs}" + path, body) for method, path, body in IN_A_STORE),
    ("GET", "/v1/vector_stores?after={vs}", None),
    ("GET", "/v1/vector_stores/{own_vs}/files?after={file}", None),
    # other requests that name a file or a vector store
    ("POST", "/v1/vector_stores", {"file_ids": ["{file}"]}),
    *[row for resources in (*BY_ID, NEW) for row in creations(resources)],
    *[row for resources in BY_ID for row in changes(resources)],
    *[
        ("POST", path, wrap({"role": "user", "content": content, "attachments": attachments}))
        for content, attachments in (
            ([{"type": "image_file", "image_file": {"file_id": "{file}"}}], []),
            ("x", [{"file_id": "{file}", "tools": [{"type": "file_search"}]}]),
            ("x", [{"file_id": "{file}", "tools": [{"type": "code_interpreter"}]}]),
            ("x", [{"file_id": "{file}"}]),
        )
        for path, wrap in (
            ("/v1/threads/{own_thread}/messages", lambda message: message),
            ("/v1/threads", lambda message: {"messages": [message]}),
            ("/v1/threads/{own_thread}/runs", lambda message: {**RUN, "additional_messages": [message]}),
            ("/v1/threads/runs", lambda message: {**RUN, "thread": {"messages": [message]}}),
        )
    ],
]


@pytest.fixture(scope="module")
def walled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a site with objects of the owners anna and ben, and their ids."""
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
    site.close()


@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=lambda value: str(value)[:90])
def test_another_owners_ids_are_as_unknown_as_missing_ones(walled: Any, method: str, path: str, body: Any) -> None:
    site, foreign, own = walled
    missing = {"vs": "vs_x", "file": "file-x", "batch": "vsfb_x"}

    def look() -> Any:
        return site.contents(), site.get("/v1/vector_stores", user="ben").text, site.get("/v1/vector_stores").text

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

    before = look()
    answer = ask(foreign)
    assert answer == ask(missing)
    assert answer[0] == (400 if "after=" in path else 404), answer
    assert "anna" not in answer[1]
    assert look() == before
    assert site.get(f"/v1/files/{foreign['file']}").status_code == 200


def test_shared_vector_stores_can_be_named_but_not_read_or_changed(make_site: MakeSite) -> None:
    site = make_site(vector_store_ids=["vs_shared"])
    stores = {"file_search": {"vector_store_ids": ["vs_shared"]}}
    assert new_assistant(site, tool_resources=stores)["tool_resources"] == stores
    thread_id = new_thread(site, tool_resources=stores)
    assert site.get(f"/v1/threads/{thread_id}").get_json()["tool_resources"] == stores
    for method, path, body in OF_A_STORE:
        answer = site.request(method, path.format(vs="vs_shared", file="file-x", batch="vsfb_x"), json=body)
        assert answer.status_code == 404, path
    file_id = site.new_file()
    attachments = [{"file_id": file_id, "tools": [{"type": "file_search"}]}]
    site.post(f"/v1/threads/{thread_id}/messages", {"role": "user", "content": "x", "attachments": attachments})
    after = site.get(f"/v1/threads/{thread_id}").get_json()["tool_resources"]["file_search"]["vector_store_ids"]
    assert after[0] == "vs_shared"
    assert listed(site, f"/v1/vector_stores/{after[1]}/files") == [file_id]


@pytest.mark.parametrize(("method", "path", "body"), changes(NEW))
def test_only_a_new_object_creates_a_vector_store(walled: Any, method: str, path: str, body: Any) -> None:
    site, _, own = walled
    param = "tool_resources.file_search.vector_stores"
    answer = site.request(method, path.format(**own), user="ben", json=body)
    refused(answer, 400, f"Invalid '{param}': Only a new", param)


@pytest.mark.parametrize("path", ["/v1/assistants", "/v1/threads", "/v1/threads/runs thread"])
def test_a_vector_store_is_created_with_its_object(make_site: MakeSite, path: str) -> None:
    site = make_site([])
    file_id = site.new_file()
    resources = {"file_search": {"vector_stores": [{"file_ids": [file_id], "metadata": {"a": "b"}}]}}
    path, _, inside = path.partition(" ")
    body: dict[str, Any] = {"model": "m", "assistant_id": "asst_default"}
    body.update({"thread": {"tool_resources": resources}} if inside else {"tool_resources": resources})
    answer = site.post(path, body)
    assert answer.status_code == 200, answer.text
    created = answer.get_json()
    if inside:
        ended(site, created)
        created = site.get(f"/v1/threads/{created['thread_id']}").get_json()
    (vector_store,) = created["tool_resources"]["file_search"]["vector_store_ids"]
    assert listed(site, f"/v1/vector_stores/{vector_store}/files") == [file_id]
    assert site.get(f"/v1/vector_stores/{vector_store}").get_json()["metadata"] == {"a": "b"}


def test_the_official_client(client: openai.OpenAI) -> None:
    stores = client.vector_stores
    created = stores.create(name="N", metadata={"a": "b"}, expires_after={"anchor": "last_active_at", "days": 1})
    assert stores.retrieve(created.id).name == "N"
    assert stores.update(created.id, name="M").name == "M"
    others = [stores.create(name=str(number)).id for number in range(3)]
    assert {created.id, *others} <= {entry.id for entry in stores.list(limit=2)}
    sky = stores.files.upload_and_poll(vector_store_id=created.id, file=("sky.txt", SKY), attributes={"n": 1})
    assert (sky.status, sky.attributes) == ("completed", {"n": 1})
    grass = client.files.create(file=("grass.md", GRASS), purpose="assistants")
    assert stores.files.create_and_poll(grass.id, vector_store_id=created.id).status == "completed"
    assert {entry.id for entry in stores.files.list(created.id, limit=1)} == {sky.id, grass.id}
    assert stores.files.retrieve(sky.id, vector_store_id=created.id).status == "completed"
    assert stores.files.update(sky.id, vector_store_id=created.id, attributes={"n": 2}).attributes == {"n": 2}
    assert [part.type for part in stores.files.content(sky.id, vector_store_id=created.id)] == ["text"]
    assert stores.search(created.id, query="sky").data[0].filename
    assert stores.files.delete(grass.id, vector_store_id=created.id).deleted
    fruit = [("a.txt", b"apples"), ("b.txt", b"pears")]
    batch = stores.file_batches.upload_and_poll(created.id, files=fruit, file_ids=[grass.id])
    assert (batch.status, batch.file_counts.completed) == ("completed", 3)
    assert stores.file_batches.retrieve(batch.id, vector_store_id=created.id).status == "completed"
    assert len(list(stores.file_batches.list_files(batch.id, vector_store_id=created.id, limit=2))) == 3
    assert stores.retrieve(created.id).file_counts.completed == 4
    for id in (created.id, *others):
        assert stores.delete(id).deleted
    with pytest.raises(openai.NotFoundError) as caught:
        stores.files.list(created.id)
    assert caught.value.body["message"] == f"No vector store found with id '{created.id}'."  # type: ignore[index]
