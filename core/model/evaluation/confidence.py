"""Whether the confidence holds: fits its curves on some objects, and compares it with the truth on others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...dataset.object_file import ObjectFile
from ...errors import ImageError
from ...jobs.task import Progress, Task
from .. import metrics
from ..inference import weights
from ..inference.confidence import NEAR, fit_calibration
from ..networks.reconstruction import ReconstructionNetwork
from ..training.objects import dense_surface, object_frame
from .evaluate import EvaluationCase, build_case, predict_mesh, sample_objects
from .test_cases import INPUT_VARIANTS, InputVariant

_SIDES: Mapping[
    int, tuple[str, ...]
] = {  # what each curve is fitted on; the first on a free picture
    0: (),
    1: ("front",),
    2: ("front", "right"),
    3: ("front", "right", "back"),
    4: ("front", "right", "back", "top"),
}
_VERTICES = 2000  # of each mesh
_BINS = 10


@dataclass(frozen=True)
class CalibrationMetrics:
    """How the confidence of surface points and the truth agree.

    sure, near: the mean confidence, and the share of points that are within 2 % of the true surface.
    gap: expected calibration error over ten bins (Naeini et al. 2015): the mean difference of both, bin by bin.
    ranking: how likely a near point is surer than a far one (area under the ROC curve; 0.5 is chance).
    """

    sure: float
    near: float
    gap: float
    ranking: float


def calibration_metrics(sure: NDArray[np.floating], near: NDArray[np.bool_]) -> CalibrationMetrics:
    """Of the confidence (P,) of points, and whether (P,) they are near the true surface."""
    which = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    count = np.bincount(which, minlength=_BINS)
    apart = np.abs(np.bincount(which, sure, _BINS) - np.bincount(which, near, _BINS))
    _, rank, ties = np.unique(sure, return_inverse=True, return_counts=True)
    place = (np.cumsum(ties) - (ties - 1) / 2)[rank.reshape(-1)]
    hits = int(near.sum())
    misses = int((~near).sum())
    ranking = (
        (place[near].sum() - hits * (hits + 1) / 2) / (hits * misses) if hits and misses else 0.5
    )
    return CalibrationMetrics(
        float(sure.mean()), float(near.mean()), float(apart.sum() / count.sum()), float(ranking)
    )


def vertex_accuracy(
    mesh: MeshArrays, judged: EvaluationCase, file: ObjectFile
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The confidence (P,) of some vertices of ``mesh`` and whether (P,) they are near the true surface."""
    pick = np.random.default_rng(0).permutation(len(mesh.vertices))[:_VERTICES]
    transform = np.linalg.inv(judged.to_object) @ object_frame(file.record.bounds)
    true = dense_surface(file) @ transform[:3, :3].T + transform[:3, 3]
    distance, _ = metrics.nearest_distance(mesh.vertices[pick], true)
    assert mesh.confidence is not None
    return mesh.confidence[pick], distance < NEAR


def calibrate_confidence(
    network: ReconstructionNetwork, datasets: Sequence[Path], count: int, resolution: int = 96
) -> Task[None]:
    """Fit the curves of the confidence on ``count`` objects of the split "validation", those for which they have the
    views.
    """
    network.eval().requires_grad_(False)
    before = network.calibration_curves.clone()
    network.calibration_curves.copy_(torch.tensor((1.0, 0.0)))
    seen: dict[int, list[tuple[NDArray, NDArray]]] = defaultdict(list)
    for place in sample_objects(datasets, "validation", count):
        file = place.open_object()
        kinds = {view.kind for view in file.record.views}
        for key, sides in _SIDES.items():
            if not kinds.issuperset(sides or ("free",)):
                continue
            try:
                judged = build_case(file, InputVariant(f"{key}", sides))
            except ImageError:
                continue
            mesh = yield from predict_mesh(judged, network, resolution)
            if mesh is not None:
                sure, near = vertex_accuracy(mesh, judged, file)
                seen[key].append((np.log(sure / (1 - sure)), near))
    network.calibration_curves.copy_(before)
    for key, parts in seen.items():
        steep, near = (np.concatenate(part) for part in zip(*parts, strict=True))
        network.calibration_curves[key] = fit_calibration(steep, near)


def evaluate_confidence(
    datasets: Sequence[Path],
    split: str,
    limit: int | None,
    resolution: int = 128,
    weights_file: Path | None = None,
) -> Task[dict[str, CalibrationMetrics]]:
    """For each of ``INPUT_VARIANTS`` how the confidence agrees with the truth, over all objects of the split.

    Raises:
        DatasetError: a set is missing or damaged, or the split is empty.
    """
    network, _ = weights.load_weights(weights_file)
    places = sample_objects(datasets, split, limit)
    found: dict[str, list[tuple[NDArray, NDArray]]] = defaultdict(list)
    for index, place in enumerate(places):
        file = place.open_object()
        for question in INPUT_VARIANTS:
            yield Progress(index / len(places), f"{file.record.name}, {question.name}")
            try:
                judged = build_case(file, question)
            except ImageError:
                continue
            mesh = yield from predict_mesh(judged, network, resolution)
            if mesh is not None:
                found[question.name].append(vertex_accuracy(mesh, judged, file))
    return {
        name: calibration_metrics(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        for name, parts in found.items()
    }


def format_calibration(result: Mapping[str, CalibrationMetrics]) -> str:
    """A line a question."""
    lines = [f"{'views':24}{'confidence':>11}{'within 2 %':>11}{'gap':>7}{'ranking':>9}"]
    lines += [
        f"{name:24}{r.sure:11.3f}{r.near:11.3f}{r.gap:7.3f}{r.ranking:9.3f}"
        for name, r in result.items()
    ]
    return "\n".join(lines)
