"""Colors of what no image shows, spread smoothly through space from colors that are known.

This is the pull-push interpolation of scattered data (Gortler et al., The Lumigraph, 1996) in three
dimensions: known colors are averaged in grids of 64^3, 32^3, ... 1 cells, and each finer grid takes
from the next coarser one what it does not know itself.

    known points    64^3          32^3           ...      1
      .  .   pull   [c][ ]   ->   [ c ]    ->   ...   [  mean  ]
       .            [ ][c]
                    [c][c]   <-   [ c ]    <-   ...      push

Near known points the result has their colors, far from them the mean of many: low frequencies only,
so that no feature of the seen side is repeated elsewhere. The cells are wider than they are tall:
things that stand change their colors with the height more than around them, such as a shirt above
trousers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_LEVELS = 6  # the finest grid has 2^6 cells along each side
_FLATTENING = 4.0  # width of a cell, relative to its height
_FULL_WEIGHT = 1.0  # sum of weights in a cell from which on the coarser grid has no say
_MARGIN = 1e-3  # by which the grid is larger than the points' bounds


def spread_colors(
    positions: Floats, colors: Floats, weights: Floats, targets: Floats
) -> NDArray[np.float32] | None:
    """Return colors at ``targets``, interpolated from those at ``positions``.

    Args:
        positions: (P, 3) points of known color, in any unit, z up.
        colors: (P, C) of them.
        weights: (P,) how far each counts, at least 0.
        targets: (T, 3) in the same unit.

    Returns:
        (T, C); None if no point counts.
    """
    if not (weights > 0).any():
        return None

    # The grid holds all of the points and targets.
    cell_shape = np.array((_FLATTENING, _FLATTENING, 1.0))
    positions = positions / cell_shape
    targets = targets / cell_shape
    everything = np.concatenate((positions, targets))
    low = everything.min(0)
    side = float(np.ptp(everything, axis=0).max()) * (1 + _MARGIN) or 1.0
    size = 2**_LEVELS
    known = _splat((positions - low) / side * size, colors, weights, size)

    # Pull: sums of 2 x 2 x 2 cells.
    levels = [known]
    for _ in range(_LEVELS):
        levels.append(_coarsened(levels[-1]))

    # Push: cells that know little take what the coarser grid has.
    filled = _averages(levels[-1])
    for level in reversed(levels[:-1]):
        share = np.minimum(level[..., -1:] / _FULL_WEIGHT, 1.0)
        filled = share * _averages(level) + (1 - share) * _refined(filled)
    return _sample_trilinear(filled, (targets - low) / side * size).astype(np.float32)


def _splat(cells: Floats, colors: Floats, weights: Floats, size: int) -> NDArray[np.float64]:
    """Return sums of weighted colors and of weights in each cell: (S, S, S, C + 1)."""
    index = np.minimum(cells.astype(np.int64), size - 1)
    x, y, z = index.T
    flat = (x * size + y) * size + z

    # Weighted colors, and the weights behind them.
    weighted = colors * weights[:, None]
    channels = []
    for channel in (*weighted.T, weights):
        channels.append(np.bincount(flat, channel, size**3))
    sums: NDArray[np.float64] = np.stack(channels, axis=-1, dtype=np.float64)
    return sums.reshape(size, size, size, -1)


def _coarsened(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of 2 x 2 x 2 cells."""
    half = sums.shape[0] // 2
    blocks = sums.reshape(half, 2, half, 2, half, 2, -1)
    coarse: NDArray[np.float64] = blocks.sum((1, 3, 5))
    return coarse


def _averages(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return mean colors; 0 where nothing is known."""
    weight = sums[..., -1:]
    means: NDArray[np.float64] = sums[..., :-1] / np.where(weight > 0, weight, 1)
    return means


def _refined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a grid of twice the resolution, interpolated between the cells' middles."""
    for axis in range(3):
        before = np.concatenate(
            (values.take([0], axis), values.take(range(values.shape[axis] - 1), axis)), axis
        )
        after = np.concatenate(
            (values.take(range(1, values.shape[axis]), axis), values.take([-1], axis)), axis
        )
        lower = 0.75 * values + 0.25 * before
        upper = 0.75 * values + 0.25 * after
        shape = list(values.shape)
        shape[axis] *= 2
        values = np.stack((lower, upper), axis + 1).reshape(shape)

    return values


def _sample_trilinear(values: NDArray[np.float64], cells: Floats) -> NDArray[np.float64]:
    """Return values (T, C) at positions (T, 3) in cells, whose middles are at halves."""
    last = values.shape[0] - 1
    position = (cells - 0.5).clip(0, last)
    base = np.minimum(position.astype(np.int64), max(last - 1, 0))
    share = position - base
    result = np.zeros((len(cells), values.shape[-1]))

    for corner in np.ndindex(2, 2, 2):
        index = np.minimum(base + corner, last)
        factors = np.where(corner, share, 1 - share)
        weight = factors.prod(1)[:, None]
        corner_values = values[tuple(index.T)]
        result += weight * corner_values

    return result
