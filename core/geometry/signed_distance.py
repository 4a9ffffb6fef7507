"""Signed distance from points to the surface of a solid, exact also where its parts overlap.

The nearest triangle to a point is found by a tree that the caller provides, such as Blender's
(``core.scene.bvh``).

The triangle nearest to a point outside is never buried in the solid, since the straight path to it
would have to pass through the surface first. For a point inside it may be buried. Such points are
evaluated again against the triangles that are not:

        +-----------------+
        |   . buried      |       Two overlapping boxes. For the point "." the nearest triangle
        |    +------------|---+   belongs to the other box's wall, which is inside the solid.
        |    |            |   |   What counts is the outer surface.
        +----|------------+   |
             +----------------+
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .winding_number import OrientedSolid, Points

# Maps points (P, 3) to the index (P,) of the triangle nearest to each.
Nearest = Callable[[Points], NDArray[np.int64]]
# Maps triangles (F, 3, 3) to such a function.
Tree = Callable[[Points], Nearest]

# All as shares of the longest side.
_STEP = 1e-3  # distance from the surface at which to test whether that is outside
_COARSE_EDGE = 1 / 24  # longest edge of the pieces that are tested first
_FINE_EDGE = 1 / 96  # longest edge of the pieces at the seam between buried and not

_RAYS = 3  # lines of an inside test; few, since the steps are close to the surface
_TINY = 1e-300  # against division by zero


def signed_distance(
    solid: OrientedSolid,
    points: NDArray[np.floating[Any]],
    inside: NDArray[np.bool_],
    tree: Tree,
) -> Points:
    """Return the signed distance to the surface of a solid.

    It is exact to the triangles, except for points inside whose nearest triangle is buried: where a
    triangle is partly buried, the seam is known to a hundredth of the longest side.

    Args:
        solid: The solid.
        points: (P, 3) meters.
        inside: (P,) whether each point is inside; this gives the sign.
        tree: Makes a function that finds nearest triangles.

    Returns:
        (P,) float64 meters, negative inside.
    """
    points = np.asarray(points, float)
    corners = solid.vertices[solid.triangles]
    triangle = tree(corners)(points)
    squared, closest = closest_on_triangles(points, corners[triangle])
    distance = np.sqrt(squared)

    # Beyond an exposed triangle is outside, along its normal or along the way from the point.
    inner = np.flatnonzero(inside)
    normals = _triangle_normals(corners[triangle[inner]])
    directions = closest[inner] - points[inner]
    directions /= np.maximum(distance[inner], _TINY)[:, None]
    beyond_normal = _is_outside(solid, closest[inner], normals)
    beyond_point = _is_outside(solid, closest[inner], directions)
    buried = inner[~(beyond_normal | beyond_point)]

    # Measure the remaining points against the outer surface.
    if len(buried):
        outer = _outer_triangles(solid, corners)
        if len(outer):
            nearest = outer[tree(outer)(points[buried])]
            distance[buried] = np.sqrt(closest_on_triangles(points[buried], nearest)[0])

    return np.where(inside, -distance, distance)


def closest_on_triangles(points: Points, corners: Points) -> tuple[Points, Points]:
    """Return the closest point of a triangle to each point.

    That is the perpendicular foot on the plane if it is within the triangle, else the best of the
    feet on the three edges.

    Args:
        points: (P, 3).
        corners: (P, 3, 3) corners of one triangle for each point.

    Returns:
        (P,) squared distances and (P, 3) closest points.
    """
    a = corners[:, 0]
    b = corners[:, 1]
    c = corners[:, 2]
    normal = np.cross(b - a, c - a)
    squared_normal = np.einsum("ij,ij->i", normal, normal)

    squared = np.full(len(points), np.inf)
    closest = np.empty((len(points), 3))
    above_triangle = squared_normal > 0

    for start, end in ((a, b), (b, c), (c, a)):
        # The best foot on an edge so far.
        edge = end - start
        offset = points - start
        squared_edge = np.einsum("ij,ij->i", edge, edge)
        share = np.einsum("ij,ij->i", offset, edge) / np.maximum(squared_edge, _TINY)
        foot = start + share.clip(0, 1)[:, None] * edge
        to_foot = points - foot
        squared_distance = np.einsum("ij,ij->i", to_foot, to_foot)
        better = squared_distance < squared
        squared[better] = squared_distance[better]
        closest[better] = foot[better]

        # A point above the triangle is on the inner side of all edges.
        above_triangle &= np.einsum("ij,ij->i", np.cross(edge, offset), normal) >= 0

    scaled_height = np.einsum("ij,ij->i", (points - a)[above_triangle], normal[above_triangle])
    length = squared_normal[above_triangle]
    foot_offset = (scaled_height / length)[:, None] * normal[above_triangle]
    squared[above_triangle] = scaled_height**2 / length
    closest[above_triangle] = points[above_triangle] - foot_offset

    return squared, closest


def _outer_triangles(solid: OrientedSolid, corners: Points) -> Points:
    """Cut triangles into pieces, and return those that are not buried in the solid.

    Args:
        solid: The solid.
        corners: (F, 3, 3) its triangles.

    Returns:
        (N, 3, 3) pieces.
    """
    size = float(np.ptp(solid.vertices, axis=0).max())
    pieces = bisect_triangles(corners, _COARSE_EDGE * size)
    is_small = _edge_lengths(pieces).max(1) <= _FINE_EDGE * size
    small = pieces[is_small]
    pieces = pieces[~is_small]

    # A coarse piece is tested at its center and near its corners.
    centers = pieces.mean(1, keepdims=True)
    tests = np.concatenate((centers, 0.9 * pieces + 0.1 * centers), axis=1)
    normals = np.repeat(_triangle_normals(pieces), 4, 0)
    is_free = _is_outside(solid, tests.reshape(-1, 3), normals).reshape(-1, 4)
    free = pieces[is_free.all(1)]

    # Where the tests disagree it is cut further; small pieces are tested at their centers only.
    mixed = pieces[is_free.any(1) & ~is_free.all(1)]
    small = np.concatenate((small, bisect_triangles(mixed, _FINE_EDGE * size)))
    small_is_free = _is_outside(solid, small.mean(1), _triangle_normals(small))
    return np.concatenate((free, small[small_is_free]))


def _is_outside(solid: OrientedSolid, points: Points, directions: Points) -> NDArray[np.bool_]:
    """Return whether a small step (P, 3) along unit vectors (P, 3) from points leads outside."""
    step = _STEP * float(np.ptp(solid.vertices, axis=0).max())
    return ~solid.contains(points + step * directions, _RAYS)


def bisect_triangles(corners: Points, longest: float) -> Points:
    """Halve triangles (F, 3, 3) across their longest edge until none is longer than ``longest``."""
    finished = []
    while len(corners):
        lengths = _edge_lengths(corners)
        is_small = lengths.max(1) <= longest
        finished.append(corners[is_small])
        corners = corners[~is_small]

        # Halve the edge from a to b.
        edge = lengths[~is_small].argmax(1)
        rows = np.arange(len(corners))
        a, b, c = (corners[rows, (edge + k) % 3] for k in range(3))
        middle = (a + b) / 2
        first_half = np.stack((a, middle, c), 1)
        second_half = np.stack((middle, b, c), 1)
        corners = np.concatenate((first_half, second_half))

    if not finished:
        return corners
    return np.concatenate(finished)


def _edge_lengths(corners: Points) -> Points:
    """Return the lengths (F, 3) of the edges that start at each corner."""
    lengths: Points = np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)
    return lengths


def _triangle_normals(corners: Points) -> Points:
    """Return the unit normals (F, 3) of triangles (F, 3, 3); zero for those without an area."""
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals: Points = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), _TINY)
    return normals
