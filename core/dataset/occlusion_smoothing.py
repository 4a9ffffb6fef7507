"""Takes the noise of few samples out of what changes slowly along a surface."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from .passes import world_points
from .records import RenderedView

_STEPS = (1, 2, 4)  # pixels between the taps, one pass after the other
_ALIKE = 8  # power of the cosine between two normals


def along_surface(
    values: NDArray[np.float32], view: RenderedView, apart: float
) -> NDArray[np.float32]:
    """Mean of ``values`` (H, W) over the neighbors of each pixel on the same smooth surface.

    An edge-avoiding wavelet transform without its details (Dammertz et al. 2010,
    doi:10.2312/EGGH/HPG10/067-075): a filter of 3 x 3 taps whose taps move apart from pass to
    pass, each weighed by the normals and by its distance from the plane of the pixel.

    Args:
        apart: standard deviation of that distance, metres.

    Returns:
        (H, W) float32; as it was where ``view`` has no depth.
    """
    rows, columns = np.nonzero(view.depth)
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    points = world_points(view)[box].astype(np.float32)
    normal = view.normal[box].astype(np.float32)
    plane = (points * normal).sum(2)
    surface = np.dstack((points, normal)).transpose(2, 0, 1)
    shown = view.depth[box] > 0

    smooth = np.where(shown, values[box], 0)
    for step in _STEPS:
        smooth = _pass(smooth, surface, plane, apart, step)
    result = values.copy()
    result[box] = np.where(shown, smooth, values[box])
    return result


def _pass(
    values: NDArray[np.float32],
    surface: NDArray[np.float32],
    plane: NDArray[np.float32],
    apart: float,
    step: int,
) -> NDArray[np.float32]:
    """One pass of 3 x 3 taps, ``step`` pixels apart.

    Args:
        values: (H, W). surface: (6, H, W) point and normal, the normal 0 where nothing is.
        plane: (H, W) of each pixel its point times its normal.
    """
    height, width = values.shape
    edge = ((step, step), (step, step))
    wide_values = np.pad(values, edge)
    wide = np.pad(surface, ((0, 0), *edge))
    normal = surface[3:]
    total = np.zeros_like(values)
    weights = np.full_like(values, 1e-9)
    for row, column in product((0, 1, 2), repeat=2):
        part = slice(row * step, row * step + height), slice(column * step, column * step + width)
        other = wide[:, *part]
        cosine = (normal * other[3:]).sum(0).clip(0)
        distance = ((normal * other[:3]).sum(0) - plane) / apart
        share = (2 - abs(row - 1)) * (2 - abs(column - 1))
        weight = share * cosine**_ALIKE * np.exp(-0.5 * distance * distance)
        total += weight * wide_values[part]
        weights += weight
    return total / weights
