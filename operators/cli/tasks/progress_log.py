"""Progress of long commands as lines of a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from ....core.console import print_line
from ....core.jobs.task import Progress, Task, run_to_end
from ... import _compute

T = TypeVar("T")

_LOG_SECONDS = 60.0  # between two lines of progress


def run_with_log(function: Callable[..., Task[T]], *arguments: Any) -> T:
    """Run ``function(*arguments)`` where the preferences choose; print progress once a minute."""
    # A line a minute suits the logs of long runs better than a line that is rewritten.
    next_line = time.perf_counter()

    def print_progress(progress: Progress) -> None:
        nonlocal next_line
        if time.perf_counter() >= next_line:
            next_line = time.perf_counter() + _LOG_SECONDS
            print_line(f"{progress.fraction:6.1%}  {progress.stage}")

    return run_to_end(_compute.run_function(function, *arguments), print_progress)
