"""A second Blender that lists and renders assets, within limits of time and memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import bpy

from ...core.errors import MeshError, StartError, WorkerError
from ...core.jobs.interpreters import BlenderInterpreter, PythonInterpreter
from ...core.jobs.process_memory import resident_bytes
from ...core.jobs.task import Task
from ...core.jobs.worker_pool import WorkerPool

T = TypeVar("T")

_IDLE_SECONDS = 300.0  # without a job, after which the process ends by itself
_STEP_SECONDS = 120.0  # that opening or a view may take, and more for a large file
_SECONDS_PER_BYTE = 1e-6
_MOST_MEMORY = 8_000_000_000  # bytes that the process may occupy
_JOBS_PER_PROCESS = 300  # Blender keeps some memory of each file
_ENDED = "Blender ended while it was opened or rendered"


class AssetRenderer:
    """Runs jobs on assets in a second Blender, which is started at the first one.

    As a context it ends that process on exit. It uses no bpy but when it is made, so that the jobs
    may be run on a thread.
    """

    def __init__(self) -> None:
        """Choose the program; call it on the main thread."""
        program = bpy.app.binary_path  # empty for the module bpy
        self._interpreter: PythonInterpreter = PythonInterpreter.current()
        if program:
            self._interpreter = BlenderInterpreter(program)
        self._pool = WorkerPool()
        self._jobs = 0

    def __enter__(self) -> AssetRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.end_all()

    def run(self, function: Callable[..., Task[T]], path: Path, *arguments: Any) -> Task[T]:
        """Run ``function(path, *arguments)`` there.

        Args:
            function: Of ``core.scene.library``.
            path: The file that it opens, which is to blame if the process ends.
            *arguments: Further ones.

        Raises:
            MeshError: The file cannot be used: it is damaged, or takes too much time or memory.
            StartError: The process cannot be started.
        """
        # A fresh process now and then.
        self._jobs += 1
        if self._jobs % _JOBS_PER_PROCESS == 0:
            self._pool.end_all()
        task = self._pool.run_function(
            self._interpreter, function, path, *arguments, idle=_IDLE_SECONDS
        )

        try:
            return (yield from self._within_limits(task, path))
        except StartError:
            raise
        except WorkerError as error:
            raise MeshError(_ENDED) from error
        except RuntimeError as error:  # a bug there, whatever the file made of it
            raise MeshError(f"It cannot be rendered: {_last_line(error)}") from error

    def _within_limits(self, task: Task[T], path: Path) -> Task[T]:
        """Run ``task`` as long as each of its steps stays within the limits.

        Raises:
            MeshError: It does not; the process has been ended.
        """
        limit = _STEP_SECONDS + _SECONDS_PER_BYTE * _file_size(path)
        last_progress = None
        begun = time.monotonic()

        try:
            while True:
                # Each new progress starts the clock anew.
                progress = next(task)
                if progress is not last_progress:
                    last_progress = progress
                    begun = time.monotonic()
                if time.monotonic() - begun > limit:
                    raise MeshError(f"Opening or rendering it took more than {limit:.0f} seconds")
                if self._occupied_memory() > _MOST_MEMORY:
                    gigabytes = _MOST_MEMORY / 1e9
                    raise MeshError(f"Rendering it took more than {gigabytes:.0f} GB of memory")
                yield progress
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            task.close()

    def _occupied_memory(self) -> int:
        return max((resident_bytes(worker.pid) for worker in self._pool.alive_workers()), default=0)


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
