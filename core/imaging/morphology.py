"""What lies about each pixel of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def filter3x3(values: NDArray[np.generic], which: np.ufunc) -> NDArray[np.generic]:
    """``which`` (``np.minimum``, ``np.maximum``, ``np.logical_and``) of the 3 x 3 values about each of ``values``
    (H, W); of those within the picture at its border.
    """
    for axis in (0, 1):
        ahead, behind = ([slice(None), slice(None)] for _ in range(2))
        ahead[axis] = slice(1, None)
        behind[axis] = slice(None, -1)
        found = values.copy()
        for to, of in ((behind, ahead), (ahead, behind)):
            which(found[tuple(to)], values[tuple(of)], out=found[tuple(to)])
        values = found
    return values
