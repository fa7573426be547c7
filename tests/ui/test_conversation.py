"""The page's conversation: histories, steps and streams of a real app become the entries of the log."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_assistant_stream import create_assistant_blueprint, shared_owner
from flask_assistant_stream.engines.base import Item
from flask_assistant_stream.engines.response_items import ResponseItems
from flask_assistant_stream.testing.scripted import ScriptedEngine, call, calls, failure, incomplete, refusal, text
from flask_assistant_stream.tools.registry import tool_of
from tests.node_clients import node_program
from tests.stack.app import WEATHER, add, erase

pytestmark = pytest.mark.node

API = "/api/assistants"
HERE = Path(__file__).parent

Entry = dict[str, Any]


class Page:
    """A client of an app that records the calls a page would make on its conversation.

    Attributes:
        calls: the recorded calls, in the format of `entries.mjs`.
        thread, run: ids of the last stream.
    """

    def __init__(self, client: FlaskClient) -> None:
        self._client = client
        self.calls: list[list[Any]] = []
        self.thread = self.run = ""

    def get(self, path: str) -> Any:
        answer = self._client.get(API + path)
        assert answer.status_code == 200, answer.data
        return answer.get_json()

    def send(self, content: str) -> list[Entry]:
        """Send a message as the page does; return the events."""
        self.calls.append(["draft", content])
        path = f"/threads/{self.thread}/messages" if self.thread else "/chat/stream"
        return self._stream(path, {"content": content}, accepted=True)

    def answer(self, **outputs: str) -> list[Entry]:
        """Answer the calls that the run waits for, by their tools' names."""
        required = self.newest_run()["required_action"]["submit_tool_outputs"]["tool_calls"]
        names = {call["id"]: call["function"]["name"].split(".")[-1] for call in required}
        answers = [{"tool_call_id": id, "output": outputs[name]} for id, name in names.items()]
        return self._stream(f"/threads/{self.thread}/actions", {"runId": self.run, "toolCallOutputs": answers})

    def _stream(self, path: str, body: Any, *, accepted: bool = False) -> list[Entry]:
        answer = self._client.post(API + path, json=body)
        assert answer.status_code == 200, answer.data
        self.thread, self.run = answer.headers["X-Thread-Id"], answer.headers["X-Run-Id"]
        events = [json.loads(line) for line in answer.data.splitlines() if line]
        self.calls += [["accept", self.run]] if accepted else []
        self.calls.append(["stream", self.run, events])
        return events

    def newest_run(self) -> Any:
        return self.get(f"/v1/threads/{self.thread}/runs?limit=1")["data"][0]

    def replay(self, run: str | None = None) -> list[Entry]:
        """Read a run's stream from its beginning."""
        answer = self._client.get(f"{API}/threads/{self.thread}/runs/{run or self.run}/stream?after=0")
        return [json.loads(line) for line in answer.data.splitlines() if line]

    def history(self) -> Any:
        return self.get(f"/threads/{self.thread}/messages?order=asc")["data"]

    def steps(self, run: str | None = None) -> Any:
        return self.get(f"/v1/threads/{self.thread}/runs/{run or self.run}/steps?order=asc")["data"]

    def reload(self) -> None:
        """Replace the calls with those of a page that opens the thread; the run must have ended."""
        self.calls = [
            ["addHistory", self.history()],
            ["addSteps", self.run, self.steps()],
            ["setRun", self.newest_run()],
        ]

    def shown(self) -> dict[str, Any]:
        """Apply the calls; return entries, activity texts and the busy run."""
        command, source = [node_program(), "entries.mjs"], json.dumps(self.calls)
        done = subprocess.run(command, cwd=HERE, input=source, capture_output=True, encoding="utf-8", timeout=60)
        assert done.returncode == 0, done.stderr
        shown: dict[str, Any] = json.loads(done.stdout)
        return shown

    def entries(self) -> list[Entry]:
        """Return the entries."""
        shown: list[Entry] = self.shown()["entries"]
        return shown


