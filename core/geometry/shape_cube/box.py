"""The cube that every shape fills in the shape space, and the box that it is stretched from.

Each side of a shape's bounding box is stretched to the length 1, so that shapes of different
proportions fill the same cells: a low table and a high one differ in their box, not in where their
legs are. A side that is very short is stretched less, since what is flat would become noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MeshError

FIELD_SIDE = 64  # points of a field along each side of the cube
CUBE_SIDE = 1.125  # side of the cube in stretched sides of the box: four points of room around it
REACH = 0.1  # distance at which fields are truncated, in stretched sides of the box
_MOST_STRETCH = 4.0  # of a short side, compared with the longest one


@dataclass(frozen=True)
class ShapeBox:
    """The box of a shape.

    Attributes:
        center: (3,) meters.
        size: (3,) lengths that become 1, meters; at least a quarter of the longest one.
    """

    center: NDArray[np.float64]
    size: NDArray[np.float64]

    @classmethod
    def of_bounds(cls, bounds: NDArray[np.floating[Any]]) -> ShapeBox:
        """Return the box of ``bounds`` (2, 3), the lowest and the highest corner.

        Raises:
            MeshError: they have no extent.
        """
        low, high = np.asarray(bounds, float)
        extent = high - low
        longest = float(extent.max())
        if not np.isfinite(longest) or longest <= 0:
            raise MeshError("The mesh has no extent")

        center = (low + high) / 2
        size = np.maximum(extent, longest / _MOST_STRETCH)
        return cls(center, size)

    @classmethod
    def of_points(cls, points: NDArray[np.floating[Any]]) -> ShapeBox:
        """Return the box around ``points`` (P, 3).

        Raises:
            MeshError: they have no extent.
        """
        if not len(points):
            raise MeshError("The mesh has no extent")
        return cls.of_bounds(np.stack((points.min(0), points.max(0))))

    def to_unit(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return ``points`` (P, 3) in the cube: the box is from -0.5 to 0.5."""
        unit: NDArray[np.float64] = (points - self.center) / self.size
        return unit

    def from_unit(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return points (P, 3) of the cube in meters."""
        placed: NDArray[np.float64] = points * self.size + self.center
        return placed

    def normals_to_unit(self, normals: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the unit normals (P, 3) in the cube of ``normals`` (P, 3)."""
        # Normals are stretched by the inverse of what stretches points.
        stretched = normals * self.size
        length = np.linalg.norm(stretched, axis=1, keepdims=True)
        unit: NDArray[np.float64] = stretched / np.maximum(length, 1e-12)
        return unit


def field_coordinates(side: int = FIELD_SIDE) -> NDArray[np.float64]:
    """Return the coordinates (side,) in the cube of the points of a field along an axis."""
    return ((np.arange(side) + 0.5) / side - 0.5) * CUBE_SIDE


def field_spacing(side: int = FIELD_SIDE) -> float:
    """Return the distance of neighboring points of a field."""
    return CUBE_SIDE / side
