"""What is inside a mesh, also a messy one: flipped faces, holes, overlapping parts, sheets.

Rays are shot through each point, in opposite pairs along a few directions, and the faces that they
cross are counted, +1 where a ray leaves through the back of a face and -1 where it enters through
the front:

            +--------------+
       -1   |    +1        |  hole
     -----> |  *---------> |            ray to the right: left once, +1: inside
            |  | 0         :            ray through the hole: no crossing, 0: outside
            +--v   ........:
             hole

The mean over directions is a Monte Carlo estimate of the generalized winding number (Jacobson et
al. 2013, doi:10.1145/2461912.2461916), which is above a half inside, even if some rays pass through
holes. The rays that cross nothing are a second estimate: a point that no ray sees from outside is
inside.

Faces are first oriented by which of their sides is seen (after Takayama et al. 2014, "A Simple
Method for Correcting Facet Orientations in Polygon Meshes Based on Ray Casting"). Faces seen from
both sides are sheets, which are thickened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MeshError
from .ray_crossings import Faces as Faces
from .ray_crossings import Points as Points
from .ray_crossings import count_ray_crossings

THIN_SHEET_THICKNESS = 0.012  # of the longest side: what the finest grid (128 cells) still shows

_INSIDE = 0.5  # winding number above which a point is inside
_MIN_AREA = 1e-12  # of the largest face's area; smaller faces have no direction
_SIDE_RAYS = 9  # lines by which the sides of faces are compared
_SIDE_STEP = 2e-4  # of the longest side: distance from a face at which its sides are viewed
_MIN_SHEET_VIEWS = 2  # directions that must see both sides of a sheet
_OPPOSITE = -0.7  # cosine below which two normals are opposite
_SURFACE_STEP = 1e-3  # of the longest side: distance at which the sides of a sample are tested
_SURFACE_RAYS = 3  # lines of that test
_CELLS = 4096.0  # base of the numbers of cells, larger than any coordinate of a cell
_TINY = 1e-300  # against division by zero


@dataclass(frozen=True)
class OrientedSolid:
    """A mesh prepared for inside tests: faces oriented outwards, sheets thickened.

    Attributes:
        vertices: (V, 3) float64.
        triangles: (F, 3) int32.
        sheet_share: Share of the original area that was seen from both sides and is thickened.
    """

    vertices: Points
    triangles: Faces
    sheet_share: float

    def contains(self, points: NDArray[np.floating[Any]], rays: int = 13) -> NDArray[np.bool_]:
        """Return which points are inside.

        Inside is where the winding number is above a half, or what no direction sees from outside.

        Args:
            points: (P, 3).
            rays: Number of lines through each point; each gives two directions.

        Returns:
            (P,) bool.
        """
        # Only points in the bounding box may be inside.
        lower = self.vertices.min(0)
        upper = self.vertices.max(0)
        in_box = _points_in_box(points, lower, upper)
        candidates = np.flatnonzero(in_box)
        candidate_points = np.asarray(points, float)[candidates]

        winding, free_directions = _winding_and_visibility(
            self.vertices, self.triangles, candidate_points, rays
        )
        is_wound = winding > _INSIDE
        is_hidden = free_directions == 0

        result = np.zeros(len(points), bool)
        result[candidates] = is_wound | is_hidden
        return result

    def sample_surface(self, count: int, rng: np.random.Generator) -> tuple[Points, Points, Faces]:
        """Sample points of the outer surface, uniform by area.

        Faces inside the solid (overlapping parts, inner walls that nothing sees) are left out.

        Args:
            count: Number of points; there may be a few less.
            rng: Random numbers.

        Returns:
            Points (P, 3), outward normals (P, 3), and the triangle of each point (P,).
        """
        points, face = sample_triangles(self.vertices, self.triangles, 3 * count // 2, rng)
        normals = face_normals(self.vertices, self.triangles)[face]

        # A point of the outer surface has the solid behind it and nothing in front.
        size = float(np.ptp(self.vertices, axis=0).max())
        offset = _SURFACE_STEP * size * normals
        tests = np.concatenate((points + offset, points - offset))
        is_inside = self.contains(tests, rays=_SURFACE_RAYS)
        front_is_free = ~is_inside[: len(points)]
        back_is_solid = is_inside[len(points) :]

        outer = np.flatnonzero(front_is_free & back_is_solid)[:count]
        return points[outer], normals[outer], face[outer]


def fibonacci_directions(count: int) -> Points:
    """Return ``count`` unit vectors (count, 3), evenly spread over a hemisphere.

    They are a Fibonacci lattice; none is along an axis.
    """
    index = np.arange(count) + 0.5
    z = 1 - index / count
    angle = np.pi * (1 + 5**0.5) * index + 0.37
    radius = np.sqrt(1 - z * z)
    return np.stack((radius * np.cos(angle), radius * np.sin(angle), z), axis=1)


def orient_and_thicken(
    vertices: NDArray[np.floating[Any]], triangles: NDArray[np.integer[Any]]
) -> OrientedSolid:
    """Orient the faces of a triangle mesh outwards and give its sheets a thickness.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) indices; the triangles may overlap, be flipped, have holes.

    Raises:
        MeshError: No face has an area, or coordinates are not finite.
    """
    vertices = np.asarray(vertices, float)
    faces: Faces = np.asarray(triangles, np.int32)
    if not len(faces) or not np.isfinite(vertices).all():
        raise MeshError("The mesh has no faces, or has invalid coordinates")

    area = np.linalg.norm(area_normals(vertices, faces), axis=1) / 2
    has_area = area > _MIN_AREA * area.max()
    faces = faces[has_area]
    area = area[has_area]
    if not len(faces):
        raise MeshError("All faces of the mesh have zero area")

    # Turn the faces whose back is seen more often than their front.
    size = float(np.ptp(vertices, axis=0).max())
    front_views, back_views = _side_visibility(vertices, faces, _SIDE_STEP * size)
    is_flipped = back_views > front_views
    faces = np.where(is_flipped[:, None], faces[:, ::-1], faces)

    # Replace sheets by prisms.
    thickness = THIN_SHEET_THICKNESS * size
    seen_from_both = np.minimum(front_views, back_views) >= _MIN_SHEET_VIEWS
    is_sheet = seen_from_both & ~_has_other_side(vertices, faces, thickness)
    prism_vertices, prism_faces = _triangle_prisms(vertices, faces[is_sheet], thickness)

    return OrientedSolid(
        vertices=np.concatenate((vertices, prism_vertices)),
        triangles=np.concatenate((faces[~is_sheet], prism_faces + len(vertices))),
        sheet_share=float(area[is_sheet].sum() / area.sum()),
    )


def points_inside(
    vertices: NDArray[np.floating[Any]],
    triangles: NDArray[np.integer[Any]],
    points: NDArray[np.floating[Any]],
    rays: int = 3,
) -> NDArray[np.bool_]:
    """Return which points are inside a closed, outward-oriented triangle mesh.

    Use it for extracted surfaces, not for messy meshes.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) indices.
        points: (P, 3).
        rays: Number of lines through each point over which the winding number is averaged.

    Returns:
        (P,) bool.
    """
    points = np.asarray(points, float)
    result = np.zeros(len(points), bool)
    if not len(triangles):
        return result

    in_box = _points_in_box(points, vertices.min(0), vertices.max(0))
    candidates = np.flatnonzero(in_box)
    winding, _ = _winding_and_visibility(
        np.asarray(vertices, float), np.asarray(triangles), points[candidates], rays
    )
    result[candidates] = winding > _INSIDE

    return result


def sample_triangles(
    vertices: Points, triangles: Faces, count: int, rng: np.random.Generator
) -> tuple[Points, Faces]:
    """Sample points of triangles, uniform by area.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) indices.
        count: Number of points.
        rng: Random numbers.

    Returns:
        Points (count, 3) and the triangle of each (count,).
    """
    normals = area_normals(vertices, triangles)
    area = np.linalg.norm(normals, axis=1)

    # A triangle is hit as often as its share of the sum of the areas.
    target = rng.random(count) * area.sum()
    face = np.searchsorted(np.cumsum(area), target)
    face = face.clip(max=len(triangles) - 1)

    # Points in the other half of the parallelogram are mirrored into the triangle.
    u, v = rng.random((2, count, 1))
    is_beyond = u + v > 1
    u = np.where(is_beyond, 1 - u, u)
    v = np.where(is_beyond, 1 - v, v)

    a, b, c = (vertices[triangles[face, k]] for k in range(3))
    points = a + u * (b - a) + v * (c - a)
    return points, face.astype(np.int32)


def face_normals(vertices: Points, triangles: NDArray[np.integer[Any]]) -> Points:
    """Return the unit normals (F, 3) of the triangles; zero for those without an area."""
    return _normalized(area_normals(vertices, triangles))


def area_normals(vertices: Points, triangles: NDArray[np.integer[Any]]) -> Points:
    """Return normals (F, 3) of the triangles whose length is twice the area."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normals: Points = np.cross(b - a, c - a)
    return normals


