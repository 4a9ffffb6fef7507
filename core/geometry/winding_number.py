"""What is inside of a mesh, also of a messy one: flipped faces, holes, overlapping parts, sheets, inner junk.

One primitive, :func:`count_ray_crossings`, shoots a ray through each point and counts what it crosses. The mean over
directions of the signed crossings is a Monte Carlo estimate of the generalised winding number (Jacobson et
al. 2013, doi:10.1145/2461912.2461916); the rays that cross nothing are a visibility vote. Faces are first
oriented by which of their sides is seen (after Takayama et al. 2014, "A Simple Method for Correcting Facet
Orientations in Polygon Meshes Based on Ray Casting"); faces seen from both sides are sheets and are thickened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import MeshError

Points = NDArray[np.float64]
Faces = NDArray[np.int32]

THIN_SHEET_THICKNESS = 0.012  # of the longest side: what the finest grid (128 cells) can still show
_PAIRS_AT_ONCE = (
    40_000  # few enough for the processor's cache: with 2,000,000 it takes twice as long
)


def fibonacci_directions(count: int) -> Points:
    """``count`` unit vectors (count, 3) spread over a hemisphere (a Fibonacci lattice); none is along an axis."""
    i = np.arange(count) + 0.5
    z = 1 - i / count
    angle = np.pi * (1 + 5**0.5) * i + 0.37
    r = np.sqrt(1 - z * z)
    return np.stack((r * np.cos(angle), r * np.sin(angle), z), axis=1)


@dataclass(frozen=True)
class RayCrossings:
    """What the two opposite rays of each point cross: (P,) int32 each.

    ahead, behind: number of faces crossed along +direction and along -direction.
    signed_ahead, signed_behind: faces left through their back (+1) less faces entered through their front (-1).
    """

    ahead: NDArray[np.int32]
    behind: NDArray[np.int32]
    signed_ahead: NDArray[np.int32]
    signed_behind: NDArray[np.int32]


def count_ray_crossings(
    vertices: Points, triangles: Faces, points: Points, direction: Points
) -> RayCrossings:
    """Count the triangles that the line through each of ``points`` (P, 3) along ``direction`` (3,) crosses."""
    frame = _frame_of_direction(direction)
    corners = (vertices @ frame.T)[triangles]  # (F, 3, 3), the rays run along z
    x, y, z = (points @ frame.T).T
    edges = edge_functions(corners)
    plane = heights(corners)
    found = [np.empty(0, np.int64)]
    for index, face in _candidate_pairs(corners[..., :2], (x, y)):
        at = x.take(index), y.take(index)
        side = evaluate(edges[0], face, *at) >= 0
        for edge in edges[1:]:
            same = np.flatnonzero((evaluate(edge, face, *at) >= 0) == side)
            index = index.take(same)
            face = face.take(same)
            side = side.take(same)
            at = tuple(p.take(same) for p in at)
        ahead = evaluate(plane, face, *at) > z.take(index)
        found.append(4 * index + 2 * ahead + side)
    counts = (
        np.bincount(np.concatenate(found), minlength=4 * len(points))
        .reshape(-1, 4)
        .astype(np.int32)
    )
    left_behind, entered_behind, entered, left = counts.T
    return RayCrossings(
        entered + left, entered_behind + left_behind, left - entered, left_behind - entered_behind
    )


@dataclass(frozen=True)
class OrientedSolid:
    """A mesh made ready for asking what is inside: faces oriented outwards, sheets thickened.

    vertices: (V, 3) float64. triangles: (F, 3) int32.
    sheet_share: share of the original area that was seen from both sides and has been thickened.
    """

    vertices: Points
    triangles: Faces
    sheet_share: float

    def contains(self, points: NDArray[np.floating], rays: int = 13) -> NDArray[np.bool_]:
        """Which of ``points`` (P, 3) are inside: (P,) bool. ``rays`` lines, twice as many directions.

        Inside is where the winding number is above a half, or what no direction sees from outside.
        """
        low = self.vertices.min(0)
        high = self.vertices.max(0)
        result = np.zeros(len(points), bool)
        near = np.flatnonzero(_points_in_box(points, low, high))
        winding, seen = _winding_and_visibility(
            self.vertices, self.triangles, np.asarray(points, float)[near], rays
        )
        result[near] = (winding > 0.5) | (seen == 0)
        return result

    def sample_surface(self, count: int, rng: np.random.Generator) -> tuple[Points, Points, Faces]:
        """About ``count`` points of the outer surface: points (P, 3), outward normals (P, 3), triangles (P,).

        Faces inside the solid (overlapping parts, inner walls that nothing sees) are left out.
        """
        points, face = sample_triangles(self.vertices, self.triangles, 3 * count // 2, rng)
        normals = face_normals(self.vertices, self.triangles)[face]
        step = 1e-3 * float(np.ptp(self.vertices, axis=0).max())
        sides = self.contains(
            np.concatenate((points + step * normals, points - step * normals)), rays=3
        )
        outside = ~sides[: len(points)]
        inside = sides[len(points) :]
        keep = np.flatnonzero(outside & inside)[:count]
        return points[keep], normals[keep], face[keep]


def orient_and_thicken(
    vertices: NDArray[np.floating], triangles: NDArray[np.integer]
) -> OrientedSolid:
    """Orient the faces of a triangle mesh outwards and give its sheets a thickness.

    Args:
        vertices: (V, 3). triangles: (F, 3) indices; may overlap, be flipped, have holes.

    Raises:
        MeshError: no face has an area.
    """
    vertices = np.asarray(vertices, float)
    triangles = np.asarray(triangles, np.int32)
    if not len(triangles) or not np.isfinite(vertices).all():
        raise MeshError("The mesh has no faces, or has invalid coordinates")
    area = np.linalg.norm(area_normals(vertices, triangles), axis=1) / 2
    triangles = triangles[area > 1e-12 * area.max()]
    area = area[area > 1e-12 * area.max()]
    if not len(triangles):
        raise MeshError("All faces of the mesh have zero area")
    size = float(np.ptp(vertices, axis=0).max())
    front, back = _side_visibility(vertices, triangles, 2e-4 * size)
    flipped = back > front
    triangles = np.where(flipped[:, None], triangles[:, ::-1], triangles)
    sheet = (np.minimum(front, back) >= 2) & ~_has_other_side(
        vertices, triangles, THIN_SHEET_THICKNESS * size
    )
    share = float(area[sheet].sum() / area.sum())
    prisms = _triangle_prisms(vertices, triangles[sheet], THIN_SHEET_THICKNESS * size)
    offset = len(vertices)
    return OrientedSolid(
        np.concatenate((vertices, prisms[0])),
        np.concatenate((triangles[~sheet], prisms[1] + offset)),
        share,
    )


def points_inside(
    vertices: NDArray[np.floating],
    triangles: NDArray[np.integer],
    points: NDArray[np.floating],
    rays: int = 3,
) -> NDArray[np.bool_]:
    """Which of ``points`` (P, 3) are inside a closed, outward-oriented triangle mesh: (P,) bool.

    The winding number as the mean over ``rays`` lines; for one's own extracted surfaces, not for messy meshes.
    """
    points = np.asarray(points, float)
    result = np.zeros(len(points), bool)
    if len(triangles):
        near = np.flatnonzero(_points_in_box(points, vertices.min(0), vertices.max(0)))
        result[near] = (
            _winding_and_visibility(
                np.asarray(vertices, float), np.asarray(triangles), points[near], rays
            )[0]
            > 0.5
        )
    return result


def _points_in_box(
    points: NDArray[np.floating], low: NDArray[np.floating], high: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Which of ``points`` (P, 3) are within the box: (P,). Axis by axis, which is many times as fast as ``all(1)``."""
    x, y, z = (
        (part > start) & (part < end)
        for part, start, end in zip(np.transpose(points), low, high, strict=True)
    )
    return x & y & z


