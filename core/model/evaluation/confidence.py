"""Evaluate whether the confidence of vertices agrees with their distance from the true surface."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...dataset.frames import dense_surface, object_frame
from ...dataset.object_file import ObjectFile
from ...errors import ImageError
from ...jobs.task import Progress, Task
from .. import metrics
from ..inference import weights
from ..inference.confidence import NEAR
from .evaluate import EvaluationCase, build_case, predict_mesh, sample_objects
from .test_cases import INPUT_VARIANTS

# Vertices of each mesh that are compared with the true surface.
_VERTICES = 2000
# Of the expected calibration error.
_BINS = 10


@dataclass(frozen=True)
class CalibrationMetrics:
    """How the confidence of surface points agrees with the truth.

    Attributes:
        mean_confidence: mean of the confidence, 0..1.
        accuracy: share of points within 2 % of the longest side of the true surface.
        ece: expected calibration error over ten bins (Naeini et al. 2015), 0..1: the mean over bins
            of the difference between confidence and accuracy, weighted by their points.
        auroc: probability that a near point has a higher confidence than a far one (area under the
            ROC curve); 0.5 is chance.
    """

    mean_confidence: float
    accuracy: float
    ece: float
    auroc: float


def calibration_metrics(
    confidence: NDArray[np.floating[Any]], near: NDArray[np.bool_]
) -> CalibrationMetrics:
    """Return the metrics of points.

    Args:
        confidence: (P,) in 0..1.
        near: (P,) whether the points are near the true surface.
    """
    # Differences of the sums over each bin.
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    confidence_sums = np.bincount(bins, confidence, _BINS)
    near_counts = np.bincount(bins, near, _BINS)
    ece = np.abs(confidence_sums - near_counts).sum() / len(bins)

    # The Mann-Whitney statistic, from ranks that equal values share.
    _, value_indices, tie_counts = np.unique(confidence, return_inverse=True, return_counts=True)
    value_ranks = np.cumsum(tie_counts) - (tie_counts - 1) / 2
    ranks = value_ranks[value_indices.reshape(-1)]
    hits = int(near.sum())
    misses = int((~near).sum())
    auroc = 0.5
    if hits and misses:
        auroc = (ranks[near].sum() - hits * (hits + 1) / 2) / (hits * misses)

    return CalibrationMetrics(
        mean_confidence=float(confidence.mean()),
        accuracy=float(near.mean()),
        ece=float(ece),
        auroc=float(auroc),
    )


def vertex_accuracy(
    mesh: MeshArrays, case: EvaluationCase, file: ObjectFile
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the confidence (P,) of some vertices, and which (P,) are near the true surface.

    Args:
        mesh: with confidence, in the frame of the case.
        case: of the object.
        file: the object.
    """
    order = np.random.default_rng(0).permutation(len(mesh.vertices))
    pick = order[:_VERTICES]

    # From world space to the object's frame, and from there to that of the case.
    from_object = np.linalg.inv(case.to_object)
    transform = from_object @ object_frame(file.record.bounds)
    true_surface = dense_surface(file) @ transform[:3, :3].T + transform[:3, 3]

    # Lengths in that frame are in longest sides, as is the bound of what counts as near.
    distance, _ = metrics.nearest_distance(mesh.vertices[pick], true_surface)
    assert mesh.confidence is not None
    return mesh.confidence[pick], distance < NEAR


def evaluate_confidence(
    datasets: Sequence[Path],
    split: str,
    limit: int | None,
    resolution: int = 128,
    weights_file: Path | None = None,
) -> Task[dict[str, CalibrationMetrics]]:
    """Return the metrics over all objects of a split, for each of ``INPUT_VARIANTS``.

    Args:
        datasets: training sets.
        split: "train", "validation" or "test".
        limit: number of objects; None for all.
        resolution: cells along the longest side of the meshes.
        weights_file: of the model; None for the bundled ones.

    Raises:
        DatasetError: a set is missing or damaged, or the split is empty.
    """
    # Confidence and truth of vertices, by variant.
    network, _ = weights.load_weights(weights_file)
    locations = sample_objects(datasets, split, limit)
    evidence: dict[str, list[tuple[NDArray[np.float32], NDArray[np.bool_]]]] = defaultdict(list)

    for index, location in enumerate(locations):
        file = location.open_object()
        for variant in INPUT_VARIANTS:
            yield Progress(index / len(locations), f"{file.record.name}, {variant.name}")
            try:
                case = build_case(file, variant)
            except ImageError:
                continue
            mesh = yield from predict_mesh(case, network, resolution)
            if mesh is not None:
                evidence[variant.name].append(vertex_accuracy(mesh, case, file))

    # Over all objects together: most have too few vertices for ten bins.
    result = {}
    for name, parts in evidence.items():
        confidence = np.concatenate([part[0] for part in parts])
        near = np.concatenate([part[1] for part in parts])
        result[name] = calibration_metrics(confidence, near)

    return result


def format_calibration(result: Mapping[str, CalibrationMetrics]) -> str:
    """Return the metrics as text, a line for each variant."""
    lines = [f"{'views':24}{'confidence':>11}{'within 2 %':>11}{'gap':>7}{'ranking':>9}"]
    for name, row in result.items():
        lines.append(
            f"{name:24}{row.mean_confidence:11.3f}{row.accuracy:11.3f}{row.ece:7.3f}{row.auroc:9.3f}"
        )
    return "\n".join(lines)
