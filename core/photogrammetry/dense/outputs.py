"""The dense cloud and the voxels as files that other programs read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ...atomic_files import write_bytes
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
property int view_count
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
    layout = [("point", "<f4", 3), ("normal", "<f4", 3), ("color", "u1", 3), ("views", "<i4")]
    table = np.zeros(len(cloud.points), layout)
    table["point"] = cloud.points * size
    table["normal"] = cloud.normals
    table["color"] = (cloud.colors.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    table["views"] = cloud.view_count
    header = _PLY_HEADER.format(count=len(table)).encode()
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
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        occupancy=field.values > 0,
        distance=(field.values * size).astype(np.float16),
        origin=field.origin * size,
        spacing=np.float64(field.spacing * size),
    )
    write_bytes(path, buffer.getvalue())
