"""Random calls on one thread against a model of what may happen: no fault, no illegal move, one active run at most."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, precondition, rule

from flask_assistant_stream.protocol.run_states import RUN_MOVES, RunStatus
from flask_assistant_stream.testing.scripted import call, failure, incomplete, text, unfinished
from tests.routes.conftest import Site, build

from .conftest import WEATHER, ended, new_thread

ACTIVE = {"queued", "in_progress", "requires_action", "cancelling"}


def said_and_called() -> list[Any]:
    """Script a text with a call behind it."""
    script = call("get_weather")
    return [*script[:1], *text("Let me see.")[1:-1], *script[1:]]


SCRIPTS: dict[str, Callable[[], Any]] = {
    "text": lambda: text("Hi there."),
    "call": lambda: call("get_weather"),
    "text and call": said_and_called,
    "failure": lambda: failure("server_error"),
    "incomplete": lambda: incomplete("Well"),
    "cut off": lambda: unfinished("Well"),
}


def reachable(old: str, new: str) -> bool:
    """Say whether the tables lead from one status to another, by any number of moves."""
    seen, todo = {RunStatus(old)}, [RunStatus(old)]
    while todo:
        for status in RUN_MOVES.get(todo.pop(), frozenset()) - seen:
            seen.add(status)  # type: ignore[arg-type]
            todo.append(status)  # type: ignore[arg-type]
    return RunStatus(new) in seen


class Thread(RuleBasedStateMachine):
    """One thread and everything that clients do to it, in any order."""

    runs = Bundle("runs")
    messages = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.scripts: list[str] = []
        self.site: Site = build(Path(self.folder.name))
        self.site.engine._scripts = (self._script() for _ in itertools.count())
        self.thread = new_thread(self.site)
        self.statuses: dict[str, str] = {}
        self.written: list[str] = []
        self.deleted: set[str] = set()

    def _script(self) -> Any:
        return SCRIPTS[self.scripts.pop(0) if self.scripts else "text"]()

    def teardown(self) -> None:
        self.site.registration.runner.stop()
        self.site.registration.store.close()
        self.folder.cleanup()

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Make a call below the thread; whatever is wrong with it is the caller's fault and said so."""
        options = {} if body is None else {"json": body}
        answer = self.site.request(method, f"/v1/threads/{self.thread}{path}", **options)
        assert answer.status_code in (200, 400, 404), answer.text
        assert answer.status_code == 200 or answer.get_json()["error"]["message"]
        return answer.status_code, answer.get_json() if answer.is_json else None

    def note(self, run: dict[str, Any]) -> None:
        """Compare a run with what was known of it."""
        old = self.statuses.get(run["id"], run["status"])
        assert reachable(old, run["status"]), (old, run["status"])
        self.statuses[run["id"]] = run["status"]

    @property
    def waiting(self) -> list[str]:
        return [run for run, status in self.statuses.items() if status == "requires_action"]

    @rule(target=messages, role=st.sampled_from(["user", "assistant"]))
    def write(self, role: str) -> Any:
        status, body = self.call("POST", "/messages", {"role": role, "content": str(len(self.written))})
        assert (status == 200) == (not self.waiting), body
        if status != 200:
            assert body["error"]["message"].startswith("Can't add messages")
            return multiple()
        self.written.append(body["id"])
        return body["id"]

    @rule(target=runs, scripts=st.lists(st.sampled_from(sorted(SCRIPTS)), min_size=1, max_size=3), stream=st.booleans())
    def begin(self, scripts: list[str], stream: bool) -> Any:
        self.scripts = scripts
        body = {"assistant_id": "asst_default", "tools": [WEATHER], "stream": stream}
        status, answer = self.call("POST", "/runs", body)
        assert (status == 200) == (not self.waiting), answer
        if status != 200:
            assert "already has an active run" in answer["error"]["message"]
            return multiple()
        run = self.site.get(f"/v1/threads/{self.thread}/runs?limit=1").get_json()["data"][0]
        self.note(ended(self.site, run))
        return run["id"]

    @rule(run=runs, which=st.sampled_from(["all", "none", "other"]), stream=st.booleans())
    def submit(self, run: str, which: str, stream: bool) -> None:
        found = self.call("GET", f"/runs/{run}")[1]
        calls = (found["required_action"] or {}).get("submit_tool_outputs", {}).get("tool_calls", [])
        ids = [one["id"] for one in calls] if which == "all" else ["call_x"] if which == "other" else []
        outputs = [{"tool_call_id": id, "output": "x"} for id in ids]
        body = {"tool_outputs": outputs, "stream": stream}
        status, _ = self.call("POST", f"/runs/{run}/submit_tool_outputs", body)
        assert (status == 200) == (run in self.waiting and which == "all")
        self.note(ended(self.site, found))

    @rule(run=runs)
    def cancel(self, run: str) -> None:
        was = self.statuses[run]
        status, body = self.call("POST", f"/runs/{run}/cancel")
        assert (status == 200) == (was in ACTIVE)
        if status == 200:
            assert body["status"] == "cancelled"
            self.note(body)

    @rule(run=runs, metadata=st.dictionaries(st.text("abc", max_size=3), st.text("abc", max_size=3), max_size=2))
    def annotate(self, run: str, metadata: dict[str, str]) -> None:
        status, body = self.call("POST", f"/runs/{run}", {"metadata": metadata})
        assert (status, body["metadata"], body["status"]) == (200, metadata, self.statuses[run])

    @rule(message=messages)
    def delete(self, message: str) -> None:
        status, _ = self.call("DELETE", f"/messages/{message}")
        assert (status == 200) == (message not in self.deleted)
        self.deleted.add(message)

    @precondition(lambda self: self.statuses)
    @rule(newest=st.booleans())
    def delete_what_a_run_has_said(self, newest: bool) -> None:
        run = [*self.statuses][-1 if newest else 0]
        for message in self.call("GET", f"/messages?run_id={run}")[1]["data"]:
            status, _ = self.call("DELETE", f"/messages/{message['id']}")
            assert (status == 200) == (self.statuses[run] not in ACTIVE)
            self.deleted |= {message["id"]} if status == 200 else set()

    @invariant()
    def what_was_deleted_stays_away(self) -> None:
        assert not self.deleted & {one["id"] for one in self.call("GET", "/messages?limit=100")[1]["data"]}

    @rule(what=st.sampled_from(["/runs/run_x", "/messages/msg_x", "/runs/run_x/cancel", "/runs/run_x/steps"]))
    def ask_for_what_is_not_there(self, what: str) -> None:
        assert self.call("POST" if what.endswith("cancel") else "GET", what)[0] == 404

    @precondition(lambda self: self.statuses)
    @rule(limit=st.integers(1, 4), order=st.sampled_from(["asc", "desc"]), path=st.sampled_from(["/runs", "/messages"]))
    def page_through(self, limit: int, order: str, path: str) -> None:
        seen: list[str] = []
        after = ""
        while True:
            _, page = self.call("GET", f"{path}?limit={limit}&order={order}{after}")
            assert len(page["data"]) <= limit
            seen += [one["id"] for one in page["data"]]
            if not page["has_more"]:
                break
            after = f"&after={page['last_id']}"
        whole = [one["id"] for one in self.call("GET", f"{path}?limit=100&order=asc")[1]["data"]]
        assert seen == (whole if order == "asc" else whole[::-1])
        assert len(seen) == len(set(seen))
        if path == "/runs":
            assert seen == [*self.statuses][:: 1 if order == "asc" else -1]
        else:
            assert {*self.written} - self.deleted <= {*seen}

    @invariant()
    def at_most_one_run_is_active(self) -> None:
        runs = self.call("GET", "/runs?limit=100")[1]["data"]
        assert sum(run["status"] in ACTIVE for run in runs) <= 1
        assert {run["id"]: run["status"] for run in runs} == self.statuses


TestThread = Thread.TestCase
TestThread.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
