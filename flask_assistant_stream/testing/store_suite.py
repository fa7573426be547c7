"""The contract of a store as a test class; it asserts only what the run protocol and the routes rely on."""

from __future__ import annotations

from .store_forks import ForkSuite
from .store_lines import LineSuite
from .store_log import LogSuite
from .store_model import ModelSuite
from .store_reads import ReadSuite
from .store_records import RecordSuite
from .store_rules import RuleSuite
from .store_runs import RunSuite


class StoreSuite(RecordSuite, ReadSuite, LineSuite, ForkSuite, ModelSuite, RunSuite, RuleSuite, LogSuite):
    """Subclass as `Test…` with a fixture `open_store`: a function that returns stores on the same data.

    The data is empty at first. Each store is the view of another process: all read at once what one writes. A store
    that is also `Blobs` or `Passages` must pass `BlobSuite` (`store_blobs`) or `PassageSuite` (`store_passages`).
    """
