"""Lines of a thread over HTTP: edit, generate again, list the alternatives, switch; nothing is deleted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from flask_assistant_stream.stores import lines
from flask_assistant_stream.stores.base import Kind
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import text, unfinished
from tests.waiting import soon

from .conftest import MakeSite, Site, build

PATIENCE = 20.0


class Talk:
    """A thread of a site, by the texts of its messages."""

    def __init__(self, site: Site, thread_id: str = "") -> None:
        self.site = site
        self.id = thread_id or site.new_thread()
        self.url = f"/threads/{self.id}"

    def messages(self, face: str = "") -> list[dict[str, Any]]:
        """Return the messages of the active line, oldest first."""
        return self.site.listed(f"{face}{self.url}/messages", "order=asc&limit=3")

    def texts(self) -> list[str]:
        return [said(message) for message in self.messages()]

    def message(self, words: str) -> str:
        """Return the id of the message with a text on the active line."""
        return str(next(message["id"] for message in self.messages() if said(message) == words))

    def say(self, content: str) -> None:
        response = self.site.post(f"{self.url}/messages", {"content": content})
        assert (response.status_code, response.data != b"") == (200, True), response.text

    def fork(self, message_id: str, **options: Any) -> TestResponse:
        headers = options.pop("headers", {})
        response = self.site.post(f"{self.url}/messages/{message_id}/fork", options, headers=headers)
        response.get_data()  # to the end of the run
        return response

    def forked(self, message_id: str, **body: Any) -> str:
        """Edit a message or generate an answer again; return the answer."""
        response = self.fork(message_id, **body)
        assert response.status_code == 200, response.text
        return text_of(decode_ndjson(response.data))

    def alternatives(self, message_id: str, query: str = "limit=2") -> list[tuple[str, str | None, bool]]:
        """Return line, text and whether it is active of each alternative."""
        items = self.site.listed(f"{self.url}/messages/{message_id}/alternatives", query)
        assert {item["object"] for item in items} == {"thread.line"}
        return [(item["line_id"], item["message"] and said(item["message"]), item["active"]) for item in items]

    def switch(self, line_id: Any) -> TestResponse:
        return self.site.request("PUT", f"{self.url}/line", json={"line_id": line_id})

    def switched(self, line_id: str) -> list[str]:
        """Switch to a line and return its texts."""
        response = self.switch(line_id)
        assert response.status_code == 200, response.text
        assert response.get_json()["line_id"] == line_id
        return self.texts()

    def shown(self) -> dict[str, Any]:
        return dict(self.site.get(self.url).get_json())


def said(message: dict[str, Any]) -> str:
    return "".join(part["text"]["value"] for part in message["content"])


def sent(site: Site) -> list[str]:
    """Return the texts of the last request to the upstream."""
    return [str(item["content"]) for item in site.engine.requests[-1]["input"]]


def error_of(response: TestResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    return dict(response.get_json()["error"])


@pytest.fixture
def talk(make_site: MakeSite) -> Talk:
    """Return a thread with two questions and answers: q1 a1 q2 a2; the next answers are a3, a4 …"""
    talk = Talk(make_site(*[text(f"a{number}") for number in range(1, 9)]))
    talk.say("q1")
    talk.say("q2")
    return talk


def test_an_edited_message_begins_a_line(talk: Talk) -> None:
    q2 = talk.message("q2")
    before = talk.shown()
    assert before["line_id"] == "line_0"
    assert talk.forked(q2, content="Q2") == "a3"
    assert talk.texts() == ["q1", "a1", "Q2", "a3"]
    assert sent(talk.site) == ["q1", "a1", "Q2"], "the upstream receives the active line"
    after = talk.shown()
    line = after["line_id"]
    assert line not in ("line_0", None)
    assert after["revision"] > before["revision"]
    assert talk.site.listed("/threads") == [after]
    assert talk.site.get(f"/v1{talk.url}").get_json().keys().isdisjoint({"line_id", "revision"})
    assert talk.alternatives(q2) == [("line_0", "q2", False), (line, "Q2", True)]
    assert talk.alternatives(talk.message("Q2")) == talk.alternatives(q2)
    assert talk.alternatives(q2, "limit=1&order=desc") == talk.alternatives(q2)[::-1]
    assert talk.switched("line_0") == ["q1", "a1", "q2", "a2"]
    talk.say("q3")
    assert talk.switched(line) == ["q1", "a1", "Q2", "a3"]


def test_the_first_message_is_edited(talk: Talk) -> None:
    assert talk.forked(talk.message("q1"), content=[{"type": "text", "text": "Q1"}]) == "a3"
    assert (talk.texts(), sent(talk.site)) == (["Q1", "a3"], ["Q1"])


def test_an_answer_is_generated_again(talk: Talk) -> None:
    a1, q1 = talk.message("a1"), talk.message("q1")
    assert talk.forked(a1) == "a3"
    assert (talk.texts(), sent(talk.site)) == (["q1", "a3"], ["q1"])
    assert talk.forked(q1) == "a4", "the message before it means the same place"
    line = talk.shown()["line_id"]
    answers = talk.alternatives(a1)
    assert [(words, active) for _, words, active in answers] == [("a1", False), ("a3", False), ("a4", True)]
    assert (answers[0][0], answers[-1][0]) == ("line_0", line)
    assert talk.alternatives(talk.message("a4")) == answers
    assert talk.alternatives(q1) == [(line, "q1", True)], "a message without alternatives is alone"


def test_a_line_forks_further(talk: Talk) -> None:
    talk.forked(talk.message("a1"))
    talk.say("q3")
    first = talk.shown()["line_id"]
    assert talk.forked(talk.message("q3"), content="Q3") == "a5"
    second = talk.shown()["line_id"]
    assert talk.texts() == ["q1", "a3", "Q3", "a5"]
    assert talk.alternatives(talk.message("q1"))[0] == (second, "q1", True)
    assert talk.alternatives(talk.message("a3")) == [("line_0", "a1", False), (second, "a3", True)]
    assert talk.switched(first) == ["q1", "a3", "q3", "a4"]
    assert talk.alternatives(talk.message("a3"))[1] == (first, "a3", True), "the line used last"
    assert talk.switched("line_0") == ["q1", "a1", "q2", "a2"]


def test_nothing_behind_the_last_message_needs_no_line(make_site: MakeSite) -> None:
    talk = Talk(make_site(text("a1")))
    created = talk.site.post(f"/v1{talk.url}/messages", {"role": "user", "content": "q1"}).get_json()
    assert talk.forked(created["id"]) == "a1"
    assert (talk.texts(), talk.shown()["line_id"]) == (["q1", "a1"], "line_0")


def test_the_last_message_of_another_line_is_answered_on_a_new_one(talk: Talk) -> None:
    late = talk.site.post(f"/v1{talk.url}/messages", {"role": "user", "content": "q3"}).get_json()["id"]
    talk.forked(talk.message("q1"), content="Q1")
    assert talk.forked(late) == "a4"
    assert talk.texts() == ["q1", "a1", "q2", "a2", "q3", "a4"]
    line = talk.shown()["line_id"]
    assert talk.alternatives(talk.message("a4")) == [("line_0", None, False), (line, "a4", True)]


def test_messages_of_all_lines_are_read_by_id(talk: Talk) -> None:
    old = [message["id"] for message in talk.messages()]
    talk.forked(talk.message("q1"), content="Q1")
    for id in old:
        assert talk.site.get(f"/v1{talk.url}/messages/{id}").get_json()["id"] == id
    page = talk.site.get(f"{talk.url}/messages?order=asc&after={old[0]}").get_json()
    assert [said(message) for message in page["data"]] == ["Q1", "a3"], "a cursor of another line counts as a position"


def test_attachments_and_metadata_stay_with_an_edited_message(make_site: MakeSite) -> None:
    site = make_site(*[text(f"a{number}") for number in range(1, 6)])
    talk = Talk(site)
    kept, gone = site.new_file("kept.txt"), site.new_file("gone.txt")
    files = [{"file_id": kept, "tools": [{"type": "code_interpreter"}]}, {"file_id": gone}]
    site.post(f"{talk.url}/messages", {"content": "q1", "attachments": files})
    first = talk.message("q1")
    site.post(f"/v1{talk.url}/messages/{first}", {"metadata": {"a": "b"}})
    site.request("DELETE", f"/v1/files/{gone}")

    def attached(**body: Any) -> list[Any]:
        talk.forked(first, content="Q1", **body)
        message = talk.messages()[0]
        assert message["metadata"] == {"a": "b"}
        return list(message["attachments"])

    assert attached() == files[:1], "a file that was deleted is not attached again"
    assert attached(attachments=None) == files[:1]
    assert attached(attachments=[]) == []
    assert attached(attachments=[{"file_id": kept}]) == [{"file_id": kept}]
    assert error_of(talk.fork(first, content="x", attachments=[{"file_id": "file-x"}]), 404)["param"] == (
        "attachments[0].file_id"
    )
    assert error_of(talk.fork(first, attachments=[{"file_id": kept}]), 400)["param"] == "attachments"


def test_a_fork_that_is_sent_again_is_one(talk: Talk) -> None:
    q2 = talk.message("q2")
    one, two = [talk.fork(q2, content="Q2", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert (one.status_code, one.data) == (200, two.data)
    assert len(talk.alternatives(q2)) == 2
    reused = error_of(talk.fork(q2, content="other", headers={"Idempotency-Key": "k"}), 400)
    assert reused["code"] == "idempotency_key_reused"
    a3 = talk.message("a3")
    again = [talk.fork(a3, headers={"Idempotency-Key": "l"}).data for _ in range(2)]
    assert (again[0], len(talk.alternatives(a3))) == (again[1], 2)


def test_another_assistant_answers(make_site: MakeSite) -> None:
    talk = Talk(make_site(text("a1"), text("a2")))
    talk.say("q1")
    other = talk.site.post("/v1/assistants", {"model": "m"}).get_json()["id"]
    talk.forked(talk.message("a1"), assistantId=other)
    assert talk.messages()[1]["assistant_id"] == other
    assert error_of(talk.fork(talk.message("q1"), assistantId="asst_x"), 404)["param"] == "assistantId"


# -- what is refused: nothing changes ---------------------------------------------------------------------------


def refused(talk: Talk, response: Callable[[], TestResponse], status: int) -> dict[str, Any]:
    """Return the error of a request after which the thread is as before."""
    before = (talk.shown(), talk.site.contents())
    error = error_of(response(), status)
    assert (talk.shown(), talk.site.contents()) == before
    return error


def test_a_message_that_is_not_there(talk: Talk) -> None:
    other, deleted = Talk(talk.site), talk.message("a2")
    talk.site.request("DELETE", f"/v1{talk.url}/messages/{deleted}")
    elsewhere = talk.message("q1")
    for thread, id in ((talk, "msg_x"), (talk, deleted), (other, elsewhere)):
        for body in ({}, {"content": "Q"}):
            error = refused(talk, lambda: thread.fork(id, **body), 404)  # noqa: B023
            assert error["message"] == f"No message found with id '{id}'."
        answer = talk.site.get(f"{thread.url}/messages/{id}/alternatives")
        assert error_of(answer, 404)["message"] == f"No message found with id '{id}'."


def test_only_the_users_messages_are_edited(talk: Talk) -> None:
    error = refused(talk, lambda: talk.fork(talk.message("a1"), content="A1"), 400)
    assert error["param"] == "content"
    assert "edit the user's message before it, or leave out 'content'" in error["message"]


@pytest.mark.parametrize("content", [None, "", " ", [], 5, "x" * 1001, "\0"])
def test_contents_are_checked(make_site: MakeSite, content: Any) -> None:
    talk = Talk(make_site(text("a1"), max_content_chars=1000))
    talk.say("q1")
    assert refused(talk, lambda: talk.fork(talk.message("q1"), content=content), 400)["param"] == "content"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@contextmanager
def answering(talk: Talk, pool: ThreadPoolExecutor, gate: threading.Event) -> Iterator[dict[str, Any]]:
    """Ask on a thread; yield the unfinished answer, whose script waits at the gate."""
    asked = pool.submit(talk.say, "q1")
    soon(lambda: any(message["run_id"] for message in talk.messages()))
    yield talk.messages()[-1]
    gate.set()
    asked.result(PATIENCE)


@pytest.mark.parametrize("policy", ["replace", "reject", "queue"])
def test_a_message_of_an_active_run(make_site: MakeSite, pool: ThreadPoolExecutor, policy: str) -> None:
    gate = threading.Event()
    talk = Talk(make_site([*unfinished("I was saying"), gate], busy_thread=policy))
    with answering(talk, pool, gate) as answer:
        error = refused(talk, lambda: talk.fork(answer["id"]), 400)
        assert (error["code"], error["message"]) == (
            "thread_busy",
            f"Message {answer['id']} belongs to run {answer['run_id']}, which is active: cancel it first.",
        )


def test_a_switch_during_a_run(make_site: MakeSite, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    talk = Talk(make_site([*unfinished("I was saying"), gate]))
    with answering(talk, pool, gate) as answer:
        error = refused(talk, lambda: talk.switch("line_0"), 400)
        assert error["code"] == "thread_busy"
        run = f"Thread {talk.id} already has an active run {answer['run_id']}."
        assert error["message"] == f"{run} Cancel it or wait for its end, then switch."


@pytest.mark.parametrize("line_id", ["line_1", "line_2", "line_999999999999999"])
def test_a_line_that_is_not_there(talk: Talk, line_id: str) -> None:
    error = refused(talk, lambda: talk.switch(line_id), 404)
    assert (error["param"], line_id in error["message"]) == ("line_id", True)


@pytest.mark.parametrize(
    "line_id", [None, 0, "", "0", "line_", "line_-1", "line_01", "line_x", "line_" + "1" * 40, "line_٣"]
)
def test_what_cannot_be_a_line(talk: Talk, line_id: Any) -> None:
    error = refused(talk, lambda: talk.switch(line_id), 400)
    assert error["param"] == "line_id"


def test_the_active_line_may_be_chosen_again(talk: Talk) -> None:
    before = talk.shown()
    for name in ("line_id", "lineId"):
        answer = talk.site.request("PUT", f"{talk.url}/line", json={name: "line_0"})
        assert answer.get_json() == before == talk.shown(), "nothing changes"


@pytest.mark.parametrize("query", ["after=line_7", "before=line_7", "after=msg_x", "limit=0", "order=up"])
def test_queries_of_alternatives(talk: Talk, query: str) -> None:
    answer = talk.site.get(f"{talk.url}/messages/{talk.message('a2')}/alternatives?{query}")
    assert error_of(answer, 400)["param"] == query.partition("=")[0]


def test_pages_of_alternatives(talk: Talk) -> None:
    a2 = talk.message("a2")
    for number in range(3, 7):
        assert talk.forked(a2) == f"a{number}"
    url = f"{talk.url}/messages/{a2}/alternatives"
    ids = [item["id"] for item in talk.site.listed(url, "limit=2")]
    assert (len(ids), ids[0]) == (5, "line_0")
    assert [item["id"] for item in talk.site.listed(url, "limit=2&order=desc")] == ids[::-1]
    page = talk.site.get(f"{url}?limit=2&before={ids[4]}").get_json()
    assert ([item["id"] for item in page["data"]], page["has_more"]) == (ids[2:4], True), "it ends next to the cursor"
    page = talk.site.get(f"{url}?after={ids[0]}&before={ids[2]}").get_json()
    assert ([item["id"] for item in page["data"]], page["has_more"]) == (ids[1:2], False)


def test_a_thousand_forks_of_a_message(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MAX_FORKS", 3)
    q2 = talk.message("q2")
    for _ in range(3):
        talk.forked(q2, content="Q2")
    for body in ({}, {"content": "Q2"}):
        error = refused(talk, lambda: talk.fork(q2, **body), 400)  # noqa: B023
        assert (error["code"], "3 forks" in error["message"]) == ("too_many_forks", True)
    talk.say("q3")
    assert len(talk.alternatives(q2)) == 4


# -- a thread with an active run --------------------------------------------------------------------------------


@pytest.mark.parametrize("edits", [True, False])
def test_a_fork_replaces_the_active_run(make_site: MakeSite, pool: ThreadPoolExecutor, edits: bool) -> None:
    """Also if the run had stored no answer yet when the place of the fork was first looked up."""
    gate = threading.Event()
    talk = Talk(make_site([*unfinished("I was saying"), gate], text("a1")))
    with answering(talk, pool, gate) as answer:
        assert talk.forked(talk.message("q1"), **({"content": "Q1"} if edits else {})) == "a1"
    assert talk.texts() == ["Q1" if edits else "q1", "a1"]
    assert talk.site.bodies(Kind.RUN, talk.id)[1]["status"] == "cancelled"
    kept = talk.site.get(f"/v1{talk.url}/messages/{answer['id']}").get_json()
    assert (said(kept), kept["status"]) == ("I was saying", "incomplete")
    first, second = talk.alternatives(talk.message("Q1") if edits else answer["id"])
    assert (first[0], second[0]) == ("line_0", talk.shown()["line_id"])


def test_an_answer_that_had_not_begun_is_replaced_in_its_place(make_site: MakeSite, pool: ThreadPoolExecutor) -> None:
    """The run stores a text between the first look at the thread and its end."""
    gate, last = threading.Event(), threading.Event()
    talk = Talk(make_site([gate, *unfinished("Late"), last], text("a1")))
    asked = pool.submit(talk.say, "q1")
    soon(lambda: talk.site.engine.requests)
    forking = pool.submit(talk.forked, talk.message("q1"))
    gate.set()
    assert forking.result(PATIENCE) == "a1"
    last.set()
    asked.result(PATIENCE)
    assert talk.texts() == ["q1", "a1"], "whatever the other run has left is on another line"


def test_with_the_policy_reject_a_fork_is_refused(make_site: MakeSite, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    talk = Talk(make_site([*unfinished("I was saying"), gate], busy_thread="reject"))
    with answering(talk, pool, gate):
        for body in ({}, {"content": "Q1"}):
            error = refused(talk, lambda: talk.fork(talk.message("q1"), **body), 400)  # noqa: B023
            assert "already has an active run" in error["message"]


def test_with_the_policy_queue_a_fork_waits(make_site: MakeSite, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    talk = Talk(make_site([gate, *text("a1")], text("a2"), busy_thread="queue"))
    asked = pool.submit(talk.say, "q1")
    soon(lambda: talk.site.engine.requests)
    forking = pool.submit(talk.forked, talk.message("q1"))
    soon(lambda: talk.site.registration.runner.starts.queues.length(("anna", talk.id)))
    gate.set()
    assert (asked.result(PATIENCE), forking.result(PATIENCE)) == (None, "a2")
    assert talk.texts() == ["q1", "a2"], "the answer that the other run has given meanwhile is not before it"
    assert [words for _, words, _ in talk.alternatives(talk.message("a2"))] == ["a1", "a2"]


@pytest.mark.parametrize("apps", [1, 2])
@pytest.mark.parametrize("policy", ["replace", "queue"])
def test_forks_at_once(tmp_path: Path, store_url: str, pool: ThreadPoolExecutor, policy: str, apps: int) -> None:
    """In one process and in two: each is a line of its own, one is active, and the first line is as it was."""
    sites = []
    for number in range(apps):
        folder = tmp_path / str(number)
        folder.mkdir()
        scripts = [text(f"{number}.{answer}") for answer in range(5)]
        sites.append(build(folder, *scripts, store=store_url, busy_thread=policy))
    talk = Talk(sites[0])
    talk.say("q1")
    before, a1 = talk.texts(), talk.messages()[1]["id"]
    forks = [pool.submit(Talk(sites[number % apps], talk.id).fork, a1) for number in range(2)]
    assert [fork.result(PATIENCE).status_code for fork in forks] == [200] * 2
    assert [active for _, _, active in talk.alternatives(a1)].count(True) == 1
    assert len(talk.alternatives(a1)) == 3
    assert talk.switched("line_0") == before
    for site in sites:
        site.close()
