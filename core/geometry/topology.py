"""Whether a mesh is closed, manifold and turned outwards, and what can be mended without moving its surface."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from .surface_nets import connected_components, submesh_of_vertices

_NUDGE = 0.05  # of the way to the middle of its faces: how far a split vertex goes, so that no merging undoes it


@dataclass(frozen=True)
class TopologyReport:
    """What is wrong with a mesh; all counts are 0 in a closed, manifold mesh whose faces look outwards.

    boundary: edges of one face. non_manifold: edges of three faces or more. flipped: edges whose two faces wind
    against each other. pinched: vertices where several fans of faces touch. inward: pieces whose faces look inwards.
    volume: cubic metres, positive outwards. pieces: how many loose pieces there are.
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
        return not (
            self.boundary or self.non_manifold or self.flipped or self.pinched or self.inward
        )

    def summary(self) -> str:
        """In words: "closed, manifold, outward", or what is wrong."""
        wrong = {
            "open edges": self.boundary,
            "edges with more than two faces": self.non_manifold,
            "edges between faces with opposite normals": self.flipped,
            "vertices shared by separate surfaces": self.pinched,
            "parts that are inside out": self.inward,
        }
        found = [f"{count} {name}" for name, count in wrong.items() if count]
        return ", ".join(found) if found else "closed, manifold, outward"


def check_topology(mesh: MeshArrays) -> TopologyReport:
    """Count what is wrong with ``mesh``."""
    sides = _Sides(mesh)
    uses = np.bincount(sides.edge)
    balance = np.bincount(sides.edge, sides.forward * 2.0 - 1)
    volume = piece_volumes(mesh)
    return TopologyReport(
        boundary=int((uses == 1).sum()),
        non_manifold=int((uses > 2).sum()),
        flipped=int(((uses == 2) & (balance != 0)).sum()),
        pinched=_count_pinched(mesh, sides, uses),
        inward=int((volume <= 0).sum()),
        volume=float(volume.sum()),
        pieces=len(volume),
    )


def piece_volumes(mesh: MeshArrays) -> NDArray[np.float64]:
    """Signed volume of each of the mesh's loose pieces, numbered as by :func:`face_pieces`, cubic metres."""
    triangles = replace(mesh, faces=mesh.to_triangles())
    corners = mesh.vertices[triangles.faces].astype(float) - mesh.vertices[mesh.faces[0, 0]]
    six = (corners[:, 0] * np.cross(corners[:, 1], corners[:, 2])).sum(1)
    return np.bincount(face_pieces(triangles), six / 6)


def face_pieces(mesh: MeshArrays) -> NDArray[np.int64]:
    """For each face (F,) the number, from 0, of the loose piece it belongs to."""
    return np.unique(connected_components(mesh)[mesh.faces[:, 0]], return_inverse=True)[1].reshape(
        -1
    )


def split_non_manifold(mesh: MeshArrays) -> MeshArrays:
    """``mesh`` cut along the edges and at the vertices where surfaces touch, so that each is manifold for itself.

    Of the faces about such an edge those two stay together that have the solid between them (after Guéziec et al.
    2001, "Cutting and stitching", doi:10.1109/2945.928166). Edges whose faces cannot be paired are left.
    """
    sides = _Sides(mesh)
    first, second = _pair_sides(mesh, sides)
    corners = np.arange(mesh.faces.size)
    joined = np.concatenate(
        (
            np.stack((corners[first], sides.after[second]), axis=1),
            np.stack((sides.after[first], corners[second]), axis=1),
        )
    )
    every = np.concatenate((joined, np.stack((corners, corners), axis=1)))
    label = connected_components(
        MeshArrays(np.empty((mesh.faces.size, 0), np.float32), every.astype(np.int32))
    )
    if label.max() + 1 == len(mesh.vertices):
        return mesh
    origin = np.empty(label.max() + 1, np.int64)
    origin[label] = mesh.faces.ravel()
    faces = label.reshape(mesh.faces.shape).astype(np.int32)
    vertices = mesh.vertices[origin].astype(float)
    middles = mesh.vertices[mesh.faces].mean(1, dtype=float).repeat(faces.shape[1], 0)
    count = np.bincount(label)[:, None]
    middle = np.stack([np.bincount(label, middles[:, axis]) for axis in range(3)], axis=1) / count
    cut = (np.bincount(origin, minlength=len(mesh.vertices)) > 1)[origin]
    vertices[cut] += _NUDGE * (middle - vertices)[cut]
    return replace(
        submesh_of_vertices(mesh, origin), vertices=vertices.astype(np.float32), faces=faces
    )


def fill_holes(mesh: MeshArrays) -> MeshArrays:
    """``mesh`` of quads with its holes of an even number of edges closed by ladders of quads."""
    sides = _Sides(mesh)
    flat = mesh.faces.ravel()
    lone = np.flatnonzero((np.bincount(sides.edge) == 1)[sides.edge])
    following = dict(
        zip(flat[sides.after[lone]].tolist(), flat[lone].tolist(), strict=True)
    )  # against the faces
    known = set(map(tuple, np.sort(np.stack((flat, flat[sides.after]), axis=1), axis=1).tolist()))
    quads = []
    while following:
        ring = [next(iter(following))]
        while ring[-1] in following:
            ring.append(following.pop(ring[-1]))
        if ring[0] == ring[-1] and len(ring) % 2:
            quads += _bridge_ring(mesh.vertices, ring[:-1], known)
    return (
        replace(mesh, faces=np.concatenate((mesh.faces, quads)).astype(np.int32)) if quads else mesh
    )


