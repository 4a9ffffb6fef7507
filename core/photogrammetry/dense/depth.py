"""Depth maps of all views, measured beside each other on threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...jobs.task import Progress, Task
from .patch_match import match_patches
from .records import DenseSettings, DenseView, DepthMap, VoxelGrid
from .views import choose_sources

T = TypeVar("T")

_BEAT = 0.1  # seconds between two reports


def measure_depths(
    views: list[DenseView], hull: VoxelGrid, settings: DenseSettings
) -> Task[tuple[list[DepthMap], list[NDArray[np.float32]]]]:
    """Measure the depth maps of all views and their costs, a view a thread."""
    center = hull.origin + np.array(hull.values.shape) * hull.spacing / 2
    chosen = choose_sources([view.camera for view in views], center, settings.sources)
    jobs = []
    stop = threading.Event()
    for view, sources in zip(views, chosen, strict=True):
        others = [views[index] for index in sources]
        jobs.append(partial(match_patches, view, others, hull, settings, stop))
    results = yield from _run_in_threads(jobs, "Depth", stop)

    return [result[0] for result in results], [result[1] for result in results]


def _run_in_threads(
    jobs: Sequence[Callable[[], T]], stage: str, stop: threading.Event
) -> Task[list[T]]:
    """Run ``jobs`` on as many threads as there are processors.

    Args:
        jobs: Functions that end soon after ``stop`` is set.
        stage: Of the progress.
        stop: Is set where this is closed.

    Returns:
        Their results in order.
    """
    workers = min(os.cpu_count() or 1, len(jobs))
    pool = ThreadPoolExecutor(workers, thread_name_prefix="maquette-depth")
    try:
        futures: list[Future[T]] = [pool.submit(job) for job in jobs]
        pending = set(futures)
        while pending:
            done = len(jobs) - len(pending)
            yield Progress(done / len(jobs), f"{stage} {min(done + 1, len(jobs))}/{len(jobs)}")
            finished, pending = wait(pending, _BEAT)
            for future in finished:
                future.result()
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)

    return [future.result() for future in futures]
