r"""Stretch what the network sees of a single view, until its outline is that of the mask.

At the rim of an object the network is unsure, so that the solid of its logits ends a little inside
of the mask. If the logits were raised there, as for parts that the network misses, the object would
get a thin rim all around, a ridge. Instead, its last part is stretched along the image. In a slice
through the object, with the camera below:

        mask's edge    |   .-------.   |              |.-----------.|
                       |  (  solid  )  |      ->      (    solid    )
                       |   '-------'   |              |'-----------'|
                        gap         gap

1. Points of the mask's outline, with the direction inwards.
2. The gap at each point: how far inwards the rays reach something solid. What has a gap of over
   ``_MAX_GAP`` is a part that the network misses; it is not stretched.
3. The shift: for each pixel, where to look up the solid instead. It is the mean shift of the points
   of the outline nearby. It ends soon inwards, since any solid that is moved is out of its place.
   In the middle of something narrow, the shifts from both of its edges cancel out.
4. The shift in depth. A surface that is askew has another depth further inwards. The difference
   comes from the most likely depths along both rays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...imaging.resampling import sample_bilinear
from ..metrics import nearest_distance
from .mask_outline import outline_points
from .ray_evidence import DEPTHS, MAP_SIZE, Floats, mean_depths

_MAX_GAP = 3.0  # pixels of the map, 5 % of the longest side
_GAP_STEP = 0.25  # pixels
_SOLID_LOGIT = -0.3  # relative to the threshold, from which on a ray is stretched from
_DIRECTION_BLUR = 1.5  # pixels: standard deviation, of the mask whose gradient points inwards
_SPREAD = 2.0  # pixels: standard deviation of the weights of the outline's points
_FADE = 1.5  # distance from the outline at which the shift ends, relative to the gap
_MIN_FADE = 1.0  # pixels: the least such distance
_DEPTH_BLUR = 1.0  # pixels: standard deviation, of the most likely depths
_MIN_DEPTH_WEIGHT = 0.05  # share of rays nearby whose depth is known
_MAX_SLOPE = 3.0  # change of the depth, relative to the shift along the image
_PIXEL = 1.1 / MAP_SIZE  # units: about the width of a pixel of the map
_OUTSIDE_LOGIT = -10.0  # of rays off the mask
_FILL_ROUNDS = 3  # pixels beyond the mask up to which the solidity is continued


def outline_shift(
    coverage: Floats, volume: NDArray[np.float32], is_known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return where to look up each pixel, relative to it: (3, S, S), x and y in pixels, depth.

    Args:
        coverage: (S, S), of the mask, in 0..1.
        volume: (D, S, S), logits above the threshold, at ``ray_evidence.DEPTHS`` along the rays of
            the pixels; minus infinity off the mask.
        is_known: (S, S), which rays have been evaluated; others on the mask are solid.
    """
    size = len(coverage)
    points = outline_points(coverage)
    if not len(points):
        return np.zeros((3, size, size))

    # The direction inwards.
    smooth_mask = _blur(coverage, _DIRECTION_BLUR)
    along_y, along_x = np.gradient(smooth_mask)
    inward = sample_bilinear(np.stack((along_x, along_y), axis=-1), points)
    inward = inward / np.linalg.norm(inward, axis=1, keepdims=True).clip(1e-9)

    gap, has_gap = _gaps(volume.max(0), points, inward)
    points = points[has_gap]
    point_shift = (gap[:, None] * inward)[has_gap]
    shift = _spread_shift(points, point_shift, size)
    depth = np.where(is_known, mean_depths(volume), np.nan)
    depth_shift = _depth_shift(depth, shift)

    return np.concatenate((shift, depth_shift[None]))


