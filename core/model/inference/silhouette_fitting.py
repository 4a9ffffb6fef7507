"""Moves a mesh a little so that its silhouettes match the pictures' masks.

Each mask's contour pulls at the nearest point of the mesh's outline, as iterative closest points do, and vertices that
fall outside a mask are pushed back by their distance to it. Both are differentiable in the vertices, which move as a
smooth field.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...arrays import MeshArrays, View
from ...geometry.silhouette import render_silhouette
from ...geometry.winding_number import vertex_normals
from ...jobs.task import Progress, Task
from ..metrics import iou, nearest_distance
from .preprocessing import crop_view

_SIDE = 256  # pixels of a picture's window
_OUTER_ITERATIONS = 4  # how often the mesh's outlines are sought anew
_STEPS = 4  # between two looks
_FAR = 12.0  # pixels: a contour further from any outline belongs to what the mesh lacks
_SMOOTHING = 4  # rounds of averaging over neighbours that the field of movements goes through
_STIFFNESS = 20.0
_CONTOUR = 1500  # points of each contour
_NEAR = 1e-3  # units before the camera
_FACING = 8.0  # pixels that opposite directions of two outlines count as


@dataclass(frozen=True)
class SilhouetteFit:
    """IoU of the mesh's silhouette with the mask of each view, before and after."""

    before: tuple[float, ...]
    after: tuple[float, ...]


def fit_to_views(mesh: MeshArrays, views: Sequence[View]) -> Task[tuple[MeshArrays, SilhouetteFit]]:
    """``mesh``, in the frame of the cameras of ``views``, moved to match their masks; as it was if that is no better.

    Its vertices move, its faces stay: it is as closed and manifold as before.
    """
    targets = []
    for view in views:
        yield Progress(0.0, "Comparing with the images")
        targets.append(_SilhouetteTarget(crop_view(view, _SIDE)))
    before = yield from _compare_silhouettes(mesh, targets, 0.0)
    average = _NeighborSmoothing(mesh)
    edges = _unique_edges(mesh)
    start = torch.from_numpy(mesh.vertices)
    free = torch.zeros_like(start, requires_grad=True)
    for look in range(_OUTER_ITERATIONS):
        done = 0.1 + 0.8 * look / _OUTER_ITERATIONS
        current = replace(mesh, vertices=(start + average.distribute(free.detach())).numpy())
        normals = vertex_normals(current.vertices, current.to_triangles())
        found = []
        for target in targets:
            yield Progress(done, "Fitting to the images")
            found.append(target.find_correspondences(current, edges, normals))
        optimizer = torch.optim.LBFGS(
            [free], max_iter=3, history_size=8, line_search_fn="strong_wolfe"
        )

        def loss(optimizer=optimizer, found=found) -> Tensor:
            offset = average.distribute(free)
            bent = (offset - average(offset)) * _SIDE
            total = _STIFFNESS * bent.square().sum() / len(start)
            for target, pulls in zip(targets, found, strict=True):
                total = total + target.silhouette_loss(start + offset, pulls)
            optimizer.zero_grad()
            total.backward()
            free.grad = (
                free.grad.contiguous() if free.grad is not None else None
            )  # LBFGS wants it so
            return total

        for _ in range(_STEPS):
            yield Progress(done, "Fitting to the images")
            with torch.enable_grad():
                optimizer.step(loss)
    fitted = replace(mesh, vertices=(start + average.distribute(free.detach())).numpy())
    after = yield from _compare_silhouettes(fitted, targets, 0.9)
    return (
        (fitted, SilhouetteFit(before, after))
        if np.mean(after) > np.mean(before)
        else (mesh, SilhouetteFit(before, before))
    )


@dataclass(frozen=True)
class _Correspondences:
    """Points of a mesh's outline in a picture, on its edges, and the lines of the mask's contour that pull at them.

    edges: (K, 2) vertices. share: (K,) of the way from the first to the second. contour: (K, 2) pixels that the lines
    pass through. facing: (K, 2) unit directions across them.
    """

    edges: Tensor
    share: Tensor
    contour: Tensor
    facing: Tensor

    @classmethod
    def empty(cls) -> _Correspondences:
        return cls(
            torch.zeros(0, 2, dtype=torch.long),
            torch.zeros(0),
            torch.zeros(0, 2),
            torch.zeros(0, 2),
        )

    def residuals(self, pixels: Tensor) -> Tensor:
        """What remains between them, vertices being at ``pixels`` (V, 2)."""
        at = torch.lerp(pixels[self.edges[:, 0]], pixels[self.edges[:, 1]], self.share[:, None])
        apart = ((at - self.contour) * self.facing).sum(1)
        return F.huber_loss(apart, torch.zeros_like(apart), reduction="sum", delta=4.0)


