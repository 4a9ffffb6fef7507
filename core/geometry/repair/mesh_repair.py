"""Mend the connectivity and the orientation of a mesh, without moving its surface.

The steps prepare a mesh of any origin for :mod:`.hole_filling`:

1. Faces that are none are dropped: repeated corners, invalid coordinates, doubles of another face.
2. Vertices of open edges are welded where they coincide, as flat-shaded files hold each face apart.
3. At an edge of three faces or more the flattest pair stays joined, and the rest is cut off:

            |  fin                  |  fin, now with an edge of its own
        ----+----         --->      :
                                ---------

4. Neighboring faces are turned to one orientation, that of most of their area.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...imaging.morphology import connected_components
from ..connectivity import submesh, take_vertices
from ..topology import HalfEdges, face_pieces, hollow_pieces, pairs_around_edge, piece_volumes
from ..winding_number import area_normals, points_inside

# Vertices of open edges that are closer are one vertex. As a share of the longest side: above the
# rounding of single precision (1e-7), below any detail that a mesh file means.
WELD_SHARE = 1e-5


def drop_invalid_faces(mesh: MeshArrays) -> MeshArrays:
    """Return ``mesh`` without faces that have a coordinate that is not a finite number.

    Returns:
        The mesh itself if all coordinates are finite.
    """
    is_finite = np.isfinite(mesh.vertices).all(axis=1)
    if is_finite.all():
        return mesh
    return submesh(mesh, is_finite[mesh.faces].all(axis=1))


def drop_degenerate_faces(mesh: MeshArrays) -> MeshArrays:
    """Return a mesh of triangles without repeated corners, and without doubles of a face.

    Two triangles whose corners are at the same three places are doubles, whichever way they face.
    """
    ordered = np.sort(_places(mesh)[mesh.faces], axis=1)
    has_three_corners = (ordered[:, 0] != ordered[:, 1]) & (ordered[:, 1] != ordered[:, 2])
    is_kept = has_three_corners & _is_first(ordered)
    if is_kept.all():
        return mesh
    return submesh(mesh, is_kept)


def drop_double_faces(mesh: MeshArrays, either_side: bool) -> MeshArrays:
    """Return ``mesh`` without copies of a face at the same place.

    Args:
        mesh: Of any faces.
        either_side: Also those that face the other side, as both sides of a leaf.
    """
    corners = _places(mesh)[mesh.faces]
    if either_side:
        corners = np.sort(corners, axis=1)
    else:
        # Each face from its lowest corner on.
        count = corners.shape[1]
        steps = (corners.argmin(axis=1)[:, None] + np.arange(count)) % count
        corners = np.take_along_axis(corners, steps, axis=1)

    is_first = _is_first(corners)
    if is_first.all():
        return mesh
    return submesh(mesh, is_first)


def _places(mesh: MeshArrays) -> NDArray[np.int64]:
    """Return for each vertex (V,) a number of its place, the same for vertices that coincide."""
    place: NDArray[np.int64] = np.unique(mesh.vertices, axis=0, return_inverse=True)[1]
    return place.reshape(-1)


def _is_first(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows (N,) do not equal an earlier one."""
    _, first = np.unique(rows, axis=0, return_index=True)
    is_first = np.zeros(len(rows), bool)
    is_first[first] = True
    return is_first


def weld_open_vertices(mesh: MeshArrays, distance: float) -> MeshArrays:
    """Return ``mesh`` with the vertices of its open edges merged where they coincide.

    Only these: closed thin parts stay apart.

    Args:
        mesh: Of triangles.
        distance: Up to which two vertices are one, meters.
    """
    half_edges = HalfEdges(mesh)
    vertex = mesh.faces.ravel()
    is_open = (half_edges.face_counts() == 1)[half_edges.edge]
    ends = half_edges.end_corner[is_open]
    candidates = np.unique(np.concatenate((vertex[is_open], vertex[ends])))
    if not len(candidates):
        return mesh

    # All pairs in the same or neighboring cells of a grid, by sorting along one axis at a time.
    pairs = _close_pairs(mesh.vertices[candidates].astype(float), distance)
    if not len(pairs):
        return mesh
    group = connected_components(candidates[pairs], len(mesh.vertices))

    # The first vertex of each group stands for it.
    _, first = np.unique(group, return_index=True)
    welded = take_vertices(mesh, first)
    return replace(welded, faces=group[mesh.faces].astype(np.int32))


