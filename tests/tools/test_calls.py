"""Calls of tools: in parallel, late, stopped; outputs and log records of those that fail."""

from __future__ import annotations

import contextvars
import json
import logging
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.errors import ToolError
from flask_assistant_stream.protocol.objects import Object
from flask_assistant_stream.run_logger import RunLogger
from flask_assistant_stream.stores.base import Kind, RunRecord
from flask_assistant_stream.tools.calls import ToolCalls
from flask_assistant_stream.tools.registry import ToolContext, Tools

SECONDS = 20
"""Longer than anything here takes; only a failing test waits for it."""
LOGGER = logging.getLogger("tests.tool_calls")

Records = Callable[[], list[tuple[str, str]]]
tools = Tools()


@tools.tool
def add(a: int, b: int) -> int:
    return a + b


@tools.tool
def who(context: ToolContext) -> str:
    return f"{context.owner} {context.call_id}"


@tools.tool
def refuse() -> None:
    raise ToolError("There is no such order.")


def deeper() -> None:
    raise LookupError("the customer's secret")


@tools.tool
def fail() -> None:
    deeper()


@tools.tool
def fail_elsewhere() -> None:
    json.loads("the customer's secret")


@tools.tool
def leave() -> None:
    sys.exit("the customer's secret")


@tools.tool
def strange() -> object:
    return object()


@tools.tool
def long(chars: int) -> str:
    return "x" * chars


def line_of(function: Callable[..., Any], text: str) -> int:
    """Return the line of this file where a function says something."""
    first = function.__code__.co_firstlineno
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()[first - 1 :]
    return first + next(number for number, line in enumerate(lines) if text in line)


def asked(call_id: str, name: str, **arguments: Any) -> Object:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def make(*calls: Object, among: Tools = tools, **options: Any) -> ToolCalls:
    log = RunLogger(LOGGER, RunRecord(Kind.RUN, "anna", {"id": "run_1"}, "thread_1"), "req_1")
    given = {"around": nullcontext, "log": log, "max_chars": 1000, **options}
    return ToolCalls(among, calls, lambda call_id: ToolContext("anna", "thread_1", "run_1", call_id), **given)


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Records:
    """Return level and text of each record so far, without the ids of the run."""
    caplog.set_level(logging.INFO, LOGGER.name)
    return lambda: [(one.levelname, one.getMessage().partition(" [")[0]) for one in caplog.records]


# -- outputs --------------------------------------------------------------------------------------------------
def test_each_call_has_its_output_in_their_order() -> None:
    others = [asked(f"call_{number}", name) for number, name in ((4, "refuse"), (5, "fail"), (6, "nothing"))]
    first = [asked("call_1", "add", a=1, b=2), asked("call_2", "who"), asked("call_3", "add", a="x")]
    calls = make(*first, *others, asked("call_7", "add", a=3, b=4))
    outputs = calls.run()
    assert list(outputs) == [f"call_{number}" for number in range(1, 8)]
    assert list(outputs.values()) == [
        "3",
        "anna call_2",
        "Invalid arguments of add: a: Input should be a valid integer, unable to parse string as an integer; "
        "b: is required.",
        "There is no such order.",
        "The tool fail failed.",
        "There is no tool nothing.",
        "7",
    ]
    assert not calls.stopped
    assert make().run() == {}


def test_calls_run_side_by_side() -> None:
    """Each waits for the other two."""
    among, barrier = Tools(), threading.Barrier(3)

    @among.tool
    def meet() -> int:
        barrier.wait(SECONDS)
        return 1

    calls = make(*(asked(f"call_{n}", "meet") for n in range(3)), among=among)
    assert calls.run() == {"call_0": "1", "call_1": "1", "call_2": "1"}


@pytest.mark.parametrize(("chars", "fits"), [(1000, True), (1001, False), (10**6, False)])
def test_an_output_that_is_too_long(chars: int, fits: bool, records: Records) -> None:
    said = make(asked("call_1", "long", chars=chars)).run()["call_1"]
    if fits:
        assert said == "x" * chars
    else:
        assert said == f"The output of long is too long: {chars} characters, and the limit is 1000. Ask for less."
        assert ("WARNING", f"the output of tool long is too long: {chars} characters") in records()


# -- where a tool runs ----------------------------------------------------------------------------------------
def test_each_call_runs_in_the_context_in_a_thread_of_its_own() -> None:
    among, seen = Tools(), []
    inside = threading.local()

    @contextmanager
    def around() -> Iterator[None]:
        inside.here = True
        yield
        inside.here = False
        seen.append(("left", threading.current_thread().name))

    @among.tool
    def look() -> bool:
        seen.append(("ran", threading.current_thread().name))
        assert threading.current_thread().daemon
        return bool(inside.here)

    assert make(asked("call_1", "look"), among=among, around=around).run() == {"call_1": "true"}
    assert seen == [("ran", "run_1.look"), ("left", "run_1.look")]


