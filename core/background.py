"""Cuts an object out of a plain or smoothly shaded background, as of a product photograph or a drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIKE = 0.06  # of full scale: what JPEG and a soft vignette do to one colour
_PLAIN = 0.97  # share of the border that must be alike
_NOISE = 0.95  # share of the background's own pixels that tell how far they are from its colour
_SAME = 0.7  # share of a hole's pixels that are as close: the others are its blurred rim
_HOLE = 0.005  # of the object: what is smaller may as well be a highlight
_FITS = 4  # each without what the one before found unlike
_MARGIN = 0.02  # of the longest side: the widest rim that is taken for a frame
_LINE = 2  # pixels: how uneven it may be, and how wide a line beside it
_WITHIN = 32  # pixels: the least that a frame is around
_FILLED = 0.99
_SPECK = 0.005  # of the largest piece: dust on a scan, scraps of lettering
_NEAR = 128  # parts of a picture's longest side, within about two of which pieces are one


def plain_mask(colour: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """Mask (H, W) of what is not background, or None if the border is neither of one colour nor a smooth gradient.

    The background is what has the border's colour, or the quadratic of x and y that the border's colours lie on, and
    is connected to the border. Spots of that colour within the object stay, unless they are clearly holes in it.

    Args:
        colour: (H, W, 3) sRGB in 0..1.
    """
    edge = np.zeros(colour.shape[:2], bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    for background in (_plain, _gradient):
        off = np.abs(colour - background(colour, edge)).max(2)
        alike = off < _ALIKE
        if alike[edge].mean() >= _PLAIN:
            outside = _spread(alike, alike & edge)
            mask = ~(outside | _holes(off, alike & ~outside, outside))
            return _blended(off, mask) if mask.any() and _rim_step(colour, mask) > _ALIKE / 2 else None
    return None


def within_frame(mask: NDArray[np.floating]) -> tuple[slice, slice] | None:
    """Rows and columns of what is within a frame, or a margin, around a picture, if ``mask`` (H, W) is all but that.

    It is a rectangle then, nearly as large as the picture, with as little around it on each side.
    """
    solid = mask > 0.5
    sides = [np.flatnonzero(solid.any(axis)) for axis in (1, 0)]
    if not len(sides[0]):
        return None
    ends = [(side[0], side[-1] + 1) for side in sides]
    rims = [rim for (low, high), length in zip(ends, mask.shape, strict=True) for rim in (low, length - high)]
    rows, columns = (slice(low + _LINE, high - _LINE) for low, high in ends)
    wide = max(rims) > max(_LINE + 1, _MARGIN * max(mask.shape)) or max(rims) - min(rims) > _LINE
    small = min(high - low for low, high in ends) < _WITHIN
    if wide or small or solid[rows, columns].mean() < _FILLED:
        return None
    return rows, columns


def without_specks(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """``mask`` (H, W) in 0..1 less what is small beside its largest piece and far from the others.

    An object is framed by all that is its mask: a grain of dust in a corner would make it small and put it aside.
    """
    height, width = mask.shape
    block = -(-max(mask.shape) // _NEAR)
    solid = np.pad(mask > 0.5, ((0, -height % block), (0, -width % block)))
    sizes = solid.reshape(len(solid) // block, block, -1, block).sum((1, 3))
    around = np.pad(sizes, 1)
    near = np.any([np.roll(around, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)[1:-1, 1:-1]
    named = _spread(near, np.where(near, np.arange(1, near.size + 1).reshape(near.shape), 0))
    pieces = np.bincount(named.ravel(), sizes.ravel())
    specks = (pieces > 0) & (pieces < _SPECK * pieces.max())
    if not specks.any():
        return mask
    return np.where(specks[named].repeat(block, 0).repeat(block, 1)[:height, :width], np.float32(0), mask)


def unmixed(colour: NDArray[np.floating], mask: NDArray[np.floating], rim: int) -> NDArray[np.floating]:
    """``colour`` (H, W, 3) of an object before a background, its rim's colours those of what lies further in.

    At the rim pixels show the background, too, and not only the half covered ones: on a mesh that would be a seam all
    around. What is thinner keeps its colours.

    Args:
        mask: (H, W) in 0..1. rim: its width, pixels.
    """
    height, width = mask.shape
    sure = np.pad(mask > 0.95, rim)
    for axis in (0, 1):
        sure = np.all([np.roll(sure, step, axis) for step in range(-rim, rim + 1)], axis=0)
    known = np.pad(sure[rim : rim + height, rim : rim + width], 1).ravel()
    result = np.pad(colour, ((1, 1), (1, 1), (0, 0))).reshape(-1, 3)
    mixed = np.flatnonzero(np.pad(mask > 0, 1).ravel() & ~known)
    around = np.array([row * (width + 2) + column for row in (-1, 0, 1) for column in (-1, 0, 1)])
    for _ in range(2 * rim + 1):
        beside = mixed[:, None] + around
        share = known[beside].astype(colour.dtype)
        count = share.sum(1)
        found = count > 0
        result[mixed[found]] = (result[beside[found]] * share[found, :, None]).sum(1) / count[found, None]
        known[mixed[found]] = True
        mixed = mixed[~found]
    return result.reshape(height + 2, width + 2, 3)[1:-1, 1:-1]


def _blended(off: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """``mask`` (H, W), its outermost pixels as opaque as they are further ``off`` the background than beside them."""
    here = np.where(mask, off, 0)
    around, inner = (np.pad(values, 1, mode="edge") for values in (here, mask))
    height, width = mask.shape
    beside = [np.s_[row : row + height, column : column + width] for row in range(3) for column in range(3)]
    most = np.max([around[place] for place in beside], axis=0)
    rim = mask & ~np.all([inner[place] for place in beside], axis=0)
    return np.where(rim, here / np.maximum(most, 1e-6), mask).astype(np.float32)


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


def _holes(off: NDArray[np.floating], enclosed: NDArray[np.bool_], outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What of ``enclosed`` (H, W) is background seen through the object, as within a cup's handle.

    Those are its regions whose colours are as close to the background's as those ``outside`` of the object are, by
    ``off`` (H, W): what is white in an object is shaded. In a line drawing all would be a hole, so then none is.
    """
    named = _spread(enclosed, np.where(enclosed, np.arange(1, off.size + 1).reshape(off.shape), 0))
    exact = off <= np.quantile(off[outside], _NOISE)
    sizes = np.bincount(named[enclosed], minlength=off.size + 1)
    hits = np.bincount(named[enclosed & exact], minlength=off.size + 1)
    object_size = off.size - outside.sum()
    clear = (sizes >= _HOLE * object_size) & (hits > _SAME * sizes)
    holes = clear[named]
    return holes if holes.sum() <= object_size / 2 else np.zeros_like(holes)


def _spread(free: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[Any]:
    """For every pixel of ``free`` the highest of ``values`` (H, W) that is connected to it; 0 elsewhere.

    Whole runs of rows and columns at a time.
    """
    while True:
        grown = _along_rows(free.T, _along_rows(free, values).T).T
        if (grown == values).all():
            return grown
        values = grown


def _along_rows(free: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[Any]:
    """For every run of ``free`` pixels within a row the highest of its ``values``; 0 elsewhere."""
    starts = np.ones(free.shape, bool)
    starts[:, 1:] = free[:, 1:] != free[:, :-1]
    run = np.cumsum(starts.ravel()) - 1
    highest = np.maximum.reduceat((values * free).ravel(), np.flatnonzero(starts))
    return highest[run].reshape(free.shape)
