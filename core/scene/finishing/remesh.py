"""Meshes for further work: closed, with a given number of quads or triangles, symmetric or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import bpy  # noqa: F401  (bpy makes mathutils importable)
import numpy as np
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...cameras import Camera
from ...errors import MeshError
from ...geometry.connectivity import submesh
from ...geometry.signed_distance import closest_on_triangles
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

T = TypeVar("T")

_VOXELS = 128  # along the longest side of a mesh that has to be rebuilt of voxels
# Deviation up to which a mesh is made symmetric; beyond it, mirroring makes another shape.
_MAX_ASYMMETRY = 0.02
_MANY = 64  # pieces that are assumed to overlap without a check, which would take long


@dataclass(frozen=True)
class Preset:
    """What a kind of further work needs.

    Attributes:
        quads: Quads, else triangles.
        faces: Number of faces; 0 for as many as the mesh has.
        walls: Whether to measure the thickness of walls.
    """

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
    """How to remesh.

    Attributes:
        preset: Of PRESETS.
        faces: In place of the preset's number; 0 for the preset's.
        symmetric: Make the mesh symmetric about its best plane, if it nearly is.
        loose: Pieces of less than this share of the largest one's volume are removed.
        scale: Meters along each axis of one unit of the mesh, for the thickness of walls.
    """

    preset: str = "block_out"
    faces: int = 0
    symmetric: bool = False
    loose: float = 0.01
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class RemeshResult:
    """The mesh, in the space of the given one, and a report.

    Attributes:
        mesh: The result.
        before: Topology of the given mesh.
        after: Topology of the result.
        removed: Number of loose pieces that were removed.
        remade: Whether the surface was rebuilt of voxels, because it was not closed or its pieces
            overlapped.
        plane: Best plane of symmetry before mirroring.
        symmetric: Whether the mesh was made symmetric; None if that was not requested.
        walls: In meters; None if the preset does not measure them.
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
    """Remesh ``mesh`` by ``settings``.

    The result is closed and manifold, with its faces outward; its colors and confidence are those
    of the nearest points of ``mesh``.

    Args:
        mesh: To remesh.
        settings: How.
        cameras: Of the images that it was made from, in its frame; they decide which of two halves
            is the better one.

    Raises:
        MeshError: It has no faces, encloses nothing, or could not be repaired.
    """
    _check_mesh(mesh)
    preset = PRESETS[settings.preset]
    before = yield from _step(0.0, "Checking", lambda: check_topology(mesh))

    # Closed pieces that do not overlap.
    bare = replace(mesh, colors=None, confidence=None)
    shape, removed, remade = yield from _merge_pieces(bare, settings.loose)

    # The half to mirror, if any.
    plane = yield from _step(0.2, "Finding symmetry", lambda: _symmetry_plane(shape))
    symmetric = None
    side = 0
    if settings.symmetric:
        symmetric = plane.deviation <= _MAX_ASYMMETRY
    if symmetric:
        side = choose_half(shape, plane, cameras)

    remeshed = yield from _remesh_shape(shape, settings, plane, side)

    # What the remeshing has removed, and what the preset measures.
    colored = yield from _step(
        0.8, "Coloring", lambda: _transfer_attributes(mesh, remeshed, plane, side)
    )
    walls = None
    if preset.walls:
        scale = np.array(settings.scale, np.float32)
        scaled = replace(remeshed, vertices=remeshed.vertices * scale)
        walls = yield from _step(0.9, "Measuring wall thickness", lambda: measure_walls(scaled))
    after = yield from _step(0.95, "Checking", lambda: check_topology(remeshed))

    return RemeshResult(
        mesh=colored,
        before=before,
        after=after,
        removed=removed,
        remade=remade,
        plane=plane,
        symmetric=symmetric,
        walls=walls,
    )


def _check_mesh(mesh: MeshArrays) -> None:
    """Raise MeshError if ``mesh`` has no faces, or vertices that are not numbers."""
    if not len(mesh.faces) or not np.isfinite(mesh.vertices).all():
        raise MeshError("The mesh has no faces to finish")


def _step(fraction: float, stage: str, function: Callable[[], T]) -> Task[T]:
    """Run ``function``, which uses no bpy, in a thread as one step."""
    return in_thread(single_step(Progress(fraction, stage), function))


