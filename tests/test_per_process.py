"""Values and threads of one process: built once in each, after the fork."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from flask_assistant_stream.per_process import PerProcess, ProcessThreads

FORKED = """
import os, sys, threading, weakref
from flask_assistant_stream.per_process import PerProcess, ProcessThreads

class Value:
    def __init__(self):
        self.pid, self.lock = os.getpid(), threading.Lock()

kept, dropped = PerProcess(Value), PerProcess(Value, drop_inherited=True)
ran = []
def prepare():
    def run(stopped):
        ran.append(os.getpid())
        stopped.wait()
    return {"test": run}
threads = ProcessThreads(prepare)
inherited = kept.get()
gone = weakref.ref(dropped.get())
inherited.lock.acquire()
threads.wake()
threads.stop()
threads.wake()
assert ran == [os.getpid()] * 2
if (pid := os.fork()) == 0:
    assert kept.get() is kept.get() is not inherited
    assert kept.get().pid == dropped.get().pid == os.getpid()
    assert not kept.get().lock.locked()
    assert gone() is None, "its parent's value is released"
    ran.clear()
    threads.wake()
    threads.stop()
    assert ran == [os.getpid()]
    sys.stdout.write("child ")
    sys.stdout.flush()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert kept.get() is inherited and gone() is dropped.get()
threads.stop()
print("parent")
"""


def test_a_forked_child_makes_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("child parent\n", "")


def test_threads_that_come_at_once_share_one_value() -> None:
    built: list[object] = []

    def build() -> object:
        time.sleep(0.05)
        built.append(object())
        return built[-1]

    value = PerProcess(build)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: value.get(), range(8))) == built * 8
    assert len(built) == 1


def test_a_popped_value_is_built_anew() -> None:
    value = PerProcess(object)
    assert value.pop() is None
    first = value.get()
    assert value.pop() is first
    assert value.get() is not first


def test_stop_interrupts_what_the_threads_wait_for() -> None:
    release = threading.Event()
    ended: list[bool] = []

    def run(stopped: threading.Event) -> None:
        release.wait()
        ended.append(stopped.is_set())

    threads = ProcessThreads(lambda: {"test": run})
    threads.stop(release.set)
    assert not release.is_set(), "no thread runs"
    threads.wake()
    threads.wake()
    threads.stop(release.set)
    assert ended == [True]
