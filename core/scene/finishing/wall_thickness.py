"""Thickness of the walls of a closed mesh.

As a shape diameter (Shapira et al. 2008, doi:10.1007/s00371-007-0197-5), but of one ray a face,
straight inward, because the thinnest wall is of interest and not the mean of a part.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy  # noqa: F401  (bpy makes mathutils importable)
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...geometry.winding_number import area_normals, face_normals

# Least cosine between the ray and the normal of the opposite face: below it, as at the edge of a
# wedge, there is no wall.
_MIN_COSINE = 0.5
_MOST = 50_000  # triangles to measure at, the largest ones
_INWARD_STEP = 1e-5  # of the longest side, so that a ray does not hit its face


@dataclass(frozen=True)
class WallThickness:
    """Thickness of the wall behind each triangle.

    Attributes:
        thickness: (T,) meters straight inward from the center of each triangle; inf where nothing
            is opposite, or where it was not measured.
        places: (T, 3) the centers of these walls, in the mesh's space.
    """

    thickness: NDArray[np.float64]
    places: NDArray[np.float64]

    def thinnest_place(self) -> tuple[float, NDArray[np.float64]]:
        """Return the least thickness, meters, and its place (3,)."""
        index = int(self.thickness.argmin())
        return float(self.thickness[index]), self.places[index]


def measure_walls(mesh: MeshArrays) -> WallThickness:
    """Measure the walls of a closed mesh at its triangles, at most at the 50,000 largest."""
    triangles = mesh.to_triangles()
    vertices = mesh.vertices.astype(float)

    # The largest triangles, without those that have no area and so no normal.
    area = np.linalg.norm(area_normals(vertices, triangles), axis=1)
    largest = np.argsort(-area)[:_MOST]
    faces = largest[area[largest] > 0]

    # A ray straight inward from just below each triangle.
    normals = face_normals(vertices, triangles)
    centers = vertices[triangles].mean(1)
    step = _INWARD_STEP * float(np.ptp(vertices, axis=0).max())
    starts = centers - step * normals
    directions = -normals

    tree = BVHTree.FromPolygons(vertices.tolist(), triangles.tolist(), all_triangles=True)
    thickness = np.full(len(triangles), np.inf)
    for face in faces.tolist():
        direction = Vector(directions[face])
        _, normal, _, distance = tree.ray_cast(Vector(starts[face]), direction)
        if normal is not None and normal.dot(direction) > _MIN_COSINE:
            thickness[face] = distance + step

    depth = np.where(np.isfinite(thickness), thickness, 0)[:, None]
    return WallThickness(thickness, places=centers + directions * depth / 2)
