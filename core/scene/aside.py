"""Work in a thread of its own, which goes on while the renderer leaves a core idle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")


@contextmanager
def aside(works: Iterable[Callable[[], Result]]) -> Iterator[list[Future[Result]]]:
    """One of ``works`` after the other; what has not begun when the context ends is left."""
    pool = ThreadPoolExecutor(1)
    try:
        yield [pool.submit(work) for work in works]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
