"""Evaluate a network on unseen objects during training: logits and IoU for a few queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..inference.occupancy_field import expected_iou_threshold
from ..networks.projection import project_points, sample_maps
from ..networks.reconstruction import BOUND, Features, ReconstructionNetwork
from .objects import TrainingObject
from .sampling.placement import FramedObject, ViewQuery, frame_object, has_views

# What validation evaluates, in the order of the scores in log.csv.
VALIDATION_QUERIES: Mapping[str, ViewQuery] = {
    "front": ViewQuery(1, unposed=False),
    "front, right": ViewQuery(2, unposed=False),
    "front, right, back, top": ViewQuery(4, unposed=False),
    "free": ViewQuery(1, unposed=True),
}
# The logit of points that are outside the volume or any mask.
OUTSIDE_LOGIT = -99.0
# Shifts of the level of a single view that are tried, logits: finer than the IoU can tell apart.
LEVEL_SHIFTS = np.linspace(-2, 2, 81)
# Half the alpha of a mask's edge.
_MASK_EDGE = 0.5


@torch.inference_mode()
def validation_scores(
    model: ReconstructionNetwork, unseen: Sequence[TrainingObject], single_view_only: bool = False
) -> list[float]:
    """Return the mean IoU on the uniform points of unseen objects for each query.

    The levels are those of inference: each object's expected best, and for a single view shifted by
    what is best for all objects, as ``calibration.calibrate_level`` will leave the network.

    Args:
        model: is set to evaluation mode.
        unseen: objects that were not trained on. Those without the views of a query do not count in
            it.
        single_view_only: leave out queries of several views.

    Returns:
        One score for each query; NaN if it was left out or no object has its views.
    """
    model.eval()
    scores = []
    for query in VALIDATION_QUERIES.values():
        objects = [item for item in unseen if has_views(item, query)]
        if not objects or (single_view_only and query.count > 1):
            scores.append(float("nan"))
        elif query.count == 1:
            scores.append(float(level_shift_scores(model, objects, (query,)).max()))
        else:
            scores.append(_mean_iou(model, objects, query))

    return scores


def level_shift_scores(
    model: ReconstructionNetwork, objects: Sequence[TrainingObject], queries: Sequence[ViewQuery]
) -> NDArray[np.float64]:
    """Return the mean IoU (L,) of single views for each of ``LEVEL_SHIFTS``.

    Args:
        model: in evaluation mode.
        objects: to evaluate.
        queries: of single views; each object counts once for each of them whose view it has.
    """
    scores = []
    for training_object in objects:
        for query in queries:
            if not has_views(training_object, query):
                continue
            # The expected best level is of the points that the network decides.
            logits = object_logits(model, training_object, query)
            level = expected_iou_threshold(logits[logits > OUTSIDE_LOGIT])
            levels = level + LEVEL_SHIFTS
            scores.append(_iou_per_level(logits, training_object.uniform_inside, levels))

    mean: NDArray[np.float64] = np.mean(scores, axis=0)
    return mean


def _mean_iou(
    model: ReconstructionNetwork, objects: Sequence[TrainingObject], query: ViewQuery
) -> float:
    """Return the mean IoU at each object's expected best level."""
    scores = []
    for training_object in objects:
        logits = object_logits(model, training_object, query)
        level = expected_iou_threshold(logits[logits > OUTSIDE_LOGIT])
        levels = np.array([level])
        scores.append(_iou_per_level(logits, training_object.uniform_inside, levels)[0])
    return float(np.mean(scores))


def _iou_per_level(
    logits: NDArray[np.float32], inside: NDArray[np.bool_], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the IoU (L,) of the points above each of ``levels`` (L,) with the truth (P,)."""
    predicted = logits > levels[:, None]
    intersection = (predicted & inside).sum(1)
    union = (predicted | inside).sum(1)
    ious: NDArray[np.float64] = intersection / np.maximum(union, 1)
    return ious


def object_logits(
    model: ReconstructionNetwork, training_object: TrainingObject, query: ViewQuery
) -> NDArray[np.float32]:
    """Return the logits (P,) at the object's uniform points; -99 outside the volume or any mask."""
    framed, features = _encode_object(model, training_object, query)
    if query.unposed and query.count == 1:
        # As inference does: the first pass estimates the up direction, the second one sees the
        # object upright.
        assert features.up is not None
        up_guess = features.up[0].numpy()
        framed, features = _encode_object(model, training_object, query, up_guess)

    # Where the field is defined: in the volume and behind all masks.
    points = framed.mapping.forward(training_object.uniform[:])
    query_points = torch.from_numpy(points.astype(np.float32))[None]
    ndc, _ = project_points(features.cameras, query_points)
    mask_coverage = sample_maps(features.images[:, :, 3:], ndc).amin(1)[0, :, 0].numpy()
    evaluated = (np.abs(points) < BOUND).all(1) & (mask_coverage > _MASK_EDGE)

    logits = model.predict_occupancy(features, query_points)[0].numpy()
    return np.where(evaluated, logits, OUTSIDE_LOGIT)


def _encode_object(
    model: ReconstructionNetwork,
    training_object: TrainingObject,
    query: ViewQuery,
    up_guess: NDArray[Any] | None = None,
) -> tuple[FramedObject, Features]:
    """Return the object without augmentation, and the network's features of its images."""
    framed = frame_object(
        training_object,
        query,
        np.random.default_rng(0),
        up_guess=up_guess,
        image_size=model.config.picture,
    )
    images = torch.from_numpy(framed.images)[None]
    cameras = torch.from_numpy(framed.cameras)[None]
    return framed, model.encode_views(images, cameras)
