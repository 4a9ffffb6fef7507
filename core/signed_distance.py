"""How far points are from the surface of a solid: exact to its triangles, also where parts of it overlap.

Nearest of all triangles to a point outside is never one buried in the solid, since the way there would have to come
through the surface first. From a point inside it may be; such points are asked again against what is not buried.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .nearest import TriangleTree
from .solid import Points, Solid

_STEP = 1e-3  # of the longest side: how far before the surface to look whether that is outside
_COARSE, _FINE = 1 / 24, 1 / 96  # of the longest side: the longest edge of pieces that are buried or not
_RAYS = 3


def signed_distance(solid: Solid, points: NDArray[np.floating], inside: NDArray[np.bool_]) -> Points:
    """Distance (P,) float64 in metres from ``points`` (P, 3) to the surface of ``solid``, negative inside.

    Exact to the triangles, but for points inside whose nearest triangle is buried: where a triangle is half buried,
    the seam is known to a hundredth of the longest side.

    Args:
        inside: (P,) bool, whether a point is inside: the sign.
    """
    points = np.asarray(points, float)
    corners = solid.vertices[solid.triangles]
    near = TriangleTree(corners).nearest(points)
    distance = np.sqrt(near.squared)
    within = np.flatnonzero(inside)
    normals = _normals(corners[near.triangle[within]])
    way = near.place[within] - points[within]
    way /= np.maximum(distance[within], 1e-300)[:, None]
    exposed = _outside(solid, near.place[within], normals) | _outside(solid, near.place[within], way)
    buried = within[~exposed]
    if len(buried):
        pieces = _exposed(solid, corners)
        if len(pieces):
            distance[buried] = np.sqrt(TriangleTree(pieces).nearest(points[buried]).squared)
    return np.where(inside, -distance, distance)


def _exposed(solid: Solid, corners: Points) -> Points:
    """The triangles (F, 3, 3) in pieces (N, 3, 3), less those that are buried in the solid."""
    size = float(np.ptp(solid.vertices, axis=0).max())
    pieces = _bisected(corners, _COARSE * size)
    small = _edges(pieces).max(1) <= _FINE * size
    fine, pieces = pieces[small], pieces[~small]
    middle = pieces.mean(1, keepdims=True)
    looks = np.concatenate((middle, 0.9 * pieces + 0.1 * middle), axis=1)
    normals = np.repeat(_normals(pieces), 4, 0)
    free = _outside(solid, looks.reshape(-1, 3), normals).reshape(-1, 4)
    mixed = free.any(1) & ~free.all(1)
    fine = np.concatenate((fine, _bisected(pieces[mixed], _FINE * size)))
    return np.concatenate((pieces[free.all(1)], fine[_outside(solid, fine.mean(1), _normals(fine))]))


def _outside(solid: Solid, places: Points, ways: Points) -> NDArray[np.bool_]:
    """Whether a small step from ``places`` (P, 3) along the unit vectors ``ways`` (P, 3) leads outside: (P,)."""
    step = _STEP * float(np.ptp(solid.vertices, axis=0).max())
    return ~solid.inside(places + step * ways, _RAYS)


def _bisected(corners: Points, longest: float) -> Points:
    """Triangles (F, 3, 3) halved across their longest edge until none is longer than ``longest``."""
    done = []
    while len(corners):
        edges = _edges(corners)
        small = edges.max(1) <= longest
        done.append(corners[small])
        corners, edge = corners[~small], edges[~small].argmax(1)
        rows = np.arange(len(corners))
        a, b, c = (corners[rows, (edge + k) % 3] for k in range(3))
        middle = (a + b) / 2
        corners = np.concatenate((np.stack((a, middle, c), 1), np.stack((middle, b, c), 1)))
    return np.concatenate(done) if done else corners


def _edges(corners: Points) -> Points:
    """Lengths (F, 3) of the edges that begin at each corner."""
    return np.linalg.norm(np.roll(corners, -1, axis=1) - corners, axis=2)


def _normals(corners: Points) -> Points:
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    return cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-300)
