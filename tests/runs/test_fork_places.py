"""Where a thread forks, and the alternatives at a place: decided from what either store has."""

from __future__ import annotations

import threading

import pytest

from flask_assistant_stream.errors import NotFound, RequestError
from flask_assistant_stream.protocol import objects
from flask_assistant_stream.runs import fork_places
from flask_assistant_stream.runs.fork_places import beginning
from flask_assistant_stream.runs.start_request import MessageDraft, StartRequest
from flask_assistant_stream.runs.upstream_request import RequestBuilder
from flask_assistant_stream.stores import lines
from flask_assistant_stream.stores.base import Kind, Record
from flask_assistant_stream.stores.lines import TURN, Fork
from flask_assistant_stream.testing.scripted import call, text, unfinished
from tests.runs.workers import ASSISTANT, MakeWorker, Worker
from tests.waiting import soon


class Talk:
    """A thread of Ann's on a worker."""

    def __init__(self, worker: Worker, thread_id: str) -> None:
        self.worker, self.store, self.id = worker, worker.store, thread_id

    @classmethod
    def of(cls, worker: Worker, *questions: str) -> Talk:
        """Ask one question after the other, each after the answer to the one before."""
        first = worker.start(questions[0])
        worker.read(first.run_id)
        for words in questions[1:]:
            worker.read(worker.start(words, thread_id=first.thread_id).run_id)
        return cls(worker, first.thread_id)

    def records(self) -> list[Record]:
        return self.store.list(Kind.MESSAGE, "ann", parent=self.id, order="asc", limit=100).records

    def texts(self) -> list[str]:
        return ["".join(part["text"]["value"] for part in record.body["content"]) for record in self.records()]

    def regenerate(self, message: Record) -> Fork | None:
        return fork_places.regenerate(self.store, "ann", self.id, message.id)

    def edit(self, message: Record) -> Fork:
        return fork_places.edit(self.store, "ann", self.id, message.id)[1]

    def forked(self, fork: Fork | None, *said: str) -> None:
        """Run the assistant on a new line, with messages of the user."""
        drafts = [MessageDraft([objects.text_part(words)]) for words in said]
        start = StartRequest("ann", ASSISTANT, drafts, thread_id=self.id, fork=lambda: fork)
        self.worker.read(self.worker.runner.start(start).run_id)

    def alternatives(self, message: Record) -> list[tuple[int, int, bool]]:
        thread = self.store.get_thread("ann", self.id)
        return [(each.number, each.line, each.active) for each in fork_places.alternatives(thread, message)]


def test_an_answer_and_the_message_before_it_are_one_place(worker: MakeWorker) -> None:
    talk = Talk.of(worker(*[text(f"a{number}") for number in range(5)]), "q0", "q1")
    q0, a0, q1, a1 = talk.records()
    assert talk.regenerate(a0) == talk.regenerate(q0) == Fork(0, 2 * TURN)
    assert talk.regenerate(a1) == talk.regenerate(q1) == Fork(0, 4 * TURN)
    assert (talk.edit(q0), talk.edit(q1)) == (Fork(0, TURN), Fork(0, 3 * TURN))
    talk.forked(talk.regenerate(a0))
    line = talk.records()[1].line
    assert (talk.texts(), line) == (["q0", "a2"], 6)
    a2 = talk.records()[1]
    assert talk.regenerate(a2) == talk.regenerate(q0) == talk.regenerate(a0), "from whichever line it is seen"
    assert talk.regenerate(q1) == talk.regenerate(a1) == Fork(0, 4 * TURN)
    talk.forked(None, "q3")
    assert talk.regenerate(talk.records()[-1]) == Fork(6, 8 * TURN)


def test_all_messages_of_a_run_are_one_answer(worker: MakeWorker) -> None:
    """A run with a call has one before and one after it."""
    one = worker([*text("Let me see.")[:-1], *call("f")], text("Done."), text("Again."))
    attached = one.start("q0")
    one.read(attached.run_id)
    again = one.runner.submit("ann", attached.thread_id, attached.run_id, one.outputs(attached.run_id))
    one.read(again.run_id, again.after)
    talk = Talk(one, attached.thread_id)
    records = talk.records()
    assert talk.texts() == ["q0", "Let me see.", "Done."]
    assert {talk.regenerate(record) for record in records} == {Fork(0, 2 * TURN)}
    assert {beginning(record) for record in records[1:]} == {2 * TURN}
    talk.forked(talk.regenerate(records[2]))
    assert talk.texts() == ["q0", "Again."]
    assert talk.alternatives(records[1]) == talk.alternatives(records[2]) == [(0, 0, False), (4, 4, True)]


def test_nothing_behind_the_message(worker: MakeWorker) -> None:
    talk = Talk.of(worker(text("a0"), text("A0"), text("a1")), "q0")
    body = objects.message("msg_late", 1, talk.id, "user", [objects.text_part("late")])
    late = talk.store.insert(Record(Kind.MESSAGE, "ann", body, talk.id))
    assert talk.regenerate(late) is None, "the active line continues"
    talk.forked(talk.edit(talk.records()[0]), "Q0")
    fork = talk.regenerate(late)
    assert fork == Fork(0, late.position + 1), "on another line it is a place of its own"
    talk.forked(fork)
    assert talk.texts() == ["q0", "a0", "late", "a1"]
    assert talk.regenerate(late) == fork
    assert [active for _, _, active in talk.alternatives(talk.records()[-1])] == [False, True]


