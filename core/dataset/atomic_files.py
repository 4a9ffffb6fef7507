"""Files written whole or not at all."""

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

_ABANDONED = 60  # seconds


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives a file beside ``path`` to write, which is moved there if all goes well; makes the folder.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
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
        with suppress(OSError):  # it is there only if something went wrong
            partial.unlink()


def make_folder(folder: Path) -> None:
    """Make ``folder`` and those that it lies in; nothing if it is there.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} could not be created: {error.strerror}") from error


def write_bytes(path: Path, data: bytes | str) -> None:
    """Write ``data``, see :func:`atomic_write`."""
    with atomic_write(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, data: Any) -> None:
    write_bytes(path, json.dumps(data, indent=1))


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """pixels: (H, W) or (H, W, C) uint8, or (H, W) uint16."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


def write_npy(path: Path, array: NDArray[Any]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_bytes(path, buffer.getvalue())


def remove_partials(folder: Path, name: str = "*") -> None:
    """Remove what killed runs left half written in ``folder`` of the file ``name``; not what another may be writing."""
    for partial in folder.glob(f".{name}.*.partial"):
        with suppress(OSError):
            if time.time() - partial.stat().st_mtime > _ABANDONED or not _process_exists(
                partial.suffixes[-2][1:]
            ):
                partial.unlink()


def _process_exists(process: str) -> bool:
    """Whether there may be a process of that number; where that cannot be told, there may."""
    if os.name != "posix" or not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
