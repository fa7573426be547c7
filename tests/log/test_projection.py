"""The projection of a run that waits for tool outputs."""

from __future__ import annotations

from flask_assistant_stream.log.projection import project_events
from flask_assistant_stream.stores.base import Kind, RunRecord
from flask_assistant_stream.stores.lines import TURN
from tests.translation.material import run, translator

CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'}


def test_the_step_of_a_waiting_run_has_its_calls() -> None:
    machine = translator()
    begun = machine.start()
    done = {"type": "response.output_item.done", "output_index": 0, "item": CALL}
    events = machine.feed([done, {"type": "response.completed", "response": {"status": "completed"}}])
    assert machine.waiting
    record = RunRecord(Kind.RUN, "anna", run(), "thread_1", position=TURN)
    projection = project_events(record, [*begun, *events], machine.state())
    assert projection is not None
    ((step, seq),) = zip(projection.objects, projection.seqs, strict=True)
    (call,) = step.body["step_details"]["tool_calls"]
    assert (call["id"], call["function"]["arguments"], call["function"]["output"]) == ("call_1", '{"a": 1}', None)
    assert (step.kind, step.parent, step.body["status"]) == (Kind.RUN_STEP, record.id, "in_progress")
    created = next(event.seq for event in events if event.name == "thread.run.step.created")
    assert (step.position, seq) == (TURN + created, events[-1].seq)  # the position of its first event
