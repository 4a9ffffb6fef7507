"""Works that run in a worker process with a Python of its own, and look like any other here: generators of progress.

So the window's thread never waits for PyTorch, which keeps Python's lock for long, nor for Blender's own operators,
which run on that thread only; and a Blender whose Python has no PyTorch uses that of another.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from .. import errors
from ..errors import Cancelled, StartError, WorkerError
from . import messages
from .task import Progress, Task

T = TypeVar("T")

# This package under a name of its own: as an extension it is called otherwise, and its parents need bpy.
_BOOT = """
import importlib.util, sys
sys.path[:] = [path for path in sys.path if path] + [path for path in sys.argv[2:] if path not in sys.path]
folder = sys.argv[1]
name = "maquette_core"
spec = importlib.util.spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[name])
"""
_BEAT = 0.05  # seconds between two looks at whether the work is still wanted


@dataclass(frozen=True)
class PythonInterpreter:
    """A Python: its program, and where it finds modules besides its own places (an extension's wheels, say)."""

    executable: str
    paths: tuple[str, ...] = ()

    @classmethod
    def current(cls) -> PythonInterpreter:
        """The one that runs this, in a process of its own."""
        return cls(sys.executable, tuple(path for path in sys.path if path))

    def start_code(
        self, code: str, *arguments: str, scratch: str | None = None, **pipes: Any
    ) -> subprocess.Popen[bytes]:
        """Begin a process that runs ``code``, ``arguments`` in its ``sys.argv[1:]``, and asks nothing of this one's
        window or console. scratch: the folder for its temporary files, instead of the system's.

        Raises:
            StartError: it cannot be started.
        """
        quiet = {"creationflags": subprocess.CREATE_NO_WINDOW} if sys.platform == "win32" else {}
        environment = {
            **os.environ,
            "PYTORCH_ENABLE_MPS_FALLBACK": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        environment.pop("PYTHONHOME", None)  # Blender's, if it set one
        if scratch:
            environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMP"), scratch)
        words = [self.executable, *self.command_words(code), *arguments]
        try:
            return subprocess.Popen(words, env=environment, **quiet, **pipes)
        except OSError as error:
            raise StartError(
                f"{self.executable} could not be started ({error.strerror}). Choose a Python "
                "executable in the preferences"
            ) from error

    def start_package_code(self, code: str, **options: Any) -> subprocess.Popen[bytes]:
        """As :meth:`start_code`, for ``code`` in which this package is called ``maquette_core``."""
        return self.start_code(_BOOT + code, str(Path(__file__).parents[1]), *self.paths, **options)

    def command_words(self, code: str) -> tuple[str, ...]:
        """What to say to the program, so that it runs ``code``."""
        return ("-B", "-c", code)


class BlenderInterpreter(PythonInterpreter):
    """A Blender without window, preferences and add-ons: a Python that has bpy, on its main thread."""

    def command_words(self, code: str) -> tuple[str, ...]:
        code = f"import sys\nsys.dont_write_bytecode = True\nsys.argv[1:] = sys.argv[sys.argv.index('--') + 1:]\n{code}"
        return ("-b", "--factory-startup", "--python-expr", code, "--")


class WorkerProcess:
    """One process. Does one job at a time."""

    patience: ClassVar[float] = 0.4  # seconds that a job has to stop by itself

    def __init__(self, python: PythonInterpreter) -> None:
        self.python = python
        self._said = tempfile.TemporaryFile()  # its stderr, for the day it crashes
        # What it leaves behind when it is killed, as Blender does, goes with this.
        self._scratch = tempfile.TemporaryDirectory(prefix="maquette-", ignore_cleanup_errors=True)
        self._began = False
        self._process = python.start_package_code(
            "from maquette_core.jobs import worker_main\nworker_main.serve_jobs()",
            scratch=self._scratch.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )
        self._inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._job = 0
        threading.Thread(target=self._read_messages, name="maquette-worker", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def has_left(self) -> bool:
        """Whether it has ended of itself, its idle time being over."""
        return self._process.poll() == 0

    def run_function(
        self, function: Callable[..., Task[T]], arguments: tuple[Any, ...], idle: float
    ) -> Task[T]:
        """``function(*arguments)`` there, as a work here. Closing it stops it there, or ends the process.

        Args:
            function: of a module of this package.
            arguments: what :mod:`.wire` can send.
            idle: seconds without a job after which the process ends by itself.

        Raises:
            What the function raises; WorkerError: the process ended before it was done, StartError: or had begun.
        """
        self._job += 1
        name = f"{function.__module__.removeprefix(f'{messages.CORE_PACKAGE}.')}:{function.__qualname__}"
        self._send_message(
            {"run": name, "job": self._job, "arguments": list(arguments), "idle": idle}
        )
        progress = Progress(0.0, "Starting")
        done = False
        try:
            while True:
                answer = self._next_message(_BEAT)
                progress = answer.get("progress", progress)
                if answer.keys() - {"progress"}:
                    done = True
                    return self._job_outcome(answer)
                yield progress
        finally:
            if not done:
                self._stop_job()

    def terminate(self) -> None:
        """End the process, whatever it is doing."""
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._scratch.cleanup()

    def _send_message(self, message: dict[str, Any]) -> None:
        with suppress(OSError, ValueError):  # it has ended, or is being ended: the answer says so
            messages.send_message(self._process.stdin, message)

    def _next_message(self, seconds: float) -> dict[str, Any]:
        """The next message; an empty one if none comes."""
        try:
            return self._inbox.get(timeout=seconds)
        except queue.Empty:
            return {}

    def _job_outcome(self, answer: dict[str, Any]) -> Any:
        match answer:
            case {"result": result}:
                return result
            case {"error": [name, text]}:
                raise getattr(errors, name)(text)
            case {"bug": text}:
                raise RuntimeError(f"In the worker process:\n{text}")
            case {"stopped": _}:
                raise Cancelled("Stopped")
            case _:
                raise (WorkerError if self._began else StartError)(self._death_message())

    def _stop_job(self) -> None:
        """Ask the job to stop; if it does not, end the process."""
        self._send_message({"stop": self._job})
        end = time.monotonic() + self.patience
        while (left := end - time.monotonic()) > 0:
            if self._next_message(left).keys() & {"stopped", "result", "error", "bug", "ended"}:
                return
        self._process.kill()
        self._process.wait()

    def _read_messages(self) -> None:
        try:
            messages.skip_to_begin(self._process.stdout)
            self._began = True
            while True:
                self._inbox.put(messages.receive_message(self._process.stdout))
        except (EOFError, OSError, ValueError):
            self._inbox.put({"ended": True})

    def _death_message(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        lines = self._said.read()[-4000:].decode(errors="replace").strip().splitlines()
        how = f"exit code {code}" if code >= 0 else f"killed by signal {signal.Signals(-code).name}"
        if code == -9 or not lines:
            why = ". It may have run out of memory. Try a lower resolution"
        else:
            why = f": {lines[-1]}"
        return (
            f"The background process of {self.python.executable} ended unexpectedly "
            f"({how}){why}. It is restarted by the next job"
        )


class WorkerPool:
    """Keeps the last process warm for the next job, and knows all of them."""

    def __init__(self) -> None:
        self._all: list[WorkerProcess] = []
        self._free: list[WorkerProcess] = []

    def run_function(
        self,
        python: PythonInterpreter,
        function: Callable[..., Task[T]],
        *arguments: Any,
        idle: float,
    ) -> Task[T]:
        """As :meth:`WorkerProcess.run_function`, in a warm process of ``python`` or in a new one."""
        yield Progress(0.0, "Starting")
        while True:
            worker, warm = self._take_worker(python)
            try:
                return (yield from worker.run_function(function, arguments, idle))
            except WorkerError:
                if not (
                    warm and worker in self._all and worker.has_left()
                ):  # its idle time may run out as it is asked
                    raise
            finally:
                self._put_back(worker)

    def end_all(self) -> None:
        """End every process, give their memory back."""
        ending = self._all
        self._all = []
        self._free.clear()
        for worker in ending:
            worker.terminate()

    def alive_workers(self) -> list[WorkerProcess]:
        """Those that hold memory."""
        return [worker for worker in self._all if worker.is_alive()]

    def _take_worker(self, python: PythonInterpreter) -> tuple[WorkerProcess, bool]:
        """A process of ``python``, and whether it was there before."""
        while self._free:
            worker = self._free.pop()
            if worker.python == python and worker.is_alive():
                return worker, True
            self._forget_worker(worker)
        worker = WorkerProcess(python)
        self._all.append(worker)
        return worker, False

    def _put_back(self, worker: WorkerProcess) -> None:
        if worker.is_alive() and worker in self._all and not self._free:
            self._free.append(worker)
        else:
            self._forget_worker(worker)

    def _forget_worker(self, worker: WorkerProcess) -> None:
        worker.terminate()
        if worker in self._all:
            self._all.remove(worker)
