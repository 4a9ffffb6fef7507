"""Calibrate a trained network on unseen objects: the level of the surface, and the confidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...dataset.object_file import ObjectFile
from ...errors import ImageError
from ...jobs.task import Task
from ..evaluation.confidence import vertex_accuracy
from ..evaluation.evaluate import build_case, predict_mesh, sample_objects
from ..evaluation.test_cases import InputVariant
from ..inference.confidence import fit_calibration
from ..networks.reconstruction import ReconstructionNetwork
from .objects import TrainingObject
from .sampling.placement import ViewQuery
from .validation import LEVEL_SHIFTS, level_shift_scores

# IoU: shifts whose score is this close to the best one count as equally good, and the smallest of
# them is taken.
_EQUALLY_GOOD = 0.001
# Orthographic views on which each of the confidence's curves is fitted; the first curve is fitted
# on an unposed view.
_CURVE_VIEWS: Mapping[int, tuple[str, ...]] = {
    0: (),
    1: ("front",),
    2: ("front", "right"),
    3: ("front", "right", "back"),
    4: ("front", "right", "back", "top"),
}
# Slope and offset of a curve that returns the network's probability as it is.
_IDENTITY_CURVE = (1.0, 0.0)

_Evidence = tuple[NDArray[Any], NDArray[np.bool_]]


@torch.inference_mode()
def calibrate_level(model: ReconstructionNetwork, unseen: Sequence[TrainingObject]) -> None:
    """Set the shift of the level of single views to that of the best mean IoU on ``unseen``."""
    model.eval()
    queries = (ViewQuery(1, unposed=False), ViewQuery(1, unposed=True))
    scores = level_shift_scores(model, unseen, queries)

    # Of equally good shifts, the smallest: the others fit these objects by chance.
    good_shifts = LEVEL_SHIFTS[scores > scores.max() - _EQUALLY_GOOD]
    smallest = good_shifts[np.abs(good_shifts).argmin()]
    model.threshold_shift.fill_(float(smallest))


def calibrate_confidence(
    network: ReconstructionNetwork, datasets: Sequence[Path], count: int, resolution: int = 96
) -> Task[None]:
    """Fit the curves of the confidence on objects of the split "validation".

    Args:
        network: whose curves are set; those for which no object has the views stay as they are.
        datasets: training sets.
        count: number of objects.
        resolution: cells along the longest side of the meshes.
    """
    # The confidence without calibration is the network's probability.
    network.eval().requires_grad_(False)
    curves_before = network.calibration_curves.clone()
    network.calibration_curves.copy_(torch.tensor(_IDENTITY_CURVE))

    # Of each curve, the vertices of all meshes from its views.
    evidence: dict[int, list[_Evidence]] = defaultdict(list)
    for location in sample_objects(datasets, "validation", count):
        file = location.open_object()
        kinds = {view.kind for view in file.record.views}
        for curve, sides in _CURVE_VIEWS.items():
            if not kinds.issuperset(sides or ("free",)):
                continue
            vertices = yield from _vertex_evidence(network, file, sides, resolution)
            if vertices is not None:
                evidence[curve].append(vertices)

    # Logistic regression for each curve that has any.
    network.calibration_curves.copy_(curves_before)
    for curve, parts in evidence.items():
        contrast = np.concatenate([part[0] for part in parts])
        near = np.concatenate([part[1] for part in parts])
        network.calibration_curves[curve] = fit_calibration(contrast, near)


def _vertex_evidence(
    network: ReconstructionNetwork, file: ObjectFile, sides: tuple[str, ...], resolution: int
) -> Task[_Evidence | None]:
    """Return logits of vertices' uncalibrated confidence, and which are near the true surface.

    None if one of the images is empty, or the network sees no solid.
    """
    try:
        case = build_case(file, InputVariant("+".join(sides), sides))
    except ImageError:
        return None

    mesh = yield from predict_mesh(case, network, resolution)
    if mesh is None:
        return None
    confidence, near = vertex_accuracy(mesh, case, file)
    return np.log(confidence / (1 - confidence)), near
