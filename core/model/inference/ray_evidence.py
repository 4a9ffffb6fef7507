"""Rays of a view's pixels: the most likely depths along them, and maps of boosts there.

For their use see ``occupancy_field``. A ray crosses the visual hull in one or more stretches. The
depths at which to raise the logits are searched stretch by stretch:

    stretch of the hull    .  .  1  1  1  1  1  .  .  .  2  2  2  .     48 depths
    logit                       -4 -3 -1 -2 -4          -3 -2 -4
    hits                              1                     2

The first hit is in the stretch with the highest logit, the second in the best one of the others,
unless its logit is more than ``_SECOND_HIT_MARGIN`` lower. The depth of a hit is the mean of its
stretch's depths, weighted by a softmax of the logits, so that neighboring rays with similar logits
get similar depths. The boost raises the logit there to ``BOOSTED_LOGIT``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..networks.projection import unproject_points

Floats = NDArray[np.float32] | NDArray[np.float64]

MAP_SIZE = 64  # pixels along each side of the boost maps
MAX_HITS = 2  # depths at which a ray may be boosted: two legs of a table may be behind each other
BOOSTED_LOGIT = 0.3  # the logit, above the threshold, to which a boost raises
SINGLE_BOOSTED_LOGIT = 0.2  # the same with a single view, whose outline is stretched before
_MAX_BOOST = 4.0  # logits: a mask may be wrong
_SECOND_HIT_MARGIN = 1.5  # logits by which the second hit may be less likely than the first
_DEPTHS = 48  # points along a ray
_REACH = (
    0.65  # units of a ray in front of and behind the origin: in an upright frame, rays are askew
)
_THIN_DEPTHS = 3  # points of a stretch: the hull of something thin that a ray may cross twice
_TEMPERATURE = 0.2  # logits: of the softmax over depths
_LOWEST_LOGIT = -1e3  # in place of minus infinity
DEPTHS = np.linspace(-_REACH, _REACH, _DEPTHS)  # of the points along a ray


@dataclass(frozen=True)
class PixelRays:
    """Rays through the centers of pixels of a map.

    rows: (R,), of the pixels.
    columns: (R,).
    start: (R, 3), points at the smallest depth.
    end: (R, 3), points at the largest depth.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]

    @classmethod
    def through_pixels(cls, matrix: Floats, covered: NDArray[np.bool_]) -> PixelRays:
        """Return the rays of the pixels that are ``covered``.

        Args:
            matrix: (5, 4), the camera, see ``projection``.
            covered: (64, 64).
        """
        rows, columns = np.nonzero(covered)
        ndc = (np.stack((columns, rows), 1) + 0.5) / MAP_SIZE * 2 - 1
        start = unproject_points(matrix, ndc, np.full(len(rows), -_REACH))
        end = unproject_points(matrix, ndc, np.full(len(rows), _REACH))
        return cls(rows, columns, start, end)

    def select_rays(self, chosen: NDArray[np.bool_]) -> PixelRays:
        """Return only the rays that are ``chosen`` (R,)."""
        return PixelRays(
            rows=self.rows[chosen],
            columns=self.columns[chosen],
            start=self.start[chosen],
            end=self.end[chosen],
        )

    def sample_points(self) -> NDArray[np.float32]:
        """Return points (48, R, 3) at even depths along the rays."""
        fraction = np.linspace(0, 1, _DEPTHS)[:, None, None]
        return np.asarray(self.start + (self.end - self.start) * fraction, np.float32)

    def points_at_depth(self, depth: Floats) -> NDArray[np.float64]:
        """Return the rays' points (R, 3) at ``depth`` (R,)."""
        fraction = ((depth + _REACH) / (2 * _REACH))[:, None]
        return np.asarray(self.start + (self.end - self.start) * fraction)


