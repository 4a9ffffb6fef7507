"""Install Python packages into a folder of their own, which worker processes put on their path.

Neither the Python that downloads them nor its other packages change: pip only resolves which
wheels are needed and unpacks them.

    resolve        pip --dry-run --report: names, addresses and digests of the wheels
    download       into <root>/downloads, piece by piece; goes on where an earlier try ended
    unpack         pip --no-index --no-deps --target <root>/staging
    test           the Python imports what was unpacked (``python_probe``)
    put in place   <root>/staging becomes <root>/packages

A failure or a cancellation before the last step leaves an older installation as it was.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import unquote, urlsplit

from ..errors import DependencyError, OutputError, WorkerError
from .child_process import OutputTail, kill_group
from .interpreters import PythonInterpreter
from .python_probe import PythonInfo, probe_python
from .task import Progress, Task, subtask

PACKAGES = "packages"
_DOWNLOADS = "downloads"
_STAGING = "staging"

# Where the builds of PyTorch are, by kind.
INDEXES = {
    "cpu": "https://download.pytorch.org/whl/cpu",
    "cuda": "https://download.pytorch.org/whl/cu128",
}
_GENERAL_INDEX = "https://pypi.org/simple"
_PIP_ADDRESS = "https://pypi.org/pypi/pip/json"  # describes pip's newest wheel
REQUIREMENTS = ("torch", "pillow")
EXTRAS = ("pycolmap",)  # for photographs without cameras; not built for every platform
_HAS_ALREADY = ("numpy",)  # in every Blender, and newer ones do not fit it

_CHUNK = 1 << 18  # bytes that are downloaded between two chances to cancel
_TIMEOUT = 30.0  # seconds without an answer of a server
_POLL_INTERVAL = 0.1  # seconds between two looks at pip
_UNPACKED_SHARE = 4.5  # space needed on the disk, relative to the download
_OUTPUT_SECONDS = 2.0  # that the last output of an ended process may take to arrive

# Shares of the progress bar
_RESOLVED = 0.05
_DOWNLOADED = 0.80
_UNPACKED = 0.95

# Runs pip from the wheel that is the first argument, or the installed one if that is "". The second
# is "local" where the user's settings of pip, such as further indexes, do not count.
_PIP_CODE = """
import os, runpy, sys
place = sys.argv.pop(1)
if place:
    sys.path.insert(0, place)
if sys.argv.pop(1) == "local":
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        del os.environ[name]
    os.environ["PIP_CONFIG_FILE"] = os.devnull
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
_FIND_PIP_CODE = """
import glob, importlib.util, os
place = None
if importlib.util.find_spec("pip"):
    place = ""
elif importlib.util.find_spec("ensurepip"):
    folder = os.path.dirname(importlib.util.find_spec("ensurepip").origin)
    wheels = glob.glob(os.path.join(folder, "_bundled", "pip-*.whl"))
    place = wheels[0] if wheels else None
print("none" if place is None else "pip:" + place)
"""


@dataclass(frozen=True)
class InstallRequest:
    """What to install, and where.

    Attributes:
        root: Folder of the installation, which belongs to it alone.
        python: The Python that will use the packages.
        requirements: Names for pip.
        extras: Further names, which are left out if they are not built for the platform.
        build: Kind of PyTorch's build, of :data:`INDEXES`.
        wheels: Folder of wheels to install from instead of the network; None for the network.
    """

    root: Path
    python: PythonInterpreter
    requirements: tuple[str, ...] = REQUIREMENTS
    extras: tuple[str, ...] = EXTRAS
    build: str = "cpu"
    wheels: Path | None = None


@dataclass(frozen=True)
class Wheel:
    """A file to download.

    Attributes:
        name: Of the file.
        address: URL.
        sha256: Digest in hexadecimal, "" if the index does not say.
        size: Bytes; 0 if the server does not say.
    """

    name: str
    address: str
    sha256: str
    size: int


def installed_folder(root: Path) -> Path | None:
    """Return the folder with the packages that were installed below ``root``; None without."""
    folder = root / PACKAGES
    return folder if folder.is_dir() else None


def is_installed_apart(root: Path, package: str) -> bool:
    """Return whether ``package``, by its import name, was installed below ``root``."""
    return (root / PACKAGES / package / "__init__.py").is_file()


