"""Cuts an object out of a plain or smoothly shaded background, as of a product photograph or a drawing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .morphology import filter3x3

_ALIKE = 0.06  # of full scale: what JPEG and a soft vignette do to one colour
_PLAIN = 0.97  # share of the border that must be alike
_NOISE = 0.95  # share of the background's own pixels that tell how far they are from its colour
_SAME = 0.7  # share of a hole's pixels that are as close
_BLUR = 2  # pixels from an object's rim: what may be blurred
_BLOCK = 8  # pixels: how far JPEG spreads what is there
_HOLE = 0.005  # of the object: what is smaller may as well be a highlight
_FITS = 4  # each without what the one before found unlike
_MARGIN = 0.02  # of the longest side: the widest rim that is taken for a frame
_LINE = 2  # pixels: how uneven it may be, and how wide a line beside it
_WITHIN = 32  # pixels: the least that a frame is around
_FILLED = 0.99
_SPECK = 0.005  # of the largest piece: dust on a scan, scraps of lettering
_NEAR = 128  # parts of a picture's longest side, within about two of which pieces are one


def mask_plain_background(color: NDArray[np.floating]) -> NDArray[np.float32] | None:
    """Mask (H, W) of what is not background, or None if the border is neither of one colour nor a smooth gradient.

    The background is what has the border's colour, or the quadratic of x and y that the border's colours lie on, and
    is connected to the border. Spots of that colour within the object stay, unless they are clearly holes in it.

    Args:
        colour: (H, W, 3) sRGB in 0..1.
    """
    edge = np.zeros(color.shape[:2], bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    place = np.stack(_quadratic_terms(*np.nonzero(edge), edge.shape))
    shown = color[edge]
    for fit in (_fit_plain_background, _fit_gradient):
        weights = fit(place, shown)
        if (np.abs(shown - place.T @ weights).max(1) < _ALIKE).mean() < _PLAIN:
            continue
        off = _background_distance(color, weights)
        alike = off < _ALIKE
        outside = _flood_fill(alike, alike & edge)
        mask = ~(outside | _find_holes(off, alike & ~outside, outside))
        return (
            _soften_edge(off, mask) if mask.any() and _rim_step(color, mask) > _ALIKE / 2 else None
        )
    return None


def detect_frame(mask: NDArray[np.floating]) -> tuple[slice, slice] | None:
    """Rows and columns of what is within a frame, or a margin, around a picture, if ``mask`` (H, W) is all but that.

    It is a rectangle then, nearly as large as the picture, with as little around it on each side.
    """
    solid = mask > 0.5
    sides = [np.flatnonzero(solid.any(axis)) for axis in (1, 0)]
    if not len(sides[0]):
        return None
    ends = [(side[0], side[-1] + 1) for side in sides]
    rims = [
        rim
        for (low, high), length in zip(ends, mask.shape, strict=True)
        for rim in (low, length - high)
    ]
    rows, columns = (slice(low + _LINE, high - _LINE) for low, high in ends)
    wide = max(rims) > max(_LINE + 1, _MARGIN * max(mask.shape)) or max(rims) - min(rims) > _LINE
    small = min(high - low for low, high in ends) < _WITHIN
    if wide or small or solid[rows, columns].mean() < _FILLED:
        return None
    return rows, columns


def remove_specks(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """``mask`` (H, W) in 0..1 less what is small beside its largest piece and far from the others.

    An object is framed by all that is its mask: a grain of dust in a corner would make it small and put it aside.
    """
    height, width = mask.shape
    block = -(-max(mask.shape) // _NEAR)
    solid = np.pad(mask > 0.5, ((0, -height % block), (0, -width % block)))
    sizes = solid.reshape(len(solid) // block, block, -1, block).sum((1, 3))
    around = np.pad(sizes, 1)
    near = np.any(
        [np.roll(around, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0
    )[1:-1, 1:-1]
    named = _flood_fill(near, np.where(near, np.arange(1, near.size + 1).reshape(near.shape), 0))
    pieces = np.bincount(named.ravel(), sizes.ravel())
    specks = (pieces > 0) & (pieces < _SPECK * pieces.max())
    if not specks.any():
        return mask
    return np.where(
        specks[named].repeat(block, 0).repeat(block, 1)[:height, :width], np.float32(0), mask
    )


def decontaminate_edges(
    color: NDArray[np.floating], mask: NDArray[np.floating], rim: int
) -> NDArray[np.floating]:
    """``colour`` (H, W, 3) of an object before a background, its rim's colours those of what lies further in.

    At the rim pixels show the background, too, and not only the half covered ones: on a mesh that would be a seam all
    around. What is thinner keeps its colours.

    Args:
        mask: (H, W) in 0..1. rim: its width, pixels.
    """
    height, width = mask.shape
    sure = np.pad(mask > 0.95, rim)
    for _ in range(rim):
        sure = filter3x3(sure, np.logical_and)
    known = np.pad(sure[rim : rim + height, rim : rim + width], 1).ravel()
    result = np.pad(color, ((1, 1), (1, 1), (0, 0))).reshape(-1, 3)
    mixed = np.flatnonzero(np.pad(mask > 1 / 255, 1).ravel() & ~known)
    square = np.array([row * (width + 2) + column for row in (-1, 0, 1) for column in (-1, 0, 1)])
    for _ in range(2 * rim + 1):
        beside = mixed[:, None] + square
        share = known[beside].astype(color.dtype)
        count = share.sum(1)
        found = count > 0
        result[mixed[found]] = (result[beside[found]] * share[found, :, None]).sum(1) / count[
            found, None
        ]
        known[mixed[found]] = True
        mixed = mixed[~found]
    return result.reshape(height + 2, width + 2, 3)[1:-1, 1:-1]


def _soften_edge(off: NDArray[np.floating], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """``mask`` (H, W), its outermost pixels as opaque as they are further ``off`` the background than beside them."""
    here = np.where(mask, off, 0)
    rim = mask & ~filter3x3(mask, np.logical_and)
    return np.where(rim, here / np.maximum(filter3x3(here, np.maximum), 1e-6), mask).astype(
        np.float32
    )


def _rim_step(color: NDArray[np.floating], mask: NDArray[np.bool_]) -> float:
    """Median step of colour across the mask's rim: where a shaded background was misjudged there is none."""
    steps = [np.abs(np.diff(color, axis=axis)).max(2)[np.diff(mask, axis=axis)] for axis in (0, 1)]
    return float(np.median(np.concatenate(steps)))


