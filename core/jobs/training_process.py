"""A run of training in a process of its own, with any Python that has PyTorch: it may be stopped, and goes on later.

What it is to do stands in the run's folder, in ``settings.json`` (``core.model.training.config_file``); how far it is, in its
log; to stop it a file named ``stop`` is put there, so that it leaves a checkpoint of its last step.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import OutputError
from .task import Progress
from .worker_pool import PythonInterpreter

SETTINGS = "settings.json"
_OUTPUT = "output.txt"
_CODE = "from maquette_core.model.jobs import reconstruct\nsys.exit(reconstruct.train_from_settings({!r}))"


def write_settings(run: Path, settings: Mapping[str, Any]) -> None:
    """Write what a run in the folder ``run`` is to do.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        (run / SETTINGS).write_text(json.dumps(settings, indent=1), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{run} cannot be written: {error.strerror}") from error


def steps_of(run: Path) -> tuple[int, int]:
    """How many steps the run in the folder ``run`` has done and is to do; 0 if there is none."""
    try:
        wanted = int(json.loads((run / SETTINGS).read_text(encoding="utf-8"))["training"]["steps"])
        last = _last_line(run / "log.csv")
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0
    done = last.partition(",")[0]
    return (int(done) if done.isdigit() else 0), wanted


class TrainingProcess:
    """The process. Begins at once."""

    def __init__(self, run: Path, python: PythonInterpreter | None = None) -> None:
        """Go on with the run of ``run/settings.json``, with ``python`` or this one.

        Raises:
            WorkerError: that Python cannot be started. OutputError: ``run`` cannot be written.
        """
        self.run = run
        self._asked_to_stop = False
        self._before = steps_of(run)[0]
        try:
            (run / "stop").unlink(missing_ok=True)
            output = (run / _OUTPUT).open("wb")
        except OSError as error:
            raise OutputError(f"{run} cannot be written: {error.strerror}") from error
        with output:  # the process has a descriptor of its own
            self._process = (python or PythonInterpreter.current()).start_package_code(
                _CODE.format(str(run / SETTINGS)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float | None = None) -> None:
        self._process.wait(seconds)

    def request_stop(self) -> None:
        """Ask it to end after this step; before its first one it is ended at once, since nothing is lost."""
        self._asked_to_stop = True
        if self.is_running():
            (self.run / "stop").touch()
            done, _ = self._finished_steps()
            if done <= self._before:
                self._process.terminate()

    def progress(self) -> Progress:
        done, wanted = self._finished_steps()
        stage = (
            "Stopping"
            if self._asked_to_stop
            else f"Step {done} of {wanted}"
            if done > self._before
            else "Loading"
        )
        return Progress(done / max(wanted, 1), stage)

    def _finished_steps(self) -> tuple[int, int]:
        """As :func:`steps_of`. What a crash left in the log of steps after the checkpoint, the process drops."""
        done, wanted = steps_of(self.run)
        self._before = min(self._before, done)
        return done, wanted

    def failure_text(self) -> str | None:
        """Why it ended, if by itself and in vain: what it said last."""
        if self.is_running() or self._process.returncode == 0 or self._asked_to_stop:
            return None
        return (
            _last_line(self.run / _OUTPUT)
            or f"The process ended with code {self._process.returncode}"
        )


def _last_line(path: Path) -> str:
    """The last line that is whole."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2000))
        lines = file.read().decode("utf-8", "replace").rstrip("\n").split("\n")
    return lines[-1].strip()
