"""Lines of a mask that are thinner than its pixels, such as a sheet seen from its edge.

Where such a line falls between two pixels, each is covered by half or less, and as it is decided at
a half what is inside, the line is lost. It is as thick as its coverage adds up to across it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .morphology import filter3x3

_THIN = 0.1  # of a pixel's coverage that is lost by opening: more is no rim of something wide


def strengthen_thin_lines(coverage: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return a mask in which the middle of a thin line has its coverage across the line, at most 1.

    Args:
        coverage: (H, W) in 0..1.
    """
    eroded = filter3x3(coverage, np.minimum)
    opened = filter3x3(eroded, np.maximum)
    is_thin = coverage - opened > _THIN

    # Sums of three pixels; the direction with the lower one is across the line.
    padded = np.pad(coverage, 1)
    left, right = padded[1:-1, :-2], padded[1:-1, 2:]
    above, below = padded[:-2, 1:-1], padded[2:, 1:-1]
    horizontal = left + coverage + right
    vertical = above + coverage + below
    is_upright = horizontal < vertical
    first = np.where(is_upright, left, above)
    second = np.where(is_upright, right, below)

    is_middle = is_thin & (coverage >= first) & (coverage >= second)
    thickness = np.minimum(horizontal, vertical).clip(0, 1)
    strengthened = np.where(is_middle, np.maximum(coverage, thickness), coverage)
    return strengthened.astype(np.float32)
