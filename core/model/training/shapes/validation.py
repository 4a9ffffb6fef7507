"""Scores of the shape space on shapes that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ....geometry.shape_cube.box import field_coordinates
from ....geometry.shape_cube.distances import surface_points
from ....geometry.shape_cube.splatting import cell_centers, splat_points
from ...metrics import iou, nearest_distance
from ...networks.layers import device_of
from ...networks.shape_autoencoder import ShapeAutoencoder
from .rivals import Rivals
from .store import ShapeStore, StoredShape

_CHAMFER_POINTS = 2048
_CUT_AXIS = 1  # halves are cut across y: the front is known
Field = NDArray[np.float32]


def validate_shapes(
    network: ShapeAutoencoder, store: ShapeStore, shapes: Sequence[StoredShape]
) -> dict[str, float]:
    """Return the mean IoU and chamfer distance of shapes and of halves that are completed.

    Args:
        network: to validate.
        store: of the shapes.
        shapes: that were not trained on.
    """
    scores: dict[str, list[float]] = {"iou": [], "chamfer": [], "half_iou": [], "hidden_iou": []}
    hidden = hidden_half()
    for shape in shapes:
        field = store.field(shape)
        points, normals = store.surface(shape)

        # From all points of the surface.
        predicted = decode_points(network, splat_points(points, normals))
        scores["iou"].append(iou(predicted > 0, field > 0))
        scores["chamfer"].append(chamfer(predicted, field))

        # From those of the front half; the hidden one is judged by itself.
        predicted = decode_points(network, half_input(points, normals))
        scores["half_iou"].append(iou(predicted > 0, field > 0))
        scores["hidden_iou"].append(iou(predicted[hidden] > 0, field[hidden] > 0))

    return {name: float(np.mean(values)) for name, values in scores.items()}


def rival_scores(
    rivals: Rivals, store: ShapeStore, shapes: Sequence[StoredShape]
) -> dict[str, float]:
    """Return the scores of the rivals of :func:`validate_shapes` on the same shapes."""
    hidden = hidden_half()

    def nearest_of_all(field: Field) -> Field:
        return store.field(rivals.nearest(field))

    def nearest_of_half(field: Field) -> Field:
        return store.field(rivals.nearest(field, ~hidden))

    scores: dict[str, float] = {}

    # Rivals that see the complete shape.
    complete: dict[str, Callable[[Field], Field]] = {
        "pca": rivals.project,
        "nearest": nearest_of_all,
    }
    for name, function in complete.items():
        ious = []
        distances = []
        for shape in shapes:
            field = store.field(shape)
            answer = function(field)
            ious.append(iou(answer > 0, field > 0))
            distances.append(chamfer(answer, field))
        scores[f"{name}_iou"] = float(np.mean(ious))
        scores[f"{name}_chamfer"] = float(np.mean(distances))

    # Rivals that see the front half.
    halves: dict[str, Callable[[Field], Field]] = {
        "mirror": mirrored_half,
        "nearest": nearest_of_half,
    }
    for name, function in halves.items():
        ious = []
        for shape in shapes:
            field = store.field(shape)
            ious.append(iou(function(field)[hidden] > 0, field[hidden] > 0))
        scores[f"{name}_hidden_iou"] = float(np.mean(ious))

    return scores


@torch.inference_mode()
def decode_points(network: ShapeAutoencoder, points: NDArray[np.float32]) -> Field:
    """Return the field (64, 64, 64) in -1..1 of a network's input (8, 32, 32, 32)."""
    inputs = torch.from_numpy(points)[None].to(device_of(network))
    values = network.decoder(network.encoder(inputs).mean)
    return torch.tanh(values)[0].cpu().numpy()


def half_input(points: NDArray[np.float32], normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the network's input of the front half of a surface's points (P, 3)."""
    kept = points[:, _CUT_AXIS] < 0
    known = cell_centers()[..., _CUT_AXIS] < 0
    return splat_points(points[kept], normals[kept], known)


def hidden_half() -> NDArray[np.bool_]:
    """Return which points (64, 64, 64) of the cube are behind the middle."""
    hidden = np.zeros((len(field_coordinates()),) * 3, bool)
    hidden[:, field_coordinates() > 0] = True
    return hidden


def mirrored_half(field: Field) -> Field:
    """Return a field (64, 64, 64) with the front half's mirror image in the back."""
    result = field.copy()
    middle = field.shape[_CUT_AXIS] // 2
    result[:, middle:] = field[:, :middle][:, ::-1]
    return result


def chamfer(first: Field, second: Field, count: int = _CHAMFER_POINTS) -> float:
    """Return the mean of the two mean distances between surfaces of fields, in sides of the box.

    It is 1 where one of the two has no surface.
    """
    rng = np.random.default_rng(0)
    points, _ = surface_points(first, count, rng)
    others, _ = surface_points(second, count, rng)
    if not len(points) or not len(others):
        return 1.0

    # From each surface to the other one.
    there, _ = nearest_distance(points, others)
    back, _ = nearest_distance(others, points)

    return float(there.mean() + back.mean()) / 2
