"""The exact distance from points to a triangle mesh, many at once.

A tree of boxes over the triangles (sorted along a Morton curve, as Karras 2012, "Maximizing Parallelism in the
BVHs", four children a node instead of two) is walked level by level with all points together: a pair of
point and box lives on while the box is nearer than the nearest corner of a triangle that the point knows of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Pairs = NDArray[np.int64]

_WIDE = 4  # children of a node
_LEAF = 4  # triangles of a leaf
_SCOUTED = 16  # points share a scout, whose distance bounds theirs
_AT_ONCE = 4096  # points


@dataclass(frozen=True)
class Nearest:
    """What lies nearest to P points: squared distance (P,), triangle (P,) and the place on it (P, 3)."""

    squared: Points
    triangle: Pairs
    place: Points


class TriangleTree:
    """Triangles made ready for asking which is nearest.

    Args:
        corners: (F, 3, 3) float64, one row a corner; F > 0.
    """

    def __init__(self, corners: Points) -> None:
        order = np.argsort(_morton(corners.mean(1)), kind="stable")
        depth = 0
        while _LEAF * _WIDE**depth < len(order):
            depth += 1
        last = -(-len(order) // _LEAF)
        # the last leaf is filled up with its last triangle: asked twice, it is as near as once
        self._order = np.concatenate((order, np.full(last * _LEAF - len(order), order[-1])))
        self._corners = corners[self._order]
        grouped = self._corners.reshape(last, _LEAF * 3, 3)
        levels = [(grouped.min(1), grouped.max(1), grouped[:, 0])]
        for _ in range(depth):
            starts = np.arange(0, len(levels[-1][0]), _WIDE)
            low, high, known = levels[-1]
            levels.append((np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts), known[starts]))
        self._levels = levels[::-1]  # root first: low and high corners, and a point of the surface inside, (N, 3) each

    def nearest(self, points: NDArray[np.floating]) -> Nearest:
        """The nearest triangle to each of ``points`` (P, 3)."""
        points = np.asarray(points, float)
        squared, triangle, place = np.empty(len(points)), np.empty(len(points), np.int64), np.empty((len(points), 3))
        low, high, _ = self._levels[0]
        slack = 1e-9 * float((high - low).max())  # for what rounding does to a scout's distance
        order = np.argsort(_morton(points), kind="stable")  # neighbours ask the same boxes
        for part in np.split(order, np.arange(_AT_ONCE, len(order), _AT_ONCE)):
            asking = points[part]
            scouts = asking[::_SCOUTED]
            found = self._ask(scouts, np.full(len(scouts), np.inf))[0]
            scout = np.arange(len(part)) // _SCOUTED
            bound = np.sqrt(found[scout]) + np.linalg.norm(asking - scouts[scout], axis=1)
            squared[part], triangle[part], place[part] = self._ask(asking, (bound + slack) ** 2)
        return Nearest(squared, triangle, place)

    def _ask(self, points: Points, known: Points) -> tuple[Points, Pairs, Points]:
        """As :class:`Nearest` has them; none of ``points`` is farther than the root of ``known`` (P,)."""
        index, leaf, gap = self._leaves(points, known)
        squared = np.full(len(points), np.inf)
        triangle, place = np.zeros(len(points), np.int64), np.zeros((len(points), 3))
        by_gap = np.lexsort((gap, index))
        index, leaf, gap = index[by_gap], leaf[by_gap], gap[by_gap]
        while len(index):  # the nearest box of each point first, then those that are still nearer than what it held
            first = np.flatnonzero(np.r_[True, index[1:] != index[:-1]])
            who, member = index[first], leaf[first, None] * _LEAF + np.arange(_LEAF)
            near, at = closest_on_triangles(np.repeat(points[who], _LEAF, 0), self._corners[member.ravel()])
            near, rows = near.reshape(-1, _LEAF), np.arange(len(who))
            best = near.argmin(1)
            better = near[rows, best] < squared[who]
            won, best, rows = who[better], best[better], rows[better]
            squared[won], triangle[won] = near[rows, best], self._order[member[rows, best]]
            place[won] = at.reshape(-1, _LEAF, 3)[rows, best]
            left = gap < squared[index]
            left[first] = False
            index, leaf, gap = index[left], leaf[left], gap[left]
        return squared, triangle, place

    def _leaves(self, points: Points, known: Points) -> tuple[Pairs, Pairs, Points]:
        """Pairs of points and the leaves that may hold their nearest triangle, with the squared gap between them."""
        index, node = np.arange(len(points)), np.zeros(len(points), np.int64)
        gap = np.zeros(len(points))
        for level, (low, high, inside) in enumerate(self._levels):
            if level:
                index, node = np.repeat(index, _WIDE), (node[:, None] * _WIDE + np.arange(_WIDE)).ravel()
                there = node < len(low)
                index, node = index[there], node[there]
            asking = points[index]
            gap = _gap(asking, low[node], high[node])
            near = gap <= known[index]
            index, node, gap, asking = index[near], node[near], gap[near], asking[near]
            found = ((inside[node] - asking) ** 2).sum(1) * (1 + 1e-12)  # a box's corner itself is not farther
            known = _least(known, index, found)
            near = gap <= known[index]
            index, node, gap = index[near], node[near], gap[near]
        return index, node, gap


def closest_on_triangles(points: Points, corners: Points) -> tuple[Points, Points]:
    """Each of ``points`` (P, 3) against its own triangle (P, 3, 3): squared distance (P,) and the place on it (P, 3).

    The foot on the plane if it is within the triangle, else the best of the feet on the three sides.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    length = np.einsum("ij,ij->i", normal, normal)
    squared, place = np.full(len(points), np.inf), np.empty((len(points), 3))
    within = length > 0
    for start, end in ((a, b), (b, c), (c, a)):
        side, way = end - start, points - start
        share = np.einsum("ij,ij->i", way, side) / np.maximum(np.einsum("ij,ij->i", side, side), 1e-300)
        foot = start + share.clip(0, 1)[:, None] * side
        off = points - foot
        distance = np.einsum("ij,ij->i", off, off)
        better = distance < squared
        squared[better], place[better] = distance[better], foot[better]
        within &= np.einsum("ij,ij->i", np.cross(side, way), normal) >= 0
    height = np.einsum("ij,ij->i", (points - a)[within], normal[within])
    squared[within] = height**2 / length[within]
    place[within] = points[within] - (height / length[within])[:, None] * normal[within]
    return squared, place


