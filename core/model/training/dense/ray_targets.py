"""What the rays of a camera meet in the bit grid of an object: labels of the dense network.

A ray is marched through the grid in equal steps of depth, half a cell long at most, and all rays
at once. Of the samples inside or outside along it follow the intervals, by where that changes, and
the share of each ray's bin that is solid, by their running sum.

::

    depth     0   .   .   z1  .   .   exit  .   .   entry2  .   last exit
    inside    0   0   0   1   1   1   0     0   0   1       1   0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....geometry.occupancy_grid import GROWN as GRID_GROWN
from ....geometry.occupancy_grid import SIDE as GRID_SIDE
from ...networks.dense_single_view import RAY_BINS, RAY_EDGES
from ...networks.projection import unproject_points

_STEP = 0.5  # cells, at most
_GAP = 4  # steps: a shorter way outside between two intervals is of the cells, not of the object
_NORMAL_RADIUS = 2.5  # cells about a point from which its normal is computed
_EDGES = RAY_EDGES.numpy().astype(np.float32)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class GridRays:
    """Rays through the grid of an object: a ray is at ``start + z * direction`` at the depth z.

    Attributes:
        start: (P, 3) float32, in cells: cell i reaches from i to i + 1 along its axis.
        direction: (P, 3) float32, in cells per unit of depth.
    """

    start: Floats
    direction: Floats


@dataclass(frozen=True)
class RayTargets:
    """What P rays meet. Depths are absolute and NaN where there is no such crossing.

    Attributes:
        intervals: (P,) uint8 how many intervals of the ray are inside.
        first_entry, first_exit, second_entry, last_exit: (P,) float32 depths.
        ray_occupancy: (P, RAY_BINS) float32 share of each bin behind the first entry that is
            inside, 0 where the ray meets nothing.
    """

    intervals: NDArray[np.uint8]
    first_entry: Floats
    first_exit: Floats
    second_entry: Floats
    last_exit: Floats
    ray_occupancy: Floats


def grid_rays(
    camera: NDArray[np.floating[Any]],
    ndc: NDArray[np.floating[Any]],
    depth: NDArray[np.floating[Any]],
    side: int,
) -> GridRays:
    """Return the rays through points of an image, in the cells of the grid.

    Args:
        camera: (5, 4) matrix of ``projection``, for the object's frame (centered, longest side
            of the bounding box 1).
        ndc: (P, 2) in -1..1, right and down.
        depth: (4,) the depth of homogeneous points in that frame: any linear measure that grows
            along the rays, such as in another unit than the camera's.
        side: cells along each axis of the grid.
    """
    near = unproject_points(camera, ndc, np.zeros(len(ndc)))
    far = unproject_points(camera, ndc, np.ones(len(ndc)))
    along = far - near

    # Change the parameter of the rays from the camera's depth to the wanted depth.
    depth_axis = depth[:3]
    near_depth = near @ depth_axis + depth[3]
    depth_gain = along @ depth_axis
    per_unit = along / depth_gain[:, None]
    start = near - near_depth[:, None] * per_unit

    # Change from the object's frame to cells of the grid, whose middle is the origin.
    cells = side / GRID_GROWN
    start = start * cells + side / 2
    direction = per_unit * cells
    return GridRays(start.astype(np.float32), direction.astype(np.float32))


def in_object_frame(cells: Floats, side: int = GRID_SIDE) -> Floats:
    """Return points (..., 3) of the object's frame for ``cells`` of its grid."""
    centered = cells - np.float32(side / 2)
    cell_size = np.float32(GRID_GROWN / side)
    return centered * cell_size


