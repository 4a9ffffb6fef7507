"""Silhouette fitting: move a mesh a little so that its outlines match the masks of the views.

Each point of a mask's contour pulls at the nearest point of the mesh's outline, as in iterative
closest points, and vertices outside of a mask are pushed back to it:

                             --o--
                            /  |  /    o: a vertex outside is pushed back
    - - - - - - - - - - - -/- -v-/-    mask's contour
        ^     ^     ^     /            pulls
    ---------------------/             mesh's outline

Both are differentiable in the vertices. These move as a smooth field: the parameters are offsets of
the vertices, averaged over neighbors several times before they are applied. Contour and outline are
matched anew in every outer iteration. In between, L-BFGS minimizes pulls, pushes and a stiffness.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...arrays import MeshArrays, View
from ...geometry.silhouette import render_silhouette, silhouette_iou
from ...geometry.winding_number import vertex_normals
from ...imaging.thin_lines import strengthen_thin_lines
from ...jobs.task import Progress, Task
from ..metrics import nearest_distance
from .preprocessing import crop_camera, crop_mask, crop_view

Floats = NDArray[np.float32] | NDArray[np.float64]

_WINDOW = 256  # pixels: width and height of a view's window
_OUTER_ITERATIONS = 4  # how often contour and outline are matched
_STEPS = 4  # of L-BFGS after each matching
_INNER_ITERATIONS = 3  # in each step
_HISTORY = 8  # updates that L-BFGS approximates the curvature from
_MAX_DISTANCE = (
    12.0  # pixels: a contour further from any outline belongs to a part that the mesh lacks
)
_HUBER_DELTA = 4.0  # pixels beyond which a pull no longer grows with its distance
_SMOOTHING = 4  # rounds of averaging over neighbors
_STIFFNESS = 20.0  # weight of bending, per vertex, in squared pixels
_CONTOUR_POINTS = 1500  # of each mask
_FACING_WEIGHT = 8.0  # pixels that opposite directions of contour and outline count as
_NORMAL_STEP = 1e-4  # units along a normal, to project its direction
_MIN_DEPTH = 1e-3  # units in front of the camera

_COMPARING = "Comparing with the images"
_FITTING = "Fitting to the images"


@dataclass(frozen=True)
class SilhouetteFit:
    """IoU of the mesh's silhouette with the mask of each view, before and after."""

    before: tuple[float, ...]
    after: tuple[float, ...]


def fit_to_views(mesh: MeshArrays, views: Sequence[View]) -> Task[tuple[MeshArrays, SilhouetteFit]]:
    """Return ``mesh``, moved to match the masks, or unchanged if the mean IoU would not be higher.

    Vertices move, faces stay: the mesh is as closed and manifold as before.

    Args:
        mesh: In the frame of the cameras of ``views``.
        views: Their alpha is the masks.
    """
    targets = []
    for view in views:
        yield Progress(0.0, _COMPARING)
        targets.append(_SilhouetteTarget(crop_view(view, _WINDOW)))
    before = yield from _compare_silhouettes(mesh, targets, 0.0)

    deformation = _Deformation(mesh)
    edges = _unique_edges(mesh)
    for iteration in range(_OUTER_ITERATIONS):
        progress = Progress(0.1 + 0.8 * iteration / _OUTER_ITERATIONS, _FITTING)

        # Match contours and outlines.
        moved = deformation.moved_mesh()
        normals = vertex_normals(moved.vertices.astype(np.float64), moved.to_triangles())
        correspondences = []
        for target in targets:
            yield progress
            correspondences.append(target.find_correspondences(moved, edges, normals))

        # Move the vertices.
        objective = _Objective(deformation, targets, correspondences)
        for _ in range(_STEPS):
            yield progress
            objective.minimize()

    fitted = deformation.moved_mesh()
    after = yield from _compare_silhouettes(fitted, targets, 0.9)
    if np.mean(after) > np.mean(before):
        return fitted, SilhouetteFit(before, after)
    return mesh, SilhouetteFit(before, before)


