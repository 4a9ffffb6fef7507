"""Meshes for further work: closed, with a given number of quads or triangles, symmetric or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays, SymmetryPlane
from ...cameras import Camera
from ...errors import MeshError
from ...geometry.connectivity import submesh
from ...geometry.repair.mesh_repair import drop_invalid_faces
from ...geometry.signed_distance import closest_on_triangles
from ...geometry.symmetry import choose_half, find_symmetry_plane
from ...geometry.topology import TopologyReport, check_topology, split_non_manifold
from ...jobs.task import Progress, Task, in_thread, single_step
from ..bvh import nearest_triangle_finder
from . import blender_remeshers
from .closing import CELLS, ClosedMesh, close_mesh, remove_loose
from .comparison import SampledSurface, ShapeComparison, compare_shapes, refuse
from .wall_thickness import WallThickness, measure_walls

T = TypeVar("T")

# Deviation up to which a mesh is made symmetric without a look at its images; beyond it, mirroring
# makes another shape.
_MAX_ASYMMETRY = 0.02
# Longest sides, and distances from the origin in longest sides, that Blender's remeshers, which
# compute in single precision, take as they are. Other meshes are moved to the origin and scaled.
_USUAL_SIZES = (0.05, 500.0)
_USUAL_DISTANCE = 50.0


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
        loose: Pieces of less than this share of the largest one are removed, see
            :func:`.closing.remove_loose`.
        scale: Meters along each axis of one unit of the mesh, above 0.
        up: Unit vector against gravity, along the axes of the mesh.
    """

    preset: str = "block_out"
    faces: int = 0
    symmetric: bool = False
    loose: float = 0.01
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class RemeshResult:
    """The mesh, in the space of the given one, and a report.

    Attributes:
        mesh: The result.
        before: Topology of the given mesh.
        after: Topology of the result.
        removed: Number of loose pieces that were removed.
        remade: Whether the surface was repaired, because it was not closed or its pieces
            overlapped.
        facts: What was done to repair it, one text a fact.
        comparison: Of the given mesh, without its loose pieces, and the result.
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
    facts: tuple[str, ...]
    comparison: ShapeComparison
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
        MeshError: It has no surface, could not be repaired, or would lose more than the limits of
            :mod:`.comparison`.
    """
    mesh, invalid_count = _used_part(mesh)
    frame = _WorkingFrame.of(mesh)
    if frame is not None:
        mesh = frame.to_frame(mesh)
        settings = replace(settings, scale=frame.scale_from_frame(settings.scale))
        cameras = [frame.camera_to_frame(camera) for camera in cameras]

    result = yield from _remesh_in_frame(mesh, settings, cameras)
    if invalid_count:
        fact = f"{invalid_count} faces with invalid coordinates left out"
        result = replace(result, facts=(fact, *result.facts))
    if frame is not None:
        result = frame.result_from_frame(result, settings.scale)
    return result


def _remesh_in_frame(
    mesh: MeshArrays, settings: FinishSettings, cameras: Sequence[Camera]
) -> Task[RemeshResult]:
    """Remesh ``mesh``, of which all coordinates are usual numbers; see :func:`remesh`."""
    preset = PRESETS[settings.preset]
    before = yield from _step(0.0, "Checking", lambda: check_topology(mesh))

    # Closed pieces that do not overlap, in the proportions of the object.
    scale = np.array(settings.scale)
    aspect = scale / scale.max()
    bare = replace(mesh, colors=None, confidence=None)
    original = SampledSurface(_scaled(bare, aspect))
    closed, closed_surface = yield from _close(original, settings)
    solid, removed = remove_loose(closed.mesh, settings.loose)
    if solid is not closed.mesh:
        closed_surface = SampledSurface(solid)
    shape = closed_surface
    if (aspect != 1).any():
        shape = SampledSurface(_scaled(solid, 1 / aspect))

    # The half to mirror, if any.
    plane = yield from _step(0.2, "Finding symmetry", lambda: find_symmetry_plane(shape.mesh))
    symmetric = None
    side = 0
    if settings.symmetric:
        symmetric = plane.deviation <= _MAX_ASYMMETRY
    if symmetric:
        side = choose_half(shape.mesh, plane, cameras)

    remeshed = yield from _remesh_shape(shape, settings, plane, side)

    # What the remeshing has removed, and what the preset measures.
    colored = yield from _step(
        0.8, "Coloring", lambda: _transfer_attributes(mesh, remeshed, plane, side)
    )
    walls = None
    if preset.walls:
        scaled = _scaled(remeshed, settings.scale)
        walls = yield from _step(0.9, "Measuring wall thickness", lambda: measure_walls(scaled))
    after = yield from _step(0.95, "Checking", lambda: check_topology(remeshed))

    # Loose pieces that were removed are no loss.
    reference = closed_surface if removed else original
    result = SampledSurface(_scaled(remeshed, aspect))
    if result.has_same_surface(closed_surface):
        result = closed_surface
    comparison = yield from _step(
        0.97, "Comparing", lambda: compare_shapes(reference, result, closed_surface.volume)
    )

    return RemeshResult(
        mesh=colored,
        before=before,
        after=after,
        removed=removed,
        remade=closed.repaired,
        plane=plane,
        facts=closed.facts,
        comparison=comparison.scaled(float(scale.max())),
        symmetric=symmetric,
        walls=walls,
    )


