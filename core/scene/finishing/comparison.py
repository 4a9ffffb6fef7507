"""How a finished mesh differs from the mesh that it was made of.

The surfaces are compared at points sampled by area with a fixed seed, so that the figures are the
same each time. A finished mesh that has lost more than the limits below is no finished mesh: it is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...errors import MeshError
from ...geometry.signed_distance import Nearest, closest_on_triangles
from ...geometry.topology import piece_volumes
from ...geometry.winding_number import Points, area_normals, points_inside, sample_triangles
from ..bvh import nearest_triangle_finder

# A point of the original counts as lost if it is outside of the result, and further from it than
# this share of the longest side. A reduction to 1,000 faces flattens by up to 2 %.
FAR = 0.03
# Share of the original's surface that may be lost: more is a limb, or the surface has leaked.
MAX_LOST = 0.03
# Change of each side of the bounds, as a share of the longest side.
MAX_SIZE_CHANGE = 0.05
# Share of the volume that the reduction to fewer faces may lose, or add. A coarse polyhedron lies
# within its round original: 300 quads of a slender thing have up to a fifth less.
MAX_VOLUME_LOSS = 0.25
MAX_VOLUME_GAIN = 0.35

_NEAR = 0.002  # of the longest side: closer points need no test whether the result covers them
_MIN_AREA = 1e-9  # of the largest triangle's: smaller ones are lines
_SAMPLES = 4000  # of each surface
_SEED = 0
_PERCENT = 100.0


@dataclass(frozen=True)
class ShapeComparison:
    """Measures of an original and of the result, in meters.

    Attributes:
        area: Square meters of the original's surface, and of the result's.
        volume: Cubic meters that the original encloses once it is closed, and that the result does.
        extent: (2, 3) sides of the bounds of both.
        lost: Share of the original's surface outside of the result and far from it.
        distance_to_result: Largest distance from a point of the original that is outside of the
            result to the result.
        distance_to_original: Largest distance from a point of the result to the original.
    """

    area: tuple[float, float]
    volume: tuple[float, float]
    extent: NDArray[np.float64]
    lost: float
    distance_to_result: float
    distance_to_original: float

    @property
    def size(self) -> float:
        """Longest side of the original's bounds, meters."""
        return float(self.extent[0].max())

    def size_change(self) -> float:
        """Return the largest change of a side, as a share of the original's longest side."""
        changes = (self.extent[1] - self.extent[0]) / self.size
        return float(changes[np.abs(changes).argmax()])

    def volume_change(self) -> float:
        """Return the change of the volume as a share of the closed original's."""
        return _relative_change(*self.volume)

    def scaled(self, factor: float) -> ShapeComparison:
        """Return the comparison of both meshes scaled by ``factor``."""
        area = (self.area[0] * factor**2, self.area[1] * factor**2)
        volume = (self.volume[0] * factor**3, self.volume[1] * factor**3)

        return replace(
            self,
            area=area,
            volume=volume,
            extent=self.extent * factor,
            distance_to_result=self.distance_to_result * factor,
            distance_to_original=self.distance_to_original * factor,
        )

    def summary(self) -> list[str]:
        """Return the comparison in words, one text a fact."""
        to_result = self.distance_to_result / self.size
        to_original = self.distance_to_original / self.size

        return [
            f"area {self.area[1]:.3g} m² ({_relative_change(*self.area):+.1%})",
            f"volume {self.volume[1]:.3g} m³ ({self.volume_change():+.1%})",
            f"size {self.size_change():+.1%}",
            f"largest distance {to_result:.1%} of the longest side to the result, "
            f"{to_original:.1%} back",
        ]

    def fault(self) -> str | None:
        """Return what is beyond the limits, in words; None if nothing is."""
        if self.lost > MAX_LOST:
            return f"{self.lost:.0%} of its surface would be lost"
        if abs(self.size_change()) > MAX_SIZE_CHANGE:
            return f"its size would change by {self.size_change():+.0%}"
        if not -MAX_VOLUME_LOSS <= self.volume_change() <= MAX_VOLUME_GAIN:
            return f"its volume would change by {self.volume_change():+.0%}"
        return None


