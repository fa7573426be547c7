"""Blocking calls, on plain threads and under gevent."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

import pytest

from flask_assistant_stream.threads import patched, plain_poll, run_blocking

UNDER_GEVENT = """
from gevent import monkey, spawn
monkey.patch_all()
import time
from flask_assistant_stream.threads import patched, plain_poll, run_blocking
assert patched()
native = monkey.get_original("threading", "get_ident")
sleep = monkey.get_original("time", "sleep")
assert run_blocking(native) != native()
import select
assert type(plain_poll()) is type(monkey.get_original("select", "poll")()) is not select.poll
turns = []
spawn(lambda: [turns.append(time.sleep(0.001)) for _ in range(20)])
run_blocking(sleep, 0.2)
assert len(turns) == 20, "the loop went on"
def broken(what):
    raise KeyError(what)
try:
    run_blocking(broken, "missing")
except KeyError as error:
    names = []
    trace = error.__traceback__
    while trace:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-1] == "broken", "where it was raised is kept"
    print("raised")
"""


FULL = """
from gevent import monkey, joinall, spawn
monkey.patch_all()
from flask_assistant_stream.threads import PROBE, SEARCH, STORE, WORK, run_blocking
gate = monkey.get_original("_thread", "allocate_lock")()
gate.acquire()
def wait():
    with gate:
        pass
full = [spawn(pool.run, wait) for pool in (SEARCH, WORK) for _ in range(20)]
spawn(lambda: None).join()
print(run_blocking(str, 1), PROBE.run(str, 2), flush=True)
full += [spawn(run_blocking, wait) for _ in range(20)]
spawn(lambda: None).join()
print(PROBE.run(str, 3), flush=True)
gate.release()
joinall(full)
"""


def test_on_plain_threads_the_call_stays_in_its_thread() -> None:
    assert not patched()
    assert run_blocking(threading.get_ident) == threading.get_ident()
    with pytest.raises(KeyError, match="missing"):
        run_blocking({}.__getitem__, "missing")


def test_a_poll_does_not_wait() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        poll = plain_poll()
        poll.register(ours.fileno(), 1)
        assert poll.poll(0) == []
        theirs.sendall(b"x")
        assert poll.poll(0) == [(ours.fileno(), 1)]


def test_under_gevent_the_loop_continues_and_only_the_caller_gets_the_error() -> None:
    done = subprocess.run([sys.executable, "-c", UNDER_GEVENT], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("raised\n", "")


def test_a_full_pool_delays_no_call_with_another_purpose() -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("1 2\n3\n", "")
