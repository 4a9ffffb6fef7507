"""A closed surface of quads from a field: naive surface nets that stay manifold.

After Gibson 1998 ("Constrained Elastic Surface Nets"): each cell of the grid that the surface
crosses gets a vertex, at the mean of the crossings of the cell's edges. Each edge of the grid that
the surface crosses gets a quad, of the vertices of the four cells around it. In two dimensions,
with line segments instead of quads:

        .     .     .     .         .   grid point outside
                                    o   grid point inside, above the level
           x-----x-----x            x   vertex of a crossed cell
           |           |            |   segment across a crossed edge of the grid
        .  |  o     o  |  .
           |           |
           x-----x-----x

        .     .     .     .

As in dual marching cubes (Nielson 2004, doi:10.1109/VISUAL.2004.28) a cell that contains several
sheets of the surface gets a vertex for each of them (:mod:`.sheet_tables`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..errors import MeshError
from ..imaging.morphology import shifted_slices
from .sheet_tables import EDGE_INDEX, EDGES, cuts_twice_table, sheet_table

# The cells around an edge of the grid as steps back along the two other axes, counter-clockwise
# seen from the end of the edge's axis.
_CELLS_AROUND_EDGE = ((1, 1), (0, 1), (0, 0), (1, 0))
_FILLED_VALUE = 1e-6  # of a corner that is filled: just inside
_EDGE_MARGIN = 0.001  # least distance of a crossing from the ends of its edge
# Taubin 1995: a step towards the mean of the neighbors, and a slightly larger one back.
_TAUBIN_STEPS = (0.5, -0.53)


@dataclass(frozen=True)
class _CrossedCells:
    """The cells that the surface crosses, in the order of their flat index.

    Attributes:
        shape: Number of cells of the padded grid along x, y and z.
        index: (N,) flat index of each cell in the padded grid.
        code: (N,) uint8, which corners are inside, one bit a corner.
        first_vertex: (N,) number of the cell's first vertex.
    """

    shape: tuple[int, ...]
    index: NDArray[np.int64]
    code: NDArray[np.uint8]
    first_vertex: NDArray[np.int64]


def surface_nets(
    field: NDArray[np.floating[Any]],
    level: float = 0.0,
    origin: NDArray[np.floating[Any]] | None = None,
    spacing: float = 1.0,
) -> MeshArrays:
    """Extract the surface where ``field`` crosses ``level``: closed, manifold, oriented outwards.

    Args:
        field: (X, Y, Z) values at grid points, above ``level`` inside. Beyond the grid is outside.
        level: Value at the surface.
        origin: (3,) position of the first grid point; (0, 0, 0) if None.
        spacing: Distance of neighboring grid points.

    Returns:
        A mesh of quads. Each edge has two faces, each vertex one fan of faces.

    Raises:
        MeshError: No value is above the level.
    """
    # A layer of outside points around the grid closes the surface.
    padded = np.full(np.add(field.shape, 2), -np.inf, np.float32)
    padded[1:-1, 1:-1, 1:-1] = field - np.float32(level)
    inside = padded > 0
    if not inside.any():
        raise MeshError("No surface was found. Try another image")

    # Find the cells that the surface crosses, and number their vertices.
    codes = _unpinch_codes(inside, padded)
    index = _find_crossed(codes)
    code = codes.ravel()[index]
    _, sheet_counts = sheet_table()
    first_vertex = np.cumsum(sheet_counts[code]) - sheet_counts[code]
    cells = _CrossedCells(codes.shape, index, code, first_vertex)

    vertices = _cell_vertices(padded, cells)
    faces = np.concatenate(_edge_quads(cells))

    start = np.zeros(3)
    if origin is not None:
        start = np.asarray(origin, float)
    positions = start + (vertices - 1) * spacing
    return MeshArrays(positions.astype(np.float32), faces.astype(np.int32))


def taubin_smooth(mesh: MeshArrays, rounds: int = 8) -> MeshArrays:
    """Smooth the steps of the grid out of a mesh, with its volume kept.

    After Taubin 1995, "A signal processing approach to fair surface design"
    (doi:10.1145/218380.218473).

    Args:
        mesh: A closed mesh.
        rounds: Each moves every vertex towards the mean of its neighbors, and then nearly back.
    """
    # In a closed mesh each edge occurs once in each direction, so each vertex meets each neighbor.
    corners = mesh.faces.shape[1]
    vertex = mesh.faces.ravel()
    neighbor = mesh.faces[:, np.r_[1:corners, 0]].ravel()
    count = len(mesh.vertices)
    neighbor_count = np.maximum(np.bincount(vertex, minlength=count), 1)

    # Axis by axis, so that the coordinates that are read lie close together.
    vertices = np.empty((count, 3), np.float32)
    for axis in range(3):
        position = mesh.vertices[:, axis].astype(float)
        for step in _TAUBIN_STEPS * rounds:
            mean = np.bincount(vertex, position[neighbor], count) / neighbor_count
            position += step * (mean - position)
        vertices[:, axis] = position

    return replace(mesh, vertices=vertices)


def _corner_codes(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return for each cell which of its corners are inside, one bit a corner."""
    codes = inside.view(np.uint8)
    for axis in (2, 1, 0):
        lower, upper = shifted_slices(3, axis)
        codes = codes[lower] | codes[upper] << np.uint8(1 << axis)
    return codes


