"""The silhouette of a mesh in an image.

How many faces cover a point follows from their edges alone: along a row of the image every edge
that is passed begins or ends a face. Where two faces that lie beside each other share an edge, one
ends as the other begins. So only edges at which the surface turns back or ends have to be looked
at, which are few.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..cameras import Camera
from .ray_crossings import expand
from .topology import HalfEdges

Floats = NDArray[np.floating[Any]]

_SUPERSAMPLING = 3  # fine pixels along a pixel; odd, so that the middle one decides at an edge
_HALF_COVERED = _SUPERSAMPLING**2 / 2


def render_silhouette(mesh: MeshArrays, camera: Camera) -> NDArray[np.bool_]:
    """Return which pixels (H, W) of a camera are at least half covered by a mesh.

    Faces that are not completely in front of the camera are left out.

    Args:
        mesh: The mesh.
        camera: Its width and height are those of the result.
    """
    fine = camera.resized(_SUPERSAMPLING * camera.width, _SUPERSAMPLING * camera.height)
    pixels, depth = fine.project(mesh.vertices)
    in_front = (depth[mesh.faces] > 0).all(1)
    shown = replace(mesh, faces=mesh.faces[in_front])
    is_covered = _count_faces(shown, pixels, fine.width, fine.height) != 0

    # How many of its fine pixels are covered.
    shape = (camera.height, _SUPERSAMPLING, camera.width, _SUPERSAMPLING)
    counts = is_covered.reshape(shape).sum((1, 3))
    return np.asarray(counts > _HALF_COVERED)


def _count_faces(mesh: MeshArrays, corners: Floats, width: int, height: int) -> NDArray[np.int32]:
    """Return how many faces cover the center of each pixel (height, width).

    Args:
        mesh: Its faces may be in either order.
        corners: (V, 2) pixels of its vertices.
        width: Of the image.
        height: Of the image.
    """
    start, end, turns = _turning_edges(mesh, corners)

    # The rows whose middle an edge passes, and where.
    first, last = np.sort((corners[start, 1], corners[end, 1]), axis=0)
    first_row = np.ceil(first - 0.5).clip(0, height).astype(np.int64)
    end_row = np.ceil(last - 0.5).clip(0, height).astype(np.int64)
    edge, rank = expand(end_row - first_row)
    row = first_row[edge] + rank
    origin = corners[start][edge]
    span = corners[end][edge] - origin
    x = origin[:, 0] + span[:, 0] * ((row + 0.5 - origin[:, 1]) / span[:, 1])
    column = np.ceil(x - 0.5).clip(0, width).astype(np.int64)

    # From that column on there are as many faces more, or less.
    change = turns[edge] * np.sign(span[:, 1])
    size = height * (width + 1)
    changes = np.bincount(row * (width + 1) + column, change, size)
    by_row = changes.reshape(height, width + 1)
    return by_row.cumsum(1)[:, :width].astype(np.int32)


def _turning_edges(
    mesh: MeshArrays, corners: Floats
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]], NDArray[np.float64]]:
    """Return the edges that do not lie between two faces beside each other in the image.

    Returns:
        Their ends (E,) and (E,), and of how many more faces (E,) they are run through from the
        first to the second end than back, if all faces are run through clockwise.
    """
    half_edges = HalfEdges(mesh)
    start = mesh.faces.ravel().astype(np.int64)
    end = start[half_edges.end_corner]
    x, y = np.ascontiguousarray(corners.T)
    double_area = (x[start] * y[end] - x[end] * y[start]).reshape(mesh.faces.shape).sum(1)
    orientation = np.sign(double_area).repeat(mesh.faces.shape[1])

    # Of each edge the sum of what its faces say, and any of its half-edges.
    turns = np.where(half_edges.is_forward, orientation, -orientation)
    sums = np.bincount(half_edges.edge, turns)
    any_half = np.empty(len(sums), np.int64)
    any_half[half_edges.edge] = np.arange(len(start))

    turning = np.flatnonzero(sums)
    chosen = any_half[turning]
    along = np.where(half_edges.is_forward[chosen], sums[turning], -sums[turning])
    return start[chosen], end[chosen], along


def silhouette_iou(mesh: MeshArrays, camera: Camera, mask: NDArray[np.bool_]) -> float:
    """Return the IoU of a mesh's silhouette with a mask (H, W); 1 if both are empty.

    Args:
        mesh: The mesh.
        camera: In the frame of the mesh; its width and height are those of the mask.
        mask: Where the object is.
    """
    silhouette = render_silhouette(mesh, camera)
    union = int((silhouette | mask).sum())
    if not union:
        return 1.0
    return float((silhouette & mask).sum() / union)
