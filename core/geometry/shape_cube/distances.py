"""Truncated signed distances from cells that are inside or not, and what follows from them.

The distance to the nearest cell of the other kind is separable: the smallest square along x, then
of those sums along y and along z (Saito and Toriwaki 1994, doi:10.1016/0031-3203(94)90133-3). Each
pass only looks as far as the truncation, so it is a few shifted minima.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .box import CUBE_SIDE, FIELD_SIDE, field_coordinates

Field = NDArray[np.float32]
_LINES_AT_ONCE = 1024  # so that they stay in the cache


def truncated_distance(inside: NDArray[np.bool_], spacing: Sequence[float], reach: float) -> Field:
    """Return the signed distance of cells' centers to the surface between cells.

    Args:
        inside: (X, Y, Z) which cells are inside; what is beyond the grid is outside.
        spacing: (3,) distance of neighboring centers along each axis.
        reach: distance at which it is truncated, in the same unit.

    Returns:
        (X, Y, Z) float32 in -reach..reach, positive inside.
    """
    # The surface is halfway between a cell and one of the other kind.
    half = float(np.min(spacing)) / 2

    # A border of cells outside, which is taken off again.
    padded = np.pad(inside, 1)
    to_inside = np.sqrt(_squared_distance(padded, spacing, reach))
    to_outside = np.sqrt(_squared_distance(~padded, spacing, reach))
    signed = np.where(padded, to_outside - half, half - to_inside)
    unpadded = signed[1:-1, 1:-1, 1:-1]

    return unpadded.clip(-reach, reach).astype(np.float32)


def unsigned_distance(marked: NDArray[np.bool_], spacing: float, reach: float) -> Field:
    """Return the distance (X, Y, Z) to the center of the nearest marked cell, at most 2 reach.

    Args:
        marked: (X, Y, Z) cells.
        spacing: distance of neighboring centers.
        reach: distance up to which it is exact.
    """
    return np.sqrt(_squared_distance(marked, (spacing,) * 3, reach))


def _squared_distance(marked: NDArray[np.bool_], spacing: Sequence[float], reach: float) -> Field:
    """Return the squared distance to the nearest marked cell, at most (2 reach)^2."""
    far = np.float32((2 * reach) ** 2)
    squared = np.where(marked, np.float32(0), far)
    for axis, step in enumerate(spacing):
        # All lines along the axis, side by side.
        moved = np.moveaxis(squared, axis, 0)
        shape = moved.shape
        lines = np.ascontiguousarray(moved).reshape(shape[0], -1)
        line_count = lines.shape[1]
        for start in range(0, line_count, _LINES_AT_ONCE):
            part = lines[:, start : start + _LINES_AT_ONCE]
            part[:] = _shifted_minimum(np.ascontiguousarray(part), step, reach)
        squared = np.moveaxis(lines.reshape(shape), 0, axis)

    return squared


def _shifted_minimum(source: Field, step: float, reach: float) -> Field:
    """Return the smallest of the values (N, M) along the first axis plus squared distances.

    Args:
        source: squared distances so far.
        step: distance of neighbors along the axis.
        reach: largest distance that matters.
    """
    nearest = source.copy()
    moved = np.empty_like(source)
    reached = int(np.ceil(reach / step)) + 1
    last_shift = min(reached, len(source) - 1)

    for shift in range(1, last_shift + 1):
        # From both neighbors at this distance.
        squared_shift = np.float32((shift * step) ** 2)
        np.add(source, squared_shift, out=moved)
        np.minimum(nearest[shift:], moved[:-shift], out=nearest[shift:])
        np.minimum(nearest[:-shift], moved[shift:], out=nearest[:-shift])

    return nearest


def resample_field(
    field: Field, origin: Sequence[float], spacing: Sequence[float], outside: float
) -> Field:
    """Return a field at the 64^3 points of the cube, interpolated linearly.

    Args:
        field: (X, Y, Z) values.
        origin: (3,) position in the cube of the first value.
        spacing: (3,) distance of neighboring values along each axis.
        outside: value beyond the field.
    """
    values = np.pad(field, 1, constant_values=outside)
    target = field_coordinates()
    for axis in range(3):
        # Where the points of the cube are among those of the field, padding included.
        place = (target - origin[axis]) / spacing[axis] + 1
        place = place.clip(0, values.shape[axis] - 1)
        lower = np.minimum(np.floor(place).astype(np.int64), values.shape[axis] - 2)
        shape = [1, 1, 1]
        shape[axis] = FIELD_SIDE
        share = (place - lower).reshape(shape).astype(np.float32)

        # Linearly between the two neighbors.
        first = np.take(values, lower, axis)
        second = np.take(values, lower + 1, axis)
        values = first + share * (second - first)

    return np.ascontiguousarray(values, np.float32)


def surface_points(
    field: NDArray[np.floating[Any]], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return points where a field of the cube crosses 0, and the normals there.

    Args:
        field: (S, S, S) values at the points of the cube, positive inside.
        count: number of points; some occur twice where there are fewer crossings.
        rng: chooses them.

    Returns:
        (count, 3) positions in the cube and (count, 3) unit normals, outwards; (0, 3) both where
        nothing is inside.
    """
    side = field.shape[0]
    inside = field > 0
    positions = []

    for axis in range(3):
        # Pairs of neighbors along the axis, one inside and one outside.
        values = np.moveaxis(field, axis, 0)
        differs = np.moveaxis(inside, axis, 0)
        index = np.argwhere(differs[1:] != differs[:-1])
        start = values[tuple(index.T)].astype(np.float64)
        index[:, 0] += 1
        end = values[tuple(index.T)].astype(np.float64)

        # The place between them where a straight line crosses 0.
        crossing = index.astype(np.float64)
        crossing[:, 0] += start / (start - end) - 1
        order = [1, 2]
        order.insert(axis, 0)
        positions.append(crossing[:, order])

    all_positions = np.concatenate(positions)
    if not len(all_positions):
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)

    # As many as wanted, some of them twice if need be.
    chosen = rng.permutation(len(all_positions))[:count]
    if len(chosen) < count:
        chosen = np.resize(chosen, count)
    cells = all_positions[chosen]
    normals = _normals_at(field, cells)
    points = ((cells + 0.5) / side - 0.5) * CUBE_SIDE

    return points.astype(np.float32), normals


