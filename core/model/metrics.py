"""Distance between a surface and the true surface. Lengths are in longest sides of the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

THRESHOLDS = (0.01, 0.02, 0.05)
_MAX_PAIRS = 2**25  # distances computed at a time: 128 MiB
_QUANTILE = 0.95  # of the Hausdorff distance, so that a single stray point does not count

Points = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class SurfaceMetrics:
    """Agreement of two surfaces.

    chamfer_l1: Mean of the two mean distances.
    f_scores: F-score at each of ``THRESHOLDS``.
    normal_consistency: Mean of |cos| between the normals of nearest points.
    hausdorff_95: The larger one of the two 95 % quantiles of the distances.
    """

    chamfer_l1: float
    f_scores: tuple[float, ...]
    normal_consistency: float
    hausdorff_95: float


def iou(predicted: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two sets; 1 if both are empty.

    Args:
        predicted: (P,) or any shape, which of the same points are in the first set.
        true: The same for the second set.
    """
    union = int((predicted | true).sum())
    if not union:
        return 1.0
    return float((predicted & true).sum() / union)


def compare_surfaces(
    points: Points, normals: Points, true_points: Points, true_normals: Points
) -> SurfaceMetrics:
    """Return the agreement of two surfaces, given by samples.

    Two samplings of the same surface already have a Chamfer-L1 of 0.28 % with 100,000 points, and
    of 1.9 % with 2,000 points.

    Args:
        points: (P, 3), samples of the first surface.
        normals: (P, 3), their unit normals.
        true_points: (Q, 3), samples of the true surface.
        true_normals: (Q, 3), their unit normals.
    """
    to_true, nearest_true = nearest_distance(points, true_points)
    from_true, nearest = nearest_distance(true_points, points)

    # The cosines between normals; which side they are on does not count.
    agreement = np.abs((normals * true_normals[nearest_true]).sum(1)).mean()
    true_agreement = np.abs((true_normals * normals[nearest]).sum(1)).mean()

    f_scores = []
    for threshold in THRESHOLDS:
        precision = (to_true < threshold).mean()
        recall = (from_true < threshold).mean()
        f_scores.append(float(2 * precision * recall / max(precision + recall, 1e-9)))

    worst = max(float(np.quantile(to_true, _QUANTILE)), float(np.quantile(from_true, _QUANTILE)))
    return SurfaceMetrics(
        chamfer_l1=float(to_true.mean() + from_true.mean()) / 2,
        f_scores=tuple(f_scores),
        normal_consistency=float(np.mean((agreement, true_agreement))),
        hausdorff_95=worst,
    )


def nearest_distance(
    points: Points, others: Points
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distance (P,) of each point to the nearest of ``others``, and its index (P,).

    Args:
        points: (P, D).
        others: (Q, D), at least one.
    """
    queries = torch.from_numpy(np.ascontiguousarray(points, np.float32))
    targets = torch.from_numpy(np.ascontiguousarray(others, np.float32))

    # In parts, so that their distances fit into memory.
    part_size = max(1, _MAX_PAIRS // len(targets))
    distances = []
    indices = []

    for part in torch.split(queries, part_size):
        nearest = torch.cdist(part, targets).min(1)
        distances.append(nearest.values)
        indices.append(nearest.indices)

    return torch.cat(distances).numpy(), torch.cat(indices).numpy()
