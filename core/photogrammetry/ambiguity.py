"""Which pairs of photographs to believe: sides that look alike match each other perfectly.

Front and back of a box with the same print on both give cameras with a small reprojection error
that are wrong by half a turn. What stands around the object tells them apart, if it is textured;
otherwise the order of the photographs does:

      0 1 2          0,5 1,6 2,7       five photographs later the same side is seen, it seems:
     9     3    ->                     a ring that is folded onto itself
     8     4           4,9  3,8
      7 6 5
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cameras import Camera
from .floor import looked_at_point

_LEAST_OUTSIDE = 8  # inliers outside both masks
_LEAST_SHARE = 0.1  # of the inliers
_TEXTURED = 0.05  # share of all inliers that lie outside where the background has features at all
_SAME_PLACE = 0.4  # of the usual angle between neighbors in order
_LEAST_FOLDED = 3  # photographs
_FOLDED_SHARE = 0.15  # of the photographs
# Photographs: farther apart in a ring of 16 to 24, two sides show hardly the same. A cube of four
# equal sides looks after three as two before; only neighbors are beyond doubt.
REACHES = (3, 1)


@dataclass(frozen=True)
class PairInliers:
    """Verified matches of two photographs.

    first, second: indices of the photographs.
    first_pixels, second_pixels: (M, 2) where each match lies, pixels of the reduced photographs.
    """

    first: int
    second: int
    first_pixels: NDArray[np.floating[Any]]
    second_pixels: NDArray[np.floating[Any]]


def pairs_without_background(
    pairs: list[PairInliers], masks: list[NDArray[np.bool_] | None]
) -> list[tuple[int, int]] | None:
    """Return the pairs to drop, since hardly any of their matches lie outside the object.

    Args:
        pairs: verified matches.
        masks: of each photograph (H, W), True where the object is; None where unknown.

    Returns:
        Indices of photographs of the pairs to drop; None if the background has too few features to
        judge by.
    """
    # Count the matches outside both masks, where both are known.
    judged = []
    for pair in pairs:
        first_mask = masks[pair.first]
        second_mask = masks[pair.second]
        if first_mask is not None and second_mask is not None:
            outside = ~sample_mask(first_mask, pair.first_pixels)
            outside &= ~sample_mask(second_mask, pair.second_pixels)
            judged.append((pair, int(outside.sum())))

    # A plain background has no features anywhere: then few matches there mean nothing.
    matches = sum(len(pair.first_pixels) for pair, _ in judged)
    outside_matches = sum(count for _, count in judged)
    if outside_matches < _TEXTURED * max(matches, 1):
        return None

    return [
        (pair.first, pair.second)
        for pair, count in judged
        if count < _LEAST_OUTSIDE or count < _LEAST_SHARE * len(pair.first_pixels)
    ]


def pairs_out_of_order(
    pairs: list[PairInliers], count: int, reach: int = REACHES[0]
) -> list[tuple[int, int]]:
    """Return the pairs to drop, if ``count`` photographs were taken in order in a closed ring.

    Those stay that are at most ``reach`` places apart.
    """
    return [
        (pair.first, pair.second)
        for pair in pairs
        if ring_distance(pair.first, pair.second, count) > reach
    ]


def is_folded(cameras: list[Camera], indices: list[int], count: int) -> bool:
    """Return whether photographs far apart in order seem to be taken from the same places.

    Nobody does so but who walks around twice; sides that look alike make it seem so.

    Args:
        cameras: of the photographs that fit together.
        indices: which these are.
        count: of all photographs, in order in a closed ring.
    """
    if len(cameras) < 2 * _LEAST_FOLDED:
        return False

    # How far apart neighbors in order usually are.
    directions = _directions_from_middle(cameras)
    angles = np.degrees(np.arccos((directions @ directions.T).clip(-1, 1)))
    steps = angles[np.arange(len(cameras) - 1), np.arange(1, len(cameras))]
    usual = float(np.median(steps))

    # Far apart in order, and yet nearly at the same place.
    places = np.array(indices)
    apart = np.abs(places[:, None] - places)
    apart = np.minimum(apart, count - apart)
    folded = ((apart > REACHES[0]) & (angles < _SAME_PLACE * usual)).any(1)

    return bool(folded.sum() >= max(_LEAST_FOLDED, _FOLDED_SHARE * len(cameras)))


def _directions_from_middle(cameras: list[Camera]) -> NDArray[np.float64]:
    """Return unit vectors (N, 3) from what the cameras look at to each."""
    origins = np.array([camera.to_world[:3, 3] for camera in cameras])
    offsets = origins - looked_at_point(cameras)
    directions: NDArray[np.float64] = offsets / np.linalg.norm(offsets, axis=1, keepdims=True)
    return directions


def ring_distance(first: int, second: int, count: int) -> int:
    """Return how many places apart two of ``count`` photographs are in a closed ring."""
    apart = abs(first - second)
    return min(apart, count - apart)


def sample_mask(mask: NDArray[np.bool_], pixels: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return the values (P,) of ``mask`` (H, W) at ``pixels`` (P, 2).

    Pixels beyond its border take the nearest value.
    """
    height, width = mask.shape
    columns = pixels[:, 0].astype(int).clip(0, width - 1)
    rows = pixels[:, 1].astype(int).clip(0, height - 1)
    values: NDArray[np.bool_] = mask[rows, columns]
    return values
