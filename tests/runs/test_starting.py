"""A message on a thread with an active run: the run is replaced, the message is refused, or it waits."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from flask_assistant_stream.errors import RequestError, ThreadBusy
from flask_assistant_stream.runs.idempotency import Repeated
from flask_assistant_stream.runs.queues import QueueFull, ThreadQueues
from flask_assistant_stream.runs.request_key import RequestKey
from flask_assistant_stream.runs.start_request import RunPosition
from flask_assistant_stream.runs.starting import BUSY, QUEUE_LENGTH
from flask_assistant_stream.stores.base import Kind, RunRecord, Start
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import call, text
from tests.routes.conftest import MakeSite, make_site
from tests.runs.workers import MakeWorker, Worker, endings
from tests.waiting import soon

__all__ = ["make_site"]

PATIENCE = 20.0


def answer(worker: Worker, attached: RunPosition) -> str:
    return text_of(worker.read(attached.run_id, attached.after))


def users_texts(worker: Worker, thread_id: str) -> list[str]:
    return [m["content"][0]["text"]["value"] for m in worker.messages(thread_id) if m["role"] == "user"]


def wait_for_line(worker: Worker, thread_id: str, length: int) -> None:
    soon(lambda: worker.runner.starts.queues.length(("ann", thread_id)) >= length)


def refusal(sending: Future[RunPosition]) -> RequestError:
    error = sending.exception(PATIENCE)
    assert isinstance(error, RequestError)
    return error


@pytest.fixture
def queue(worker: MakeWorker) -> MakeWorker:
    """Make workers on which a message waits for the active run of its thread."""
    return partial(worker, busy_thread="queue", queue_seconds=PATIENCE)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(QUEUE_LENGTH + 1) as pool:
        yield pool


def test_replace_cancels_the_active_run(worker: MakeWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *text("Never said.")], text("Instead."), busy_thread="replace")
    first = one.start()
    second = one.start("Never mind", thread_id=first.thread_id)
    assert (answer(one, second), one.run(first.run_id).body["status"]) == ("Instead.", "cancelled")


def test_reject_leaves_it_alone(worker: MakeWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *text("Said.")], busy_thread="reject")
    first = one.start()
    with pytest.raises(RequestError, match=f"already has an active run {first.run_id}"):
        one.start("And?", thread_id=first.thread_id)
    gate.set()
    assert (answer(one, first), users_texts(one, first.thread_id)) == ("Said.", ["Hello"])


def test_queued_messages_start_in_the_order_they_came(queue: MakeWorker, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    one = queue([gate, *text("0")], *[text(str(number)) for number in range(1, 5)])
    first = one.start()
    waiting = []
    for number in range(1, 5):
        waiting.append(pool.submit(one.start, f"m{number}", thread_id=first.thread_id))
        wait_for_line(one, first.thread_id, number)
    assert users_texts(one, first.thread_id) == ["Hello"], "nothing is stored before it starts"
    assert len(one.store.list(Kind.RUN, "ann", parent=first.thread_id).records) == 1
    gate.set()
    attached = [sending.result(PATIENCE) for sending in waiting]
    assert [answer(one, each) for each in attached] == ["1", "2", "3", "4"]
    assert users_texts(one, first.thread_id) == ["Hello", "m1", "m2", "m3", "m4"]
    assert one.run(first.run_id).body["status"] == "completed"
    last = one.engine.requests[-1]["input"]
    assert [item["role"] for item in last] == ["user", "assistant"] * 4 + ["user"], "each sees what came before it"
    assert one.runner.starts.queues.length(("ann", first.thread_id)) == 0


def test_a_message_waits_for_the_run_of_another_worker(queue: MakeWorker, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    one, two = queue([gate, *text("First.")]), queue(text("Second."))
    first = one.start()
    waiting = pool.submit(two.start, "And?", thread_id=first.thread_id)
    wait_for_line(two, first.thread_id, 1)
    gate.set()
    assert answer(two, waiting.result(PATIENCE)) == "Second."
    assert one.run(first.run_id).body["status"] == "completed"


def test_a_message_that_waited_has_a_whole_lease_from_its_start(
    queue: MakeWorker, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, refused = threading.Event(), threading.Event()
    one = queue([gate, *text("First.")], text("Second."))
    first, start = one.start(), one.store.start

    def note_refusal(request: Start) -> RunRecord:
        try:
            return start(request)
        except ThreadBusy:
            refused.set()
            raise

    monkeypatch.setattr(one.store, "start", note_refusal)
    waiting = pool.submit(one.start, "And?", thread_id=first.thread_id)
    assert refused.wait(PATIENCE)
    one.skipped = 10.0  # as if it had waited so long
    gate.set()
    started = one.run(waiting.result(PATIENCE).run_id)
    assert started.body["created_at"] >= int(one.run(first.run_id).body["created_at"]) + 10


def test_a_message_that_waits_too_long_is_refused_and_not_stored(queue: MakeWorker, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    one = queue([gate, *text("First.")], queue_seconds=0.3)
    first = one.start()
    both = [pool.submit(one.start, f"m{n}", thread_id=first.thread_id) for n in range(2)]
    for error in (refusal(sending) for sending in both):
        assert (error.status, error.code) == (400, BUSY)
        assert "was busy for 0.3 seconds" in error.message
    gate.set()
    assert (answer(one, first), users_texts(one, first.thread_id)) == ("First.", ["Hello"])


def test_the_line_is_bounded(queue: MakeWorker, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    one = queue([gate, *text("First.")], *[text("Next.")] * (QUEUE_LENGTH + 1))
    first = one.start()
    waiting = [pool.submit(one.start, "And?", thread_id=first.thread_id) for _ in range(QUEUE_LENGTH + 1)]
    wait_for_line(one, first.thread_id, QUEUE_LENGTH + 1)
    with pytest.raises(RequestError, match="Too many messages wait") as refused:
        one.start("Me too", thread_id=first.thread_id)
    assert refused.value.code == BUSY
    gate.set()
    assert {answer(one, sending.result(PATIENCE)) for sending in waiting} == {"Next."}


def test_a_run_that_waits_for_outputs_blocks_the_line(queue: MakeWorker, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    one = queue([gate, *call("get_weather")], text("Cold."), text("Next."))
    first = one.start()
    waiting = [pool.submit(one.start, "And?", thread_id=first.thread_id) for _ in range(3)]
    wait_for_line(one, first.thread_id, 3)
    gate.set()
    for sending in waiting:
        assert "waits for tool outputs: submit them or cancel it first" in refusal(sending).message
    one.runner.submit("ann", first.thread_id, first.run_id, one.outputs(first.run_id))
    assert answer(one, one.start("And now?", thread_id=first.thread_id)) == "Next."


def test_a_cancel_lets_the_line_move(queue: MakeWorker, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    one = queue([gate], text("Next."))
    first = one.start()
    waiting = pool.submit(one.start, "And?", thread_id=first.thread_id)
    wait_for_line(one, first.thread_id, 1)
    one.runner.cancel("ann", first.thread_id, first.run_id)
    assert answer(one, waiting.result(PATIENCE)) == "Next."


def test_no_message_waits_for_a_deleted_thread(queue: MakeWorker, pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()
    one = queue([gate])
    first = one.start()
    waiting = pool.submit(one.start, "And?", thread_id=first.thread_id)
    wait_for_line(one, first.thread_id, 1)
    one.runner.delete_thread("ann", first.thread_id)
    assert refusal(waiting).status == 404


def test_a_message_sent_twice_waits_once_and_is_one(queue: MakeWorker, pool: ThreadPoolExecutor) -> None:
    gate, second = threading.Event(), threading.Event()
    one, two = queue([gate, *text("First.")], [second, *text("Once.")]), queue([second, *text("Once.")])
    first = one.start()
    named = RequestKey.read("ann", "key", {})

    def send(worker: Worker) -> RunPosition:
        try:
            return worker.start("And?", thread_id=first.thread_id, key=named)
        except Repeated as repeated:
            return repeated.position

    waiting = [pool.submit(send, each) for each in (one, one, two, two)]
    for each in (one, two):
        wait_for_line(each, first.thread_id, 2)
    gate.set()
    attached = {sending.result(PATIENCE) for sending in waiting}
    second.set()
    assert len(attached) == 1, "they are given the run while it is under way"
    assert answer(one, attached.pop()) == "Once."
    assert users_texts(one, first.thread_id) == ["Hello", "And?"]


# -- the setting ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("busy", "status"), [("replace", 200), ("reject", 400), (None, 200)])
def test_the_setting_is_of_the_app_face(make_site: MakeSite, busy: str | None, status: int) -> None:
    gate = threading.Event()
    site = make_site([gate, *text("First.")], text("Second."), busy_thread=busy)
    thread_id = site.post("/threads").get_json()["threadId"]
    with site.client.post(
        f"{site.prefix}/chat/stream", json={"content": "one", "threadId": thread_id}, headers={"X-User": "anna"}
    ) as open_stream:
        assert open_stream.status_code == 200
        refused = site.post(f"/v1/threads/{thread_id}/runs", {"assistant_id": "asst_default"})
        assert refused.status_code == 400
        assert "already has an active run" in refused.get_json()["error"]["message"]
        answer = site.post(f"/threads/{thread_id}/messages", {"content": "two"})
        assert answer.status_code == status
        gate.set()
        assert endings_of(open_stream.data) == ("thread.run.completed" if status == 400 else "thread.run.cancelled")


def endings_of(data: bytes) -> str:
    (ending,) = endings(decode_ndjson(data))
    return ending


def test_attachments_of_a_message_that_waits_change_nothing_before_it_starts(make_site: MakeSite) -> None:
    gate = threading.Event()
    site = make_site([gate, *text("First.")], text("Second."), busy_thread="queue")
    file_id = site.new_file()
    thread_id = site.post("/threads").get_json()["threadId"]
    attachment = {"file_id": file_id, "tools": [{"type": "file_search"}]}
    body = {"content": "two", "attachments": [attachment]}
    with site.client.post(
        f"{site.prefix}/chat/stream", json={"content": "one", "threadId": thread_id}, headers={"X-User": "anna"}
    ) as open_stream:
        answers: list[Any] = []
        sending = threading.Thread(target=lambda: answers.append(site.post(f"/threads/{thread_id}/messages", body)))
        sending.start()
        soon(lambda: site.registration.runner.starts.queues.length(("anna", thread_id)))
        store = site.registration.store
        assert not store.get(Kind.THREAD, "anna", thread_id).body["tool_resources"]
        gate.set()
        assert endings_of(open_stream.data) == "thread.run.completed"
        sending.join(PATIENCE)
    assert endings_of(answers[0].data) == "thread.run.completed"
    assert store.get(Kind.THREAD, "anna", thread_id).body["tool_resources"]["file_search"]["vector_store_ids"]


# -- queues ---------------------------------------------------------------------------------------------------
def test_the_first_thread_may_enter_its_queue_again() -> None:
    queues = ThreadQueues()
    with queues.place("a", 1) as outer, queues.place("a", 1, most=0) as inner:
        assert inner is outer
        assert queues.length("a") == 1
    assert queues.length("a") == 0


def test_queues_of_other_names_are_free() -> None:
    queues = ThreadQueues()
    with queues.place("a", 1), queues.place("b", 1) as other:
        assert other.first


def test_a_thread_that_gives_up_makes_room_for_the_next() -> None:
    queues, gave_up, went = ThreadQueues(), threading.Event(), threading.Event()

    def impatient() -> None:
        with queues.place("a", 0.05) as place:
            assert not place.first
        gave_up.set()

    def patient() -> None:
        with queues.place("a", PATIENCE) as place:
            assert place.first
            went.set()

    with queues.place("a", 1):
        others = [threading.Thread(target=each) for each in (impatient, patient)]
        others[0].start()
        while queues.length("a") < 2 and not gave_up.is_set():
            time.sleep(0.001)
        others[1].start()
        assert gave_up.wait(PATIENCE)
        while queues.length("a") < 2:
            time.sleep(0.001)
        refused: list[QueueFull] = []

        def refused_one() -> None:
            try:
                with queues.place("a", 0, most=1):
                    pass
            except QueueFull as error:
                refused.append(error)

        third = threading.Thread(target=refused_one)
        third.start()
        third.join(PATIENCE)
        assert refused
    assert went.wait(PATIENCE)
    for each in others:
        each.join(PATIENCE)
    assert queues.length("a") == 0


UNDER_GEVENT = """
from flask_assistant_stream.runs.queues import ThreadQueues
queues = ThreadQueues()  # made before the patching, as --preload does
from gevent import monkey
monkey.patch_all()
import threading, time
came, inside = [], []
def go(number):
    with queues.place("a", 10) as place:
        assert place.first and not inside
        inside.append(number)
        came.append(number)
        time.sleep(0.01)
        inside.remove(number)
threads = [threading.Thread(target=go, args=(number,)) for number in range(5)]
for each in threads:
    each.start()
    time.sleep(0)
for each in threads:
    each.join(10)
print(came)
"""


def test_queues_under_gevent() -> None:
    done = subprocess.run([sys.executable, "-c", UNDER_GEVENT], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[0, 1, 2, 3, 4]\n", "")
