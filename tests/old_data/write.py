"""Write a SQLite file, a MongoDB dump and what every read of them returned; called by `python -m tests.old_data`.

Ran against the commits that README.md names. An app with a scripted engine is driven over HTTP; only what no request
can do, such as a cancel that no worker sees, is written through the store.
"""

from __future__ import annotations

import gzip
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from bson import json_util

from flask_assistant_stream.stores.base import Kind, Projection, Record, RunRecord
from flask_assistant_stream.stores.mongodb import MongoDBStore
from flask_assistant_stream.stores.sqlite import SQLiteStore
from flask_assistant_stream.testing.decode import decode_ndjson
from flask_assistant_stream.testing.scripted import call, failure, incomplete, text, unfinished
from tests.mongodb_server import a_database, a_server, reading
from tests.old_data.reads import LOG_SECONDS, reads_of
from tests.routes.conftest import Site, build

ANNA, BEN = "anna", "ben/$x.1"
AWKWARD = {"a.b": "$gt", "$set": "100% %24", "Grüße": "世界 👋\u2028"}
FUNCTION = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
SKY = "The sky is green. Grüße, 世界.\n\n" + "The moon is made of cheese. " * 120
MOVING = ("queued", "in_progress")
FOREVER = 4e9
"""When the waiting run expires: 2096."""


