"""Reads the OpenEXR files that Blender writes: scanlines, uncompressed or ZIP, half or float channels.

After the OpenEXR file layout (openexr.com/en/latest/OpenEXRFileLayout.html). Blender's own Python carries no
EXR reader before 4.5, and a pass of a multilayer file cannot be read through ``bpy.types.Image``.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageError

_TYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))
_LINES_A_BLOCK = {0: 1, 2: 1, 3: 16}  # none, ZIPS, ZIP


def read_exr(path: Path) -> dict[str, NDArray[np.float32]]:
    """All channels of an EXR file by their names, such as ``ViewLayer.Combined.R``: (H, W) each, row 0 at the top.

    Raises:
        ImageError: not an EXR file, or of a kind that Blender's settings here never write.
    """
    data = path.read_bytes()
    if data[:4] != b"\x76\x2f\x31\x01":
        raise ImageError(f"{path} is not an OpenEXR file")
    attributes, start = _read_header(data)
    compression = attributes["compression"][0]
    if compression not in _LINES_A_BLOCK or data[5] & 0x1A:
        raise ImageError(
            f"{path}: only single-part scanline files without compression or with ZIP "
            "compression are supported"
        )
    x0, y0, x1, y1 = struct.unpack("<4i", attributes["dataWindow"])
    width = x1 - x0 + 1
    height = y1 - y0 + 1
    channels = _read_channels(attributes["channels"])
    lines = _LINES_A_BLOCK[compression]
    blocks = (height + lines - 1) // lines
    line_bytes = sum(dtype.itemsize for _, dtype in channels) * width
    image = np.empty((height, line_bytes), np.uint8)
    for offset in struct.unpack_from(f"<{blocks}Q", data, start):
        y, size = struct.unpack_from("<2i", data, offset)
        rows = min(lines, y1 + 1 - y)
        block = _decompress_block(data[offset + 8 : offset + 8 + size], rows * line_bytes)
        image[y - y0 : y - y0 + rows] = np.frombuffer(block, np.uint8).reshape(rows, line_bytes)
    result = {}
    at = 0
    for name, dtype in channels:
        part = np.ascontiguousarray(image[:, at : at + dtype.itemsize * width])
        result[name] = part.view(dtype).astype(np.float32)
        at += dtype.itemsize * width
    return result


def _read_header(data: bytes) -> tuple[dict[str, bytes], int]:
    attributes = {}
    at = 8
    while data[at]:
        name, at = _read_text(data, at)
        _, at = _read_text(data, at)
        (size,) = struct.unpack_from("<i", data, at)
        attributes[name] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return attributes, at + 1


def _read_channels(data: bytes) -> list[tuple[str, np.dtype]]:
    channels = []
    at = 0
    while data[at]:
        name, at = _read_text(data, at)
        channels.append((name, _TYPES[struct.unpack_from("<i", data, at)[0]]))
        at += 16
    return channels


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode(), end + 1


def _decompress_block(block: bytes, size: int) -> bytes:
    """Undo ZIP: inflate, sum the differences, and interleave the two halves. A block no smaller is stored as it is."""
    if len(block) == size:
        return block
    raw = np.frombuffer(zlib.decompress(block), np.uint8).copy()
    raw[1:] -= 128  # all of it modulo 256
    raw = np.cumsum(raw, dtype=np.uint8)
    half = (size + 1) // 2
    result = np.empty(size, np.uint8)
    result[0::2] = raw[:half]
    result[1::2] = raw[half:]
    return result.tobytes()
