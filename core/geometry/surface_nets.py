"""A closed surface of quads from a field: naive surface nets that stay manifold.

After Gibson 1998 ("Constrained Elastic Surface Nets"): a vertex in each cell that the surface crosses, at the mean of
the crossings of its edges; a quad for each crossed edge of the grid. As in dual marching cubes (Nielson 2004,
doi:10.1109/VISUAL.2004.28) a cell that holds several sheets gets a vertex for each of them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..errors import MeshError

# Corner c of a cell stands at (c & 1, c >> 1 & 1, c >> 2 & 1); an edge runs along an axis between two corners.
_EDGES = [(axis, c, c | 1 << axis) for axis in range(3) for c in range(8) if not c >> axis & 1]
_EDGE_INDEX = {(a, b): index for index, (_, a, b) in enumerate(_EDGES)}


def surface_nets(
    field: NDArray[np.floating],
    level: float = 0.0,
    origin: NDArray[np.floating] | None = None,
    spacing: float = 1.0,
) -> MeshArrays:
    """The surface where ``field`` crosses ``level``, closed, manifold and oriented outwards.

    Args:
        field: (X, Y, Z) values at grid points, inside is above ``level``; beyond the border is outside.
        origin: (3,) position of the first grid point; the origin if None. spacing: between grid points.

    Returns:
        A mesh of quads. Every edge is shared by two faces, every vertex has one fan of faces.

    Raises:
        MeshError: nothing of the field is above the level.
    """
    padded = np.full(np.add(field.shape, 2), -np.inf, np.float32)
    padded[1:-1, 1:-1, 1:-1] = field - np.float32(level)
    inside = padded > 0
    if not inside.any():
        raise MeshError("No surface was found. Try another image")
    codes = _unpinch_codes(inside, padded)
    cells = _crossed_cells(codes)
    code = codes.ravel()[cells]
    _, counts = _sheet_table()
    first = np.cumsum(counts[code]) - counts[code]
    where = np.empty(codes.size, np.int32)
    where[cells] = np.arange(len(cells), dtype=np.int32)
    vertices = _cell_vertices(padded, cells, code, first, codes.shape)
    faces = [_edge_quads(axis, cells, code, where, first, codes.shape) for axis in range(3)]
    start = np.zeros(3) if origin is None else np.asarray(origin, float)
    return MeshArrays(
        (start + (vertices - 1) * spacing).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
    )


def remove_small_components(mesh: MeshArrays, fraction: float, length: float) -> MeshArrays:
    """``mesh`` less the loose pieces whose volume is below ``fraction`` of the largest piece's.

    A piece that is longer than ``length`` of the longest stays: a thin leg has next to no volume.
    """
    piece = connected_components(mesh)
    triangles = mesh.to_triangles()
    a, b, c = (mesh.vertices[triangles[:, k]].astype(float) for k in range(3))
    volume = np.abs(np.bincount(piece[triangles[:, 0]], (a * np.cross(b, c)).sum(1) / 6))
    high, low = np.full((2, len(volume), 3), -np.inf)
    np.maximum.at(high, piece, mesh.vertices)
    np.maximum.at(low, piece, -mesh.vertices)
    long = (high + low).max(1)
    kept = (volume >= fraction * volume.max()) | (long >= length * long.max())
    if kept.all():
        return mesh
    return submesh(mesh, kept[piece[mesh.faces[:, 0]]])


def submesh(mesh: MeshArrays, kept: NDArray[np.bool_]) -> MeshArrays:
    """``mesh`` with only the faces that are ``kept`` (F,), and their vertices."""
    used, faces = np.unique(mesh.faces[kept], return_inverse=True)
    faces = faces.reshape(-1, mesh.faces.shape[1]).astype(np.int32)
    return replace(submesh_of_vertices(mesh, used), faces=faces)


def submesh_of_vertices(mesh: MeshArrays, index: NDArray[np.int64]) -> MeshArrays:
    """``mesh`` whose vertices are those of ``index`` (N,); its faces still name the old ones."""
    colors, confidence = (
        None if values is None else values[index] for values in (mesh.colors, mesh.confidence)
    )
    return replace(mesh, vertices=mesh.vertices[index], colors=colors, confidence=confidence)


def connected_components(mesh: MeshArrays) -> NDArray[np.int64]:
    """For each vertex (V,) the number, from 0, of the connected piece it belongs to."""
    label = np.arange(
        len(mesh.vertices)
    )  # each the root of a tree; along the edges trees are hung on lower ones
    first = mesh.faces[:, :-1].ravel()
    second = mesh.faces[:, 1:].ravel()
    while True:
        one = label[first]
        two = label[second]
        apart = one != two
        if not apart.any():
            return np.unique(label, return_inverse=True)[1].reshape(-1)
        first, second, one, two = (values[apart] for values in (first, second, one, two))
        np.minimum.at(label, np.maximum(one, two), np.minimum(one, two))
        while (label[label] != label).any():
            label = label[label]


def _corner_codes(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """For each cell which of its corners are inside, one bit a corner."""
    codes = inside.view(np.uint8)
    for axis in (2, 1, 0):
        low, high = grid_halves(axis)
        codes = codes[low] | codes[high] << np.uint8(1 << axis)
    return codes


def grid_halves(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """What leaves out the last, and the first, of a grid along ``axis``."""
    low, high = ([slice(None)] * 3 for _ in range(2))
    low[axis] = slice(None, -1)
    high[axis] = slice(1, None)
    return tuple(low), tuple(high)


def _crossed_cells(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Flat indices of the cells with corners both inside and outside, in order."""
    return np.flatnonzero(codes - np.uint8(1) < np.uint8(254))  # 0 - 1 wraps to 255


