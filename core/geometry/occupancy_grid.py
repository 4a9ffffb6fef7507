"""What is inside a solid, at the centers of all cells of a cube at once.

Rays along the axes and the diagonals of a lattice pass through the centers of its cells. So one
list of the crossings of a line answers for all cells on it:

       surface    surface
          |          |
    . . . x o o o o o x . . .         . o  cells on one line
        +1|        -1|                     sum of the crossings to the right of a cell: its
                                           winding number by the ray to the right

There are 13 such lines through a cell (3 along axes, 6 along diagonals of faces, 4 along diagonals
of the cube), as many as ``OrientedSolid.contains`` takes. The diagonals are evaluated only where
the axes disagree, which is nowhere if the surface is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ray_crossings import (
    Faces,
    Index,
    Points,
    edge_functions,
    evaluate,
    expand,
    keep_crossed,
    plane_heights,
    split_by_work,
)
from .winding_number import OrientedSolid

SIDE = 96  # cells along each side of the cube
GROWN = 1.02  # side of the cube, as a factor of the longest side of the bounding box
_ASIDE = (0.0031, 0.0043, 0.0057)  # cells; lines pass beside the centers, so that they hit no edge
# Lebedev's rule of 26 points on a sphere, times 840: weights of the directions by how many of
# their coordinates are not 0.
_WEIGHTS = {1: 40, 2: 32, 3: 27}
_WEIGHT_SUM = 840
_ROWS_AT_ONCE = 100_000  # rows of lines that are intersected at once, to limit the memory
_TOLERANCE = 1e-6  # cells; lines that are that far beside a triangle are tested exactly
_TABLE_COST = 8  # a table of all cells of a direction pays for this many queries a cell


@dataclass(frozen=True)
class _LineWinding:
    """What the two opposite rays of each cell along one line cross: (Q,) each.

    Attributes:
        ahead: Winding number by the ray along the line.
        behind: Winding number by the opposite ray.
        is_visible: Whether one of the two rays crosses nothing.
    """

    ahead: NDArray[np.int32]
    behind: NDArray[np.int32]
    is_visible: NDArray[np.bool_]


@dataclass(frozen=True)
class _Lattice:
    """The parallel lines along one direction through the centers of all cells.

    A line is numbered by two coordinates that do not change along it: those of the two axes across,
    minus the slope times the coordinate along ``axis``.

    Attributes:
        axis: The first axis that is not 0 in the direction.
        across: The two other axes, right-handed with the first.
        slope: Coordinates of the direction along these axes.
        lowest: Lowest number of a line along each.
        count: How many numbers there are along each.
    """

    axis: int
    across: tuple[int, int]
    slope: tuple[int, int]
    lowest: tuple[int, int]
    count: tuple[int, int]

    @classmethod
    def along(cls, direction: NDArray[np.int64], side: int) -> _Lattice:
        """Return the lines along a direction.

        Args:
            direction: (3,) of -1, 0 and 1, of which the first that is not 0 is 1.
            side: Number of cells along each side of the cube.
        """
        axis = int(np.flatnonzero(direction)[0])
        across = ((axis + 1) % 3, (axis + 2) % 3)
        slope = (int(direction[across[0]]), int(direction[across[1]]))

        # A diagonal needs almost twice as many lines as there are cells along a side.
        lowest = [0, 0]
        count = [side, side]
        for rank in range(2):
            if slope[rank] > 0:
                lowest[rank] = -(side - 1)
            if slope[rank] != 0:
                count[rank] = side + side - 1

        return cls(
            axis=axis,
            across=across,
            slope=slope,
            lowest=(lowest[0], lowest[1]),
            count=(count[0], count[1]),
        )

    @property
    def line_count(self) -> int:
        """Number of lines."""
        return self.count[0] * self.count[1]

    def coordinate(self, positions: NDArray[Any], rank: int) -> NDArray[Any]:
        """Return one of the two numbers of the lines through positions.

        Args:
            positions: Three arrays, the coordinates along x, y and z.
            rank: Which of the two numbers, 0 or 1.
        """
        along = positions[self.axis]
        shift = self.slope[rank] * along
        number: NDArray[Any] = positions[self.across[rank]] - shift - self.lowest[rank]
        return number


def cell_centers(bounds: NDArray[np.floating[Any]]) -> Points:
    """Return the centers (SIDE, SIDE, SIDE, 3) of the cells around ``bounds`` (2, 3)."""
    lower, cell_size = _cube(bounds)
    steps = (np.arange(SIDE) + 0.5) * cell_size
    centers: Points = lower + np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return centers


def coordinates(points: NDArray[np.floating[Any]], bounds: NDArray[np.floating[Any]]) -> Points:
    """Return points in cells from the lower corner; the integer part is the index of the cell.

    Args:
        points: (P, 3).
        bounds: (2, 3) lower and upper corner of the bounding box, in the same unit.
    """
    lower, cell_size = _cube(bounds)
    return (points - lower) / cell_size


def inside_grid(solid: OrientedSolid, bounds: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Return whether the center of each cell of the cube around ``bounds`` is inside the solid.

    Inside is as in ``OrientedSolid.contains``: where the mean winding number is above a half, or
    what no direction sees from outside.

    Args:
        solid: The solid.
        bounds: (2, 3) lower and upper corner. The cube has the same center, and its side is
            ``GROWN`` times the longest side.

    Returns:
        (SIDE, SIDE, SIDE) bool, indexed x, y, z.
    """
    lower, cell_size = _cube(bounds)
    return inside_lattice(solid, lower, cell_size, SIDE)


