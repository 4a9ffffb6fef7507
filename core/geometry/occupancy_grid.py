"""What is inside of a solid, at the centers of all the cells of a cube at once.

Rays along the axes and the diagonals of a lattice pass through the centers of its cells, so that
one list of crossings a line answers for each cell on it. There are 13 such lines through a cell
(3 axes, 6 diagonals of faces, 4 of the cube), as many as ``OrientedSolid.contains`` takes; the 10 diagonals
are asked only where the axes do not agree, which is nowhere if the surface is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .winding_number import Faces, OrientedSolid, Points, edge_functions, evaluate, expand, heights

SIDE = 96  # cells
GROWN = 1.02  # side of the cube, in the longest sides of the bounding box
_ASIDE = (
    0.0031,
    0.0043,
    0.0057,
)  # cells: how far lines pass beside the centers, so that they meet no edge
# Lebedev's rule of 26 points on a sphere, times 840: weights of the directions by how many of
# their coordinates are not 0
_WEIGHTS = {1: 40, 2: 32, 3: 27}
_WHOLE = 840
_ROWS_AT_ONCE = 100_000
_BESIDE = 1e-6  # cells
_DENSE = 8  # a table of all cells of a direction pays for one query in so many

Index = NDArray[np.int64]


def cell_centers(bounds: NDArray[np.floating]) -> Points:
    """Centers (SIDE, SIDE, SIDE, 3) of the cells about ``bounds`` (2, 3), in their unit."""
    low, cell = _cube(bounds)
    steps = (np.arange(SIDE) + 0.5) * cell
    return low + np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)


def coordinates(points: NDArray[np.floating], bounds: NDArray[np.floating]) -> Points:
    """``points`` (P, 3) in cells from the low corner: the whole part is the cell's index."""
    low, cell = _cube(bounds)
    return (points - low) / cell


