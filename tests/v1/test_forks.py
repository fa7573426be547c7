"""The official Python client on a thread with forks, on each store: it sees an ordinary thread."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.server_process import ServerProcess
from tests.stack.app import API_KEY

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

KEY = {"Authorization": f"Bearer {API_KEY}"}


class Forked:
    """A thread whose lines are q1 a1 q2 a2, q1 a1 Q2 A2 and, active, q1 A1 q3 a3.

    Attributes:
        lines: the ids of the messages of each.
    """

    def __init__(self, client: openai.OpenAI, server: ServerProcess) -> None:
        self.threads, self._server = client.beta.threads, server
        self.id = str(self.threads.create().id)
        self.ask("q1")
        self.ask("q2")
        self.lines = [self.listed()]
        self.fork(self.lines[0][2], content="Q2")
        self.lines.append(self.listed())
        self.fork(self.lines[0][1])
        self.ask("q3")
        self.lines.append(self.listed())

    def ask(self, content: str) -> None:
        self.threads.messages.create(self.id, role="user", content=content)
        run = self.threads.runs.create_and_poll(thread_id=self.id, assistant_id="asst_default")
        assert run.status == "completed"

    def fork(self, message_id: str, **body: Any) -> None:
        answer = self._server.post(f"/threads/{self.id}/messages/{message_id}/fork", body, headers=KEY)
        assert answer.run["status"] == "completed"

    def switch(self, line_id: str) -> None:
        body = {"line_id": line_id}
        answer = self._server.request("PUT", f"/threads/{self.id}/line", body, headers=KEY)
        assert (answer.status, answer.json["line_id"]) == (200, line_id)

    def listed(self, **query: Any) -> list[str]:
        """Return the ids of a list, from all pages; by default the oldest first."""
        return [message.id for message in self.threads.messages.list(self.id, **{"order": "asc", **query})]


@pytest.fixture
def forked(client: openai.OpenAI, server: ServerProcess) -> Forked:
    return Forked(client, server)


def test_a_list_is_the_active_line(forked: Forked) -> None:
    first, second, active = forked.lines
    assert [len(line) for line in forked.lines] == [4, 4, 4]
    assert (first[:2], first[0]) == (second[:2], active[0]), "what is shared keeps its id"
    assert len({*first, *second, *active}) == 4 + 2 + 3
    for limit in (1, 2, 3, 100):
        assert forked.listed(limit=limit) == active
        assert forked.listed(limit=limit, order="desc") == active[::-1]
    assert "line_id" not in forked.threads.retrieve(forked.id).model_dump()
    for place, id in enumerate(active):
        assert forked.listed(after=id, limit=1) == active[place + 1 :]
        page = forked.threads.messages.list(forked.id, order="asc", before=id)
        assert [message.id for message in page.data] == active[:place]
        assert forked.listed(after=id, order="desc") == active[:place][::-1]


def test_a_cursor_of_another_line_continues_by_its_place(forked: Forked) -> None:
    first, second, active = forked.lines
    assert forked.listed(after=first[1]) == active[1:], "the answer there was given later"
    assert forked.listed(after=second[3], order="desc") == active[:1]
    page = forked.threads.messages.list(forked.id, order="asc", before=second[2])
    assert [message.id for message in page.data] == active[:1]
    forked.switch("line_0")
    assert forked.listed() == first
    assert forked.listed(after=active[1]) == []
    assert forked.listed(after=active[1], order="desc", limit=1) == first[::-1]


def test_everything_is_found_by_id(forked: Forked) -> None:
    threads = forked.threads
    everything = {id for line in forked.lines for id in line}
    for id in everything:
        assert threads.messages.retrieve(id, thread_id=forked.id).id == id
        assert threads.messages.update(id, thread_id=forked.id, metadata={"a": "b"}).metadata == {"a": "b"}
    runs = [*threads.runs.list(forked.id, limit=2)]
    assert [run.created_at for run in runs] == sorted((run.created_at for run in runs), reverse=True)
    assert [run.id for run in threads.runs.list(forked.id, limit=2, order="asc")] == [run.id for run in runs][::-1]
    answers = []
    for run in runs:
        (answer,) = threads.messages.list(forked.id, run_id=run.id).data
        (step,) = threads.runs.steps.list(run.id, thread_id=forked.id).data
        details: Any = step.step_details
        assert details.message_creation.message_id == answer.id
        assert threads.runs.steps.retrieve(step.id, thread_id=forked.id, run_id=run.id).id == step.id
        assert threads.runs.retrieve(run.id, thread_id=forked.id).status == "completed"
        answers.append(answer.id)
    assert {id for line in forked.lines for id in line[1::2]} == {*answers}
    assert len(answers) == 5


def test_of_an_unknown_run_or_one_of_another_thread_there_are_no_messages(forked: Forked) -> None:
    elsewhere = forked.threads.create_and_run_poll(assistant_id="asst_default")
    for run_id in ("run_x", elsewhere.id):
        assert [*forked.threads.messages.list(forked.id, run_id=run_id)] == []


def test_messages_are_deleted_while_they_are_listed(forked: Forked) -> None:
    first, second, active = forked.lines
    messages = forked.threads.messages
    for message in messages.list(forked.id, limit=1, order="asc"):
        assert messages.delete(message.id, thread_id=forked.id).deleted
    assert forked.listed() == []
    assert forked.listed(after=active[1]) == [], "a deleted one counts as a place"
    forked.switch("line_0")
    assert forked.listed(limit=1) == first[1:], "what lines share is one message"
    assert messages.delete(second[2], thread_id=forked.id).deleted, "on a line that is not active"
    with pytest.raises(openai.NotFoundError):
        messages.retrieve(second[2], thread_id=forked.id)
    assert forked.listed() == first[1:]


def test_a_deleted_thread_is_gone_with_all_its_lines(forked: Forked) -> None:
    threads = forked.threads
    runs = [run.id for run in threads.runs.list(forked.id)]
    assert threads.delete(forked.id).deleted
    for id in {id for line in forked.lines for id in line}:
        with pytest.raises(openai.NotFoundError):
            threads.messages.retrieve(id, thread_id=forked.id)
    for id in runs:
        with pytest.raises(openai.NotFoundError):
            threads.runs.retrieve(id, thread_id=forked.id)
