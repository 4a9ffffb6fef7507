"""Cuts an object out of a plain background, as of a product photograph or a drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ALIKE = 0.06  # of full scale: what JPEG and a soft vignette do to one colour
_PLAIN = 0.97  # share of the border that must be alike


def plain_mask(colour: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """Mask (H, W) of what is not background, or None if the border is not of one colour.

    The background is what has the border's colour and is connected to the border, so that spots of that colour within
    the object stay.

    Args:
        colour: (H, W, 3) sRGB in 0..1.
    """
    border = np.concatenate((colour[0], colour[-1], colour[:, 0], colour[:, -1]))
    median = np.median(border, axis=0)
    if (np.abs(border - median).max(1) < _ALIKE).mean() < _PLAIN:
        return None
    alike = np.abs(colour - median).max(2) < _ALIKE
    edge = np.zeros_like(alike)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    mask = ~_reached(alike, alike & edge)
    return mask.astype(np.float32) if mask.any() else None


def _reached(free: NDArray[np.bool_], seed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels of ``free`` that are connected to ``seed``: whole runs of rows and columns at a time."""
    reached = seed
    while True:
        grown = _along_rows(free.T, _along_rows(free, reached).T).T
        if (grown == reached).all():
            return grown
        reached = grown


def _along_rows(free: NDArray[np.bool_], reached: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Every run of ``free`` pixels within a row that holds a reached one."""
    starts = free.copy()
    starts[:, 1:] &= ~free[:, :-1]
    run = np.cumsum(starts.ravel())
    hit = np.bincount(run, (reached & free).ravel()) > 0
    return (hit[run] & free.ravel()).reshape(free.shape)
