"""How a run ends and what the log says of it: a failed one at WARNING, an expected race without a trace."""

from __future__ import annotations

import logging
import threading

import pytest

from flask_assistant_stream.errors import EngineError, NotFound
from flask_assistant_stream.protocol import ids
from flask_assistant_stream.runs.runner import RunnerOptions
from flask_assistant_stream.stores.base import Kind, RunRecord, Start
from flask_assistant_stream.testing.scripted import ScriptedStream, call, text
from tests.runs.workers import LEASE, Begun, MakeWorker, endings
from tests.waiting import soon

SECRET_TEXT = "the prompt about my illness"


def warning(caplog: pytest.LogCaptureFixture) -> str:
    """Wait for the only warning and return it."""

    def warnings() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]

    soon(warnings)
    (line,) = warnings()
    return line


def test_a_failed_run_is_a_warning_with_the_operators_cause(
    worker: MakeWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    error = EngineError(SECRET_TEXT, code="invalid_prompt", detail="The upstream up.example answered 400. Check it.")
    one = worker([error])
    run = one.start()
    assert one.read(run.run_id)[-1].object()["last_error"]["message"] == SECRET_TEXT
    line = warning(caplog)
    assert "invalid_prompt: The upstream up.example answered 400. Check it." in line
    assert f"run_id={run.run_id}" in line
    assert SECRET_TEXT not in caplog.text


def test_a_failure_that_the_upstream_reports_is_a_warning_without_its_words(
    worker: MakeWorker, caplog: pytest.LogCaptureFixture
) -> None:
    one = worker([{"type": "response.failed", "response": {"error": {"code": "server_error", "message": SECRET_TEXT}}}])
    one.read(one.start().run_id)
    line = warning(caplog)
    assert "server_error: the upstream reported it" in line
    assert SECRET_TEXT not in caplog.text


def test_a_bound_that_was_exceeded_is_in_the_log(worker: MakeWorker, caplog: pytest.LogCaptureFixture) -> None:
    output = [{"id": f"m{number}", "type": "message", "content": []} for number in range(1001)]
    one = worker([{"type": "response.completed", "response": {"id": "resp_1", "output": output}}])
    one.read(one.start().run_id)
    line = warning(caplog)
    assert "The upstream sent more than 1000 output items." in line


def test_a_thread_that_is_deleted_while_its_run_begins_elsewhere_is_no_fault(
    worker: MakeWorker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    one, two = worker(text("Hi"), text("Never.")), worker()
    first = one.start()
    thread_id = first.thread_id
    soon(lambda: not two.run(first.run_id).active)
    start = one.store.start

    def start_and_delete(new: Start) -> RunRecord:
        run = start(new)
        two.store.delete(Kind.THREAD, "ann", thread_id)  # the other worker does not know of this run yet
        return run

    monkeypatch.setattr(one.store, "start", start_and_delete)
    one.start(thread_id=thread_id, overrides={"tools": [{"type": "file_search"}]})
    soon(lambda: "run ended, its thread was deleted" in caplog.text)
    assert "Traceback" not in caplog.text
    assert "error of the library" not in caplog.text


def test_tool_outputs_for_a_run_that_was_deleted_are_for_no_run(worker: MakeWorker) -> None:
    one = worker()
    begun = Begun(one, call("weather", {"city": "Oslo"}))
    one.store.delete(Kind.THREAD, "ann", begun.thread_id)
    with pytest.raises(NotFound):
        one.takeover.restore(begun.run)
    with pytest.raises(NotFound):
        one.runner.submit("ann", begun.thread_id, begun.id, {ids.new_id("call"): "x"})


@pytest.mark.parametrize("begun", [True, False])
def test_a_server_that_loads_its_model_has_more_time_until_the_first_byte(
    worker: MakeWorker, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    monkeypatch.setattr(ScriptedStream, "begun", property(lambda _: begun))
    gate = threading.Event()
    one = worker([gate, *text("Loaded.")])
    one.engine.first_seconds = 60
    one.runner.options = RunnerOptions(lease_seconds=LEASE, idle_seconds=0.2)
    run = one.start()
    if begun:
        assert endings(one.read(run.run_id)) == ["thread.run.failed"]
        return
    threading.Timer(1.5, gate.set).start()  # two checks of the ticker find it silent
    assert endings(one.read(run.run_id)) == ["thread.run.completed"]
