"""Which of many views show an object from the most different directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..cameras import Camera

_OPPOSITE = 0.5  # likeness of two opposite views, whose outlines are those of one


def most_different_views(cameras: Sequence[Camera], count: int) -> list[int]:
    """Return the indices of at most ``count`` views, in their order.

    The first view is always taken; the next one is that which is the least like those before it,
    and of equals the first. Of the six sides front, right, back, top, left and bottom, four are
    the first four.

    Args:
        cameras: Of the views, which look at the origin.
        count: At least 1.
    """
    towards = np.concatenate([camera.directions_from(np.zeros((1, 3))) for camera in cameras])
    cosine = towards @ towards.T
    likeness = np.maximum(cosine, -_OPPOSITE * cosine)

    chosen = [0]
    while len(chosen) < min(count, len(cameras)):
        total = likeness[chosen].sum(0)
        total[chosen] = np.inf
        chosen.append(int(total.round(6).argmin()))  # rounded, so that equals are equal
    return sorted(chosen)