def _close_pairs(points: NDArray[np.float64], distance: float) -> NDArray[np.int64]:
    """Return pairs (N, 2) of points that are within ``distance`` along each axis.

    Of a crowd of points only neighbors in the order of their cells are paired, which connects the
    crowd all the same.
    """
    pairs = []
    cell_size = 2 * distance
    lowest = points.min(axis=0)

    # Two grids, moved by half a cell along each axis, so that close points share a cell in one.
    for shift in np.ndindex(2, 2, 2):
        cells = np.floor((points - lowest) / cell_size + np.array(shift) / 2).astype(np.int64)
        order = np.lexsort(cells.T)
        is_same_cell = (np.diff(cells[order], axis=0) == 0).all(axis=1)
        position = np.flatnonzero(is_same_cell)
        pairs.append(np.stack((order[position], order[position + 1]), axis=1))

    return np.concatenate(pairs)


def subdivide_triangles(mesh: MeshArrays) -> MeshArrays:
    """Return ``mesh`` with each triangle cut in four at the middles of its edges.

    Args:
        mesh: Without colors and confidence.
    """
    triangles = replace(mesh, faces=mesh.to_triangles())
    half_edges = HalfEdges(triangles)
    corner = triangles.faces.ravel()

    # One vertex for each edge, at the middle of either of its half-edges.
    middles = (mesh.vertices[corner] + mesh.vertices[corner[half_edges.end_corner]]) / 2
    _, first = np.unique(half_edges.edge, return_index=True)
    vertices = np.concatenate((mesh.vertices, middles[first])).astype(np.float32)

    a, b, c = triangles.faces.T
    ab, bc, ca = half_edges.edge.reshape(-1, 3).T + len(mesh.vertices)
    parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    faces = np.concatenate([np.stack(part, axis=1) for part in parts]).astype(np.int32)

    return MeshArrays(vertices, faces)


def orient_patches(mesh: MeshArrays) -> tuple[MeshArrays, int]:
    """Return ``mesh`` with neighboring faces facing the same side, and the number of turned faces.

    Faces are neighbors across edges of two faces. Each face occurs twice in a graph, as it is and
    turned; edges connect the copies that agree. So each patch has two components in the graph, one
    for each side. A Möbius strip has only one, and stays as it is.

    Args:
        mesh: Of triangles.
    """
    half_edges = HalfEdges(mesh)
    count = len(mesh.faces)
    first, second = _edge_pairs(half_edges)
    first_face = first // 3
    second_face = second // 3
    agrees = half_edges.is_forward[first] != half_edges.is_forward[second]
    turn = np.where(agrees, 0, count)

    # Nodes: f for a face as it is, f + count for the face turned.
    as_it_is = np.stack((first_face, second_face + turn), axis=1)
    turned = np.stack((first_face + count, (second_face + count + turn) % (2 * count)), axis=1)
    component = connected_components(np.concatenate((as_it_is, turned)), 2 * count)
    side = component[:count]
    other_side = component[count:]

    # The side of a patch with more area as it is wins.
    patch = np.minimum(side, other_side)
    is_second_side = side > other_side
    area = np.linalg.norm(area_normals(mesh.vertices.astype(float), mesh.faces), axis=1)
    balance = np.bincount(patch, np.where(is_second_side, -area, area), 2 * count)
    keeps_second_side = balance[patch] < 0
    is_turned = (is_second_side != keeps_second_side) & (side != other_side)
    faces = np.where(is_turned[:, None], mesh.faces[:, ::-1], mesh.faces)

    return replace(mesh, faces=faces), int(is_turned.sum())