@pytest.fixture
def page_of(tmp_path: Path) -> Callable[..., Page]:
    """Make a page over an app with a scripted upstream."""

    def make(*scripts: Any, **options: Any) -> Page:
        app = Flask(__name__, instance_path=str(tmp_path))
        app.testing = True
        blueprint = create_assistant_blueprint(
            engine=ScriptedEngine(*scripts),
            authenticate=shared_owner("anna"),
            tools=[add, tool_of(erase, requires_approval=True), WEATHER, {"type": "file_search"}],
            **options,
        )
        app.register_blueprint(blueprint, url_prefix=API)
        return Page(app.test_client())

    return make


def script(middle: Callable[[ResponseItems], Iterator[Item]]) -> list[list[Item]]:
    """Script a response with these items."""
    items = ResponseItems({"model": "a-model"}, now=lambda: 0.0)
    return [[*items.begin(), *middle(items), items.complete()]]


def brief(entries: list[Entry]) -> list[tuple[str, str]]:
    """Return role or kind, and text, of each entry."""
    return [(entry.get("role") or entry["kind"], _text(entry)) for entry in entries]


def _text(entry: Entry) -> str:
    if entry["kind"] == "message":
        return "".join(part.get("text", "") for part in entry["parts"])
    return str(entry.get("name") or entry.get("text") or entry.get("message"))


def without_keys(entries: list[Entry]) -> list[Entry]:
    """Return entries without the fields that only the sending page knows, or only a reloaded one."""
    own = {"key": "", "id": ""}
    of_users = {"runId": None, "created": None}
    return [{**entry, **own, **(of_users if entry.get("role") == "user" else {"created": None})} for entry in entries]


def test_a_message_and_its_answer(page_of: Callable[..., Page]) -> None:
    page = page_of(text("It is *noon*."))
    page.send("What time is it?")
    shown = page.shown()
    assert brief(shown["entries"]) == [("user", "What time is it?"), ("assistant", "It is *noon*.")]
    assert [entry["status"] for entry in shown["entries"]] == ["completed", "completed"]
    assert shown["busy"] is None
    assert [entry for entry in shown["activity"] if entry] == ["Queued", "Thinking"]
    assert shown["activity"][-1] is None


@pytest.mark.parametrize(
    "scripts",
    [
        (text("It is noon."),),
        (call("add", {"a": 1}), text("It is 2.")),
        (refusal("I must not."),),
        (failure(message="It broke.", after="It is"),),
        (incomplete("It is"),),
        (failure(message="It broke."),),
    ],
)
def test_a_reload_shows_the_same(scripts: tuple[Any, ...], page_of: Callable[..., Page]) -> None:
    page = page_of(*scripts)
    page.send("?")
    live = page.entries()
    page.reload()
    assert without_keys(page.entries()) == without_keys(live)


def test_a_replay_after_the_history_adds_no_duplicates(page_of: Callable[..., Page]) -> None:
    page = page_of(call("add", {"a": 1}), text("It is 2."))
    page.send("?")
    live = page.entries()
    page.calls = [["addHistory", page.history()], ["stream", page.run, page.replay()]]
    assert without_keys(page.entries()) == without_keys(live)


def test_repeated_events_change_nothing(page_of: Callable[..., Page]) -> None:
    page = page_of(text("It is noon."))
    events = page.send("?")
    once = page.entries()
    page.calls.append(["stream", page.run, events])
    assert page.entries() == once


def test_a_sent_message_is_matched_in_the_history(page_of: Callable[..., Page]) -> None:
    page = page_of(text("One."), text("Two."))
    page.send("?")
    page.send("?")
    page.calls.append(["addHistory", page.history()])
    assert brief(page.entries()) == [("user", "?"), ("assistant", "One."), ("user", "?"), ("assistant", "Two.")]


def test_older_messages_come_first(page_of: Callable[..., Page]) -> None:
    page = page_of(text("One."), text("Two."))
    page.send("First?")
    page.send("Second?")
    history = page.history()
    page.calls = [["addHistory", history[2:]], ["addHistory", history[:2], {"older": True}]]
    assert [words for _, words in brief(page.entries())] == ["First?", "One.", "Second?", "Two."]