def inside_lattice(
    solid: OrientedSolid,
    lower: NDArray[np.floating[Any]],
    cell_size: float,
    side: int,
    fill_hidden: bool = True,
) -> NDArray[np.bool_]:
    """Return whether the center of each cell of a cube is inside the solid.

    Args:
        solid: The solid.
        lower: (3,) the lower corner of the cube.
        cell_size: Length of a cell.
        side: Number of cells along each side of the cube.
        fill_hidden: Also what no direction sees from outside, such as a hollow.

    Returns:
        (side, side, side) bool, indexed x, y, z.
    """
    vertices = (solid.vertices - lower) / cell_size - 0.5 - np.array(_ASIDE)
    cells = np.indices((side,) * 3, np.int32).reshape(3, -1)

    # Closed surfaces: all six rays of a cell along the axes count the same winding number.
    total = np.zeros(cells.shape[1], np.int32)
    is_visible = np.zeros(cells.shape[1], bool)
    agree = np.ones(cells.shape[1], bool)
    winding: NDArray[np.int32] | None = None

    for direction in np.eye(3, dtype=np.int64):
        line_winding = _count_along(vertices, solid.triangles, direction, cells, side)
        if winding is None:
            winding = line_winding.ahead
        agree &= (line_winding.ahead == winding) & (line_winding.behind == winding)
        total += _WEIGHTS[1] * (line_winding.ahead + line_winding.behind)
        is_visible |= line_winding.is_visible

    assert winding is not None, "there are three directions"
    result = winding > 0

    # Elsewhere take the mean over all directions, and whether any of them sees the cell.
    is_open = ~agree
    if fill_hidden:
        is_open |= (winding <= 0) & ~is_visible
    open_cells = np.flatnonzero(is_open)

    if len(open_cells):
        total = total[open_cells]
        is_visible = is_visible[open_cells]
        for direction in _diagonals():
            line_winding = _count_along(
                vertices, solid.triangles, direction, cells[:, open_cells], side
            )
            weight = _WEIGHTS[int(np.abs(direction).sum())]
            total += weight * (line_winding.ahead + line_winding.behind)
            is_visible |= line_winding.is_visible
        result[open_cells] = 2 * total > _WEIGHT_SUM
        if fill_hidden:
            result[open_cells] |= ~is_visible

    return result.reshape((side,) * 3)


def _count_along(
    vertices: Points,
    triangles: Faces,
    direction: NDArray[np.int64],
    cells: NDArray[np.int32],
    side: int,
) -> _LineWinding:
    """Count what the lines along a direction through the centers of cells cross.

    Args:
        vertices: (V, 3) in cells; the center of the cell (i, j, k) is at (i, j, k).
        triangles: (F, 3) indices.
        direction: (3,) of -1, 0 and 1; the first number that is not 0 is 1.
        cells: (3, Q) the cells.
        side: Number of cells along each side of the cube.
    """
    lattice = _Lattice.along(direction, side)

    # Express the mesh by the two numbers that tell lines apart, and the depth along a line.
    columns = vertices.T
    first_number = lattice.coordinate(columns, 0)
    second_number = lattice.coordinate(columns, 1)
    depths = columns[lattice.axis]
    corners = np.stack((first_number, second_number, depths), axis=1)[triangles]
    line, depth, sign = find_crossings(corners, lattice.count)

    # Sort the crossings by line and by the first cell beyond them, and add up their signs.
    slot = np.ceil(depth).clip(0, side).astype(np.int64)
    keys = line * (side + 1) + slot
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    sums = np.concatenate(((0,), np.cumsum(sign[order]))).astype(np.int32)
    crossings_of_line = np.bincount(line, minlength=lattice.line_count)
    line_starts = np.concatenate(((0,), np.cumsum(crossings_of_line))).astype(np.int32)

    # Find for each cell the crossings of its line before it, and their sum.
    first_number = lattice.coordinate(cells, 0)
    second_number = lattice.coordinate(cells, 1)
    cell_line = first_number * lattice.count[1] + second_number
    cell_key = cell_line * (side + 1) + cells[lattice.axis]
    crossings_before = _count_up_to(keys, cell_key, lattice.line_count * (side + 1))
    start = line_starts.take(cell_line)
    end = line_starts.take(cell_line + 1)
    sum_before = sums.take(crossings_before)

    return _LineWinding(
        ahead=sums.take(end) - sum_before,
        behind=sums.take(start) - sum_before,
        is_visible=(crossings_before == start) | (crossings_before == end),
    )