def _edge_pairs(half_edges: HalfEdges) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two half-edges (N,), (N,) of each edge of two faces."""
    order = np.argsort(half_edges.edge, kind="stable")
    faces_at_edge = half_edges.face_counts()[half_edges.edge[order]]
    pairs = order[faces_at_edge == 2].reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def cut_crowded_edges(mesh: MeshArrays) -> MeshArrays:
    """Return ``mesh`` cut at edges of three faces or more, so that no edge has more than two.

    Where as many faces run one way as the other, those stay joined that have the solid between
    them; elsewhere the flattest pairs, of patches without open edges first.

    Args:
        mesh: Of triangles.

    Returns:
        The mesh itself if there is no such edge.
    """
    half_edges = HalfEdges(mesh)
    face_counts = half_edges.face_counts()
    order = np.argsort(half_edges.edge, kind="stable")
    crowded = order[face_counts[half_edges.edge[order]] > 2]
    if not len(crowded):
        return mesh

    # The pairs that stay joined.
    breaks = np.flatnonzero(np.diff(half_edges.edge[crowded])) + 1
    has_border = _patch_has_border(mesh, half_edges)
    pairs = [np.stack(_edge_pairs(half_edges), axis=1)]

    for group in np.split(crowded, breaks):
        around = pairs_around_edge(mesh, half_edges, group)
        if not len(around):
            around = _flattest_pairs(mesh, half_edges, group, has_border)
        pairs.append(around)

    joined = _joined_corners(mesh, half_edges, np.concatenate(pairs))

    # Elsewhere all corners at a vertex stay one vertex.
    vertex = mesh.faces.ravel()
    is_cut = np.zeros(len(mesh.vertices), bool)
    is_cut[vertex[crowded]] = True
    is_cut[vertex[half_edges.end_corner[crowded]]] = True
    corner_order = np.argsort(vertex, kind="stable")
    same_vertex = np.stack((corner_order[:-1], corner_order[1:]), axis=1)
    is_same = vertex[same_vertex[:, 0]] == vertex[same_vertex[:, 1]]
    whole = same_vertex[is_same & ~is_cut[vertex[same_vertex[:, 0]]]]

    label = connected_components(np.concatenate((joined, whole)), vertex.size)
    origin = np.empty(int(label.max()) + 1, np.int64)
    origin[label] = vertex
    faces = label.reshape(mesh.faces.shape).astype(np.int32)

    return replace(take_vertices(mesh, origin), faces=faces)


def _joined_corners(
    mesh: MeshArrays, half_edges: HalfEdges, pairs: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return pairs (N, 2) of corners that are one vertex, for pairs of joined half-edges."""
    vertex = mesh.faces.ravel()
    first, second = pairs.T
    first_end = half_edges.end_corner[first]
    second_end = half_edges.end_corner[second]

    # Half-edges of faces that look to opposite sides run the same way.
    is_parallel = vertex[first] == vertex[second]
    at_start = np.where(is_parallel, second, second_end)
    at_end = np.where(is_parallel, second_end, second)
    starts = np.stack((first, at_start), axis=1)
    ends = np.stack((first_end, at_end), axis=1)

    return np.concatenate((starts, ends))


