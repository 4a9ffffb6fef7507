"""How close a surface is to the truth. Lengths in longest sides of the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

_PAIRS_AT_ONCE = 2**25
THRESHOLDS = (0.01, 0.02, 0.05)

Points = NDArray[np.floating]


@dataclass(frozen=True)
class SurfaceMetrics:
    """chamfer_l1: half of the two mean distances. f_scores: at ``THRESHOLDS``. normal_consistency: mean |cos|.

    hausdorff_95: the larger of the two 95 % quantiles of distance.
    """

    chamfer_l1: float
    f_scores: tuple[float, ...]
    normal_consistency: float
    hausdorff_95: float


def iou(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Intersection over union of two sets given as flags (P,) of the same points; 1 if both are empty."""
    either = int((found | true).sum())
    return float((found & true).sum() / either) if either else 1.0


def compare_surfaces(
    points: Points, normals: Points, true_points: Points, true_normals: Points
) -> SurfaceMetrics:
    """Scores between samples of two surfaces, (P, 3) and (Q, 3) with their unit normals.

    Two samplings of one surface already differ: by 0.28 % at 100,000 points, by 1.9 % at 2,000.
    """
    there, index = nearest_distance(points, true_points)
    back, back_index = nearest_distance(true_points, points)
    agree = (
        np.abs((normals * true_normals[index]).sum(1)).mean(),
        np.abs((true_normals * normals[back_index]).sum(1)).mean(),
    )
    f_scores = []
    for threshold in THRESHOLDS:
        precision = (there < threshold).mean()
        recall = (back < threshold).mean()
        f_scores.append(float(2 * precision * recall / max(precision + recall, 1e-9)))
    worst = max(float(np.quantile(there, 0.95)), float(np.quantile(back, 0.95)))
    return SurfaceMetrics(
        float(there.mean() + back.mean()) / 2, tuple(f_scores), float(np.mean(agree)), worst
    )


def nearest_distance(
    points: Points, others: Points
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """For each of ``points`` (P, 3) the distance to the nearest of ``others`` (Q, 3), and its index."""
    ours, theirs = (torch.from_numpy(np.ascontiguousarray(p, np.float32)) for p in (points, others))
    found = [
        torch.cdist(part, theirs).min(1)
        for part in ours.split(max(1, _PAIRS_AT_ONCE // len(theirs)))
    ]
    return torch.cat([f.values for f in found]).numpy(), torch.cat(
        [f.indices for f in found]
    ).numpy()