def _gap(points: Points, low: Points, high: Points) -> Points:
    """Squared distance (Q,) from each of ``points`` (Q, 3) to its own box."""
    outside = np.maximum(np.maximum(low - points, points - high), 0)
    return np.einsum("ij,ij->i", outside, outside)


def _least(known: Points, index: Pairs, found: Points) -> Points:
    """``known`` (P,) lowered to the least of ``found`` (Q,) of each; ``index`` (Q,) says whose, in order."""
    starts = np.flatnonzero(np.r_[True, index[1:] != index[:-1]])
    known = known.copy()
    known[index[starts]] = np.minimum(known[index[starts]], np.minimum.reduceat(found, starts))
    return known


def _morton(points: Points) -> NDArray[np.uint64]:
    """Key (P,) of each of ``points`` (P, 3) along a curve that keeps neighbours together."""
    low, size = points.min(0), np.maximum(np.ptp(points, axis=0).max(), 1e-300)
    cell = ((points - low) / size * 1023.999).astype(np.uint64)
    for shift, mask in ((16, 0x30000FF), (8, 0x300F00F), (4, 0x30C30C3), (2, 0x9249249)):
        cell = (cell | (cell << np.uint64(shift))) & np.uint64(mask)
    return cell[:, 0] | (cell[:, 1] << np.uint64(1)) | (cell[:, 2] << np.uint64(2))
