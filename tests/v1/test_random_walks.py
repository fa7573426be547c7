"""Random walks over one thread: clients begin, answer, cancel, expire, page and delete in any order, right or wrong.

A model of the runs predicts each response and the state of every object after it. Runs are left running (behind gates,
with unread streams) while other calls come, the clock moves only in steps, and the log of each run that has ended is
compared with the table of moves. The file is long because the model and its rules belong together.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from werkzeug.test import TestResponse

from flask_assistant_stream.engines.base import Engine, Search
from flask_assistant_stream.errors import EngineError
from flask_assistant_stream.protocol.run_states import RUN_ACTIVE, RUN_MOVES, RunStatus
from flask_assistant_stream.stores.base import Kind, RunRecord
from flask_assistant_stream.testing import scripted
from flask_assistant_stream.testing.scripted import ScriptedStream, call, calls, unfinished
from tests.routes.conftest import Site, build
from tests.translation.material import COMPONENTS, shared_missing, validate

from .conftest import WEATHER, MakeSite, ended, new_thread

EXAMPLES = int(os.environ.get("WALKS", "50"))
"""The same 50 walks each time; `WALKS=1000` in the environment runs as many others."""
DEADLINE = 20.0
EXPIRY = 600
ACTIVE = {status.value for status in RUN_ACTIVE}

SCRIPTS: dict[str, tuple[Callable[[], list[Any]], str]] = {
    "text": (lambda: scripted.text("Hi there."), "completed"),
    "refusal": (lambda: scripted.refusal("No."), "completed"),
    "call": (lambda: call("get_weather", {"n": 1}), "requires_action"),
    "calls": (lambda: calls(("get_weather", {"n": 1}), ("get_weather", {"n": 2})), "requires_action"),
    "failure": (lambda: scripted.failure("rate_limit_exceeded", "Slow down.", after="Well"), "failed"),
    "error": (lambda: [*unfinished("Well"), EngineError("The upstream is away.")], "failed"),
    "cut off": (lambda: unfinished("Well"), "failed"),
    "too long": (lambda: scripted.incomplete("Well"), "incomplete"),
    "filtered": (lambda: scripted.incomplete("Well", "content_filter"), "incomplete"),
}
"""The kinds of upstream responses, and the status of the run after each."""

KINDS = st.sampled_from([*sorted(SCRIPTS), "call", "call", "calls", "calls"])
GIVEN = st.sampled_from(["right", "right", "right", "none", "some", "extra", "other", "doubled"])
GATED = st.sampled_from([False, False, True])
RUN = st.sampled_from([0, 0, 0, 0, 1, 2])
"""Which run is meant, counted from the newest: mostly that one."""

KEYS = {
    "thread": "id object created_at metadata tool_resources",
    "thread.message": "id object created_at thread_id status incomplete_details completed_at incomplete_at role content"
    " assistant_id run_id attachments metadata",
    "thread.run": "id object created_at thread_id assistant_id status required_action last_error expires_at started_at"
    " cancelled_at failed_at completed_at incomplete_details model instructions tools metadata usage temperature top_p"
    " max_prompt_tokens max_completion_tokens truncation_strategy tool_choice parallel_tool_calls response_format",
    "thread.run.step": "id object created_at assistant_id thread_id run_id type status step_details last_error"
    " expired_at cancelled_at failed_at completed_at metadata usage",
}
"""The documented keys of each object."""


def reachable(old: str, new: str) -> bool:
    """Return if the table leads from one status to another in any number of moves."""
    seen: set[Any] = {RunStatus(old)}
    while more := {move for status in seen for move in RUN_MOVES.get(status, ())} - seen:
        seen |= more
    return RunStatus(new) in seen


@dataclass
class Response:
    """One response of the upstream to come; a gate holds it open in its middle."""

    kind: str
    gate: threading.Event | None = None

    @property
    def end(self) -> str:
        return SCRIPTS[self.kind][1]

    def script(self) -> list[Any]:
        steps = SCRIPTS[self.kind][0]()
        return [*steps[:1], self.gate, *steps[1:]] if self.gate else steps


class Upstream(Engine):
    """Plays each run its own responses; its model identifies the run."""

    name = "walked"

    def __init__(self) -> None:
        self.planned: dict[str, Response] = {}

    def stream(self, request: dict[str, Any], *, search: Search | None = None) -> ScriptedStream:
        return ScriptedStream(self.planned[request["model"]].script())


@dataclass
class Run:
    """The walk's knowledge of a run."""

    response: Response  # the current one, or the last
    body: dict[str, Any]  # as it was read last
    ends: set[str] = field(default_factory=set)  # the statuses it may settle in
    settled: bool = False  # only the walk can change it
    stream: TestResponse | None = None  # its unread stream

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def status(self) -> str:
        return str(self.body["status"])

    @property
    def over(self) -> bool:
        return self.status not in ACTIVE


