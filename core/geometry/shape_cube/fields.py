"""The field of a solid in the cube of the shape space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import occupancy_grid
from ..occupancy_grid import inside_lattice
from ..winding_number import OrientedSolid
from .box import CUBE_SIDE, REACH, ShapeBox
from .distances import resample_field, truncated_distance

_LATTICE = 80  # cells along each side of the cube in which a solid is tested


def unit_field(inside: NDArray[np.bool_], bounds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the field of the cells of an ``occupancy_grid`` around ``bounds`` (2, 3).

    Returns:
        (64, 64, 64) float32 truncated distance in -1..1, positive inside.
    """
    # Cells of the grid are cubes, but the cube of the shape space is stretched.
    box = ShapeBox.of_bounds(bounds)
    extent = bounds[1] - bounds[0]
    cell = occupancy_grid.GROWN * float(extent.max()) / occupancy_grid.SIDE
    spacing = cell / box.size

    # Only the cells about the object; the rest of the cube is outside.
    margin = REACH + spacing
    center = (occupancy_grid.SIDE - 1) / 2
    half = (extent / box.size / 2 + margin) / spacing
    low = np.floor(center - half).astype(int).clip(0)
    high = np.ceil(center + half).astype(int).clip(max=occupancy_grid.SIDE - 1)
    x_cells, y_cells, z_cells = (slice(a, b + 1) for a, b in zip(low, high, strict=True))
    part = inside[x_cells, y_cells, z_cells]

    # Distances at the cells, then at the points of the cube.
    steps = spacing.tolist()
    distance = truncated_distance(part, steps, REACH)
    origin = (low - center) * spacing
    field = resample_field(distance, origin.tolist(), steps, -REACH)
    return field / np.float32(REACH)


def solid_field(solid: OrientedSolid) -> tuple[NDArray[np.float32], ShapeBox]:
    """Return the field (64, 64, 64) of a solid as :func:`unit_field`, and its box.

    Raises:
        MeshError: the solid has no extent.
    """
    box = ShapeBox.of_points(solid.vertices)
    cell = CUBE_SIDE / _LATTICE

    # Which cells of the cube are inside the stretched solid.
    unit_vertices = box.to_unit(solid.vertices)
    unit = OrientedSolid(unit_vertices, solid.triangles, solid.sheet_share)
    corner = np.full(3, -CUBE_SIDE / 2)
    inside = inside_lattice(unit, corner, cell, _LATTICE)

    # Distances at the middles of the cells, then at the points of the cube.
    spacing = (cell, cell, cell)
    distance = truncated_distance(inside, spacing, REACH)
    origin = -CUBE_SIDE / 2 + cell / 2
    field = resample_field(distance, (origin,) * 3, spacing, -REACH)

    return field / np.float32(REACH), box
