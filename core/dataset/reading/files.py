"""Open and read regular files of bounded size."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...errors import DatasetError

# What the standard library, numpy and Pillow raise on damaged files
DAMAGE_ERRORS = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    SyntaxError,
    RuntimeError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def describe_damage(problem: str) -> Iterator[None]:
    """Turn what damaged data raises into a DatasetError that begins with ``problem``."""
    try:
        yield
    except DAMAGE_ERRORS as error:
        raise DatasetError(f"{problem}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def open_regular(path: Path) -> IO[bytes]:
    """Open a file to read it; pipes, devices and folders are refused, which may never end.

    Raises:
        OSError: There is no such file, or it is not a regular one.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return path.open("rb")


def read_file(path: Path, most: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: Of the file.
        most: Greatest size, bytes.

    Raises:
        OSError: There is no such file, or it is not a regular one.
        ValueError: It is larger than ``most``.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise ValueError(f"it has {size} bytes, more than {most}")
        return file.read(most)


def stream_size(stream: IO[bytes]) -> int:
    """Return the number of bytes of a file or of a stream in memory, and keep its position."""
    # Seeking would drop what a file has buffered.
    if not isinstance(stream, io.BytesIO):
        return os.fstat(stream.fileno()).st_size
    position = stream.tell()
    size = stream.seek(0, io.SEEK_END)
    stream.seek(position)
    return size
