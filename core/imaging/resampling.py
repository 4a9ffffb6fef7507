"""Values of images between their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sample_bilinear(
    image: NDArray[np.floating[Any]], pixels: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Return the values of an image at points, interpolated between the centers of its pixels.

    Args:
        image: (H, W, C).
        pixels: (P, 2) coordinates x and y; (0, 0) is the outer corner of the first pixel. Points
            beyond the centers of the outermost pixels take the value there.

    Returns:
        (P, C).
    """
    height, width = image.shape[:2]
    position = (pixels - 0.5).clip(0, (width - 1, height - 1))
    base = np.minimum(position.astype(np.int64), (max(width - 2, 0), max(height - 2, 0)))
    left, top = base.T
    u, v = (position - base).T[..., None]

    right = np.minimum(left + 1, width - 1)
    bottom = np.minimum(top + 1, height - 1)
    upper = image[top, left] * (1 - u) + image[top, right] * u
    lower = image[bottom, left] * (1 - u) + image[bottom, right] * u
    values: NDArray[np.floating[Any]] = upper * (1 - v) + lower * v
    return values
