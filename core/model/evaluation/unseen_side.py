"""How good a mesh is where no input shows it: its hidden surface, and its outline elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera
from ...dataset.object_file import ObjectFile
from ...dataset.passes import object_mask
from ...geometry.rasterization import DepthBuffer, render_depth
from ...geometry.silhouette import silhouette_iou
from .. import metrics

_OTHER_CAMERAS = 5
_NEAR = 0.02  # of the longest side, the distance of the F-score

Points = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class UnseenSide:
    """What is true of an object where no input shows it.

    Attributes:
        hidden: (S,) which samples of the true surface no input shows.
        masks: (H, W) of each of the other cameras: the true silhouettes.
        cameras: The other cameras, in world space.
        to_world: (4, 4) similarity from the frame of the mesh to world space.
    """

    hidden: NDArray[np.bool_]
    masks: tuple[NDArray[np.bool_], ...]
    cameras: tuple[Camera, ...]
    to_world: NDArray[np.float64]


def read_unseen_side(
    file: ObjectFile, inputs: Sequence[int], to_world: NDArray[np.float64]
) -> UnseenSide:
    """Read what is true of the unseen side of an object.

    Args:
        file: The object.
        inputs: Indices of the views that the model gets.
        to_world: (4, 4) from the frame of the mesh to world space.
    """
    shape = file.read_shape()
    hidden = np.ones(len(shape.surface), bool)
    for index in inputs:
        view = file.read_view(index)

        # What is nearer to the camera hides what is behind it.
        depth = np.where(view.depth > 0, view.depth, np.inf).astype(float)
        buffer = DepthBuffer(depth, view.camera)
        hidden &= _hidden_points(buffer, shape.surface, shape.surface_normals)

    # Free views first: the sides are orthographic, and the inputs often are sides.
    views = file.record.views
    others = [index for index in range(len(views)) if index not in inputs]
    others.sort(key=lambda index: views[index].kind != "free")
    masks = []
    cameras = []

    for index in others[:_OTHER_CAMERAS]:
        view = file.read_view(index)
        masks.append(object_mask(view))
        cameras.append(view.camera)

    return UnseenSide(hidden, tuple(masks), tuple(cameras), to_world)


def hidden_surface_scores(
    samples: tuple[Points, Points],
    true_samples: tuple[Points, Points],
    hidden: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> tuple[float, float]:
    """Return the F-score at 2 % and the normal consistency of the hidden surface.

    Precision is of the mesh's hidden samples against the whole true surface, recall of the true
    hidden samples against the whole mesh. Both scores are NaN where nothing is hidden.

    Args:
        samples: (P, 3) points of the mesh, and their unit normals.
        true_samples: (S, 3) points of the true surface, and their unit normals.
        hidden: (P,) and (S,) which of both no input shows.
    """
    is_hidden, is_truly_hidden = hidden
    if not is_hidden.any() or not is_truly_hidden.any():
        return float("nan"), float("nan")

    # Both ways: what was made, and what should have been.
    precision, agreement = _one_way_scores(samples, true_samples, is_hidden)
    recall, true_agreement = _one_way_scores(true_samples, samples, is_truly_hidden)
    f_score = 2 * precision * recall / max(precision + recall, 1e-9)
    return f_score, (agreement + true_agreement) / 2


def _one_way_scores(
    samples: tuple[Points, Points], others: tuple[Points, Points], chosen: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the share of chosen samples near the others, and the mean |cosine| of the normals."""
    points, normals = samples
    other_points, other_normals = others
    distance, nearest = metrics.nearest_distance(points[chosen], other_points)
    cosines = (normals[chosen] * other_normals[nearest]).sum(1)
    return float((distance < _NEAR).mean()), float(np.abs(cosines).mean())


def hidden_from_cameras(
    mesh: MeshArrays, cameras: Sequence[Camera], points: Points, normals: Points
) -> NDArray[np.bool_]:
    """Return which points (P,) of a mesh's surface it hides from all ``cameras``.

    Args:
        mesh: The mesh.
        cameras: In its frame.
        points: (P, 3) on its surface.
        normals: (P, 3) unit normals there.
    """
    corners = mesh.vertices.astype(float)[mesh.to_triangles()]
    hidden = np.ones(len(points), bool)
    for camera in cameras:
        buffer = render_depth(corners, camera)
        hidden &= _hidden_points(buffer, points, normals)
    return hidden


def _hidden_points(buffer: DepthBuffer, points: Points, normals: Points) -> NDArray[np.bool_]:
    """Return which points (P,) with unit normals a depth buffer hides, whichever way they face."""
    directions = buffer.camera.directions_from(points)
    cosine = np.abs((directions * normals).sum(1))
    return buffer.hides(points, cosine)


def silhouette_agreement(mesh: MeshArrays, unseen: UnseenSide) -> float:
    """Return the mean IoU of a mesh's silhouettes in the other cameras; NaN if there are none."""
    # The mesh in world space, where the other cameras are.
    linear = unseen.to_world[:3, :3]
    offset = unseen.to_world[:3, 3]
    vertices = mesh.vertices @ linear.T + offset
    world_mesh = MeshArrays(vertices.astype(np.float32), mesh.faces)
    ious = []
    for mask, camera in zip(unseen.masks, unseen.cameras, strict=True):
        ious.append(silhouette_iou(world_mesh, camera, mask))
    return float(np.mean(ious)) if ious else float("nan")
