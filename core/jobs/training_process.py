"""A training run in a separate process, with any Python that has PyTorch. It can be resumed.

The run's folder holds the settings in ``settings.json`` (``core.model.training.config_file``) and
the steps done in ``log.csv``. A file named ``stop`` makes the process end with a checkpoint of its
last step.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..atomic_files import write_json
from ..errors import OutputError
from ..folder_lock import check_unlocked
from . import lifeline
from .child_process import OutputTail, SilenceWatch, exit_text, kill_group
from .interpreters import PythonInterpreter
from .task import Progress

SETTINGS = "settings.json"
_OUTPUT = "output.txt"
_STOP = "stop"
_CHECKPOINT = "checkpoint.pt"
# What there is of a run before its first step
_FIRST_FILES = (SETTINGS, _OUTPUT, _STOP, "config.json", "log.csv")
_BEGIN = "Training begins"  # the first line of the output, from which on it is our code that runs
_CODE = """
from pathlib import Path
from maquette_core.jobs import training_process
training_process.stop_with_parent(Path({run!r}))
print({begin!r}, flush=True)
from maquette_core.model.jobs import reconstruct
sys.exit(reconstruct.train_from_settings({settings!r}))
"""
# After the end of a parent that has asked for the stop before, and after that of one that was
# killed: seconds until the process is ended if it has not stopped with a checkpoint.
_ORDERLY_SECONDS = 600.0
_ORPHAN_SECONDS = 20.0
_POLL_INTERVAL = 0.1  # seconds between two looks at a process that is waited for
_END_SECONDS = 2.0  # that an ended process may take to be gone
_TAIL = 2000  # bytes; longer than the last lines of any log


def write_settings(run: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of a run into its folder, which is made if it does not exist.

    Args:
        run: Folder of the run.
        settings: Content of ``settings.json``.

    Raises:
        OutputError: The file cannot be written, or another process trains in the folder.
    """
    check_unlocked(run)
    write_json(run / SETTINGS, settings)


def steps_of(run: Path) -> tuple[int, int]:
    """Return how many steps the run in the folder ``run`` has done, and how many it shall do.

    Both are 0 if there is no run.
    """
    try:
        settings = json.loads((run / SETTINGS).read_text(encoding="utf-8"))
        total = int(settings["training"]["steps"])
        lines = _tail(run / "log.csv")
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0

    # A killed run or a power failure may have damaged its last lines.
    for line in reversed(lines[:-1]):
        step = line.partition(",")[0]
        if step.isascii() and step.isdecimal():
            return int(step), total

    return 0, total


def discard_empty_run(run: Path) -> None:
    """Remove the files of a run that has ended before its first step, and its folder if empty.

    Files of others in the folder stay.
    """
    if steps_of(run)[0] or (run / _CHECKPOINT).exists():
        return
    for name in _FIRST_FILES:
        with suppress(OSError):
            (run / name).unlink()
    with suppress(OSError):
        run.rmdir()


