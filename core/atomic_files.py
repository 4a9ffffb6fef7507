"""Files that are written completely or not at all, and logs of complete lines.

Every file that Maquette leaves behind is written here: under a temporary name in the same folder,
flushed to the disk, and renamed. So whatever ends a run (an error, a full disk, SIGKILL, a power
failure), a name shows the complete new file, the complete older one, or nothing.
"""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .errors import OutputError

if TYPE_CHECKING:
    import PIL.Image

# Seconds without a change after which a partial file counts as left by a killed run.
_ABANDONED = 60
# The same for a folder, whose time does not change while a file in it grows.
_ABANDONED_FOLDER = 3600
# What a file system that cannot flush answers.
_NO_FLUSH = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
# Bytes of a name that its partial file repeats; file systems allow 255 in all.
_MAX_NAME = 100
_KEPT_OF_NAME = 80


@contextmanager
def report_write_errors(path: Path) -> Iterator[None]:
    """Report an error of the system, such as of a full disk, as one of writing ``path``.

    Raises:
        OutputError: The system reported an error.
    """
    try:
        yield
    except OSError as error:
        reason = " ".join((error.strerror or str(error)).split())
        raise OutputError(
            f"{path} could not be written ({reason}). Free some space and run again"
        ) from error


@contextmanager
def atomic_write(path: Path, durable: bool = True) -> Iterator[Path]:
    """Give a partial file next to ``path`` to write, and move it there on success.

    The folder is made if it is missing.

    Args:
        path: Of the file.
        durable: Whether to wait until the file would survive a power failure, which takes some
            milliseconds. Not for what is checked when it is read, and can be made again.

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    partial = _partial_path(path)
    with report_write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            if durable:
                _flush_to_disk(partial)
            partial.replace(path)
            if durable:
                _flush_folder(path.parent)
        finally:
            with suppress(OSError):  # the partial file only exists after a failure
                partial.unlink()


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder next to ``path`` to write ``path`` and its companions into.

    On success all its files move to the folder of ``path``: the companions first, such as textures,
    then the file called as ``path``. Older files of the same names are replaced. On failure nothing
    moves.

    Args:
        path: The main file, which must be written.

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    remove_partials(path.parent, path.name)
    partial = _partial_path(path)
    with report_write_errors(path):
        partial.mkdir()
        try:
            yield partial
            _move_files(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents unless they exist.

    Raises:
        OutputError: The folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} could not be created: {error.strerror}") from error


def utf8_name(name: str) -> str:
    """Return a file's name, or a similar one with its suffix if it is not UTF-8."""
    data = os.fsencode(name)
    readable = data.decode("utf-8", "ignore")
    if readable == name:
        return name
    path = Path(readable)
    return f"{path.stem}-{zlib.crc32(data):08x}{path.suffix}"


def probe_folder(path: Path) -> None:
    """Check that a new file ``path`` could be made; nothing is left behind.

    Raises:
        OSError: It could not.
    """
    partial = _partial_path(path)
    partial.touch()
    partial.unlink()


