"""Give an open surface a thickness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ..topology import HalfEdges
from ..winding_number import face_normals, vertex_normals

_PULL = 0.02  # weight of the mean normal, which decides where the faces leave a direction open
_MAX_OFFSET = 2.0  # thicknesses that a vertex moves at most, at a sharp edge


def thicken_surface(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    thickness: NDArray[np.float64],
    inward: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    r"""Return the closed surface around a sheet.

    The sheet is copied outward and inward, and the copies are connected along the open edges:

        outer   o---o---o
                |       |
        inner   o---o---o

    Args:
        vertices: (V, 3) of the mesh.
        faces: (F, 3) triangles of the sheet, which face outward.
        thickness: (V,) meters at each vertex.
        inward: (V,) share of the thickness that is behind the faces.

    Returns:
        Vertices (N, 3) and triangles (M, 3).
    """
    used, index = np.unique(faces, return_inverse=True)
    points = vertices[used]
    sheet = index.reshape(-1, 3)
    count = len(points)

    # Both copies. The inner one faces the other side.
    offsets = offset_directions(points, sheet) * thickness[used, None]
    inward_share = inward[used, None]
    outer = points + (1 - inward_share) * offsets
    inner = points - inward_share * offsets
    inner_faces = sheet[:, ::-1] + count

    # A wall along each open edge.
    half_edges = HalfEdges(MeshArrays(points.astype(np.float32), sheet.astype(np.int32)))
    is_open = (half_edges.face_counts() == 1)[half_edges.edge]
    corner = sheet.ravel()
    start = corner[is_open]
    end = corner[half_edges.end_corner[is_open]]
    first = np.stack((end, start, start + count), axis=1)
    second = np.stack((end, start + count, end + count), axis=1)

    return np.concatenate((outer, inner)), np.concatenate((sheet, inner_faces, first, second))


def offset_directions(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return for each vertex the vector (V, 3) that moves all its faces by about 1.

    That is the vector m with m . n = 1 for the normals n of the faces around the vertex, in the
    sense of least squares, weighted by their angles. Along directions that these leave open, as all
    but one on flat ground, it follows the mean normal.

    Args:
        vertices: (V, 3).
        faces: (F, 3) triangles.
    """
    normals = face_normals(vertices, faces)
    weights = _corner_angles(vertices, faces)
    products = np.einsum("fi,fj->fij", normals, normals).reshape(-1, 9)

    # Sums over the corners of each vertex.
    corner = faces.ravel()
    matrices = np.zeros((len(vertices), 9))
    targets = np.zeros((len(vertices), 3))
    for column in range(9):
        values = weights * products[:, column, None]
        matrices[:, column] = np.bincount(corner, values.ravel(), len(vertices))
    for column in range(3):
        values = weights * normals[:, column, None]
        targets[:, column] = np.bincount(corner, values.ravel(), len(vertices))

    # The pull towards the mean normal makes every matrix regular.
    mean = vertex_normals(vertices, faces)
    total = np.maximum(np.bincount(corner, weights.ravel(), len(vertices)), 1e-12)
    pull = _PULL * total
    system = matrices.reshape(-1, 3, 3) + pull[:, None, None] * np.eye(3)
    target = targets + pull[:, None] * mean
    offsets: NDArray[np.float64] = np.linalg.solve(system, target[..., None])[..., 0]

    lengths = np.linalg.norm(offsets, axis=1, keepdims=True)
    limited: NDArray[np.float64] = offsets * np.minimum(1, _MAX_OFFSET / np.maximum(lengths, 1e-12))
    return limited


def _corner_angles(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the angles (F, 3) at the corners of triangles, radians."""
    corners = vertices[faces]
    to_next = np.roll(corners, -1, axis=1) - corners
    to_last = np.roll(corners, 1, axis=1) - corners
    cross = np.linalg.norm(np.cross(to_next, to_last), axis=2)
    dot = np.einsum("fki,fki->fk", to_next, to_last)
    angles: NDArray[np.float64] = np.arctan2(cross, dot)
    return angles
