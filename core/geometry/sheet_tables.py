"""How the surface passes through a cell, for each combination of inside and outside corners.

Corner c of a cell is at (c & 1, c >> 1 & 1, c >> 2 & 1). The code of a cell has bit c set if corner
c is inside. An edge runs along an axis between two corners.

        6-------7
       /|      /|           z  y
      4-------5 |           | /
      | 2-----|-3           |/
      |/      |/            +--- x
      0-------1

On each face of the cell the surface is one line, two, or none. The lines of neighboring faces meet
at the edges. A sheet of the surface is a closed ring of lines.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

# (axis, corner, corner) of each edge.
EDGES = [(axis, c, c | 1 << axis) for axis in range(3) for c in range(8) if not c >> axis & 1]
EDGE_INDEX = {(start, end): index for index, (_, start, end) in enumerate(EDGES)}
_RING = ((0, 0), (1, 0), (1, 1), (0, 1))  # corners around a face


def _face_lines(code: int) -> list[tuple[int, int, int]]:
    """Return the lines (face, edge, edge) in which the surface cuts the faces of a cell.

    Face 2 * axis is at the lower end of the axis, 2 * axis + 1 at the upper one.
    """
    lines = []
    for axis in range(3):
        for end in range(2):
            for first_edge, second_edge in _lines_in_face(code, axis, end):
                lines.append((2 * axis + end, first_edge, second_edge))
    return lines


def _lines_in_face(code: int, axis: int, end: int) -> list[tuple[int, int]]:
    """Return the pairs of edges between which the surface cuts one face of a cell.

    Where all four edges are crossed, the two inside corners are kept apart.
    """
    u, v = (other for other in range(3) if other != axis)
    corners = [end << axis | i << u | j << v for i, j in _RING]
    is_inside = [bool(code >> corner & 1) for corner in corners]

    # Edge k runs from corner k to the next one, which is corner k - 3 of the ring.
    edges = []
    crossed = []
    for k in range(4):
        ends = sorted((corners[k], corners[k - 3]))
        edges.append(EDGE_INDEX[ends[0], ends[1]])
        if is_inside[k] != is_inside[k - 3]:
            crossed.append(k)

    if len(crossed) == 2:
        return [(edges[crossed[0]], edges[crossed[1]])]
    if len(crossed) == 4:
        return [(edges[k - 1], edges[k]) for k in range(4) if is_inside[k]]
    return []


@cache
def sheet_table() -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Return the sheets of all codes.

    Returns:
        (256, 12) the sheet that crosses each edge, -1 if there is none, and (256,) the number of
        sheets.
    """
    sheets = np.full((256, 12), -1, np.int8)
    counts = np.zeros(256, np.int64)
    for code in range(256):
        lines = _face_lines(code)
        for _, start, _ in lines:
            if sheets[code, start] < 0:
                sheets[code, _edges_of_sheet(lines, start)] = counts[code]
                counts[code] += 1

    return sheets, counts


def _edges_of_sheet(lines: list[tuple[int, int, int]], start: int) -> list[int]:
    """Return the edges that lines connect to the edge ``start``."""
    reached = {start}
    while True:
        size = len(reached)
        for _, first, second in lines:
            if first in reached or second in reached:
                reached |= {first, second}
        if len(reached) == size:
            return list(reached)


@cache
def cuts_twice_table() -> NDArray[np.bool_]:
    """Return for each code and face (256, 6) whether one sheet cuts the face in two lines."""
    sheets, _ = sheet_table()
    table = np.zeros((256, 6), bool)
    for code in range(256):
        lines = _face_lines(code)
        for face in range(6):
            cutting = [sheets[code, edge] for line_face, edge, _ in lines if line_face == face]
            table[code, face] = len(cutting) == 2 and cutting[0] == cutting[1]

    return table
