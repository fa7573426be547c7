"""SQLite and MongoDB give the same answers to the same requests, over HTTP.

Each conversation is held with two servers, one on each store. The notes of their answers, with ids numbered in order
and without times, must be the same.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fake_upstream import UpstreamProcess
from tests.mongodb_server import a_database
from tests.server_process import Answer, ServerProcess, gunicorn, serving
from tests.translation.checker import check

IDS = re.compile(r"\b(asst|thread|msg|run|step|call|req)_[0-9A-Za-z]{20,}")


class Site:
    """A server for one user, and notes of its answers."""

    def __init__(self, server: ServerProcess, user: str) -> None:
        self.server = server
        self.user = {"X-User": user}
        self.notes: list[Any] = []
        self._numbers: dict[str, str] = {}

    def request(self, method: str, path: str, body: object = None, *, quiet: bool = False) -> Answer:
        """Send a request; note the answer, unless its words depend on timing."""
        answer = self.server.request(method, path, body, headers=self.user, origin="http://localhost:3000")
        if not quiet:
            self.notes.append((method, self._anonymous(path), answer.status, *self._noted(answer)))
        return answer

    def get(self, path: str) -> Any:
        return self.request("GET", path).json

    def post(self, path: str, body: object = None, **options: Any) -> Answer:
        return self.request("POST", path, body, **options)

    def chat(self, content: str, thread_id: str | None = None) -> Answer:
        return self.post("/chat/stream", {"content": content, **({"threadId": thread_id} if thread_id else {})})

    def _noted(self, answer: Answer) -> Iterator[Any]:
        headers = ("Content-Type", "Cache-Control", "Access-Control-Allow-Origin", "Retry-After", "Allow")
        yield [answer.headers[name] for name in headers]
        if answer.headers["Content-Type"] == "application/json":
            yield self._anonymous(answer.json)
        elif "ndjson" in answer.headers["Content-Type"]:
            # The number of deltas depends on how the bytes came; `check` knows that they add up.
            yield self._anonymous([(each.name, each.object()) for each in answer.events if ".delta" not in each.name])

    def _anonymous(self, value: Any) -> Any:
        """Number the ids and leave the times out."""
        return json.loads(IDS.sub(self._number, json.dumps(_timeless(value))))

    def _number(self, match: re.Match[str]) -> str:
        return self._numbers.setdefault(match[0], f"{match[1]} {len(self._numbers)}")


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        times = {key: "some time" for key, item in value.items() if key.endswith("_at") and isinstance(item, int)}
        return {key: times.get(key, _timeless(item)) for key, item in value.items()}
    return [_timeless(item) for item in value] if isinstance(value, (list, tuple)) else value


def a_chat(site: Site) -> None:
    first = site.chat("Grüße 👋")
    check(first.events)
    thread_id = first.run["thread_id"]
    check(site.chat("And then?", thread_id).events)
    check(site.post(f"/threads/{thread_id}/messages", {"content": [{"type": "text", "text": "More."}]}).events)
    assert len(site.get(f"/threads/{thread_id}/messages")["data"]) == 6
    site.get(f"/threads/{thread_id}")
    site.get("/threads")
    site.post("/", quiet=False)


def paging(site: Site) -> None:
    thread_id = site.chat("@@script:text?say=0@@").run["thread_id"]
    for number in range(1, 4):
        site.chat(f"@@script:text?say={number}@@", thread_id)
    path = f"/threads/{thread_id}/messages"
    whole = [message["id"] for message in site.get(f"{path}?limit=100&order=asc")["data"]]
    assert len(whole) == 8
    assert [message["id"] for message in site.get(path)["data"]] == whole[::-1]
    for order, ids in (("asc", whole), ("desc", whole[::-1])):
        seen: list[str] = []
        more = True
        while more:
            after = f"&after={seen[-1]}" if seen else ""
            page = site.get(f"{path}?limit=3&order={order}{after}")
            seen += [message["id"] for message in page["data"]]
            more = page["has_more"]
        assert seen == ids
        before = site.get(f"{path}?limit=2&order={order}&before={ids[4]}")["data"]
        assert {message["id"] for message in before} <= set(ids[:4])
        site.get(f"{path}?limit=100&order={order}&after={ids[1]}&before={ids[6]}")
    site.get(f"{path}?after={whole[-1]}&order=asc")
    site.get(f"{path}?after=msg_unknown")


def threads(site: Site) -> None:
    answers = [site.post("/threads", {"title": f"Thread {n}", "metadata": {"n": str(n)}}) for n in range(5)]
    ids = [answer.json["threadId"] for answer in answers]
    assert [thread["id"] for thread in site.get("/threads")["data"]] == ids[::-1]
    site.get("/threads?limit=2")
    site.get(f"/threads?limit=2&after={ids[3]}")
    site.get(f"/threads?limit=2&before={ids[1]}&order=asc")
    first = f"/threads/{ids[0]}"
    awkward = {"metadata": {"a.b": "$c", "$d": "", "": "e"}}
    for body in ({"title": " Renamed 👩‍🚀 "}, awkward, {"title": None}, {"metadata": None}, {}):
        site.request("PATCH", first, body)
        site.get(first)
    site.request("PATCH", "/threads/thread_unknown", {"title": "x"})
    site.get(f"{first}/messages")
    site.chat("hello", ids[0])
    site.get("/threads")


def actions(site: Site) -> None:
    run = site.chat("@@script:two_calls@@").run
    calls = [call["id"] for call in run["required_action"]["submit_tool_outputs"]["tool_calls"]]
    path = f"/threads/{run['thread_id']}/actions"
    outputs = [{"tool_call_id": call, "output": "21 °C"} for call in calls]
    site.post(path, {"runId": run["id"], "toolCallOutputs": outputs[:1]})
    site.post(path, {"runId": "run_unknown", "toolCallOutputs": outputs})
    rest = site.post(path, {"runId": run["id"], "toolCallOutputs": outputs})
    assert rest.run["status"] == "completed"
    site.post(path, {"runId": run["id"], "toolCallOutputs": outputs})
    site.get(f"/threads/{run['thread_id']}/messages")
    site.request("GET", f"/threads/{run['thread_id']}/runs/{run['id']}/stream")


def an_unanswered_action(site: Site) -> None:
    run = site.chat("@@script:call@@").run
    assert site.chat("never mind", run["thread_id"]).run["status"] == "completed"
    assert site.request("GET", f"/threads/{run['thread_id']}/runs/{run['id']}/stream").run["status"] == "cancelled"
    waiting = site.chat("@@script:call@@", run["thread_id"]).run
    assert site.post(f"/threads/{run['thread_id']}/runs/{waiting['id']}/cancel").json["status"] == "cancelled"
    site.post(f"/threads/{run['thread_id']}/runs/{waiting['id']}/cancel")
    site.get(f"/threads/{run['thread_id']}/messages")


def cancel(site: Site) -> None:
    thread_id = site.post("/threads").json["threadId"]
    body = {"content": "@@script:stall?after=4@@", "threadId": thread_id}
    with site.server.opened("/chat/stream", body, headers=site.user) as stream:
        stream.read_until("thread.message.delta")
        assert site.post(f"{stream.run_path}/cancel", quiet=True).status == 200
        assert stream.read_events()[-1].name == "thread.run.cancelled"
    site.post(f"{stream.run_path}/cancel")
    site.request("GET", f"{stream.run_path}/stream")
    site.get(f"/threads/{thread_id}/messages")
    assert site.chat("hello", thread_id).run["status"] == "completed"
    site.get(f"/threads/{thread_id}/messages")


def resume(site: Site) -> None:
    whole = site.chat("hello")
    run, events = whole.run, whole.events
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/stream"
    for event in events:
        assert site.request("GET", f"{path}?after={event.seq}", quiet=True).events == events[event.seq :]
    site.request("GET", path)
    site.request("GET", f"{path}?after=100000")
    site.request("GET", f"/threads/{run['thread_id']}/runs/run_unknown/stream")


def deletes(site: Site) -> None:
    kept, gone = site.chat("stay").run, site.chat("@@script:call@@").run
    site.request("DELETE", f"/threads/{gone['thread_id']}")
    run_path = f"/runs/{gone['id']}"
    for call in ("DELETE ", "GET ", "GET /messages", f"GET {run_path}/stream", f"POST {run_path}/cancel"):
        method, path = call.split(" ")
        assert site.request(method, f"/threads/{gone['thread_id']}{path}").status == 404
    assert site.chat("hello", gone["thread_id"]).status == 404
    with site.server.opened("/chat/stream", {"content": "@@script:stall@@"}, headers=site.user) as stream:
        stream.read_until("thread.message.delta")
        assert site.request("DELETE", f"/threads/{stream.headers['X-Thread-Id']}").status == 200
    assert [thread["id"] for thread in site.get("/threads")["data"]] == [kept["thread_id"]]
    site.get(f"/threads/{kept['thread_id']}/messages")


def errors(site: Site) -> None:
    for path, body in (
        ("/chat/stream", {"content": ""}),
        ("/chat/stream", {"content": "a\0b"}),
        ("/chat/stream", {"content": "\ud800"}),
        ("/chat/stream", {"content": "hi", "threadId": "thread_unknown"}),
        ("/chat/stream", {"content": "hi", "threadId": "$where"}),
        ("/chat/stream", {"content": "hi", "assistantId": "asst_unknown"}),
        ("/threads", {"metadata": {"a": 1}}),
        ("/threads", {"title": "x" * 300}),
        ("/threads/thread_unknown/messages", {"content": "hi"}),
        ("/threads/thread_unknown/actions", {"runId": "run_unknown", "toolCallOutputs": [{"tool_call_id": "c"}]}),
    ):
        assert site.post(path, body).status in (400, 404)
    for path in ("/threads?after=thread_unknown", "/threads/a.b", "/threads/$x/messages", "/nowhere"):
        assert site.request("GET", path).status in (400, 404)
    assert site.get("/threads")["data"] == []


def failures(site: Site) -> None:
    thread_id = site.post("/threads").json["threadId"]
    for script, status in (("fail", "failed"), ("clean_eof", "failed"), ("incomplete", "incomplete")):
        assert site.chat(f"@@script:{script}@@", thread_id).run["status"] == status
    assert site.chat("@@script:refusal@@", thread_id).run["status"] == "completed"
    site.get(f"/threads/{thread_id}/messages")


def strange_texts(site: Site) -> None:
    """Texts that a document store or a text column might interpret."""
    for text in ("$set", "a.b", "'; DROP TABLE messages; --", "\u2028\u0001\ufeff", "e\u0301 ≠ é", "x" * 100_000):
        run = site.chat(text).run
        message = site.get(f"/threads/{run['thread_id']}/messages?order=asc")["data"][0]
        assert message["role"] == "user"
        assert message["content"][0]["text"]["value"] == text


CONVERSATIONS: list[Callable[[Site], None]] = [a_chat, paging, threads, actions, an_unanswered_action, cancel, resume]
CONVERSATIONS += [deletes, errors, failures, strange_texts]


@pytest.fixture(scope="module")
def on_mongodb(
    played: UpstreamProcess, mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """The app of these tests on MongoDB."""
    where = tmp_path_factory.mktemp("mongo")
    with a_database(mongodb_uri) as store, serving(gunicorn(), where, store=store, upstream=played.base_url) as running:
        yield running


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda conversation: conversation.__name__)
def test_both_stores_answer_alike(
    conversation: Callable[[Site], None], server: ServerProcess, on_mongodb: ServerProcess
) -> None:
    user = f"{conversation.__name__}-{secrets.token_hex(4)}"
    sites = [Site(server, user), Site(on_mongodb, user)]
    for site in sites:
        conversation(site)
    for sqlite_note, mongodb_note in zip(sites[0].notes, sites[1].notes, strict=True):
        assert sqlite_note == mongodb_note
