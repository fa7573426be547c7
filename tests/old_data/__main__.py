"""Write old data: `python -m tests.old_data FOLDER`, with this folder copied into a checkout of an old commit.

See README.md for the commits.
"""

from __future__ import annotations

import importlib
import inspect
import json
import random
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest.mock import patch


class Clock:
    """A clock that the writer moves."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


CLOCK = Clock()


def write(function: str, folder: Path) -> Any:
    """Write one fixture with a new clock and new ids, and return what is expected of its reads."""
    CLOCK.time = 1_767_225_600.0
    ids, tokens = random.Random(1), defaultdict[str, random.Random](lambda: random.Random(2))

    def token_hex(size: int) -> str:
        """Return the next token of the calling module: how many the others take depends on store and timing."""
        return tokens[inspect.stack(0)[1].filename].randbytes(size).hex()

    with (
        tempfile.TemporaryDirectory() as work,
        patch("time.time", CLOCK),
        patch("secrets.token_bytes", ids.randbytes),
        patch("secrets.token_hex", token_hex),
    ):
        # Imported here: parameters of the code take time.time as their default when they are defined.
        return getattr(importlib.import_module("tests.old_data.write"), function)(folder, Path(work), CLOCK)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    expected = write("write_sqlite", folder)
    assert write("write_mongodb", folder) == expected, "the stores return different values"
    reads = ",\n".join(json.dumps(each) for each in expected["reads"])
    (folder / "expected.json").write_text(f'{{"cases": {json.dumps(expected["cases"])},\n"reads": [\n{reads}\n]}}\n')