def test_calls_are_shown_before_the_answer(page_of: Callable[..., Page]) -> None:
    page = page_of(calls(("add", {"a": 1}), ("add", {"a": 2, "b": 40})), text("Done."))
    page.send("?")
    shown = page.shown()
    assert [kind for kind, _ in brief(shown["entries"])] == ["user", "call", "call", "assistant"]
    first, second = shown["entries"][1:3]
    assert (first["arguments"], first["output"], first["state"]) == ('{"a": 1}', "2", "completed")
    assert (second["arguments"], second["output"]) == ('{"a": 2, "b": 40}', "42")
    assert "Calling add" in shown["activity"]


def test_a_call_that_needs_approval(page_of: Callable[..., Page]) -> None:
    page = page_of(call("erase", {"name": "notes"}), text("Gone."))
    page.send("?")
    waiting = page.shown()
    row = waiting["entries"][1]
    assert (row["name"], row["state"], row["question"]["approval"]) == ("erase", "waiting", True)
    assert (waiting["busy"], waiting["activity"][-1]) == (None, None)
    page.answer(erase="true")
    row = page.entries()[1]
    assert (row["output"], row["state"], row["question"]) == ("notes is erased", "completed", None)
    assert brief(page.entries())[-1] == ("assistant", "Gone.")


def test_several_questions_of_one_run(page_of: Callable[..., Page]) -> None:
    questions = calls(("add", {"a": 1}), ("erase", {"name": "notes"}), ("get_weather", {"location": "Oslo"}))
    page = page_of(questions, text("Done."))
    page.send("?")
    rows = page.entries()[1:]
    assert [(row["name"], row["state"]) for row in rows] == [
        ("add", "completed"),
        ("erase", "waiting"),
        ("get_weather", "waiting"),
    ]
    assert [row["question"] and row["question"]["approval"] for row in rows] == [None, True, False]
    page.answer(erase="no", get_weather="rain")
    assert [row["output"] for row in page.entries()[1:4]] == ["2", "The user did not approve this call.", "rain"]


def test_a_reload_restores_a_question(page_of: Callable[..., Page]) -> None:
    page = page_of(call("get_weather", {"location": "Oslo"}))
    page.send("?")
    page.reload()
    _, row = page.entries()
    assert (row["name"], row["state"], row["question"]["approval"]) == ("get_weather", "waiting", False)
    page.calls = [["addHistory", page.history()], ["setRun", page.newest_run()]]
    _, row = page.entries()
    assert (row["arguments"], row["question"]["approval"]) == ('{"location": "Oslo"}', False)


def test_a_question_of_the_upstream(page_of: Callable[..., Page]) -> None:
    page = page_of(script(lambda items: items.mcp_approval_request("sky", "look_up", "{}")), text("Blue."))
    page.send("?")
    row = page.entries()[1]
    assert (row["name"], row["approval"], row["question"]["approval"]) == ("look_up", True, True)
    page.answer(look_up="true")
    assert page.entries()[1]["output"] == "true"


def test_a_search_of_files(page_of: Callable[..., Page]) -> None:
    page = page_of(script(lambda items: items.file_search(["food"])))
    page.send("?")
    shown = page.shown()
    row = shown["entries"][1]
    assert (row["type"], row["state"]) == ("file_search", "completed")
    assert "Searching files" in shown["activity"]


def test_code_with_logs_and_images(page_of: Callable[..., Page]) -> None:
    image = {"type": "image", "url": "data:image/png;base64,AAAA"}
    outputs = [{"type": "logs", "logs": "42\n"}, image]
    page = page_of(script(lambda items: items.code_interpreter("print(42)", outputs, ["print", "(42)"])))
    page.send("?")
    for _ in ("live", "reloaded"):
        row = page.entries()[1]
        assert (row["type"], row["input"], row["state"]) == ("code_interpreter", "print(42)", "completed")
        assert [entry["type"] for entry in row["outputs"]] == ["logs", "image"]
        assert row["outputs"][0]["text"] == "42\n"
        assert row["outputs"][1]["fileId"]
        page.reload()


