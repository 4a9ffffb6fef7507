"""Files written whole or not at all."""

from __future__ import annotations

import io
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OutputError

_ABANDONED = 60  # seconds


def write(path: Path, data: bytes | str) -> None:
    """Write ``data`` beside ``path`` and move it there; makes the folder.

    Raises:
        OutputError: the disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data.encode() if isinstance(data, str) else data)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):  # it may never have been there
            partial.unlink()
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def write_json(path: Path, data: Any) -> None:
    write(path, json.dumps(data, indent=1))


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """pixels: (H, W) or (H, W, C) uint8, or (H, W) uint16."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write(path, buffer.getvalue())


def write_npy(path: Path, array: NDArray[Any]) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array)
    write(path, buffer.getvalue())


def sweep(folder: Path) -> None:
    """Remove what killed runs left half written in ``folder``; what is younger than a minute may be another's."""
    for partial in folder.glob(".*.partial"):
        with suppress(OSError):
            if time.time() - partial.stat().st_mtime > _ABANDONED:
                partial.unlink()