def measure_silhouettes(mesh: MeshArrays, views: Sequence[View]) -> tuple[float, ...]:
    """Return the IoU of the mesh's silhouette with the mask of each view.

    Args:
        mesh: In the frame of the cameras of ``views``.
        views: Their alpha is the masks.
    """
    scores = []
    for view in views:
        mask = crop_mask(view, _WINDOW) > 0.5
        scores.append(silhouette_iou(mesh, crop_camera(view.camera, _WINDOW), mask))
    return tuple(scores)


class _Deformation:
    """A smooth movement of the vertices of a mesh.

    start: (V, 3), vertices of the mesh.
    parameters: (V, 3), offsets before smoothing.
    """

    def __init__(self, mesh: MeshArrays) -> None:
        self._mesh = mesh
        self._smoothing = _NeighborSmoothing(mesh)
        self.start = torch.from_numpy(mesh.vertices)
        self.parameters = torch.zeros_like(self.start, requires_grad=True)

    def smooth_offset(self) -> Tensor:
        """Return the offsets (V, 3) of the vertices, differentiable in the parameters."""
        return self._smoothing.distribute(self.parameters)

    def bending(self, offset: Tensor) -> Tensor:
        """Return how far each offset (V, 3) differs from the mean over its neighbors."""
        return offset - self._smoothing(offset)

    def moved_mesh(self) -> MeshArrays:
        """Return the mesh as it is moved now."""
        offset = self._smoothing.distribute(self.parameters.detach())
        return replace(self._mesh, vertices=(self.start + offset).numpy())


class _Objective:
    """Pulls, pushes and stiffness as a function of a deformation, and its minimizer."""

    def __init__(
        self,
        deformation: _Deformation,
        targets: Sequence[_SilhouetteTarget],
        correspondences: Sequence[_Correspondences],
    ) -> None:
        self._deformation = deformation
        self._targets = targets
        self._correspondences = correspondences
        self._optimizer = torch.optim.LBFGS(
            [deformation.parameters],
            max_iter=_INNER_ITERATIONS,
            history_size=_HISTORY,
            line_search_fn="strong_wolfe",
        )

    def minimize(self) -> None:
        """Take a step of L-BFGS."""
        with torch.enable_grad():
            self._optimizer.step(self._loss)

    def _loss(self) -> Tensor:
        """Return the loss, and compute its gradient."""
        start = self._deformation.start
        offset = self._deformation.smooth_offset()
        bending = self._deformation.bending(offset) * _WINDOW
        total = _STIFFNESS * bending.square().sum() / len(start)
        for target, correspondences in zip(self._targets, self._correspondences, strict=True):
            total = total + target.silhouette_loss(start + offset, correspondences)

        self._optimizer.zero_grad()
        torch.autograd.backward(total)
        parameters = self._deformation.parameters
        if parameters.grad is not None:
            parameters.grad = parameters.grad.contiguous()  # L-BFGS flattens it with view()
        return total


@dataclass(frozen=True)
class _Correspondences:
    """Points of a mesh's outline in a view, and the lines of the mask's contour that pull at them.

    edges: (K, 2), vertices of the edges on which the outline's points are.
    share: (K,), of the way from an edge's first vertex to its second.
    contour: (K, 2), pixels that the lines pass through.
    facing: (K, 2), unit directions across the lines.
    """

    edges: Tensor
    share: Tensor
    contour: Tensor
    facing: Tensor

    @classmethod
    def empty(cls) -> _Correspondences:
        return cls(
            edges=torch.zeros(0, 2, dtype=torch.long),
            share=torch.zeros(0),
            contour=torch.zeros(0, 2),
            facing=torch.zeros(0, 2),
        )

    def pull_loss(self, pixels: Tensor) -> Tensor:
        """Return the sum of the Huber losses of the distances between points and lines.

        Args:
            pixels: (V, 2), the vertices in the view.
        """
        first = pixels[self.edges[:, 0]]
        second = pixels[self.edges[:, 1]]
        outline = torch.lerp(first, second, self.share[:, None])
        to_outline = outline - self.contour
        distance = (to_outline * self.facing).sum(1)
        zero = torch.zeros_like(distance)
        return F.huber_loss(distance, zero, reduction="sum", delta=_HUBER_DELTA)


