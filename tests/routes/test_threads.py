"""Threads over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.scripted import text

from .conftest import MakeSite


@pytest.mark.parametrize("body", [{}, {"data": b""}, {"data": b"{}"}, {"json": {"metadata": {"a": "b"}}}])
def test_a_thread_is_made_from_little(make_site: MakeSite, body: dict[str, Any]) -> None:
    site = make_site()
    response = site.request("POST", "/threads", **body)
    assert response.status_code == 200
    thread = site.get(f"/threads/{response.get_json()['threadId']}").get_json()
    assert (thread["object"], thread["title"], thread["updated_at"]) == ("thread", None, thread["created_at"])
    assert thread["metadata"] == body.get("json", {}).get("metadata", {})


def test_the_list_is_ones_own_newest_first(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    mine = [site.new_thread() for _ in range(3)]
    mine.append(site.chat()[0].object()["id"])
    site.post("/threads", user="ben")
    page = site.get("/threads").get_json()
    assert [thread["id"] for thread in page["data"]] == mine[::-1]
    assert all(thread["title"] is None and thread["updated_at"] for thread in page["data"])
    first = site.get("/threads?limit=3").get_json()
    assert first["has_more"] is True
    rest = site.get("/threads", query_string={"after": first["last_id"]}).get_json()
    assert [thread["id"] for thread in rest["data"]] == mine[:1]


def test_title_and_metadata_can_be_changed_and_cleared(make_site: MakeSite) -> None:
    site = make_site()
    url = f"/threads/{site.post('/threads').get_json()['threadId']}"
    changed = site.request("PATCH", url, json={"title": "  Plans ", "metadata": {"k": "v"}}).get_json()
    assert (changed["title"], changed["metadata"]) == ("Plans", {"k": "v"})
    assert site.request("PATCH", url, json={"metadata": None}).get_json()["title"] == "Plans"
    cleared = site.request("PATCH", url, json={"title": None}).get_json()
    assert (cleared["title"], cleared["metadata"]) == (None, {})
    assert site.request("PATCH", url).get_json() == cleared
    assert site.get(url).get_json() == cleared


def test_a_deleted_thread_is_gone_with_its_messages(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    thread_id = site.chat()[0].object()["id"]
    answer = site.request("DELETE", f"/threads/{thread_id}", headers={"Content-Type": "application/json"})
    assert answer.get_json() == {"id": thread_id, "object": "thread.deleted", "deleted": True}
    assert site.get(f"/threads/{thread_id}").status_code == 404
    assert site.get(f"/threads/{thread_id}/messages").status_code == 404
    assert site.get("/threads").get_json()["data"] == []


def test_a_title_is_generated_on_request(make_site: MakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site(text("Hi."))
    thread_id = site.new_thread()
    assert site.post(f"/threads/{thread_id}/title").status_code == 400, "it has no message"
    foreign, unknown = site.post(f"/threads/{thread_id}/title", user="ben"), site.post("/threads/thread_x/title")
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.text.replace(thread_id, "thread_x") == unknown.text
    monkeypatch.setattr(site.registration.titles, "make", lambda owner, thread_id: f"{owner} on {thread_id}")
    assert site.post(f"/threads/{thread_id}/title").get_json() == {"title": f"anna on {thread_id}"}


def test_a_title_set_by_hand_replaces_a_generated_one(make_site: MakeSite) -> None:
    site = make_site()
    thread_id = site.new_thread()
    url = f"/threads/{thread_id}"
    site.registration.store.update(Kind.THREAD, "anna", thread_id, extra={"generated_title": "Made"})
    assert site.get(url).get_json()["title"] == "Made"
    assert site.get("/threads").get_json()["data"][0]["title"] == "Made"
    assert site.request("PATCH", url, json={"title": "By hand"}).get_json()["title"] == "By hand"
    assert site.post(f"{url}/title").get_json() == {"title": "By hand"}
    assert site.request("PATCH", url, json={"title": None}).get_json()["title"] is None
    assert site.get(f"/v1/threads/{thread_id}").get_json().keys().isdisjoint({"title", "generated_title"})


NO_IDS = ["..", ".", "a%3Fb", "a%23b", "a%25b", "a%20b", "a%5Cb", "a%00b", "a%0Ab", "a%3Bb", "x" * 129, "..%2F..%2Fx"]


@pytest.mark.parametrize("id", NO_IDS)
@pytest.mark.parametrize(
    "path", ["/threads/{}", "/threads/{}/messages", "/v1/threads/{}", "/files/{}", "/v1/assistants/{}"]
)
def test_what_cannot_be_an_id_is_not_found(make_site: MakeSite, path: str, id: str) -> None:
    answer = make_site().get(path.replace("{}", id))
    assert answer.status_code == 404


def test_a_deleted_thread_keeps_its_place(make_site: MakeSite) -> None:
    site = make_site()
    first, second, third = [site.post("/threads").get_json()["threadId"] for _ in range(3)]
    site.request("DELETE", f"/threads/{second}")
    assert site.get(f"/threads?limit=1&after={second}").get_json()["data"][0]["id"] == first
    assert site.get(f"/threads?limit=1&before={second}").get_json()["data"][0]["id"] == third
    assert site.get(f"/threads?after={second}", user="ben").status_code == 400
