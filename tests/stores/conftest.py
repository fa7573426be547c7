"""Failed assertions of the suite show their values, as they would in a test module."""

import pytest

PARTS = ("records", "runs", "log", "blobs", "passages")

pytest.register_assert_rewrite(*(f"flask_assistant_stream.testing.store_{part}" for part in PARTS))
