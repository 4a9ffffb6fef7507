"""Masks, depths and occupancy of triangles, by the lines through the centers of pixels or cells.

All three come from one list of crossings: a pixel is covered if its line crosses anything, its
depth is the first crossing, and a cell is inside if the signs of the crossings before it add up to
one or more, which holds for closed solids that overlap as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cameras import Camera
from ...geometry.occupancy_grid import find_crossings

Floats = NDArray[np.floating[Any]]
Triangles = NDArray[np.int32]

# Pixels or cells by which lines pass beside the centers, so that they hit no edge.
_ASIDE = (0.0031, 0.0043)


@dataclass(frozen=True)
class Drawing:
    """What a camera sees of triangles.

    Attributes:
        mask: (H, W) bool, whether the center of a pixel is covered.
        depth: (H, W) float32 plane depth, inf where nothing is.
    """

    mask: NDArray[np.bool_]
    depth: NDArray[np.float32]


@dataclass(frozen=True)
class Lattice:
    """Cells of a box, as many along each side.

    Attributes:
        lower: (3,) lower corner of the box.
        cell: (3,) lengths of a cell.
        side: Number of cells along each side.
    """

    lower: NDArray[np.float64]
    cell: NDArray[np.float64]
    side: int

    @classmethod
    def around(cls, bounds: Floats, side: int, margin: float) -> Lattice:
        """Return the lattice of a box.

        Args:
            bounds: (2, 3) its lower and upper corner.
            side: Number of cells along each side.
            margin: Added on either side of the box, as a share of its length along the axis.
        """
        length = np.maximum(bounds[1] - bounds[0], 1e-6)
        lower = bounds[0] - margin * length
        return cls(lower, (1 + 2 * margin) * length / side, side)

    def to_cells(self, points: Floats) -> NDArray[np.float64]:
        """Return points (P, 3) in cells; the center of the cell (i, j, k) is at (i, j, k)."""
        cells: NDArray[np.float64] = (points - self.lower) / self.cell - 0.5
        return cells


def draw_triangles(vertices: Floats, triangles: Triangles, camera: Camera) -> Drawing:
    """Return the mask and the depth of triangles, which are all in front of the camera.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) indices.
        camera: In the same frame; its width and height are those of the result.
    """
    pixels, depth = camera.project(vertices)
    # In perspective the inverse of the depth is linear in the image.
    if not camera.orthographic:
        depth = -1 / depth
    rows_first = np.stack((pixels[:, 1], pixels[:, 0], depth), axis=1)
    rows_first[:, :2] -= 0.5 + np.array(_ASIDE)

    size = (camera.height, camera.width)
    pixel, crossing, _ = find_crossings(rows_first[triangles], size)
    nearest = np.full(size[0] * size[1], np.inf)
    np.minimum.at(nearest, pixel, crossing)

    mask = np.isfinite(nearest)
    if not camera.orthographic:
        nearest[mask] = -1 / nearest[mask]
    return Drawing(mask.reshape(size), nearest.reshape(size).astype(np.float32))


def fill_triangles(vertices: Floats, triangles: Triangles, lattice: Lattice) -> NDArray[np.bool_]:
    """Return which cells of a lattice are inside closed solids, (side, side, side) bool.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) indices, counter-clockwise seen from outside.
        lattice: Its axes are those of the vertices.
    """
    side = lattice.side
    cells = lattice.to_cells(vertices)
    cells[:, :2] -= np.array(_ASIDE)
    column, height, sign = find_crossings(cells[triangles], (side, side))

    # A line enters where the sign is -1, and leaves where it is 1.
    slot = np.ceil(height).clip(0, side).astype(np.int64)
    changes = np.bincount(column * (side + 1) + slot, -sign, side * side * (side + 1))
    winding = np.cumsum(changes.reshape(side, side, side + 1), axis=2)[..., :side]
    inside: NDArray[np.bool_] = winding > 0.5
    return inside