class TrainingProcess:
    """The process of a training run. It starts when this is made."""

    def __init__(self, run: Path, python: PythonInterpreter | None = None) -> None:
        """Start or resume the run of ``run/settings.json``.

        Args:
            run: Folder of the run.
            python: Python to run it with; the current one if None.

        Raises:
            WorkerError: That Python cannot be started.
            OutputError: The folder cannot be written, or another process trains in it.
        """
        check_unlocked(run)
        self.run = run
        self._stop_requested = False
        self._first_step = steps_of(run)[0]

        self._fault = ""  # why the process was ended
        self._is_ended = False

        # A stop file may be left from an earlier process.
        try:
            (run / _STOP).unlink(missing_ok=True)
            (run / _OUTPUT).write_bytes(b"")
        except OSError as error:
            raise OutputError(f"{run} cannot be written: {error.strerror}") from error

        python = python or PythonInterpreter.current()
        self._process = python.start_package_code(
            _CODE.format(begin=_BEGIN, run=str(run), settings=str(run / SETTINGS)),
            stdin=subprocess.PIPE,  # ends with this process, and the training with it
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert self._process.stdout is not None, "a pipe"
        self._output = OutputTail(self._process.stdout, run / _OUTPUT)
        self._watch = SilenceWatch(self._process.pid, python.start_patience)

    def is_running(self) -> bool:
        """Return whether the process has not ended yet; end it if it does not begin."""
        if self._process.poll() is None:
            if not self._has_begun() and self._watch.is_hanging():
                self._fault = f"It did not respond for {self._watch.silent_text()}"
                self._end()
        elif not self._is_ended:
            self._end()
        return self._process.poll() is None

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the process has ended, at most ``seconds``.

        Raises:
            subprocess.TimeoutExpired: It has not ended by then.
        """
        start = time.monotonic()
        while self.is_running():
            if seconds is not None and time.monotonic() - start > seconds:
                raise subprocess.TimeoutExpired(self._process.args, seconds)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_INTERVAL)

    def request_stop(self) -> None:
        """Make the process end after the current step.

        Before its first step it is ended at once, since there is nothing to lose.
        """
        self._stop_requested = True
        if not self.is_running():
            return

        done, _ = self._finished_steps()
        if done <= self._first_step or not _touch(self.run / _STOP):
            self._end()

    def progress(self) -> Progress:
        """Return how many of the run's steps are done."""
        done, total = self._finished_steps()
        if self._stop_requested:
            stage = "Stopping"
        elif done > self._first_step:
            stage = f"Step {done} of {total}"
        else:
            stage = "Loading"

        return Progress(done / max(total, 1), stage)

    def failure_text(self) -> str | None:
        """Return why the run failed, else None."""
        if self.is_running() or self._stop_requested:
            return None
        code = self._process.returncode
        if code == 0 and self._has_begun():
            return None

        line = self._output.last_line()
        if self._fault:
            return f"{self._fault}. {line}".rstrip(". ")
        if code > 0 and line:
            return line
        return f"The process ended before its training did ({exit_text(code)}). {line}".rstrip(". ")

    def _has_begun(self) -> bool:
        return _BEGIN.encode() in self._output.began

    def _end(self) -> None:
        """End the process and all that it has started."""
        self._is_ended = True
        kill_group(self._process)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._output.wait(_END_SECONDS)

    def _finished_steps(self) -> tuple[int, int]:
        """Return :func:`steps_of` the run.

        The process drops the log's lines after its checkpoint, which a crash may have left: the
        number of steps can get lower at first.
        """
        done, total = steps_of(self.run)
        self._first_step = min(self._first_step, done)
        return done, total


def stop_with_parent(run: Path) -> None:
    """Make this process, which trains ``run``, stop with a checkpoint once its parent has ended."""
    # Nobody reads its output from then on; writing to it must not fail before the checkpoint.
    sys.stdout = io.TextIOWrapper(_LostOutput(1), encoding="utf-8", errors="replace")
    sys.stderr = io.TextIOWrapper(_LostOutput(2), encoding="utf-8", errors="replace")
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through=True)
    lifeline.watch_stdin(lambda: _stop_orphan(run))


class _LostOutput(io.RawIOBase):
    """A file descriptor that takes everything, even if nobody reads it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any) -> int:
        with suppress(OSError):
            os.write(self._descriptor, data)
        return memoryview(data).nbytes


def _stop_orphan(run: Path) -> float:
    """Request that this process stop, and return the seconds in which it shall."""
    if (run / _STOP).exists():
        return _ORDERLY_SECONDS
    done, _ = steps_of(run)
    if not done or not _touch(run / _STOP):
        return 0.0
    return _ORPHAN_SECONDS


def _touch(path: Path) -> bool:
    """Create an empty file; return whether it is there."""
    try:
        path.touch()
    except OSError:
        return False
    return True


def _tail(path: Path) -> list[str]:
    """Return the last lines of a file; what follows the last line break, if anything, is last."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read().decode("utf-8", "replace").split("\n")
