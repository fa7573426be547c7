"""Threads over HTTP."""

from __future__ import annotations

import pytest

from flask_assistant_stream.testing.scripted import text

from .conftest import MakeSite


@pytest.mark.parametrize("body", [{}, {"data": b""}, {"data": b"{}"}, {"json": {"metadata": {"a": "b"}}}])
def test_a_thread_is_made_from_little(make_site: MakeSite, body: dict) -> None:
    site = make_site()
    response = site.request("POST", "/threads", **body)
    assert response.status_code == 200
    thread = site.get(f"/threads/{response.get_json()['threadId']}").get_json()
    assert thread["object"] == "thread"
    assert thread["title"] is None
    assert thread["updated_at"] == thread["created_at"]
    assert thread["metadata"] == body.get("json", {}).get("metadata", {})


def test_the_list_is_ones_own_newest_first(make_site: MakeSite) -> None:
    site = make_site(text("Hi."))
    mine = [site.post("/threads").get_json()["threadId"] for _ in range(3)]
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
