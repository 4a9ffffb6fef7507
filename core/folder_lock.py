"""A lock on a folder, so that two runs do not write into it at once.

The lock is one of the operating system on a file in the folder: it ends with the process that holds
it, however that ends. A lock file that a killed process left means nothing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import OutputError

_NAME = ".lock"
# What a file system without locks answers: there, nothing is refused.
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
# Locks of this process, which the operating system would grant it again.
_held: set[Path] = set()


class _BusyError(Exception):
    """Another process holds the lock."""


@contextmanager
def lock_folder(folder: Path, part: str = "") -> Iterator[None]:
    """Keep other processes from writing into ``folder`` while the context is active.

    Args:
        folder: An existing folder.
        part: What this process writes in it, if several processes share the folder: those of
            different parts may write at once, but not beside one that writes all. Empty for all.

    Raises:
        OutputError: Another process holds the lock, or the folder cannot be written.
    """
    with ExitStack() as stack:
        try:
            # Windows has no locks that several processes can share: there, parts do not exclude
            # a process that writes all.
            if not part or os.name == "posix":
                stack.enter_context(_file_lock(folder / _NAME, shared=bool(part)))
            if part:
                stack.enter_context(_file_lock(folder / f"{_NAME}-{part}", shared=False))
            elif os.name == "posix":
                _remove_part_locks(folder)
        except _BusyError:
            raise OutputError(
                f"Another process is writing into {folder}. Wait until it has ended, stop it, or "
                "choose another folder"
            ) from None

        yield


def check_unlocked(folder: Path) -> None:
    """Raise OutputError if another process writes into ``folder``, which need not exist."""
    if folder.is_dir():
        with lock_folder(folder):
            pass


def _remove_part_locks(folder: Path) -> None:
    """Remove the locks of killed processes: while all is locked, no part can be."""
    for path in folder.glob(f"{_NAME}-*"):
        with suppress(OSError):
            path.unlink()


@contextmanager
def _file_lock(path: Path, shared: bool) -> Iterator[None]:
    """Hold a lock on the file ``path``, which is made, and removed by its last holder.

    Raises:
        _BusyError: Another holds it.
        OutputError: The file cannot be made.
    """
    key = path.parent.resolve() / path.name
    if key in _held:
        raise _BusyError
    file = _open_locked(path, shared)
    _held.add(key)

    try:
        yield
    finally:
        _held.discard(key)
        _remove_and_close(file, path)


def _open_locked(path: Path, shared: bool) -> BinaryIO:
    """Return ``path`` open and locked."""
    while True:
        try:
            file = path.open("a+b")
        except OSError as error:
            raise OutputError(
                f"{path.parent} cannot be written: {error.strerror}. Free some space, or choose "
                "another folder"
            ) from error

        if not _try_lock(file, shared):
            file.close()
            raise _BusyError

        # Its last holder may have removed it meanwhile: that lock would exclude nobody.
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


def _remove_and_close(file: BinaryIO, path: Path) -> None:
    """Give a lock back; remove its file unless others share it."""
    if os.name != "posix":
        file.close()
        with suppress(OSError):
            path.unlink()
        return

    # While this process alone holds it, none can begin to rely on the file.
    with suppress(OSError):
        if _try_lock(file, shared=False):
            path.unlink()
    file.close()


def _try_lock(file: BinaryIO, shared: bool) -> bool:
    """Lock an open file, or change the lock that this process has on it; false if it is taken."""
    try:
        if os.name == "posix":
            import fcntl

            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.lockf(file, kind | fcntl.LOCK_NB)
        else:
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        return error.errno in _UNSUPPORTED

    return True
