"""A request that is sent again with its key returns the same run, on both stores and on any worker."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from flask_assistant_stream.errors import Duplicate, NotFound, RequestError, StoreError
from flask_assistant_stream.protocol import objects
from flask_assistant_stream.protocol.events import Event
from flask_assistant_stream.runs.idempotency import IdempotencyKeys, Repeated
from flask_assistant_stream.runs.request_key import REUSED, RequestKey
from flask_assistant_stream.runs.start_request import RunPosition, StartRequest
from flask_assistant_stream.stores.base import Kind, Record, RunRecord, Start
from flask_assistant_stream.testing.decode import text_of
from flask_assistant_stream.testing.scripted import call, text, unfinished
from flask_assistant_stream.testing.store_material import at_once
from tests.runs.workers import ASSISTANT, HELLO, LEASE, MakeWorker, Worker, endings
from tests.waiting import soon

THREADS = 10


def key(value: str = "key-1", asked: str = "hello", owner: str = "ann") -> RequestKey:
    return RequestKey.read(owner, value, {"body": asked})


def start(worker: Worker, named: RequestKey | None = None, **options: Any) -> RunPosition:
    """Start a run as a route does: look for it first."""
    named = named or key()
    attached = worker.runner.idempotency.started(named)
    if attached is not None:
        return attached
    try:
        return worker.runner.start(StartRequest(named.owner, ASSISTANT, HELLO, key=named, **options))
    except Repeated as repeated:
        return repeated.position


def read_all(worker: Worker, attached: RunPosition) -> list[Event]:
    return worker.read(attached.run_id, attached.after)


def anns(thread: dict[str, Any]) -> Record:
    return Record(Kind.THREAD, "ann", thread)


def threads_of(worker: Worker, owner: str = "ann") -> list[str]:
    return [record.id for record in worker.store.list(Kind.THREAD, owner, limit=100).records]


# -- keys -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", ["", "x" * 256, "a\tb", "a\nb", "é", "\x7f"])
def test_invalid_keys_are_refused(value: str) -> None:
    with pytest.raises(RequestError) as refused:
        key(value)
    assert refused.value.param == "Idempotency-Key"


def test_ids_follow_from_owner_and_key_alone() -> None:
    one = key("x" * 255)
    assert one.run_id == key("x" * 255, asked="other").run_id
    others = [key("a"), key("b"), key("a", owner="bob"), key("na", owner="an"), key("nna", owner="a")]
    assert len({each.run_id for each in others}) == len(others)
    assert one.run_id.startswith("run_")
    assert len(one.run_id) == len("run_") + 24
    assert one.new_id("thread")[7:] != one.run_id[4:]


def test_the_digest_covers_the_request_in_any_order_of_its_keys() -> None:
    same = [RequestKey.read("a", "k", asked) for asked in ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1})]
    assert same[0] == same[1]
    assert RequestKey.read("a", "k", {"a": "\ud800"}).digest != same[0].digest


# -- starts ---------------------------------------------------------------------------------------------------
def test_the_same_key_is_the_same_run_on_every_worker(worker: MakeWorker) -> None:
    one, two = worker(text("Hello you.")), worker()
    first = start(one)
    before = read_all(one, first)
    again = start(two)
    assert (again, read_all(two, again), threads_of(one)) == (first, before, [first.thread_id])
    assert len(one.messages(first.thread_id)) == 2
    assert (len(one.engine.requests), len(two.engine.requests)) == (1, 0)


@pytest.mark.parametrize("on_a_thread", [False, True])
def test_of_many_at_once_one_starts(worker: MakeWorker, on_a_thread: bool) -> None:
    gate = threading.Event()
    workers = [worker([gate, *text("Only once.")]) for _ in range(2)]
    thread_id = None
    if on_a_thread:
        thread = objects.thread("thread_" + "a" * 24, 1)
        thread_id = workers[0].store.insert(anns(thread)).id
    calls = [lambda n=n: start(workers[n % 2], thread_id=thread_id) for n in range(THREADS)]
    attached = at_once(*calls)
    gate.set()
    assert all(one == attached[0] for one in attached), attached
    first = attached[0]
    assert isinstance(first, RunPosition)
    tellings = [read_all(one, first) for one in workers]
    assert (tellings[0], sum(len(one.engine.requests) for one in workers)) == (tellings[1], 1)
    assert threads_of(workers[0]) == [first.thread_id]
    assert [m["role"] for m in workers[0].messages(first.thread_id)] == ["user", "assistant"]
    assert len(workers[0].store.list(Kind.RUN, "ann", parent=first.thread_id).records) == 1


def test_another_owner_has_keys_of_their_own(worker: MakeWorker) -> None:
    one = worker(text("For Ann."), text("For Bob."))
    ann, bob = start(one), start(one, key(owner="bob"))
    assert ann.run_id != bob.run_id
    assert (text_of(read_all(one, ann)), text_of(read_all(one, bob))) == ("For Ann.", "For Bob.")


def test_a_key_with_another_request_is_refused(worker: MakeWorker) -> None:
    one = worker(text("Hello you."))
    first = start(one)
    read_all(one, first)
    with pytest.raises(RequestError) as refused:
        start(one, key(asked="something else"))
    assert (refused.value.code, refused.value.status) == (REUSED, 400)
    assert len(one.messages(first.thread_id)) == 2


def test_a_start_that_failed_leaves_the_key_free(worker: MakeWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *text("First.")], text("Second."))
    busy = one.start()
    with pytest.raises(RequestError, match="already has an active run"):
        start(one, thread_id=busy.thread_id, busy="reject")
    with pytest.raises(NotFound):
        start(one, thread_id="thread_unknown")
    gate.set()
    read_all(one, busy)
    again = start(one, thread_id=busy.thread_id, busy="reject")
    assert text_of(read_all(one, again)) == "Second."


def test_a_repeat_cancels_nothing(worker: MakeWorker) -> None:
    gate = threading.Event()
    one, two = worker(text("First."), [gate, *text("Second.")]), worker()
    first = start(one)
    read_all(one, first)
    second = one.start(thread_id=first.thread_id)
    assert start(two) == start(one) == first
    gate.set()
    assert endings(read_all(one, second)) == ["thread.run.completed"]


def test_the_run_of_a_dead_worker_is_read_to_its_end(worker: MakeWorker) -> None:
    gate = threading.Event()
    dead, other = worker([*unfinished("It began so well"), gate]), worker()
    first = start(dead)
    soon(lambda: len(dead.events(first.run_id)) >= 5)
    dead.log.stop()
    other.sweep(LEASE + 1)
    again = start(other)
    assert (again, endings(read_all(other, again))) == (first, ["thread.run.failed"])


def test_a_thread_without_its_run_is_gone_on_with(worker: MakeWorker) -> None:
    """A worker on MongoDB died half-way; its thread gets the vector store of this start."""
    one = worker(text("At last."))
    thread = objects.thread(key().new_id("thread"), 1, metadata={"a": "b"})
    one.store.insert(anns(thread))
    resources = {"file_search": {"vector_store_ids": ["vs_new"]}}
    attached = start(one, new_thread={"metadata": {"a": "b"}, "tool_resources": resources})
    assert attached.thread_id == thread["id"]
    events = read_all(one, attached)
    assert (events[0].name, text_of(events)) == ("thread.created", "At last.")
    stored = one.store.get(Kind.THREAD, "ann", thread["id"]).body
    assert (stored["metadata"], stored["tool_resources"]) == ({"a": "b"}, resources)


def test_a_start_under_way_on_another_worker_is_waited_for(worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without its first row must not be reported as expired."""
    one, two = worker(text("Hello you.")), worker()
    first, waited = start(one), threading.Event()
    read_all(one, first)
    real_find, real_last = two.store.find, two.store.last_row

    def active(*arguments: Any, **options: Any) -> Any:
        found: Any = real_find(*arguments, **options)
        return found if waited.is_set() else replace(found, active=True)

    def no_row(run_id: str) -> Any:
        return real_last(run_id) if waited.is_set() else None

    monkeypatch.setattr(two.store, "find", active)
    monkeypatch.setattr(two.store, "last_row", no_row)
    timer = threading.Timer(0.2, waited.set)
    timer.start()
    assert start(two) == first
    assert waited.is_set()
    timer.join()


