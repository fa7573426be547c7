"""`async def` tools: the outputs, time-outs, errors and stops of plain ones, on plain threads and under gevent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask

from flask_assistant_stream import create_assistant_blueprint
from flask_assistant_stream.testing.decode import decode_ndjson, text_of
from flask_assistant_stream.testing.scripted import ScriptedEngine, call, text

SCRIPT = """
import asyncio, contextlib, logging, socket, sys, threading
from flask import Flask, current_app
from flask_assistant_stream.errors import ToolError
from flask_assistant_stream.run_logger import RunLogger
from flask_assistant_stream.stores.base import Kind, RunRecord
from flask_assistant_stream.tools.calls import ToolCalls
from flask_assistant_stream.tools.registry import ToolContext, Tools

tools, server = Tools(), socket.create_server(("127.0.0.1", 0))

def answer_three_at_once():
    clients = [server.accept()[0] for _ in range(3)]
    for client in clients:
        client.sendall(b"hi")
        client.close()

@tools.tool
async def meet(context: ToolContext, name: str = "Ann") -> list[str]:
    reader, writer = await asyncio.open_connection(*server.getsockname())
    said = await reader.read()
    writer.close()
    return [said.decode(), name, current_app.name, await asyncio.to_thread(lambda: context.call_id)]

@tools.tool(timeout_seconds=0.05)
async def hang() -> None:
    await asyncio.sleep(60)

@tools.tool
async def refuse() -> None:
    raise ToolError("There is no such order.")

@tools.tool
async def fail() -> None:
    raise LookupError("secret")

@tools.tool
async def leave() -> None:
    raise SystemExit

waiting = threading.Event()

@tools.tool
async def wait() -> None:
    waiting.set()
    await asyncio.sleep(60)

def calls(*names):
    run = RunRecord(Kind.RUN, "anna", {"id": "run_1"}, "thread_1")
    asked = [{"id": str(n), "function": {"name": name, "arguments": ""}} for n, name in enumerate(names)]
    context = lambda call_id: ToolContext("anna", "thread_1", "run_1", call_id)
    log = RunLogger(logging.getLogger("tools"), run, "")
    return ToolCalls(tools, asked, context, around=Flask("host").app_context, log=log, max_chars=100)

logging.basicConfig(level=logging.ERROR, stream=sys.stdout, format="%(message)s")
threading.Thread(target=answer_three_at_once, daemon=True).start()
print(*calls("meet", "hang", "meet", "refuse", "meet", "fail", "leave").run().values(), sep="\\n")

stopped, outputs = calls("wait"), []
runner = threading.Thread(target=lambda: outputs.append(stopped.run()))
runner.start()
waiting.wait(20)
stopped.stop()
runner.join(20)
print(outputs)
"""

OUTPUTS = [
    '["hi","Ann","host","0"]',
    "The tool hang did not answer within 0.05 seconds.",
    '["hi","Ann","host","2"]',
    "There is no such order.",
    '["hi","Ann","host","4"]',
    "The tool fail failed.",
    "The tool leave failed.",
    "[{}]",
]


@pytest.mark.parametrize("patch", ["", "from gevent import monkey; monkey.patch_all()"], ids=["threads", "gevent"])
def test_async_tools_behave_as_plain_ones(patch: str) -> None:
    command = [sys.executable, "-c", patch + SCRIPT]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    errors, said = list[str](), list[str]()
    for line in done.stdout.splitlines():
        (errors if "[owner=" in line else said).append(line.partition(" [owner=")[0])
    assert (done.returncode, done.stderr, said) == (0, "", OUTPUTS)
    assert [error.partition(" at ")[0] for error in sorted(errors)] == [
        "tool fail failed: LookupError",
        "tool leave failed: SystemExit",
    ]


def test_a_blueprint_takes_async_tools_that_need_approval(tmp_path: Path) -> None:
    """`blueprint.tool` is `blueprint.assistant_stream.tool`."""
    app = Flask("host", instance_path=str(tmp_path))
    app.testing = True
    blueprint = create_assistant_blueprint(engine=ScriptedEngine(call("pay", '{"cents": 5}'), text("Paid.")))
    paid: list[int] = []

    @blueprint.tool(requires_approval=True)
    async def pay(cents: int) -> str:
        paid.append(cents)
        return "done"

    app.register_blueprint(blueprint)
    client = app.test_client()
    events = decode_ndjson(client.post("/api/assistants/chat/stream", json={"content": "Pay"}).data)
    assert events[-1].name == "thread.run.requires_action"
    assert not paid
    action = events[-1].object()
    (waiting,) = action["required_action"]["submit_tool_outputs"]["tool_calls"]
    outputs = {"runId": action["id"], "toolCallOutputs": [{"tool_call_id": waiting["id"], "output": "true"}]}
    answer = client.post(f"/api/assistants/threads/{action['thread_id']}/actions", json=outputs)
    assert (text_of(decode_ndjson(answer.data)), paid) == ("Paid.", [5])