@dataclass(frozen=True)
class _Rim:
    """Points on a mesh, between faces that face the camera and faces that do not.

    edges: (K, 2), vertices of the edges that they are on.
    share: (K,), of the way from an edge's first vertex to its second.
    """

    edges: NDArray[np.int64]
    share: NDArray[np.float64]

    @classmethod
    def of_mesh(cls, edges: NDArray[np.int64], facing: NDArray[np.float64]) -> _Rim:
        """Return the points where ``facing`` changes its sign.

        Args:
            edges: (E, 2), of the mesh.
            facing: (V,), positive where the normal of a vertex is towards the camera.
        """
        changes_sign = facing[edges[:, 0]] * facing[edges[:, 1]] < 0
        rim_edges = edges[changes_sign]
        first = facing[rim_edges[:, 0]]
        second = facing[rim_edges[:, 1]]
        return cls(rim_edges, first / (first - second))

    def interpolate(self, values: Floats) -> Floats:
        """Return ``values`` (V, C) of the vertices at the points (K, C)."""
        first = values[self.edges[:, 0]]
        second = values[self.edges[:, 1]]
        return np.asarray(first + self.share[:, None] * (second - first))


class _SilhouetteTarget:
    """The mask of a view, to which a mesh is fitted, in pixels of its window.

    An empty mask has no effect.
    """

    def __init__(self, view: View) -> None:
        camera = view.camera
        alpha = strengthen_thin_lines(view.image[..., 3])
        self._camera = camera
        self._from_world = torch.from_numpy(camera.from_world.astype(np.float32))
        self._intrinsics = torch.from_numpy(camera.intrinsics.astype(np.float32))
        self._mask = alpha > 0.5

        # Signed distance of each pixel to the contour, positive outside.
        contour, facing = _contour_points(alpha)
        rows, columns = np.mgrid[:_WINDOW, :_WINDOW] + 0.5
        pixels = np.stack((columns.ravel(), rows.ravel()), 1)
        distance: Floats = np.zeros(len(pixels))
        if len(contour):
            distance = nearest_distance(pixels, contour)[0]
        signed_distance = np.where(self._mask, -1, 1) * distance.reshape(_WINDOW, _WINDOW)
        self._distance = torch.from_numpy(signed_distance.astype(np.float32))[None, None]

        # A random part of the contour is enough, and bounds the time for a long one.
        order = np.random.default_rng(0).permutation(len(contour))
        subset = order[:_CONTOUR_POINTS]
        self._contour = contour[subset]
        self._facing = _unit_directions(facing[subset])

    def silhouette_iou(self, mesh: MeshArrays) -> float:
        """Return the IoU of the silhouette of ``mesh`` with the mask."""
        return silhouette_iou(mesh, self._camera, self._mask)

    def find_correspondences(
        self, mesh: MeshArrays, edges: NDArray[np.int64], normals: NDArray[np.float64]
    ) -> _Correspondences:
        """Match points of the mask's contour with points of the mesh's outline.

        Args:
            mesh: As it is moved now.
            edges: (E, 2), of the mesh.
            normals: (V, 3), of its vertices.
        """
        rim = _Rim.of_mesh(edges, self._facing_camera(mesh, normals))
        points = rim.interpolate(mesh.vertices)
        rim_normals = rim.interpolate(normals)

        # Only what is at the silhouette's edge: other parts of the rim are in front of the mesh.
        silhouette = render_silhouette(mesh, self._camera).astype(np.float32)
        outline, _ = _contour_points(silhouette)
        pixels, depth = self._camera.project(points)
        at_outline = np.flatnonzero(_near_edge_pixels(pixels, outline) & (depth > 0))
        if not len(at_outline) or not len(self._contour):
            return _Correspondences.empty()

        # The nearest in position and direction, so that the two sides of a thin part keep apart.
        ahead, _ = self._camera.project(points[at_outline] + _NORMAL_STEP * rim_normals[at_outline])
        directions = _unit_directions(ahead - pixels[at_outline])
        outline_lines = _signed_lines(pixels[at_outline], directions)
        contour_lines = _signed_lines(self._contour, self._facing)
        distance, nearest = nearest_distance(contour_lines, outline_lines)

        is_near = distance < _MAX_DISTANCE
        index = at_outline[nearest[is_near]]

        return _Correspondences(
            edges=torch.from_numpy(rim.edges[index]),
            share=torch.from_numpy(rim.share[index].astype(np.float32)),
            contour=torch.from_numpy(self._contour[is_near].astype(np.float32)),
            facing=torch.from_numpy(self._facing[is_near].astype(np.float32)),
        )

    def silhouette_loss(self, vertices: Tensor, correspondences: _Correspondences) -> Tensor:
        """Return pulls and pushes, per point of the contour.

        Args:
            vertices: (V, 3).
            correspondences: See :meth:`find_correspondences`.
        """
        pixels = self._project(vertices)
        ndc = (pixels / _WINDOW * 2 - 1)[None, None]
        distance = F.grid_sample(self._distance, ndc, padding_mode="border", align_corners=False)
        outside = distance.relu()
        count = max(len(self._contour), 1)
        pull = correspondences.pull_loss(pixels) / count
        push = outside.square().sum() / count

        return pull + push

    def _facing_camera(self, mesh: MeshArrays, normals: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (V,), positive where a vertex's normal is towards the camera."""
        to_world = self._camera.to_world
        if self._camera.orthographic:
            return np.asarray((normals * to_world[:3, 2]).sum(1))
        return np.asarray((normals * (to_world[:3, 3] - mesh.vertices)).sum(1))

    def _project(self, points: Tensor) -> Tensor:
        """Return pixels (P, 2) of ``points`` (P, 3); those behind the camera are far outside."""
        local = points @ self._from_world[:3, :3].T + self._from_world[:3, 3]
        flat = local[:, :2]
        if not self._camera.orthographic:
            flat = flat / local[:, 2:].clamp_min(_MIN_DEPTH)
        return flat @ self._intrinsics[:2, :2].T + self._intrinsics[:2, 2]


def _compare_silhouettes(
    mesh: MeshArrays, targets: Sequence[_SilhouetteTarget], start: float
) -> Task[tuple[float, ...]]:
    """Return the IoU of ``mesh`` with each of ``targets``; ``start`` is the progress so far."""
    scores = []
    for index, target in enumerate(targets):
        yield Progress(start + 0.1 * index / len(targets), _COMPARING)
        scores.append(target.silhouette_iou(mesh))
    return tuple(scores)


def _contour_points(
    coverage: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points (K, 2), x and y, between two pixels where ``coverage`` crosses one half.

    Also returns the directions (K, 2) outwards there, of any length.

    Args:
        coverage: (H, W) in 0..1.
    """
    padded = np.pad(coverage.astype(float), 1)
    outwards = -np.stack(np.gradient(_blur_mask(padded))[::-1], axis=-1)
    points = []
    directions = []

    for axis in (0, 1):
        # Pairs of neighbors along the axis, one of which is inside.
        count = padded.shape[axis]
        first = padded.take(range(count - 1), axis)
        second = padded.take(range(1, count), axis)
        is_crossed = (first > 0.5) != (second > 0.5)
        rows, columns = np.nonzero(is_crossed)

        # Where the coverage between the two is one half.
        to_half = 0.5 - first[rows, columns]
        rise = (second - first)[rows, columns]
        share = to_half / rise
        crossing = np.stack((columns, rows), 1) - 0.5
        crossing[:, 1 - axis] += share
        points.append(crossing)

        next_outwards = outwards[rows + (axis == 0), columns + (axis == 1)]
        directions.append(outwards[rows, columns] + next_outwards)

    return np.concatenate(points), np.concatenate(directions)


def _blur_mask(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``values`` (H, W), blurred by a binomial filter of three pixels."""
    for axis in (0, 1):
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    return values


def _unique_edges(mesh: MeshArrays) -> NDArray[np.int64]:
    """Return the edges (E, 2) of a closed mesh, each once."""
    ends = np.stack((mesh.faces, np.roll(mesh.faces, -1, axis=1)), axis=2).reshape(-1, 2)
    is_forward = ends[:, 0] < ends[:, 1]  # the two faces of an edge have it in opposite directions
    return ends[is_forward].astype(np.int64)


def _signed_lines(
    points: NDArray[np.float64], directions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (K, 4), whose distances combine those of points and of directions.

    Args:
        points: (K, 2), pixels.
        directions: (K, 2), of length 1.
    """
    return np.concatenate((points, _FACING_WEIGHT / 2 * directions), axis=1)


def _unit_directions(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``directions`` (K, 2) with length 1; zero stays zero."""
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    return np.asarray(directions / np.maximum(length, 1e-9))


def _near_edge_pixels(
    pixels: NDArray[np.float64], edge: NDArray[np.float64], reach: int = 1
) -> NDArray[np.bool_]:
    """Return which (P,) of ``pixels`` (P, 2) are within ``reach`` pixels of ``edge`` (K, 2)."""
    is_near = np.zeros((_WINDOW + 2, _WINDOW + 2), bool)  # with a border for what is outside
    last = _WINDOW + 1
    column, row = _bordered_pixels(edge)
    shifts = range(-reach, reach + 1)

    for down in shifts:
        near_row = (row + down).clip(0, last)
        for across in shifts:
            near_column = (column + across).clip(0, last)
            is_near[near_row, near_column] = True

    column, row = _bordered_pixels(pixels)
    return np.asarray(is_near[row, column])


def _bordered_pixels(pixels: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return column and row (2, P) of ``pixels`` (P, 2) in a window with a border of one pixel."""
    return np.asarray(np.floor(pixels.clip(-1, _WINDOW)).astype(int).T + 1)


class _NeighborSmoothing:
    """The mean over each vertex and its neighbors (umbrella Laplacian), as a sparse matrix."""

    def __init__(self, mesh: MeshArrays) -> None:
        # In a closed mesh each edge is in two faces, in opposite directions: both neighbors get
        # each other.
        first = mesh.faces.ravel()
        second = np.roll(mesh.faces, -1, axis=1).ravel()
        itself = np.arange(len(mesh.vertices))
        row = np.concatenate((first, itself))
        column = np.concatenate((second, itself))

        count = np.bincount(row, minlength=len(itself))
        share = (1 / count[row]).astype(np.float32)
        weight = torch.from_numpy(share)
        self._matrix = _sparse_matrix(row, column, weight)
        self._transposed = _sparse_matrix(column, row, weight)

    def __call__(self, field: Tensor) -> Tensor:
        """Return the means (V, C) of ``field`` (V, C)."""
        result: Tensor = _SparseMatmul.apply(  # type: ignore[no-untyped-call]
            field, self._matrix, self._transposed
        )
        return result

    def distribute(self, field: Tensor) -> Tensor:
        """Return ``field`` (V, C) after several rounds of averaging."""
        for _ in range(_SMOOTHING):
            field = self(field)
        return field


class _SparseMatmul(torch.autograd.Function):
    """Matrix times field.

    PyTorch's gradient transposes the matrix each time, which takes 20 times as long.
    """

    @staticmethod
    def forward(ctx: Any, field: Tensor, matrix: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return matrix @ field

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed @ gradient, None, None


def _sparse_matrix(row: NDArray[Any], column: NDArray[Any], weight: Tensor) -> Tensor:
    """Return a matrix (V, V) in compressed rows; every vertex is in ``row`` at least once."""
    row_column = np.stack((row, column)).astype(np.int64)
    index = torch.from_numpy(row_column)
    size = int(row.max()) + 1
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR")  # a notice that its support is in beta
        matrix = torch.sparse_coo_tensor(index, weight, (size, size), check_invariants=False)
        return matrix.coalesce().to_sparse_csr()
