"""Nearest triangles by Blender's bounding volume hierarchy."""

from __future__ import annotations

import bpy  # noqa: F401  (bpy makes mathutils importable)
import numpy as np
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from ..geometry.signed_distance import Nearest


def nearest_triangle_finder(corners: NDArray[np.float64]) -> Nearest:
    """Return a function that finds the triangle nearest to each of some points.

    It computes in single precision, relative to the center of the triangles: of two triangles at
    nearly the same distance it may find either.

    Args:
        corners: (F, 3, 3) float64 corners of the triangles.

    Returns:
        A function from points (P, 3) to the indices (P,) int64 of their nearest triangles.
    """
    # Around the center, where single precision is finest.
    center = corners.mean((0, 1))
    faces = np.arange(3 * len(corners)).reshape(-1, 3)

    # Each triangle has its three vertices, so that no index of the caller is needed.
    vertices = (corners - center).reshape(-1, 3)
    tree = BVHTree.FromPolygons(vertices.tolist(), faces.tolist(), all_triangles=True)

    def find_nearest(points: NDArray[np.float64]) -> NDArray[np.int64]:
        hits = [tree.find_nearest(point) for point in (points - center).tolist()]
        return np.array([index for _, _, index, _ in hits], np.int64)

    return find_nearest
