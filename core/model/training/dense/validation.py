"""How well the dense network does on unseen objects, head by head and as a solid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ...inference.occupancy_field import expected_iou_threshold
from ...metrics import iou
from ...networks.dense_single_view import RAY_BINS, RAY_EDGES, DenseOutput, DenseSingleViewNetwork
from .batches import FREE, FRONT, collate
from .images import NOTHING_VARIED
from .losses import depth_alignment
from .objects import DenseObject
from .samples import DenseSample, PlacedView, ViewChoice, draw_dense_sample

GROSS = 0.1  # error of the first depth above which a pixel shows another surface
_AT_ONCE = 16  # images
_OUTSIDE = -99.0  # logit of what the image excludes
_EDGES = RAY_EDGES.numpy()

Floats = NDArray[np.float32]


def validate_dense(
    network: DenseSingleViewNetwork, unseen: Sequence[DenseObject], device: torch.device
) -> dict[str, float]:
    """Return scores of one image of each of ``unseen``: of its front, and of its first free view.

    Names are "front_..." and "free_..." with: depth, the median error of the first depth (of free
    images less its median offset); gross, the share of pixels with an error above ``GROSS``;
    normal and back_normal, mean angles in degrees; back, the median error of the last exit;
    intervals, the share of pixels whose number of intervals is right; parts, that of pixels whose
    group of parts is right, of objects whose parts are known; up, the mean angle in
    degrees; iou, the mean IoU on even points of the box; iou_shifted, that with the true offset.
    """
    scores: dict[str, float] = {}
    for kind in (FRONT, FREE):
        items = [item for item in unseen if kind in item.kinds]
        rows = []
        for first in range(0, len(items), _AT_ONCE):
            chunk = items[first : first + _AT_ONCE]
            rows += _scores_of(network, chunk, kind, device)
        for name in rows[0] if rows else ():
            values = np.array([row[name] for row in rows])
            known = values[~np.isnan(values)]
            if len(known):
                scores[f"{kind}_{name}"] = float(known.mean())

    return scores


def placed_views(
    network: DenseSingleViewNetwork, items: Sequence[DenseObject], kind: str, side: int = 128
) -> list[PlacedView]:
    """Return the first view of ``kind`` of each of ``items``, not varied."""
    reach = network.config.depth_reach
    placed = []
    for item in items:
        choice = ViewChoice(item.kinds.index(kind))
        rng = np.random.default_rng(0)
        placed.append(draw_dense_sample(item, choice, rng, NOTHING_VARIED, side, reach))
    return placed


@torch.inference_mode()
def look_at_views(
    network: DenseSingleViewNetwork, placed: Sequence[PlacedView], device: torch.device
) -> tuple[DenseOutput, NDArray[np.float32]]:
    """Return the predictions for ``placed``, on the CPU, and the true offset (B,) of each."""
    samples = [view.sample for view in placed]
    batch = collate(samples, ()).to(device)
    output = network.eval()(batch.image, batch.conditions)

    # The true offset of a free image is what its first depth leaves open.
    known = batch.shown & batch.first_depth.isfinite()
    offset, _ = depth_alignment(output, batch, known)
    values = {name: value.cpu() for name, value in vars(output).items()}
    return DenseOutput(**values), offset.cpu().numpy()


def ray_logits(
    output: DenseOutput, placed: PlacedView, points: NDArray[np.floating[Any]], shift: float
) -> Floats:
    """Return logits (P,) of the occupancy of ``points`` (P, 3) of the object's frame.

    Args:
        output: of one image, B = 1.
        placed: the view that was looked at.
        points: in the object's frame.
        shift: to add to the first depth.
    """
    frame = placed.frame
    mask = placed.sample.image[3]
    camera = placed.camera
    local = points @ camera[:3, :3].T + camera[:3, 3]
    stored = local[:, :2] / local[:, 2:]
    ndc = frame.seen(stored)
    depth = points @ frame.depth[:3] + frame.depth[3]
    within = (np.abs(ndc) < 1).all(axis=1)

    # Look up the mask, and the maps at half its resolution.
    side = len(mask)
    pixel = ((ndc + 1) / 2 * side).astype(int)
    column, row = pixel.clip(0, side - 1).T
    within &= mask[row, column] > 0.5
    map_row = row // 2
    map_column = column // 2

    # The bin that holds a point is chosen by its depth behind the first surface.
    first = output.likeliest_depth()[0].numpy() + shift
    behind = depth - first[map_row, map_column]
    bin_index = np.searchsorted(_EDGES, behind, side="right") - 1
    within &= (bin_index >= 0) & (bin_index < RAY_BINS)
    ray_occupancy = output.ray_occupancy[0].numpy()
    logits = ray_occupancy[bin_index.clip(0, RAY_BINS - 1), map_row, map_column]

    return np.where(within, logits, _OUTSIDE).astype(np.float32)


def _scores_of(
    network: DenseSingleViewNetwork, items: Sequence[DenseObject], kind: str, device: torch.device
) -> list[dict[str, float]]:
    placed = placed_views(network, items, kind)
    output, offsets = look_at_views(network, placed, device)
    rows = []

    for index, item in enumerate(items):
        object_output = output.at(index)
        view = placed[index]
        true_shift = float(offsets[index])
        row = _pixel_scores(object_output, view, true_shift)

        # The solid as reconstruction places it, and with the true offset.
        points, inside = item.points()
        shift = 0.0
        if kind == FREE:
            shift = float(object_output.shift[0])
        logits = ray_logits(object_output, view, points, shift)
        shifted = ray_logits(object_output, view, points, true_shift)
        row["iou"] = _iou(logits, inside)
        row["iou_shifted"] = _iou(shifted, inside)
        rows.append(row)

    return rows


def _pixel_scores(output: DenseOutput, placed: PlacedView, offset: float) -> dict[str, float]:
    sample = placed.sample
    depth = output.likeliest_depth()[0].numpy() + offset
    known = sample.shown & np.isfinite(sample.first_depth)
    error = np.abs(depth - sample.first_depth)[known]

    true_back = sample.layers[2]
    back_error = np.abs(output.layers[0, 2].numpy() - true_back)
    back = back_error[np.isfinite(true_back)]
    counts = output.interval_logits[0].argmax(0).numpy()
    most = output.interval_logits.shape[1] - 1
    right = counts == np.minimum(sample.intervals, most)
    up_cosine = float(output.up[0].numpy() @ sample.up)
    up_angle = np.arccos(np.clip(up_cosine, -1, 1))

    return {
        "depth": _median(error),
        "gross": _share(error > GROSS),
        "normal": _mean_angle(output.front_normal[0], sample.front_normal),
        "back": _median(back),
        "back_normal": _mean_angle(output.back_normal[0], sample.back_normal),
        "intervals": _share(right[sample.shown]),
        "parts": _right_parts(output, sample),
        "up": float(np.degrees(up_angle)),
    }


def _right_parts(output: DenseOutput, sample: DenseSample) -> float:
    """Return the share of pixels whose group of parts is right; NaN where none is known."""
    if not output.part_logits.shape[1]:
        return float("nan")
    groups = output.part_logits[0].argmax(0).numpy()
    is_known = sample.parts >= 0
    return _share(groups[is_known] == sample.parts[is_known])


def _share(chosen: NDArray[np.bool_]) -> float:
    """Return which share of ``chosen`` (P,) is True, NaN if there is none."""
    return float(chosen.mean()) if len(chosen) else float("nan")


def _median(values: NDArray[np.floating[Any]]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _mean_angle(normals: torch.Tensor, truth: Floats) -> float:
    """Return the mean angle in degrees between (3, h, w) unit vectors where ``truth`` is not 0."""
    true_normals = torch.from_numpy(truth)
    known = true_normals.abs().sum(0) > 0.5
    cosine = F.cosine_similarity(normals, true_normals, dim=0)[known]
    if not len(cosine):
        return float("nan")
    degrees = cosine.clamp(-1, 1).acos().rad2deg()
    return float(degrees.mean())


def _iou(logits: Floats, inside: NDArray[np.bool_]) -> float:
    level = expected_iou_threshold(logits[logits > _OUTSIDE])
    return float(iou(logits > level, inside))
