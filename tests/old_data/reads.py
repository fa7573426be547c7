"""Reads of a store as JSON, so that what one version of the code returned can be compared with what another returns."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask_assistant_stream.stores.base import Kind, Record

VERSIONS = [Path(__file__).parent / version for version in ("v1", "v2")]
"""Folders with data of schema 2 of SQLite and of MongoDB, and of schema 3 and 4."""
LOG_SECONDS = 100 * 366 * 86400.0
"""Stores that open the data keep logs this long: the logs of the fixtures end in 2126, but for the expired one."""
BELOW = {Kind.THREAD: (Kind.MESSAGE, Kind.RUN), Kind.VECTOR_STORE: (Kind.VECTOR_STORE_FILE, Kind.FILE_BATCH)}
LATER = {"line", "turns", "revision", "lines", "dialect"}
"""Values of records that these versions did not have."""
QUERIES = ("green sky", "GRASS", "Grüße 世界", 'moon - OR "x', "nothing fits")


def read(store: Any, verb: str, *arguments: Any) -> Any:
    """Make one read and return its result as JSON values. `store` is of any version, with blobs and passages."""
    if verb in ("list", "page"):
        kind, owner, options = arguments
        page = store.list(Kind(kind), owner, **_options(store, owner, options))
        if verb == "page":
            return [[record.id for record in page.records], page.has_more]
        assert page.records == [store.get(Kind(kind), owner, record.id) for record in page.records]
        return [_record(record) for record in page.records]
    if verb == "log":
        rows, last = store.read(arguments[0], limit=10_000), store.last_row(arguments[0])
        return {
            "events": [[event.seq, event.name, event.data.decode()] for row in rows for event in row.events],
            "fences": [[row.first, row.last, row.epoch] for row in rows if not row.packed],
            "states": [row.state for row in rows if row.state is not None],
            "last": last and [last.last, last.epoch, last.state],
            "projected": store.projected(arguments[0]),
        }
    if verb == "due":
        return [run.id for run in store.due(*arguments)]
    if verb == "cancel_requested":
        return sorted(store.cancel_requested(*arguments))
    if verb == "blob":
        pieces = [*store.read_blob(*arguments)]
        return [[len(piece) for piece in pieces], hashlib.sha256(b"".join(pieces)).hexdigest()]
    if verb == "passages":
        return store.read_passages(*arguments)
    assert verb == "search"
    return [[passage.file_id, passage.number] for passage in store.search_passages(*arguments)]


def reads_of(store: Any, owners: list[str], now: float) -> list[list[Any]]:
    """Return every read of a store's data with its result: `[verb, argument, ..., result]`."""
    reads: list[list[Any]] = []

    def add(verb: str, *arguments: Any) -> Any:
        reads.append([verb, *arguments, read(store, verb, *arguments)])
        return reads[-1][-1]

    def add_list(kind: Kind, owner: str, **options: Any) -> list[str]:
        records = add("list", kind.value, owner, {"limit": 100, "order": "asc", **options})
        ids = [str(record["body"]["id"]) for record in records]
        if len(ids) > 1:
            add("page", kind.value, owner, {**options, "order": "desc", "limit": 1, "after": ids[-1]})
            add("page", kind.value, owner, {**options, "order": "desc", "limit": 1, "before": ids[0]})
        return ids

    for owner in owners:
        for kind in (Kind.ASSISTANT, Kind.OWNER, Kind.FILE):
            add_list(kind, owner)
        for kind, below in BELOW.items():
            for parent in add_list(kind, owner):
                children = {one: add_list(one, owner, parent=parent) for one in below}
                for run_id in children.get(Kind.RUN, ()):
                    add_list(Kind.RUN_STEP, owner, parent=run_id)
                    add("page", Kind.MESSAGE.value, owner, {"parent": parent, "run_id": run_id})
                    add("log", run_id)
        files = store.list(Kind.FILE, owner, limit=100).records
        for file in files:
            if file.extra.get("blob"):
                add("blob", owner, file.extra["blob"])
            add("passages", owner, file.id)
        for query in QUERIES:
            add("search", owner, [file.id for file in files], query, 5)
    run_ids = [each[1] for each in reads if each[0] == "log"]
    add("cancel_requested", run_ids)
    for limit in (100, 2):
        add("due", now, limit)
    return reads


def _options(store: Any, owner: str, options: Any) -> Any:
    """Return the options of `Store.list`: the messages of a run are a span today, and had an option before."""
    if "run_id" not in options or "run_id" in inspect.signature(store.list).parameters:
        return options
    from flask_assistant_stream.stores.lines import TURN, Span

    run = store.get(Kind.RUN, owner, options["run_id"])
    others = {name: value for name, value in options.items() if name != "run_id"}
    return {**others, "spans": [Span(run.line, run.position, run.position + TURN)]}


def _record(record: Record) -> Any:
    """Return what the old versions knew of a record as JSON values, of a run with what the run protocol keeps."""
    values: Any = json.loads(json.dumps(asdict(record)))
    return {name: value for name, value in values.items() if name not in LATER}
