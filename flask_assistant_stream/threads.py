"""Blocking calls that do not block the gevent loop, and calls that never block; the only file that looks at gevent."""

from __future__ import annotations

import contextvars
import select
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

from .per_process import PerProcess

T = TypeVar("T")

POOL_SIZE = 8


def patched() -> bool:
    """Say whether gevent has replaced `threading` in this process (a thread is then a greenlet)."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def run_blocking(call: Callable[..., T], *args: object) -> T:
    """Return `call(*args)`, made in a native thread where this one is a greenlet.

    The pool is ours: gevent's own also resolves names, and a locked database must not hold those up.
    """
    if not patched():
        return call(*args)
    return cast(T, _apply(_pool.get(), call, *args))


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
    """Return the operating system's own `select.poll` object, for looks that do not wait; None where it has none.

    gevent's knows fewer events and watches each descriptor by itself.
    """
    if "gevent.monkey" not in sys.modules:
        return select.poll() if hasattr(select, "poll") else None
    from gevent.monkey import get_original

    return get_original("select", "poll")()


def _make_pool() -> Any:
    from gevent.threadpool import ThreadPool

    return ThreadPool(POOL_SIZE)


_pool = PerProcess(_make_pool)


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