def write_bytes(path: Path, data: bytes | str) -> None:
    """Write bytes, or text as UTF-8, see :func:`atomic_write`."""
    with atomic_write(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` as indented JSON, see :func:`atomic_write`."""
    write_bytes(path, json.dumps(data, indent=1))


def write_image(path: Path, image: PIL.Image.Image) -> None:
    """Write an image in the format of the suffix of ``path``, see :func:`atomic_write`.

    Raises:
        OutputError: The suffix is not one of an image that can be written.
    """
    from PIL import Image

    image_format = Image.registered_extensions().get(path.suffix.lower())
    if image_format not in Image.SAVE:
        raise OutputError(f"{path}: images cannot be written as {path.suffix or 'no suffix'}")

    buffer = io.BytesIO()
    image.save(buffer, image_format)
    write_bytes(path, buffer.getvalue())


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write an image, see :func:`atomic_write`.

    Args:
        path: Of the file.
        pixels: (H, W) or (H, W, C) uint8, or (H, W) uint16.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write an array as a .npy file, see :func:`atomic_write`."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(path, buffer.getvalue())


def remove_partials(folder: Path, name: str | None = None) -> None:
    """Remove partial files that killed runs left, but not those that a process may be writing.

    Args:
        folder: In which the files are.
        name: Of the file that they are parts of; None for all files.
    """
    for partial in folder.glob(".*.partial"):
        # A name is ".NAME.PROCESS.partial", with the number of the process that writes it.
        written_name, _, process = partial.name[1 : -len(".partial")].rpartition(".")
        if name is not None and written_name != _shortened(name):
            continue
        with suppress(OSError):
            age = time.time() - partial.stat().st_mtime
            limit = _ABANDONED_FOLDER if partial.is_dir() else _ABANDONED
            if age <= limit and _process_exists(process):
                continue
            if partial.is_dir() and not partial.is_symlink():
                shutil.rmtree(partial)
            else:
                partial.unlink()


class LineFile:
    """A log to whose end complete lines are added; each is in the file at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            OutputError: It cannot be written.
        """
        self._path = path
        with report_write_errors(path):
            self._file: BinaryIO = path.open("ab", buffering=0)

    def write_line(self, line: str) -> None:
        """Add a line. If there is no space for all of it, the file stays as it is.

        Raises:
            OutputError: The disk is full.
        """
        data = f"{line}\n".encode()
        with report_write_errors(self._path):
            size = os.fstat(self._file.fileno()).st_size
            written = 0
            try:
                written = self._file.write(data)
            finally:
                if written < len(data):
                    with suppress(OSError):
                        self._file.truncate(size)
            if written < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush_to_disk(self) -> None:
        """Return once all lines would survive a power failure.

        Raises:
            OutputError: The disk reports an error.
        """
        with report_write_errors(self._path):
            _flush_descriptor(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_complete_lines(path: Path) -> list[str]:
    """Return the lines of a log without those that a killed run or a power failure left damaged.

    Left out are a last line without its end, empty lines, and lines with zero bytes, which a file
    system may show in place of what was not yet on the disk.

    Raises:
        OSError: The file cannot be read.
    """
    *lines, _unfinished = path.read_bytes().split(b"\n")
    texts = [line.decode("utf-8", "replace").strip() for line in lines]
    return [text for text in texts if text and "\0" not in text]


def _partial_path(path: Path) -> Path:
    return path.with_name(f".{_shortened(path.name)}.{os.getpid()}.partial")


def _shortened(name: str) -> str:
    """Return ``name``, or a shorter one of its own if something added would make it too long."""
    data = os.fsencode(name)
    if len(data) <= _MAX_NAME:
        return utf8_name(name)
    start = data[:_KEPT_OF_NAME].decode("utf-8", "ignore")
    return f"{start}-{zlib.crc32(data):08x}"


def _move_files(folder: Path, path: Path) -> None:
    """Move all files in ``folder`` next to ``path``, the one of its name last."""
    main_file = folder / path.name
    companions = [file for file in folder.rglob("*") if file.is_file() and file != main_file]
    for file in (*companions, main_file):
        _flush_to_disk(file)

    for file in (*companions, main_file):
        target = path.parent / file.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)
        _flush_folder(target.parent)


def _flush_to_disk(path: Path) -> None:
    """Return once the content of a file would survive a power failure."""
    with path.open("rb+") as file:
        _flush_descriptor(file.fileno())


def _flush_descriptor(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise


def _flush_folder(folder: Path) -> None:
    """Return once the names in a folder would survive a power failure, where a system can tell."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # network file systems may not support it
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _process_exists(process: str) -> bool:
    """Return whether a process with that number may exist; true where this cannot be found out."""
    if os.name != "posix" or not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)  # signal 0 only checks
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # it exists, but belongs to another user

    return True