def test_an_active_run_has_its_place_before_it_answers(worker: MakeWorker) -> None:
    gate, last = threading.Event(), threading.Event()
    one = worker([gate, *unfinished("I was saying"), last])
    attached = one.start("q0")
    talk = Talk(one, attached.thread_id)
    (q0,) = talk.records()
    assert talk.regenerate(q0) == Fork(0, 2 * TURN)
    gate.set()
    soon(lambda: len(talk.records()) == 2)
    assert talk.regenerate(q0) == Fork(0, 2 * TURN)
    with pytest.raises(
        RequestError, match=f"belongs to run {attached.run_id}, which is active: cancel it first"
    ) as caught:
        talk.regenerate(talk.records()[1])
    assert caught.value.code == "thread_busy"
    body = objects.message("msg_late", 1, talk.id, "user", [objects.text_part("late")])
    assert talk.regenerate(talk.store.insert(Record(Kind.MESSAGE, "ann", body, talk.id))) is None, "a run before it"
    last.set()
    one.read(attached.run_id)
    assert talk.regenerate(talk.records()[1]) == Fork(0, 2 * TURN)


def test_a_message_that_is_not_there(worker: MakeWorker) -> None:
    one = worker(text("a"), text("b"))
    talk, other = Talk.of(one, "q0"), Talk.of(one, "q0")
    q0, a0 = talk.records()
    talk.store.delete(Kind.MESSAGE, "ann", a0.id)
    for decide in (fork_places.edit, fork_places.regenerate, fork_places.message_of):
        for owner, thread_id, id in (("ann", talk.id, a0.id), ("ann", other.id, q0.id), ("ann", talk.id, "msg_x")):
            with pytest.raises(NotFound, match=f"No message found with id '{id}'"):
                decide(talk.store, owner, thread_id, id)
        for owner, thread_id in (("bob", talk.id), ("ann", "thread_x")):
            with pytest.raises(NotFound, match=f"No thread found with id '{thread_id}'"):
                decide(talk.store, owner, thread_id, q0.id)
    with pytest.raises(RequestError, match="is not the user's") as caught:
        other.edit(other.records()[1])
    assert caught.value.param == "content"


def test_a_thread_with_all_its_forks_is_refused_before_a_run_is_ended_for_another(
    worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_FORKS", 1)
    gate = threading.Event()
    one = worker(text("a0"), text("A0"), [gate, *text("a1")])
    talk = Talk.of(one, "q0")
    q0 = talk.records()[0]
    talk.forked(talk.edit(q0), "Q0")
    active = one.start("q1", thread_id=talk.id)
    start = StartRequest("ann", ASSISTANT, thread_id=talk.id, busy="replace", fork=lambda: talk.edit(q0))
    with pytest.raises(RequestError, match="1 forks") as caught:
        one.runner.start(start)
    assert caught.value.code == "too_many_forks"
    gate.set()
    one.read(active.run_id)
    assert (talk.texts(), one.run(active.run_id).body["status"]) == (["Q0", "A0", "q1", "a1"], "completed")


def test_alternatives_name_the_lines_that_were_used_last(worker: MakeWorker) -> None:
    talk = Talk.of(worker(*[text(f"a{number}") for number in range(6)]), "q0", "q1")
    q0, a0, q1, _ = talk.records()
    assert talk.alternatives(q0) == talk.alternatives(q1) == [(0, 0, True)]
    talk.forked(talk.edit(q1), "Q1")
    edited = talk.records()[-1].line
    talk.forked(talk.regenerate(a0))
    regenerated = talk.records()[-1].line
    assert talk.alternatives(a0) == [(0, edited, False), (regenerated, regenerated, True)]
    assert talk.alternatives(q1) == [(0, 0, False), (edited, edited, False)], "the active line does not reach it"
    assert talk.alternatives(q0) == [(0, regenerated, True)]
    talk.store.switch("ann", talk.id, 0)
    assert talk.alternatives(a0) == [(0, 0, True), (regenerated, regenerated, False)]
    first = fork_places.alternatives(talk.store.get_thread("ann", talk.id), q1)[1]
    (own,) = talk.store.list(Kind.MESSAGE, "ann", parent=talk.id, spans=(first.own,), order="asc", limit=1).records
    assert own.body["content"][0]["text"]["value"] == "Q1"


def test_the_upstream_receives_the_line_of_the_run(worker: MakeWorker) -> None:
    """Also while another line is active, as for a run that another worker takes over."""
    one = worker(*[text(f"a{number}") for number in range(6)])
    talk = Talk.of(one, "q0", "q1")
    talk.forked(talk.edit(talk.records()[2]), "Q1")
    assert [item["content"] for item in one.engine.requests[-1]["input"]] == ["q0", "a0", "Q1"]
    run_id = talk.records()[-1].body["run_id"]
    talk.forked(talk.regenerate(talk.records()[1]))
    assert [item["content"] for item in one.engine.requests[-1]["input"]] == ["q0"]
    history = RequestBuilder(one.store).history(one.run(run_id))
    assert [message.item["content"] for message in history] == ["q0", "a0", "Q1"]