class SampledSurface:
    """A mesh with what is compared of it, each measured when it is first needed."""

    def __init__(self, mesh: MeshArrays) -> None:
        self.mesh = mesh
        self._triangles = mesh.to_triangles()
        self._vertices = mesh.vertices.astype(float)

    def has_same_surface(self, other: SampledSurface) -> bool:
        """Return whether both have the same triangles."""
        same_vertices = np.array_equal(self.mesh.vertices, other.mesh.vertices)
        return same_vertices and np.array_equal(self._triangles, other._triangles)

    @cached_property
    def area(self) -> float:
        """Square meters."""
        normals = area_normals(self._vertices, self._triangles)
        return float(np.linalg.norm(normals, axis=1).sum()) / 2

    @cached_property
    def volume(self) -> float:
        """Cubic meters that a closed mesh encloses."""
        return float(piece_volumes(self.mesh).sum())

    @cached_property
    def extent(self) -> Points:
        """Sides (3,) of the bounds of all faces with an area, meters."""
        areas = np.linalg.norm(area_normals(self._vertices, self._triangles), axis=1)
        visible = self._triangles[areas > _MIN_AREA * areas.max()]
        extent: Points = np.ptp(self._vertices[visible.ravel()], axis=0)
        return extent

    @cached_property
    def points(self) -> Points:
        """Points (P, 3) of the surface."""
        rng = np.random.default_rng(_SEED)
        return sample_triangles(self._vertices, self._triangles, _SAMPLES, rng)[0]

    @cached_property
    def corners(self) -> Points:
        """Corners (F, 3, 3) of the triangles."""
        return self._vertices[self._triangles]

    @cached_property
    def find_nearest(self) -> Nearest:
        """Function that finds the triangle nearest to each of some points."""
        return nearest_triangle_finder(self.corners)

    def distances(self, points: Points) -> NDArray[np.float64]:
        """Return the distances (P,) from points (P, 3)."""
        squared, _ = closest_on_triangles(points, self.corners[self.find_nearest(points)])
        return np.sqrt(squared)

    def contains(self, points: Points) -> NDArray[np.bool_]:
        """Return which points (P, 3) a closed mesh encloses."""
        return points_inside(self._vertices, self._triangles, points)


def compare_shapes(
    original: SampledSurface, result: SampledSurface, volume: float
) -> ShapeComparison:
    """Compare two meshes.

    Args:
        original: The mesh before.
        result: The mesh after, closed.
        volume: Of the original once it is closed, cubic meters.
    """
    if original.has_same_surface(result):
        nothing = np.zeros(_SAMPLES)
        return _comparison(original, result, volume, nothing, nothing)

    # Points inside of the result are not lost but covered.
    to_result = result.distances(original.points)
    distant = np.flatnonzero(to_result > _NEAR * float(original.extent.max()))
    if len(distant):
        is_covered = result.contains(original.points[distant])
        to_result[distant[is_covered]] = 0

    to_original = original.distances(result.points)
    return _comparison(original, result, volume, to_result, to_original)


def _comparison(
    original: SampledSurface,
    result: SampledSurface,
    volume: float,
    to_result: NDArray[np.float64],
    to_original: NDArray[np.float64],
) -> ShapeComparison:
    """Return the comparison of two meshes with known distances.

    Args:
        original: The mesh before.
        result: The mesh after.
        volume: Of the closed original, cubic meters.
        to_result: (P,) distances from points of the original to the result.
        to_original: (P,) distances from points of the result to the original.
    """
    far = FAR * float(original.extent.max())
    return ShapeComparison(
        area=(original.area, result.area),
        volume=(volume, result.volume),
        extent=np.stack((original.extent, result.extent)),
        lost=float((to_result > far).mean()),
        distance_to_result=float(to_result.max()),
        distance_to_original=float(to_original.max()),
    )


def refuse(fault: str, advice: str) -> MeshError:
    """Return the error of a result beyond the limits.

    Args:
        fault: Of :meth:`ShapeComparison.fault`.
        advice: What to do, a sentence without its stop.
    """
    return MeshError(f"The mesh was not changed, because {fault}. {advice}")


def _relative_change(before: float, after: float) -> float:
    """Return the change of a value as a share of it; 0 if it is 0."""
    if before == 0:
        return 0.0
    return (after - before) / abs(before)
