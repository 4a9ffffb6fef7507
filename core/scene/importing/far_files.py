"""Mesh files with coordinates of a map: copies of them about the origin.

Blender's numbers have 24 bits: at 5,400 km from the origin its vertices are half a meter apart.
So the center is subtracted with 53 bits, before Blender reads the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_VERTEX = b"v"
_LIBRARY = b"mtllib"


def recentered_obj(path: Path, scratch: Path) -> tuple[Path, NDArray[np.float64]]:
    """Write a copy of an .obj file with its bounds centered at the origin.

    Args:
        path: The file.
        scratch: An existing folder for the copy.

    Returns:
        The copy, and the center (3,) that was subtracted, in Blender's axes, meters.

    Raises:
        ValueError: The file has no vertex, or a coordinate is no number.
    """
    low = np.full(3, np.inf)
    high = np.full(3, -np.inf)
    for vertex in _vertices(path):
        low = np.minimum(low, vertex)
        high = np.maximum(high, vertex)
    center = (low + high) / 2
    if not np.isfinite(center).all():
        raise ValueError("its vertices have no center")

    copy = scratch / path.name
    with path.open("rb") as source, copy.open("wb") as target:
        for line in source:
            target.write(_moved_line(line, center, path.parent, scratch))
    right, up, backward = center
    return copy, np.array((right, -backward, up))


def _vertices(path: Path) -> Iterator[NDArray[np.float64]]:
    """Yield the vertices (3,) of an .obj file."""
    with path.open("rb") as file:
        for line in file:
            words = line.split()
            if words and words[0] == _VERTEX:
                yield np.array([float(word) for word in words[1:4]])


def _moved_line(line: bytes, center: NDArray[np.float64], folder: Path, scratch: Path) -> bytes:
    """Return a line of the copy: vertices are moved, and the material library is found."""
    words = line.split()
    if not words:
        return line

    if words[0] == _VERTEX:
        coordinates = np.array([float(word) for word in words[1:4]]) - center
        moved = [repr(float(coordinate)).encode() for coordinate in coordinates]
        return b" ".join([_VERTEX, *moved, *words[4:]]) + b"\n"

    # Blender takes the path of a library relative to the .obj file, never as absolute.
    if words[0] == _LIBRARY:
        name = os.fsdecode(line.split(maxsplit=1)[1].strip())
        return _LIBRARY + b" " + os.fsencode(os.path.relpath(folder / name, scratch)) + b"\n"
    return line
