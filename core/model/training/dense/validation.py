"""How well the dense network does on unseen objects, head by head and as a solid."""

from __future__ import annotations

from collections.abc import Sequence

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
from .samples import Ask, PlacedView, draw_dense_sample

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
    intervals, the share of pixels whose number of intervals is right; up, the mean angle in
    degrees; iou, the mean IoU on even points of the box; iou_shifted, that with the true offset.
    """
    scores: dict[str, float] = {}
    for kind in (FRONT, FREE):
        things = [thing for thing in unseen if kind in thing.kinds]
        rows = []
        for first in range(0, len(things), _AT_ONCE):
            rows += _scores_of(network, things[first : first + _AT_ONCE], kind, device)
        for name in rows[0] if rows else ():
            values = np.array([row[name] for row in rows])
            scores[f"{kind}_{name}"] = float(np.nanmean(values))
    return scores


def placed_views(
    network: DenseSingleViewNetwork, things: Sequence[DenseObject], kind: str, side: int = 128
) -> list[PlacedView]:
    """Return the first view of ``kind`` of each of ``things``, not varied."""
    reach = network.config.depth_reach
    return [
        draw_dense_sample(
            thing,
            Ask(thing.kinds.index(kind)),
            np.random.default_rng(0),
            NOTHING_VARIED,
            side,
            reach,
        )
        for thing in things
    ]


@torch.inference_mode()
def look_at_views(
    network: DenseSingleViewNetwork, placed: Sequence[PlacedView], device: torch.device
) -> tuple[DenseOutput, NDArray[np.float32]]:
    """Return what ``network`` says of ``placed``, on the CPU, and the true offset (B,) of each."""
    batch = collate([view.sample for view in placed], ()).to(device)
    output = network.eval()(batch.image, batch.conditions)
    known = batch.shown & batch.first_depth.isfinite()
    offset, _ = depth_alignment(output, batch, known)
    on_cpu = DenseOutput(**{name: value.cpu() for name, value in vars(output).items()})
    return on_cpu, offset.cpu().numpy()


def ray_logits(
    output: DenseOutput, placed: PlacedView, points: NDArray[np.floating], shift: float
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
    rows = points @ placed.camera[:3, :3].T + placed.camera[:3, 3]
    ndc = frame.seen(rows[:, :2] / rows[:, 2:])
    depth = points @ frame.depth[:3] + frame.depth[3]
    within = (np.abs(ndc) < 1).all(axis=1)

    # pixels of the mask, and of the maps at half its resolution
    pixel = ((ndc + 1) / 2 * len(mask)).astype(int).clip(0, len(mask) - 1)
    column, row = pixel.T
    within &= mask[row, column] > 0.5
    first = output.likeliest_depth()[0].numpy() + shift
    behind = depth - first[row // 2, column // 2]
    bin_index = np.searchsorted(_EDGES, behind, side="right") - 1
    within &= (bin_index >= 0) & (bin_index < RAY_BINS)
    ray_occupancy = output.ray_occupancy[0].numpy()
    logits = ray_occupancy[bin_index.clip(0, RAY_BINS - 1), row // 2, column // 2]
    return np.where(within, logits, _OUTSIDE).astype(np.float32)


def _scores_of(
    network: DenseSingleViewNetwork, things: Sequence[DenseObject], kind: str, device: torch.device
) -> list[dict[str, float]]:
    placed = placed_views(network, things, kind)
    output, offsets = look_at_views(network, placed, device)
    rows = []
    for index, thing in enumerate(things):
        own = output.at(index)
        row = _pixel_scores(own, placed[index], float(offsets[index]))
        points, inside = thing.points()
        predicted = float(own.shift[0]) if kind == FREE else 0.0
        row["iou"] = _iou(ray_logits(own, placed[index], points, predicted), inside)
        shifted = ray_logits(own, placed[index], points, float(offsets[index]))
        row["iou_shifted"] = _iou(shifted, inside)
        rows.append(row)
    return rows


def _pixel_scores(output: DenseOutput, placed: PlacedView, offset: float) -> dict[str, float]:
    sample = placed.sample
    depth = output.likeliest_depth()[0].numpy() + offset
    known = sample.shown & np.isfinite(sample.first_depth)
    error = np.abs(depth - sample.first_depth)[known]
    back = np.abs(output.layers[0, 2].numpy() - sample.layers[2])[np.isfinite(sample.layers[2])]
    counts = output.interval_logits[0].argmax(0).numpy()
    most = output.interval_logits.shape[1] - 1
    right = counts == np.minimum(sample.intervals, most)
    up_cosine = float(output.up[0].numpy() @ sample.up)
    return {
        "depth": _median(error),
        "gross": float((error > GROSS).mean()) if len(error) else np.nan,
        "normal": _mean_angle(output.front_normal[0], sample.front_normal),
        "back": _median(back),
        "back_normal": _mean_angle(output.back_normal[0], sample.back_normal),
        "intervals": float(right[sample.shown].mean()) if sample.shown.any() else np.nan,
        "up": float(np.degrees(np.arccos(np.clip(up_cosine, -1, 1)))),
    }


def _median(values: NDArray[np.floating]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _mean_angle(normals: torch.Tensor, truth: Floats) -> float:
    """Return the mean angle in degrees between (3, h, w) unit vectors where ``truth`` is not 0."""
    true_normals = torch.from_numpy(truth)
    known = true_normals.abs().sum(0) > 0.5
    cosine = F.cosine_similarity(normals, true_normals, dim=0)[known]
    if not len(cosine):
        return float("nan")
    return float(cosine.clamp(-1, 1).acos().rad2deg().mean())


def _iou(logits: Floats, inside: NDArray[np.bool_]) -> float:
    level = expected_iou_threshold(logits[logits > _OUTSIDE])
    return float(iou(logits > level, inside))