def test_results_are_written_in_the_context() -> None:
    """A generator runs while its result is written."""
    among, inside = Tools(), []

    @contextmanager
    def around() -> Iterator[None]:
        inside.append(1)
        yield
        inside.clear()

    @among.tool
    def rows() -> Iterator[int]:
        yield from inside

    assert make(asked("call_1", "rows"), among=among, around=around).run() == {"call_1": "[1]"}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_context_that_fails_is_a_tool_that_fails(when: str, records: Records) -> None:
    @contextmanager
    def around() -> Iterator[None]:
        if when == "before":
            raise RuntimeError("secret")
        yield
        raise RuntimeError("secret")

    assert make(asked("call_1", "who"), around=around).run() == {"call_1": "The tool who failed."}
    level, record = records()[0]
    assert level == "ERROR"
    assert re.fullmatch(r"tool who failed: RuntimeError at test_calls\.py:[0-9]+ in around", record)


def test_a_tool_sees_nothing_of_the_caller_s_context() -> None:
    variable = contextvars.ContextVar("variable", default="nothing")
    variable.set("the caller's")
    among = Tools()

    @among.tool
    def look() -> str:
        return variable.get()

    assert make(asked("call_1", "look"), among=among).run() == {"call_1": "nothing"}


# -- failures and records -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "kind", "place", "text"),
    [
        ("fail", "LookupError", deeper, "raise LookupError"),
        ("fail_elsewhere", "JSONDecodeError", fail_elsewhere, "json.loads"),
        ("leave", "SystemExit", leave, "sys.exit"),
    ],
)
def test_a_failure_is_logged_with_its_place_and_without_its_text(
    name: str, kind: str, place: Callable[..., Any], text: str, caplog: pytest.LogCaptureFixture, records: Records
) -> None:
    assert make(asked("call_1", name)).run() == {"call_1": f"The tool {name} failed."}
    where = f"test_calls.py:{line_of(place, text)} in {place.__name__}"
    assert records()[0] == ("ERROR", f"tool {name} failed: {kind} at {where}")
    assert "secret" not in caplog.text
    assert "Traceback" not in caplog.text
    assert caplog.records[0].run_id == "run_1"  # type: ignore[attr-defined]


def test_an_object_of_the_hosts_own_is_named_with_the_fix(records: Records) -> None:
    assert make(asked("call_1", "strange")).run() == {"call_1": "The tool strange failed."}
    where = f"test_calls.py:{line_of(strange, 'tools.tool')} in strange"
    record = f"tool strange returned object; return a dict, a string or a pydantic model, at {where}"
    assert records()[0] == ("ERROR", record)


def test_the_text_of_a_failure_is_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER.name)
    make(asked("call_1", "fail")).run()
    debug = [one for one in caplog.records if one.levelno == logging.DEBUG]
    assert len(debug) == 1
    assert "Traceback" in caplog.text
    assert "LookupError: the customer's secret" in caplog.text


def test_each_call_is_a_record(records: Records) -> None:
    among, clock = Tools(), [5.0]

    @among.tool
    def work() -> None:
        clock[0] += 2.5

    make(asked("call_1", "work"), among=among, now=lambda: clock[0]).run()
    assert records() == [("INFO", "tool work ended after 2.500 s")]


def test_records_hold_no_content(caplog: pytest.LogCaptureFixture, records: Records) -> None:
    make(asked("call_1", "add", a="secret"), asked("call_2", "refuse"), asked("call_3", "add", a=41, b=1)).run()
    assert sorted(level for level, _ in records()) == ["INFO", "INFO", "INFO"]
    assert "secret" not in caplog.text
    assert "no such order" not in caplog.text
    assert "anna" not in caplog.text


