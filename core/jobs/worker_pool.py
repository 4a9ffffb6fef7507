"""Tasks that run in a worker process of another Python, and are driven here like any other.

So the window's thread never waits for PyTorch, which holds Python's lock for long, nor for
Blender's operators, which run on that thread only. A Blender whose Python has no PyTorch uses
another Python's.

    WorkerPool -> WorkerProcess -> PythonInterpreter -> worker_boot.py, worker_main.py
    keeps one     one process,     its program          (in the other process)
    warm          one job a time   and its paths
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
from typing import Any, ClassVar, TypeVar, cast

from .. import errors
from ..errors import Cancelled, StartError, WorkerError
from . import messages
from .task import Progress, Task

T = TypeVar("T")

_BOOT_FILE = "worker_boot.py"
_POLL_INTERVAL = 0.05  # seconds between two chances to cancel a job
_STDERR_TAIL = 4000  # bytes of a crashed process's stderr in which its last line is searched
_FINAL_KEYS = frozenset({"stopped", "result", "error", "bug", "ended"})
_WORKER_CODE = "from maquette_core.jobs import worker_main\nworker_main.serve_jobs()"


@dataclass(frozen=True)
class PythonInterpreter:
    """A Python.

    Attributes:
        executable: Path of its program.
        paths: Further folders in which it shall find modules, such as an extension's wheels.
    """

    executable: str
    paths: tuple[str, ...] = ()

    @classmethod
    def current(cls) -> PythonInterpreter:
        """Return the Python that runs this, for use in another process."""
        return cls(sys.executable, tuple(path for path in sys.path if path))

    def start_code(
        self, code: str, *arguments: str, scratch: str | None = None, **pipes: Any
    ) -> subprocess.Popen[bytes]:
        """Start a process that runs code without a window or console.

        Args:
            code: Program text.
            arguments: The process's ``sys.argv[1:]``.
            scratch: Folder for its temporary files instead of the system's.
            pipes: ``stdin``, ``stdout`` and ``stderr`` of ``subprocess.Popen``.

        Raises:
            StartError: It cannot be started.
        """
        environment = {
            **os.environ,
            "PYTORCH_ENABLE_MPS_FALLBACK": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        environment.pop("PYTHONHOME", None)  # Blender's, if it set one
        if scratch:
            environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMP"), scratch)

        if sys.platform == "win32":
            pipes["creationflags"] = subprocess.CREATE_NO_WINDOW

        command = [self.executable, *self.command_words(code), *arguments]
        try:
            return subprocess.Popen(command, env=environment, **pipes)
        except OSError as error:
            raise StartError(
                f"{self.executable} could not be started ({error.strerror}). Choose a Python "
                "executable in the preferences"
            ) from error

    def start_package_code(self, code: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start ``code`` as :meth:`start_code` does, with this package as ``maquette_core``."""
        module = Path(__file__)
        boot = module.with_name(_BOOT_FILE).read_text(encoding="utf-8")
        core = str(module.parents[1])
        return self.start_code(f"{boot}\n{code}", core, *self.paths, **options)

    def command_words(self, code: str) -> tuple[str, ...]:
        """Return the command line arguments that make the program run ``code``."""
        return ("-B", "-c", code)


class BlenderInterpreter(PythonInterpreter):
    """A Blender without window, preferences and add-ons: a Python that has bpy."""

    def command_words(self, code: str) -> tuple[str, ...]:
        """Return the command line arguments that make Blender run ``code`` on its main thread."""
        program = (
            "import sys\n"
            "sys.dont_write_bytecode = True\n"
            "sys.argv[1:] = sys.argv[sys.argv.index('--') + 1:]\n"
            f"{code}"
        )
        return ("-b", "--factory-startup", "--python-expr", program, "--")