def sample_triangles(
    vertices: Points, triangles: Faces, count: int, rng: np.random.Generator
) -> tuple[Points, Faces]:
    """``count`` points uniform by area: points (count, 3) and the triangle of each (count,)."""
    area = np.linalg.norm(area_normals(vertices, triangles), axis=1)
    face = np.searchsorted(np.cumsum(area), rng.random(count) * area.sum()).clip(
        max=len(triangles) - 1
    )
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    a, b, c = (vertices[triangles[face, k]] for k in range(3))
    return a + u * (b - a) + v * (c - a), face.astype(np.int32)


def face_normals(vertices: Points, triangles: Faces) -> Points:
    """Unit normals (F, 3) of the triangles."""
    cross = area_normals(vertices, triangles)
    return cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-300)


def area_normals(vertices: Points, triangles: Faces) -> Points:
    """Normals (F, 3) of the triangles, as long as twice their area."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(vertices: Points, triangles: Faces) -> Points:
    """Unit normals (V, 3) of the vertices, the triangles' weighed by their area."""
    normals = area_normals(vertices.astype(float), triangles)
    corner = triangles.ravel()
    count = len(vertices)
    total = np.stack(
        [np.bincount(corner, np.repeat(normals[:, k], 3), count) for k in range(3)], axis=1
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300)


