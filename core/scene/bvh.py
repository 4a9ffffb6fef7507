"""Which of many triangles is nearest, by Blender's own tree."""

from __future__ import annotations

import bpy  # noqa: F401  mathutils comes with it
import numpy as np
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from ..geometry.signed_distance import Nearest


def nearest_triangle_finder(corners: NDArray[np.float64]) -> Nearest:
    """Tells the index (P,) of that of the triangles ``corners`` (F, 3, 3) which is nearest to each of points (P, 3).

    In single precision, about the triangles' own middle: where two are all but equally near it may be either.
    """
    middle = corners.mean((0, 1))
    faces = np.arange(3 * len(corners)).reshape(-1, 3)
    tree = BVHTree.FromPolygons(
        (corners - middle).reshape(-1, 3).tolist(), faces.tolist(), all_triangles=True
    )
    return lambda points: np.array(
        [tree.find_nearest(point)[2] for point in (points - middle).tolist()], np.int64
    )