def _normals_at(
    field: NDArray[np.floating[Any]], cells: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the unit normals (P, 3) at positions (P, 3) in cells, by central differences."""
    last = field.shape[0] - 1
    normals = np.empty((len(cells), 3), np.float32)
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1.0
        next_cells = (cells + step).clip(0, last)
        previous_cells = (cells - step).clip(0, last)
        ahead = interpolate(field, next_cells)
        behind = interpolate(field, previous_cells)
        normals[:, axis] = behind - ahead  # the field falls outwards

    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit: NDArray[np.float32] = normals / np.maximum(length, 1e-9)
    return unit


def interpolate(
    field: NDArray[np.floating[Any]], cells: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the values (P,) of a field (X, Y, Z) at positions (P, 3) in cells, linearly."""
    last_lower = np.array(field.shape) - 2
    lower = np.minimum(np.floor(cells).astype(np.int64), last_lower)
    share = cells - lower

    result = np.zeros(len(cells), np.float32)
    for offset, weight in corner_weights(share):
        index = lower + offset
        values = field[tuple(index.T)]
        result += (weight * values).astype(np.float32)
    return result


def corner_weights(
    share: NDArray[np.float64],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield the eight corners of cells (3,), 0 or 1, and their weights (P,) at points in them.

    A weight is the product of three linear ones.

    Args:
        share: (P, 3) where the points are between the lower and the upper corner, in 0..1.
    """
    for corner in range(8):
        bits = (corner & 1, corner >> 1 & 1, corner >> 2 & 1)
        offset = np.array(bits)
        weights = np.where(offset == 1, share, 1 - share)
        yield offset, weights.prod(1)