def vertex_normals(vertices: Points, triangles: NDArray[np.integer[Any]]) -> Points:
    """Return the unit normals (V, 3) of the vertices, from triangles weighted by their area."""
    normals = area_normals(vertices.astype(float), triangles)
    corner = triangles.ravel()
    sums = []
    for axis in range(3):
        corner_values = np.repeat(normals[:, axis], 3)
        sums.append(np.bincount(corner, corner_values, len(vertices)))
    return _normalized(np.stack(sums, axis=1))


def _normalized(vectors: Points) -> Points:
    """Return vectors (N, 3) scaled to length 1; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    normals: Points = vectors / np.maximum(lengths, _TINY)
    return normals


def _points_in_box(
    points: NDArray[np.floating[Any]],
    lower: NDArray[np.floating[Any]],
    upper: NDArray[np.floating[Any]],
) -> NDArray[np.bool_]:
    """Return which of ``points`` (P, 3) are within a box."""
    # Axis by axis is many times as fast as a reduction with all(1).
    in_box = np.ones(len(points), bool)
    for axis in range(3):
        values = points[:, axis]
        in_box &= values > lower[axis]
        in_box &= values < upper[axis]
    return in_box


def _winding_and_visibility(
    vertices: Points, triangles: Faces, points: Points, rays: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the winding number of points and the number of directions that cross nothing.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) indices.
        points: (P, 3).
        rays: Number of lines through each point; each gives two directions.

    Returns:
        (P,) and (P,).
    """
    winding = np.zeros(len(points))
    free_directions = np.zeros(len(points), np.int64)
    for direction in fibonacci_directions(rays):
        crossings = count_ray_crossings(vertices, triangles, points, direction)
        winding += crossings.signed_ahead + crossings.signed_behind
        free_directions += crossings.ahead == 0
        free_directions += crossings.behind == 0

    return winding / (2 * rays), free_directions