def _remesh_shape(
    shape: MeshArrays, settings: FinishSettings, plane: SymmetryPlane, side: int
) -> Task[MeshArrays]:
    """Mirror ``shape`` if requested, and give it the requested number of faces.

    Args:
        shape: Watertight.
        settings: How.
        plane: Best plane of symmetry.
        side: Which half, in the direction of the plane's normal, to mirror; 0 for none.
    """
    frame = plane.frame_rotation()

    # In a frame whose x = 0 is the plane.
    if side:
        yield Progress(0.3, "Mirroring")
        local_vertices = ((shape.vertices - plane.point) @ frame.T).astype(np.float32)
        local = replace(shape, vertices=local_vertices)
        shape = yield from _repair_mesh(blender_remeshers.symmetrize_mesh(local, side))

    # To the requested number of faces.
    yield Progress(0.4, "Remeshing")
    preset = PRESETS[settings.preset]
    faces = settings.faces or preset.faces or len(shape.to_triangles())
    if preset.quads:
        remeshed = blender_remeshers.remesh_quads(shape, faces, bool(side))
    else:
        remeshed = blender_remeshers.decimate_triangles(shape, faces, bool(side))
    remeshed = yield from _repair_mesh(remeshed)

    if side:
        vertices = (remeshed.vertices @ frame + plane.point).astype(np.float32)
        remeshed = replace(remeshed, vertices=vertices)
    return remeshed


def _merge_pieces(mesh: MeshArrays, loose: float) -> Task[tuple[MeshArrays, int, bool]]:
    """Return ``mesh`` as watertight pieces that do not overlap.

    Args:
        mesh: Without colors and confidence.
        loose: See :class:`FinishSettings`.

    Returns:
        The mesh, the number of loose pieces that were removed, and whether it was rebuilt of
        voxels.

    Raises:
        MeshError: It encloses nothing.
    """
    cleaned, removed, is_clean = yield from _step(
        0.1, "Checking", lambda: _remove_debris(mesh, loose)
    )
    if is_clean:
        return cleaned, removed, False

    # Voxels join overlapping pieces and close what is open.
    yield Progress(0.15, "Closing holes")
    size = float(np.ptp(cleaned.vertices, axis=0).max())
    rebuilt = cleaned
    if size > 0:
        voxels = blender_remeshers.remesh_voxels(cleaned, size / _VOXELS)
        rebuilt = split_non_manifold(voxels)
    if size <= 0 or not len(rebuilt.faces):
        raise MeshError(
            "The mesh encloses no volume. Close its holes, or add thickness with a Solidify "
            "modifier"
        )

    rebuilt, more_removed = _without_loose(rebuilt, loose)
    rebuilt = yield from _repair_mesh(rebuilt)
    return rebuilt, removed + more_removed, True


def _remove_debris(mesh: MeshArrays, loose: float) -> tuple[MeshArrays, int, bool]:
    """Return ``mesh`` facing outward and without loose pieces.

    Returns:
        The mesh, the number of loose pieces, and whether the mesh is now watertight without
        overlaps.
    """
    # The largest piece decides: its volume is negative if its faces look inward.
    volumes = piece_volumes(mesh)
    largest = np.abs(volumes).argmax()
    is_inside_out = volumes[largest] < 0
    if is_inside_out:
        mesh = replace(mesh, faces=mesh.faces[:, ::-1])

    # Cut where surfaces touch, so that each piece is closed by itself.
    mesh, removed = _without_loose(split_non_manifold(mesh), loose)
    is_clean = check_topology(mesh).is_watertight and not _has_overlaps(mesh)
    return mesh, removed, is_clean


def _symmetry_plane(mesh: MeshArrays) -> SymmetryPlane:
    """Return the best plane of symmetry of ``mesh``."""
    corners = mesh.vertices[mesh.to_triangles()].astype(float)
    return find_symmetry_plane(mesh, nearest_triangle_finder(corners))


def _without_loose(mesh: MeshArrays, loose: float) -> tuple[MeshArrays, int]:
    """Return ``mesh`` without small pieces and hollows, and the number of small pieces.

    Hollows are pieces of negative volume: they are inside of another one.
    """
    volumes = piece_volumes(mesh)
    sizes = np.abs(volumes)

    # Relative to the largest piece.
    is_small = sizes < loose * sizes.max()
    is_solid = volumes > 0
    keep = ~is_small & is_solid

    # Nothing to remove, or nothing that is solid.
    if keep.all() or not keep.any():
        return mesh, 0
    small_count = int((is_small & is_solid).sum())
    kept_faces = keep[face_pieces(mesh)]
    return submesh(mesh, kept_faces), small_count


