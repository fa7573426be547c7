"""Fixtures that every test may use. Each plugin module holds one kind of server or material."""

from hypothesis import settings

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
