"""Blocking calls that do not block the gevent loop; the only file that knows gevent."""

from __future__ import annotations

import contextvars
import select
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .per_process import PerProcess

T = TypeVar("T")


def patched() -> bool:
    """Return whether gevent has patched `threading`, so that threads are greenlets."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


class NativePool:
    """Native threads for one purpose, `size` in each process: calls for other purposes never wait for them.

    Not gevent's own pool, which also resolves host names: a locked database must not delay those.
    """

    def __init__(self, size: int) -> None:
        self._pool = PerProcess(lambda: _make_pool(size))

    def run(self, call: Callable[..., T], *args: object) -> T:
        """Return `call(*args)`, executed in one of the threads if this one is a greenlet."""
        if not patched():
            return call(*args)
        return cast(T, _apply(self._pool.get(), call, *args))


STORE = NativePool(8)
"""Calls of the store: short."""
PROBE = NativePool(1)
"""Whether the store answers: this must be known while all other threads are busy."""
SEARCH = NativePool(2)
"""Searches of passages: seconds."""
WORK = NativePool(2)
"""Computations: words and texts of files."""


def run_blocking(call: Callable[..., T], *args: object) -> T:
    """Return `call(*args)`, a short call of a store, executed in a native thread if this one is a greenlet."""
    return STORE.run(call, *args)


def run_native(call: Callable[..., T], *args: object) -> T:
    """Return `call(*args)`, executed in a native thread of its own if this one is a greenlet."""
    if not patched():
        return call(*args)
    from gevent.threadpool import ThreadPool

    pool, context = ThreadPool(1), contextvars.copy_context()
    try:
        return cast(T, _apply(pool, context.run, call, *args))
    finally:
        pool.kill()


def plain_poll() -> Any:
    """Return an unpatched `select.poll` object, for polls that do not wait; None if the system has none.

    gevent's has fewer events and watches each descriptor separately.
    """
    if "gevent.monkey" not in sys.modules:
        return select.poll() if hasattr(select, "poll") else None
    from gevent.monkey import get_original

    return get_original("select", "poll")()


def _make_pool(size: int) -> Any:
    from gevent.threadpool import ThreadPool

    return ThreadPool(size)


def _apply(pool: Any, call: Callable[..., object], *args: object) -> object:
    result, error = pool.apply(_outcome, (call, *args))
    if error is not None:
        raise error
    return result


def _outcome(call: Callable[..., object], *args: object) -> tuple[object, BaseException | None]:
    """Return the result of a call and its error: gevent prints the trace of an error that leaves a pool's thread."""
    try:
        return call(*args), None
    except BaseException as error:
        return None, error
