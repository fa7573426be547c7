"""Writes that share a transaction, a killed writer, folders that are not usable."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flask_assistant_stream.errors import ConfigError, Duplicate, StoreError
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import Kind, Store
from flask_assistant_stream.stores.sqlite import connections
from flask_assistant_stream.stores.sqlite.group_commit import GroupCommit, Job
from flask_assistant_stream.testing.store_material import ANN, a_message, a_start, a_thread, at_once


def test_simultaneous_writes_share_transactions(
    store: Store, locked: Callable[[], AbstractContextManager[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A duplicate, or a value that SQLite cannot store, does not affect the other writes."""
    thread = store.insert(a_thread())
    existing = store.insert(a_message(thread))
    messages = [a_message(thread, str(number)) for number in range(20)]
    good = [message.id for number, message in enumerate(messages) if number not in (7, 9)]
    messages[7] = existing
    messages[9] = replace(messages[9], position=1 << 70)
    entered: list[object] = []
    groups: list[int] = []
    write, execute = GroupCommit.write, connections.SQLiteConnections.execute

    def entering(group: GroupCommit[Any], work: Any) -> Any:
        entered.append(work)
        return write(group, work)

    def executing(self: connections.SQLiteConnections, jobs: Sequence[Job[Any]]) -> None:
        groups.append(len(jobs))
        execute(self, jobs)

    monkeypatch.setattr(GroupCommit, "write", entering)
    monkeypatch.setattr(connections.SQLiteConnections, "execute", executing)
    results: list[Any] = []
    writing = threading.Thread(target=lambda: results.extend(at_once(*[lambda m=m: store.insert(m) for m in messages])))
    with locked():
        writing.start()
        deadline = time.monotonic() + 20
        while len(entered) < 20:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    writing.join(30)
    assert isinstance(results[7], Duplicate)
    assert isinstance(results[9], StoreError)
    assert sum(groups) == 20
    assert len(groups) <= 5, "writes that arrived while the file was locked are done together"
    listed = store.list(Kind.MESSAGE, ANN, parent=thread.id, limit=100).records
    assert {record.id for record in listed} == {*good, existing.id}


WRITER = """
    import sys, threading
    from flask_assistant_stream.stores import make_store
    from flask_assistant_stream.testing.store_material import a_message, a_start, a_thread

    store = make_store(sys.argv[1])
    thread = store.insert(a_thread())
    print(thread.id, flush=True)

    def write():
        while True:
            message = store.insert(a_message(thread))
            sys.stdout.write(message.id + "\\n")
            sys.stdout.flush()

    for _ in range(4):
        threading.Thread(target=write).start()
"""


def test_a_killed_writer_loses_no_acknowledged_commit(store: Store, sqlite_url: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), sqlite_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        thread_id = writer.stdout.readline().strip()
        acknowledged = [writer.stdout.readline().strip() for _ in range(200)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in writer.stdout if line.endswith("\n")]
    for message_id in acknowledged:
        assert store.get(Kind.MESSAGE, ANN, message_id).parent == thread_id
    assert store.start(a_start(store.get(Kind.THREAD, ANN, thread_id), "next")).active


UNWRITABLE = """
    import os, sys
    from flask_assistant_stream.errors import ConfigError
    from flask_assistant_stream.stores import make_store

    make_store("sqlite:///store.db")
    if os.getuid() == 0:
        os.setuid(65534)
    try:
        make_store(f"sqlite:///{sys.argv[1]}/store.db")
    except ConfigError as error:
        print(error.message)
"""


def test_an_unusable_folder_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="folder"):
        make_store(f"sqlite:///{tmp_path}/file/store.db")
    tmp_path.chmod(0o500)
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", textwrap.dedent(UNWRITABLE), f"{tmp_path}"]
    done = subprocess.run(command, timeout=60, capture_output=True, text=True, check=False)
    tmp_path.chmod(0o700)
    assert (done.returncode, done.stderr) == (0, "")
    assert "folder of store.db" in done.stdout