class Ground:
    """The app of all walks, with a stopped clock; each walk is an owner."""

    def __init__(self, folder: Path) -> None:
        self.upstream = Upstream()
        self.site: Site = build(folder, engine=self.upstream)
        self.store = self.site.registration.store
        self.time = time.time()
        self.store.now = lambda: self.time  # type: ignore[method-assign]
        self.numbers = itertools.count()

    def plan(self, kind: str, gated: bool) -> tuple[Response, str]:
        """Plan the response to a run, and return it with the model that the run must name."""
        response, model = Response(kind, threading.Event() if gated else None), f"m-{next(self.numbers)}"
        self.upstream.planned[model] = response
        return response, model


class Walk(RuleBasedStateMachine):
    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.ground = ground
        self.owner = f"walker-{next(ground.numbers)}"
        self.runs: list[Run] = []
        self.gone_runs: list[str] = []
        self.messages: list[str] = []
        self.deleted: list[str] = []
        self.assistants: list[str] = []
        self.metadata: dict[str, dict[str, str]] = {}
        self.thread = self.ok("POST", "/threads", {"metadata": {"a": "b"}})["id"]
        self.metadata[self.thread] = {"a": "b"}
        self.elsewhere = self.ok("POST", "/threads")["id"]

    def teardown(self) -> None:
        self.hang_up_all()
        for run in self.runs:
            if run.response.gate:
                run.response.gate.set()
        self.delete_thread_itself()

    def open(self, method: str, path: str, body: Any = None) -> TestResponse:
        """Make a call; its answer is never a fault, and an error is in shape."""
        options: dict[str, Any] = {} if body is None else {"json": body}
        answer = self.ground.site.request(method, f"/v1{path}", user=self.owner, **options)
        assert answer.status_code in (200, 400, 404), (method, path, answer.text)
        assert answer.headers["X-Request-Id"]
        if answer.status_code != 200:
            error = answer.get_json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert (error["type"], error["code"], bool(error["message"])) == ("invalid_request_error", None, True)
            assert error["param"] is None or isinstance(error["param"], str)
        return answer

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = self.open(method, path, body)
        result = answer.get_json()
        if answer.status_code == 200:
            for item in result["data"] if result["object"] == "list" else [result]:
                check_object(item)
        return answer.status_code, result

    def ok(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        status, result = self.call(method, path, body)
        assert status == 200, result
        return dict(result)

    def refused(self, status: int, message: str, param: str | None, method: str, path: str, body: Any = None) -> None:
        answered, result = self.call(method, path, body)
        assert answered == status, result
        error = result["error"]
        assert (error["message"].startswith(message), error["param"]) == (True, param), error

    def below(self, path: str) -> str:
        return f"/threads/{self.thread}{path}"

    @property
    def last(self) -> Run | None:
        """The newest run: the only one that may be active."""
        return self.runs[-1] if self.runs else None

    def look(self, run: Run) -> None:
        self.note(run, self.ok("GET", self.below(f"/runs/{run.id}")))

    def note(self, run: Run, body: dict[str, Any]) -> None:
        assert reachable(run.status, body["status"]), (run.status, body["status"])
        if run.over:
            assert body == {**run.body, "metadata": body["metadata"]}, "a run that has ended stays as it is"
        assert body["metadata"] == self.metadata.get(run.id, {})
        assert (body["required_action"] is not None) == (body["status"] == "requires_action"), body
        assert (body["last_error"] is not None) == (body["status"] == "failed"), body
        run.body = body

    def settle(self) -> Run | None:
        """Wait until nothing moves the newest run any more, and return it."""
        run = self.last
        if run is None or run.settled:
            return run
        gate = run.response.gate
        awaited = run.ends if gate is None or gate.is_set() or run.ends != {run.response.end} else {"in_progress"}
        deadline = time.monotonic() + DEADLINE
        while run.status not in awaited:
            self.look(run)
            assert not run.over or run.status in awaited, (run.status, awaited)
            assert time.monotonic() < deadline, f"{run.status} never became {awaited}"
            time.sleep(0.002)
        run.settled = True
        if run.status != "in_progress":
            self.read_stream(run)
        if run.over:
            self.check_log(run)
        return run

    def moving(self, run: Run, response: Response) -> None:
        run.response, run.ends, run.settled = response, {response.end}, False

    def busy(self) -> Run | None:
        """Return the run that is surely active, if one surely is."""
        return self.last if self.last and self.last.settled and not self.last.over else None

    def surely_idle(self) -> bool:
        return self.last is None or self.last.over

    def check_log(self, run: Run) -> None:
        events = [event for row in self.ground.store.read(run.id) for event in row.events]
        of_run = [event for event in events if event.name.startswith("thread.run.") and "step" not in event.name]
        statuses = [RunStatus(event.object()["status"]) for event in of_run]
        assert statuses[0] is RunStatus.QUEUED
        for old, new in itertools.pairwise(statuses):
            assert new is old or new in RUN_MOVES[old], statuses
        assert statuses[-1].value == run.status
        assert [event.seq for event in events] == sorted({event.seq for event in events})

    def read_stream(self, run: Run) -> None:
        """Read the rest of a stream: whole blocks, as 2.1 has them, that end with the status of the run."""
        if run.stream is None:
            return
        blocks = run.stream.get_data(as_text=True).removesuffix("\n\n").split("\n\n")
        run.stream = None
        assert blocks.pop() == "event: done\ndata: [DONE]"
        events = [dict(line.split(": ", 1) for line in text.splitlines() if line[:1] != ":") for text in blocks]
        bodies = [json.loads(event["data"]) for event in events if event]
        runs = [body for body in bodies if body["object"] == "thread.run"]
        assert runs[-1]["status"] == (run.status if run.status != "expired" else runs[-1]["status"])
        for body in bodies:
            check_object(body)

    def hang_up_all(self) -> None:
        for run in self.runs:
            if run.stream is not None:
                run.stream.close()
                run.stream = None

    @rule(role=st.sampled_from(["user", "assistant"]), patient=st.booleans())
    def write(self, role: str, patient: bool) -> None:
        if patient:
            self.settle()
        busy, idle = self.busy(), self.surely_idle()
        status, body = self.call("POST", self.below("/messages"), {"role": role, "content": "x", "metadata": {}})
        if status != 200:
            assert not idle
            assert self.last
            text = f"Can't add messages to {self.thread} while a run {self.last.id} is active."
            assert (status, body["error"]["message"], body["error"]["param"]) == (400, text, None)
            return
        assert not busy
        assert (body["role"], body["status"], body["run_id"]) == (role, "completed", None)
        if self.last and not self.last.settled:
            assert self.settle()
            assert self.last.over

    @rule(which=st.integers(0, 99), pair=st.sampled_from([{}, {"k": "v"}, {"k": "w", "l": ""}]))
    def annotate_a_message(self, which: int, pair: dict[str, str]) -> None:
        if not self.messages:
            return
        id = self.messages[which % len(self.messages)]
        assert self.ok("POST", self.below(f"/messages/{id}"), {"metadata": pair})["metadata"] == pair
        self.metadata[id] = pair

    @rule(which=st.integers(0, 99))
    def delete_a_message(self, which: int) -> None:
        if not self.messages:
            return
        id = self.messages[which % len(self.messages)]
        author = self.ok("GET", self.below(f"/messages/{id}"))["run_id"]
        idle, busy, last = self.surely_idle(), self.busy(), self.last
        status, body = self.call("DELETE", self.below(f"/messages/{id}"))
        if status == 200:
            assert body == {"id": id, "object": "thread.message.deleted", "deleted": True}
            assert not busy or author != busy.id
            self.messages.remove(id)
            self.deleted.append(id)
        else:
            assert not idle
            assert last
            assert (status, author) == (400, last.id)
            text = f"Can't delete message {id} while its run {author} is active."
            assert body["error"]["message"] == text

    @rule(which=st.integers(0, 99), method=st.sampled_from(["GET", "POST", "DELETE"]))
    def ask_for_a_deleted_message(self, which: int, method: str) -> None:
        if not self.deleted:
            return
        id = self.deleted[which % len(self.deleted)]
        path = self.below(f"/messages/{id}")
        self.refused(404, f"No message found with id '{id}'.", None, method, path)

    @rule(
        kind=KINDS,
        gated=GATED,
        stream=st.booleans(),
        added=st.integers(0, 2),
        patient=st.booleans(),
        then=st.booleans(),
    )
    def begin(self, kind: str, gated: bool, stream: bool, added: int, patient: bool, then: bool) -> None:
        if patient:
            self.settle()
        busy, idle, before = self.busy(), self.surely_idle(), self.last
        response, model = self.ground.plan(kind, gated)
        more = [{"role": "user", "content": "more"}] * added
        fields = {"assistant_id": "asst_default", "model": model, "tools": [WEATHER], "additional_messages": more}
        answer = self.open("POST", self.below("/runs"), {**fields, "stream": stream})
        if answer.status_code != 200:
            assert not idle
            assert before
            text = f"Thread {self.thread} already has an active run {before.id}."
            assert (answer.status_code, answer.get_json()["error"]["message"]) == (400, text)
            return
        assert not busy
        if before and not before.over:
            self.look(before)
            assert before.over
        self.begun(answer, response, model)
        if then:
            self.settle()

    def begun(self, answer: TestResponse, response: Response, model: str) -> None:
        id = answer.headers["X-Run-Id"] if answer.is_streamed and not answer.is_json else answer.get_json()["id"]
        body = self.ok("GET", self.below(f"/runs/{id}"))
        assert (body["model"], body["thread_id"]) == (model, self.thread)
        assert reachable("queued", body["status"])
        run = Run(response, body, stream=None if answer.is_json else answer)
        self.runs.append(run)
        self.moving(run, response)

    @rule(kind=KINDS, gated=GATED, stream=st.booleans(), texts=st.integers(0, 2), chance=st.integers(0, 5))
    def begin_with_a_thread(self, kind: str, gated: bool, stream: bool, texts: int, chance: int) -> None:
        """Change to a new thread created for a run; rarely, or no walk gets far."""
        if chance:
            return
        self.leave()
        response, model = self.ground.plan(kind, gated)
        thread = {"messages": [{"role": "user", "content": "x"}] * texts, "metadata": {"c": "d"}}
        body = {"assistant_id": "asst_default", "model": model, "tools": [WEATHER], "thread": thread, "stream": stream}
        answer = self.open("POST", "/threads/runs", body)
        assert answer.status_code == 200, answer.text
        self.thread = answer.headers["X-Thread-Id"] if stream else answer.get_json()["thread_id"]
        self.metadata[self.thread] = {"c": "d"}
        self.begun(answer, response, model)
        self.settle()
        listed = self.ok("GET", self.below("/messages?order=asc"))["data"]
        assert [item["role"] for item in listed[:texts]] == ["user"] * texts

    @rule(patient=st.booleans())
    def open_the_gate(self, patient: bool) -> None:
        run = self.last
        if not run or not run.response.gate:
            return
        run.response.gate.set()
        if not run.over:
            run.settled = False
        if patient:
            self.settle()

    @rule(which=RUN, patient=st.booleans())
    def cancel(self, which: int, patient: bool) -> None:
        if not self.runs:
            return None
        run = self.runs[-1 - which % len(self.runs)]
        if patient:
            self.settle()
        was_settled, was = run.settled, run.status
        if run.over:
            text = f"Cannot cancel run with status '{was}'."
            return self.refused(400, text, None, "POST", self.below(f"/runs/{run.id}/cancel"))
        status, body = self.call("POST", self.below(f"/runs/{run.id}/cancel"))
        if status == 400:
            assert not was_settled
            assert body["error"]["message"].startswith("Cannot cancel run with status")
            self.settle()
            assert run.over
            return None
        self.note(run, body)
        # An ending that was under way may win; a required action that was under way is cancelled too.
        run.ends = {"cancelled"} if was_settled else {"cancelled", run.response.end} - {"requires_action"}
        assert body["status"] in {"cancelling", *run.ends}
        if was_settled and was == "requires_action":
            assert body["status"] == "cancelled"
        run.settled = False
        self.ground.time += 2  # a wish that its worker does not see to is seen to by others
        self.settle()
        return None

    @rule(which=RUN, given=GIVEN, kind=KINDS, gated=GATED, stream=st.booleans(), then=st.booleans())
    def submit(self, which: int, given: str, kind: str, gated: bool, stream: bool, then: bool) -> None:
        if not self.runs:
            return None
        self.settle()
        run = self.runs[-1 - which % len(self.runs)]
        if run.status == "requires_action" and self.ground.time >= run.body["expires_at"]:
            self.expired(run)
        path = self.below(f"/runs/{run.id}/submit_tool_outputs")
        wanted = (run.body["required_action"] or {"submit_tool_outputs": {"tool_calls": []}})["submit_tool_outputs"]
        ids = [item["id"] for item in wanted["tool_calls"]] or ["call_1"]
        chosen = {
            "right": ids[::-1],
            "none": [],
            "some": ids[1:],
            "extra": [*ids, "call_x"],
            "other": ["call_x"],
            "doubled": [*ids, ids[0]],
        }[given]
        body = {"tool_outputs": [{"tool_call_id": id, "output": "sun"} for id in chosen], "stream": stream}
        if given == "doubled":
            param = f"tool_outputs[{len(ids)}].tool_call_id"
            return self.refused(400, f"Invalid '{param}'", param, "POST", path, body)
        if run.status != "requires_action":
            text = f'Runs in status "{run.status}" do not accept tool outputs.'
            return self.refused(400, text, None, "POST", path, body)
        if given != "right":
            return self.refused(400, "Expected tool outputs for call_ids [", "tool_outputs", "POST", path, body)
        response = Response(kind, threading.Event() if gated else None)
        self.ground.upstream.planned[run.body["model"]] = response
        answer = self.open("POST", path, body)
        assert answer.status_code == 200, answer.text
        self.moving(run, response)
        run.body = {**run.body, "status": "queued", "required_action": None}
        if stream:
            run.stream = answer
        elif answer.get_json()["status"] != "requires_action" or response.end == "requires_action":
            assert answer.get_json()["id"] == run.id
        else:
            raise AssertionError("the run waits for what it was given")
        self.look(run)
        if then:
            self.settle()
        return None

    @rule(which=RUN, pair=st.sampled_from([{}, {"k": "v"}, {"k": "w", "l": ""}]))
    def annotate_a_run(self, which: int, pair: dict[str, str]) -> None:
        if not self.runs:
            return
        run = self.runs[-1 - which % len(self.runs)]
        self.metadata[run.id] = pair
        self.note(run, self.ok("POST", self.below(f"/runs/{run.id}"), {"metadata": pair}))

    @rule(which=RUN)
    def the_messages_of_a_run(self, which: int) -> None:
        if not self.runs:
            return
        run = self.runs[-1 - which % len(self.runs)]
        listed = self.ok("GET", self.below(f"/messages?run_id={run.id}&limit=100"))["data"]
        assert {(item["run_id"], item["role"]) for item in listed} <= {(run.id, "assistant")}

    @rule()
    def a_reader_goes_away(self) -> None:
        self.hang_up_all()

    @rule(seconds=st.sampled_from([1, 299, 300, 301, EXPIRY - 1, EXPIRY]))
    def time_passes(self, seconds: int) -> None:
        run = self.settle()
        if run and run.status == "in_progress":
            return  # what is being executed here would look abandoned: its lease is renewed by the real clock
        self.ground.time += seconds
        if run and run.status == "requires_action" and self.ground.time >= run.body["expires_at"]:
            self.expired(run)

    def expired(self, run: Run) -> None:
        run.ends, run.settled, run.response.gate = {"expired"}, False, None
        self.settle()

    @rule(
        kind=st.sampled_from(["call", "calls"]),
        seconds=st.sampled_from([0, 0, 1, EXPIRY - 1, EXPIRY, EXPIRY + 1]),
        given=GIVEN,
        then=KINDS,
        stream=st.booleans(),
    )
    def ask_wait_and_answer(self, kind: str, seconds: int, given: str, then: str, stream: bool) -> None:
        self.begin(kind=kind, gated=False, stream=stream, added=0, patient=True, then=True)
        self.time_passes(seconds=seconds)
        self.submit(which=0, given=given, kind=then, gated=False, stream=stream, then=True)

    @rule(kind=KINDS, gated=st.booleans(), stream=st.booleans())
    def crowd(self, kind: str, gated: bool, stream: bool) -> None:
        self.begin(kind=kind, gated=gated, stream=stream, added=1, patient=True, then=gated)
        self.write(role="user", patient=False)
        self.begin(kind=kind, gated=False, stream=stream, added=1, patient=False, then=False)
        self.delete_a_message(which=-1)
        self.cancel(which=0, patient=False)

    @rule(pair=st.sampled_from([{}, {"k": "v"}]))
    def annotate_the_thread(self, pair: dict[str, str]) -> None:
        assert self.ok("POST", self.below(""), {"metadata": pair})["metadata"] == pair
        self.metadata[self.thread] = pair

    def delete_thread_itself(self) -> None:
        gone = {"id": self.thread, "object": "thread.deleted", "deleted": True}
        assert self.call("DELETE", self.below("")) == (200, gone)

    def leave(self) -> None:
        self.hang_up_all()
        self.delete_thread_itself()
        self.gone_runs = [run.id for run in self.runs]
        self.runs, self.messages, self.deleted = [], [], []

    @rule(texts=st.integers(0, 2), chance=st.integers(0, 5))
    def delete_the_thread(self, texts: int, chance: int) -> None:
        """Delete the thread, whatever runs on it, see that nothing is left of it, and go on with another one."""
        if chance:
            return
        gone, some = self.thread, [*self.messages[:1]]
        self.leave()
        text = f"No thread found with id '{gone}'."
        paths = [f"/runs/{id}{rest}" for id in self.gone_runs[-1:] for rest in ("", "/steps", "/steps/step_x")]
        for path in ["", "/messages", "/runs", *paths, *(f"/messages/{id}" for id in some)]:
            self.refused(404, text, None, "GET", f"/threads/{gone}{path}")
        self.refused(404, text, None, "DELETE", f"/threads/{gone}")
        self.refused(404, text, None, "POST", f"/threads/{gone}/messages", {"role": "user", "content": "x"})
        self.refused(404, text, None, "POST", f"/threads/{gone}/runs", {"assistant_id": "asst_default"})
        self.thread = self.ok("POST", "/threads", {"messages": [{"role": "user", "content": "x"}] * texts})["id"]

    @rule(
        call=st.sampled_from(
            [
                *((method, "/runs/run_x", "run 'run_x'") for method in ("GET", "POST")),
                ("POST", "/runs/run_x/cancel", "run 'run_x'"),
                *(("GET", f"/runs/run_x{path}", "run 'run_x'") for path in ("/steps", "/steps/step_x")),
                *((method, "/messages/msg_x", "message 'msg_x'") for method in ("GET", "POST", "DELETE")),
            ]
        )
    )
    def ask_for_an_unknown_object(self, call: tuple[str, str, str]) -> None:
        method, path, name = call
        self.refused(404, f"No {name.replace(' ', ' found with id ')}.", None, method, self.below(path))

    @rule(which=RUN, rest=st.sampled_from(["", "/cancel", "/submit_tool_outputs", "/steps"]))
    def ask_for_a_run_in_another_thread(self, which: int, rest: str) -> None:
        if not self.runs:
            return
        run = self.runs[-1 - which % len(self.runs)]
        method = "POST" if rest in ("/cancel", "/submit_tool_outputs") else "GET"
        body: Any = {"tool_outputs": []} if rest == "/submit_tool_outputs" else None
        path = f"/threads/{self.elsewhere}/runs/{run.id}{rest}"
        self.refused(404, f"No run found with id '{run.id}'.", None, method, path, body)

    @rule(kind=st.sampled_from(["/messages", "/runs"]), where=st.sampled_from(["after", "before"]))
    def page_from_an_object_of_another_list(self, kind: str, where: str) -> None:
        other = (self.messages if kind == "/runs" else [run.id for run in self.runs]) or [self.thread]
        path = self.below(f"{kind}?{where}={other[0]}")
        self.refused(400, f"Invalid '{where}'", where, "GET", path)

    @rule(
        kind=st.sampled_from(["/messages", "/messages", "/runs", "/steps", "/assistants"]),
        limit=st.sampled_from([2, 3, 1, 4, 5]),
        order=st.sampled_from(["asc", "desc"]),
        backwards=st.booleans(),
        which=RUN,
    )
    def page_through(self, kind: str, limit: int, order: str, backwards: bool, which: int) -> None:
        self.settle()
        if kind == "/steps" and not self.runs:
            return
        path = "/assistants" if kind == "/assistants" else self.below(kind)
        if kind == "/steps":
            path = self.below(f"/runs/{self.runs[-1 - which % len(self.runs)].id}/steps")
        while kind == "/assistants" and len(self.assistants) < 7:
            self.assistants.append(self.ok("POST", "/assistants", {"model": "m"})["id"])
        for _ in range(3 if kind == "/messages" and self.surely_idle() else 0):
            self.write(role="user", patient=False)
        whole = self.page(path, f"limit=100&order={order}")["data"]
        pages, query = [], f"limit={limit}&order={order}"
        page = self.page(path, query)
        if backwards and whole:
            page = self.page(path, f"{query}&before={whole[-1]['id']}")
        while True:
            pages.append(page["data"])
            assert len(page["data"]) == limit or not page["has_more"]
            if not page["has_more"]:
                break
            where = f"before={page['first_id']}" if backwards else f"after={page['last_id']}"
            page = self.page(path, f"{query}&{where}")
        joined = [item for data in (pages[::-1] if backwards else pages) for item in data]
        assert joined == (whole[:-1] if backwards else whole)
        if kind == "/steps" and (not self.last or self.last.over):
            assert not any(item["status"] == "in_progress" for item in whole)

    def page(self, path: str, query: str) -> dict[str, Any]:
        page = self.ok("GET", f"{path}?{query}")
        ids = [item["id"] for item in page["data"]]
        assert set(page) == {"object", "data", "first_id", "last_id", "has_more"}
        assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
        assert len(set(ids)) == len(ids)
        return page

    @invariant()
    def runs_are_as_the_model_has_them(self) -> None:
        listed = self.ok("GET", self.below("/runs?limit=100&order=asc"))["data"]
        assert [item["id"] for item in listed] == [run.id for run in self.runs]
        for run, body in zip(self.runs, listed, strict=True):
            settled, was = run.settled, run.status
            self.note(run, body)
            assert run.status == was or not settled
        assert sum(not run.over for run in self.runs) <= 1
        assert all(run.over for run in self.runs[:-1])

    @invariant()
    def messages_keep_their_order(self) -> None:
        idle = self.surely_idle()
        listed = self.ok("GET", self.below("/messages?limit=100&order=asc"))["data"]
        ids = [item["id"] for item in listed]
        assert ids[: len(self.messages)] == self.messages
        assert not {*ids} & {*self.deleted}
        for message in listed:
            assert message["metadata"] == self.metadata.get(message["id"], {})
            assert message["status"] != "in_progress" or not idle
        self.messages = ids

    @invariant()
    def the_thread_is_as_it_was_left(self) -> None:
        thread = self.ok("GET", self.below(""))
        assert (thread["id"], thread["metadata"]) == (self.thread, self.metadata.get(self.thread, {}))


_checked: set[str] = set()


def check_object(body: dict[str, Any]) -> None:
    seen = json.dumps(body, sort_keys=True)
    if seen in _checked:
        return
    _checked.add(seen)
    assert set(KEYS.get(body["object"], "").split()) <= set(body)
    component = {**COMPONENTS, "assistant": "AssistantObject"}.get(body["object"])
    if component and not shared_missing():
        validate(component, body)


@pytest.mark.slow
def test_random_walks(tmp_path: Path) -> None:
    ground = Ground(tmp_path)
    bounds = settings(
        max_examples=EXAMPLES,
        stateful_step_count=30,
        deadline=None,
        derandomize="WALKS" not in os.environ,
        database=None,
        phases=[Phase.generate],  # runs race with the calls: a walk that is made shorter is another walk
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(lambda: Walk(ground), settings=bounds)  # type: ignore[arg-type]
    finally:
        ground.site.close()


def test_a_run_that_is_being_answered_or_ended_waits_for_nothing(make_site: MakeSite) -> None:
    site = make_site(call("get_weather"))
    body = {"assistant_id": "asst_default", "tools": [WEATHER]}
    run = ended(site, site.post(f"/v1/threads/{new_thread(site, 'x')}/runs", body).get_json())
    assert run["required_action"]
    store, path = site.registration.store, f"/v1/threads/{run['thread_id']}/runs"
    record = store.get(Kind.RUN, "anna", run["id"])
    assert isinstance(record, RunRecord)
    assert store.claim(record, due_at=store.now() + 100)
    for shown in (site.get(f"{path}/{run['id']}").get_json(), site.get(path).get_json()["data"][0]):
        assert (shown["status"], shown["required_action"]) == ("queued", None)
