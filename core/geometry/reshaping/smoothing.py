r"""Smooth a reconstructed surface, most where no image shows it, with its outlines kept.

Each vertex is drawn to the place that it has, and to the mean of its neighbors. The least of

    sum over vertices of  weight * |x - place|^2  +  strength * sum over edges of |x - neighbor|^2

is a sparse linear system, solved by conjugate gradients (an implicit step of Laplacian smoothing,
Desbrun et al. 1999, doi:10.1145/311535.311576). That alone would shrink the mesh. So what the
first solution removes is smoothed as well and added again, which leaves dents and steps out, but
keeps what is larger ("twicing", Tukey 1977).

With a single view, the coordinates are those of its image and the depth. Vertices of the outline
get a large weight in the image and none more in depth, so that the silhouette stays:

        camera   o)  ------------------.          x  kept from side to side in the image,
                     ------------------ x         free along the ray
                     ------------------'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera
from ...imaging.morphology import erode
from ..rasterization import render_vertex_depth
from ..winding_number import vertex_normals

Floats = NDArray[np.floating[Any]]

DEFAULT_SMOOTH = 0.5
_MAX_LENGTH = 0.07  # of the longest side: the range of smoothing of hidden parts at most
_SEEN_WEIGHT = 4.0  # of vertices that a view shows, relative to hidden ones
_OUTLINE_WEIGHT = 1000.0  # of vertices at the outline of a view
_WEIGHT_ROUNDS = 4  # of averaging weights, so that there is no step between seen and hidden
_ITERATIONS = 30  # of conjugate gradients at most
_TOLERANCE = 0.05  # of the residual at which to stop, relative to the first one
_MIN_COSINE = 0.1  # between a normal and the direction to a camera that sees the surface


@dataclass(frozen=True)
class _Graph:
    """The edges of a mesh as a table, for fast sums over neighbors.

    Vertices are sorted by falling number of neighbors, so that those that have a first, second, ...
    neighbor are the first ones.

    Attributes:
        order: (V,) the vertex at each place of the sorted order.
        columns: For k = 0, 1, ...: the places of the k-th neighbors of the first vertices.
        counts: (V,) number of neighbors, in the sorted order.
    """

    order: NDArray[np.int64]
    columns: tuple[NDArray[np.int32], ...]
    counts: NDArray[np.float32]

    @classmethod
    def from_faces(cls, faces: NDArray[np.int32], vertex_count: int) -> _Graph:
        """Return the graph of a closed mesh, each of whose edges occurs once in each direction."""
        corners = faces.shape[1]
        vertex = faces.ravel()
        neighbor = faces[:, np.r_[1:corners, 0]].ravel()
        degree = np.bincount(vertex, minlength=vertex_count)
        order = np.argsort(-degree, kind="stable")
        place = np.empty(vertex_count, np.int32)
        place[order] = np.arange(vertex_count, dtype=np.int32)

        # Neighbors of a vertex follow each other; column k has the k-th of each.
        by_place = np.argsort(place[vertex], kind="stable")
        neighbor_place = place[neighbor[by_place]]
        counts = degree[order]
        first = np.cumsum(counts) - counts
        columns = []
        for k in range(int(counts.max(initial=0))):
            owners = int(np.searchsorted(-counts, -k))  # have more than k neighbors
            columns.append(neighbor_place[first[:owners] + k])
        return cls(order, tuple(columns), counts.astype(np.float32))

    def neighbor_sum(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sums (V, C) of the neighbors' values, in the sorted order."""
        sums = np.zeros_like(values)
        for column in self.columns:
            sums[: len(column)] += values[column]
        return sums


def smooth_surface(
    mesh: MeshArrays, cameras: Sequence[Camera], smooth: float = DEFAULT_SMOOTH
) -> MeshArrays:
    """Return a closed mesh whose steps and dents are smoothed.

    Args:
        mesh: The mesh.
        cameras: Of the views that it was made from.
        smooth: Strength, 0 (nothing is changed) to 1.
    """
    if smooth <= 0 or not len(mesh.vertices):
        return mesh
    graph = _Graph.from_faces(mesh.faces, len(mesh.vertices))
    vertices = mesh.vertices.astype(float)
    spacing = _edge_length(mesh)
    is_seen, is_outline = _visibility(mesh, cameras, spacing)

    # How far neighbors draw: by the square of the smoothed length in edges.
    extent = float(np.ptp(vertices, axis=0).max())
    length = smooth * _MAX_LENGTH * extent / spacing
    weights = np.where(is_seen, _SEEN_WEIGHT, 1.0)[graph.order].astype(np.float32)
    for _ in range(_WEIGHT_ROUNDS):
        weights = (weights + graph.neighbor_sum(weights[:, None])[:, 0]) / (graph.counts + 1)
    outline_weights = np.maximum(weights, _OUTLINE_WEIGHT * is_outline[graph.order])

    # A single view keeps its outline from side to side only.
    positions = vertices
    depth_weights = outline_weights
    view = None

    if len(cameras) == 1:
        view = _ViewCoordinates.of_camera(cameras[0], vertices)
        positions = view.from_points(vertices)
        depth_weights = weights

    all_weights = np.stack((outline_weights, outline_weights, depth_weights), axis=1)

    strength = np.float32(length**2 / 4)
    result = np.empty_like(positions)
    result[graph.order] = _smooth_values(graph, positions[graph.order], all_weights, strength)
    if view:
        result = view.to_points(result)
    return replace(mesh, vertices=result.astype(np.float32))