def _patch_has_border(mesh: MeshArrays, half_edges: HalfEdges) -> NDArray[np.bool_]:
    """Return for each face (F,) whether its patch, within edges of two faces, has an open edge."""
    first, second = _edge_pairs(half_edges)
    neighbors = np.stack((first // 3, second // 3), axis=1)
    patch = connected_components(neighbors, len(mesh.faces))

    # Faces with an edge that no other face has.
    is_open_edge = half_edges.face_counts() == 1
    is_open = is_open_edge[half_edges.edge].reshape(-1, 3).any(axis=1)
    open_count = np.bincount(patch, is_open)
    has_border: NDArray[np.bool_] = open_count[patch] > 0
    return has_border


def _flattest_pairs(
    mesh: MeshArrays,
    half_edges: HalfEdges,
    group: NDArray[np.int64],
    has_border: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Pair the half-edges of one edge so that the surfaces go on as straight as possible.

    Args:
        mesh: Of triangles.
        half_edges: Its half-edges.
        group: (G,) the half-edges of the edge.
        has_border: (F,) of :func:`_patch_has_border`. Of a closed surface and a fin on it, the
            closed surface stays joined.

    Returns:
        (G // 2, 2) pairs.
    """
    vertex = mesh.faces.ravel()
    start = mesh.vertices[vertex[group[0]]].astype(float)
    end = mesh.vertices[vertex[half_edges.end_corner[group[0]]]].astype(float)
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-300)

    # The direction of each face away from the edge.
    to_center = mesh.vertices[mesh.faces[group // 3]].mean(axis=1) - start
    away = to_center - (to_center @ along)[:, None] * along
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-300)

    # The most opposite directions first. A border counts more than any angle.
    cosine = away @ away.T
    border = 3.0 * has_border[group // 3]
    cost = cosine + border[:, None] + border
    rows, columns = np.triu_indices(len(group), 1)
    pairs = []
    is_free = np.ones(len(group), bool)

    for index in np.argsort(cost[rows, columns], kind="stable"):
        row = rows[index]
        column = columns[index]
        if is_free[row] and is_free[column]:
            is_free[[row, column]] = False
            pairs.append((group[row], group[column]))

    return np.array(pairs, np.int64)


def turn_pieces_outward(mesh: MeshArrays) -> MeshArrays:
    """Return a closed mesh with each component facing outward, and its hollows inward.

    The largest component faces outward. Of the others those are turned that face inward, but do
    not lie inside of one that faces outward.

    Returns:
        The mesh itself if there is nothing to turn.
    """
    volumes = piece_volumes(mesh)
    is_turned = np.zeros(len(volumes), bool)
    oriented = mesh

    if volumes[np.abs(volumes).argmax()] < 0:
        is_turned[:] = True
        volumes = -volumes
        oriented = replace(mesh, faces=mesh.faces[:, ::-1])

    is_turned ^= (volumes < 0) & ~hollow_pieces(oriented, volumes)
    if not is_turned.any():
        return mesh
    face_is_turned = is_turned[face_pieces(mesh)]
    faces = np.where(face_is_turned[:, None], mesh.faces[:, ::-1], mesh.faces)

    return replace(mesh, faces=faces)


def piece_bounds(mesh: MeshArrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and the upper corners (N, 3) of the bounds of each component."""
    piece = face_pieces(mesh)
    count = int(piece.max()) + 1
    lower = np.full((count, 3), np.inf)
    upper = np.full((count, 3), -np.inf)
    for corner in mesh.faces.T:
        np.minimum.at(lower, piece, mesh.vertices[corner])
        np.maximum.at(upper, piece, mesh.vertices[corner])
    return lower, upper


def buried_pieces(mesh: MeshArrays) -> NDArray[np.bool_]:
    """Return which components (N,) of a closed mesh are solids inside of another solid.

    Args:
        mesh: Of components that do not intersect, facing as :func:`turn_pieces_outward` leaves
            them.
    """
    triangles = replace(mesh, faces=mesh.to_triangles())
    piece = face_pieces(triangles)
    volumes = piece_volumes(mesh)
    _, first_face = np.unique(piece, return_index=True)

    # Only a part within the bounds of another one can be inside of it.
    lower, upper = piece_bounds(triangles)
    is_buried = np.zeros(len(volumes), bool)
    for number in np.flatnonzero(volumes > 0):
        is_around = (lower <= lower[number]).all(axis=1) & (upper >= upper[number]).all(axis=1)
        if is_around.sum() == 1:
            continue
        others = triangles.faces[piece != number]
        point = mesh.vertices[triangles.faces[first_face[number], :1]]
        is_buried[number] = points_inside(mesh.vertices, others, point)[0]

    return is_buried