def _winding_and_visibility(
    vertices: Points, triangles: Faces, points: Points, rays: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Winding number (P,) and number of directions that cross nothing (P,), over 2 * ``rays`` directions."""
    winding = np.zeros(len(points))
    seen = np.zeros(len(points), np.int64)
    for direction in fibonacci_directions(rays):
        found = count_ray_crossings(vertices, triangles, points, direction)
        winding += found.signed_ahead + found.signed_behind
        seen += (found.ahead == 0).astype(np.int64) + (found.behind == 0)
    return winding / (2 * rays), seen


def _side_visibility(
    vertices: Points, triangles: Faces, step: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each triangle, how many directions see its front and its back: (F,) each."""
    centers = vertices[triangles].mean(1)
    offset = step * face_normals(vertices, triangles)
    _, seen = _winding_and_visibility(
        vertices, triangles, np.concatenate((centers + offset, centers - offset)), 9
    )
    return seen[: len(triangles)], seen[len(triangles) :]


def _has_other_side(vertices: Points, triangles: Faces, reach: float) -> NDArray[np.bool_]:
    """Whether a triangle has another one with the opposite normal within ``reach`` behind it: (F,) bool.

    Such is a thin plate with two walls and no sheet, even if a hole lets light in.
    """
    centers = vertices[triangles].mean(1)
    normals = face_normals(vertices, triangles)
    cells = np.floor(
        np.concatenate((centers, centers - reach / 2 * normals, centers - reach * normals)) / reach
    )
    key = (cells @ np.array((1.0, 4096.0, 4096.0**2))).astype(np.int64)
    own = key[: len(centers)]
    count = len(centers)
    order = np.argsort(own)
    result = np.zeros(count, bool)
    for part in (key[count : 2 * count], key[2 * count :]):
        at = np.searchsorted(own[order], part).clip(max=count - 1)
        other = order[at]
        result |= (own[other] == part) & ((normals[other] * normals).sum(1) < -0.7)
    return result


def _triangle_prisms(vertices: Points, triangles: Faces, thickness: float) -> tuple[Points, Faces]:
    """A closed prism around each triangle, half its ``thickness`` to either side."""
    offset = thickness / 2 * face_normals(vertices, triangles)[:, None]
    corners = vertices[triangles]
    points = np.concatenate((corners + offset, corners - offset), axis=1).reshape(-1, 3)
    top = (0, 1, 2)
    low = (3, 5, 4)
    walls = [f for i, j in ((0, 1), (1, 2), (2, 0)) for f in ((i, i + 3, j + 3), (i, j + 3, j))]
    faces = np.array((top, low, *walls), np.int32)
    return points, (faces + 6 * np.arange(len(triangles), dtype=np.int32)[:, None, None]).reshape(
        -1, 3
    )


def _frame_of_direction(direction: Points) -> Points:
    """Rotation (3, 3) that takes ``direction`` to +z."""
    helper = np.eye(3)[np.argmin(np.abs(direction))]
    x = np.cross(helper, direction)
    x /= np.linalg.norm(x)
    return np.stack((x, np.cross(direction, x), direction))


def edge_functions(corners: Points) -> list[Points]:
    """For each edge of triangles (F, 3, 3) the factors (3, F) of x, y and 1 in its edge function (Pineda 1988).

    An edge that two triangles share has exactly opposite factors in them, so that no ray slips between.
    """
    result = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        a = corners[:, i]
        b = corners[:, j]
        result.append(
            np.stack((a[:, 1] - b[:, 1], b[:, 0] - a[:, 0], a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]))
        )
    return result


