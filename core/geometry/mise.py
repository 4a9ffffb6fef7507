"""Evaluate a field from coarse to fine, only near its surface.

After the multiresolution isosurface extraction (MISE) of Occupancy Networks (arXiv:1812.03828).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..imaging.morphology import dilate, shifted_slices
from ..jobs.task import Progress, Task

Evaluate = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_CHUNK = 16384  # points of one call, so that a step stays short
_MIN_COARSE_RESOLUTION = 32  # cells; a coarser grid misses too many parts


def evaluate_multiresolution(
    evaluate: Evaluate,
    resolution: int,
    bound: float,
    band: float = 1.0,
    seeds: NDArray[np.floating[Any]] | None = None,
    reach: float = 0.0,
) -> Task[NDArray[np.float32]]:
    """Evaluate a field at the corners of a fine grid, densely only near its surface.

    A coarse grid of 32 to 63 cells a side (or more where the resolution cannot be halved) is
    evaluated densely. Then the cells are halved until they are fine enough, and each time only the
    corners of cells near the surface are evaluated:

        coarse                        fine
        -     -     -     -           -  .  -  .  -  .  -      -, +  value below, above 0
                                      .  .  .  .  .  .  .      .     interpolated
                                      .  .  *  *  *  *  *      *     evaluated
        -     +     +     -           -  .  *  *  *  *  *
              surface between
              the signs

    A cell is refined if the surface crosses it, or if a value at its corners is just below 0 (by
    less than ``band``): a part thinner than a cell changes no sign there. If the fine surface
    crosses a cell that was not refined, that cell is evaluated too, and so on. So the surface is
    that of a dense evaluation wherever it is connected to what the coarser grid shows, or to what
    is near ``seeds``.

    Args:
        evaluate: Maps points (P, 3) float32, P at most 16384, to values (P,) float32, above 0
            inside.
        resolution: Cells along each side.
        bound: The grid spans [-bound, bound] along each axis.
        band: Refine also where values lie in (-band, 0].
        seeds: (S, 3) points near thin parts that the coarse grid may miss.
        reach: Distance from the seeds, along each axis, within which to refine.

    Returns:
        (R, R, R) float32 values with R = resolution + 1, indexed x, y, z.
    """
    coarse_resolution, halvings = _coarsest_resolution(resolution)
    share = 1 / (halvings + 1)

    # Evaluate the coarse grid densely.
    field = np.empty((coarse_resolution + 1,) * 3, np.float32)
    yield from _evaluate_corners(evaluate, field, np.arange(field.size), bound, (0.0, share))

    for step in range(1, halvings + 1):
        # Find the cells near the surface, and halve the cells.
        crossed = _crossed_cells(field)
        near_zero = _any_corner((field <= 0) & (field > -band))
        field = _doubled_values(field)

        # The first step refines the neighbors as well, since the coarse grid is least reliable.
        if step == 1:
            wanted = _refined_corners(dilate(crossed | near_zero))
        else:
            wanted = _refined_corners(near_zero & ~crossed)
            wanted |= _corners_of(_crossed_cells(field))
        if seeds is not None:
            wanted |= _corners_of(_cells_near(seeds, reach, len(field) - 1, bound))

        # Follow the surface until all cells that it crosses are evaluated.
        known = np.zeros_like(wanted)
        known[::2, ::2, ::2] = True
        while True:
            new = np.flatnonzero(wanted & ~known)
            if not len(new):
                break
            start = step / (halvings + 1)
            yield from _evaluate_corners(evaluate, field, new, bound, (start, share))
            known |= wanted
            wanted = _corners_of(_crossed_cells(field))

    return field


def _coarsest_resolution(resolution: int) -> tuple[int, int]:
    """Return the resolution of the coarsest grid, and how often it is doubled."""
    halvings = 0
    while resolution % 2 == 0 and resolution // 2 >= _MIN_COARSE_RESOLUTION:
        resolution //= 2
        halvings += 1
    return resolution, halvings


def _evaluate_corners(
    evaluate: Evaluate,
    field: NDArray[np.float32],
    corners: NDArray[np.int64],
    bound: float,
    fractions: tuple[float, float],
) -> Task[None]:
    """Write the values at some corners into ``field``, a chunk a step.

    Args:
        evaluate: The field to evaluate.
        field: (R, R, R) values, changed in place.
        corners: (N,) flat indices of the corners to evaluate.
        bound: The grid spans [-bound, bound] along each axis.
        fractions: Fraction of the progress at the start, and share that this is of it.
    """
    start, share = fractions
    resolution = field.shape[0] - 1
    spacing = 2 * bound / resolution
    values = field.reshape(-1)

    for first in range(0, len(corners), _CHUNK):
        fraction = start + share * first / len(corners)
        yield Progress(fraction, "Evaluating shape")

        chunk = corners[first : first + _CHUNK]
        x, y, z = np.unravel_index(chunk, field.shape)
        indices = np.stack((x, y, z), axis=1)
        points = indices * spacing - bound
        values[chunk] = evaluate(points.astype(np.float32))


def _cells_near(
    seeds: NDArray[np.floating[Any]], reach: float, resolution: int, bound: float
) -> NDArray[np.bool_]:
    """Return which cells (N, N, N), N = ``resolution``, are within ``reach`` of the seeds."""
    cells = np.zeros((resolution,) * 3, bool)
    cells_per_unit = resolution / (2 * bound)
    seed_cells = ((seeds + bound) * cells_per_unit).astype(int)

    cell_reach = int(np.ceil(reach * cells_per_unit))
    steps = np.arange(-cell_reach, cell_reach + 1)
    cube = np.meshgrid(steps, steps, steps)
    offsets = np.stack(cube, axis=-1).reshape(-1, 3)

    # Mark all seeds' cells at once, moved by each offset within reach.
    for offset in offsets:
        near = (seed_cells + offset).clip(0, resolution - 1)
        cells[tuple(near.T)] = True
    return cells


def _crossed_cells(field: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which cells have corners both inside and outside."""
    inside = field > 0
    return _any_corner(inside) & _any_corner(~inside)


def _any_corner(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each cell whether any of its eight corners is true."""
    for axis in range(3):
        lower, upper = shifted_slices(3, axis)
        values = values[lower] | values[upper]
    return values


def _refined_corners(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the corners of a grid twice as fine that lie in or on ``cells``."""
    for axis in range(3):
        cells = np.repeat(cells, 2, axis)
    return _corners_of(cells)


def _corners_of(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which corners belong to any of ``cells``."""
    return _any_corner(np.pad(cells, 1))


def _doubled_values(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the field on a grid twice as fine, linearly interpolated."""
    for axis in range(3):
        coarse = np.moveaxis(field, axis, 0)
        fine_length = 2 * len(coarse) - 1
        fine = np.empty((fine_length, *coarse.shape[1:]), np.float32)

        # The old corners, and the new ones halfway between them.
        fine[::2] = coarse
        fine[1::2] = (coarse[1:] + coarse[:-1]) / 2
        field = np.moveaxis(fine, 0, axis)

    return np.ascontiguousarray(field)