def _find_crossed(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the flat indices of the cells with corners both inside and outside, in order."""
    return np.flatnonzero(codes - np.uint8(1) < np.uint8(254))  # 0 - 1 wraps to 255


def _flat_strides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the distance in a flat index of two neighbors along each axis."""
    return shape[1] * shape[2], shape[2], 1


def _unpinch_codes(inside: NDArray[np.bool_], field: NDArray[np.float32]) -> NDArray[np.uint8]:
    r"""Fill the few corners where two sheets would share an edge, and return the cells' codes.

    That occurs at a face whose corners alternate and whose two crossing lines belong to one sheet
    in both cells:

        o---.        The sheet of each cell cuts this face in two lines, so that both vertices
        |\  |        would be connected twice. Filling one of the corners "." leaves one line.
        |  \|
        .---o

    The outside corner that is closer to the level is filled. Filling only ever adds, so it ends.

    Args:
        inside: Which grid points are inside; changed in place.
        field: Values at the grid points; changed in place.
    """
    while True:
        codes = _corner_codes(inside)
        pinched = _pinched_faces(codes)
        if not pinched:
            return codes

        for axis, *cell in pinched:
            corner = _corner_to_fill(inside, field, axis, cell)
            if corner is not None:
                inside[corner] = True
                field[corner] = _FILLED_VALUE


def _corner_to_fill(
    inside: NDArray[np.bool_], field: NDArray[np.float32], axis: int, cell: list[int]
) -> tuple[int, ...] | None:
    """Return the outside corner with the highest value of a cell's upper face along ``axis``.

    None if an earlier filling left no corner outside.
    """
    base = np.array(cell)
    base[axis] += 1
    u, v = (np.eye(3, dtype=int)[other] for other in range(3) if other != axis)

    best = None
    for corner in (base, base + u, base + v, base + u + v):
        position = tuple(corner.tolist())
        if not inside[position] and (best is None or field[position] > field[best]):
            best = position

    return best


def _pinched_faces(codes: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """Return (axis, i, j, k) of the cells whose upper face along the axis is pinched.

    That is a face which one sheet of the cell cuts twice, as does one sheet of the next cell.
    """
    cuts_twice = cuts_twice_table()
    flat_codes = codes.ravel()
    strides = _flat_strides(codes.shape)
    cells = _find_crossed(codes)
    code = flat_codes[cells]

    pinched: list[tuple[int, ...]] = []
    for axis in range(3):
        # The padding keeps such a face off the border, so there is a next cell.
        candidates = cells[cuts_twice[code, 2 * axis + 1]]
        next_code = flat_codes[candidates + strides[axis]]
        candidates = candidates[cuts_twice[next_code, 2 * axis]]

        positions = np.stack(np.unravel_index(candidates, codes.shape), axis=1)
        pinched += [(axis, *position) for position in positions.tolist()]

    return pinched


def _cell_vertices(field: NDArray[np.float32], cells: _CrossedCells) -> NDArray[np.float64]:
    """Return the mean of the edge crossings of each sheet in each cell.

    Args:
        field: Values of the padded grid.
        cells: The cells.

    Returns:
        (V, 3) positions in cells of the padded grid.
    """
    sheets, sheet_counts = sheet_table()
    vertex_counts = sheet_counts[cells.code]
    vertex_total = int(vertex_counts.sum())

    position = np.stack(np.unravel_index(cells.index, cells.shape))
    values = field.ravel()
    strides = _flat_strides(field.shape)
    grid_point = position[0] * strides[0] + position[1] * strides[1] + position[2]

    # Add up the crossings of one edge of all cells at a time.
    crossing_count = np.zeros(vertex_total)
    offset = np.zeros((3, vertex_total))
    for index, (axis, corner, _) in enumerate(EDGES):
        sheet = sheets[cells.code, index]
        crossed = np.flatnonzero(sheet >= 0)
        vertex = cells.first_vertex[crossed] + sheet[crossed]  # no vertex occurs twice
        crossing_count[vertex] += 1

        corner_position = (corner & 1, corner >> 1 & 1, corner >> 2 & 1)
        start = grid_point[crossed] + int(np.dot(corner_position, strides))
        for other in range(3):
            if other == axis:
                end = start + strides[axis]
                offset[other, vertex] += _edge_crossing(values[start], values[end])
            elif corner_position[other]:
                offset[other, vertex] += 1

    base = np.repeat(position, vertex_counts, axis=1)
    vertices: NDArray[np.float64] = base + offset / crossing_count
    return vertices.T


def _edge_crossing(start: NDArray[np.float32], end: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return where along edges, in 0..1, the values cross 0.

    Args:
        start: (E,) values at the start of each edge.
        end: (E,) values at its end. One of the two is above 0; -inf, the padding, counts as
            slightly below the negative of the other.
    """
    start_value = start.astype(float)
    end_value = end.astype(float)
    mirrored_end = -np.abs(end_value) - 1e-6
    mirrored_start = -np.abs(start_value) - 1e-6
    first = np.where(np.isinf(start_value), mirrored_end, start_value)
    second = np.where(np.isinf(end_value), mirrored_start, end_value)

    difference = np.where(first == second, 1, first - second)
    crossing: NDArray[np.float64] = first / difference
    return crossing.clip(_EDGE_MARGIN, 1 - _EDGE_MARGIN)


def _edge_quads(cells: _CrossedCells) -> list[NDArray[np.int64]]:
    """Return for each axis the quads (Q, 4) around the crossed edges of the grid along it.

    An edge is found in the cell at which it starts. On the border, where it would have no such
    cell, the padding is never crossed.
    """
    rank_of_cell = np.empty(int(np.prod(cells.shape)), np.int32)
    rank_of_cell[cells.index] = np.arange(len(cells.index), dtype=np.int32)
    return [_edge_quads_along(axis, cells, rank_of_cell) for axis in range(3)]


def _edge_quads_along(
    axis: int, cells: _CrossedCells, rank_of_cell: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return the quads (Q, 4) around the crossed edges of the grid along ``axis``.

    Args:
        axis: 0, 1 or 2.
        cells: The crossed cells.
        rank_of_cell: Position in ``cells`` by the flat index of a cell.
    """
    sheets, _ = sheet_table()
    start_inside = cells.code & 1
    end_inside = cells.code >> (1 << axis) & 1
    crossed = np.flatnonzero(start_inside != end_inside)

    # The vertices of the four cells around each edge, of the sheets that cross it.
    strides = _flat_strides(cells.shape)
    u = (axis + 1) % 3
    v = (axis + 2) % 3
    corners = []

    for back_u, back_v in _CELLS_AROUND_EDGE:
        cell = cells.index[crossed] - back_u * strides[u] - back_v * strides[v]
        rank = rank_of_cell[cell]
        start = back_u << u | back_v << v
        edge = EDGE_INDEX[start, start | 1 << axis]
        corners.append(cells.first_vertex[rank] + sheets[cells.code[rank], edge])

    quads = np.stack(corners, axis=1)
    return np.where(start_inside[crossed, None] == 1, quads, quads[:, ::-1])
