"""The outline of a mask at a precision finer than its pixels, and distances from it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..metrics import nearest_distance
from ..networks.projection import INSIDE_MASK

Floats = NDArray[np.float32] | NDArray[np.float64]

_REACH = 2  # pixels on either side of an outline over which a mask changes


def outline_points(coverage: Floats) -> NDArray[np.float64]:
    """Return the points (P, 2) where a mask crosses one half between two neighboring pixels.

    Args:
        coverage: (H, W) of the mask, in 0..1.

    Returns:
        x and y in pixels; (0, 0) is the outer corner of the first pixel.
    """
    points = []
    for axis in (0, 1):
        lines = coverage if axis == 0 else coverage.T
        excess = lines - INSIDE_MASK
        first = excess[:-1]
        second = excess[1:]
        line, other = np.nonzero((first > 0) != (second > 0))
        start = first[line, other]
        share = start / (start - second[line, other])
        along = line + share
        columns = (other, along) if axis == 0 else (along, other)
        points.append(np.stack(columns, axis=1) + 0.5)

    result: NDArray[np.float64] = np.concatenate(points).astype(np.float64)
    return result


def widen_ramps(masks: Tensor) -> Tensor:
    """Return ``masks`` (B, N, 1, H, W) that rise from 0 to 1 over several pixels.

    A mask is crisp: interpolated at the corners of a grid whose cells are wider than a pixel it
    tells only on which side of the outline they are, and the surface there is a staircase. Its
    outline, where it is one half, remains.
    """
    flat = masks.flatten(0, 2)
    widened = []
    for mask in flat:
        widened.append(_widen_ramp(mask))
    return torch.stack(widened).reshape(masks.shape)


def _widen_ramp(mask: Tensor) -> Tensor:
    """Return a mask (H, W) that is linear in the distance from its outline."""
    coverage = mask.cpu().numpy()
    points = outline_points(coverage)
    is_inside = mask > INSIDE_MASK
    result = is_inside.float()
    if not len(points):
        return result

    # Pixels near the outline.
    inside = is_inside[None, None].float()
    kernel = 2 * _REACH + 1
    highest = F.max_pool2d(inside, kernel, 1, _REACH)
    lowest = -F.max_pool2d(-inside, kernel, 1, _REACH)
    row, column = (highest != lowest)[0, 0].nonzero(as_tuple=True)
    centers = torch.stack((column, row), 1).cpu().numpy() + 0.5

    distance, _ = nearest_distance(centers, points)
    height = torch.from_numpy(distance).to(mask.device) / (2 * _REACH)
    signed = torch.where(is_inside[row, column], height, -height)
    result[row, column] = (INSIDE_MASK + signed).clamp(0, 1)

    return result