def install_packages(request: InstallRequest) -> Task[PythonInfo]:
    """Install the packages and test them with the Python that will use them.

    Returns:
        What that Python has now.

    Raises:
        DependencyError: There is no build for that Python or platform, the network does not
            answer, or what was installed does not work. The text says which and what to do.
        OutputError: The disk is full or the folder cannot be written.
    """
    yield Progress(0.0, "Looking for the packages")
    try:
        (request.root / _DOWNLOADS).mkdir(parents=True, exist_ok=True)
        pip = yield from _find_pip(request)
        wheels = yield from subtask(_resolve(request, pip), 0.0, _RESOLVED)
        _check_space(request.root, wheels)
        files = yield from subtask(_download(request, wheels), _RESOLVED, _DOWNLOADED)
        staging = yield from subtask(_unpack(request, pip, files), _DOWNLOADED, _UNPACKED)
        info = yield from subtask(_test(request, staging), _UNPACKED, 1.0)
        _put_in_place(request.root, staging)
    except OSError as error:
        raise OutputError(
            f"The packages cannot be written to {request.root}: {error.strerror or error}"
        ) from error

    return info


def remove_packages(root: Path) -> None:
    """Remove an installation and its downloads.

    Raises:
        OutputError: A file is in use or protected.
    """
    try:
        if root.exists():
            shutil.rmtree(root)
    except OSError as error:
        raise OutputError(
            f"{error.filename} cannot be removed: {error.strerror}. Restart Blender and try again"
        ) from error


def _find_pip(request: InstallRequest) -> Task[str]:
    """Return the place of a pip: "" for the Python's own, else a wheel that it can run from."""
    answer = yield from _run(request, _FIND_PIP_CODE, (), "Looking for pip")
    line = answer.output.strip().splitlines()[-1] if answer.output.strip() else ""
    if answer.code == 0 and line.startswith("pip:"):
        return line.removeprefix("pip:")

    # A Python without pip, as of some Linux distributions: pip's wheel can be run as it is.
    if request.wheels is not None:
        found = sorted(request.wheels.glob("pip-*.whl"))
        if found:
            return str(found[-1])
        raise DependencyError(f"This Python has no pip. Put a wheel of pip into {request.wheels}")

    with _network_errors():
        with urllib.request.urlopen(_PIP_ADDRESS, timeout=_TIMEOUT) as response:
            description = json.load(response)
        for entry in description["urls"]:
            if entry["packagetype"] == "bdist_wheel":
                wheel = Wheel(
                    entry["filename"], entry["url"], entry["digests"]["sha256"], entry["size"]
                )
                (path,) = yield from _download(request, [wheel])
                return str(path)

    raise DependencyError("pip could not be downloaded. Choose a Python with PyTorch instead")


def _resolve(request: InstallRequest, pip: str) -> Task[list[Wheel]]:
    """Return the wheels that the requirements need on this platform, with their sizes."""
    report = request.root / _DOWNLOADS / "report.json"
    arguments = [
        *("install", "--dry-run", "--quiet", "--ignore-installed", "--only-binary", ":all:"),
        *("--target", str(request.root / _STAGING), "--report", str(report)),
        *_sources(request),
        *request.requirements,
    ]
    with_extras = [*arguments, *request.extras]
    answer = yield from _run_pip(request, pip, with_extras, "Looking for the packages")
    if answer.code != 0:
        answer = yield from _run_pip(request, pip, arguments, "Looking for the packages")
    if answer.code != 0:
        raise DependencyError(_explain(answer.output, request))

    wheels = []
    for item in json.loads(report.read_text(encoding="utf-8"))["install"]:
        if item["metadata"]["name"].lower() not in _HAS_ALREADY:
            wheels.append(_describe_wheel(item["download_info"]))
    report.unlink()
    return wheels


def _sources(request: InstallRequest) -> list[str]:
    """Return pip's options that say where wheels are."""
    if request.wheels is not None:
        return ["--no-index", "--find-links", str(request.wheels)]
    return ["--index-url", INDEXES[request.build], "--extra-index-url", _GENERAL_INDEX]


def _describe_wheel(download_info: dict[str, Any]) -> Wheel:
    address = download_info["url"]
    name = unquote(Path(urlsplit(address).path).name)
    hashes = download_info.get("archive_info", {}).get("hashes", {})

    with _network_errors():
        request = urllib.request.Request(address, method="HEAD")
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            size = int(response.headers.get("Content-Length") or 0)

    return Wheel(name, address, hashes.get("sha256", ""), size)


def _check_space(root: Path, wheels: Sequence[Wheel]) -> None:
    needed = _UNPACKED_SHARE * sum(wheel.size for wheel in wheels)
    free = shutil.disk_usage(root).free
    if free < needed:
        raise OutputError(
            f"The packages need {needed / 1e9:.1f} GB, but {root} has {free / 1e9:.1f} GB left. "
            "Free some space"
        )