def _smooth_values(
    graph: _Graph, values: Floats, weights: NDArray[np.float32], strength: np.float32
) -> NDArray[np.float64]:
    """Return smoothed values (V, 3); twice, see the module."""
    center = values.mean(0)
    start = (values - center).astype(np.float32)
    first = _solve(graph, start, weights, strength)
    second = _solve(graph, start - first, weights, strength)
    result: NDArray[np.float64] = (first + second).astype(float) + center
    return result


def _solve(
    graph: _Graph, values: NDArray[np.float32], weights: NDArray[np.float32], strength: np.float32
) -> NDArray[np.float32]:
    """Return x (V, C) with weights * x + strength * L x = weights * values; L: Laplacian.

    By conjugate gradients with the diagonal as preconditioner, which is done for all channels at a
    time.
    """
    diagonal = weights + strength * graph.counts[:, None]
    solution = values.copy()

    def apply(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return diagonal * x - strength * graph.neighbor_sum(x)

    residual = weights * values - apply(solution)
    preconditioned = residual / diagonal
    direction = preconditioned.copy()
    product = _column_products(residual, preconditioned)
    stop = _TOLERANCE**2 * product

    for _ in range(_ITERATIONS):
        if (product <= stop).all():
            break
        image = apply(direction)
        step = product / np.maximum(_column_products(direction, image), 1e-30)
        solution += step * direction
        residual -= step * image
        preconditioned = residual / diagonal
        next_product = _column_products(residual, preconditioned)
        direction = preconditioned + next_product / np.maximum(product, 1e-30) * direction
        product = next_product

    return solution


def _column_products(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the scalar products (C,) of the columns of two arrays (V, C)."""
    return np.asarray(np.einsum("ij,ij->j", first, second))


def _edge_length(mesh: MeshArrays) -> float:
    """Return the mean length of the first edges of the faces."""
    first = mesh.vertices[mesh.faces[:, 0]]
    second = mesh.vertices[mesh.faces[:, 1]]
    return float(np.linalg.norm(first - second, axis=1).mean())


def _visibility(
    mesh: MeshArrays, cameras: Sequence[Camera], spacing: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which vertices (V,) any camera sees, and which are at the outline in one."""
    vertices = mesh.vertices.astype(float)
    normals = vertex_normals(vertices, mesh.to_triangles())
    is_seen = np.zeros(len(vertices), bool)
    is_outline = np.zeros(len(vertices), bool)

    for camera in cameras:
        buffer = render_vertex_depth(vertices, camera, spacing)
        toward = np.broadcast_to(camera.to_world[:3, 2], vertices.shape)
        if not camera.orthographic:
            toward = camera.to_world[:3, 3] - vertices
            toward = toward / np.linalg.norm(toward, axis=1, keepdims=True)
        cosine = (normals * toward).sum(1)
        is_seen |= (cosine > _MIN_COSINE) & ~buffer.hides(vertices, cosine)

        # Pixels at the edge of those that vertices fill.
        filled = np.pad(np.isfinite(buffer.depth), 2)
        edge = filled & ~erode(filled)
        pixels, _ = buffer.camera.project(vertices)
        column, row = (np.floor(pixels).astype(int) + 2).T
        column = column.clip(0, edge.shape[1] - 1)
        row = row.clip(0, edge.shape[0] - 1)
        is_outline |= edge[row, column]

    return is_seen, is_outline


@dataclass(frozen=True)
class _ViewCoordinates:
    """Coordinates of a view: those of its image, in the units of the object, and the depth.

    Attributes:
        camera: The camera.
        pixel: Width of a pixel at the object.
    """

    camera: Camera
    pixel: float

    @classmethod
    def of_camera(cls, camera: Camera, points: Floats) -> _ViewCoordinates:
        """Return the coordinates of a camera that sees points (P, 3)."""
        _, depth = camera.project(points)
        distance = 1.0 if camera.orthographic else float(depth.mean())
        return cls(camera, float(distance / camera.intrinsics[0, 0]))

    def from_points(self, points: Floats) -> NDArray[np.float64]:
        """Return the coordinates (P, 3) of points (P, 3)."""
        pixels, depth = self.camera.project(points)
        return np.concatenate((pixels * self.pixel, depth[:, None]), axis=1)

    def to_points(self, coordinates: Floats) -> NDArray[np.float64]:
        """Return the points (P, 3) of coordinates (P, 3)."""
        return self.camera.unproject(coordinates[:, :2] / self.pixel, coordinates[:, 2])