def _count_up_to(keys: Index, queries: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Return how many keys are at most each of the queries.

    Args:
        keys: (K,) sorted, each below ``size``.
        queries: (Q,) each below ``size``.
        size: Number of possible keys.
    """
    if len(queries) * _TABLE_COST < size:
        return np.searchsorted(keys, queries, side="right").astype(np.int32)
    return np.cumsum(np.bincount(keys, minlength=size), dtype=np.int32).take(queries)


def find_crossings(
    corners: Points, count: tuple[int, int]
) -> tuple[Index, NDArray[np.float64], NDArray[np.int8]]:
    """Find where vertical lines through a lattice of integers cross triangles.

    Args:
        corners: (F, 3, 3) triangles; the lines run along the last coordinate.
        count: Number of lines along the first and the second coordinate.

    Returns:
        For each crossing the line, its depth, and 1 where the line leaves through the back of the
        triangle, -1 where it enters.
    """
    x = corners[..., 0]
    first_row = np.ceil(x.min(1)).clip(0).astype(np.int64)
    last_row = np.minimum(np.floor(x.max(1)), count[0] - 1).astype(np.int64)
    row_counts = (last_row - first_row + 1).clip(0)

    # Intersect some triangles at a time, since large ones cross many rows of lines.
    lines = []
    depths = []
    signs = []

    for part in split_by_work(row_counts, _ROWS_AT_ONCE):
        line, depth, sign = _crossings_of_rows(
            corners[part], first_row[part], row_counts[part], count[1]
        )
        lines.append(line)
        depths.append(depth)
        signs.append(sign)

    return np.concatenate(lines), np.concatenate(depths), np.concatenate(signs)


def _crossings_of_rows(
    corners: Points, first_row: Index, row_counts: Index, width: int
) -> tuple[Index, NDArray[np.float64], NDArray[np.int8]]:
    """Find the crossings of triangles whose rows of lines are known.

    Args:
        corners: (F, 3, 3) triangles.
        first_row: (F,) the first row of lines of each.
        row_counts: (F,) number of rows.
        width: Number of lines of a row.

    Returns:
        As :func:`find_crossings`.
    """
    # List the lines of each row that are within the triangle, or beside it only by rounding.
    face, rank = expand(row_counts)
    x = first_row[face] + rank
    lower, upper = _row_bounds(corners[face, :, :2], x)
    start = np.ceil(lower - _TOLERANCE).clip(0, width).astype(np.int64)
    end = np.floor(upper + _TOLERANCE).clip(-1, width - 1).astype(np.int64)
    row, rank = expand((end - start + 1).clip(0))
    face = face[row]
    x = x[row]
    y = start[row] + rank

    # Keep those that pass all three edges on the same side.
    pair, face, is_positive = keep_crossed(
        edge_functions(corners), np.arange(len(face)), face, x, y
    )
    x = x.take(pair)
    y = y.take(pair)
    depth = evaluate(plane_heights(corners), face, x, y)
    sign = np.where(is_positive, 1, -1).astype(np.int8)

    return x * width + y, depth, sign


def _row_bounds(corners: Points, x: Index) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where triangles begin and end along y on a row.

    Args:
        corners: (R, 3, 2) triangles.
        x: (R,) the row of each.

    Returns:
        (R,) and (R,); inf and -inf where the row does not meet the triangle.
    """
    lower = np.full(len(x), np.inf)
    upper = np.full(len(x), -np.inf)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        ax, ay = corners[:, start].T
        bx, by = corners[:, end].T

        # Where does the edge from a to b meet the row?
        crosses = (ax <= x) != (bx <= x)
        meets = crosses | (ax == x)
        width = np.where(ax == bx, 1, bx - ax)
        share = (x - ax) / width
        y = ay + share * (by - ay)

        lower = np.where(meets, np.minimum(lower, y), lower)
        upper = np.where(meets, np.maximum(upper, y), upper)

    return lower, upper


def _diagonals() -> list[NDArray[np.int64]]:
    """Return one of each two opposite directions along the diagonals of faces and of the cube."""
    diagonals = []
    for numbers in product((-1, 0, 1), repeat=3):
        direction = np.array(numbers)
        is_diagonal = np.abs(direction).sum() > 1
        if is_diagonal and direction[np.flatnonzero(direction)[0]] > 0:
            diagonals.append(direction)
    return diagonals


def _cube(bounds: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], float]:
    """Return the lower corner (3,) of the cube around ``bounds`` (2, 3), and the size of a cell."""
    lower, upper = np.asarray(bounds, float)
    side = GROWN * float((upper - lower).max())
    return (lower + upper) / 2 - side / 2, side / SIDE