def _download(request: InstallRequest, wheels: Sequence[Wheel]) -> Task[list[Path]]:
    """Download the wheels that are not there yet; return their files."""
    folder = request.root / _DOWNLOADS
    total = max(sum(wheel.size for wheel in wheels), 1)
    before = 0
    paths = []

    for wheel in wheels:
        path = folder / wheel.name
        if not path.exists():
            for received in _download_one(wheel, path.with_name(path.name + ".part")):
                done = before + received
                text = f"Downloading {done / 1e6:.0f} of {total / 1e6:.0f} MB"
                yield Progress(min(done / total, 1.0), text)
            path.with_name(path.name + ".part").replace(path)
        before += wheel.size
        paths.append(path)

    return paths


def _download_one(wheel: Wheel, partial: Path) -> Iterator[int]:
    """Write a wheel into ``partial``, from where that ends; yield the bytes that are there."""
    start = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(wheel.address)
    if start:
        request.add_header("Range", f"bytes={start}-")

    with _network_errors():
        is_complete = bool(wheel.size) and start == wheel.size
        if not is_complete:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
                # A server that knows no ranges, such as a file's, sends all of it.
                is_continued = getattr(response, "status", None) == 206
                with partial.open("ab" if is_continued else "wb") as file:
                    yield from _copy(response, file, wheel)

    if wheel.sha256 and _digest(partial) != wheel.sha256:
        partial.unlink()
        raise DependencyError(f"{wheel.name} arrived damaged. Install again")


def _copy(response: Any, file: IO[bytes], wheel: Wheel) -> Iterator[int]:
    while chunk := response.read(_CHUNK):
        file.write(chunk)
        yield file.tell()
    if wheel.size and file.tell() < wheel.size:
        raise URLError("the connection broke")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(request: InstallRequest, pip: str, files: Sequence[Path]) -> Task[Path]:
    """Unpack the wheels into a new folder and return it."""
    staging = request.root / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    arguments = [
        *("install", "--quiet", "--no-index", "--no-deps", "--no-compile"),
        *("--target", str(staging)),
        *map(str, files),
    ]
    answer = yield from _run_pip(request, pip, arguments, "Unpacking")
    if answer.code != 0:
        shutil.rmtree(staging, ignore_errors=True)
        raise DependencyError(_explain(answer.output, request))
    return staging


def _test(request: InstallRequest, staging: Path) -> Task[PythonInfo]:
    """Import the packages in the Python that will use them."""
    python = replace(request.python, packages=str(staging))
    try:
        return (yield from probe_python(python))
    except (DependencyError, WorkerError):
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _put_in_place(root: Path, staging: Path) -> None:
    packages = root / PACKAGES
    shutil.rmtree(packages, ignore_errors=True)
    staging.replace(packages)
    shutil.rmtree(root / _DOWNLOADS, ignore_errors=True)


@dataclass(frozen=True)
class _Answer:
    code: int
    output: str


def _run_pip(
    request: InstallRequest, pip: str, arguments: Sequence[str], stage: str
) -> Task[_Answer]:
    options = ("--no-input", "--disable-pip-version-check", "--no-cache-dir")
    settings = "local" if request.wheels is not None else "user"
    words = (pip, settings, *arguments, *options)
    return (yield from _run(request, _PIP_CODE, words, stage))


def _run(request: InstallRequest, code: str, arguments: Sequence[str], stage: str) -> Task[_Answer]:
    """Run code in the Python and return its exit code and the end of what it printed."""
    process = request.python.start_code(
        code, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None, "a pipe"
    output = OutputTail(process.stdout)

    try:
        while process.poll() is None:
            yield Progress(0.0, stage)
            time.sleep(_POLL_INTERVAL)
    finally:
        kill_group(process)
        process.wait()

    output.wait(_OUTPUT_SECONDS)
    return _Answer(process.returncode, output.text())


def _explain(output: str, request: InstallRequest) -> str:
    """Return the reason of pip's failure, and what to do."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    reason = errors[-1].removeprefix("ERROR:").strip() if errors else output.strip()[-300:]
    if "No matching distribution" in output:
        what = reason.rpartition(" for ")[2] or "a package"
        return (
            f"There is no {what} for Blender's Python on this computer. Choose another Python "
            "that has PyTorch in Maquette's preferences"
        )

    return f"The packages could not be installed: {reason}"


@contextmanager
def _network_errors() -> Iterator[None]:
    """Report what the network does wrong."""
    try:
        yield
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise DependencyError(
            f"The download failed: {reason}. Check the connection and install again; what has "
            "been downloaded is kept"
        ) from error
