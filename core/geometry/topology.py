"""Whether a mesh is closed, manifold and oriented outwards, and repairs that keep its surface."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..imaging.morphology import connected_components
from .connectivity import take_vertices, vertex_components
from .winding_number import points_inside

# How far a split vertex moves towards the mean of its faces' centers, as a share of the distance:
# enough that no merging by distance undoes the split. At most a share of the longest side of the
# mesh, since the faces may be large.
_SPLIT_SHIFT = 0.05
_MAX_SPLIT_SHIFT = 0.002

Quad = tuple[int, int, int, int]


@dataclass(frozen=True)
class TopologyReport:
    """Defects of a mesh. All counts are 0 in a closed, manifold mesh with outward faces.

    Attributes:
        boundary: Edges with one face.
        non_manifold: Edges with three faces or more.
        flipped: Edges whose two faces have opposite orientations.
        pinched: Vertices at which several fans of faces touch.
        inward: Components whose faces are oriented inwards, and which are no hollow of another.
        volume: Cubic meters, positive if the faces are oriented outwards.
        pieces: Number of connected components.
    """

    boundary: int
    non_manifold: int
    flipped: int
    pinched: int
    inward: int
    volume: float
    pieces: int

    @property
    def is_watertight(self) -> bool:
        """Whether the mesh has none of the defects."""
        defects = (self.boundary, self.non_manifold, self.flipped, self.pinched, self.inward)
        return not any(defects)

    def summary(self) -> str:
        """Return "closed, manifold, outward", or the defects in words."""
        names = {
            "open edges": self.boundary,
            "edges with more than two faces": self.non_manifold,
            "edges between faces with opposite normals": self.flipped,
            "vertices shared by separate surfaces": self.pinched,
            "parts that are inside out": self.inward,
        }
        defects = [f"{count} {name}" for name, count in names.items() if count]
        if not defects:
            return "closed, manifold, outward"
        return ", ".join(defects)


class HalfEdges:
    """The half-edges of all faces. Number c starts at corner c of the flattened faces.

    Attributes:
        edge: (C,) number of the undirected edge.
        is_forward: (C,) whether it runs from the lower vertex to the higher.
        end_corner: (C,) the corner of the same face at which it ends.
    """

    def __init__(self, mesh: MeshArrays) -> None:
        corners = np.arange(mesh.faces.size).reshape(mesh.faces.shape)
        self.end_corner = np.roll(corners, -1, axis=1).ravel()

        start = mesh.faces.ravel()
        end = np.roll(mesh.faces, -1, axis=1).ravel()
        self.is_forward = start < end

        # Half-edges with the same two ends belong to one edge.
        lower = np.minimum(start, end).astype(np.int64)
        higher = np.maximum(start, end)
        key = lower * len(mesh.vertices) + higher
        edge: NDArray[np.int64] = np.unique(key, return_inverse=True)[1]
        self.edge = edge.reshape(-1)

    def face_counts(self) -> NDArray[np.int64]:
        """Return the number of faces (E,) of each undirected edge."""
        return np.bincount(self.edge)


def check_topology(mesh: MeshArrays) -> TopologyReport:
    """Count the defects of ``mesh``."""
    half_edges = HalfEdges(mesh)
    face_counts = half_edges.face_counts()
    balance = np.bincount(half_edges.edge, half_edges.is_forward * 2.0 - 1)
    volumes = piece_volumes(mesh)

    return TopologyReport(
        boundary=int((face_counts == 1).sum()),
        non_manifold=int((face_counts > 2).sum()),
        flipped=int(((face_counts == 2) & (balance != 0)).sum()),
        pinched=_count_pinched(mesh, half_edges),
        inward=int(((volumes <= 0) & ~hollow_pieces(mesh, volumes)).sum()),
        volume=float(volumes.sum()),
        pieces=len(volumes),
    )


def piece_volumes(mesh: MeshArrays) -> NDArray[np.float64]:
    """Return the signed volume of each component, cubic meters, in :func:`face_pieces`' order."""
    triangles = replace(mesh, faces=mesh.to_triangles())

    # Volumes of tetrahedra are exact only near the origin.
    origin = mesh.vertices[mesh.faces[0, 0]]
    corners = mesh.vertices[triangles.faces].astype(float) - origin
    a, b, c = corners.transpose(1, 0, 2)
    six_volumes = (a * np.cross(b, c)).sum(1)

    piece = face_pieces(triangles)
    volumes = np.bincount(piece, weights=six_volumes / 6)
    return np.asarray(volumes, float)


