"""The official Python client against a real server, on each store, through every endpoint and helper.

The client checks answers strictly, and what comes over the wire is compared with the API description as well.
"""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from openai import AssistantEventHandler

from tests.server_process import PREFIX, ServerProcess
from tests.stack.app import API_KEY, WEATHER

from .conftest import ANSWERS, compare_body

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SEARCH_CONTENT = "step_details.tool_calls[*].file_search.results[*].content"


@pytest.fixture
def beta(client: openai.OpenAI) -> Any:
    return client.beta


def said(message: Any) -> str:
    return "".join(part.text.value for part in message.content)


def error_of(call: Any, *values: Any, **options: Any) -> tuple[int, str]:
    """Return status and message of the error that a call of the client raises."""
    with pytest.raises(openai.APIStatusError) as caught:
        call(*values, **options)
    body: Any = caught.value.body
    return caught.value.status_code, body["message"]


def new_thread(beta: Any, content: str = "hello") -> str:
    return str(beta.threads.create(messages=[{"role": "user", "content": content}]).id)


def outputs(run: Any) -> list[Any]:
    calls = run.required_action.submit_tool_outputs.tool_calls
    return [{"tool_call_id": call.id, "output": "sunny"} for call in calls]


def test_assistants(client: openai.OpenAI, beta: Any) -> None:
    before = {assistant.id for assistant in beta.assistants.list()}
    assistant = beta.assistants.create(
        model="m",
        name="N",
        description="D",
        instructions="I",
        tools=[WEATHER, {"type": "file_search"}, {"type": "code_interpreter"}],
        tool_resources={"file_search": {"vector_store_ids": [client.vector_stores.create().id]}},
        metadata={"a": "b"},
        temperature=0.5,
        top_p=0.5,
        response_format={"type": "json_object"},
        reasoning_effort="low",
    )
    assert beta.assistants.retrieve(assistant.id) == assistant
    schema = {"$defs": {"a.b": {"type": "string"}}, "type": "object", "properties": {"x": {"$ref": "#/$defs/a.b"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    odd = beta.assistants.update(assistant.id, tools=[tool], metadata={"$set": "1", "a.b": "2", "": "3"})
    assert (odd.tools[0].function.parameters, odd.metadata) == (schema, {"$set": "1", "a.b": "2", "": "3"})
    assert beta.assistants.retrieve(assistant.id) == odd
    run = beta.threads.create_and_run(assistant_id=assistant.id, metadata=odd.metadata)
    assert beta.threads.runs.retrieve(run.id, thread_id=run.thread_id).metadata == odd.metadata
    changed = beta.assistants.update(assistant.id, name="M", instructions=None)
    assert (changed.name, changed.instructions, changed.description) == ("M", None, "D")
    new_ids = {assistant.id, *(beta.assistants.create(model="m").id for _ in range(4))}
    listed = [listed.id for listed in beta.assistants.list(limit=2)]
    assert len(listed) == len(set(listed))
    assert set(listed) == before | new_ids
    for id in new_ids:
        assert beta.assistants.delete(id).deleted
    unknown = (404, f"No assistant found with id '{assistant.id}'.")
    assert error_of(beta.assistants.retrieve, assistant.id) == unknown


def test_threads(client: openai.OpenAI, beta: Any) -> None:
    stores = {"file_search": {"vector_store_ids": [client.vector_stores.create().id]}}
    messages = [{"role": "user", "content": "a"}]
    thread = beta.threads.create(messages=messages, metadata={"a": "b"}, tool_resources=stores)
    assert beta.threads.retrieve(thread.id) == thread
    assert beta.threads.update(thread.id, metadata={"c": "d"}).metadata == {"c": "d"}
    assert beta.threads.delete(thread.id).deleted
    assert error_of(beta.threads.retrieve, thread.id) == (404, f"No thread found with id '{thread.id}'.")
    assert beta.threads.create().metadata == {}


def test_messages(client: openai.OpenAI, beta: Any) -> None:
    thread = beta.threads.create().id
    image = client.files.create(file=("cat.png", b"PNG"), purpose="vision").id
    table = client.files.create(file=("table.csv", b"a,b"), purpose="assistants").id
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_file", "image_file": {"file_id": image, "detail": "low"}},
    ]
    attachments = [{"file_id": table, "tools": [{"type": "code_interpreter"}]}]
    asked = beta.threads.messages.create(thread, role="user", content=parts, attachments=attachments)
    spoken = beta.threads.messages.create(thread, role="assistant", content="I see", metadata={"a": "b"})
    assert [part.type for part in asked.content] == ["text", "image_url", "image_file"]
    assert beta.threads.messages.retrieve(asked.id, thread_id=thread) == asked
    assert beta.threads.messages.update(spoken.id, thread_id=thread, metadata={"c": "d"}).metadata == {"c": "d"}
    for number in range(5):
        beta.threads.messages.create(thread, role="user", content=str(number))
    listed = [message.id for message in beta.threads.messages.list(thread, limit=3, order="asc")]
    assert (len(listed), listed[:2]) == (7, [asked.id, spoken.id])
    page = beta.threads.messages.list(thread, before=listed[2], order="asc")
    assert [message.id for message in page.data] == listed[:2]
    assert beta.threads.messages.delete(asked.id, thread_id=thread).deleted
    assert asked.id not in [message.id for message in beta.threads.messages.list(thread)]


def test_a_run_with_polling(beta: Any) -> None:
    thread = new_thread(beta)
    run = beta.threads.runs.create_and_poll(
        thread_id=thread,
        assistant_id="asst_default",
        additional_messages=[{"role": "user", "content": "and more"}],
        additional_instructions="Rhyme.",
        metadata={"a": "b"},
    )
    assert (run.status, run.instructions, run.metadata) == ("completed", "Be brief.\nRhyme.", {"a": "b"})
    assert run.usage.total_tokens > 0
    assert beta.threads.runs.retrieve(run.id, thread_id=thread) == run
    assert beta.threads.runs.poll(run.id, thread_id=thread) == run
    assert beta.threads.runs.update(run.id, thread_id=thread, metadata={"c": "d"}).metadata == {"c": "d"}
    assert [run.id for run in beta.threads.runs.list(thread)] == [run.id]
    (answer,) = beta.threads.messages.list(thread, run_id=run.id).data
    assert (answer.role, answer.run_id, bool(said(answer))) == ("assistant", run.id, True)
    (step,) = beta.threads.runs.steps.list(run.id, thread_id=thread).data
    assert step.step_details.message_creation.message_id == answer.id
    assert step.usage.total_tokens == run.usage.total_tokens
    assert beta.threads.runs.steps.retrieve(step.id, thread_id=thread, run_id=run.id) == step


def test_a_run_with_polling_in_two_parts(beta: Any) -> None:
    thread = new_thread(beta, "@@script:text?delay=0.05@@")
    run = beta.threads.runs.create(thread, assistant_id="asst_default")
    busy = f"Thread {thread} already has an active run {run.id}."
    assert error_of(beta.threads.runs.create, thread, assistant_id="asst_default") == (400, busy)
    busy = f"Can't add messages to {thread} while a run {run.id} is active."
    assert error_of(beta.threads.messages.create, thread, role="user", content="x") == (400, busy)
    raw = beta.threads.runs.with_raw_response.retrieve(run.id, thread_id=thread)
    assert int(raw.headers["openai-poll-after-ms"]) > 0
    assert beta.threads.runs.poll(run.id, thread_id=thread).status == "completed"


class Handler(AssistantEventHandler):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.calls: list[str] = []

    def on_text_delta(self, delta: Any, snapshot: Any) -> None:
        self.text += delta.value or ""

    def on_tool_call_created(self, tool_call: Any) -> None:
        self.calls.append(tool_call.type)

    def on_end(self) -> None:
        self.calls.append("end")


def test_streams(beta: Any) -> None:
    events = list(beta.threads.runs.create(new_thread(beta), assistant_id="asst_default", stream=True))
    assert (events[0].event, events[-1].event) == ("thread.run.created", "thread.run.completed")
    for event in events:
        if event.data.object in ANSWERS:
            compare_body(event.data.to_dict())
    thread = new_thread(beta)
    with beta.threads.runs.stream(thread_id=thread, assistant_id="asst_default", event_handler=Handler()) as stream:
        stream.until_done()
        handler: Any = stream
    assert handler.get_final_run().status == "completed"
    (message,) = handler.get_final_messages()
    assert handler.text == said(message) == said(beta.threads.messages.list(thread).data[0])
    assert handler.calls == ["end"]
    thread = new_thread(beta)
    with beta.threads.runs.stream(thread_id=thread, assistant_id="asst_default") as stream:
        assert "".join(stream.text_deltas) == said(beta.threads.messages.list(thread).data[0])


def test_runs_with_a_thread_of_their_own(beta: Any) -> None:
    thread = {"messages": [{"role": "user", "content": "hello"}], "metadata": {"a": "b"}}
    run = beta.threads.create_and_run(assistant_id="asst_default", thread=thread)
    assert beta.threads.runs.poll(run.id, thread_id=run.thread_id).status == "completed"
    assert beta.threads.retrieve(run.thread_id).metadata == {"a": "b"}
    assert beta.threads.create_and_run_poll(assistant_id="asst_default", thread=thread).status == "completed"
    with beta.threads.create_and_run_stream(assistant_id="asst_default", thread=thread) as stream:
        names = [event.event for event in stream]
        assert stream.get_final_run().status == "completed"
    assert names[:2] == ["thread.created", "thread.run.created"]
    events = list(beta.threads.create_and_run(assistant_id="asst_default", thread=thread, stream=True))
    assert events[0].event == "thread.created"


def waiting(beta: Any, content: str = "@@script:two_calls@@") -> Any:
    thread = new_thread(beta, content)
    run = beta.threads.runs.create_and_poll(thread_id=thread, assistant_id="asst_default")
    assert run.status == "requires_action"
    return run


def test_tool_outputs_with_polling(beta: Any) -> None:
    run = waiting(beta)
    step, _ = beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
    assert (step.status, len(step.step_details.tool_calls)) == ("in_progress", 2)
    with pytest.raises(openai.BadRequestError) as caught:
        beta.threads.runs.submit_tool_outputs(run.id, thread_id=run.thread_id, tool_outputs=outputs(run)[:1])
    assert caught.value.param == "tool_outputs"
    place = {"run_id": run.id, "thread_id": run.thread_id}
    assert beta.threads.runs.submit_tool_outputs_and_poll(**place, tool_outputs=outputs(run)).status == "completed"
    spoken, called, _ = beta.threads.runs.steps.list(run.id, thread_id=run.thread_id).data
    assert [one.function.output for one in called.step_details.tool_calls] == ["sunny", "sunny"]
    assert (called.id, spoken.type) == (step.id, "message_creation")
    late = (400, 'Runs in status "completed" do not accept tool outputs.')
    assert error_of(beta.threads.runs.submit_tool_outputs, **place, tool_outputs=outputs(run)) == late


def test_tool_outputs_with_a_stream(beta: Any) -> None:
    run = waiting(beta)
    submission: Any = {"run_id": run.id, "thread_id": run.thread_id, "tool_outputs": outputs(run)}
    with beta.threads.runs.submit_tool_outputs_stream(**submission, event_handler=Handler()) as stream:
        stream.until_done()
        assert stream.get_final_run().status == "completed"
        assert stream.text
    run = waiting(beta)
    submission = {"run_id": run.id, "thread_id": run.thread_id, "tool_outputs": outputs(run)}
    events = list(beta.threads.runs.submit_tool_outputs(**submission, stream=True))
    assert (events[0].event, events[-1].event) == ("thread.run.step.completed", "thread.run.completed")


def test_calls_in_a_stream(beta: Any) -> None:
    thread = new_thread(beta, "@@script:two_calls@@")
    with beta.threads.runs.stream(thread_id=thread, assistant_id="asst_default", event_handler=Handler()) as stream:
        stream.until_done()
        run = stream.get_final_run()
        assert stream.calls == ["function", "function", "end"]
    assert run.status == "requires_action"


def test_a_file_search(beta: Any) -> None:
    thread = new_thread(beta, "@@script:file_search@@")
    run = beta.threads.runs.create_and_poll(thread_id=thread, assistant_id="asst_search", include=[SEARCH_CONTENT])
    _, plain = beta.threads.runs.steps.list(run.id, thread_id=thread).data
    (result,) = plain.step_details.tool_calls[0].file_search.results
    assert (result.file_id, result.content) == ("file-food", None)
    _, full = beta.threads.runs.steps.list(run.id, thread_id=thread, include=[SEARCH_CONTENT]).data
    assert full.step_details.tool_calls[0].file_search.results[0].content[0].text == "Travis: pizza"
    place = {"thread_id": thread, "run_id": run.id}
    assert beta.threads.runs.steps.retrieve(full.id, **place, include=[SEARCH_CONTENT]) == full
    (message,) = beta.threads.messages.list(thread, run_id=run.id).data
    (note,) = message.content[0].text.annotations
    assert note.file_citation.file_id == "file-food"


def test_cancel(beta: Any) -> None:
    thread = new_thread(beta, "@@script:stall@@")
    run = beta.threads.runs.create(thread, assistant_id="asst_default")
    assert beta.threads.runs.cancel(run.id, thread_id=thread).status in ("cancelling", "cancelled")
    assert beta.threads.runs.poll(run.id, thread_id=thread).status == "cancelled"
    late = (400, "Cannot cancel run with status 'cancelled'.")
    assert error_of(beta.threads.runs.cancel, run.id, thread_id=thread) == late
    waits = waiting(beta)
    assert beta.threads.runs.cancel(waits.id, thread_id=waits.thread_id).status == "cancelled"


@pytest.mark.parametrize(
    ("script", "status"), [("fail", "failed"), ("incomplete", "incomplete"), ("status?code=400", "failed")]
)
def test_runs_that_fail_say_so(beta: Any, script: str, status: str) -> None:
    thread = new_thread(beta, f"@@script:{script}@@")
    with beta.threads.runs.stream(thread_id=thread, assistant_id="asst_default") as stream:
        stream.until_done()
        streamed = stream.get_final_run()
    assert (streamed.status, streamed.last_error is not None) == (status, status == "failed")
    assert beta.threads.runs.retrieve(streamed.id, thread_id=thread) == streamed


def test_errors(beta: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        beta.assistants.create(model="m", name="n" * 257)
    error = caught.value
    assert (error.status_code, error.param, error.type) == (400, "name", "invalid_request_error")
    assert error.request_id
    for query in ({"limit": -1}, {"limit": 1000}, {"order": "up"}, {"after": "asst_nobody"}):
        with pytest.raises(openai.BadRequestError) as caught:
            beta.assistants.list(**query)
        assert caught.value.param == next(iter(query))
    with pytest.raises(openai.BadRequestError) as caught:
        beta.threads.runs.steps.list("run_x", thread_id="thread_x", include=["everything"])
    assert (caught.value.param or "").startswith("include")
    with pytest.raises(openai.NotFoundError):
        beta.threads.runs.create("thread_x", assistant_id="asst_default")


def test_keys(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="sk-wrong").beta.assistants.list()
    assert caught.value.code == "invalid_api_key"
    assert "sk-wrong" not in str(caught.value)


def test_the_asynchronous_client(server: ServerProcess) -> None:
    asyncio.run(_converse(f"{server.origin}{PREFIX}/v1"))


async def _converse(base_url: str) -> None:
    options: Any = {"max_retries": 0, "_strict_response_validation": True}
    async with openai.AsyncOpenAI(base_url=base_url, api_key=API_KEY, **options) as client:
        beta: Any = client.beta
        assistant = await beta.assistants.create(model="m", tools=[WEATHER])
        thread = (await beta.threads.create(messages=[{"role": "user", "content": "hello"}])).id
        run = await beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=assistant.id)
        assert run.status == "completed"
        await beta.threads.messages.create(thread, role="user", content="@@script:two_calls@@")
        async with beta.threads.runs.stream(thread_id=thread, assistant_id=assistant.id) as stream:
            await stream.until_done()
            run = await stream.get_final_run()
        assert run.status == "requires_action"
        async with beta.threads.runs.submit_tool_outputs_stream(
            run_id=run.id, thread_id=thread, tool_outputs=outputs(run)
        ) as stream:
            text = "".join([piece async for piece in stream.text_deltas])
        listed = [one async for one in beta.threads.messages.list(thread, limit=1)]
        assert said(listed[0]) == text
        assert len(listed) == 5
        again = {"messages": [{"role": "user", "content": "hi"}]}
        assert (await beta.threads.create_and_run_poll(assistant_id=assistant.id, thread=again)).status == "completed"
        steps = [one async for one in beta.threads.runs.steps.list(run.id, thread_id=thread, limit=1)]
        assert [one.type for one in steps] == ["message_creation", "tool_calls", "message_creation"]
        with pytest.raises(openai.NotFoundError):
            await beta.threads.retrieve("thread_x")
        assert (await beta.assistants.delete(assistant.id)).deleted
