"""Two hundred streams at once on one real gunicorn gevent worker, with the offline engine's pace.

Workers that are killed or sleep, and a store that is locked, are in `tests/chaos/`.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flask_assistant_stream.protocol.dialects import ASSISTANTS
from tests.example_server import ExampleServer, gunicorn_server

pytestmark = pytest.mark.slow

PATIENCE = 60.0
STREAMS = 200


class Reader:
    """A client that sends a message, reads the answer line by line and records the times."""

    def __init__(self, server: ExampleServer, content: str) -> None:
        place = urlsplit(server.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE)
        with closing(connection):
            connection.request("POST", f"{place.path}/chat/stream", json.dumps({"content": content}))
            with connection.getresponse() as answer:
                assert answer.status == 200, answer.read()
                lines = [(json.loads(line), time.monotonic()) for line in answer if line.strip()]
        self.events = [event for event, _ in lines]
        self.begun, self.ended = lines[0][1], lines[-1][1]
        self.endings = [event["event"] for event in self.events if event["event"] in ASSISTANTS.run_endings]
        self.run_id = next(event["data"]["id"] for event in self.events if event["event"] == "thread.run.created")


@pytest.mark.parametrize("store", ["sqlite_url", "busy_mongodb_url"])
def test_many_streams_at_once_all_complete_side_by_side(
    tmp_path: Path, store: str, request: pytest.FixtureRequest
) -> None:
    pace = {"ASSISTANT_OFFLINE_DELAY_SECONDS": "0.15", "ASSISTANT_STORE": request.getfixturevalue(store)}
    with gunicorn_server(tmp_path / "instance", "--workers", "1", **pace) as server:
        readers: list[Reader] = []

        def talk(number: int) -> None:
            readers.append(Reader(server, f"Hello from number {number}"))

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * PATIENCE)
    assert [reader.endings for reader in readers] == [["thread.run.completed"]] * STREAMS
    for reader in readers:
        assert [event["seq"] for event in reader.events] == list(range(1, len(reader.events) + 1))
    assert len({reader.run_id for reader in readers}) == STREAMS
    first_end = min(reader.ended for reader in readers)
    assert sum(reader.begun < first_end for reader in readers) > STREAMS * 0.9, "nearly all begin before one ends"