def hollow_pieces(mesh: MeshArrays, volumes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which components (N,) are hollows: oriented inwards, and inside of another one.

    Args:
        mesh: The mesh.
        volumes: (N,) of :func:`piece_volumes`.
    """
    is_hollow = np.zeros(len(volumes), bool)
    inward = np.flatnonzero(volumes < 0)
    if not len(inward) or len(inward) == len(volumes):
        return is_hollow

    # A hollow does not cross what encloses it, so one of its vertices decides.
    triangles = replace(mesh, faces=mesh.to_triangles())
    piece = face_pieces(triangles)
    _, first_face = np.unique(piece, return_index=True)
    points = mesh.vertices[triangles.faces[first_face[inward], 0]]
    solids = triangles.faces[volumes[piece] > 0]
    is_hollow[inward] = points_inside(mesh.vertices, solids, points)

    return is_hollow


def face_pieces(mesh: MeshArrays) -> NDArray[np.int64]:
    """Return for each face (F,) the number, from 0, of its connected component."""
    component = vertex_components(mesh)[mesh.faces[:, 0]]
    # Vertices without faces are components too; their numbers are left out.
    piece: NDArray[np.int64] = np.unique(component, return_inverse=True)[1]
    return piece.reshape(-1)


def split_non_manifold(mesh: MeshArrays) -> MeshArrays:
    """Cut a mesh where surfaces touch, at edges and vertices, so that each part is manifold.

    All faces are taken apart, and joined again across edges. Of more than two faces at an edge
    those are joined that have the solid between them (after Guéziec et al. 2001, "Cutting and
    stitching", doi:10.1109/2945.928166). Edges whose faces cannot be paired are left open.

    Returns:
        The mesh itself if there is nothing to cut.
    """
    half_edges = HalfEdges(mesh)
    first, second = _paired_half_edges(mesh, half_edges)

    # Paired half-edges run in opposite directions: the start of each meets the end of the other.
    starts = np.stack((first, half_edges.end_corner[second]), axis=1)
    ends = np.stack((half_edges.end_corner[first], second), axis=1)
    joined_corners = np.concatenate((starts, ends))
    vertex = connected_components(joined_corners, mesh.faces.size)
    vertex_count = int(vertex.max()) + 1
    if vertex_count == len(mesh.vertices):
        return mesh

    # Each group of corners becomes a vertex.
    origin = np.empty(vertex_count, np.int64)
    origin[vertex] = mesh.faces.ravel()
    faces = vertex.reshape(mesh.faces.shape).astype(np.int32)
    positions = mesh.vertices[origin].astype(float)

    # Move copies of a vertex apart, each towards its faces.
    is_copy = (np.bincount(origin, minlength=len(mesh.vertices)) > 1)[origin]
    target = _mean_face_centers(mesh, vertex)
    shift = _SPLIT_SHIFT * (target - positions)[is_copy]
    longest = _MAX_SPLIT_SHIFT * float(np.ptp(positions, axis=0).max())
    lengths = np.linalg.norm(shift, axis=1, keepdims=True)
    positions[is_copy] += shift * np.minimum(1, longest / np.maximum(lengths, 1e-300))

    return replace(take_vertices(mesh, origin), vertices=positions.astype(np.float32), faces=faces)


def fill_holes(mesh: MeshArrays) -> MeshArrays:
    """Close the holes with an even number of edges in a mesh of quads by ladders of quads.

    Returns:
        The mesh itself if there is no such hole.
    """
    half_edges = HalfEdges(mesh)
    vertex = mesh.faces.ravel()
    end_vertex = vertex[half_edges.end_corner]

    # The next vertex along the border of a hole: against the direction of the faces.
    on_border = np.flatnonzero((half_edges.face_counts() == 1)[half_edges.edge])
    next_vertex = dict(zip(end_vertex[on_border].tolist(), vertex[on_border].tolist(), strict=True))

    ends = np.sort(np.stack((vertex, end_vertex), axis=1), axis=1)
    known_edges = set(map(tuple, ends.tolist()))

    # Follow each border until it is closed or stops.
    quads: list[Quad] = []
    while next_vertex:
        ring = [next(iter(next_vertex))]
        while ring[-1] in next_vertex:
            ring.append(next_vertex.pop(ring[-1]))
        if ring[0] == ring[-1] and len(ring) % 2:
            quads += _bridge_ring(mesh.vertices, ring[:-1], known_edges)

    if not quads:
        return mesh
    return replace(mesh, faces=np.concatenate((mesh.faces, quads)).astype(np.int32))


def _bridge_ring(
    vertices: NDArray[np.float32], ring: list[int], known_edges: set[tuple[int, int]]
) -> list[Quad]:
    """Return quads across a ring of vertices, with the shortest rungs.

        0---1---2       The ring 0 1 2 3 4 5 is folded at each of its edges in turn; here the
        |   |   |       fold is at 5-0, and the rungs are 0-5, 1-4, 2-3.
        5---4---3

    Args:
        vertices: (V, 3) positions, meters.
        ring: Vertices around the hole, of an even number.
        known_edges: Edges of the mesh; no rung may be one of them.

    Returns:
        Empty if there is no possible ladder.
    """
    half = len(ring) // 2
    best_length = np.inf
    best_quads: list[Quad] = []

    for shift in range(half):
        shifted = ring[shift:] + ring[:shift]
        left = shifted[:half]
        right = shifted[: half - 1 : -1]
        rungs = list(zip(left, right, strict=True))
        inner_rungs = rungs[1:-1]

        length = 0.0
        for start, end in inner_rungs:
            length += float(np.linalg.norm(vertices[start] - vertices[end]))
        is_taken = any((min(rung), max(rung)) in known_edges for rung in inner_rungs)

        if length < best_length and not is_taken:
            best_length = length
            best_quads = [(a, c, d, b) for (a, b), (c, d) in pairwise(rungs)]

    return best_quads


def _mean_face_centers(mesh: MeshArrays, vertex: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each new vertex (N, 3) the mean of the centers of its faces.

    Args:
        mesh: The mesh.
        vertex: (C,) number of the new vertex of each corner.
    """
    face_centers = mesh.vertices[mesh.faces].mean(1, dtype=float)
    corner_centers = face_centers.repeat(mesh.faces.shape[1], 0)

    counts = np.bincount(vertex)
    sums = []
    for axis in range(3):
        sums.append(np.bincount(vertex, corner_centers[:, axis]))
    means: NDArray[np.float64] = np.stack(sums, axis=1) / counts[:, None]

    return means


def _paired_half_edges(
    mesh: MeshArrays, half_edges: HalfEdges
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two opposite half-edges (N,), (N,) of each pair of joined faces."""
    face_counts = half_edges.face_counts()
    order = np.argsort(half_edges.edge, kind="stable")
    faces_at_edge = face_counts[half_edges.edge[order]]

    # Where an edge has two faces of one orientation, they belong together.
    regular = order[faces_at_edge == 2].reshape(-1, 2)
    is_forward = half_edges.is_forward[regular]
    pairs = [regular[is_forward[:, 0] != is_forward[:, 1]]]

    # At edges of more faces it depends on the angles.
    crowded = order[faces_at_edge > 2]
    if len(crowded):
        breaks = np.flatnonzero(np.diff(half_edges.edge[crowded])) + 1
        for group in np.split(crowded, breaks):
            pairs.append(pairs_around_edge(mesh, half_edges, group))

    all_pairs = np.concatenate(pairs)
    return all_pairs[:, 0], all_pairs[:, 1]


def pairs_around_edge(
    mesh: MeshArrays, half_edges: HalfEdges, group: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Pair the half-edges of one edge so that each pair of faces has the solid between them.

    Seen along the edge, the faces are sorted by their angle. The solid is behind each face with a
    forward half-edge, so that face is paired with the one before it:

             f  |            f  forward, b  backward
                |  solid     counter-clockwise: f, b, f, b
        b ------*------ b
          solid |            pairs: each f with the b before it
                |  f

    Args:
        mesh: The mesh.
        half_edges: Its half-edges.
        group: (G,) the half-edges of the edge.

    Returns:
        (G / 2, 2) pairs; none if the directions are not balanced.
    """
    if half_edges.is_forward[group].sum() * 2 != len(group):
        return np.empty((0, 2), np.int64)

    # An axis along the edge, from its lower vertex to its higher.
    vertex = mesh.faces.ravel()
    first = group[0]
    start, end = sorted((vertex[first], vertex[half_edges.end_corner[first]]))
    along = (mesh.vertices[end] - mesh.vertices[start]).astype(float)

    # Angles of the faces' centers around it; the first face has angle 0.
    face = group // mesh.faces.shape[1]
    start_position = mesh.vertices[start].astype(float)
    to_center = mesh.vertices[mesh.faces[face]].mean(1) - start_position
    across = to_center[0] - along * (to_center[0] @ along) / max(along @ along, 1e-300)
    upwards = np.cross(along / max(np.linalg.norm(along), 1e-300), across)
    angle = np.arctan2(to_center @ upwards, to_center @ across)

    ring = group[np.argsort(angle)]  # counter-clockwise
    is_forward = half_edges.is_forward[ring]
    overlap = (is_forward == np.roll(is_forward, 1)).any()
    if overlap:
        # Forward and backward do not alternate: any pairing closes the surface.
        return np.stack((ring[is_forward], ring[~is_forward]), axis=1)
    return np.stack((ring[is_forward], np.roll(ring, 1)[is_forward]), axis=1)


def _count_pinched(mesh: MeshArrays, half_edges: HalfEdges) -> int:
    """Return how many vertices have several fans of faces.

    Only vertices count whose edges all have two faces; the others are reported as edges.
    """
    face_counts = half_edges.face_counts()
    vertex = mesh.faces.ravel()
    order = np.argsort(half_edges.edge, kind="stable")
    faces_at_edge = face_counts[half_edges.edge[order]]
    first, second = order[faces_at_edge == 2].reshape(-1, 2).T

    # Join the corners of two faces that meet at either end of their edge.
    first_ends = np.stack((first, half_edges.end_corner[first]), axis=1)
    second_ends = np.stack((second, half_edges.end_corner[second]), axis=1)
    is_opposite = vertex[first] != vertex[second]
    second_ends[is_opposite] = second_ends[is_opposite, ::-1]
    joined_corners = np.stack((first_ends, second_ends), axis=2).reshape(-1, 2)
    fan = connected_components(joined_corners, vertex.size)

    # Count the distinct fans of each vertex.
    vertex_and_fan = np.unique(np.stack((vertex, fan), axis=1), axis=0)
    fan_counts = np.bincount(vertex_and_fan[:, 0], minlength=len(mesh.vertices))

    irregular = face_counts[half_edges.edge] != 2
    at_irregular_edge = np.zeros(len(mesh.vertices), bool)
    at_irregular_edge[vertex[irregular]] = True
    at_irregular_edge[vertex[half_edges.end_corner[irregular]]] = True

    return int(((fan_counts > 1) & ~at_irregular_edge).sum())