class _SilhouetteTarget:
    """A picture's mask as something to move towards; an empty one pulls at nothing. In pixels of its window."""

    def __init__(self, view: View) -> None:
        self._camera = view.camera
        matrices = (view.camera.from_world, view.camera.intrinsics)
        self._matrices = [torch.from_numpy(np.asarray(matrix, np.float32)) for matrix in matrices]
        self._mask = view.image[..., 3] > 0.5
        contour, facing = _contour_points(view.image[..., 3])
        rows, columns = np.mgrid[:_SIDE, :_SIDE] + 0.5
        pixels = np.stack((columns.ravel(), rows.ravel()), 1)
        distance = nearest_distance(pixels, contour)[0] if len(contour) else np.zeros(len(pixels))
        signed = np.where(self._mask, -1, 1) * distance.reshape(_SIDE, _SIDE)
        self._distance = torch.from_numpy(signed.astype(np.float32))[None, None]
        pick = np.random.default_rng(0).permutation(len(contour))[:_CONTOUR]
        self._contour = contour[pick]
        self._facing = _unit_directions(facing[pick])

    def silhouette_iou(self, mesh: MeshArrays) -> float:
        return iou(render_silhouette(mesh, self._camera), self._mask)

    def find_correspondences(
        self, mesh: MeshArrays, edges: NDArray[np.int64], normals: NDArray[np.float64]
    ) -> _Correspondences:
        """What pulls at the mesh's outline.

        Args:
            edges: (E, 2) of the mesh. normals: (V, 3) of its vertices.
        """
        back = self._camera.to_world[:3, 2 if self._camera.orthographic else 3]
        facing = (normals * (back if self._camera.orthographic else back - mesh.vertices)).sum(1)
        rim = edges[facing[edges[:, 0]] * facing[edges[:, 1]] < 0]
        share = facing[rim[:, 0]] / (facing[rim[:, 0]] - facing[rim[:, 1]])

        def at_rim(values: NDArray[np.floating]) -> NDArray[np.floating]:
            return values[rim[:, 0]] + share[:, None] * (values[rim[:, 1]] - values[rim[:, 0]])

        outline, _ = _contour_points(render_silhouette(mesh, self._camera).astype(np.float32))
        points = at_rim(mesh.vertices)
        ways = at_rim(normals)
        pixels, depth = self._camera.project(points)
        seen = np.flatnonzero(_near_edge_pixels(pixels, outline) & (depth > 0))
        if not len(seen) or not len(self._contour):
            return _Correspondences.empty()
        ahead, _ = self._camera.project(points[seen] + 1e-4 * ways[seen])
        ours = _signed_lines(pixels[seen], _unit_directions(ahead - pixels[seen]))
        distance, closest = nearest_distance(_signed_lines(self._contour, self._facing), ours)
        near = distance < _FAR
        index = seen[closest[near]]
        return _Correspondences(
            *map(
                torch.from_numpy,
                (
                    rim[index],
                    share[index].astype(np.float32),
                    self._contour[near].astype(np.float32),
                    self._facing[near].astype(np.float32),
                ),
            )
        )

    def silhouette_loss(self, vertices: Tensor, pulls: _Correspondences) -> Tensor:
        pixels = self._project(vertices)
        place = (pixels / _SIDE * 2 - 1)[None, None]
        outside = F.grid_sample(
            self._distance, place, padding_mode="border", align_corners=False
        ).relu()
        pull = pulls.residuals(pixels) / max(len(self._contour), 1)
        return pull + outside.square().sum() / max(len(self._contour), 1)

    def _project(self, points: Tensor) -> Tensor:
        """Pixels (P, 2), as :meth:`~..cameras.Camera.project` has them; what is behind the camera is far outside."""
        matrix, inner = self._matrices
        local = points @ matrix[:3, :3].T + matrix[:3, 3]
        flat = (
            local[:, :2]
            if self._camera.orthographic
            else local[:, :2] / local[:, 2:].clamp_min(_NEAR)
        )
        return flat @ inner[:2, :2].T + inner[:2, 2]


def _compare_silhouettes(
    mesh: MeshArrays, targets: Sequence[_SilhouetteTarget], start: float
) -> Task[tuple[float, ...]]:
    found = []
    for index, target in enumerate(targets):
        yield Progress(start + 0.1 * index / len(targets), "Comparing with the images")
        found.append(target.silhouette_iou(mesh))
    return tuple(found)


