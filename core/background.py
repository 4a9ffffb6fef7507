"""Cuts an object out of a plain or smoothly shaded background, as of a product photograph or a drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ALIKE = 0.06  # of full scale: what JPEG and a soft vignette do to one colour
_PLAIN = 0.97  # share of the border that must be alike
_FITS = 4  # each without what the one before found unlike


def plain_mask(colour: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """Mask (H, W) of what is not background, or None if the border is neither of one colour nor a smooth gradient.

    The background is what has the border's colour, or the quadratic of x and y that the border's colours lie on, and
    is connected to the border, so that spots of that colour within the object stay.

    Args:
        colour: (H, W, 3) sRGB in 0..1.
    """
    edge = np.zeros(colour.shape[:2], bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    for background in (_plain, _gradient):
        alike = np.abs(colour - background(colour, edge)).max(2) < _ALIKE
        if alike[edge].mean() >= _PLAIN:
            mask = ~_reached(alike, alike & edge)
            return mask.astype(np.float32) if mask.any() and _rim_step(colour, mask) > _ALIKE / 2 else None
    return None


def _rim_step(colour: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Median step of colour across the mask's rim: where a shaded background was misjudged there is none."""
    steps = [np.abs(np.diff(colour, axis=axis)).max(2)[np.diff(mask, axis=axis)] for axis in (0, 1)]
    return float(np.median(np.concatenate(steps)))


def _plain(colour: NDArray[np.floating], edge: NDArray[np.bool_]) -> NDArray[np.floating]:
    """The colour (3,) of most of ``edge`` (H, W)."""
    return np.median(colour[edge], axis=0)


def _gradient(colour: NDArray[np.floating], edge: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The quadratic of x and y (H, W, 3) through most of the colours of ``edge`` (H, W)."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in edge.shape), indexing="ij")
    terms = np.stack((np.ones_like(x), x, y, x * x, x * y, y * y), axis=-1)
    basis, values = terms[edge], colour[edge]
    alike = np.ones(len(values), bool)
    for _ in range(_FITS):
        weights = np.linalg.lstsq(basis[alike], values[alike], rcond=None)[0]
        error = np.abs(basis @ weights - values).max(1)
        alike = error <= max(_ALIKE, float(np.median(error)))
    return terms @ weights


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