def thin_rays(is_in_hull: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rays (R,) whose stretches in the hull are short, by their mean length.

    Args:
        is_in_hull: (D, R), for the points of the rays.
    """
    stretches = _stretch_index(is_in_hull)[-1]
    return np.asarray(is_in_hull.sum(0) <= _THIN_DEPTHS * stretches)


def _stretch_index(is_in_hull: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number (D, R), from 1 on, of each point's stretch, or of the previous one."""
    is_entry = np.diff(is_in_hull.astype(np.int8), axis=0, prepend=0) > 0
    return np.cumsum(is_entry, axis=0)


def mean_depths(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean depth along rays, weighted by a softmax of the logits.

    Args:
        logits: (D, ...) at the points of the rays; minus infinity where there can be nothing.
    """
    finite = np.maximum(logits, _LOWEST_LOGIT)
    weights = np.exp((finite - finite.max(0)) / _TEMPERATURE)
    depth: NDArray[np.float64] = np.tensordot(DEPTHS, weights, 1) / weights.sum(0)
    return depth


def most_likely_hits(
    logits: NDArray[np.float32],
    is_in_hull: NDArray[np.bool_],
    boosted_logit: float = BOOSTED_LOGIT,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return boosts (2, R) and their depths (2, R) for each ray, see the module.

    If no second stretch is as likely, the first hit is repeated. The hits of a ray are in the
    order of their depth, as those of its neighbors are, since between two rays the maps are
    interpolated.

    Args:
        logits: (D, R), relative to the threshold, at the points of the rays.
        is_in_hull: (D, R), at the same points.
        boosted_logit: The logit to which a boost raises.
    """
    stretch = _stretch_index(is_in_hull)
    ray = np.arange(logits.shape[1])
    remaining = np.where(is_in_hull, logits, -np.inf).astype(np.float32)
    min_logit = np.minimum(remaining.max(0), boosted_logit) - _SECOND_HIT_MARGIN

    boosts, hit_depths = np.zeros((2, MAX_HITS, len(ray)), np.float32)
    for hit in range(MAX_HITS):
        # The stretch with the highest remaining logit.
        best = remaining.max(0)
        best_stretch = stretch[remaining.argmax(0), ray]
        is_in_stretch = is_in_hull & (stretch == best_stretch)

        # The softmax-weighted mean of its depths; rays without a further stretch have no weights.
        stretch_logits = np.where(is_in_stretch, remaining, _LOWEST_LOGIT)
        weights = np.exp((stretch_logits - best.clip(_LOWEST_LOGIT)) / _TEMPERATURE)
        depth = (weights * DEPTHS[:, None]).sum(0) / weights.sum(0).clip(1e-9)

        # Raise the logit there, unless something is solid already; an unlikely hit becomes the
        # first again.
        nearest = np.abs(DEPTHS[:, None] - depth).argmin(0)
        lift = (boosted_logit - remaining[nearest, ray]).clip(0, _MAX_BOOST)
        lift = lift * (best < boosted_logit)
        is_likely = best > min_logit
        boosts[hit] = np.where(is_likely, lift, boosts[0])
        hit_depths[hit] = np.where(is_likely, depth, hit_depths[0])
        remaining[is_in_stretch] = -np.inf

    order = hit_depths.argsort(0)
    return np.take_along_axis(boosts, order, 0), np.take_along_axis(hit_depths, order, 0)


def boost_map(
    rays: PixelRays,
    boost: NDArray[np.float32],
    depth: NDArray[np.float32],
    fixed: NDArray[np.bool_],
) -> Tensor:
    """Return the map (2, 64, 64) of boosts and their depths.

    Boosts spread by one pixel, so that interpolation at the outline does not halve them, but not
    to pixels that have a ray or are ``fixed``.

    Args:
        rays: R rays.
        boost: (R,).
        depth: (R,).
        fixed: (64, 64), pixels to which no boost spreads.
    """
    # Maps of the boost, and of boost times depth.
    maps = torch.zeros(2, MAP_SIZE, MAP_SIZE)
    ray_values = np.stack((boost, boost * depth))
    maps[:, rays.rows, rays.columns] = torch.from_numpy(ray_values)
    boosts, weighted_depths = maps

    # Around a boosted pixel: the highest boost, at the mean depth weighted by boost.
    highest = F.max_pool2d(boosts[None, None], 3, 1, 1)[0, 0]
    mean_boost, mean_depth = F.avg_pool2d(maps[None], 3, 1, 1)[0]
    spread_depth = mean_depth / mean_boost.clamp(min=1e-6)

    keeps_boost = torch.from_numpy(fixed.copy())
    keeps_boost[rays.rows, rays.columns] = True
    boost_values = torch.where(keeps_boost, boosts, highest)
    boost_depths = torch.where(boosts > 0, weighted_depths / boosts, spread_depth)

    return torch.stack((boost_values, boost_depths))
