"""What another Python is and has, asked of it in plain words that any Python 3 understands."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ..errors import DependencyError, WorkerError
from .dependencies import PACKAGES, install_command
from .task import Progress, Task
from .worker_pool import PythonInterpreter

OLDEST = (3, 11)
_PATIENCE = 120.0  # seconds; a cold disk may take half of it to give PyTorch
_QUESTION = """
import json, sys
sys.path += sys.argv[1:]
said = {"python": list(sys.version_info[:3]), "packages": {}, "broken": {}, "devices": []}
for name in ("numpy", "PIL", "torch"):
    try:
        said["packages"][name] = str(__import__(name).__version__)
    except ImportError as error:
        if getattr(error, "name", None) != name:
            said["broken"][name] = str(error)
    except Exception as error:
        said["broken"][name] = str(error)
if "torch" in said["packages"]:
    import torch
    if torch.cuda.is_available():
        said["devices"].append(["cuda", torch.cuda.get_device_name(0)])
    if hasattr(torch.backends, "mps") and torch.backends.mps.is_available():
        said["devices"].append(["mps", "Apple GPU"])
print("\\n" + json.dumps(said))
"""


@dataclass(frozen=True)
class PythonInfo:
    """A Python that can run the model.

    python, torch: their versions. devices: names of GPUs by "cuda" and "mps".
    """

    python: str
    torch: str
    devices: dict[str, str]

    def status_text(self) -> str:
        """One line for the user."""
        gpus = [f"{name.upper()} ({label})" for name, label in self.devices.items()]
        return f"Python {self.python}, PyTorch {self.torch}, devices: {', '.join(['CPU', *gpus])}"


def probe_python(python: PythonInterpreter) -> Task[PythonInfo]:
    """Ask ``python`` whether it can run the model. Takes as long as its PyTorch takes to load.

    Raises:
        WorkerError: it cannot be started, is no Python, or too old. DependencyError: it lacks a package.
    """
    yield Progress(0.0, "Testing Python")
    if not Path(python.executable).is_file():
        raise WorkerError(
            f"The file {python.executable} does not exist. Choose a Python executable in the "
            "preferences"
        )
    process = python.start_code(
        _QUESTION,
        *python.paths,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    began = time.monotonic()
    try:
        while (passed := time.monotonic() - began) < _PATIENCE:
            try:
                said, errors = process.communicate(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                yield Progress(0.5 * passed / _PATIENCE, "Testing Python")
        else:
            raise WorkerError(f"{python.executable} did not respond within {_PATIENCE:.0f} s")
    finally:
        process.kill()
        process.wait()
    return _parse_answer(
        python.executable, said.decode(errors="replace"), errors.decode(errors="replace")
    )


def _parse_answer(executable: str, said: str, errors: str) -> PythonInfo:
    lines = said.strip().splitlines()
    try:
        answer = json.loads(lines[-1])
        version = tuple(answer["python"])
    except (IndexError, ValueError, KeyError, TypeError) as error:
        last = (errors.strip().splitlines() or lines or ["nothing"])[-1]
        raise WorkerError(
            f"{executable} does not seem to be Python. Its last output: {last[:80]}"
        ) from error
    told = ".".join(map(str, version))
    if version < OLDEST:
        raise WorkerError(
            f"{executable} is Python {told}, but {OLDEST[0]}.{OLDEST[1]} or newer is required"
        )
    for package, (name, _) in PACKAGES.items():
        if package in answer["broken"]:
            raise DependencyError(
                f"{name} is installed in {executable} but cannot be imported: "
                f"{answer['broken'][package]}"
            )
        if package not in answer["packages"]:
            raise DependencyError(
                f"{executable} has no {name}. Install it with {install_command(package, executable)}"
            )
    return PythonInfo(told, answer["packages"]["torch"], dict(answer["devices"]))
