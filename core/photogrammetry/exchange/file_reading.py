"""Read files of others: of bounded size, and with errors that say which file and where."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ...dataset.reading.files import open_regular, read_file
from ...dataset.reading.json_files import read_json_object
from ...errors import CameraFileError, DatasetError

_LARGEST_FILE = 2**31  # bytes
_LONGEST_LINE = 2**26  # characters
_LONGEST_NAME = 4096  # bytes
# What damaged numbers and fields raise.
_DAMAGE = (ValueError, LookupError, TypeError, ArithmeticError, struct.error, MemoryError)


@contextmanager
def report_damage(path: Path, place: str = "") -> Iterator[None]:
    """Report what damaged data raise as an error that names the file.

    Raises:
        CameraFileError: The data are damaged, or the file cannot be read.
    """
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CameraFileError(f"{path}{place} is damaged: {reason[:300]}") from error
    except OSError as error:
        raise CameraFileError(f"{path} cannot be read: {error.strerror or error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the dictionary in a JSON file.

    Raises:
        CameraFileError: It is missing, damaged, too large or no dictionary.
    """
    try:
        return read_json_object(path)
    except DatasetError as error:
        raise CameraFileError(str(error)) from error


class Lines:
    """The lines of a text file, which are counted.

    Args:
        file: Opened as text.

    Attributes:
        number: Of the last line that was read, from 1.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(_LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == _LONGEST_LINE:
            raise ValueError("the line is too long")
        return line


@contextmanager
def read_lines(path: Path) -> Iterator[Lines]:
    """Open a text file; what damaged lines raise names the file and the line.

    Raises:
        CameraFileError: The file cannot be read, or a line is damaged.
    """
    with report_damage(path), open_regular(path) as raw:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise ValueError(f"it has {size:,} bytes")
        with open(raw.fileno(), encoding="utf-8", errors="replace", closefd=False) as file:
            lines = Lines(file)
            try:
                yield lines
            except _DAMAGE as error:
                raise ValueError(f"line {lines.number}: {error}") from error


class BinaryReader:
    """The content of a binary file, read from its beginning to its end.

    Args:
        data: All of it.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def require(self, count: int) -> None:
        """Check that ``count`` more bytes are there.

        Raises:
            ValueError: They are not.
        """
        left = len(self._data) - self._place
        if count > left:
            raise ValueError(f"it ends {count - left:,} bytes too early, or was written otherwise")

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """Return the values of the next bytes."""
        self.require(layout.size)
        values = layout.unpack_from(self._data, self._place)
        self._place += layout.size
        return values

    def skip(self, count: int) -> None:
        """Leave out ``count`` bytes."""
        self._place += count

    def text(self) -> str:
        """Return the text up to the next zero byte.

        Raises:
            ValueError: There is none within reach.
        """
        end = self._data.find(b"\0", self._place, self._place + _LONGEST_NAME)
        if end < 0:
            raise ValueError("the name of an image has no end")
        text = self._data[self._place : end].decode("utf-8", "replace")
        self._place = end + 1
        return text


@contextmanager
def read_binary(path: Path) -> Iterator[BinaryReader]:
    """Read a binary file; what damaged data raise names the file.

    Raises:
        CameraFileError: The file cannot be read, or is damaged.
    """
    with report_damage(path):
        yield BinaryReader(read_file(path, _LARGEST_FILE))
