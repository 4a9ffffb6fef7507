"""How thick the walls of a closed mesh are: as a shape diameter (Shapira et al. 2008, doi:10.1007/s00371-007-0197-5),
but of one ray a face, straight in, since the thinnest wall is wanted and not a part's mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy  # noqa: F401  mathutils comes with it
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...geometry.winding_number import area_normals, face_normals

_ALONG = 0.5  # cosine between the ray and the far side's normal; where it is less, as at the edge of a wedge, is no wall
_MOST = 50_000  # triangles to measure at, the largest


@dataclass(frozen=True)
class WallThickness:
    """thickness: (T,) metres straight in from the middle of each triangle, inf where nothing is opposite.
    places: (T, 3) the middles of these walls, in the mesh's space.
    """

    thickness: NDArray[np.float64]
    places: NDArray[np.float64]

    def thinnest_place(self) -> tuple[float, NDArray[np.float64]]:
        """The least thickness, and where."""
        index = int(self.thickness.argmin())
        return float(self.thickness[index]), self.places[index]


def measure_walls(mesh: MeshArrays) -> WallThickness:
    """How thick the walls of a closed mesh are; of very many triangles at the largest only."""
    triangles = mesh.to_triangles()
    vertices = mesh.vertices.astype(float)
    normals = face_normals(vertices, triangles)
    middles = vertices[triangles].mean(1)
    area = np.linalg.norm(area_normals(vertices, triangles), axis=1)
    faces = np.argsort(-area)[:_MOST]
    faces = faces[area[faces] > 0]
    step = 1e-5 * float(np.ptp(vertices, axis=0).max())
    starts = middles - step * normals
    ways = -normals
    tree = BVHTree.FromPolygons(vertices.tolist(), triangles.tolist(), all_triangles=True)
    thickness = np.full(len(triangles), np.inf)
    for face in faces.tolist():
        _, normal, _, distance = tree.ray_cast(Vector(starts[face]), Vector(ways[face]))
        if normal is not None and normal.dot(Vector(ways[face])) > _ALONG:
            thickness[face] = distance + step
    return WallThickness(
        thickness, middles + ways * np.where(np.isfinite(thickness), thickness, 0)[:, None] / 2
    )