def solid_box(grid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the bounds (2, 3) of what ``grid`` holds: first cells, and those after the last.

    Of an empty grid they are 0.
    """
    box = np.zeros((2, 3), np.int64)
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        filled = np.flatnonzero(grid.any(axis=others))
        if len(filled):
            box[:, axis] = filled[0], filled[-1] + 1
    return box


def march(
    grid: NDArray[np.bool_], rays: GridRays, box: NDArray[np.int64] | None = None
) -> RayTargets:
    """Return what ``rays`` meet in ``grid``, to half a step.

    Args:
        grid: (G, G, G) bool by x, y and z.
        rays: of P pixels, in its cells.
        box: :func:`solid_box` of it, if that is known.
    """
    count = len(rays.start)
    result = _nothing(count)
    if box is None:
        box = solid_box(grid)

    # Only the rays that cross the box of what is solid are marched.
    enter, leave = _clipped(box, rays)
    hit = np.flatnonzero(leave > enter)
    if not len(hit):
        return result
    enter = enter[hit]
    leave = leave[hit]

    # Sample (R, K) points at the middle of equal steps. All rays share the step of the fastest.
    direction = rays.direction[hit]
    cells_per_depth = np.linalg.norm(direction, axis=1)
    step = np.float32(_STEP / cells_per_depth.max())
    longest = (leave - enter).max()
    steps = int(np.ceil(longest / step)) + 1
    inside = _sampled(grid, rays.start[hit], direction, enter, step, steps)

    # Samples behind the box are clipped into it, and do not count.
    middles = (np.arange(steps) + np.float32(0.5)) * step
    inside &= middles < (leave - enter)[:, None]
    inside = _closed(inside)

    _write_intervals(result, hit, inside, enter, step)
    _write_ray_occupancy(result, hit, inside, enter, step)
    return result


def surface_normals(
    grid: NDArray[np.bool_], points: NDArray[np.floating[Any]]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return outward normals at points of the surface: from the middle of what is inside to them.

    Args:
        grid: (G, G, G) bool.
        points: (P, 3) in cells.

    Returns:
        (P, 3) float32 unit vectors, and (P,) whether they are known.
    """
    reach = int(_NORMAL_RADIUS)
    steps = np.arange(-reach, reach + 1)
    cube = np.meshgrid(steps, steps, steps, indexing="ij")
    offsets = np.stack(cube, axis=-1).reshape(-1, 3)
    distance = np.linalg.norm(offsets, axis=1)
    offsets = offsets[distance <= _NORMAL_RADIUS]

    # Look up inside (P, K) of the cells about each point; with a margin no index leaves the grid.
    padded = np.pad(grid, reach)
    side = padded.shape[0]
    cells = np.floor(points).astype(np.int32)
    cells = cells.clip(0, len(grid) - 1) + reach
    flat = _flat_index(cells, side)
    flat_offsets = _flat_index(offsets, side).astype(np.int32)
    inside = padded.reshape(-1).take(flat[:, None] + flat_offsets)

    # The normal points away from the cells that are inside.
    gradient = -(inside.astype(np.float32) @ offsets.astype(np.float32))
    length = np.linalg.norm(gradient, axis=1)
    known = length > 1
    normals = gradient / np.maximum(length, 1e-6)[:, None]

    return normals.astype(np.float32), known


def _flat_index(cells: NDArray[Any], side: int) -> NDArray[Any]:
    """Return the indices (P,) of ``cells`` (P, 3) in a flattened cubic grid."""
    flat: NDArray[Any] = (cells[:, 0] * side + cells[:, 1]) * side + cells[:, 2]
    return flat


def _nothing(count: int) -> RayTargets:
    """Return the targets of ``count`` rays that meet nothing."""
    return RayTargets(
        intervals=np.zeros(count, np.uint8),
        first_entry=np.full(count, np.nan, np.float32),
        first_exit=np.full(count, np.nan, np.float32),
        second_entry=np.full(count, np.nan, np.float32),
        last_exit=np.full(count, np.nan, np.float32),
        ray_occupancy=np.zeros((count, RAY_BINS), np.float32),
    )


def _clipped(box: NDArray[np.int64], rays: GridRays) -> tuple[Floats, Floats]:
    """Return the depths (P,) at which ``rays`` enter and leave ``box`` (2, 3), in cells."""
    # A ray along a side of the box would divide by 0.
    parallel = np.abs(rays.direction) < 1e-6
    direction = np.where(parallel, np.float32(1e-6), rays.direction)

    # Each axis bounds the ray by two planes; it is in the box between the last plane that it
    # enters by and the first that it leaves by.
    planes = box[:, None].astype(np.float32)
    lower, upper = (planes - rays.start) / direction
    nearer = np.minimum(lower, upper)
    farther = np.maximum(lower, upper)
    enter = np.maximum(np.maximum(nearer[:, 0], nearer[:, 1]), nearer[:, 2])
    leave = np.minimum(np.minimum(farther[:, 0], farther[:, 1]), farther[:, 2])

    return enter, leave


def _sampled(
    grid: NDArray[np.bool_],
    start: Floats,
    direction: Floats,
    enter: Floats,
    step: np.float32,
    steps: int,
) -> NDArray[np.bool_]:
    """Return whether each ray is inside in the middle of each of its steps: (R, steps)."""
    side = grid.shape[0]
    first = start + (enter + step / 2)[:, None] * direction
    stride = step * direction
    ranks = np.arange(steps, dtype=np.float32)
    flat = np.zeros((len(start), steps), np.int32)

    for axis in range(3):
        travelled = ranks * stride[:, axis, None]
        cell = (first[:, axis, None] + travelled).astype(np.int32)
        np.clip(cell, 0, side - 1, out=cell)
        flat *= side
        flat += cell

    return grid.reshape(-1).take(flat)


def _closed(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill gaps of at most ``_GAP`` steps in ``inside`` (R, K).

    A ray that passes a slanted surface leaves and meets its cells, like a staircase, again.
    """
    wide = np.pad(inside, ((0, 0), (_GAP, _GAP)))

    # Grow each run toward larger depths, then shrink its end again: what has met stays joined.
    grown = wide.copy()
    for shift in range(1, _GAP + 1):
        grown[:, shift:] |= wide[:, :-shift]
    closed = grown.copy()
    for shift in range(1, _GAP + 1):
        closed[:, :-shift] &= grown[:, shift:]
    return closed[:, _GAP:-_GAP]


def _write_intervals(
    result: RayTargets,
    hit: NDArray[np.int64],
    inside: NDArray[np.bool_],
    enter: Floats,
    step: np.float32,
) -> None:
    """Find where ``inside`` (R, K) changes, and write it for the rays ``hit`` (R,)."""
    padded = np.pad(inside, ((0, 0), (1, 1)))
    rises = padded[:, 1:] & ~padded[:, :-1]
    falls = padded[:, :-1] & ~padded[:, 1:]
    intervals = rises.sum(axis=1)
    result.intervals[hit] = np.minimum(intervals, 255)

    # Boundaries are between two samples, which is where steps begin. The second entry is the first
    # rise once the first one is removed.
    solid = intervals > 0
    twice = intervals > 1
    first_entry = rises.argmax(axis=1)
    first_exit = falls.argmax(axis=1)
    last_exit = falls.shape[1] - 1 - falls[:, ::-1].argmax(axis=1)
    rises[np.arange(len(rises)), first_entry] = False
    second_entry = rises.argmax(axis=1)

    # Turn steps into depths.
    solid_rays = hit[solid]
    result.first_entry[solid_rays] = (enter + first_entry * step)[solid]
    result.first_exit[solid_rays] = (enter + first_exit * step)[solid]
    result.last_exit[solid_rays] = (enter + last_exit * step)[solid]
    result.second_entry[hit[twice]] = (enter + second_entry * step)[twice]


def _write_ray_occupancy(
    result: RayTargets,
    hit: NDArray[np.int64],
    inside: NDArray[np.bool_],
    enter: Floats,
    step: np.float32,
) -> None:
    """Write how much of each bin behind the first entry is inside, for the rays ``hit`` (R,)."""
    steps = inside.shape[1]
    length = np.zeros((len(inside), steps + 1), np.float32)
    np.cumsum(inside, axis=1, dtype=np.float32, out=length[:, 1:])

    # Interpolate the length that is inside before each edge of the bins, in steps.
    rays = np.flatnonzero(result.intervals[hit])
    first_entry = result.first_entry[hit[rays]]
    offset = (first_entry - enter[rays])[:, None]
    edge = ((offset + _EDGES) / step).clip(0, steps)
    below = np.minimum(edge.astype(np.int32), steps - 1)
    row = rays[:, None]
    before = length[row, below]
    in_step = length[row, below + 1] - before
    solid_length = before + in_step * (edge - below)

    # The length inside a bin over its width is its occupancy.
    widths = np.diff(_EDGES)
    in_bin = np.diff(solid_length, axis=1) * step
    result.ray_occupancy[hit[rays]] = in_bin / widths