def test_a_start_that_was_taken_back_meanwhile_is_made(worker: MakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    one = worker(text("Hello you."))
    real, refused = one.store.start, list[Any]()

    def taken_back(start: Start) -> Any:
        if len(refused) < 2:
            refused.append(start.thread)
            raise Duplicate("stands") if len(refused) == 1 else NotFound("gone")
        return real(start)

    monkeypatch.setattr(one.store, "start", taken_back)
    attached = start(one)
    assert endings(read_all(one, attached)) == ["thread.run.completed"]
    assert [thread is None for thread in refused] == [False, True]


def test_a_run_that_a_dead_worker_never_wrote_ends(worker: MakeWorker) -> None:
    """Only a store that starts a run in several writes leaves one."""
    dead, other = worker(), worker()
    thread = anns(objects.thread(key().new_id("thread"), 1))
    dead.store.insert(thread)
    body = objects.run(key().run_id, int(dead.store.now()), thread.id, ASSISTANT)
    due = dead.store.now() + LEASE
    dead.store.insert(RunRecord(Kind.RUN, "ann", body, thread.id, extra=key().start_extra, due_at=due))
    other.sweep(LEASE + 1)
    attached = start(other)
    assert endings(read_all(other, attached)) == ["thread.run.failed"]


# -- tool outputs ---------------------------------------------------------------------------------------------
def waiting(worker: Worker) -> tuple[RunPosition, dict[str, str]]:
    """Start a run that calls a function, and return it with its tool outputs."""
    attached = worker.start()
    read_all(worker, attached)
    return attached, worker.outputs(attached.run_id)


def submit(worker: Worker, run: RunPosition, outputs: dict[str, str], named: RequestKey | None = None) -> RunPosition:
    return worker.runner.submit("ann", run.thread_id, run.run_id, outputs, key=named or key("answer"))


def test_an_answer_sent_again_gives_what_followed_it(worker: MakeWorker) -> None:
    one, two = worker(call("get_weather"), text("It is cold.")), worker()
    run, outputs = waiting(one)
    first = submit(one, run, outputs)
    before = read_all(one, first)
    again = submit(two, run, outputs)
    assert (again, read_all(two, again), text_of(before)) == (first, before, "It is cold.")
    assert (len(one.engine.requests), len(two.engine.requests)) == (2, 0)


def test_of_many_answers_at_once_one_counts(worker: MakeWorker) -> None:
    gate = threading.Event()
    one, two = worker(call("get_weather"), [gate, *text("It is cold.")]), worker([gate, *text("It is cold.")])
    run, outputs = waiting(one)
    attached = at_once(*[lambda n=n: submit((one, two)[n % 2], run, outputs) for n in range(THREADS)])
    gate.set()
    assert all(each == attached[0] for each in attached), attached
    assert isinstance(attached[0], RunPosition)
    assert [text_of(read_all(each, attached[0])) for each in (one, two)] == ["It is cold."] * 2
    assert len(one.engine.requests) + len(two.engine.requests) == 2


def test_each_round_has_its_own_answer(worker: MakeWorker) -> None:
    one = worker(call("get_weather"), call("get_weather"), text("Cold twice."))
    run, outputs = waiting(one)
    first = submit(one, run, outputs, key("round 1"))
    read_all(one, first)
    more = one.outputs(run.run_id, "-4 °C")
    assert submit(one, run, outputs, key("round 1")) == first, "the second action waits, the first is answered"
    second = submit(one, run, more, key("round 2"))
    assert second.after > first.after
    assert text_of(read_all(one, second)) == "Cold twice."
    assert submit(one, run, outputs, key("round 1")) == first
    assert submit(one, run, more, key("round 2")) == second


def test_keys_of_answers_are_not_mixed_up(worker: MakeWorker) -> None:
    one = worker(call("get_weather"), text("It is cold."))
    begun = start(one, key("begins"))
    read_all(one, begun)
    outputs = one.outputs(begun.run_id)
    with pytest.raises(RequestError) as refused:
        submit(one, begun, outputs, key("begins"))
    assert refused.value.code == REUSED
    first = submit(one, begun, outputs, key("answers"))
    read_all(one, first)
    with pytest.raises(RequestError) as refused:
        submit(one, begun, outputs, key("answers", asked="other outputs"))
    assert refused.value.code == REUSED
    with pytest.raises(RequestError, match="do not accept tool outputs"):
        submit(one, begun, outputs, key("another"))


def test_an_answer_that_was_claimed_and_never_stored_is_sent_again(worker: MakeWorker) -> None:
    one, other = worker(call("get_weather")), worker(text("It is cold."))
    run, outputs = waiting(one)
    record = one.run(run.run_id)
    after = record.last_seq
    claimed = one.store.claim(record, due_at=one.store.now() + LEASE, extra=key("answer").answer_extra(after))
    assert claimed is not None  # and here the worker dies
    other.sweep(LEASE + 1)
    attached = submit(other, run, outputs)
    assert attached.after > after
    assert (text_of(read_all(other, attached)), submit(one, run, outputs)) == ("It is cold.", attached)


def test_an_answer_that_is_being_stored_elsewhere_is_waited_for(worker: MakeWorker) -> None:
    one, other = worker(call("get_weather")), worker()
    run, outputs = waiting(one)
    record = one.run(run.run_id)
    note = key("answer").answer_extra(record.last_seq)
    assert one.store.claim(record, due_at=one.store.now() + LEASE, extra=note) is not None
    other.runner.idempotency = IdempotencyKeys(other.store, 0.1)
    with pytest.raises(StoreError, match="has not finished the same request"):
        submit(other, run, outputs)
