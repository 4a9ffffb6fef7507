"""Meshes as an artist goes on with them: closed, of so many quads or triangles, symmetric if wished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from ...arrays import MeshArrays
from ...cameras import Camera
from ...errors import MeshError
from ...geometry.signed_distance import closest_on_triangles
from ...geometry.surface_nets import submesh
from ...geometry.symmetry import SymmetryPlane, choose_half, find_symmetry_plane
from ...geometry.topology import (
    TopologyReport,
    check_topology,
    face_pieces,
    piece_volumes,
    split_non_manifold,
)
from ...jobs.task import Progress, Task, in_thread, single_step
from ..bvh import nearest_triangle_finder
from . import blender_remeshers
from .wall_thickness import WallThickness, measure_walls

_VOXELS = 128  # along the longest side of a mesh whose surface has to be made anew
_NEARLY = (
    0.02  # deviation up to which a mesh is made symmetric; beyond it, mirroring makes another shape
)
_MANY = 64  # pieces that are taken to overlap without looking


@dataclass(frozen=True)
class Preset:
    """quads, or else triangles. faces: how many; 0 for as many as there are. walls: measure how thick they are."""

    quads: bool
    faces: int
    walls: bool = False


PRESETS: Mapping[str, Preset] = {
    "block_out": Preset(quads=True, faces=1000),
    "sculpt": Preset(quads=True, faces=4000),
    "print": Preset(quads=False, faces=0, walls=True),
    "game": Preset(quads=False, faces=3000),
}


@dataclass(frozen=True)
class FinishSettings:
    """How to finish.

    faces: instead of the preset's, 0 for those. symmetric: make it so about the plane that fits best, if it
    is nearly so.
    loose: pieces of less than this share of the largest one's volume are removed.
    scale: metres along each axis of one unit of the mesh, for the thickness of walls.
    """

    preset: str = "block_out"
    faces: int = 0
    symmetric: bool = False
    loose: float = 0.01
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class RemeshResult:
    """The mesh, in the space of the one given, and what was found.

    before, after: how sound it was and is. removed: loose pieces. remade: whether its surface had to be made anew, to
    be closed and of pieces that do not overlap. plane: about which it was most symmetric, before it was made so.
    symmetric: whether it was made so, None if that was not asked. walls: of presets that ask for them, metres.
    """

    mesh: MeshArrays
    before: TopologyReport
    after: TopologyReport
    removed: int
    remade: bool
    plane: SymmetryPlane
    symmetric: bool | None = None
    walls: WallThickness | None = None


def remesh(
    mesh: MeshArrays, settings: FinishSettings = FinishSettings(), cameras: Sequence[Camera] = ()
) -> Task[RemeshResult]:
    """``mesh`` after ``settings``: always closed, manifold, its faces outward; colours and confidence are the nearest.

    Args:
        cameras: of the pictures that it was made from, in its frame: they tell which of two halves is the better.

    Raises:
        MeshError: it has no faces, encloses nothing, or could not be made sound.
    """
    if not len(mesh.faces) or not np.isfinite(mesh.vertices).all():
        raise MeshError("The mesh has no faces to finish")
    preset = PRESETS[settings.preset]
    before = yield from in_thread(
        single_step(Progress(0.0, "Checking"), lambda: check_topology(mesh))
    )
    shape, removed, remade = yield from _merge_pieces(
        replace(mesh, colors=None, confidence=None), settings.loose
    )
    plane = yield from in_thread(
        single_step(Progress(0.2, "Finding symmetry"), lambda: _symmetry_plane(shape))
    )
    symmetric = plane.deviation <= _NEARLY if settings.symmetric else None
    side = choose_half(shape, plane, cameras) if symmetric else 0
    if side:
        yield Progress(0.3, "Mirroring")
        frame = plane.frame_rotation()
        local = replace(
            shape, vertices=((shape.vertices - plane.point) @ frame.T).astype(np.float32)
        )
        shape = yield from _repair_mesh(blender_remeshers.symmetrize_mesh(local, side))
    yield Progress(0.4, "Remeshing")
    faces = settings.faces or preset.faces or len(shape.to_triangles())
    made = yield from _repair_mesh(
        (blender_remeshers.remesh_quads if preset.quads else blender_remeshers.decimate_triangles)(
            shape, faces, bool(side)
        )
    )
    if side:
        made = replace(made, vertices=(made.vertices @ frame + plane.point).astype(np.float32))
    real = replace(made, vertices=made.vertices * np.array(settings.scale, np.float32))
    carried = yield from in_thread(
        single_step(
            Progress(0.8, "Coloring"), lambda: _transfer_attributes(mesh, made, plane, side)
        )
    )
    measured = None
    if preset.walls:
        measured = yield from in_thread(
            single_step(Progress(0.9, "Measuring wall thickness"), lambda: measure_walls(real))
        )
    after = yield from in_thread(
        single_step(Progress(0.95, "Checking"), lambda: check_topology(made))
    )
    return RemeshResult(carried, before, after, removed, remade, plane, symmetric, measured)


def _merge_pieces(mesh: MeshArrays, loose: float) -> Task[tuple[MeshArrays, int, bool]]:
    """``mesh`` as sound pieces that do not overlap; how many were removed, and whether it was remade of voxels."""
    checking = Progress(0.1, "Checking")
    given = mesh
    mesh, removed, fine = yield from in_thread(
        single_step(checking, lambda: _remove_debris(given, loose))
    )
    if fine:
        return mesh, removed, False
    yield Progress(0.15, "Closing holes")
    size = float(np.ptp(mesh.vertices, axis=0).max())
    made = (
        split_non_manifold(blender_remeshers.remesh_voxels(mesh, size / _VOXELS))
        if size > 0
        else mesh
    )
    if size <= 0 or not len(made.faces):
        raise MeshError(
            "The mesh encloses no volume. Close its holes, or add thickness with a Solidify "
            "modifier"
        )
    made, more = _without_loose(made, loose)
    made = yield from _repair_mesh(made)
    return made, removed + more, True


def _remove_debris(mesh: MeshArrays, loose: float) -> tuple[MeshArrays, int, bool]:
    """``mesh`` turned outwards, without loose pieces; how many these were, and whether it now is as it should be."""
    volumes = piece_volumes(mesh)
    if volumes[np.abs(volumes).argmax()] < 0:  # inside out
        mesh = replace(mesh, faces=mesh.faces[:, ::-1])
    mesh, removed = _without_loose(split_non_manifold(mesh), loose)
    return mesh, removed, check_topology(mesh).is_watertight and not _has_overlaps(mesh)


def _symmetry_plane(mesh: MeshArrays) -> SymmetryPlane:
    return find_symmetry_plane(
        mesh, nearest_triangle_finder(mesh.vertices[mesh.to_triangles()].astype(float))
    )


def _without_loose(mesh: MeshArrays, loose: float) -> tuple[MeshArrays, int]:
    """``mesh`` less its small pieces and the hollows inside of it; how many small pieces that were."""
    volumes = piece_volumes(mesh)
    small = np.abs(volumes) < loose * np.abs(volumes).max()
    kept = ~small & (volumes > 0)
    if kept.all() or not kept.any():
        return mesh, 0
    return submesh(mesh, kept[face_pieces(mesh)]), int((small & (volumes > 0)).sum())


def _repair_mesh(mesh: MeshArrays) -> Task[MeshArrays]:
    """``mesh`` if it is sound, else cut where its surface touches itself, else remade.

    Raises:
        MeshError: nothing helped.
    """
    state = yield from in_thread(
        single_step(Progress(0.7, "Checking"), lambda: check_topology(mesh))
    )
    if state.is_watertight:
        return mesh
    size = float(np.ptp(mesh.vertices, axis=0).max()) / _VOXELS
    for make in (
        lambda: split_non_manifold(mesh),
        lambda: split_non_manifold(blender_remeshers.remesh_voxels(mesh, size)),
    ):
        made, _ = _without_loose(make(), 0.0)
        if check_topology(made).is_watertight:
            return made
    raise MeshError(
        f"The mesh could not be made manifold: {state.summary()}. Try another number of faces"
    )


def _has_overlaps(mesh: MeshArrays) -> bool:
    """Whether any two pieces of ``mesh`` cut each other."""
    triangles = mesh.to_triangles()
    piece = face_pieces(replace(mesh, faces=triangles))
    count = int(piece.max()) + 1
    if count == 1 or count > _MANY:
        return count > 1
    vertices = mesh.vertices.tolist()
    trees = [
        BVHTree.FromPolygons(vertices, triangles[piece == k].tolist(), all_triangles=True)
        for k in range(count)
    ]
    return any(
        one.overlap(other) for index, one in enumerate(trees) for other in trees[index + 1 :]
    )


def _transfer_attributes(
    source: MeshArrays, made: MeshArrays, plane: SymmetryPlane, side: int
) -> MeshArrays:
    """``made`` with the colours and the confidence that ``source`` has at the nearest places of its surface.

    side: which half, in the direction of the plane's normal, was mirrored onto the other; 0 for none.
    """
    if source.colors is None and source.confidence is None:
        return made
    points = made.vertices.astype(float)
    if side:
        lost = ((points - plane.point) @ plane.normal) * side < 0
        points[lost] = plane.mirror_points(points[lost])
    triangles = source.to_triangles()
    corners = source.vertices[triangles].astype(float)
    found = nearest_triangle_finder(corners)(points)
    _, place = closest_on_triangles(points, corners[found])
    share = _barycentric(place, corners[found])

    def there(values: np.ndarray | None) -> np.ndarray | None:
        if values is None:
            return None
        return (
            np.einsum("pk...,pk->p...", values[triangles[found]], share)
            .clip(0, 1)
            .astype(np.float32)
        )

    return replace(made, colors=there(source.colors), confidence=there(source.confidence))


def _barycentric(places: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Barycentric coordinates (P, 3) of ``places`` (P, 3) in their triangles (P, 3, 3)."""
    across = [
        corners[:, k - 1] - corners[:, k - 2] for k in range(3)
    ]  # the side opposite of each corner
    normal = np.cross(across[0], across[1])
    parts = [
        np.einsum("ij,ij->i", np.cross(across[k], places - corners[:, k - 2]), normal).clip(0)
        for k in range(3)
    ]
    share = np.stack(parts, axis=1)
    total = share.sum(1, keepdims=True)
    return np.where(total > 0, share / np.where(total > 0, total, 1), 1 / 3)
