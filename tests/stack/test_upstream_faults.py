"""Upstreams that fail, over HTTP: the stream says so and ends, what was said is kept, the thread goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from flask_assistant_stream.testing.decode import text_of
from tests.fake_upstream import ANSWER, UpstreamProcess
from tests.server_process import KEY, ServerProcess, gunicorn, serving, texts
from tests.stack.conftest import Serve
from tests.translation.checker import check

IDLE = "1.5"
SAID = "The sun is"
FAULTS: dict[str, tuple[str, str, str]] = {
    # script: the run's code, words of its message, the text that was told before
    "status?code=401": ("server_error", "rejected the credentials", ""),
    f"status?code=401&message=Incorrect+key+{KEY}": ("server_error", "rejected the credentials", ""),
    "status?code=403": ("server_error", "rejected the credentials", ""),
    "status?code=404&message=No+such+model": ("server_error", "answered", ""),
    "status?code=400&message=Too+long": ("invalid_prompt", "Too long", ""),
    "status?code=429&message=Slow+down": ("rate_limit_exceeded", "Slow down", ""),
    "status?code=500": ("server_error", "500 (Internal Server Error)", ""),
    f"status?code=500&message=key+{KEY}+broke": ("server_error", "key … broke", ""),
    "status?code=503": ("server_error", "503", ""),
    "redirect": ("server_error", "answered 307", ""),
    "html": ("server_error", "answered", ""),
    "html?code=502": ("server_error", "answered", ""),
    "json_error": ("server_error", "No model loaded.", ""),
    "stall_head": ("server_error", f"nothing for {IDLE} seconds", ""),
    "stall?after=0": ("server_error", f"nothing for {IDLE} seconds", ""),
    "stall?after=3": ("server_error", f"nothing for {IDLE} seconds", SAID),
    "reset?after=3": ("server_error", "broke off", SAID),
    "cut_off?after=3": ("server_error", "broke off", SAID),
    "clean_eof?after=0": ("server_error", "", ""),
    "clean_eof?after=3": ("server_error", "", SAID),
    "bad_json?after=3": ("server_error", "not JSON", SAID),
    "bad_utf8?after=3": ("server_error", "not UTF-8", SAID),
    "fail?after=3": ("server_error", "The model broke.", SAID),
    f"fail?after=3&message=key+{KEY}": ("server_error", "key", SAID),
    "fail?after=3&code=rate_limit_exceeded": ("rate_limit_exceeded", "The model broke.", SAID),
    "error_flat?after=3": ("rate_limit_exceeded", "Slow down.", SAID),
    "error_nested?after=3": ("rate_limit_exceeded", "Slow down.", SAID),
    "failed_then_error?after=3": ("invalid_prompt", "Filtered.", SAID),
}


@pytest.fixture(scope="module")
def hasty(serve: Serve) -> ServerProcess:
    """A server that soon gives up, and asks once."""
    return serve(ASSISTANT_UPSTREAM_IDLE_SECONDS=IDLE, ASSISTANT_UPSTREAM_RETRIES="0")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault(fault: str, hasty: ServerProcess, played: UpstreamProcess) -> None:
    code, words, said = FAULTS[fault]
    played.play(fault)
    answer = hasty.chat("hello")
    fold = check(answer.events)
    assert fold.run is not None
    assert answer.events[-1].name == "thread.run.failed"
    error = fold.run["last_error"]
    assert error["code"] == code
    assert words in error["message"] != ""
    assert KEY.encode() not in answer.body
    assert text_of(answer.events) == said
    thread_id = fold.run["thread_id"]
    kept = hasty.messages(thread_id)[1:]
    assert texts(kept) == ([("assistant", said)] if said else [])
    for message in kept:
        assert (message["status"], message["incomplete_details"]) == ("incomplete", {"reason": "run_failed"})
    following = hasty.chat("And now?", threadId=thread_id)
    assert text_of(following.events) == ANSWER
    assert following.run["status"] == "completed"
    assert KEY.encode() not in hasty.get(f"/threads/{thread_id}/messages").body


def test_a_fault_after_tool_outputs(hasty: ServerProcess, played: UpstreamProcess) -> None:
    run = hasty.chat("@@script:call@@").run
    played.play("reset?after=3")
    answer = hasty.answered(run, "21 °C")
    assert answer.run["status"] == "failed"
    assert texts(hasty.messages(run["thread_id"]))[1:] == [("assistant", SAID)]
    assert hasty.chat("And now?", threadId=run["thread_id"]).run["status"] == "completed"


def test_a_refused_attempt_is_made_again_before_the_first_byte(server: ServerProcess, played: UpstreamProcess) -> None:
    played.play("status?code=500", "text")
    before = len(played.told()["requests"])
    answer = server.chat("hello")
    assert answer.run["status"] == "completed"
    assert len(played.told()["requests"]) == before + 2


def test_the_end_of_a_stream_is_its_terminal_item(server: ServerProcess) -> None:
    assert server.chat("@@script:late_eof@@").run["status"] == "completed"


def test_no_upstream_at_all(tmp_path: Path) -> None:
    gone = UpstreamProcess()
    gone.stop()
    with serving(gunicorn(), tmp_path, upstream=gone.base_url, ASSISTANT_UPSTREAM_RETRIES="0") as server:
        run = server.chat("hello").run
        assert run["status"] == "failed"
        assert run["last_error"]["message"] == "The upstream cannot be reached."
        assert server.get("/health/ready").status == 200
