"""A message on a thread with an active run: the run is replaced, the message is refused, or it waits."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_assistant_stream.errors import RequestError
from flask_assistant_stream.protocol import objects
from flask_assistant_stream.runs.idempotency import Repeated
from flask_assistant_stream.runs.queues import QueueFull, ThreadQueues
from flask_assistant_stream.runs.request_key import RequestKey
from flask_assistant_stream.runs.start_request import Busy, MessageDraft, RunPosition, StartRequest
from flask_assistant_stream.runs.starting import BUSY, QUEUE_LENGTH
from flask_assistant_stream.stores.base import Kind, Store
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import call, text
from tests.routes.conftest import MakeSite, make_site
from tests.runs.workers import ASSISTANT, HELLO, Worker, endings

__all__ = ["make_site"]

PATIENCE = 20.0


class QueueWorker(Worker):
    """A worker with a policy for messages on busy threads."""

    def __init__(self, store: Store, *scripts: Any, busy: Busy = "queue", seconds: float = PATIENCE) -> None:
        super().__init__(store, *scripts, busy_thread=busy, queue_seconds=seconds)

    def send(self, said: str, thread_id: str, **options: Any) -> RunPosition:
        message = [MessageDraft([objects.text_part(said)])]
        return self.runner.start(StartRequest("ann", ASSISTANT, message, thread_id=thread_id, **options))

    def answer(self, attached: RunPosition) -> str:
        with self.log.follow(attached.run_id) as follower:
            return text_of([event for events in follower for event in events])

    def users_texts(self, thread_id: str) -> list[str]:
        said = [m for m in self.messages(thread_id) if m["role"] == "user"]
        return [m["content"][0]["text"]["value"] for m in said]

    def wait_for_line(self, thread_id: str, length: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.runner.starts.queues.length(("ann", thread_id)) < length and time.monotonic() < deadline:
            time.sleep(0.005)


MakeQueueWorker = Callable[..., QueueWorker]


@pytest.fixture
def worker(open_store: Callable[[], Store]) -> Iterator[MakeQueueWorker]:
    made: list[QueueWorker] = []

    def make(*scripts: Any, **options: Any) -> QueueWorker:
        made.append(QueueWorker(open_store(), *scripts, **options))
        return made[-1]

    yield make
    for each in made:
        each.runner.stop()


class Sending:
    """A message sent in a thread of its own."""

    def __init__(self, send: Callable[[], RunPosition]) -> None:
        self.attached: RunPosition | None = None
        self.error: RequestError | None = None
        self._send = send
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.attached = self._send()
        except RequestError as error:
            self.error = error

    def done(self) -> RunPosition:
        self._thread.join(PATIENCE)
        assert self.attached is not None, self.error
        return self.attached

    def refused(self) -> RequestError:
        self._thread.join(PATIENCE)
        assert self.error is not None
        return self.error


def test_replace_cancels_the_active_run(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *text("Never said.")], text("Instead."), busy="replace")
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    second = one.send("Never mind", first.thread_id)
    assert one.answer(second) == "Instead."
    assert one.run(first.run_id).body["status"] == "cancelled"


def test_reject_leaves_it_alone(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *text("Said.")], busy="reject")
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    with pytest.raises(RequestError, match=f"already has an active run {first.run_id}"):
        one.send("And?", first.thread_id)
    gate.set()
    assert one.answer(first) == "Said."
    assert one.users_texts(first.thread_id) == ["Hello"]


def test_queued_messages_start_in_the_order_they_came(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *text("0")], *[text(str(number)) for number in range(1, 5)])
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    waiting = []
    for number in range(1, 5):
        waiting.append(Sending(lambda number=number: one.send(f"m{number}", first.thread_id)))  # type: ignore[misc]
        one.wait_for_line(first.thread_id, number)
    assert one.users_texts(first.thread_id) == ["Hello"], "nothing is stored before it starts"
    assert len(one.store.list(Kind.RUN, "ann", parent=first.thread_id).records) == 1
    gate.set()
    attached = [sending.done() for sending in waiting]
    assert [one.answer(each) for each in attached] == ["1", "2", "3", "4"]
    assert one.users_texts(first.thread_id) == ["Hello", "m1", "m2", "m3", "m4"]
    assert one.run(first.run_id).body["status"] == "completed"
    last = one.engine.requests[-1]["input"]
    assert [item["role"] for item in last] == ["user", "assistant"] * 4 + ["user"], "each sees what came before it"
    assert one.runner.starts.queues.length(("ann", first.thread_id)) == 0


def test_a_message_waits_for_the_run_of_another_worker(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one, two = worker([gate, *text("First.")]), worker(text("Second."))
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    waiting = Sending(lambda: two.send("And?", first.thread_id))
    two.wait_for_line(first.thread_id, 1)
    gate.set()
    assert two.answer(waiting.done()) == "Second."
    assert one.run(first.run_id).body["status"] == "completed"


def test_a_message_that_waited_has_a_whole_lease_from_its_start(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *text("First.")], text("Second."))
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    waiting = Sending(lambda: one.send("And?", first.thread_id))
    one.wait_for_line(first.thread_id, 1)
    one.skipped = 10.0  # as if it had waited so long
    gate.set()
    started = one.run(waiting.done().run_id)
    assert started.body["created_at"] >= int(one.run(first.run_id).body["created_at"]) + 10


def test_a_message_that_waits_too_long_is_refused_and_not_stored(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *text("First.")], seconds=0.3)
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    both = [Sending(lambda n=n: one.send(f"m{n}", first.thread_id)) for n in range(2)]  # type: ignore[misc]
    for error in (sending.refused() for sending in both):
        assert (error.status, error.code) == (400, BUSY)
        assert "was busy for 0.3 seconds" in error.message
    gate.set()
    assert one.answer(first) == "First."
    assert one.users_texts(first.thread_id) == ["Hello"]


def test_the_line_is_bounded(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *text("First.")], *[text("Next.")] * (QUEUE_LENGTH + 1))
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    waiting = [Sending(lambda: one.send("And?", first.thread_id)) for _ in range(QUEUE_LENGTH + 1)]
    one.wait_for_line(first.thread_id, QUEUE_LENGTH + 1)
    with pytest.raises(RequestError, match="Too many messages wait") as refused:
        one.send("Me too", first.thread_id)
    assert refused.value.code == BUSY
    gate.set()
    assert {one.answer(sending.done()) for sending in waiting} == {"Next."}


def test_a_run_that_waits_for_an_answer_blocks_the_line_and_says_so(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one = worker([gate, *call("get_weather")], text("Cold."), text("Next."))
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    waiting = [Sending(lambda: one.send("And?", first.thread_id)) for _ in range(3)]
    one.wait_for_line(first.thread_id, 3)
    gate.set()
    for sending in waiting:
        assert "waits for tool outputs: submit them or cancel it first" in sending.refused().message
    action = one.run(first.run_id).body["required_action"]
    outputs = {each["id"]: "-3 °C" for each in action["submit_tool_outputs"]["tool_calls"]}
    one.runner.submit("ann", first.thread_id, first.run_id, outputs)
    assert one.answer(one.send("And now?", first.thread_id)) == "Next."


def test_a_cancel_lets_the_line_move(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one = worker([gate], text("Next."))
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    waiting = Sending(lambda: one.send("And?", first.thread_id))
    one.wait_for_line(first.thread_id, 1)
    one.runner.cancel("ann", first.thread_id, first.run_id)
    assert one.answer(waiting.done()) == "Next."


def test_no_message_waits_for_a_deleted_thread(worker: MakeQueueWorker) -> None:
    gate = threading.Event()
    one = worker([gate])
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    waiting = Sending(lambda: one.send("And?", first.thread_id))
    one.wait_for_line(first.thread_id, 1)
    one.runner.delete_thread("ann", first.thread_id)
    assert waiting.refused().status == 404


def test_a_message_sent_twice_waits_once_and_is_one(worker: MakeQueueWorker) -> None:
    gate, second = threading.Event(), threading.Event()
    one, two = worker([gate, *text("First.")], [second, *text("Once.")]), worker([second, *text("Once.")])
    first = one.runner.start(StartRequest("ann", ASSISTANT, HELLO))
    named = RequestKey.read("ann", "key", {})

    def send(told: QueueWorker) -> RunPosition:
        try:
            return told.send("And?", first.thread_id, key=named)
        except Repeated as repeated:
            return repeated.position

    waiting = [Sending(lambda told=told: send(told)) for told in (one, one, two, two)]  # type: ignore[misc]
    for each in (one, two):
        each.wait_for_line(first.thread_id, 2)
    gate.set()
    attached = {sending.done() for sending in waiting}
    second.set()
    assert len(attached) == 1, "they are given the run while it is under way"
    assert one.answer(attached.pop()) == "Once."
    assert one.users_texts(first.thread_id) == ["Hello", "And?"]


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
        queues = site.registration.runner.starts.queues
        deadline = time.monotonic() + PATIENCE
        while not queues.length(("anna", thread_id)) and time.monotonic() < deadline:
            time.sleep(0.005)
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
