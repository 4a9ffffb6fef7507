"""Read the OpenEXR files that Blender writes: scanlines, uncompressed or ZIP, half or float.

After the OpenEXR file layout (openexr.com/en/latest/OpenEXRFileLayout.html). Blender's Python has
no EXR reader before 4.5, and a pass of a multilayer file cannot be read through
``bpy.types.Image``.

    magic, version | attributes: name, type, size, value ... | offset of each block | blocks
    block: first row, size, data of 1 or 16 rows: for each row, for each channel, its pixels
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError

_MAGIC = b"\x76\x2f\x31\x01"
_FLAGS_BYTE = 5
_UNSUPPORTED_FLAGS = 0x1A  # tiles, deep data, several parts
_HEADER_START = 8
_DTYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))  # by the number in the file
_CHANNEL_SIZE = 16  # bytes that follow a channel's name
_ROWS_PER_BLOCK = {0: 1, 2: 1, 3: 16}  # by compression: none, ZIPS, ZIP

# The same for all compressions, by their numbers: PIZ, PXR24, B44, B44A, DWAA, DWAB, too.
_ALL_ROWS_PER_BLOCK = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)

Channel = tuple[str, np.dtype[Any]]


def read_exr(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read all channels of an EXR file.

    Args:
        path: The file.

    Returns:
        (H, W) each, row 0 at the top, by names such as ``ViewLayer.Combined.R``.

    Raises:
        ImageError: It is not an EXR file, or of a kind that Blender never writes here.
    """
    data = path.read_bytes()
    if data[: len(_MAGIC)] != _MAGIC:
        raise ImageError(f"{path} is not an OpenEXR file")

    attributes, offsets_start = _read_header(data)
    compression = attributes["compression"][0]
    if compression not in _ROWS_PER_BLOCK or data[_FLAGS_BYTE] & _UNSUPPORTED_FLAGS:
        raise ImageError(
            f"{path}: only single-part scanline files without compression or with ZIP "
            "compression are supported"
        )

    x0, y0, x1, y1 = struct.unpack("<4i", attributes["dataWindow"])
    width = x1 - x0 + 1
    height = y1 - y0 + 1
    channels = _read_channels(attributes["channels"])
    row_size = sum(dtype.itemsize for _, dtype in channels) * width

    # Decompress the rows, block by block.
    rows_per_block = _ROWS_PER_BLOCK[compression]
    block_count = (height + rows_per_block - 1) // rows_per_block
    rows = np.empty((height, row_size), np.uint8)

    for offset in struct.unpack_from(f"<{block_count}Q", data, offsets_start):
        y, size = struct.unpack_from("<2i", data, offset)
        row_count = min(rows_per_block, y1 + 1 - y)
        start = offset + 8
        block = _decompress_block(data[start : start + size], row_count * row_size)
        pixels = np.frombuffer(block, np.uint8).reshape(row_count, row_size)
        rows[y - y0 : y - y0 + row_count] = pixels

    return _split_channels(rows, channels, width)


def check_complete(path: Path) -> None:
    """Check that the file holds all of its blocks, whatever their compression.

    Raises:
        ImageError: A block is missing or cut, as on a full disk.
    """
    data = path.read_bytes()
    try:
        attributes, offsets_start = _read_header(data)
        rows_per_block = _ALL_ROWS_PER_BLOCK[attributes["compression"][0]]
        _x0, y0, _x1, y1 = struct.unpack("<4i", attributes["dataWindow"])
        block_count = -(-(y1 - y0 + 1) // rows_per_block)
        for offset in struct.unpack_from(f"<{block_count}Q", data, offsets_start):
            _y, size = struct.unpack_from("<2i", data, offset)
            if not offsets_start < offset <= len(data) - 8 - size:
                raise ValueError("a block is missing")
    except (ValueError, KeyError, IndexError, struct.error) as error:
        raise ImageError(f"{path} is not complete") from error


def _split_channels(
    rows: NDArray[np.uint8], channels: list[Channel], width: int
) -> dict[str, NDArray[np.float32]]:
    """Return the channels (H, width) of rows of bytes, which hold them one after the other."""
    result = {}
    start = 0
    for name, dtype in channels:
        end = start + dtype.itemsize * width
        part = np.ascontiguousarray(rows[:, start:end])
        result[name] = part.view(dtype).astype(np.float32)
        start = end

    return result


def _read_header(data: bytes) -> tuple[dict[str, bytes], int]:
    """Return the attributes of a file by their names, and where the offsets of its blocks begin."""
    attributes = {}
    position = _HEADER_START
    while data[position]:
        name, position = _read_text(data, position)
        _, position = _read_text(data, position)  # its type
        (size,) = struct.unpack_from("<i", data, position)
        start = position + 4
        attributes[name] = data[start : start + size]
        position = start + size

    return attributes, position + 1


def _read_channels(data: bytes) -> list[Channel]:
    """Return name and dtype of each channel, in the file's order."""
    channels = []
    position = 0
    while data[position]:
        name, position = _read_text(data, position)
        (type_number,) = struct.unpack_from("<i", data, position)
        channels.append((name, _DTYPES[type_number]))
        position += _CHANNEL_SIZE

    return channels


def _read_text(data: bytes, start: int) -> tuple[str, int]:
    """Return a text that ends with a zero byte, and the position after it."""
    end = data.index(b"\0", start)
    return data[start:end].decode(), end + 1


def _decompress_block(block: bytes, size: int) -> bytes:
    """Undo the ZIP compression of a block: inflate, add up differences, interleave both halves.

    Args:
        block: Bytes of the file. A block that compression does not shrink is stored as it is.
        size: Size of the result, bytes.
    """
    if len(block) == size:
        return block

    # Each byte is the difference to the one before, plus 128, modulo 256.
    values = np.frombuffer(zlib.decompress(block), np.uint8).copy()
    values[1:] -= 128
    values = np.cumsum(values, dtype=np.uint8)

    half = (size + 1) // 2
    result = np.empty(size, np.uint8)
    result[0::2] = values[:half]
    result[1::2] = values[half:]

    return result.tobytes()
