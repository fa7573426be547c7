"""Threads and messages over the SDK face."""

from __future__ import annotations

from typing import Any

import pytest

from flask_assistant_stream.testing.scripted import text

from .conftest import MakeSite, Site, bad, ended, new_assistant, new_thread, refused


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(text("Hi."))


def test_threads(site: Site) -> None:
    answer = site.request("POST", "/v1/threads", headers={"Content-Type": "application/json"})
    thread = answer.get_json()
    assert set(thread) == {"id", "object", "created_at", "metadata", "tool_resources"}
    path = f"/v1/threads/{thread['id']}"
    assert site.get(path).get_json() == thread
    stores = {"file_search": {"vector_store_ids": [site.new_vector_store()]}}
    changed = {"metadata": {"a": "b"}, "tool_resources": stores}
    assert site.post(path, changed).get_json() == {**thread, **changed}
    assert site.post(path, {"metadata": None}).get_json() == {**thread, **changed, "metadata": {}}
    assert site.post(path).get_json()["tool_resources"] == changed["tool_resources"]
    deleted = {"id": thread["id"], "object": "thread.deleted", "deleted": True}
    assert site.request("DELETE", path).get_json() == deleted
    for answer in (site.get(path), site.post(path, {}), site.request("DELETE", path)):
        refused(answer, 404, f"No thread found with id '{thread['id']}'.")


def test_both_faces_show_the_same_thread_to_its_owner(site: Site) -> None:
    thread_id = new_thread(site, "hello")
    assert site.get(f"/threads/{thread_id}").get_json()["title"] is None
    messages = site.get(f"/threads/{thread_id}/messages").get_json()["data"]
    assert [message["content"][0]["text"]["value"] for message in messages] == ["hello"]
    assert site.get(f"/v1/threads/{thread_id}/messages").get_json()["data"] == messages
    for path in ("", "/messages", "/runs"):
        refused(site.get(f"/v1/threads/{thread_id}{path}", user="ben"), 404, "No thread found")


def test_contents(site: Site) -> None:
    image = site.new_file("cat.png", purpose="vision")
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "image_file", "image_file": {"file_id": image}},
    ]
    path = f"/v1/threads/{new_thread(site)}/messages"
    attachments = [{"file_id": site.new_file(), "tools": [{"type": "file_search"}]}]
    body = {"role": "user", "content": parts, "attachments": attachments, "metadata": {"a": "b"}}
    message = site.post(path, body).get_json()
    assert message["content"] == [
        {"type": "text", "text": {"value": "see", "annotations": []}},
        parts[1],
        {"type": "image_file", "image_file": {"file_id": image, "detail": "auto"}},
    ]
    expected = {"attachments": attachments, "metadata": {"a": "b"}, "status": "completed", "role": "user"}
    assert {**expected, "run_id": None}.items() <= message.items()
    spoken = site.post(path, {"role": "assistant", "content": "I said"}).get_json()
    assert spoken["role"] == "assistant"
    assert site.get(f"{path}/{message['id']}").get_json() == message
    assert site.get(path).get_json()["data"] == [spoken, message]


def test_images_and_history_reach_the_upstream(make_site: MakeSite) -> None:
    site = make_site(text("A cat."))
    thread_id = new_thread(site, "look")
    url = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    site.post(f"/v1/threads/{thread_id}/messages", {"role": "user", "content": [url]})
    site.post(f"/v1/threads/{thread_id}/messages", {"role": "assistant", "content": "So?"})
    run = site.post(f"/v1/threads/{thread_id}/runs", {"assistant_id": new_assistant(site)["id"]}).get_json()
    assert ended(site, run)["status"] == "completed"
    image = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}
    assert site.engine.requests[0]["input"] == [
        {"type": "message", "role": "user", "content": "look"},
        {"type": "message", "role": "user", "content": [image]},
        {"type": "message", "role": "assistant", "content": "So?"},
    ]


def test_change_and_delete_a_message(site: Site) -> None:
    path = f"/v1/threads/{new_thread(site, 'one', 'two')}/messages"
    second, first = site.get(path).get_json()["data"]
    changed = site.post(f"{path}/{first['id']}", {"metadata": {"a": "b"}}).get_json()
    assert changed == {**first, "metadata": {"a": "b"}}
    assert site.post(f"{path}/{first['id']}", {}).get_json() == changed
    assert site.post(f"{path}/{first['id']}", {"metadata": None}).get_json() == first
    deleted = {"id": first["id"], "object": "thread.message.deleted", "deleted": True}
    assert site.request("DELETE", f"{path}/{first['id']}").get_json() == deleted
    assert [message["id"] for message in site.get(path).get_json()["data"]] == [second["id"]]
    for answer in (site.get(f"{path}/{first['id']}"), site.post(f"{path}/{first['id']}", {})):
        refused(answer, 404, f"No message found with id '{first['id']}'.")
    refused(site.get(f"/v1/threads/{new_thread(site)}/messages/{second['id']}"), 404, "No message found")


def test_the_messages_of_a_run(site: Site) -> None:
    thread_id = new_thread(site, "hello")
    run = site.post(f"/v1/threads/{thread_id}/runs", {"assistant_id": "asst_default"}).get_json()
    ended(site, run)
    path = f"/v1/threads/{thread_id}/messages"
    (message,) = site.get(f"{path}?run_id={run['id']}").get_json()["data"]
    assert (message["role"], message["run_id"], message["assistant_id"]) == ("assistant", run["id"], "asst_default")
    assert site.get(f"{path}?run_id=run_x").get_json()["data"] == []


def test_pages_within_one_second(site: Site) -> None:
    path = f"/v1/threads/{new_thread(site, *map(str, range(7)))}/messages"
    messages = site.listed(path, "limit=3&order=asc")
    assert [message["content"][0]["text"]["value"] for message in messages] == list("0123456")
    empty: Any = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert site.get(f"/v1/threads/{new_thread(site)}/messages").get_json() == empty


IMAGE = {"url": "https://a.b", "detail": "max"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        *bad("role", "system", None),
        *bad("content", None, " ", []),
        *bad("content", [{"type": "audio"}], param="content[0].type"),
        *bad("content", [{"type": "text"}], [{"type": "text", "text": {"value": "x"}}], param="content[0].text"),
        *bad("content", ["x"], param="content[0]"),
        ({"content": [{"type": "image_url", "image_url": {"url": "file:///a"}}]}, "content[0].image_url.url"),
        ({"content": [{"type": "image_url", "image_url": IMAGE}]}, "content[0].image_url.detail"),
        ({"content": [{"type": "image_file", "image_file": {}}]}, "content[0].image_file.file_id"),
        ({"attachments": [{"tools": []}]}, "attachments[0].file_id"),
        ({"attachments": [{"file_id": "f", "tools": [{"type": "function"}]}]}, "attachments[0].tools[0].type"),
        *bad("metadata", []),
    ],
)
def test_bad_messages(site: Site, fields: dict[str, Any], param: str) -> None:
    message = {"role": "user", "content": "x", **fields}
    refused(site.post(f"/v1/threads/{new_thread(site)}/messages", message), 400, f"Invalid '{param}'", param)
    inner = f"messages[0].{param}"
    refused(site.post("/v1/threads", {"messages": [message]}), 400, f"Invalid '{inner}'", inner)


def test_a_message_over_the_limit(make_site: MakeSite) -> None:
    site = make_site(max_content_chars=5)
    answer = site.post("/v1/threads", {"messages": [{"role": "user", "content": "too long"}]})
    refused(answer, 400, "Invalid 'messages[0].content': string too long.", "messages[0].content")
    assert site.contents() == []
