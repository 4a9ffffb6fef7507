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

    # Positions in pixels between the centers of the first and the last pixel.
    last = np.array((width - 1, height - 1))
    position = (pixels - 0.5).clip(0, last)

    # The pixel to the upper left of each position, and the next ones.
    base = position.astype(np.int64)
    base = np.minimum(base, np.maximum(last - 1, 0))
    left, top = base.T
    right = np.minimum(left + 1, width - 1)
    bottom = np.minimum(top + 1, height - 1)

    # Interpolate along the rows, then between them.
    u, v = (position - base).T[..., None]
    upper_left = image[top, left]
    upper_right = image[top, right]
    lower_left = image[bottom, left]
    lower_right = image[bottom, right]
    upper = upper_left * (1 - u) + upper_right * u
    lower = lower_left * (1 - u) + lower_right * u
    values: NDArray[np.floating[Any]] = upper * (1 - v) + lower * v

    return values
