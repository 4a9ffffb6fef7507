"""The outer surface of a solid of any triangles, as a closed surface of quads.

A grid is filled with the distance to the triangles, positive where the winding number says inside,
and surface nets extract its surface. So the result is closed whatever the triangles are: they may
overlap, and what is inside does not leak out through a gap.

Parts that are thinner than the distance of the grid points would be lost between them. They
are the triangles without a grid point inside next to them, and are made just so thick that the grid
shows them:

    .   .   .   .   .          .   .   .   .   .
                                 .-----------.
    ----------------- lost       o   o   o   o    thicker
                                 '-----------'
    .   .   .   .   .          .   .   .   .   .
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...errors import MeshError
from ...imaging.morphology import dilate
from ..occupancy_grid import inside_lattice
from ..signed_distance import Tree, bisect_triangles, closest_on_triangles
from ..surface_nets import surface_nets
from ..winding_number import OrientedSolid, Points

_MARGIN = 3  # grid points around the solid
# Half the thickness, in cells, that a thin part is given: the grid point nearest to any of its
# points is at most half a diagonal of a cell away, 0.87.
_LEAST_HALF_THICKNESS = 0.9
LEAST_THICKNESS = 2 * _LEAST_HALF_THICKNESS  # cells
_PIECE = 2.0  # cells, the longest edge of the pieces of thin parts


def solid_surface(
    solid: OrientedSolid, cells: int, tree: Tree, thin: Points, fill_hidden: bool = False
) -> MeshArrays:
    """Return the outer surface of ``solid``, closed and manifold.

    Args:
        solid: The solid.
        cells: Cells of the grid along the longest side.
        tree: Makes a function that finds nearest triangles.
        thin: (N, 3, 3) triangles halfway through the parts that are thinner than
            ``LEAST_THICKNESS`` cells.
        fill_hidden: Whether what no direction sees from outside is inside, as where faces are
            missing or turned over.

    Raises:
        MeshError: The solid has no extent.
    """
    lower = solid.vertices.min(axis=0)
    size = float(np.ptp(solid.vertices, axis=0).max())
    if size <= 0:
        raise MeshError("The mesh has no extent")
    spacing = size / cells
    side = cells + 1 + 2 * _MARGIN
    origin = lower - _MARGIN * spacing

    # Grid points are the centers of the lattice's cells.
    inside = inside_lattice(solid, origin - spacing / 2, spacing, side, fill_hidden)
    field = np.where(inside, spacing, -spacing).astype(np.float32)
    corners = solid.vertices[solid.triangles]
    _set_distances(field, corners, origin, spacing, tree)

    if len(thin):
        pieces = bisect_triangles(thin, _PIECE * spacing)
        _add_sheets(field, pieces, origin, spacing, tree)
    return surface_nets(field, 0.0, origin, spacing)


def _set_distances(
    field: NDArray[np.float32], corners: Points, origin: Points, spacing: float, tree: Tree
) -> None:
    """Write the distances to triangles into ``field`` where neighbors have another sign.

    Args:
        field: (X, Y, Z) values of which only the signs count; changed in place.
        corners: (F, 3, 3) triangles.
        origin: (3,) the first grid point.
        spacing: Distance of grid points.
        tree: Makes a function that finds nearest triangles.
    """
    inside = field > 0
    is_near = np.zeros_like(inside)
    for axis in range(3):
        values = np.moveaxis(inside, axis, 0)
        near = np.moveaxis(is_near, axis, 0)
        differs = values[1:] != values[:-1]
        near[1:] |= differs
        near[:-1] |= differs

    index = np.argwhere(is_near)
    if not len(index):
        return
    distance = _distances(origin + index * spacing, corners, tree).clip(0, spacing)
    field[tuple(index.T)] = np.where(inside[tuple(index.T)], distance, -distance)

    # A point on the surface counts as just inside, or its part could vanish.
    field[inside] = np.maximum(field[inside], np.float32(1e-6 * spacing))


def _add_sheets(
    field: NDArray[np.float32], pieces: Points, origin: Points, spacing: float, tree: Tree
) -> None:
    """Raise ``field`` around triangles (N, 3, 3), so that its surface encloses them."""
    is_near = np.zeros(field.shape, bool)
    touched = np.concatenate((pieces.reshape(-1, 3), pieces.mean(axis=1)))
    index = np.rint((touched - origin) / spacing).astype(np.int64)
    is_near[tuple(index.T)] = True
    is_near = dilate(dilate(is_near))

    points = np.argwhere(is_near)
    distance = _distances(origin + points * spacing, pieces, tree)
    sheet = _LEAST_HALF_THICKNESS * spacing - distance
    values = field[tuple(points.T)]
    field[tuple(points.T)] = np.maximum(values, sheet)


def _distances(points: Points, corners: Points, tree: Tree) -> NDArray[np.float64]:
    """Return the distances (P,) from points to the nearest triangle."""
    nearest = tree(corners)(points)
    squared, _ = closest_on_triangles(points, corners[nearest])
    return np.sqrt(squared)