def _repair_mesh(mesh: MeshArrays) -> Task[MeshArrays]:
    """Return ``mesh`` if it is watertight, else cut where it touches itself, else rebuilt.

    Raises:
        MeshError: It is still not watertight.
    """
    topology = yield from _step(0.7, "Checking", lambda: check_topology(mesh))
    if topology.is_watertight:
        return mesh

    size = float(np.ptp(mesh.vertices, axis=0).max()) / _VOXELS

    # The gentler repair first.
    repairs: tuple[Callable[[], MeshArrays], ...] = (
        lambda: split_non_manifold(mesh),
        lambda: split_non_manifold(blender_remeshers.remesh_voxels(mesh, size)),
    )
    for repair in repairs:
        repaired, _ = _without_loose(repair(), 0.0)
        if check_topology(repaired).is_watertight:
            return repaired
    raise MeshError(
        f"The mesh could not be made manifold: {topology.summary()}. Try another number of faces"
    )


def _has_overlaps(mesh: MeshArrays) -> bool:
    """Return whether any two pieces of ``mesh`` intersect."""
    triangles = mesh.to_triangles()
    pieces = face_pieces(replace(mesh, faces=triangles))
    count = int(pieces.max()) + 1
    if count == 1:
        return False
    if count > _MANY:
        return True

    # Compare the tree of each piece with those before it.
    vertices = mesh.vertices.tolist()
    trees: list[BVHTree] = []
    for piece in range(count):
        piece_triangles = triangles[pieces == piece].tolist()
        tree = BVHTree.FromPolygons(vertices, piece_triangles, all_triangles=True)
        if any(tree.overlap(other) for other in trees):
            return True
        trees.append(tree)
    return False


def _transfer_attributes(
    source: MeshArrays, target: MeshArrays, plane: SymmetryPlane, side: int
) -> MeshArrays:
    """Return ``target`` with the colors and confidence of the nearest points of ``source``.

    Args:
        source: The mesh before.
        target: The mesh after.
        plane: Best plane of symmetry.
        side: Which half, in the direction of the plane's normal, was mirrored; 0 for none.
    """
    if source.colors is None and source.confidence is None:
        return target

    # The mirrored half takes the attributes of the other one.
    points = target.vertices.astype(float)
    if side:
        distances = (points - plane.point) @ plane.normal
        is_mirrored = distances * side < 0
        points[is_mirrored] = plane.mirror_points(points[is_mirrored])

    # The nearest point of the source, and its weights in its triangle.
    triangles = source.to_triangles()
    corners = source.vertices[triangles].astype(float)
    nearest = nearest_triangle_finder(corners)(points)
    _, nearest_points = closest_on_triangles(points, corners[nearest])
    weights = _barycentric(nearest_points, corners[nearest])

    def interpolate(values: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        if values is None:
            return None
        mean = np.einsum("pk...,pk->p...", values[triangles[nearest]], weights)
        return mean.clip(0, 1).astype(np.float32)

    return replace(
        target, colors=interpolate(source.colors), confidence=interpolate(source.confidence)
    )


def _barycentric(points: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the barycentric coordinates (P, 3) of points in their triangles.

    The coordinate of a corner is the area between the point and the opposite edge, divided by the
    area of the triangle. Triangles without area give 1/3 each.

    Args:
        points: (P, 3) in the planes of the triangles.
        corners: (P, 3, 3) of their triangles.
    """
    # The edge opposite of each corner.
    edges = [corners[:, k - 1] - corners[:, k - 2] for k in range(3)]
    normal = np.cross(edges[0], edges[1])

    # Twice the area opposite of each corner, times the length of the normal.
    areas = []
    for k in range(3):
        area_vector = np.cross(edges[k], points - corners[:, k - 2])
        areas.append(np.einsum("ij,ij->i", area_vector, normal).clip(0))

    # Divided by their sum.
    area = np.stack(areas, axis=1)
    total = area.sum(1, keepdims=True)
    safe_total = np.where(total > 0, total, 1)
    return np.where(total > 0, area / safe_total, 1 / 3)
