"""Files that are written completely or not at all."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError

_ABANDONED = (
    60  # seconds without a change after which a partial file counts as left by a killed run
)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a partial file next to ``path`` to write, and move it there on success.

    The folder is made if it is missing.

    Raises:
        OutputError: The disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror}). Free some space and run again"
        ) from error
    finally:
        with suppress(OSError):  # the partial file only exists after a failure
            partial.unlink()


def make_folder(folder: Path) -> None:
    """Make ``folder`` and its parents unless they exist.

    Raises:
        OutputError: The folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} could not be created: {error.strerror}") from error


def write_bytes(path: Path, data: bytes | str) -> None:
    """Write bytes, or text as UTF-8, see :func:`atomic_write`."""
    with atomic_write(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` as indented JSON, see :func:`atomic_write`."""
    write_bytes(path, json.dumps(data, indent=1))


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


def remove_partials(folder: Path, name: str = "*") -> None:
    """Remove partial files that killed runs left, but not those that a process may be writing.

    Args:
        folder: In which the files are.
        name: Of the file that they are parts of.
    """
    for partial in folder.glob(f".{name}.*.partial"):
        # Its name ends with the number of the process that writes it.
        process = partial.suffixes[-2][1:]
        with suppress(OSError):
            age = time.time() - partial.stat().st_mtime
            if age > _ABANDONED or not _process_exists(process):
                partial.unlink()


def _process_exists(process: str) -> bool:
    """Return whether a process with that number may exist; true where this cannot be found out."""
    if os.name != "posix" or not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)  # signal 0 only checks
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it exists, but belongs to another user
    return True