def _side_visibility(
    vertices: Points, triangles: Faces, step: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each triangle how many directions see its front and its back: (F,) each.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) indices.
        step: Distance from the triangle's center at which it is viewed.
    """
    centers = vertices[triangles].mean(1)
    offset = step * face_normals(vertices, triangles)
    points = np.concatenate((centers + offset, centers - offset))
    _, free_directions = _winding_and_visibility(vertices, triangles, points, _SIDE_RAYS)
    return free_directions[: len(triangles)], free_directions[len(triangles) :]


def _has_other_side(vertices: Points, triangles: Faces, reach: float) -> NDArray[np.bool_]:
    """Return whether each triangle has one with the opposite normal within ``reach`` behind it.

    Such triangles are the walls of a thin plate, and not sheets, even if light enters by a hole.

    Args:
        vertices: (V, 3).
        triangles: (F, 3) indices.
        reach: Distance to search, also the size of the cells of the search.

    Returns:
        (F,) bool.
    """
    centers = vertices[triangles].mean(1)
    normals = face_normals(vertices, triangles)
    count = len(centers)

    # The cells of the centers, and of the points half and completely the reach behind them.
    half_behind = centers - reach / 2 * normals
    behind = centers - reach * normals
    cells = np.floor(np.concatenate((centers, half_behind, behind)) / reach)
    key = (cells @ np.array((1.0, _CELLS, _CELLS**2))).astype(np.int64)
    center_key = key[:count]
    order = np.argsort(center_key)
    sorted_keys = center_key[order]

    # Compare with the first triangle whose center is in the cell.
    result = np.zeros(count, bool)
    for target_key in (key[count : 2 * count], key[2 * count :]):
        position = np.searchsorted(sorted_keys, target_key).clip(max=count - 1)
        other = order[position]
        is_in_cell = center_key[other] == target_key
        cosine = (normals[other] * normals).sum(1)
        result |= is_in_cell & (cosine < _OPPOSITE)

    return result


def _triangle_prisms(vertices: Points, triangles: Faces, thickness: float) -> tuple[Points, Faces]:
    r"""Return a closed prism around each triangle, half the thickness on either side.

    0-------2
    |\     /|        vertices of a prism
    | \   / |
    |   1   |
    3---|---5
     \  |  /
       \|/
        4
    """
    normals = face_normals(vertices, triangles)
    offset = thickness / 2 * normals[:, None]
    corners = vertices[triangles]
    points = np.concatenate((corners + offset, corners - offset), axis=1)

    # The two ends, and two triangles for each wall.
    prism = [(0, 1, 2), (3, 5, 4)]
    for i, j in ((0, 1), (1, 2), (2, 0)):
        prism.append((i, i + 3, j + 3))
        prism.append((i, j + 3, j))

    rank = np.arange(len(triangles), dtype=np.int32)
    first_vertex = 6 * rank[:, None, None]
    faces = np.array(prism, np.int32) + first_vertex
    return points.reshape(-1, 3), faces.reshape(-1, 3)
