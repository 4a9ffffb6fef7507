"""Make any mesh a closed one that encloses what it shows.

A mesh that is closed already stays as it is, to the bit. Else its connectivity and orientation are
mended, its holes filled and its sheets thickened, which keeps all of its faces. Where parts
overlap, or some defect is left, the surface is extracted anew from a field of winding numbers and
distances, all by :mod:`core.geometry.repair`. That cannot leak, as Blender's voxel remesher does
where a hole is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import bpy  # noqa: F401  (bpy makes mathutils importable)
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree
from mathutils.geometry import tessellate_polygon
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...errors import MeshError
from ...geometry.connectivity import submesh
from ...geometry.repair import mesh_repair
from ...geometry.repair.hole_filling import close_surface
from ...geometry.repair.solid_field import LEAST_THICKNESS, solid_surface
from ...geometry.topology import check_topology, face_pieces, piece_volumes, split_non_manifold
from ...geometry.winding_number import (
    THIN_SHEET_THICKNESS,
    OrientedSolid,
    area_normals,
    face_normals,
    orient_and_thicken,
)
from ...jobs.task import Progress, Task, in_thread, single_step
from ..bvh import nearest_triangle_finder
from .wall_thickness import measure_walls

T = TypeVar("T")

CELLS = 128  # along the longest side of a mesh whose surface is extracted anew
# Hollows below this share of the largest part's volume are filled: a print needs them as little as
# loose parts, and a sealed bubble is rarely meant. Larger ones are the inside of a hollow body.
MIN_HOLLOW = 0.05
# Thickness of sheets, in cells, where the surface is extracted anew: a little more than the grid
# needs to show them.
_SHEET_CELLS = 2.0
# Pieces, and pairs of them whose bounds meet, that are assumed to overlap without a check, which
# would take long.
_MANY = 4000
_MANY_PAIRS = 2000
_MIN_AREA = 1e-10  # of the longest side squared: below it there is no surface


@dataclass(frozen=True)
class ClosedMesh:
    """A closed mesh, and what was done to close it.

    Attributes:
        mesh: Closed, manifold, its parts facing outward and not overlapping.
        facts: What was done, one text a fact; empty for a mesh that was closed already.
        repaired: Whether anything was done.
    """

    mesh: MeshArrays
    facts: tuple[str, ...] = ()
    repaired: bool = False


def close_mesh(mesh: MeshArrays, up: NDArray[np.floating]) -> Task[ClosedMesh]:
    """Return ``mesh`` closed, with all that it shows.

    Args:
        mesh: With finite coordinates, without colors and confidence.
        up: (3,) unit vector against gravity: holes that face down are always filled.

    Raises:
        MeshError: It has no surface.
    """
    _check_surface(mesh)
    closed = yield from _step(0.1, "Checking", lambda: _turned_if_closed(mesh))

    # Mend what is not closed.
    facts: list[str] = []
    is_repaired = closed is None
    if closed is None:
        yield Progress(0.12, "Closing holes")
        mended, facts = _mend_surface(mesh, up, 0.0)
        closed = yield from _step(0.13, "Closing holes", lambda: _turned_if_closed(mended))

    # The surface is good if its parts do not overlap.
    if closed is not None:
        has_overlaps = yield from _step(0.14, "Checking", partial(_has_overlaps, closed))
        if not has_overlaps:
            closed, more_facts = yield from _step(0.18, "Checking", partial(_drop_buried, closed))
            return ClosedMesh(closed, (*facts, *more_facts), is_repaired or bool(more_facts))

    # Else extract it anew, with sheets so thick that the grid shows them.
    yield Progress(0.15, "Closing holes")
    if is_repaired:
        mended, facts = _mend_surface(mesh, up, _SHEET_CELLS / CELLS)
        closed = yield from _step(0.16, "Closing holes", lambda: _turned_if_closed(mended))
    if closed is not None:
        unique = mesh_repair.drop_double_faces(closed, either_side=False)
        solid = OrientedSolid(unique.vertices.astype(float), unique.to_triangles(), 0.0)
        facts.append("overlapping parts joined")
    else:
        solid = yield from _step(0.16, "Closing holes", partial(_messy_solid, mended))
        facts = ["surface extracted anew"]

    surface = yield from _step(
        0.17, "Closing holes", partial(_extract_surface, solid, closed is None)
    )
    return ClosedMesh(surface, tuple(facts), repaired=True)


def remove_loose(mesh: MeshArrays, loose: float) -> tuple[MeshArrays, int]:
    """Return a closed mesh without small parts and small hollows, and the number of these parts.

    A part is as large as its volume, or as the cube of its longest side if that is a larger share
    of the largest part: a thin leaf has next to no volume.

    Args:
        mesh: Closed, facing outward.
        loose: Share of the largest part below which a part is removed.
    """
    volumes = piece_volumes(mesh)
    piece = face_pieces(mesh)
    lower, upper = mesh_repair.piece_bounds(mesh)
    lengths = (upper - lower).max(axis=1)
    volume_share = np.abs(volumes) / np.abs(volumes).max()
    length_share = (lengths / lengths.max()) ** 3

    is_solid = volumes > 0
    is_small = (volume_share < loose) & (length_share < loose)
    is_large_hollow = ~is_solid & (volume_share >= MIN_HOLLOW)
    is_kept = (is_solid & ~is_small) | is_large_hollow

    # Nothing to remove, or nothing that is solid.
    if is_kept.all() or not (is_kept & is_solid).any():
        return mesh, 0
    return submesh(mesh, is_kept[piece]), int((is_small & is_solid).sum())


def _step(fraction: float, stage: str, function: Callable[[], T]) -> Task[T]:
    """Run ``function``, which uses no bpy, in a thread as one step."""
    return in_thread(single_step(Progress(fraction, stage), function))


def _check_surface(mesh: MeshArrays) -> None:
    """Raise MeshError if ``mesh`` has no extent, or all of its faces are lines."""
    size = float(np.ptp(mesh.vertices[mesh.faces.ravel()], axis=0).max())
    if size <= 0:
        raise MeshError("The mesh has no extent: all of its faces are one point")
    relative = (mesh.vertices.astype(float) - mesh.vertices[mesh.faces[0, 0]]) / size
    area = np.linalg.norm(area_normals(relative, mesh.to_triangles()), axis=1).sum() / 2
    if area <= _MIN_AREA:
        raise MeshError("The mesh encloses no volume: all of its faces are lines without an area")


def _turned_if_closed(mesh: MeshArrays) -> MeshArrays | None:
    """Return ``mesh`` facing outward and cut where surfaces touch; None if it is not closed."""
    cut = split_non_manifold(mesh)
    turned = mesh_repair.turn_pieces_outward(cut)
    if check_topology(turned).is_watertight:
        return turned

    # Surfaces touch in the right way only if they face outward.
    if turned is not cut:
        turned = split_non_manifold(mesh_repair.turn_pieces_outward(mesh))
        if check_topology(turned).is_watertight:
            return turned

    return None


def _mend_surface(
    mesh: MeshArrays, up: NDArray[np.floating], least_thickness: float
) -> tuple[MeshArrays, list[str]]:
    """Return ``mesh`` with its vertices welded, its faces oriented, its holes filled.

    Args:
        mesh: To mend.
        up: (3,) unit vector against gravity.
        least_thickness: Of sheets, as a share of the longest side.

    Returns:
        The mesh, closed unless it is beyond mending, and what was done.
    """
    facts = []
    size = float(np.ptp(mesh.vertices[mesh.faces.ravel()], axis=0).max())
    single = mesh_repair.drop_double_faces(mesh, either_side=True)
    triangles = replace(single, faces=single.to_triangles())

    welded = mesh_repair.weld_open_vertices(triangles, mesh_repair.WELD_SHARE * size)
    merged_count = len(triangles.vertices) - len(welded.vertices)
    if merged_count:
        facts.append(f"{merged_count:,} double vertices merged")
    welded = mesh_repair.drop_degenerate_faces(welded)

    # Orientation comes before the cuts, which depend on it, and after, as they free patches.
    oriented, turned_count = mesh_repair.orient_patches(welded)
    cut = mesh_repair.cut_crowded_edges(oriented)
    if cut is not oriented:
        cut, more_turned = mesh_repair.orient_patches(cut)
        turned_count += more_turned
    if turned_count:
        facts.append(f"{turned_count:,} faces turned over")

    closed, report = close_surface(
        cut, THIN_SHEET_THICKNESS * size, up, _triangulate, least_thickness * size
    )
    return closed, facts + report.summary()


def _messy_solid(mesh: MeshArrays) -> OrientedSolid:
    """Return the solid of a mesh that could not be closed, by which sides of its faces are seen."""
    return orient_and_thicken(mesh.vertices.astype(float), mesh.to_triangles())


def _extract_surface(solid: OrientedSolid, fill_hidden: bool) -> MeshArrays:
    """Return the outer surface of ``solid``, cut where it touches itself."""
    thin = _thin_triangles(solid)
    surface = solid_surface(solid, CELLS, nearest_triangle_finder, thin, fill_hidden)
    return split_non_manifold(surface)


def _thin_triangles(solid: OrientedSolid) -> NDArray[np.float64]:
    """Return the triangles (N, 3, 3) of parts that the grid would lose, moved halfway through."""
    size = float(np.ptp(solid.vertices, axis=0).max())
    mesh = MeshArrays(solid.vertices.astype(np.float32), solid.triangles)
    thickness = measure_walls(mesh).thickness
    is_thin = thickness < LEAST_THICKNESS * size / CELLS

    normals = face_normals(solid.vertices, solid.triangles[is_thin])
    shift = normals * thickness[is_thin, None] / 2
    corners: NDArray[np.float64] = solid.vertices[solid.triangles[is_thin]] - shift[:, None]
    return corners


def _drop_buried(mesh: MeshArrays) -> tuple[MeshArrays, list[str]]:
    """Return a closed mesh without parts inside of others, and what was dropped."""
    piece = face_pieces(mesh)
    if int(piece.max()) == 0:
        return mesh, []
    is_buried = mesh_repair.buried_pieces(mesh)
    if not is_buried.any():
        return mesh, []
    fact = f"parts inside of others removed: {int(is_buried.sum())}"

    return submesh(mesh, ~is_buried[piece]), [fact]


def _triangulate(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return triangles (N - 2, 3) of a polygon (N, 3), by Blender's tessellation."""
    center = points.mean(axis=0)
    size = max(float(np.ptp(points, axis=0).max()), 1e-30)
    polygon = [Vector(point) for point in ((points - center) / size).tolist()]
    return np.array(tessellate_polygon([polygon]), np.int64).reshape(-1, 3)