def _bridge_ring(
    vertices: NDArray[np.float32], ring: list[int], known: set[tuple[int, int]]
) -> list[tuple[int, int, int, int]]:
    """Quads across a ring of vertices, whose rungs are short and no ``known`` edges; none if there is no way."""
    count = len(ring)
    best: tuple[float, list[tuple[int, int, int, int]]] = (np.inf, [])
    for shift in range(count // 2):
        turned = ring[shift:] + ring[:shift]
        left = turned[: count // 2]
        right = turned[: count // 2 - 1 : -1]
        rungs = list(zip(left, right, strict=True))
        inner = rungs[1:-1]
        length = sum(float(np.linalg.norm(vertices[a] - vertices[b])) for a, b in inner)
        if length < best[0] and not any((min(rung), max(rung)) in known for rung in inner):
            best = length, [(a, c, d, b) for (a, b), (c, d) in pairwise(rungs)]
    return best[1]


class _Sides:
    """The sides of all faces, one a corner: it runs from its own corner to the next of the face.

    edge: (S,) number of the undirected edge. forward: (S,) whether it runs from the lower vertex to the higher.
    after: (S,) the corner that it runs to.
    """

    def __init__(self, mesh: MeshArrays) -> None:
        start = mesh.faces.ravel()
        end = np.roll(mesh.faces, -1, axis=1).ravel()
        self.after = np.roll(
            np.arange(mesh.faces.size).reshape(mesh.faces.shape), -1, axis=1
        ).ravel()
        key = np.minimum(start, end).astype(np.int64) * len(mesh.vertices) + np.maximum(start, end)
        self.edge = np.unique(key, return_inverse=True)[1].reshape(-1)
        self.forward = start < end


def _pair_sides(mesh: MeshArrays, sides: _Sides) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The two sides (N,), (N,) of each pair of faces that hold together at an edge, one running against the other."""
    uses = np.bincount(sides.edge)
    order = np.argsort(sides.edge, kind="stable")
    plain = order[(uses == 2)[sides.edge[order]]].reshape(-1, 2)
    plain = plain[sides.forward[plain[:, 0]] != sides.forward[plain[:, 1]]]
    pairs = [plain]
    crowded = order[(uses > 2)[sides.edge[order]]]
    groups = (
        np.split(crowded, np.flatnonzero(np.diff(sides.edge[crowded])) + 1) if len(crowded) else []
    )
    for group in groups:
        pairs.append(_about_an_edge(mesh, sides, group))
    both = np.concatenate(pairs)
    return both[:, 0], both[:, 1]


def _about_an_edge(mesh: MeshArrays, sides: _Sides, group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pairs (N, 2) of the sides of one edge: each that runs forward with the one that closes the solid behind it."""
    forward = sides.forward[group]
    if forward.sum() * 2 != len(group):
        return np.empty((0, 2), np.int64)
    flat = mesh.faces.ravel()
    corners = mesh.faces.shape[1]
    side = group[0]
    start, end = sorted((flat[side], flat[sides.after[side]]))
    along = (mesh.vertices[end] - mesh.vertices[start]).astype(float)
    ways = mesh.vertices[mesh.faces[group // corners]].mean(1) - mesh.vertices[start].astype(float)
    across = ways[0] - along * (ways[0] @ along) / max(along @ along, 1e-300)
    angle = np.arctan2(
        ways @ np.cross(along / max(np.linalg.norm(along), 1e-300), across), ways @ across
    )
    ring = group[
        np.argsort(angle)
    ]  # counter-clockwise about the edge: the solid is behind a forward face
    run = sides.forward[ring]
    if (run == np.roll(run, 1)).any():  # they overlap: any pairing closes the surface
        return np.stack((ring[run], ring[~run]), axis=1)
    return np.stack((ring[run], np.roll(ring, 1)[run]), axis=1)


def _count_pinched(mesh: MeshArrays, sides: _Sides, uses: NDArray[np.int64]) -> int:
    """How many vertices have several fans of faces; told only of vertices all of whose edges have two faces."""
    order = np.argsort(sides.edge, kind="stable")
    two = order[(uses == 2)[sides.edge[order]]].reshape(-1, 2)
    flat = mesh.faces.ravel()
    ends = np.stack((two[:, 0], sides.after[two[:, 0]]), axis=1)
    others = np.stack((two[:, 1], sides.after[two[:, 1]]), axis=1)
    crossed = flat[ends[:, 0]] != flat[others[:, 0]]
    others[crossed] = others[crossed, ::-1]
    joined = np.concatenate(
        (
            np.stack((ends, others), axis=2).reshape(-1, 2),
            np.arange(flat.size)[:, None].repeat(2, 1),
        )
    )
    label = connected_components(
        MeshArrays(np.empty((flat.size, 0), np.float32), joined.astype(np.int32))
    )
    fan = np.unique(np.stack((flat, label), axis=1), axis=0)[:, 0]
    rough = np.zeros(len(mesh.vertices), bool)
    rough[flat[uses[sides.edge] != 2]] = True
    rough[flat[sides.after[uses[sides.edge] != 2]]] = True
    return int(((np.bincount(fan, minlength=len(mesh.vertices)) > 1) & ~rough).sum())
