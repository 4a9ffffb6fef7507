"""Arrays in .npz files: the sizes in directory and headers are checked before data is read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection
from functools import lru_cache
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from . import limits

_KINDS = "biuf"  # of dtypes: truth values, integers and floats
_MAGIC_BYTES = 8  # version included
_SUFFIX = ".npy"
_CHUNK = 2**20  # bytes that are read at once


def read_npz(
    stream: IO[bytes] | bytes, most: int, only: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file by their names.

    Args:
        stream: The file, or its bytes.
        most: Greatest size of all arrays together, bytes.
        only: Names of the arrays to read; empty for all.

    Raises:
        ValueError: The arrays are larger, or of other types than numbers, or the headers contradict
            the directory. Damaged files raise further exceptions of the standard library.
    """
    if isinstance(stream, bytes):
        stream = io.BytesIO(stream)
    arrays = {}
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        _check_directory(entries, most)
        for entry in entries:
            name = entry.filename.removesuffix(_SUFFIX)
            if name in arrays:
                raise ValueError(f"the array {name} is there twice")
            if not only or name in only:
                arrays[name] = read_entry(archive, entry)

    return arrays


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    """Return one array of an open .npz file, of the size that the directory declares.

    Raises:
        ValueError: Its header contradicts the directory, or it is no array of numbers.
    """
    # Not ``archive.read``, which decompresses everything, whatever the directory says.
    with archive.open(entry) as stored:
        return _read_array(stored, entry.file_size, entry.filename.removesuffix(_SUFFIX))


def check_npz(data: bytes, most: int) -> None:
    """Check what an .npz file declares, without reading its arrays; see :func:`read_npz`.

    Raises:
        ValueError: As :func:`read_npz`.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        _check_directory(entries, most)
        for entry in entries:
            with archive.open(entry) as stored:
                first = stored.read(min(entry.file_size, limits.ARRAY_HEADER_BYTES))
            _parse_start(first, entry.file_size, entry.filename)


def _check_directory(entries: list[zipfile.ZipInfo], most: int) -> None:
    """Check the sizes that the directory of an .npz file declares."""
    if len(entries) > limits.ARRAYS:
        raise ValueError(f"it has {len(entries)} arrays")
    total = sum(entry.file_size for entry in entries)
    most_with_headers = most + len(entries) * limits.ARRAY_HEADER_BYTES
    if total > most_with_headers:
        raise ValueError(f"the arrays have {total} bytes, more than {most_with_headers}")

    for entry in entries:
        if not entry.filename.endswith(_SUFFIX):
            raise ValueError(f"it contains {entry.filename!a}, which is no array")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{entry.filename!a} is compressed by an unusual method")


def require_plausible_compression(data: bytes) -> None:
    """Refuse an .npz file that declares far more bytes than points or meshes can have.

    Raises:
        ValueError: It is large, and mostly of one value.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
    if total > limits.SMALL_BYTES and total > limits.COMPRESSION * len(data):
        raise ValueError(f"{total} bytes of arrays in {len(data)} bytes are not plausible")


def _read_array(stored: IO[bytes], size: int, name: str) -> NDArray[Any]:
    """Return the array in an .npy file.

    Args:
        stored: The file.
        size: Of the file, bytes.
        name: For the error text.
    """
    first = stored.read(min(size, _CHUNK))
    begin, shape, is_fortran, dtype = _parse_start(first, size, name)

    # The rest in parts, so that it is in memory once
    content = np.empty(size - begin, np.uint8)
    filled = len(first) - begin
    content[:filled] = np.frombuffer(first, np.uint8, filled, begin)

    while filled < len(content):
        part = stored.read(min(len(content) - filled, _CHUNK))
        if not part:
            raise ValueError(f"{name} ends early")
        content[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
        filled += len(part)

    return content.view(dtype).reshape(shape, order="F" if is_fortran else "C")


def _parse_start(
    first: bytes, size: int, name: str
) -> tuple[int, tuple[int, ...], bool, np.dtype[Any]]:
    """Return where the data of an .npy file begin, and their shape, order and type.

    Args:
        first: The beginning of the file.
        size: Of the file, bytes.
        name: For the error text.
    """
    # The length of the header takes two bytes in version 1, four in the others.
    length_bytes = 2 if first[6:7] == b"\x01" else 4
    begin = _MAGIC_BYTES + length_bytes
    begin += int.from_bytes(first[_MAGIC_BYTES:begin], "little")
    if begin > min(limits.ARRAY_HEADER_BYTES, len(first)):
        raise ValueError(f"the header of {name} has {begin} bytes")
    shape, is_fortran, dtype = _parse_header(first[:begin])

    # Multiplied as Python's numbers, which do not overflow
    count = 1
    for length in shape:
        count *= length
    if count * dtype.itemsize != size - begin:
        raise ValueError(f"{name} declares the shape {shape}, which its {size} bytes are not")
    return begin, shape, is_fortran, dtype


@lru_cache(maxsize=256)
def _parse_header(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type that the first bytes of an .npy file declare."""
    stream = io.BytesIO(header)
    version = npy_format.read_magic(stream)  # type: ignore[no-untyped-call]
    if version == (1, 0):
        shape, is_fortran, dtype = npy_format.read_array_header_1_0(  # type: ignore[no-untyped-call]
            stream
        )
    elif version == (2, 0):
        shape, is_fortran, dtype = npy_format.read_array_header_2_0(  # type: ignore[no-untyped-call]
            stream
        )
    else:
        raise ValueError(f"the array is of version {version}")
    if dtype.kind not in _KINDS:
        raise ValueError(f"the array is of the type {dtype}")
    if any(length < 0 for length in shape):
        raise ValueError(f"the array has the shape {shape}")
    return shape, is_fortran, dtype
