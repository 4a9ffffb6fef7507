"""Check ground truth: occupancy, distances, surface points, mesh and grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...geometry import occupancy_grid
from .. import compact
from ..ground_truth import GROWN
from ..members import GRID, MEASURED, SURFACE_PARTS
from ..object_file import ObjectFile
from ..reading.array_rules import (
    DISTANCE_ARRAYS,
    MESH_ARRAYS,
    SHAPE_ARRAYS,
    SURFACE_ARRAYS,
    require_arrays,
    require_mesh_arrays,
    require_shape_arrays,
)
from .requirements import (
    BOUNDS_TOLERANCE,
    UNIT_TOLERANCE,
    distance_outside,
    require_that,
    require_unit,
)

_SURFACE_TOLERANCE = 0.1  # of the longest side: sheets are thickened beyond the bounds
_GRID_AGREEMENT = 0.9  # of the uniform points: rays of other directions see messy meshes otherwise


def _require_names(arrays: Mapping[str, NDArray[Any]], kind: str, *allowed: set[str]) -> None:
    """Check that the member ``kind`` has one of the ``allowed`` sets of arrays."""
    require_that(set(arrays) in allowed, f"{kind}: the arrays are {', '.join(sorted(arrays))}")


def _check_shape(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check ``shape.npz``: occupancy, distances and surface points."""
    # Names, shapes and types; those of the compact form are checked as they are stored.
    stored = file.read_arrays(f"{prefix}shape.npz")
    if "step" in stored:
        require_shape_arrays(stored, prefix)
    arrays = compact.shape_from_arrays(stored)
    required = set(SHAPE_ARRAYS)
    with_distances = required | set(DISTANCE_ARRAYS)
    _require_names(arrays, f"{prefix}shape.npz", required, with_distances)
    require_arrays(arrays, SHAPE_ARRAYS, prefix)
    require_unit(arrays["surface_normals"], f"{prefix}surface_normals")

    # Points are where the bounds allow.
    low, high = bounds
    size = float((high - low).max())
    from_center = np.abs(arrays["uniform"] - (low + high) / 2)
    reach = from_center.max() / size
    require_that(
        reach < GROWN / 2 + BOUNDS_TOLERANCE,
        f"{prefix}uniform: points are outside the bounding cube enlarged by a tenth",
    )
    require_that(
        distance_outside(arrays["surface"], low, high) < _SURFACE_TOLERANCE * size,
        f"{prefix}surface: points are outside the bounds",
    )

    # Distances, unless the set is older
    if set(arrays) == with_distances:
        require_arrays(arrays, DISTANCE_ARRAYS, prefix)
        for points in ("uniform", "near"):
            _check_distances(arrays, points, prefix, bounds)


def _check_distances(
    arrays: Mapping[str, NDArray[Any]], points: str, prefix: str, bounds: NDArray[np.float64]
) -> None:
    """Check sign and size of the signed distances of the array ``points``."""
    low, high = bounds
    name = f"{prefix}{points}_distance"
    distance = arrays[f"{points}_distance"]

    # The sign agrees with the flags.
    bits = arrays[f"{points}_inside"]
    inside = np.unpackbits(bits, count=len(distance)).astype(bool)
    require_that(
        (np.signbit(distance) == inside).all(), f"{name}: the sign is not that of {points}_inside"
    )

    # The surface is within the bounds, which limits the distance.
    center = (low + high) / 2
    from_center = np.linalg.norm(arrays[points] - center, axis=1)
    farthest = from_center + float((high - low).max())
    require_that(
        (np.abs(distance) <= farthest).all(), f"{name}: values are farther than all of the object"
    )


def _check_mesh(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check ``mesh.npz``."""
    kind = f"{prefix}mesh.npz"
    arrays = file.read_arrays(kind)
    _require_names(arrays, kind, set(MESH_ARRAYS))
    require_mesh_arrays(arrays, f"{kind}, ")

    # The extent
    vertices = arrays["vertices"]
    low, high = bounds
    size = float((high - low).max())
    differences = np.stack((vertices.min(0) - low, vertices.max(0) - high))
    require_that(
        np.abs(differences).max() / size < UNIT_TOLERANCE,
        f"{kind}, vertices: points do not reach the bounds, or exceed them",
    )


def _check_surface(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check ``surface.npz``: the colors of the surface points."""
    kind = f"{prefix}surface.npz"
    arrays = file.read_arrays(kind)
    count = len(file.read_arrays(f"{prefix}shape.npz")["surface"])
    _require_names(arrays, kind, set(SURFACE_ARRAYS))
    require_arrays(arrays, SURFACE_ARRAYS, f"{kind}, ", {"surface": count})


def _check_grid(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check that the grid agrees with the uniform points.

    Points count whose cell and all of its neighbors are alike: they are away from the surface.
    """
    grid = file.grid()
    if grid is None:
        return

    # Cells of the uniform points that have all 26 neighbors
    shape = file.read_shape()
    cells = np.floor(occupancy_grid.coordinates(shape.uniform, bounds)).astype(int)
    has_neighbors = ((cells > 0) & (cells < len(grid) - 1)).all(1)
    cells = cells[has_neighbors]

    # Keep those whose neighborhood is all inside or all outside.
    steps = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    neighborhoods = np.stack([grid[tuple((cells + step).T)] for step in steps])
    is_uniform = (neighborhoods == neighborhoods[0]).all(0)
    cell_inside = neighborhoods[0, is_uniform]
    point_inside = shape.uniform_inside[has_neighbors][is_uniform]
    agrees = cell_inside == point_inside
    require_that(
        not len(agrees) or agrees.mean() > _GRID_AGREEMENT,
        f"{GRID}: the cells contradict the uniform points",
    )


def _check_measured(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check the points that photographs gave: those of the cube of the uniform points."""
    measured = file.read_measured()
    if measured is None:
        return
    require_unit(measured.dense_normals, f"{MEASURED}, dense_normals")
    low, high = bounds
    reach = (GROWN / 2 + BOUNDS_TOLERANCE) * float((high - low).max())

    for points in (measured.sparse, measured.dense):
        from_center = np.abs(points - (low + high) / 2)
        require_that(
            from_center.max(initial=0) < reach,
            f"{MEASURED}: points are outside the bounding cube enlarged by a tenth",
        )


def _check_surface_parts(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check the parts of the surface points, which reading does."""
    file.read_shape()


_TRUTH_CHECKS: Mapping[str, Callable[[ObjectFile, str, NDArray[np.float64]], None]] = {
    "shape.npz": _check_shape,
    "mesh.npz": _check_mesh,
    "surface.npz": _check_surface,
    GRID: _check_grid,
    MEASURED: _check_measured,
    SURFACE_PARTS: _check_surface_parts,
}


def check_truth(file: ObjectFile, prefix: str, bounds: NDArray[np.float64]) -> None:
    """Check the members of a ground truth that exist.

    Args:
        file: Of the object.
        prefix: Of the kinds of the members: "" for those of the object, else a shape's.
        bounds: (2, 3) low and high corner in the frame of the ground truth, meters.
    """
    for kind, check in _TRUTH_CHECKS.items():
        if f"{prefix}{kind}" in file.parts:
            check(file, prefix, bounds)
