"""A training run in a separate process, with any Python that has PyTorch. It can be resumed.

The run's folder holds the settings in ``settings.json`` (``core.model.training.config_file``) and
the steps done in ``log.csv``. A file named ``stop`` makes the process end with a checkpoint of its
last step.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..atomic_files import write_json
from ..errors import OutputError
from ..folder_lock import check_unlocked
from .task import Progress
from .worker_pool import PythonInterpreter

SETTINGS = "settings.json"
_OUTPUT = "output.txt"
_STOP = "stop"
_CODE = (
    "from maquette_core.model.jobs import reconstruct\n"
    "sys.exit(reconstruct.train_from_settings({!r}))"
)
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

        # A stop file may be left from an earlier process.
        try:
            (run / _STOP).unlink(missing_ok=True)
            output = (run / _OUTPUT).open("wb")
        except OSError as error:
            raise OutputError(f"{run} cannot be written: {error.strerror}") from error

        python = python or PythonInterpreter.current()
        # The process has a descriptor of its own.
        with output:
            self._process = python.start_package_code(
                _CODE.format(str(run / SETTINGS)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def is_running(self) -> bool:
        """Return whether the process has not ended yet."""
        return self._process.poll() is None

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the process has ended, at most ``seconds``."""
        self._process.wait(seconds)

    def request_stop(self) -> None:
        """Make the process end after the current step.

        Before its first step it is ended at once, since there is nothing to lose.
        """
        self._stop_requested = True
        if not self.is_running():
            return

        (self.run / _STOP).touch()
        done, _ = self._finished_steps()
        if done <= self._first_step:
            self._process.terminate()

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
        """Return the last output line if the run failed, else None."""
        if self.is_running() or self._process.returncode == 0 or self._stop_requested:
            return None
        lines = [line.strip() for line in _tail(self.run / _OUTPUT)]
        last_line = next((line for line in reversed(lines) if line), "")
        return last_line or f"The process ended with code {self._process.returncode}"

    def _finished_steps(self) -> tuple[int, int]:
        """Return :func:`steps_of` the run.

        The process drops the log's lines after its checkpoint, which a crash may have left: the
        number of steps can get lower at first.
        """
        done, total = steps_of(self.run)
        self._first_step = min(self._first_step, done)
        return done, total


def _tail(path: Path) -> list[str]:
    """Return the last lines of a file; what follows the last line break, if anything, is last."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read().decode("utf-8", "replace").split("\n")
