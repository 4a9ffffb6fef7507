"""One worker process, and its answers, of which none is trusted.

The job's thread never reads or writes a pipe, where it might wait for ever:

    job thread -> outbox    -> writer thread -> stdin      requests
    job thread <- AnswerBox <- reader thread <- stdout     progress, signs of life, outcomes
                  OutputTail <----------------- stderr     the last 64 KB are kept
"""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, ClassVar, TypeVar, cast

from .. import errors
from ..errors import Cancelled, MaquetteError, StartError, WorkerError
from . import messages, temporary_folders
from .child_process import OutputTail, Patience, SilenceWatch, exit_text, kill_group
from .interpreters import PythonInterpreter
from .task import Progress, Task
from .worker_main import SCRATCH_VARIABLE

T = TypeVar("T")

_POLL_INTERVAL = 0.05  # seconds between two chances to cancel a job
_EXIT_SECONDS = 2.0  # that a process may live on after its output has ended
_OUTCOMES = frozenset({"result", "error", "bug", "stopped"})
_LARGEST_TEXT = 1 << 16  # characters of an error
# The package needs NumPy at once; if that is broken, its name is not in the last line.
_WORKER_CODE = """
try:
    import numpy
except Exception as error:
    reason = " ".join(str(error).split())
    sys.exit(f"NumPy cannot be imported: {type(error).__name__}: {reason}")
from maquette_core.jobs import worker_main
worker_main.serve_jobs()
"""


