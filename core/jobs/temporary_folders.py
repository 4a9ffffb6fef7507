"""Temporary folders that do not outlive the process that made them, however it ended.

Each of them holds a small file that names its owner. What a killed process left is found by it at
the next start, and removed. Folders without such a file belong to somebody else.

    /tmp/maquette_x81hf2/
        maquette_owner.json     {"pid": 4711, "machine": "studio pid:[4026531836]"}
        ...
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from ..errors import OutputError

PREFIX = "maquette_"
OWNER_FILE = "maquette_owner.json"
# Blender's own folders are swept only if mark_folder() has put an owner file into them.
_SWEPT_PREFIXES = (PREFIX, "blender_")
_LARGEST_OWNER_FILE = 1024  # bytes; longer ones are not ours
_WINDOWS_SYNCHRONIZE = 0x00100000
_WINDOWS_NO_SUCH_PROCESS = 87
_WINDOWS_STILL_RUNNING = 0x102

_folders: dict[
    Path, int
] = {}  # what this process made, and the process's number: a fork has it too


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a temporary folder, and remove it on exit.

    Raises:
        OutputError: It cannot be made.
    """
    folder = create_folder()
    try:
        yield folder
    finally:
        remove_folder(folder)


def create_folder() -> Path:
    """Make a temporary folder, which is removed by :func:`remove_folder` or when Python ends.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    except OSError as error:
        raise OutputError(
            f"No temporary folder can be made: {error.strerror}. Set TMPDIR to a folder that can "
            "be written"
        ) from error

    mark_folder(folder)
    return folder


def mark_folder(folder: Path) -> None:
    """Put an owner file into ``folder``, so that it is removed even if this process is killed."""
    if not _folders:
        atexit.register(remove_folders)
    _folders[folder] = os.getpid()

    # On a full disk it stays without an owner, and is removed as long as this process lives.
    owner = {"pid": os.getpid(), "machine": _machine_name()}
    with suppress(OSError):
        (folder / OWNER_FILE).write_text(json.dumps(owner), encoding="utf-8")


def remove_folder(folder: Path) -> None:
    """Remove a folder that :func:`create_folder` made, with its content."""
    shutil.rmtree(folder, ignore_errors=True)
    _folders.pop(folder, None)


def remove_folders() -> None:
    """Remove all folders that this process has made or marked."""
    for folder, owner in list(_folders.items()):
        if owner == os.getpid():
            remove_folder(folder)


def sweep_folders() -> list[Path]:
    """Remove the folders that ended processes of this package have left.

    Returns:
        The folders that were removed.
    """
    try:
        folders = list(Path(tempfile.gettempdir()).iterdir())
    except OSError:
        return []

    candidates = [folder for folder in folders if folder.name.startswith(_SWEPT_PREFIXES)]
    abandoned = [folder for folder in candidates if _is_abandoned(folder)]
    for folder in abandoned:
        shutil.rmtree(folder, ignore_errors=True)
    return abandoned


def process_exists(pid: int) -> bool:
    """Return whether a process of this machine has the number ``pid``."""
    if sys.platform == "win32":
        return _windows_process_exists(pid)
    try:
        os.kill(pid, 0)  # signal 0 only checks
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # it exists, but belongs to another user

    return True


def _windows_process_exists(pid: int) -> bool:
    """Return the same on Windows, where ``os.kill`` would end the process."""
    if sys.platform != "win32":
        return True
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    handle = kernel.OpenProcess(_WINDOWS_SYNCHRONIZE, False, pid)
    if not handle:
        return ctypes.get_last_error() != _WINDOWS_NO_SUCH_PROCESS
    state = kernel.WaitForSingleObject(handle, 0)
    kernel.CloseHandle(handle)

    return bool(state == _WINDOWS_STILL_RUNNING)


@cache
def _machine_name() -> str:
    """Return what tells apart the machines, and containers, that may share a temporary folder."""
    name = platform.node()
    with suppress(OSError):
        # On Linux process numbers count within a namespace.
        name += f" {Path('/proc/self/ns/pid').readlink()}"
    return name


def _is_abandoned(folder: Path) -> bool:
    """Return whether ``folder`` is one of this package's whose process has ended."""
    try:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or not _is_of_this_user(status):
            return False
        owner = _read_owner(folder / OWNER_FILE)
    except (OSError, ValueError):
        return False

    if not isinstance(owner, dict) or owner.get("machine") != _machine_name():
        return False
    pid = owner.get("pid")
    return type(pid) is int and pid > 0 and not process_exists(pid)


def _is_of_this_user(status: os.stat_result) -> bool:
    return sys.platform == "win32" or status.st_uid == os.getuid()


def _read_owner(path: Path) -> object:
    """Return the content of an owner file.

    Raises:
        OSError: There is none.
        ValueError: It is another one.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_OWNER_FILE:
        raise ValueError(f"{path} is not an owner file")
    owner: object = json.loads(path.read_text(encoding="utf-8"))
    return owner
