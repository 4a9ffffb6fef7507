"""Clouds of points and voxels as files that other programs read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import write_bytes
from ...geometry.surface_outputs import SurfacePoints, Voxels
from ...imaging.color import to_bytes
from .records import DenseCloud, VoxelGrid

_PLY_HEADER = """ply
format binary_little_endian 1.0
comment lengths in meters
element vertex {count}
property float x
property float y
property float z
property float nx
property float ny
property float nz
property uchar red
property uchar green
property uchar blue
property {number}
end_header
"""


def write_cloud(path: Path, cloud: DenseCloud, size: float) -> None:
    """Write the points with normals, colors and the number of photographs as a binary PLY.

    Args:
        path: Of the file.
        cloud: The points, in units of the object's longest side.
        size: Length of that side, meters.

    Raises:
        OutputError: The file cannot be written.
    """
    views = cloud.view_count.astype(np.float32)
    surface = SurfacePoints(cloud.points * size, cloud.normals, cloud.colors, views)
    _write_ply(path, surface, "int view_count", "<i4")


def write_points(path: Path, surface: SurfacePoints) -> None:
    """Write points with normals, colors and confidence as a binary PLY.

    Raises:
        OutputError: The file cannot be written.
    """
    _write_ply(path, surface, "float confidence", "<f4")


def _write_ply(path: Path, surface: SurfacePoints, number: str, kind: str) -> None:
    """Write points whose confidence is stored as the property ``number`` of a NumPy ``kind``."""
    layout = [("point", "<f4", 3), ("normal", "<f4", 3), ("color", "u1", 3), ("number", kind)]
    table = np.zeros(len(surface.points), layout)
    table["point"] = surface.points
    table["normal"] = surface.normals
    table["color"] = to_bytes(surface.colors)
    table["number"] = surface.confidence
    header = _PLY_HEADER.format(count=len(table), number=number).encode()
    write_bytes(path, header + table.tobytes())


def write_voxels(path: Path, field: VoxelGrid, size: float) -> None:
    """Write which grid points are inside the object as a compressed NumPy archive.

    It holds ``occupancy`` (X, Y, Z) bool, ``distance`` (X, Y, Z) float16 in meters, above 0 inside
    and exact near the surface only, ``origin`` (3,) and ``spacing`` in meters.

    Args:
        path: Of the file.
        field: The field of the surface, in units of the object's longest side.
        size: Length of that side, meters.

    Raises:
        OutputError: The file cannot be written.
    """
    voxels = Voxels(field.values > 0, field.origin * size, field.spacing * size)
    write_occupancy(path, voxels, distance=(field.values * size).astype(np.float16))


def write_occupancy(path: Path, voxels: Voxels, **more: NDArray[np.float16]) -> None:
    """Write voxels as a compressed NumPy archive: ``occupancy``, ``origin``, ``spacing``.

    Args:
        path: Of the file.
        voxels: Lengths in meters.
        **more: Further arrays of the archive.

    Raises:
        OutputError: The file cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        occupancy=voxels.occupancy,
        origin=voxels.origin,
        spacing=np.float64(voxels.spacing),
        **more,
    )
    write_bytes(path, buffer.getvalue())