class WorkerProcess:
    """One worker process. It runs one job at a time."""

    patience: ClassVar[float] = 0.4  # seconds that a job has to stop before the process is killed

    def __init__(self, python: PythonInterpreter) -> None:
        """Start the process.

        Args:
            python: What to run it with.

        Raises:
            StartError: It cannot be started.
        """
        self.python = python
        # The last line of stderr is reported if the process crashes.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115, open as long as the process
        # Files that it leaves behind when it is killed, as Blender does, are removed with this.
        self._scratch = tempfile.TemporaryDirectory(prefix="maquette-", ignore_cleanup_errors=True)
        self._is_ready = False
        self._process = python.start_package_code(
            _WORKER_CODE,
            scratch=self._scratch.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )
        assert self._process.stdin is not None and self._process.stdout is not None, "pipes"
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        self._inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._job = 0
        threading.Thread(target=self._read_messages, name="maquette-worker", daemon=True).start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether the process has not ended."""
        return self._process.poll() is None

    def has_left(self) -> bool:
        """Return whether the process has ended because its idle time was over."""
        return self._process.poll() == 0

    def run_function(
        self, function: Callable[..., Task[T]], arguments: tuple[Any, ...], idle: float
    ) -> Task[T]:
        """Run ``function(*arguments)`` there, as a task here.

        Closing the task stops it there, or ends the process if it does not stop.

        Args:
            function: A function of a module of this package that returns a task.
            arguments: Values that :mod:`.messages` can send.
            idle: Seconds without a job after which the process ends.

        Raises:
            Exception: What the function raises.
            WorkerError: The process ended before the job was done.
            StartError: The process ended before it was ready.
        """
        self._job += 1
        module = function.__module__.removeprefix(f"{messages.CORE_PACKAGE}.")
        request = {
            "run": f"{module}:{function.__qualname__}",
            "job": self._job,
            "arguments": list(arguments),
            "idle": idle,
        }
        self._send_message(request)

        progress = Progress(0.0, "Starting")
        done = False
        try:
            while True:
                answer = self._next_message(_POLL_INTERVAL)
                progress = answer.get("progress", progress)
                if answer.keys() - {"progress"}:
                    done = True
                    return cast(T, self._job_outcome(answer))
                yield progress
        finally:
            if not done:
                self._stop_job()

    def terminate(self) -> None:
        """End the process, whatever it does."""
        # Without stdin an idle process ends by itself.
        with suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._scratch.cleanup()

    def _send_message(self, message: dict[str, Any]) -> None:
        # If the process has ended, or is being ended, the next answer reports that.
        with suppress(OSError, ValueError):
            messages.send_message(self._stdin, message)

    def _next_message(self, seconds: float) -> dict[str, Any]:
        """Return the next message, an empty one if there is none within ``seconds``."""
        try:
            return self._inbox.get(timeout=seconds)
        except queue.Empty:
            return {}

    def _job_outcome(self, answer: dict[str, Any]) -> Any:
        """Return the result in the last message of a job, or raise the error in it."""
        match answer:
            case {"result": result}:
                return result
            case {"error": [name, text]}:
                raise getattr(errors, name)(text)
            case {"bug": text}:
                raise RuntimeError(f"In the worker process:\n{text}")
            case {"stopped": _}:
                raise Cancelled("Stopped")

        error_type = WorkerError if self._is_ready else StartError
        raise error_type(self._death_message())

    def _stop_job(self) -> None:
        """Request that the job stop; if it does not, end the process."""
        self._send_message({"stop": self._job})

        end = time.monotonic() + self.patience
        while (remaining := end - time.monotonic()) > 0:
            if self._next_message(remaining).keys() & _FINAL_KEYS:
                return

        self._process.kill()
        self._process.wait()

    def _read_messages(self) -> None:
        """Put the messages of the process into the inbox until it ends. Runs on a thread."""
        try:
            messages.skip_to_begin(self._stdout)
            self._is_ready = True
            while True:
                self._inbox.put(messages.receive_message(self._stdout))
        except (EOFError, OSError, ValueError):
            self._inbox.put({"ended": True})

    def _death_message(self) -> str:
        """Return how and why the process ended, for the user."""
        code = self._process.wait()
        self._stderr.seek(0)
        tail = self._stderr.read()[-_STDERR_TAIL:]
        lines = tail.decode(errors="replace").strip().splitlines()

        if code >= 0:
            manner = f"exit code {code}"
        else:
            manner = f"killed by signal {signal.Signals(-code).name}"
        if code == -9 or not lines:
            reason = ". It may have run out of memory. Try a lower resolution"
        else:
            reason = f": {lines[-1]}"

        return (
            f"The background process of {self.python.executable} ended unexpectedly "
            f"({manner}){reason}. It is restarted by the next job"
        )


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