def shifted_volume(volume: NDArray[np.float32], shift: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return ``volume`` (D, S, S), looked up where ``shift`` (3, S, S) says."""
    size = volume.shape[1]
    pixels = _pixel_centers(size) + shift[:2].reshape(2, -1).T
    filled = np.maximum(volume, _OUTSIDE_LOGIT)
    moved = sample_bilinear(filled.transpose(1, 2, 0), pixels).T

    # Between two depths.
    step = DEPTHS[1] - DEPTHS[0]
    last = len(DEPTHS) - 1
    depth_shift = shift[2].reshape(-1) / step
    position = np.arange(len(DEPTHS))[:, None] + depth_shift
    position = position.clip(0, last)
    lower = np.minimum(position.astype(int), last - 1)
    share = position - lower
    pixel = np.arange(size * size)
    near_values = moved[lower, pixel]
    far_values = moved[lower + 1, pixel]
    values = near_values * (1 - share) + far_values * share
    result: NDArray[np.float32] = values.reshape(volume.shape).astype(np.float32)

    return result


def _gaps(
    solidity: Floats, points: Floats, inward: Floats
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how far (P,) points of the outline are from something solid, and which are near it.

    Args:
        solidity: (S, S), the highest logit along each ray; minus infinity off the mask.
        points: (P, 2), pixels.
        inward: (P, 2), unit vectors.
    """
    steps = np.arange(0, _MAX_GAP + _GAP_STEP, _GAP_STEP)
    walk = points + steps[:, None, None] * inward
    continued = _continue_outside(solidity)[..., None]
    samples = sample_bilinear(continued, walk.reshape(-1, 2))
    values = samples.reshape(len(steps), len(points))

    # The first step that is solid.
    is_solid = values >= _SOLID_LOGIT
    gaps = steps[is_solid.argmax(0)]
    return gaps, is_solid.any(0)


def _continue_outside(solidity: Floats) -> NDArray[np.float64]:
    """Return ``solidity`` (S, S), off the mask the mean of the pixels on it nearby."""
    values = np.array(solidity, float)
    for _ in range(_FILL_ROUNDS):
        is_known = np.isfinite(values)
        weight = _window_sum(is_known.astype(float))
        total = _window_sum(np.where(is_known, values, 0))
        mean = np.where(weight > 0, total / weight.clip(1), -np.inf)
        values = np.where(is_known, values, mean)

    return np.maximum(values, _OUTSIDE_LOGIT)


def _window_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the 3 x 3 values around each of ``values`` (S, S)."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, 1), (3, 3))
    sums: NDArray[np.float64] = windows.sum((2, 3))
    return sums


def _spread_shift(points: Floats, point_shift: Floats, size: int) -> NDArray[np.float64]:
    """Return the shift (2, S, S) of all pixels from that of points (P, 2) of the outline."""
    if not len(points):
        return np.zeros((2, size, size))
    values = np.empty((len(points), 3))
    values[:, :2] = point_shift
    values[:, 2] = 1
    sums = _splat_bilinear(points, values, size)
    total_x, total_y, weight = (_blur(channel, _SPREAD) for channel in sums)
    mean = np.stack((total_x, total_y)) / weight.clip(1e-6)

    # Less inwards.
    distance, _ = nearest_distance(_pixel_centers(size), points)
    fade_width = (_FADE * np.hypot(*mean)).clip(_MIN_FADE)
    fade = (1 - distance.reshape(size, size) / fade_width).clip(0, 1)
    shift: NDArray[np.float64] = mean * fade

    return shift


def _splat_bilinear(points: Floats, values: Floats, size: int) -> NDArray[np.float64]:
    """Return maps (C, S, S) of the values (P, C) at points (P, 2), each shared by four pixels."""
    sums = np.zeros((values.shape[1], size, size))
    position = (points - 0.5).clip(0, size - 1)
    base = np.minimum(position.astype(int), size - 2)
    share = position - base

    for corner in np.ndindex(2, 2):
        weight = np.where(corner, share, 1 - share).prod(1)
        column, row = (base + corner).T
        for channel, value in zip(sums, values.T, strict=True):
            np.add.at(channel, (row, column), weight * value)

    return sums


def _depth_shift(depth: Floats, shift: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the most likely depth (S, S) where a pixel is looked up, less that at the pixel.

    Args:
        depth: (S, S), the most likely depth along each ray; not a number where it is unknown.
        shift: (2, S, S), pixels.
    """
    size = len(depth)
    is_known = np.isfinite(depth)
    weight = _blur(is_known.astype(float), _DEPTH_BLUR)
    smooth = _blur(np.where(is_known, depth, 0), _DEPTH_BLUR) / weight.clip(1e-6)

    pixels = _pixel_centers(size) + shift.reshape(2, -1).T
    looked_up = sample_bilinear(np.stack((smooth, weight), axis=-1), pixels)
    other_depth, other_weight = looked_up.T.reshape(2, size, size)
    has_both = np.minimum(weight, other_weight) > _MIN_DEPTH_WEIGHT
    difference = np.where(has_both, other_depth - smooth, 0)

    # A steeper change is a step between two parts.
    limit = _MAX_SLOPE * _PIXEL * np.hypot(*shift)
    return np.asarray(np.clip(difference, -limit, limit))


def _pixel_centers(size: int) -> NDArray[np.float64]:
    """Return the centers (S * S, 2), x and y, of the pixels of a map, row by row."""
    row, column = np.indices((size, size)).reshape(2, -1)
    centers: NDArray[np.float64] = np.stack((column, row), axis=1) + 0.5
    return centers


def _blur(values: Floats, deviation: float) -> NDArray[np.float64]:
    """Return ``values`` (S, S), blurred by a Gaussian of this standard deviation in pixels."""
    reach = int(np.ceil(3 * deviation))
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (offsets / deviation) ** 2)
    kernel /= kernel.sum()
    blurred: NDArray[np.float64] = np.pad(values, reach, mode="edge").astype(float)
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(blurred, len(kernel), axis)
        blurred = np.asarray(windows @ kernel)
    return blurred