# -- time -----------------------------------------------------------------------------------------------------
class Slow:
    """Tools that wait until they are released; released at the latest when the test ends."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.ended = threading.Event()
        self.begun = threading.Event()
        self.tools = Tools()
        self.tools.add(add)
        self.tools.add(self.wait, timeout_seconds=0.01, name="slow")
        self.tools.add(self.wait_longer, timeout_seconds=SECONDS, name="slower")

    def wait(self) -> str:
        self.begun.set()
        self.released.wait(SECONDS)
        return "at last"

    def wait_longer(self) -> str:
        return self.wait()

    @contextmanager
    def around(self) -> Iterator[None]:
        """Note when a tool has ended."""
        yield
        if self.begun.is_set():
            self.ended.set()


@pytest.fixture
def slow() -> Iterator[Slow]:
    made = Slow()
    yield made
    made.released.set()


def test_a_slow_tool_is_not_waited_for(slow: Slow, records: Records) -> None:
    calls = make(asked("call_1", "slow"), asked("call_2", "add", a=1, b=2), among=slow.tools)
    assert calls.run() == {"call_1": "The tool slow did not answer within 0.01 seconds.", "call_2": "3"}
    assert ("WARNING", "tool slow did not answer within 0.01 s") in records()


def test_a_slow_tool_does_not_shorten_another_s_time(slow: Slow) -> None:
    """The call with more time answers after the other's time limit."""
    warned = threading.Event()

    class Warned(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno == logging.WARNING:
                warned.set()

    @slow.tools.tool
    def answer_late() -> str:
        return "late" if warned.wait(SECONDS) else "never"

    listening = Warned()
    LOGGER.addHandler(listening)
    try:
        calls = make(asked("call_1", "answer_late"), asked("call_2", "slow"), among=slow.tools)
        assert calls.run()["call_1"] == "late"
    finally:
        LOGGER.removeHandler(listening)


def test_a_result_that_comes_too_late_is_dropped(slow: Slow, records: Records) -> None:
    calls = make(asked("call_1", "slow"), among=slow.tools, around=slow.around)
    outputs = calls.run()
    (thread,) = [one for one in threading.enumerate() if one.name == "run_1.slow"]
    slow.released.set()
    thread.join(SECONDS)
    assert slow.ended.is_set()
    assert outputs == {"call_1": "The tool slow did not answer within 0.01 seconds."}
    assert records()[-1][1].endswith(", too late")


# -- stopping -------------------------------------------------------------------------------------------------
def test_stopping_returns_what_there_is(slow: Slow) -> None:
    calls = make(asked("call_1", "add", a=1, b=2), asked("call_2", "slower"), among=slow.tools)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(calls.run)
        assert slow.begun.wait(SECONDS)
        calls.stop()
        assert set(running.result(SECONDS)) <= {"call_1"}
    assert calls.stopped


def test_stopped_before_it_runs_nothing_is_called() -> None:
    among, called = Tools(), []

    @among.tool
    def note() -> None:
        called.append(1)

    calls = make(asked("call_1", "note"), among=among)
    calls.stop()
    calls.stop()
    assert calls.run() == {}
    assert not called


def test_a_tool_may_stop_its_own_run() -> None:
    among = Tools()
    calls: list[ToolCalls] = []

    @among.tool
    def stop() -> None:
        calls[0].stop()

    calls.append(make(asked("call_1", "stop"), among=among))
    assert set(calls[0].run()) <= {"call_1"}
    assert calls[0].stopped


# -- gevent ---------------------------------------------------------------------------------------------------
GEVENT = """
    from gevent import monkey
    monkey.patch_all()
    import contextvars, logging, threading, time
    from contextlib import nullcontext
    from flask_assistant_stream.run_logger import RunLogger
    from flask_assistant_stream.stores.base import Kind, RunRecord
    from flask_assistant_stream.tools.calls import ToolCalls
    from flask_assistant_stream.tools.registry import ToolContext, Tools

    variable = contextvars.ContextVar("variable", default="nothing")
    variable.set("the caller's")
    tools, barrier, never = Tools(), threading.Barrier(3), threading.Event()

    @tools.tool
    def meet() -> str:
        barrier.wait(20)
        return variable.get()

    @tools.tool(timeout_seconds=0.05)
    def hang() -> None:
        never.wait()

    @tools.tool
    def leave() -> None:
        raise SystemExit

    @tools.tool
    def wait() -> None:
        begun.set()
        never.wait()

    def make(*names):
        log = RunLogger(logging.getLogger("silent"), RunRecord(Kind.RUN, "anna", {"id": "run_1"}, "thread_1"), "")
        calls = [{"id": str(n), "function": {"name": name, "arguments": "{}"}} for n, name in enumerate(names)]
        context = lambda call_id: ToolContext("anna", "thread_1", "run_1", call_id)
        return ToolCalls(tools, calls, context, around=nullcontext, log=log, max_chars=100)

    logging.disable()
    outputs = make("meet", "hang", "meet", "leave", "meet").run()
    assert outputs == {
        "0": "nothing", "1": "The tool hang did not answer within 0.05 seconds.", "2": "nothing",
        "3": "The tool leave failed.", "4": "nothing",
    }, outputs

    begun, ended = threading.Event(), []
    calls = make("wait")
    runner = threading.Thread(target=lambda: ended.append(calls.run()))
    runner.start()
    assert begun.wait(20)
    calls.stop()
    runner.join(20)
    assert ended == [{}], ended
"""


def test_under_gevent_all_of_it_is_the_same() -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", textwrap.dedent(GEVENT)]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, cwd=root, check=False)
    assert (done.returncode, done.stderr) == (0, "")
