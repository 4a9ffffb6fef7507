"""Tasks that run in a worker process of another Python, and are driven here like any other.

So the window's thread never waits for PyTorch, which holds Python's lock for long, nor for
Blender's operators, which run on that thread only. A Blender whose Python has no PyTorch uses
another Python's.

    WorkerPool -> WorkerProcess -> PythonInterpreter -> worker_boot.py, worker_main.py
    keeps one     one process,     its program          (in the other process)
    warm          one job a time   and its paths
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import WorkerError
from .interpreters import PythonInterpreter
from .task import Progress, Task
from .worker_process import WorkerProcess

T = TypeVar("T")


class WorkerPool:
    """Keeps the last process warm for the next job, and can end all of them."""

    def __init__(self) -> None:
        """Start without any process."""
        self._all: list[WorkerProcess] = []
        self._free: list[WorkerProcess] = []

    def run_function(
        self,
        python: PythonInterpreter,
        function: Callable[..., Task[T]],
        *arguments: Any,
        idle: float,
    ) -> Task[T]:
        """Run a function as :meth:`WorkerProcess.run_function`, in a warm process or a new one.

        Args:
            python: What the process runs with.
            function: A function of a module of this package that returns a task.
            arguments: Values that :mod:`.messages` can send.
            idle: Seconds without a job after which the process ends.
        """
        yield Progress(0.0, "Starting")
        while True:
            worker, was_warm = self._take_worker(python)
            try:
                return (yield from worker.run_function(function, arguments, idle))
            except WorkerError:
                # The idle time of a warm process may run out just as the job is sent.
                idle_ran_out = was_warm and worker in self._all and worker.has_left()
                if not idle_ran_out:
                    raise
            finally:
                self._put_back(worker)

    def end_all(self) -> None:
        """End every process, which frees their memory."""
        ending = self._all
        self._all = []
        self._free.clear()
        for worker in ending:
            worker.terminate()

    def alive_workers(self) -> list[WorkerProcess]:
        """Return the processes that hold memory."""
        return [worker for worker in self._all if worker.is_alive()]

    def _take_worker(self, python: PythonInterpreter) -> tuple[WorkerProcess, bool]:
        """Return a process of ``python``, and whether it existed before."""
        while self._free:
            worker = self._free.pop()
            if worker.python == python and worker.is_alive():
                return worker, True
            self._forget_worker(worker)

        worker = WorkerProcess(python)
        self._all.append(worker)
        return worker, False

    def _put_back(self, worker: WorkerProcess) -> None:
        """Keep one process for the next job, end the others."""
        if worker.is_alive() and worker in self._all and not self._free:
            self._free.append(worker)
        else:
            self._forget_worker(worker)

    def _forget_worker(self, worker: WorkerProcess) -> None:
        worker.terminate()
        if worker in self._all:
            self._all.remove(worker)
