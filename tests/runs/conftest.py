"""Workers on each store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_assistant_stream.stores.base import Store
from tests.runs.workers import MakeWorker, Worker


@pytest.fixture
def worker(open_store: Callable[[], Store]) -> Iterator[MakeWorker]:
    made: list[Worker] = []

    def make(*scripts: Any) -> Worker:
        made.append(Worker(open_store(), *scripts))
        return made[-1]

    yield make
    for each in made:
        each.runner.stop()
