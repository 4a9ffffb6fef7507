"""Find out what another Python is and has, by code that any Python 3 can run."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DependencyError, WorkerError
from .dependencies import MODEL, PACKAGES, install_command
from .task import Progress, Task
from .worker_pool import PythonInterpreter

OLDEST = (3, 11)
_TIMEOUT = 120.0  # seconds; reading PyTorch from a cold disk may take half of that
_POLL_INTERVAL = 0.05  # seconds between two checks for the answer
_STAGE = "Testing Python"
_PROBE_CODE = """
import json, sys
sys.path += sys.argv[1:]
answer = {"python": list(sys.version_info[:3]), "packages": {}, "broken": {}, "devices": []}
for name in ("numpy", "PIL", "torch"):
    try:
        answer["packages"][name] = str(__import__(name).__version__)
    except ImportError as error:
        if getattr(error, "name", None) != name:
            answer["broken"][name] = str(error)
    except Exception as error:
        answer["broken"][name] = str(error)
if "torch" in answer["packages"]:
    import torch
    if torch.cuda.is_available():
        answer["devices"].append(["cuda", torch.cuda.get_device_name(0)])
    if hasattr(torch.backends, "mps") and torch.backends.mps.is_available():
        answer["devices"].append(["mps", "Apple GPU"])
print("\\n" + json.dumps(answer))
"""


@dataclass(frozen=True)
class PythonInfo:
    """A Python that can run the model.

    Attributes:
        python: Its version.
        torch: Version of its PyTorch.
        devices: Names of its GPUs by "cuda" and "mps".
    """

    python: str
    torch: str
    devices: dict[str, str]

    def status_text(self) -> str:
        """Return the description as one line for the user."""
        names = ["CPU"]
        for device, label in self.devices.items():
            names.append(f"{device.upper()} ({label})")
        return f"Python {self.python}, PyTorch {self.torch}, devices: {', '.join(names)}"


def probe_python(python: PythonInterpreter) -> Task[PythonInfo]:
    """Find out whether ``python`` can run the model; takes as long as its PyTorch takes to load.

    Raises:
        WorkerError: It cannot be started, is not a Python, or is too old.
        DependencyError: It lacks a package.
    """
    yield Progress(0.0, _STAGE)
    if not Path(python.executable).is_file():
        raise WorkerError(
            f"The file {python.executable} does not exist. Choose a Python executable in the "
            "preferences"
        )

    process = python.start_code(
        _PROBE_CODE,
        *python.paths,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        output, errors = yield from _wait_for_output(process, python.executable)
    finally:
        process.kill()
        process.wait()

    return _parse_output(
        python.executable, output.decode(errors="replace"), errors.decode(errors="replace")
    )


def _wait_for_output(
    process: subprocess.Popen[bytes], executable: str
) -> Task[tuple[bytes, bytes]]:
    """Return what a process has printed to stdout and stderr once it has ended."""
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < _TIMEOUT:
        try:
            return process.communicate(timeout=_POLL_INTERVAL)
        except subprocess.TimeoutExpired:
            yield Progress(0.5 * elapsed / _TIMEOUT, _STAGE)
    raise WorkerError(f"{executable} did not respond within {_TIMEOUT:.0f} s")


def _parse_output(executable: str, output: str, errors: str) -> PythonInfo:
    """Return what the last line of ``output`` reports.

    Raises:
        WorkerError: It is not the answer of a Python, or of one that is too old.
        DependencyError: A package is missing or broken.
    """
    lines = output.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
        version = tuple(answer["python"])
    except (IndexError, ValueError, KeyError, TypeError) as error:
        printed = errors.strip().splitlines() or lines or ["nothing"]
        raise WorkerError(
            f"{executable} does not seem to be Python. Its last output: {printed[-1][:80]}"
        ) from error

    version_text = ".".join(map(str, version))
    if version < OLDEST:
        raise WorkerError(
            f"{executable} is Python {version_text}, but {OLDEST[0]}.{OLDEST[1]} or newer is "
            "required"
        )
    _check_packages(executable, answer)
    return PythonInfo(version_text, answer["packages"]["torch"], dict(answer["devices"]))


def _check_packages(executable: str, answer: Mapping[str, Any]) -> None:
    """Raise DependencyError if a package that the model needs is missing or broken."""
    for package in (*MODEL, "numpy"):
        name, _ = PACKAGES[package]
        if package in answer["broken"]:
            reason = answer["broken"][package]
            raise DependencyError(
                f"{name} is installed in {executable} but cannot be imported: {reason}"
            )

        if package not in answer["packages"]:
            command = install_command(package, executable)
            raise DependencyError(f"{executable} has no {name}. Install it with {command}")
