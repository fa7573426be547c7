"""History of a thread, and sending a message below it."""

from __future__ import annotations

from typing import Any

from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import text

from .conftest import MakeSite


def said(message: dict[str, Any]) -> str:
    return "".join(part["text"]["value"] for part in message["content"])


def test_history_shows_both_turns_newest_first(make_site: MakeSite) -> None:
    site = make_site(text("Pong."))
    thread_id = site.chat("Ping.")[0].object()["id"]
    page = site.get(f"/threads/{thread_id}/messages").get_json()
    assert (page["object"], page["has_more"]) == ("list", False)
    assert [(message["role"], said(message)) for message in page["data"]] == [("assistant", "Pong."), ("user", "Ping.")]
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][1]["id"])
    assert {message["status"] for message in page["data"]} == {"completed"}


def test_paging_forth_and_back(make_site: MakeSite) -> None:
    site = make_site(*[text(f"a{n}") for n in range(3)])
    thread_id = site.chat("q0")[0].object()["id"]
    for n in (1, 2):
        site.chat(f"q{n}", threadId=thread_id)
    url = f"/threads/{thread_id}/messages"
    seen = [said(message) for message in site.listed(url, "limit=2&order=asc")]
    assert seen == ["q0", "a0", "q1", "a1", "q2", "a2"]
    last = site.get(url, query_string={"order": "asc", "limit": 100}).get_json()["last_id"]
    before = site.get(url, query_string={"order": "asc", "before": last}).get_json()
    assert [said(message) for message in before["data"]] == seen[:-1]


def test_a_message_in_a_thread_streams(make_site: MakeSite) -> None:
    site = make_site(text("Pong."))
    path, plain = f"/threads/{site.new_thread()}/messages", "text/plain;charset=UTF-8"
    events = decode_ndjson(site.request("POST", path, data='{"content":"Ping."}', content_type=plain).data)
    assert events[0].name == "thread.run.created"
    assert text_of(events) == "Pong."
