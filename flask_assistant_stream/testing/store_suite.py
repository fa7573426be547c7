"""What every store must do, as a test class: subclass it, give one fixture, and a store of yours is checked.

Only what the run protocol and the routes rely on is asserted; how a store keeps its data is its own affair.
"""

from __future__ import annotations

from .store_log import LogSuite
from .store_records import RecordSuite
from .store_runs import RunSuite


class StoreSuite(RecordSuite, RunSuite, LogSuite):
    """Subclass as `Test…` with a fixture `open_store` that makes store objects on the same, initially empty, data.

    Each call is another process's view: what one writes, the others read at once. A store that is also `Blobs` or
    `Passages` must pass `BlobSuite` (`store_blobs`) or `PassageSuite` (`store_passages`), with the same fixture.
    """