@dataclass(frozen=True)
class _WorkingFrame:
    """A frame in which a very large, small or remote mesh has a usual size and place.

    Attributes:
        offset: (3,) added to the coordinates of the mesh.
        factor: By which they are multiplied then.
    """

    offset: NDArray[np.float64]
    factor: float

    @classmethod
    def of(cls, mesh: MeshArrays) -> _WorkingFrame | None:
        """Return the frame for ``mesh``; None if it can stay where it is."""
        lower = mesh.vertices.min(axis=0).astype(float)
        upper = mesh.vertices.max(axis=0).astype(float)
        size = float((upper - lower).max())
        if size <= 0:
            return None

        is_usual_size = _USUAL_SIZES[0] <= size <= _USUAL_SIZES[1]
        center = (lower + upper) / 2
        if is_usual_size and float(np.abs(center).max()) <= _USUAL_DISTANCE * size:
            return None
        return cls(-center, 1 / size)

    def to_frame(self, mesh: MeshArrays) -> MeshArrays:
        """Return ``mesh`` in the frame."""
        return mesh.offset_and_scaled(self.offset, self.factor)

    def camera_to_frame(self, camera: Camera) -> Camera:
        """Return ``camera`` in the frame."""
        translation = np.eye(4)
        translation[:3, 3] = self.offset
        return camera.moved(translation).scaled(self.factor)

    def scale_from_frame(self, scale: tuple[float, float, float]) -> tuple[float, float, float]:
        """Return the meters along each axis of one unit of the frame, from those of the mesh."""
        x, y, z = scale
        return x / self.factor, y / self.factor, z / self.factor

    def result_from_frame(
        self, result: RemeshResult, scale: tuple[float, float, float]
    ) -> RemeshResult:
        """Return ``result`` in the space of the mesh.

        Args:
            result: In the frame.
            scale: Meters along each axis of one unit of the frame.
        """
        vertices = result.mesh.vertices.astype(float) / self.factor - self.offset
        cubed = self.factor**3
        walls = result.walls
        if walls is not None:
            shift = self.offset * self.factor * np.array(scale)
            walls = replace(walls, places=walls.places - shift)

        return replace(
            result,
            mesh=replace(result.mesh, vertices=vertices.astype(np.float32)),
            before=replace(result.before, volume=result.before.volume / cubed),
            after=replace(result.after, volume=result.after.volume / cubed),
            plane=replace(result.plane, point=result.plane.point / self.factor - self.offset),
            walls=walls,
        )


def _used_part(mesh: MeshArrays) -> tuple[MeshArrays, int]:
    """Return ``mesh`` without invalid faces and unused vertices, and the number of these faces.

    Raises:
        MeshError: Nothing is left.
    """
    count = len(mesh.faces)
    mesh = drop_invalid_faces(mesh)
    if not len(mesh.faces):
        reason = "has no faces to finish"
        if count:
            reason = "has no faces to finish: all of them have coordinates that are not numbers"
        raise MeshError(f"The mesh {reason}")
    if len(np.unique(mesh.faces)) < len(mesh.vertices):
        mesh = submesh(mesh, np.ones(len(mesh.faces), bool))
    return mesh, count - len(mesh.faces)


