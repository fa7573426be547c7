"""Run a script in a process of its own: patched by gevent, forked, limited or killed."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PATCHED = "from gevent import monkey; monkey.patch_all()\n"
PRELUDE = """
import os, signal, sys, time
from flask_assistant_stream.errors import *
from flask_assistant_stream.stores import make_store
from flask_assistant_stream.stores.base import *
from flask_assistant_stream.testing.store_material import *
store = make_store(sys.argv[1])
"""


def run_script(code: str, url: str, *, patched: bool = False, expect: int = 0) -> list[str]:
    """Run `code` with the `store` of `url`. Return the printed words."""
    source = (PATCHED if patched else "") + PRELUDE + textwrap.dedent(code)
    command = [sys.executable, "-W", "ignore::pytest.PytestAssertRewriteWarning", "-c", source, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == expect, done.stderr
    return done.stdout.split()
