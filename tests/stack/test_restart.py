"""A restarted server still has everything, on both stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_assistant_stream.testing.decode import text_of
from tests.fake_upstream import ANSWER, UpstreamProcess
from tests.server_process import gunicorn, run_of, serving, texts
from tests.translation.checker import check


def test_the_history_is_there(store_url: str, tmp_path: Path, played: UpstreamProcess) -> None:
    third = f"third question, {tmp_path.name}"
    with serving(gunicorn(), tmp_path, store=store_url, upstream=played.base_url) as first:
        run = first.chat("first question").run
        thread_id = run["thread_id"]
        first.chat("second question", threadId=thread_id)
        before = first.messages(thread_id)
        stream = first.get(f"/threads/{thread_id}/runs/{run['id']}/stream").body
        assert first.stop() == 0
    with serving(gunicorn(), tmp_path, store=store_url, upstream=played.base_url) as second:
        assert second.messages(thread_id) == before
        reply = ("assistant", ANSWER)
        assert texts(before) == [("user", "first question"), reply, ("user", "second question"), reply]
        assert second.get(f"/threads/{thread_id}/runs/{run['id']}/stream").body == stream
        assert [thread["id"] for thread in second.get("/threads").json["data"]] == [thread_id]
        assert second.chat(third, threadId=thread_id).run["status"] == "completed"
    (sent,) = [one["body"]["input"] for one in played.told()["requests"] if third in str(one["body"]["input"])]
    assert [item["role"] for item in sent] == ["user", "assistant"] * 2 + ["user"]


def test_a_call_that_waits_is_answered_after_the_restart(
    sqlite_url: str, tmp_path: Path, played: UpstreamProcess
) -> None:
    with serving(gunicorn(), tmp_path, store=sqlite_url, upstream=played.base_url) as first:
        asked = first.chat("@@script:call@@")
    with serving(gunicorn(), tmp_path, store=sqlite_url, upstream=played.base_url) as second:
        answered = second.answered(asked.run, "21 °C")
        check(asked.events + answered.events)
        assert text_of(answered.events) == "The tools said: 21 °C"


@pytest.mark.parametrize("seconds", ["1", "5"])
def test_an_answer_under_way_when_the_server_stops(
    seconds: str, sqlite_url: str, tmp_path: Path, played: UpstreamProcess
) -> None:
    """It goes on as long as gunicorn waits; what does not end in time is ended by the next server."""
    settings = {"store": sqlite_url, "upstream": played.base_url, "ASSISTANT_LEASE_SECONDS": "2"}
    stopping = gunicorn("--graceful-timeout", seconds)
    content = "@@script:stall?after=3@@" if seconds == "1" else "@@script:text?delay=0.05@@"
    with serving(stopping, tmp_path, **settings) as first, first.opened("/chat/stream", {"content": content}) as stream:
        stream.read_until("thread.message.delta")
        assert first.stop() == 0
        if seconds == "5":
            assert check(stream.read_events()).names[-1] == "thread.run.completed"
    path, thread_id = stream.run_path, stream.headers["X-Thread-Id"]
    with serving(gunicorn(), tmp_path, **settings) as second:
        whole = second.get(f"{path}/stream").events
        fold = check(whole, gaps=True)
        kept = texts(second.messages(thread_id))[1:]
        if seconds == "5":
            assert kept == [("assistant", ANSWER)]
        else:
            assert run_of(whole)["status"] == "failed"
            assert kept == [("assistant", text) for text in fold.texts]
            assert kept == [("assistant", "The sun is")]
        assert second.chat("And now?", threadId=thread_id).run["status"] == "completed"
