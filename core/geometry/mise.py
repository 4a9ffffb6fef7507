"""Evaluates a field from coarse to fine, only where its surface is.

After the multiresolution isosurface extraction of Occupancy Networks (arXiv:1812.03828).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..jobs.task import Progress, Task
from .surface_nets import grid_halves

Evaluate = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_CHUNK = 16384  # points at once, so that one step stays short
_LEAST_COARSE = 32


def evaluate_multiresolution(
    evaluate: Evaluate,
    resolution: int,
    bound: float,
    band: float = 1.0,
    seeds: NDArray[np.floating] | None = None,
    reach: float = 0.0,
) -> Task[NDArray[np.float32]]:
    """The field at the (resolution + 1)^3 corners of a grid over [-bound, bound]^3, indexed x, y, z.

    Dense at a coarse grid of 32 to 63 cells a side (or more where the resolution cannot be halved); from there on only
    about the cells that the surface crosses, or whose corners come within ``band`` of it, since a part that is thinner
    than a cell shows no sign there. Elsewhere the coarser value is kept; the surface is the one of a dense evaluation
    wherever it is connected to what the coarser grid shows, or to what is about the ``seeds``.

    Args:
        evaluate: points (P, 3) float32 to values (P,), inside above 0; called with at most 16,384 points.
        resolution: cells along each side.
        seeds: (S, 3) points within ``reach``, along each axis, of thin parts.
    """
    halvings = 0
    while resolution % 2 == 0 and resolution // 2 >= _LEAST_COARSE:
        resolution //= 2
        halvings += 1
    shape = (resolution + 1,) * 3
    field = np.empty(shape, np.float32)
    yield from _evaluate_corners(
        evaluate, field, np.arange(field.size), bound, 0.0, 1 / (halvings + 1)
    )
    for step in range(1, halvings + 1):
        crossed = _crossed_cells(field)
        nearly = _any_corner((field <= 0) & (field > -band))
        field = _doubled_values(field)
        if step == 1:
            wanted = _refined_corners(_dilate_cells(crossed | nearly))
        else:
            wanted = _refined_corners(nearly & ~crossed) | _corners_of(_crossed_cells(field))
        if seeds is not None:
            wanted |= _corners_of(_cells_near(seeds, reach, len(field) - 1, bound))
        known = np.zeros_like(wanted)
        known[::2, ::2, ::2] = True
        while True:
            new = np.flatnonzero(wanted & ~known)
            if not len(new):
                break
            yield from _evaluate_corners(
                evaluate, field, new, bound, step / (halvings + 1), 1 / (halvings + 1)
            )
            known |= wanted
            wanted = _corners_of(_crossed_cells(field))
    return field


def _evaluate_corners(
    evaluate: Evaluate,
    field: NDArray[np.float32],
    flat: NDArray[np.int64],
    bound: float,
    start: float,
    share: float,
) -> Task[None]:
    """Put the values at the corners ``flat`` into ``field``, some at a time."""
    spacing = 2 * bound / (field.shape[0] - 1)
    values = field.reshape(-1)
    for at in range(0, len(flat), _CHUNK):
        yield Progress(start + share * at / len(flat), "Evaluating shape")
        part = flat[at : at + _CHUNK]
        points = np.stack(np.unravel_index(part, field.shape), axis=1) * spacing - bound
        values[part] = evaluate(points.astype(np.float32))


def _cells_near(
    seeds: NDArray[np.floating], reach: float, resolution: int, bound: float
) -> NDArray[np.bool_]:
    """The cells, of ``resolution`` along each side, within ``reach`` of ``seeds`` (S, 3)."""
    cells = np.zeros((resolution,) * 3, bool)
    scale = resolution / (2 * bound)
    at = ((seeds + bound) * scale).astype(int)
    steps = np.arange(-int(np.ceil(reach * scale)), int(np.ceil(reach * scale)) + 1)
    for offset in np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3):
        cells[tuple((at + offset).clip(0, resolution - 1).T)] = True
    return cells


def _crossed_cells(field: NDArray[np.float32]) -> NDArray[np.bool_]:
    inside = field > 0
    return _any_corner(inside) & _any_corner(~inside)


def _any_corner(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """For each cell whether any of its eight corners is true."""
    for axis in range(3):
        low, high = grid_halves(axis)
        values = values[low] | values[high]
    return values


def _dilate_cells(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``cells`` and their neighbours."""
    for axis in range(3):
        low, high = grid_halves(axis)
        grown = cells.copy()
        grown[low] |= cells[high]
        grown[high] |= cells[low]
        cells = grown
    return cells


def _refined_corners(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The corners, in a grid twice as fine, that lie in or on ``cells``."""
    for axis in range(3):
        cells = np.repeat(cells, 2, axis)
    return _corners_of(cells)


def _corners_of(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return _any_corner(np.pad(cells, 1))


def _doubled_values(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """The field on a grid twice as fine, the new corners halfway between the old ones."""
    for axis in range(3):
        old = np.moveaxis(field, axis, 0)
        new = np.empty((2 * len(old) - 1, *old.shape[1:]), np.float32)
        new[::2] = old
        new[1::2] = (old[1:] + old[:-1]) / 2
        field = np.moveaxis(new, 0, axis)
    return np.ascontiguousarray(field)
