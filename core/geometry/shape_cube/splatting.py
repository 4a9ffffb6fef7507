"""Points of a surface sorted into the cells of a grid, as a network reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .box import CUBE_SIDE

SPLAT_SIDE = 32  # cells along each side of the cube
# Number of points, mean offset from the center, mean normal, and whether the cell was looked at.
POINT_CHANNELS = 8
_FULL = 3.0  # log(1 + points) of a cell that counts as full


def splat_points(
    points: NDArray[np.floating[Any]],
    normals: NDArray[np.floating[Any]],
    known: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Return what is in each cell of the cube.

    Args:
        points: (P, 3) in the cube, see ``shape_box``; those outside of it are left out.
        normals: (P, 3) unit normals, outwards.
        known: (32, 32, 32) cells whose emptiness is known; all if None.

    Returns:
        (8, 32, 32, 32) float32 by x, y, z: the logarithm of the number of points, about 0 to 1;
        the mean offset of the points from the cell's center in cells; their mean normal; and 1
        where a cell without points is known to be empty.
    """
    # The cell of each point, and where in it the point is.
    cells = cell_coordinates(points)
    index = np.floor(cells).astype(np.int64)
    within = ((index >= 0) & (index < SPLAT_SIDE)).all(1)
    index = index[within]
    offset = cells[within] - index - 0.5
    kept_normals = np.asarray(normals)[within]
    values = np.concatenate((offset, kept_normals), axis=1)

    # Sums by cell, divided by the number of points.
    x, y, z = index.T
    flat = (x * SPLAT_SIDE + y) * SPLAT_SIDE + z
    cell_count = SPLAT_SIDE**3
    counts = np.bincount(flat, minlength=cell_count)
    result = np.empty((POINT_CHANNELS, cell_count), np.float32)
    result[0] = np.log1p(counts) / _FULL
    divisor = np.maximum(counts, 1)
    for channel, column in enumerate(values.T, start=1):
        result[channel] = np.bincount(flat, column, cell_count) / divisor
    result[-1] = 1.0 if known is None else known.ravel()

    return result.reshape(POINT_CHANNELS, SPLAT_SIDE, SPLAT_SIDE, SPLAT_SIDE)


def cell_coordinates(points: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Return points (P, 3) of the cube in cells: the first one is from 0 to 1."""
    coordinates: NDArray[np.floating[Any]] = (points / CUBE_SIDE + 0.5) * SPLAT_SIDE
    return coordinates


def cell_centers() -> NDArray[np.float64]:
    """Return the centers (32, 32, 32, 3) of the cells in the cube."""
    steps = ((np.arange(SPLAT_SIDE) + 0.5) / SPLAT_SIDE - 0.5) * CUBE_SIDE
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