def _flat_strides(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """How far apart in a flat index two neighbours along each axis are."""
    return shape[1] * shape[2], shape[2], 1


def _unpinch_codes(inside: NDArray[np.bool_], field: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The cells' codes, after filling (in ``inside``) the few corners where two sheets would share an edge.

    That is at a face whose corners alternate and whose two crossing lines belong to one sheet in both cells. The
    outside corner of it that is closer to the level is filled. Filling only ever adds, so this ends.
    """
    while True:
        codes = _corner_codes(inside)
        pinched = _pinched_faces(codes)
        if not pinched:
            return codes
        for axis, *cell in pinched:
            corner = np.array(cell)
            corner[axis] += 1
            u, v = (np.eye(3, dtype=int)[a] for a in range(3) if a != axis)
            open_corners = [
                tuple(p)
                for p in (corner, corner + u, corner + v, corner + u + v)
                if not inside[tuple(p)]
            ]
            nearest = max(open_corners, key=lambda p: field[p], default=None)
            if nearest is not None:
                inside[nearest] = True
                field[nearest] = 1e-6


def _pinched_faces(codes: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """(axis, i, j, k) of each cell whose sheet cuts its high face along the axis twice, as does the next cell's."""
    twice = _passes_twice()
    flat = codes.ravel()
    strides = _flat_strides(codes.shape)
    cells = _crossed_cells(codes)
    code = flat[cells]
    pinched = []
    for axis in range(3):
        # The padding keeps such a face off the border, so that there is a next cell.
        found = cells[twice[code, 2 * axis + 1]]
        found = found[twice[flat[found + strides[axis]], 2 * axis]]
        pinched += [
            (axis, *cell)
            for cell in np.stack(np.unravel_index(found, codes.shape), axis=1).tolist()
        ]
    return pinched


def _cell_vertices(
    field: NDArray[np.float32],
    cells: NDArray[np.int64],
    code: NDArray[np.uint8],
    first: NDArray[np.int64],
    shape: tuple[int, ...],
) -> NDArray[np.float64]:
    """The mean of the crossings of each sheet in each cell: (V, 3) in cells of the padded grid."""
    groups, counts = _sheet_table()
    i, j, k = np.unravel_index(cells, shape)
    values = field.ravel()
    strides = _flat_strides(field.shape)
    at = i * strides[0] + j * strides[1] + k
    total = int(counts[code].sum())
    weight = np.zeros(total)
    offset = np.zeros((3, total))
    for index, (axis, a, _) in enumerate(_EDGES):
        group = groups[code, index]
        has = np.flatnonzero(group >= 0)
        owner = first[has] + group[has]  # no sheet twice: adding by index is safe
        corner = at[has] + (a & 1) * strides[0] + (a >> 1 & 1) * strides[1] + (a >> 2 & 1)
        weight[owner] += 1
        for other in range(3):
            if other == axis:
                offset[other, owner] += _edge_crossing(
                    values[corner], values[corner + strides[axis]]
                )
            elif a >> other & 1:
                offset[other, owner] += 1
    base = np.repeat(np.stack((i, j, k)), counts[code], axis=1)
    return (base + offset / weight).T


def _edge_crossing(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float64]:
    """Where along edges in 0..1 the values, one of them above 0, cross it; -inf, the padding, mirrors the other."""
    one = one.astype(float)
    two = two.astype(float)
    one, two = (
        np.where(np.isinf(v), -np.abs(other) - 1e-6, v) for v, other in ((one, two), (two, one))
    )
    return (one / np.where(one == two, 1, one - two)).clip(0.001, 0.999)


def _edge_quads(
    axis: int,
    cells: NDArray[np.int64],
    code: NDArray[np.uint8],
    where: NDArray[np.int32],
    first: NDArray[np.int64],
    shape: tuple[int, ...],
) -> NDArray[np.int64]:
    """A quad around each crossed edge of the grid along ``axis``: the vertices of the four cells about it.

    An edge is found in the cell that it begins at; on the border, where it would have none, the padding is not crossed.
    """
    groups, _ = _sheet_table()
    low = code & 1
    high = code >> (1 << axis) & 1
    own = np.flatnonzero(low != high)
    strides = _flat_strides(shape)
    u = (axis + 1) % 3
    v = (axis + 2) % 3
    corners = []
    for du, dv in (
        (1, 1),
        (0, 1),
        (0, 0),
        (1, 0),
    ):  # counter-clockwise seen from the end of the axis
        rank = where[cells[own] - du * strides[u] - dv * strides[v]]
        start = du << u | dv << v
        corners.append(first[rank] + groups[code[rank], _EDGE_INDEX[start, start | 1 << axis]])
    quads = np.stack(corners, axis=1)
    return np.where(low[own, None] == 1, quads, quads[:, ::-1])


def _face_lines(code: int) -> list[tuple[int, int, int]]:
    """Lines in which the surface cuts the faces of a cell: (face, edge, edge); inside corners are kept apart.

    Face 2 * axis is at the low end of the axis, 2 * axis + 1 at the high one.
    """
    lines = []
    for axis in range(3):
        u, v = (a for a in range(3) if a != axis)
        for end in range(2):
            ring = [end << axis | i << u | j << v for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))]
            full = [bool(code >> c & 1) for c in ring]
            sides = [
                _EDGE_INDEX[min(ring[k], ring[k - 3]), max(ring[k], ring[k - 3])] for k in range(4)
            ]
            crossed = [k for k in range(4) if full[k] != full[k - 3]]
            if len(crossed) == 2:
                lines.append((2 * axis + end, sides[crossed[0]], sides[crossed[1]]))
            elif len(crossed) == 4:
                lines += [(2 * axis + end, sides[k - 1], sides[k]) for k in range(4) if full[k]]
    return lines


