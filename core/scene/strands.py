"""Hair and points, which have no faces, as thin solids: what a renderer shows of them."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import SceneError

Triangles = tuple[NDArray[np.float64], NDArray[np.int32]]

_MOST = 500_000  # points or pieces of hair; the solids of these take a gigabyte
_RADIUS = 0.01  # of hair and points without one, as Blender draws them
_MIN_LENGTH = 1e-12  # of a piece of hair that has a direction
# A point is an octahedron, with corners along +-x, +-y, +-z.
_OCTAHEDRON = np.concatenate((np.eye(3), -np.eye(3)))
_OCTAHEDRON_FACES = (
    ((0, 1, 2), (1, 3, 2), (3, 4, 2), (4, 0, 2)),
    ((1, 0, 5), (3, 1, 5), (4, 3, 5), (0, 4, 5)),
)
# A piece of hair is a prism of three sides: corners 0 to 2 at its root, 3 to 5 at its tip.
_PRISM_FACES = (
    ((0, 1, 4), (0, 4, 3), (1, 2, 5), (1, 5, 4)),
    ((2, 0, 3), (2, 3, 5), (0, 2, 1), (3, 4, 5)),
)
_TURNS = np.arange(3) * (2 * np.pi / 3)  # of the prism's corners about the hair


def point_triangles(cloud: bpy.types.PointCloud, name: str) -> Triangles:
    """Return the points of a cloud as octahedra.

    Args:
        cloud: To read.
        name: Of its object.

    Returns:
        vertices (V, 3) and triangles (F, 3).

    Raises:
        SceneError: There are too many.
    """
    centers = _positions(cloud, len(cloud.points))
    _check_count(len(centers), name)
    radii = _radii(cloud, len(centers))
    vertices = centers[:, None] + radii[:, None, None] * _OCTAHEDRON
    return _solids(vertices, _OCTAHEDRON_FACES)


def curve_triangles(curves: bpy.types.Curves, name: str) -> Triangles:
    """Return hair as a prism for each piece between two of its points.

    Args:
        curves: To read.
        name: Of its object.

    Returns:
        vertices (V, 3) and triangles (F, 3).

    Raises:
        SceneError: There are too many pieces.
    """
    points = _positions(curves, len(curves.points))
    _check_count(len(points), name)
    radii = _radii(curves, len(points))

    # Every point but the last one of its curve begins a piece.
    offsets = np.zeros(len(curves.curve_offset_data), np.int32)
    curves.curve_offset_data.foreach_get("value", offsets)
    is_root = np.ones(len(points), bool)
    is_root[offsets[1:] - 1] = False
    roots = np.flatnonzero(is_root)
    lengths = np.linalg.norm(points[roots + 1] - points[roots], axis=1)
    roots = roots[lengths > _MIN_LENGTH]
    tips = roots + 1

    # Two directions across each piece.
    along = points[tips] - points[roots]
    least_axis = np.eye(3)[np.abs(along).argmin(1)]
    across = np.cross(along, least_axis)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    other = np.cross(along, across)
    other /= np.linalg.norm(other, axis=1, keepdims=True)

    # Corners (pieces, 3) around each end.
    cosine = np.cos(_TURNS)[:, None]
    sine = np.sin(_TURNS)[:, None]
    ring = cosine * across[:, None] + sine * other[:, None]
    root_corners = points[roots, None] + radii[roots, None, None] * ring
    tip_corners = points[tips, None] + radii[tips, None, None] * ring
    return _solids(np.concatenate((root_corners, tip_corners), axis=1), _PRISM_FACES)


def _solids(vertices: NDArray[np.float64], faces: Sequence[object]) -> Triangles:
    """Return solids (N, corners, 3), all with the same ``faces``, as one mesh."""
    count, corners, _ = vertices.shape
    each = np.array(faces, np.int32).reshape(-1, 3)
    starts = np.arange(count, dtype=np.int32) * corners
    triangles = starts[:, None, None] + each
    return vertices.reshape(-1, 3), triangles.reshape(-1, 3)


def _positions(data: bpy.types.PointCloud | bpy.types.Curves, count: int) -> NDArray[np.float64]:
    """Return the points (N, 3) of a cloud or of hair."""
    positions = np.zeros((count, 3), np.float32)
    attribute = data.attributes.get("position")
    if count and attribute:
        attribute.data.foreach_get("vector", positions.ravel())
    return positions.astype(float)


def _radii(data: bpy.types.PointCloud | bpy.types.Curves, count: int) -> NDArray[np.float64]:
    """Return the radius (N,) of each point."""
    radii = np.full(count, _RADIUS, np.float32)
    attribute = data.attributes.get("radius")
    if count and attribute and attribute.domain == 'POINT':
        attribute.data.foreach_get("value", radii)
    return radii.astype(float)


def _check_count(count: int, name: str) -> None:
    """Raise SceneError if an object has too many points."""
    if count > _MOST:
        raise SceneError(
            f"{name} has {count:,} points of hair or of a point cloud, but at most {_MOST:,} are "
            "supported. Reduce them, or hide it in renders"
        )