def test_reasoning_ends_when_the_answer_begins(page_of: Callable[..., Page]) -> None:
    def middle(items: ResponseItems) -> Iterator[Item]:
        yield from items.reasoning([["First ", "this."], ["Then that."]])
        yield from items.text(["So be it."])

    page = page_of(script(middle), reasoning_summaries="on")
    page.send("?")
    _, reasoning, answer = page.entries()
    assert (reasoning["text"], reasoning["done"]) == ("First this.\n\nThen that.", True)
    assert _text(answer) == "So be it."


NEUTRAL = "The assistant could not answer. Try again in a moment."


def test_a_failed_run_shows_its_error_and_a_retry(page_of: Callable[..., Page]) -> None:
    page = page_of(failure(message="It broke.", after="It is"), text("It is noon."))
    page.send("?")
    _, answer, ending = page.entries()
    assert (answer["status"], answer["reason"]) == ("incomplete", "run_failed")
    assert (ending["status"], ending["message"], ending["again"]) == ("failed", NEUTRAL, True)
    page.send("?")
    assert [entry["again"] for entry in page.entries() if entry["kind"] == "ending"] == [False]


@pytest.mark.parametrize(("code", "again"), [("server_error", True), ("429", True), ("context_length_exceeded", False)])
def test_a_failure_names_no_server_and_is_repeated_where_that_can_succeed(
    code: str, again: bool, page_of: Callable[..., Page]
) -> None:
    page = page_of(failure(code, "http://10.0.0.7:8000/v1 did not answer."))
    page.send("?")
    ending = page.entries()[-1]
    assert "10.0.0.7" not in ending["message"]
    assert ending["again"] == again


@pytest.mark.parametrize("after", ["It is", ""], ids=["cut off", "no answer"])
def test_a_reload_shows_the_notes_of_earlier_failures(after: str, page_of: Callable[..., Page]) -> None:
    page = page_of(text("One."), failure(after=after), text("Three."))
    for content in ("First?", "Second?", "Third?"):
        page.send(content)
    runs, history = page.get(f"/v1/threads/{page.thread}/runs?limit=20")["data"], page.history()
    questions = [message for message in history if message["role"] == "user"]
    for number, (question, run) in enumerate(zip(questions, reversed(runs), strict=True)):
        question["created_at"] = run["created_at"] = 10 * number  # the test itself writes faster than a person
    page.calls = [["addHistory", history], ["addEndings", runs], ["addEndings", runs], ["setRun", runs[0]]]
    entries = page.entries()
    (ending,) = [entry for entry in entries if entry["kind"] == "ending"]
    assert (ending["past"], ending["again"], ending["status"]) == (True, False, "failed")
    shown = [words for _, words in brief(entries)]
    assert shown.index("Second?") < shown.index(NEUTRAL) < shown.index("Third?")


def test_a_truncated_answer_shows_the_reason(page_of: Callable[..., Page]) -> None:
    page = page_of(incomplete("It is"))
    page.send("?")
    assert page.entries()[-1]["message"] == "The answer reached its length limit."


def test_events_of_a_run_stay_with_its_message(page_of: Callable[..., Page]) -> None:
    page = page_of(text("One."), text("Two."))
    first = page.send("First?")
    run = page.run
    second = page.send("Second?")
    page.calls = [
        ["draft", "First?"],
        ["accept", run],
        ["stream", run, first[:-3]],
        ["draft", "Second?"],
        ["accept", page.run],
        ["stream", run, first],
        ["stream", page.run, second],
    ]
    assert [words for _, words in brief(page.entries())] == ["First?", "One.", "Second?", "Two."]


def test_a_run_whose_events_cannot_be_read(page_of: Callable[..., Page]) -> None:
    page = page_of(text("It is noon."))
    events = page.send("?")
    run = page.run
    page.calls = [["draft", "?"], ["accept", run], ["stream", run, events[:-3]], ["markLost", run, "Lost."]]
    shown = page.shown()
    assert (shown["busy"], shown["entries"][-1]["status"]) == (None, "lost")
    page.calls += [["clearLost", run], ["stream", run, events]]
    assert brief(page.entries()) == [("user", "?"), ("assistant", "It is noon.")]