def _contour_points(cover: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where ``cover`` (H, W) crosses a half between two pixels, (K, 2) x, y, and the way out there, (K, 2)."""
    padded = np.pad(cover.astype(float), 1)
    fall = -np.stack(np.gradient(_blur_mask(padded))[::-1], axis=-1)
    points = []
    ways = []
    for axis in (0, 1):
        low, high = (padded.take(range(k, padded.shape[axis] - 1 + k), axis) for k in (0, 1))
        rows, columns = np.nonzero((low > 0.5) != (high > 0.5))
        share = (0.5 - low[rows, columns]) / (high - low)[rows, columns]
        at = np.stack((columns, rows), 1) - 0.5
        at[:, 1 - axis] += share
        points.append(at)
        ways.append(fall[rows, columns] + fall[rows + (axis == 0), columns + (axis == 1)])
    return np.concatenate(points), np.concatenate(ways)


def _blur_mask(values: NDArray[np.float64]) -> NDArray[np.float64]:
    for axis in (0, 1):
        values = (np.roll(values, 1, axis) + 2 * values + np.roll(values, -1, axis)) / 4
    return values


def _unique_edges(mesh: MeshArrays) -> NDArray[np.int64]:
    """Those of its faces (E, 2), each once."""
    ends = np.stack((mesh.faces, np.roll(mesh.faces, -1, axis=1)), axis=2).reshape(-1, 2)
    return ends[ends[:, 0] < ends[:, 1]].astype(
        np.int64
    )  # in a closed mesh each is walked both ways


def _signed_lines(places: NDArray[np.float64], ways: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places (K, 2) and unit directions (K, 2) as points (K, 4) whose distance tells of both."""
    return np.concatenate((places, _FACING / 2 * ways), axis=1)


def _unit_directions(ways: NDArray[np.float64]) -> NDArray[np.float64]:
    return ways / np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-9)


def _near_edge_pixels(
    pixels: NDArray[np.float64], edge: NDArray[np.float64], reach: int = 1
) -> NDArray[np.bool_]:
    """Which of ``pixels`` (P, 2) lie in a pixel of ``edge`` (K, 2) or beside one."""
    near = np.zeros((_SIDE + 2, _SIDE + 2), bool)
    column, row = np.floor(edge.clip(-1, _SIDE)).astype(int).T + 1
    for down in range(-reach, reach + 1):
        for across in range(-reach, reach + 1):
            near[(row + down).clip(0, _SIDE + 1), (column + across).clip(0, _SIDE + 1)] = True
    column, row = np.floor(pixels.clip(-1, _SIDE)).astype(int).T + 1
    return near[row, column]


class _NeighborSmoothing:
    """The mean over each vertex and its neighbours."""

    def __init__(self, mesh: MeshArrays) -> None:
        first = mesh.faces.ravel()
        second = np.roll(
            mesh.faces, -1, axis=1
        ).ravel()  # in a closed mesh each edge is walked both ways
        own = np.arange(len(mesh.vertices))
        row = np.concatenate((first, own))
        column = np.concatenate((second, own))
        weight = torch.from_numpy(
            (1 / np.bincount(row, minlength=len(own))[row]).astype(np.float32)
        )
        self._matrix, self._transposed = (
            _sparse_matrix(one, two, weight) for one, two in ((row, column), (column, row))
        )

    def __call__(self, field: Tensor) -> Tensor:
        return _SparseMatmul.apply(field, self._matrix, self._transposed)

    def distribute(self, field: Tensor) -> Tensor:
        for _ in range(_SMOOTHING):
            field = self(field)
        return field


class _SparseMatmul(torch.autograd.Function):
    """Matrix times field. Its own gradient transposes the matrix each time, which takes 20 times as long."""

    @staticmethod
    def forward(ctx, field: Tensor, matrix: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return matrix @ field

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed @ gradient, None, None


def _sparse_matrix(row: NDArray[np.integer], column: NDArray[np.integer], weight: Tensor) -> Tensor:
    """(V, V) by rows."""
    index = torch.from_numpy(np.stack((row, column)).astype(np.int64))
    size = (int(row.max()) + 1,) * 2  # each vertex is there at least once, with itself
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR")  # that it is new
        return (
            torch.sparse_coo_tensor(index, weight, size, check_invariants=False)
            .coalesce()
            .to_sparse_csr()
        )