class Writer:
    """Drives apps on one store, one after the other, as workers would.

    Args:
        make_store: makes the store for a time that logs are kept.
        folder: for what the apps need besides.
        clock: has the attribute `time`.
    """

    def __init__(self, make_store: Callable[[float], Any], folder: Path, clock: Any) -> None:
        self.cases: dict[str, list[str]] = {}
        self._make_store, self._folder, self._clock = make_store, folder, clock
        self._scripts: list[Any] = []
        self.site = self._worker(1.0)

    def write(self) -> Any:
        """Write everything and return the store."""
        expired = self._run("expired_log", text("An answer whose events are gone."))
        self._clock.time += 100
        self.site.registration.store.due(self._clock.time)  # SQLite drops the log here; MongoDB has dated its end
        assert self.site.registration.store.last_row(expired["id"]) is None
        self._next_worker()
        self._files()
        self._conversations()
        self._endings()
        self._deleted()
        waiting = self._file("waiting.txt", b"The clouds are violet.")
        self._waiting_and_active()
        self._waiting_file(waiting)
        return self.site.registration.store

    # -- steps ----------------------------------------------------------------------------------------------

    def _files(self) -> None:
        self._post("/v1/assistants", {"model": "m", "name": "A", "tools": [FUNCTION], "metadata": AWKWARD})
        self._post("/v1/assistants", {"model": "m", "instructions": "Be brief."}, user=BEN)
        assert self.site.upload("own.txt", b"The grass is blue.").status_code == 200
        self.sky = self._file("sky.txt", SKY.encode())
        grass, large = self._file("grass.md", b"# Grass\n\nGrass is blue."), bytes(300_000)
        broken = self._file("broken.pdf", b"%PDF-1.7 no more")
        self._file("large.bin", random.Random(0).randbytes(100) + large, purpose="user_data")
        self._file("ben.txt", b"The sea is red.", user=BEN)
        chunks = {"type": "static", "static": {"max_chunk_size_tokens": 200, "chunk_overlap_tokens": 100}}
        store = self._post("/v1/vector_stores", {"name": "N", "description": "D", "metadata": AWKWARD})["id"]
        path = f"/v1/vector_stores/{store}"
        self._post(f"{path}/files", {"file_id": self.sky, "attributes": {"page": 1}, "chunking_strategy": chunks})
        batch = self._post(f"{path}/file_batches", {"file_ids": [grass, broken]})["id"]
        self._until(lambda: self.site.get(f"{path}/file_batches/{batch}").get_json()["status"] == "completed")
        self._until(lambda: self.site.get(path).get_json()["status"] == "completed")
        self.cases |= {"file": [self.sky], "vector_store": [store]}

    def _conversations(self) -> None:
        said = "The sky is green, see there."
        cited = {"type": "file_citation", "index": 16, "file_id": self.sky, "filename": "sky.txt"}
        answer = self._chat("What colour is the sky?", text(said, citations=[cited]))
        thread_id = answer.headers["X-Thread-Id"]
        self._note("completed", thread_id, answer.headers["X-Run-Id"])
        attachments = [{"file_id": self.sky, "tools": [{"type": "file_search"}]}]
        path = f"/threads/{thread_id}/messages"
        self._chat({"content": "And in here?", "attachments": attachments}, text("Green, too."), path=path)
        named = self._chat("Hello 👋", text("Grüße, 世界."), headers={"Idempotency-Key": "key-1"}).headers
        self._note("keyed", named["X-Thread-Id"], named["X-Run-Id"])
        renamed = {"title": 'By hand: "Grüße"', "metadata": AWKWARD}
        assert self.site.request("PATCH", f"/threads/{named['X-Thread-Id']}", json=renamed).status_code == 200
        self._post("/threads", {"title": "Empty"}, user=BEN)
        self._post("/v1/threads", {"messages": [{"role": "assistant", "content": "Hi", "metadata": AWKWARD}]}, user=BEN)
        self._run("ben", text("Red."), user=BEN)
        run = self._run("answered", call("get_weather", {"city": "Oslo $.1"}))
        action = run["required_action"]["submit_tool_outputs"]["tool_calls"][0]
        outputs = [{"tool_call_id": action["id"], "output": '{"$rain": {"a.b": "雨"}}'}]
        body, path = {"runId": run["id"], "toolCallOutputs": outputs}, f"/threads/{run['thread_id']}/actions"
        self._chat(body, text("It rains."), path=path, headers={"Idempotency-Key": "key-2"})

    def _endings(self) -> None:
        self._run("failed", failure("rate_limit_exceeded", "Too fast.", after="Half"))
        self._run("incomplete", incomplete("Cut off"))
        run = self._run("cancelled", [*unfinished("Stop me"), threading.Event()], until="in_progress", messages=1)
        self._post(f"/v1/threads/{run['thread_id']}/runs/{run['id']}/cancel")
        self._ended(run, "cancelled")
        run = self._run("expired", call("get_weather"))
        self._clock.time += 700
        self._ended(run, "expired")
        run = self._run("taken_over", [*unfinished("Lost worker"), threading.Event()], until="in_progress", messages=1)
        self._next_worker()
        self._clock.time += 60
        self.site.registration.runner.wake()
        self._ended(run, "failed")

    def _waiting_and_active(self) -> None:
        run = self._run("waiting", call("get_weather", {"city": "Oslo"}))
        store = self.site.registration.store
        store.project([Projection(self._record(run), due_at=FOREVER)])
        run = self._run("claimed", call("get_weather"))  # its worker died before it stored the outputs
        store.claim(self._record(run), due_at=self._clock.time + 10)
        self._run("queued", [threading.Event()], until="queued")
        self._run("in_progress", [*unfinished("Half an answer"), threading.Event()], until="in_progress", messages=1)
        run = self._run("cancelling", [*unfinished("Half"), threading.Event()], until="in_progress", messages=1)
        self._stop()
        for seconds, case in enumerate(("in_progress", "queued", "cancelling"), 15):  # all leases end, one by one
            store.renew([(self.cases[case][-1], 1)], self._clock.time + seconds)
        store.request_cancel(ANNA, run["id"], due_at=self._clock.time + 1)
        self._clock.time += 60

    def _deleted(self) -> None:
        """Delete a message, a thread and a file; their places stay known for a day."""
        messages = [{"role": "user", "content": text} for text in ("Stays", "Goes", "Stays, too")]
        thread_id = self._post("/v1/threads", {"messages": messages})["id"]
        listed = self.site.get(f"/v1/threads/{thread_id}/messages?order=asc").get_json()["data"]
        gone = self._post("/v1/threads")["id"]
        for path in (f"threads/{thread_id}/messages/{listed[1]['id']}", f"threads/{gone}"):
            assert self.site.request("DELETE", f"/v1/{path}").status_code == 200
        file_id = self._file("gone.txt", b"Gone.")
        assert self.site.request("DELETE", f"/v1/files/{file_id}").status_code == 200

    def _waiting_file(self, file_id: str) -> None:
        """Make a file one that waits to be read, as if no worker had looked yet."""
        store: Any = self.site.registration.store
        store.delete_passages(ANNA, file_id)
        store.update(Kind.FILE, ANNA, file_id, body={"status": "uploaded"}, extra={"indexed": False})
        extra = {"owner": ANNA, "since": self._clock.time}
        store.insert(Record(Kind.EXTRACTION, "", {"id": file_id}, position=int(self._clock.time * 1000), extra=extra))
        self.cases["waiting_file"] = [file_id]

    # -- what the steps are made of -------------------------------------------------------------------------

    def _worker(self, log_seconds: float) -> Site:
        def script() -> Iterator[Any]:
            yield from self._scripts.pop(0)

        store = self._make_store(log_seconds)
        return build(self._folder, *(script() for _ in range(20)), store=store, titles="on")

    def _next_worker(self) -> None:
        self._stop()
        self.site = self._worker(LOG_SECONDS)

    def _stop(self) -> None:
        self.site.registration.runner.stop()

    def _post(self, path: str, body: Any = None, **options: Any) -> Any:
        self._clock.time += 1
        answer = self.site.post(path, body, **options)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def _file(self, name: str, content: bytes, **options: Any) -> str:
        self._clock.time += 1
        return self.site.new_file(name, content, **options)

    def _chat(self, body: Any, script: Any, *, path: str = "/chat/stream", **options: Any) -> Any:
        self._clock.time += 1
        self._scripts.append(script)
        answer = self.site.post(path, body if isinstance(body, dict) else {"content": body}, **options)
        assert decode_ndjson(answer.data)[-1].name == "thread.run.completed", answer.text
        return answer

    def _run(self, case: str, script: Any, *, until: str = "", messages: int = 0, user: str = ANNA) -> Any:
        """Start a run on a new thread and wait until it has ended, or for a status and messages."""
        self._scripts.append(script)
        thread = {"messages": [{"role": "user", "content": f"Run: {case}"}], "metadata": {"case": case}}
        body = {"assistant_id": "asst_default", "thread": thread, "tools": [FUNCTION]}
        run = self._post("/v1/threads/runs", body, user=user)
        self._note(case, run["thread_id"], run["id"], user)
        return self._ended(run, until, messages)

    def _ended(self, run: Any, status: str = "", messages: int = 0) -> Any:
        store: Any = self.site.registration.store

        def reached() -> bool:
            record = self._record(run)
            listed = store.list(Kind.MESSAGE, record.owner, parent=record.parent, run_id=record.id).records
            there = record.body["status"]
            return (there == status if status else there not in MOVING) and len(listed) >= messages

        self._until(reached)
        return self._record(run).body

    def _record(self, run: Any) -> RunRecord:
        owner = next(case[0] for case in self.cases.values() if case[-1] == run["id"])
        record = self.site.registration.store.get(Kind.RUN, owner, run["id"])
        assert isinstance(record, RunRecord)
        return record

    def _note(self, case: str, thread_id: str, run_id: str, owner: str = ANNA) -> None:
        self.cases[case] = [owner, thread_id, run_id]

    def _until(self, reached: Callable[[], bool]) -> None:
        for _ in range(2000):
            if reached():
                return
            time.sleep(0.01)
        raise AssertionError("this takes too long")