def _close(
    original: SampledSurface, settings: FinishSettings
) -> Task[tuple[ClosedMesh, SampledSurface]]:
    """Return the mesh of ``original`` closed, and its surface.

    Raises:
        MeshError: It has no surface, or too much of it would be lost.
    """
    closed = yield from close_mesh(original.mesh, np.array(settings.up))
    surface = original
    if closed.mesh is not original.mesh:
        surface = SampledSurface(closed.mesh)

    if closed.repaired:
        comparison = yield from _step(
            0.19, "Comparing", lambda: compare_shapes(original, surface, surface.volume)
        )
        fault = comparison.fault()
        if fault is not None:
            raise refuse(fault, "Close its holes by hand first, or add a Solidify modifier")

    return closed, surface


def _scaled(mesh: MeshArrays, scale: Sequence[float] | NDArray[np.float64]) -> MeshArrays:
    """Return ``mesh`` multiplied by (3,) factors; the mesh itself if they are 1."""
    factors = np.asarray(scale, np.float32)
    if (factors == 1).all():
        return mesh
    return replace(mesh, vertices=mesh.vertices * factors)


def _step(fraction: float, stage: str, function: Callable[[], T]) -> Task[T]:
    """Run ``function``, which uses no bpy, in a thread as one step."""
    return in_thread(single_step(Progress(fraction, stage), function))


def _remesh_shape(
    shape: SampledSurface, settings: FinishSettings, plane: SymmetryPlane, side: int
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
        local_vertices = ((shape.mesh.vertices - plane.point) @ frame.T).astype(np.float32)
        local = replace(shape.mesh, vertices=local_vertices)
        mirrored = yield from _repair_mesh(blender_remeshers.symmetrize_mesh(local, side))
        shape = SampledSurface(mirrored)

    remeshed = yield from _reduce(shape, settings, bool(side))
    if side:
        vertices = (remeshed.vertices @ frame + plane.point).astype(np.float32)
        remeshed = replace(remeshed, vertices=vertices)
    return remeshed


def _reduce(shape: SampledSurface, settings: FinishSettings, mirror: bool) -> Task[MeshArrays]:
    """Give ``shape`` the requested number of faces, by the first way that keeps its shape.

    Args:
        shape: Watertight.
        settings: How.
        mirror: ``shape`` is symmetric about x = 0, and the result shall be, too.

    Raises:
        MeshError: Every way loses too much.
    """
    preset = PRESETS[settings.preset]
    mesh = shape.mesh
    faces = settings.faces or preset.faces or len(mesh.to_triangles())
    ways: list[Callable[[], MeshArrays]]

    if preset.quads:
        ways = [
            lambda: blender_remeshers.remesh_quads(mesh, faces, mirror),
            lambda: blender_remeshers.cut_in_quads(mesh, faces, mirror),
        ]
    else:
        ways = [lambda: blender_remeshers.decimate_triangles(mesh, faces, mirror)]

    failure = MeshError("The mesh was not changed, because it could not be remeshed")
    for way in ways:
        yield Progress(0.4, "Remeshing")
        try:
            remeshed = yield from _repair_mesh(way())
            yield from _step(0.75, "Comparing", partial(_check_reduction, shape, remeshed))
        except MeshError as error:
            failure = error
        else:
            return remeshed

    raise failure


def _check_reduction(shape: SampledSurface, remeshed: MeshArrays) -> None:
    """Raise MeshError if ``remeshed`` has lost too much of ``shape``."""
    if remeshed.vertices is shape.mesh.vertices:
        return  # nothing was reduced
    comparison = compare_shapes(shape, SampledSurface(remeshed), shape.volume)
    fault = comparison.fault()
    if fault is not None:
        raise refuse(f"with {len(remeshed.faces):,} faces {fault}", "Choose more faces")


def _repair_mesh(mesh: MeshArrays) -> Task[MeshArrays]:
    """Return ``mesh`` if it is watertight, else cut where it touches itself, else rebuilt.

    Raises:
        MeshError: It is still not watertight.
    """
    topology = yield from _step(0.7, "Checking", lambda: check_topology(mesh))
    if topology.is_watertight:
        return mesh

    size = float(np.ptp(mesh.vertices, axis=0).max()) / CELLS

    # The gentler repair first.
    repairs: tuple[Callable[[], MeshArrays], ...] = (
        lambda: split_non_manifold(mesh),
        lambda: split_non_manifold(blender_remeshers.remesh_voxels(mesh, size)),
    )
    for repair in repairs:
        repaired, _ = remove_loose(repair(), 0.0)
        if check_topology(repaired).is_watertight:
            return repaired

    raise MeshError(
        f"The mesh could not be made manifold: {topology.summary()}. Try another number of faces"
    )


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