def _has_overlaps(mesh: MeshArrays) -> bool:
    """Return whether any two pieces of ``mesh`` intersect."""
    triangles = replace(mesh, faces=mesh.to_triangles())
    piece = face_pieces(triangles)
    count = int(piece.max()) + 1
    if count == 1:
        return False
    if count > _MANY:
        return True

    # Only pieces whose bounds meet can intersect.
    pairs = _pairs_of_bounds(*mesh_repair.piece_bounds(triangles))
    if len(pairs) > _MANY_PAIRS:
        return True

    trees: dict[int, BVHTree] = {}
    for number in sorted({number for pair in pairs for number in pair}):
        part = submesh(triangles, piece == number)
        trees[number] = BVHTree.FromPolygons(
            part.vertices.tolist(), part.faces.tolist(), all_triangles=True
        )

    return any(trees[first].overlap(trees[second]) for first, second in pairs)


def _pairs_of_bounds(
    lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> list[tuple[int, int]]:
    """Return the pairs of boxes that meet.

    Args:
        lower: (N, 3) lower corners.
        upper: (N, 3) upper corners.
    """
    pairs = []
    for number in range(len(lower) - 1):
        others = slice(number + 1, None)
        meets = (lower[others] <= upper[number]).all(axis=1)
        meets &= (upper[others] >= lower[number]).all(axis=1)
        pairs += [(number, number + 1 + int(other)) for other in np.flatnonzero(meets)]
    return pairs
