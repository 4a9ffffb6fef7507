"""Find out what another Python is and has, by code that any Python 3 can run.

The program may be anything. What it prints is read in part, what it answers is checked, and it is
ended if it hangs.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DependencyError, WorkerError
from .child_process import (
    OutputTail,
    Patience,
    SilenceWatch,
    exit_text,
    kill_group,
    shown_line,
)
from .dependencies import MODEL, PACKAGES, install_command
from .interpreters import PythonInterpreter, program_path
from .task import Progress, Task

OLDEST = (3, 11)
LOADING_PATIENCE = Patience(idle=20.0, total=180.0)  # after its first output
MOST_OUTPUT = 16 << 20  # bytes that it may print to stdout, and to stderr
_POLL_INTERVAL = 0.05  # seconds between two checks for the answer
_OUTPUT_SECONDS = 1.0  # that output may take to arrive after the process has ended, or the reverse
_UNDECODABLE = "\ufffd"
_MOST_UNDECODABLE = 1000
_STAGE = "Testing Python"
_DEVICES = ("cuda", "mps")
# The first line is printed at once. Loading PyTorch from a cold disk may then take a minute.
_PROBE_CODE = """
import sys
sys.path[:] = [path for path in sys.argv[1:2] + sys.path + sys.argv[2:] if path]
print("Python begins")
sys.stdout.flush()
import json
answer = {"python": list(sys.version_info[:3]), "packages": {}, "broken": {}, "devices": []}
for name, part in (("numpy", "numpy"), ("PIL", "PIL.Image"), ("torch", "torch")):
    try:
        package = __import__(name)
        __import__(part)
        answer["packages"][name] = str(package.__version__)
    except ImportError as error:
        if getattr(error, "name", None) != name:
            answer["broken"][name] = type(error).__name__ + ": " + str(error)
    except (Exception, SystemExit) as error:
        answer["broken"][name] = type(error).__name__ + ": " + str(error)
try:
    if "torch" in answer["packages"]:
        import torch
        if torch.cuda.is_available():
            answer["devices"].append(["cuda", torch.cuda.get_device_name(0)])
        if hasattr(torch.backends, "mps") and torch.backends.mps.is_available():
            answer["devices"].append(["mps", "Apple GPU"])
except Exception as error:
    answer["broken"]["torch"] = type(error).__name__ + ": " + str(error)
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
        WorkerError: It cannot be started, is not a Python, hangs, floods, or is too old.
        DependencyError: It lacks a package, or one is broken.
    """
    yield Progress(0.0, _STAGE)
    if not _exists(program_path(python.executable)):
        raise WorkerError(
            f"The file {python.label} does not exist. Choose a Python executable in the preferences"
        )

    process = python.start_code(
        _PROBE_CODE,
        python.packages,
        *python.paths,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None, "pipes"
    output = OutputTail(process.stdout)
    errors = OutputTail(process.stderr)

    try:
        yield from _wait_for_end(process, output, errors, python)
        manner = _end_text(process, output)
    finally:
        kill_group(process)
        process.wait()

    for tail in (output, errors):
        tail.wait(_OUTPUT_SECONDS)
    answer = _find_answer(output.text())
    if not _is_answer(answer):
        printed = errors.last_line() or output.last_line() or "nothing"
        raise WorkerError(
            f"{python.label} does not seem to be Python. Its last output: {printed} ({manner})"
        )

    return _read_answer(python.label, answer)


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        return False  # the name is too long, or the folder may not be read


def _wait_for_end(
    process: subprocess.Popen[bytes],
    output: OutputTail,
    errors: OutputTail,
    python: PythonInterpreter,
) -> Task[None]:
    """Wait until a process has ended, closed its output, or printed what is no text.

    Raises:
        WorkerError: It says nothing for too long, or prints too much.
    """
    watch = SilenceWatch(process.pid, python.start_patience)
    has_begun = False
    while process.poll() is None:
        if output.has_ended():
            with suppress(subprocess.TimeoutExpired):
                process.wait(_OUTPUT_SECONDS)
            return
        if output.count and not has_begun:
            has_begun = True
            watch.reset(LOADING_PATIENCE)

        # Some undecodable bytes may be letters of another code page.
        if output.text().count(_UNDECODABLE) > _MOST_UNDECODABLE:
            return
        if max(output.count, errors.count) > MOST_OUTPUT:
            raise WorkerError(
                f"{python.label} was ended: it printed more than {MOST_OUTPUT >> 20} MB. "
                "Choose a Python executable in the preferences"
            )
        if watch.is_hanging():
            raise WorkerError(
                f"{python.label} was ended: it did not respond for {watch.silent_text()}. "
                "Choose a Python executable in the preferences"
            )

        output.wait(_POLL_INTERVAL)
        yield Progress(0.5 * has_begun, _STAGE)


def _end_text(process: subprocess.Popen[bytes], output: OutputTail) -> str:
    """Return why a process is not waited for any longer, for the user."""
    code = process.poll()
    if code is not None:
        return exit_text(code)
    if output.has_ended():
        return "it closed its output"
    return "it printed what is no text"


def _find_answer(output: str) -> Any:
    """Return the last line of ``output`` that is JSON; a program may print others around it."""
    for line in reversed(output.splitlines()):
        with suppress(ValueError, RecursionError):
            return json.loads(line)
    return None


def _is_answer(answer: Any) -> bool:
    """Return whether ``answer`` has the form of that of the probe's code."""
    if not isinstance(answer, dict) or answer.keys() != {"python", "packages", "broken", "devices"}:
        return False
    version = answer["python"]
    if not isinstance(version, list) or not 2 <= len(version) <= 3:
        return False
    if not all(type(number) is int and 0 <= number < 1000 for number in version):
        return False
    if not (_is_text_dict(answer["packages"]) and _is_text_dict(answer["broken"])):
        return False
    if not isinstance(answer["devices"], list):
        return False
    return all(_is_device(device) for device in answer["devices"])


def _is_text_dict(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_device(value: Any) -> bool:
    match value:
        case [str() as device, str()]:
            return device in _DEVICES
    return False


def _read_answer(executable: str, answer: dict[str, Any]) -> PythonInfo:
    """Return what an answer reports.

    Raises:
        WorkerError: That Python is too old.
        DependencyError: A package is missing or broken.
    """
    version = tuple(answer["python"])
    version_text = ".".join(map(str, version))
    if version < OLDEST:
        raise WorkerError(
            f"{executable} is Python {version_text}, but {OLDEST[0]}.{OLDEST[1]} or newer is "
            "required"
        )

    _check_packages(executable, answer)
    devices = {device: shown_line(label) for device, label in answer["devices"]}
    return PythonInfo(version_text, shown_line(answer["packages"]["torch"]), devices)


def _check_packages(executable: str, answer: dict[str, Any]) -> None:
    """Raise DependencyError if a package that the model needs is missing or broken."""
    for package in (*MODEL, "numpy"):
        name, _ = PACKAGES[package]
        if package in answer["broken"]:
            reason = shown_line(answer["broken"][package])
            raise DependencyError(
                f"{name} is installed in {executable} but cannot be imported: {reason}"
            )

        if package not in answer["packages"]:
            command = install_command(package, executable)
            raise DependencyError(f"{executable} has no {name}. Install it with {command}")
