"""How far points are from the surface of a solid: exact to its triangles, also where parts of it overlap.

Which triangle is nearest tells a tree that is given, see ``core.scene.bvh``: Blender has one.

Nearest of all triangles to a point outside is never one buried in the solid, since the way there would have to come
through the surface first. From a point inside it may be; such points are asked again against what is not buried.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .winding_number import OrientedSolid, Points

Nearest = Callable[[Points], NDArray[np.int64]]
Tree = Callable[[Points], Nearest]

_STEP = 1e-3  # of the longest side: how far before the surface to look whether that is outside
# of the longest side: the longest edge of pieces that are buried or not
_COARSE = 1 / 24
_FINE = 1 / 96
_RAYS = 3


def signed_distance(
    solid: OrientedSolid, points: NDArray[np.floating], inside: NDArray[np.bool_], tree: Tree
) -> Points:
    """Distance (P,) float64 in metres from ``points`` (P, 3) to the surface of ``solid``, negative inside.

    Exact to the triangles, but for points inside whose nearest triangle is buried: where a triangle is half buried,
    the seam is known to a hundredth of the longest side.

    Args:
        inside: (P,) bool, whether a point is inside: the sign.
        tree: of corners (F, 3, 3) gives what tells the index (P,) of the triangle nearest to each of points (P, 3).
    """
    points = np.asarray(points, float)
    corners = solid.vertices[solid.triangles]
    triangle = tree(corners)(points)
    squared, place = closest_on_triangles(points, corners[triangle])
    distance = np.sqrt(squared)
    within = np.flatnonzero(inside)
    normals = _triangle_normals(corners[triangle[within]])
    way = place[within] - points[within]
    way /= np.maximum(distance[within], 1e-300)[:, None]
    exposed = _is_outside(solid, place[within], normals) | _is_outside(solid, place[within], way)
    buried = within[~exposed]
    if len(buried):
        pieces = _outer_triangles(solid, corners)
        if len(pieces):
            nearest = pieces[tree(pieces)(points[buried])]
            distance[buried] = np.sqrt(closest_on_triangles(points[buried], nearest)[0])
    return np.where(inside, -distance, distance)


def closest_on_triangles(points: Points, corners: Points) -> tuple[Points, Points]:
    """Each of ``points`` (P, 3) against its own triangle (P, 3, 3): squared distance (P,) and the place on it (P, 3).

    The foot on the plane if it is within the triangle, else the best of the feet on the three sides.
    """
    a = corners[:, 0]
    b = corners[:, 1]
    c = corners[:, 2]
    normal = np.cross(b - a, c - a)
    length = np.einsum("ij,ij->i", normal, normal)
    squared = np.full(len(points), np.inf)
    place = np.empty((len(points), 3))
    within = length > 0
    for start, end in ((a, b), (b, c), (c, a)):
        side = end - start
        way = points - start
        share = np.einsum("ij,ij->i", way, side) / np.maximum(
            np.einsum("ij,ij->i", side, side), 1e-300
        )
        foot = start + share.clip(0, 1)[:, None] * side
        off = points - foot
        distance = np.einsum("ij,ij->i", off, off)
        better = distance < squared
        squared[better] = distance[better]
        place[better] = foot[better]
        within &= np.einsum("ij,ij->i", np.cross(side, way), normal) >= 0
    height = np.einsum("ij,ij->i", (points - a)[within], normal[within])
    squared[within] = height**2 / length[within]
    place[within] = points[within] - (height / length[within])[:, None] * normal[within]
    return squared, place


def _outer_triangles(solid: OrientedSolid, corners: Points) -> Points:
    """The triangles (F, 3, 3) in pieces (N, 3, 3), less those that are buried in the solid."""
    size = float(np.ptp(solid.vertices, axis=0).max())
    pieces = _bisect_triangles(corners, _COARSE * size)
    small = _edge_lengths(pieces).max(1) <= _FINE * size
    fine = pieces[small]
    pieces = pieces[~small]
    middle = pieces.mean(1, keepdims=True)
    looks = np.concatenate((middle, 0.9 * pieces + 0.1 * middle), axis=1)
    normals = np.repeat(_triangle_normals(pieces), 4, 0)
    free = _is_outside(solid, looks.reshape(-1, 3), normals).reshape(-1, 4)
    mixed = free.any(1) & ~free.all(1)
    fine = np.concatenate((fine, _bisect_triangles(pieces[mixed], _FINE * size)))
    return np.concatenate(
        (pieces[free.all(1)], fine[_is_outside(solid, fine.mean(1), _triangle_normals(fine))])
    )


def _is_outside(solid: OrientedSolid, places: Points, ways: Points) -> NDArray[np.bool_]:
    """Whether a small step from ``places`` (P, 3) along the unit vectors ``ways`` (P, 3) leads outside: (P,)."""
    step = _STEP * float(np.ptp(solid.vertices, axis=0).max())
    return ~solid.contains(places + step * ways, _RAYS)


def _bisect_triangles(corners: Points, longest: float) -> Points:
    """Triangles (F, 3, 3) halved across their longest edge until none is longer than ``longest``."""
    done = []
    while len(corners):
        edges = _edge_lengths(corners)
        small = edges.max(1) <= longest
        done.append(corners[small])
        corners = corners[~small]
        edge = edges[~small].argmax(1)
        rows = np.arange(len(corners))
        a, b, c = (corners[rows, (edge + k) % 3] for k in range(3))
        middle = (a + b) / 2
        corners = np.concatenate((np.stack((a, middle, c), 1), np.stack((middle, b, c), 1)))
    return np.concatenate(done) if done else corners


def _edge_lengths(corners: Points) -> Points:
    """Lengths (F, 3) of the edges that begin at each corner."""
    return np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)


def _triangle_normals(corners: Points) -> Points:
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-300)