def heights(corners: Points) -> Points:
    """The factors (3, F) of x, y and 1 in the z of each triangle's plane; level where it stands upright."""
    a = corners[:, 0]
    normal = np.cross(corners[:, 1] - a, corners[:, 2] - a)
    steep = np.abs(normal[:, 2]) < 1e-300
    slope = np.where(steep[:, None], 0, -normal[:, :2] / np.where(steep, 1, normal[:, 2])[:, None])
    return np.stack((slope[:, 0], slope[:, 1], a[:, 2] - (slope * a[:, :2]).sum(1)))


def evaluate(
    factors: Points, face: NDArray[np.int64], x: NDArray[np.float64], y: NDArray[np.float64]
) -> Points:
    return factors[0].take(face) * x + factors[1].take(face) * y + factors[2].take(face)


def _candidate_pairs(
    corners: Points, points: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of point and triangle that share a tile of a grid over the plane, some at a time.

    Args:
        corners: (F, 3, 2) triangles. points: x and y (P,).
    """
    side = int(np.clip(2 * np.sqrt(len(corners)), 16, 256))
    low = corners.min((0, 1))
    scale = side / np.maximum(corners.max((0, 1)) - low, 1e-12)
    first = ((corners.min(1) - low) * scale).astype(np.int64).clip(0, side - 1)
    last = ((corners.max(1) - low) * scale).astype(np.int64).clip(0, side - 1)
    span = last - first + 1
    face, k = expand(span[:, 0] * span[:, 1])
    tile = (first[face, 1] + k // span[face, 0]) * side + first[face, 0] + k % span[face, 0]
    face = face[
        np.argsort(tile.astype(np.uint16), kind="stable")
    ]  # numpy sorts 16 bits five times as fast
    starts = np.concatenate(((0,), np.cumsum(np.bincount(tile, minlength=side * side))))
    column, row = (
        ((part - start) * each).astype(np.int64)
        for part, start, each in zip(points, low, scale, strict=True)
    )
    free = (points[0] < low[0]) | (points[1] < low[1]) | (column >= side) | (row >= side)
    within = np.flatnonzero(~free)
    point_tile = row[within] * side + column[within]
    count = starts[point_tile + 1] - starts[point_tile]
    chunk = np.cumsum(count) // _PAIRS_AT_ONCE
    for part in np.split(np.arange(len(within)), np.flatnonzero(np.diff(chunk)) + 1):
        which, k = expand(count[part])
        yield within[part].take(which), face.take(starts[point_tile[part]].take(which) + k)


def expand(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For counts (2, 0, 3): owners (0, 0, 2, 2, 2) and ranks within the owner (0, 1, 0, 1, 2)."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