def inside_grid(solid: OrientedSolid, bounds: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether the center of each cell of the cube about the middle of ``bounds`` is inside.

    As ``OrientedSolid.contains`` has it: where the mean winding number is above a half, or what no
    direction sees from outside.

    Args:
        bounds: (2, 3) low and high corner. The cube's side is ``GROWN`` times the longest side.

    Returns:
        (SIDE, SIDE, SIDE) bool, by the cell along x, y and z.
    """
    low, cell = _cube(bounds)
    vertices = (solid.vertices - low) / cell - 0.5 - np.array(_ASIDE)
    cells = np.indices((SIDE,) * 3, np.int32).reshape(3, -1)

    # closed surfaces: all six rays of a cell count the same winding number
    surveys = [_survey(vertices, solid.triangles, axis, cells) for axis in np.eye(3, dtype=int)]
    winding = surveys[0].ahead
    agree = np.all([(one.ahead == winding) & (one.behind == winding) for one in surveys], axis=0)
    total = _WEIGHTS[1] * np.sum(
        [one.ahead + one.behind for one in surveys], axis=0, dtype=np.int32
    )
    seen = np.any([one.seen for one in surveys], axis=0)
    result = winding > 0

    # elsewhere the mean over all directions, and whether any of them sees the cell
    open_ = np.flatnonzero(~agree | ((winding <= 0) & ~seen))
    if len(open_):
        own = cells[:, open_]
        total = total[open_]
        seen = seen[open_]
        for line in _diagonals():
            one = _survey(vertices, solid.triangles, line, own)
            total += _WEIGHTS[int(np.abs(line).sum())] * (one.ahead + one.behind)
            seen |= one.seen
        result[open_] = (2 * total > _WHOLE) | ~seen
    return result.reshape((SIDE,) * 3)


@dataclass(frozen=True)
class _Survey:
    """What the two opposite rays of each cell along one line cross: (Q,) each.

    ahead, behind: winding numbers by the rays. seen: whether one of them crosses nothing.
    """

    ahead: NDArray[np.int32]
    behind: NDArray[np.int32]
    seen: NDArray[np.bool_]


def _survey(
    vertices: Points, triangles: Faces, line: NDArray[np.int64], cells: NDArray[np.int32]
) -> _Survey:
    """Count what the lines along ``line`` (3,) of -1, 0 and 1, through ``cells`` (3, Q), cross.

    Args:
        line: its first number that is not 0 is 1.
        vertices: (V, 3) in cells, such that the center of the cell (i, j, k) is at just these.
    """
    axis = int(np.flatnonzero(line)[0])
    across = [(axis + 1) % 3, (axis + 2) % 3]  # right-handed with the axis
    slope = [int(line[other]) for other in across]
    least = [-(SIDE - 1) * (each > 0) for each in slope]
    count = [SIDE + (SIDE - 1) * (each != 0) for each in slope]

    # along the line: two coordinates that tell lines apart, and the depth on each
    flat = [
        vertices[:, other] - each * vertices[:, axis] - start
        for other, each, start in zip(across, slope, least, strict=True)
    ]
    corners = np.stack((*flat, vertices[:, axis]), axis=1)[triangles]
    lines, depth, sign = _crossings(corners, count)
    slot = np.ceil(depth).clip(0, SIDE).astype(np.int64)  # the first cell beyond
    keys = lines * (SIDE + 1) + slot
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    sums = np.concatenate(((0,), np.cumsum(sign[order])))
    sums = sums.astype(np.int32)
    starts = np.concatenate(
        ((0,), np.cumsum(np.bincount(lines, minlength=count[0] * count[1])))
    ).astype(np.int32)

    # of each cell: how many crossings of its line lie before it, and their sum
    first, second = (
        cells[other] - each * cells[axis] - start
        for other, each, start in zip(across, slope, least, strict=True)
    )
    own = first * count[1] + second
    before = _before(keys, own * (SIDE + 1) + cells[axis], count[0] * count[1] * (SIDE + 1))
    start = starts.take(own)
    end = starts.take(own + 1)
    passed = sums.take(before)
    return _Survey(
        sums.take(end) - passed, sums.take(start) - passed, (before == start) | (before == end)
    )


def _before(keys: Index, queries: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """How many of the sorted ``keys``, all below ``size``, are at most each of ``queries`` (Q,)."""
    if len(queries) * _DENSE < size:
        return np.searchsorted(keys, queries, side="right").astype(np.int32)
    return np.cumsum(np.bincount(keys, minlength=size), dtype=np.int32).take(queries)


def _crossings(
    corners: Points, count: list[int]
) -> tuple[Index, NDArray[np.float64], NDArray[np.int8]]:
    """Where vertical lines through a lattice of ``count`` whole numbers cross triangles.

    Args:
        corners: (F, 3, 3); the lines run along the last coordinate.

    Returns:
        For each crossing the line, its depth, and 1 where it leaves through the back, -1 where
        it enters.
    """
    flat = corners[..., 0]
    first = np.ceil(flat.min(1)).clip(0).astype(np.int64)
    last = np.minimum(np.floor(flat.max(1)), count[0] - 1).astype(np.int64)
    rows = (last - first + 1).clip(0)

    # some triangles at a time, since large ones cross many rows of lines
    chunk = np.cumsum(rows) // _ROWS_AT_ONCE
    parts = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(chunk)) + 1)
    found = [_crossed(corners[part], first[part], rows[part], count[1]) for part in parts]
    lines, depth, sign = (np.concatenate(values) for values in zip(*found, strict=True))
    return lines, depth, sign


def _crossed(
    corners: Points, first: Index, rows: Index, width: int
) -> tuple[Index, NDArray[np.float64], NDArray[np.int8]]:
    """:func:`_crossings` of triangles whose rows of lines are known.

    Args:
        first: (F,) the least row of each, and rows: (F,) how many. width: lines of a row.
    """
    # the lines of each row that lie within the triangle, or at most beside it by rounding
    face, rank = expand(rows)
    x = first[face] + rank
    low, high = _spans(corners[face, :, :2], x)
    start = np.ceil(low - _BESIDE).clip(0, width).astype(np.int64)
    end = np.floor(high + _BESIDE).clip(-1, width - 1).astype(np.int64)
    row, rank = expand((end - start + 1).clip(0))
    face = face[row]
    x = x[row]
    y = start[row] + rank

    # those that pass all three edges on the same side
    edges = edge_functions(corners)
    side = evaluate(edges[0], face, x, y) >= 0
    for edge in edges[1:]:
        same = np.flatnonzero((evaluate(edge, face, x, y) >= 0) == side)
        face = face.take(same)
        side = side.take(same)
        x = x.take(same)
        y = y.take(same)
    sign = np.where(side, 1, -1).astype(np.int8)
    return x * width + y, evaluate(heights(corners), face, x, y), sign


def _spans(corners: Points, x: Index) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where triangles (R, 3, 2) begin and end along y at ``x`` (R,); inf and -inf if nowhere."""
    low = np.full(len(x), np.inf)
    high = np.full(len(x), -np.inf)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        (ax, ay), (bx, by) = corners[:, one].T, corners[:, other].T
        met = ((ax <= x) != (bx <= x)) | (ax == x)
        share = (x - ax) / np.where(ax == bx, 1, bx - ax)
        y = ay + share * (by - ay)
        low = np.where(met, np.minimum(low, y), low)
        high = np.where(met, np.maximum(high, y), high)
    return low, high


def _diagonals() -> list[NDArray[np.int64]]:
    """One of each two opposite directions along the diagonals of a cube's faces and of itself."""
    lines = [np.array(each) for each in product((-1, 0, 1), repeat=3) if np.abs(each).sum() > 1]
    return [line for line in lines if line[np.flatnonzero(line)[0]] > 0]


def _cube(bounds: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """The low corner (3,) of the cube about ``bounds`` (2, 3), and the side of its cells."""
    low, high = np.asarray(bounds, float)
    side = GROWN * float((high - low).max())
    return (low + high) / 2 - side / 2, side / SIDE