class AnswerBox:
    """What has arrived from a worker process: the latest progress, and outcomes of jobs.

    Progress that nobody has taken is replaced by the next, so that it never piles up.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._changed = threading.Condition()
        self._job = 0
        self._progress: Progress | None = None
        self._outcome: dict[str, Any] | None = None
        self._end: dict[str, Any] | None = None
        self._signs = 0

    def expect(self, job: int) -> None:
        """Accept answers to the job of that number only, from now on."""
        with self._changed:
            self._job = job
            self._progress = None
            self._outcome = None

    def put(self, message: Any) -> None:
        """Take a message of the process.

        Raises:
            ValueError: It is not an answer to the present job.
        """
        with self._changed:
            self._signs += 1
            if message == {"alive": True}:
                return
            if not isinstance(message, dict) or message.pop("job", None) != self._job:
                raise ValueError("it sent something that is not an answer to its job")
            self._put_answer(message)
            self._changed.notify()

    def put_end(self, reason: str) -> None:
        """Note that nothing more arrives, and why."""
        with self._changed:
            self._end = {"ended": reason}
            self._changed.notify()

    def sign_count(self) -> int:
        """Return how many messages have arrived."""
        return self._signs

    def take(self, seconds: float) -> dict[str, Any] | None:
        """Return the latest progress, then the outcome, then the end; None after ``seconds``."""
        with self._changed:
            self._changed.wait_for(self._has_any, seconds)
            if self._progress is not None:
                progress = self._progress
                self._progress = None
                return {"progress": progress}
            outcome = self._outcome or self._end
            self._outcome = None
            return outcome

    def _has_any(self) -> bool:
        return bool(self._progress or self._outcome or self._end)

    def _put_answer(self, answer: dict[str, Any]) -> None:
        match answer:
            case {"progress": Progress() as progress}:
                self._progress = progress
            case {"error": [str(), str()]} | {"bug": str()} | {"stopped": True} | {"result": _}:
                if self._outcome is not None:
                    raise ValueError("it answered a job twice")
                self._outcome = answer
            case _:
                raise ValueError("it sent something that is not an answer")


class WorkerProcess:
    """One worker process. It runs one job at a time."""

    patience: ClassVar[float] = 0.4  # seconds that a job has to stop before the process is killed
    # It sends a sign every two seconds, unless native code holds Python's lock: that computes.
    job_patience: ClassVar[Patience] = Patience(idle=30.0, total=1800.0)
    # What it may print to stderr, in bytes. Libraries that chatter for hours print less.
    most_before_ready: ClassVar[int] = 16 << 20
    most_in_job: ClassVar[int] = 256 << 20

    def __init__(self, python: PythonInterpreter) -> None:
        """Start the process.

        Args:
            python: What to run it with.

        Raises:
            StartError: It cannot be started.
            OutputError: There is no room for its temporary files.
        """
        self.python = python
        # Files that it leaves behind when it is killed, as Blender does, are removed with this.
        self._scratch = temporary_folders.create_folder()
        try:
            self._process = self._start()
        except MaquetteError:
            temporary_folders.remove_folder(self._scratch)
            raise

        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None and stdout is not None and stderr is not None, "pipes"
        self._errors = OutputTail(stderr)
        self._answers = AnswerBox()
        self._outbox: queue.SimpleQueue[list[bytes | memoryview] | None] = queue.SimpleQueue()
        self._is_ready = False
        self._is_killed = False
        self._job = 0

        for target, stream in ((self._read_answers, stdout), (self._write_messages, stdin)):
            threading.Thread(
                target=target, args=(stream,), name="maquette-worker", daemon=True
            ).start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether the process has not ended. What it has left behind is ended."""
        if self._process.poll() is None:
            return True
        self._kill()
        return False

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
            WorkerError: The process ended, hung or misbehaved before the job was done.
            StartError: The same before it was ready.
        """
        self._job += 1
        self._answers.expect(self._job)
        module = function.__module__.removeprefix(f"{messages.CORE_PACKAGE}.")
        request = {
            "run": f"{module}:{function.__qualname__}",
            "job": self._job,
            "arguments": list(arguments),
            "idle": idle,
            "folder": _working_folder(),
        }
        self._outbox.put(self._request_parts(request))

        progress = Progress(0.0, "Starting")
        done = False
        try:
            watch = self._watch_job()
            while True:
                answer = self._answers.take(_POLL_INTERVAL) or {}
                progress = answer.get("progress", progress)
                if answer.keys() - {"progress"}:
                    done = True
                    return cast(T, self._job_outcome(answer))
                next(watch)
                yield progress
        finally:
            if not done:
                self._stop_job()

    def terminate(self) -> None:
        """End the process, whatever it does."""
        # Without stdin an idle process ends by itself.
        self._outbox.put(None)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(self.patience)
        self._kill()
        temporary_folders.remove_folder(self._scratch)

    def _start(self) -> subprocess.Popen[bytes]:
        return self.python.start_package_code(
            _WORKER_CODE,
            scratch=str(self._scratch),
            variables={SCRATCH_VARIABLE: str(self._scratch)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def _request_parts(self, request: dict[str, Any]) -> list[bytes | memoryview]:
        """Return the message of a request.

        Raises:
            WorkerError: It is too long.
        """
        try:
            return messages.message_parts(request)
        except ValueError as error:
            raise WorkerError(
                f"The input is too large for the background process of {self.python.label}: {error}"
            ) from error

    def _watch_job(self) -> Task[None]:
        """Check at each step that the process is neither silent for too long nor floods.

        Raises:
            WorkerError: It is; it has been ended.
        """
        printed_before = self._errors.count
        was_ready = self._is_ready
        patience = self.job_patience if was_ready else self.python.start_patience
        watch = SilenceWatch(self.pid, patience)
        signs = self._answers.sign_count()

        while True:
            if self._is_ready and not was_ready:
                was_ready = True
                watch.reset(self.job_patience)
            if self._answers.sign_count() != signs:
                signs = self._answers.sign_count()
                watch.reset()

            most = self.most_in_job if was_ready else self.most_before_ready
            if self._errors.count - printed_before > most:
                raise self._failure(f"was ended: it printed more than {most >> 20} MB")
            if watch.is_hanging():
                raise self._failure(f"was ended: it did not respond for {watch.silent_text()}")
            yield Progress(0.0, "")

    def _job_outcome(self, answer: dict[str, Any]) -> Any:
        """Return the result in the last message of a job, or raise the error in it."""
        match answer:
            case {"result": result}:
                return result
            case {"error": [name, text]}:
                raise _error_class(name)(text[:_LARGEST_TEXT])
            case {"bug": text}:
                raise RuntimeError(f"In the worker process:\n{text[:_LARGEST_TEXT]}")
            case {"stopped": _}:
                raise Cancelled("Stopped")
        raise self._end_error(answer["ended"])

    def _stop_job(self) -> None:
        """Request that the job stop; if it does not, end the process."""
        self._outbox.put(messages.message_parts({"stop": self._job}))

        end = time.monotonic() + self.patience
        while (remaining := end - time.monotonic()) > 0:
            answer = self._answers.take(remaining)
            if answer is not None and answer.keys() & _OUTCOMES:
                return
            if answer is not None and "ended" in answer:
                break

        self._kill()

    def _kill(self) -> None:
        """End the process and all that it has started, once: its number may be used again."""
        if self._is_killed:
            return
        self._is_killed = True
        kill_group(self._process)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_EXIT_SECONDS)

    def _read_answers(self, stream: IO[bytes]) -> None:
        """Put the messages of the process into the box until it ends. Runs on a thread."""
        reason = ""
        try:
            messages.skip_to_begin(stream)
            self._is_ready = True
            while True:
                self._answers.put(messages.receive_message(stream))
        except EOFError:
            pass
        except Exception as error:  # anything may have been sent; a job must not wait for ever
            reason = str(error) or repr(error)

        self._answers.put_end(reason)

        # Until its end it waits for a reader, rather than complain of a closed pipe.
        self._process.wait()
        with suppress(OSError):
            stream.close()

    def _write_messages(self, stream: IO[bytes]) -> None:
        """Write what is in the outbox, which may take for ever. Runs on a thread."""
        # If the process has ended, or is being ended, its next answer reports that.
        with suppress(OSError, ValueError):
            while (parts := self._outbox.get()) is not None:
                messages.write_parts(stream, parts)
        with suppress(OSError):
            stream.close()

    def _end_error(self, reason: str) -> WorkerError:
        """Return the error of a process whose answers have ended, and end it if it still lives.

        Args:
            reason: What was wrong with the last answer; "" if they just ended.
        """
        if reason:
            return self._failure(f"was ended: {reason}")
        try:
            code = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return self._failure("was ended: it closed its output")

        self._errors.wait(self.patience)
        line = self._errors.last_line()
        if code == -9 or (self._is_ready and code >= 0 and not line):
            cause = ". It may have run out of memory. Try a lower resolution"
        else:
            cause = f": {line}" if line else ""

        return self._failure(f"ended unexpectedly ({exit_text(code)}){cause}")

    def _failure(self, text: str) -> WorkerError:
        """End the process with all that it has started, and return the error.

        Args:
            text: What happened to it.
        """
        line = self._errors.last_line()
        if line and line not in text:
            text = f"{text}. Its last output: {line}"
        self._kill()

        text = f"The background process of {self.python.label} {text}"
        if self._is_ready:
            return WorkerError(f"{text}. It is restarted by the next job")
        return StartError(f"{text}. Press Test in Maquette's preferences, or choose another Python")


def _working_folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:
        return None  # it has been removed


def _error_class(name: str) -> type[MaquetteError]:
    """Return the class of an error by its name; the common base for names that are none."""
    error_class = getattr(errors, name, None)
    if isinstance(error_class, type) and issubclass(error_class, MaquetteError):
        return error_class
    return MaquetteError
