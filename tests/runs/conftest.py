"""The fixture of the tests of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_assistant_stream.stores.base import Store
from tests.runs.workers import MakeWorker, Worker


@pytest.fixture
def worker(open_store: Callable[[], Store]) -> Iterator[MakeWorker]:
    """Return a function that makes a worker from scripts and options of its runner."""
    workers: list[Worker] = []

    def make(*scripts: Any, **options: Any) -> Worker:
        workers.append(Worker(open_store(), *scripts, **options))
        return workers[-1]

    yield make
    for each in workers:
        each.runner.stop()
