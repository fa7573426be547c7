"""Run the coroutine of an `async def` tool to its end.

The only module that imports asyncio: a host's tool may need an event loop, the library itself uses threads. The loop
lives as long as the call and belongs to the call's thread.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from ..threads import run_native


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine; blocks this thread only.

    asyncio runs one loop per native thread, so under gevent, where threads are greenlets, each call gets a native one.
    """
    import asyncio  # takes tens of milliseconds; most apps have no such tool

    return run_native(asyncio.run, coroutine)
