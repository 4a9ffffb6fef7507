"""Remove the noise of few samples from values that change slowly along a surface."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from ...dataset.passes import world_points
from ...dataset.records import RenderedView

_STEPS = (1, 2, 4)  # pixels between the taps, one pass after the other
_NORMAL_POWER = 8  # of the cosine between two normals: how fast weights fall across an edge
_SMALLEST_WEIGHT = 1e-9  # avoids a division by zero


def along_surface(
    values: NDArray[np.float32], view: RenderedView, apart: float
) -> NDArray[np.float32]:
    """Return the mean of each pixel's neighbors on the same smooth surface.

    An edge-avoiding wavelet transform without its details (Dammertz et al. 2010,
    doi:10.2312/EGGH/HPG10/067-075): a filter of 3 x 3 taps whose taps move apart from pass to pass,
    each weighed by the normals and by its distance from the plane of the pixel.

    Args:
        values: (H, W).
        view: Of the same size; its depth and normals describe the surface.
        apart: Standard deviation of the distance from the plane, meters.

    Returns:
        (H, W) float32; unchanged where ``view`` has no depth.
    """
    # Only the box around the object is filtered.
    rows, columns = np.nonzero(view.depth)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    points = world_points(view)[box].astype(np.float32)
    normal = view.normal[box].astype(np.float32)
    plane = (points * normal).sum(2)
    surface = np.dstack((points, normal)).transpose(2, 0, 1)
    shown = view.depth[box] > 0

    smooth = np.where(shown, values[box], 0)
    for step in _STEPS:
        smooth = _filter_once(smooth, surface, plane, apart, step)

    result = values.copy()
    result[box] = np.where(shown, smooth, values[box])
    return result


def _filter_once(
    values: NDArray[np.float32],
    surface: NDArray[np.float32],
    plane: NDArray[np.float32],
    apart: float,
    step: int,
) -> NDArray[np.float32]:
    """Filter with 3 x 3 taps.

    Args:
        values: (H, W).
        surface: (6, H, W) point and normal; the normal is 0 where there is no surface.
        plane: (H, W) dot product of each pixel's point and normal.
        apart: Standard deviation of the distance from the plane, meters.
        step: Between taps, pixels.
    """
    height, width = values.shape
    border = ((step, step), (step, step))
    padded_values = np.pad(values, border)
    padded_surface = np.pad(surface, ((0, 0), *border))
    normal = surface[3:]
    total = np.zeros_like(values)
    weights = np.full_like(values, _SMALLEST_WEIGHT)

    for row, column in product((0, 1, 2), repeat=2):
        tap = slice(row * step, row * step + height), slice(column * step, column * step + width)
        neighbor = padded_surface[:, *tap]
        cosine = (normal * neighbor[3:]).sum(0).clip(0)
        distance = ((normal * neighbor[:3]).sum(0) - plane) / apart

        # 1 2 1 along both axes, times the weights of the surface
        tap_weight = (2 - abs(row - 1)) * (2 - abs(column - 1))
        weight = tap_weight * cosine**_NORMAL_POWER * np.exp(-0.5 * distance * distance)
        total += weight * padded_values[tap]
        weights += weight

    return total / weights