def write_sqlite(target: Path, work: Path, clock: Any) -> Any:
    """Write `sqlite.db.gz` and return what is expected of its reads."""
    path = work / "store.db"
    expected = _expected(lambda kept: SQLiteStore(f"sqlite:///{path}", log_seconds=kept, clock=clock), work, clock)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(work / "copy.db"),))
    (target / "sqlite.db.gz").write_bytes(gzip.compress((work / "copy.db").read_bytes(), mtime=0))
    return expected


def write_mongodb(target: Path, work: Path, clock: Any) -> Any:
    """Write `mongodb.json.gz` (canonical Extended JSON by collection) and return what is expected of its reads."""

    class ClockedStore(MongoDBStore):
        """A MongoDB store with the writer's clock."""

        def now(self) -> float:
            return float(clock())

    with a_server(work / "server") as uri, a_database(uri) as url:
        expected = _expected(lambda kept: ClockedStore(url, log_seconds=kept), work, clock)
        with reading(url) as db:
            dump = {
                name: {"indexes": [*db[name].list_indexes()], "documents": [*db[name].find().sort("_id")]}
                for name in sorted(db.list_collection_names())
            }
    packed = json_util.dumps(dump, json_options=json_util.CANONICAL_JSON_OPTIONS).encode()
    (target / "mongodb.json.gz").write_bytes(gzip.compress(packed, mtime=0))
    return expected


def _expected(make_store: Callable[[float], Any], work: Path, clock: Any) -> Any:
    writer = Writer(make_store, work, clock)
    store = writer.write()
    reads = reads_of(store, [ANNA, BEN], clock.time)
    store.close()
    return {"cases": writer.cases, "reads": reads}