@cache
def _sheet_table() -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """For each code the sheet (256, 12) that each edge belongs to, -1 if it is not crossed, and their number (256,)."""
    groups = np.full((256, 12), -1, np.int8)
    counts = np.zeros(256, np.int64)
    for code in range(256):
        lines = _face_lines(code)
        for _, start, _ in lines:
            if groups[code, start] >= 0:
                continue
            reached = {start}
            while True:
                more = {
                    edge for _, a, b in lines if a in reached or b in reached for edge in (a, b)
                }
                if more <= reached:
                    break
                reached |= more
            groups[code, list(reached)] = counts[code]
            counts[code] += 1
    return groups, counts


@cache
def _passes_twice() -> NDArray[np.bool_]:
    """For each code and face (256, 6): whether one sheet cuts the face in two lines."""
    groups, _ = _sheet_table()
    result = np.zeros((256, 6), bool)
    for code in range(256):
        for face in range(6):
            sheets = [groups[code, a] for f, a, _ in _face_lines(code) if f == face]
            result[code, face] = len(sheets) == 2 and sheets[0] == sheets[1]
    return result


def taubin_smooth(mesh: MeshArrays, rounds: int = 8) -> MeshArrays:
    """``mesh`` with the steps of its grid ironed out, its volume kept (Taubin 1995, doi:10.1145/218380.218473).

    Args:
        rounds: each moves every vertex towards the mean of its neighbours and then nearly back.
    """
    corners = mesh.faces.shape[1]
    first = mesh.faces.ravel()
    second = mesh.faces[:, np.r_[1:corners, 0]].ravel()
    count = np.maximum(np.bincount(first, minlength=len(mesh.vertices)), 1)[:, None]
    vertices = mesh.vertices.astype(float)
    for step in (0.5, -0.53) * rounds:
        # In a closed mesh each edge is walked both ways, so that its ends meet once each way.
        total = np.stack(
            [np.bincount(first, vertices[second, k], len(vertices)) for k in range(3)], axis=1
        )
        vertices += step * (total / count - vertices)
    return replace(mesh, vertices=vertices.astype(np.float32))
