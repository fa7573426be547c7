"""Fixtures that every test may use. Each plugin module holds one kind of server or material."""

import os

from hypothesis import settings

# Apps in this process read files at once; servers in processes of their own do what a host's do.
os.environ.setdefault("ASSISTANT_EXTRACTION_PROCESSES", "0")

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault of an example
settings.load_profile("untimed")

pytest_plugins = [
    "tests.kinds",
    "tests.skips",
    "tests.node_clients",
    "tests.quickstart_page",
    "tests.fake_upstream",
    "tests.mongodb_server",
    "tests.files.fixtures",
    "tests.server_process",
    "tests.chromium",
]