def _quadratic_terms(
    rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]
) -> list[NDArray[np.float64]]:
    """What a quadratic of x and y is the sum of, at ``rows`` and ``columns`` of a picture of ``shape``."""
    y, x = (
        2 * place / max(length - 1, 1) - 1
        for place, length in zip((rows, columns), shape, strict=True)
    )
    return [np.ones_like(x), x, y, x * x, x * y, y * y]


def _fit_plain_background(
    place: NDArray[np.float64], shown: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Weights (6, 3) of the quadratic that is the colour of most of the border; arguments as of :func:`_fit_gradient`."""
    return np.concatenate((np.median(shown, axis=0)[None], np.zeros((len(place) - 1, 3))))


def _fit_gradient(place: NDArray[np.float64], shown: NDArray[np.floating]) -> NDArray[np.float64]:
    """Weights (6, 3) of the quadratic through most of the border's colours.

    Args:
        place: (6, K) terms at its pixels. shown: (K, 3) their colours.
    """
    alike = np.ones(len(shown), bool)
    for _ in range(_FITS):
        weights = np.linalg.lstsq(place.T[alike], shown[alike], rcond=None)[0]
        error = np.abs(place.T @ weights - shown).max(1)
        alike = error <= max(_ALIKE, float(np.median(error)))
    return weights


def _background_distance(
    color: NDArray[np.floating], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far ``colour`` (H, W, 3) is from the quadratic of ``weights`` (6, 3), in the channel that is furthest."""
    height, width = color.shape[:2]
    terms = _quadratic_terms(np.arange(height)[:, None], np.arange(width)[None], (height, width))
    off = np.zeros((height, width))
    for channel, own in zip(np.moveaxis(color, 2, 0), weights.T, strict=True):
        background = sum(weight * term for weight, term in zip(own, terms, strict=True) if weight)
        np.maximum(off, np.abs(channel - background), out=off)
    return off


def _find_holes(
    off: NDArray[np.floating], enclosed: NDArray[np.bool_], outside: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """What of ``enclosed`` (H, W) is background seen through the object, as within a cup's handle.

    Those are its regions whose colours are as close to the background's as those ``outside`` of the object are, by
    ``off`` (H, W), as far from its rim: what is white in an object is shaded. In a line drawing all would be a hole, so
    then none is.
    """
    none = np.zeros_like(enclosed)
    object_size = off.size - outside.sum()
    named = _flood_fill(
        enclosed, np.where(enclosed, np.arange(1, off.size + 1).reshape(off.shape), 0)
    )
    large = np.bincount(named[enclosed], minlength=off.size + 1) >= _HOLE * object_size
    if not large.any():
        return none
    blurred = _dilate_mask(~(outside | enclosed), _BLUR)
    beside = _dilate_mask(blurred, _BLOCK - _BLUR) & ~blurred
    alike = off[outside & beside]
    exact = off <= (np.quantile(alike, _NOISE) if len(alike) else 0)
    sizes, hits = (
        np.bincount(named[enclosed & ~blurred & part], minlength=off.size + 1)
        for part in (True, exact)
    )
    clear = large & (hits > _SAME * sizes)
    holes = clear[named]
    return holes if holes.sum() <= object_size / 2 else none


def _dilate_mask(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """What is within ``reach`` pixels of ``mask`` (H, W)."""
    for _ in range(reach):
        mask = filter3x3(mask, np.logical_or)
    return mask


def _flood_fill(free: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[Any]:
    """For every pixel of ``free`` the highest of ``values`` (H, W) that is connected to it; 0 elsewhere.

    Runs of pixels within rows are what is connected, those of two rows where they touch (He et al. 2008,
    doi:10.1109/TIP.2008.919369).
    """
    starts = np.ones(free.shape, bool)
    starts[:, 1:] = free[:, 1:] != free[:, :-1]
    run = np.cumsum(starts.ravel()).reshape(free.shape) - 1
    touching = free[1:] & free[:-1] & (starts[1:] | starts[:-1])
    group = _merge_connected(run[:-1][touching], run[1:][touching], run[-1, -1] + 1)
    highest = np.zeros(len(group), values.dtype)
    np.maximum.at(
        highest, group, np.maximum.reduceat((values * free).ravel(), np.flatnonzero(starts))
    )
    return highest[group][run]


def _merge_connected(
    one: NDArray[np.int64], other: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """For each of ``count`` the least that it is connected to by pairs of ``one`` and ``other`` (K,)."""
    group = np.arange(count)
    while True:
        low = np.minimum(group[one], group[other])
        high = np.maximum(group[one], group[other])
        if (low == high).all():
            return group
        np.minimum.at(group, high, low)
        while (group[group] != group).any():
            group = group[group]
