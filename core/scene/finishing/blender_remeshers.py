"""Blender's remeshing tools on arrays.

Each runs on an object in a temporary scene, which is removed on return.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import bmesh
import bpy
import numpy as np
from numpy.typing import NDArray

from ...arrays import MeshArrays
from ...console import silence_stdout
from ...geometry.repair.mesh_repair import subdivide_triangles
from ...geometry.signed_distance import closest_on_triangles
from ...geometry.topology import TopologyReport, check_topology, fill_holes, split_non_manifold
from ...geometry.winding_number import area_normals, sample_triangles
from .. import meshes
from ..bvh import nearest_triangle_finder

_TOLERANCE = 0.15  # of the requested faces: beyond this deviation QuadriFlow is run again
_SEARCH_TOLERANCE = _TOLERANCE / 3  # where the number of faces can be approached in steps
_MOST_QUADRIFLOW = 10_000  # faces; it takes minutes for more, where a voxel grid is as even
_TRIES = 2  # of QuadriFlow
_STEPS = 3  # to approach a number of faces
_LARGE = 100.0  # meters, the size at which QuadriFlow gets a mesh
_MIN_VOLUME = 0.85  # of the mesh's: below it QuadriFlow has flattened thin parts
_MIN_QUAD_THICKNESS = 0.5  # of the mean wall, in sides of a quad, for QuadriFlow
_SAMPLES = 4000  # points at which to check whether QuadriFlow lost something
_VOXEL_FACE_SHARE = 0.7  # of a voxel's side area, what a quad of the voxel remesher has at first
_WELD_DISTANCE = 1e-4  # longest sides from the mirror plane within which vertices are welded
_ISLAND_MARGIN = 4  # texels between islands of a UV map
# Radians from flat and from square up to which two triangles become a quad.
_FLAT = 0.7
_SQUARE = 1.2


def decimate_triangles(mesh: MeshArrays, count: int, mirror: bool = False) -> MeshArrays:
    """Return ``mesh`` in triangles, decimated to ``count`` of them if it has more.

    Args:
        mesh: To decimate.
        count: Of triangles.
        mirror: Keep the symmetry about x = 0, if the result is watertight; else the result is only
            nearly symmetric.
    """
    triangles = mesh.to_triangles()
    if len(triangles) <= count:
        return replace(mesh, faces=triangles)

    # A symmetric collapse may leave surfaces that touch each other.
    decimated = _decimate(mesh, count, mirror)
    if not mirror or check_topology(split_non_manifold(decimated)).is_watertight:
        return decimated
    return _decimate(mesh, count, False)


def _decimate(mesh: MeshArrays, count: int, mirror: bool) -> MeshArrays:
    """Return ``mesh`` after a Decimate modifier."""
    with _temporary_object(mesh) as obj:
        modifier = obj.modifiers.new("Decimate", 'DECIMATE')
        modifier.ratio = count / len(mesh.to_triangles())
        modifier.use_collapse_triangulate = True
        modifier.use_symmetry = mirror
        modifier.symmetry_axis = 'X'
        return _evaluated_mesh(obj)


def remesh_quads(mesh: MeshArrays, count: int, mirror: bool = False) -> MeshArrays:
    """Return ``mesh`` in about ``count`` quads.

    By QuadriFlow; where that tears the mesh, or flattens or loses thin parts, by decimation. So are
    meshes with walls much thinner than a quad, whose two sides QuadriFlow lets cross.

    Args:
        mesh: Closed.
        count: Of quads.
        mirror: ``mesh`` is symmetric about x = 0, and the result shall be, too.
    """
    if count > _MOST_QUADRIFLOW:
        return _voxel_quads(mesh, count)

    topology = check_topology(mesh)
    area = _surface_area(mesh)
    mean_thickness = 2 * topology.volume / area
    if mean_thickness < _MIN_QUAD_THICKNESS * float(np.sqrt(area / count)):
        return cut_in_quads(mesh, count, mirror)
    target = count

    # QuadriFlow misses the number of faces by some percent, so correct the target once.
    for seed in range(_TRIES):
        quads = _run_quadriflow(mesh, target, seed, mirror)
        if quads is None:
            break
        deviation = abs(len(quads.faces) / count - 1)
        if _is_intact(quads, topology) and deviation <= _TOLERANCE and not _lost_part(mesh, quads):
            return quads
        target = round(target * count / len(quads.faces))

    return cut_in_quads(mesh, count, mirror)


def _is_intact(quads: MeshArrays, original: TopologyReport) -> bool:
    """Return whether ``quads`` are watertight, with all pieces and most of the volume."""
    topology = check_topology(quads)
    return (
        topology.is_watertight
        and topology.pieces == original.pieces
        and topology.volume >= _MIN_VOLUME * original.volume
    )


def remesh_voxels(mesh: MeshArrays, size: float) -> MeshArrays:
    """Return the outside of all that ``mesh`` encloses, as closed surfaces of quads.

    Args:
        mesh: To remesh.
        size: Of a quad, about, meters.
    """
    with _temporary_object(mesh) as obj:
        modifier = obj.modifiers.new("Remesh", 'REMESH')
        modifier.mode = 'VOXEL'
        modifier.voxel_size = size
        return _evaluated_mesh(obj)


def symmetrize_mesh(mesh: MeshArrays, side: int) -> MeshArrays:
    """Return ``mesh`` with one half mirrored onto the other at x = 0, in triangles.

    Args:
        mesh: To mirror.
        side: 1 keeps the half at x > 0, -1 that at x < 0.
    """
    with _temporary_object(mesh) as obj:
        bm = bmesh.new()
        try:
            bm.from_mesh(obj.data)
            symmetrize(bm, side)
            bmesh.ops.triangulate(bm, faces=bm.faces)
            bm.to_mesh(obj.data)
        finally:
            bm.free()
        return meshes.to_arrays(obj.data)


def symmetrize(bm: bmesh.types.BMesh, side: int) -> None:
    """Mirror one half of ``bm``, with all that its elements carry, onto the other at x = 0.

    Args:
        bm: With at least one vertex.
        side: 1 keeps the half at x > 0, -1 that at x < 0.
    """
    coordinates = np.array([vertex.co for vertex in bm.verts])
    longest_side = float(np.ptp(coordinates, axis=0).max())
    elements = [*bm.verts, *bm.edges, *bm.faces]

    # Vertices near the plane are welded, so that the halves are connected.
    bmesh.ops.symmetrize(
        bm,
        input=elements,
        direction='X' if side > 0 else '-X',
        dist=_WELD_DISTANCE * longest_side,
    )


def unwrap_uv(mesh: MeshArrays, size: int) -> NDArray[np.float32]:
    """Return a UV map of ``mesh`` without overlaps, by Smart UV Project.

    Args:
        mesh: To unwrap.
        size: Of the texture, texels; islands are four texels apart.

    Returns:
        (F, 3 or 4, 2) of the corners of the faces, 0..1, v up.
    """
    with _temporary_object(mesh) as obj, _operator_context(obj, edit=True):
        bpy.ops.mesh.select_all(action='SELECT')

        # The margin is a share of the texture.
        bpy.ops.uv.smart_project(
            margin_method='FRACTION',
            island_margin=_ISLAND_MARGIN / size,
            rotate_method='AXIS_ALIGNED',
        )
        bpy.ops.object.mode_set(mode='OBJECT')

        # Edit Mode has to be left before the UV map can be read.
        uv = np.empty(2 * len(obj.data.loops), np.float32)
        obj.data.uv_layers.active.uv.foreach_get("vector", uv)

    return uv.reshape(*mesh.faces.shape, 2)


def _lost_part(mesh: MeshArrays, remeshed: MeshArrays) -> bool:
    """Return whether a part of ``mesh`` is missing: a handle, or the end of a leg.

    That is, whether some point of it is further from ``remeshed`` than the mean edge is long.
    """
    vertices = mesh.vertices.astype(float)
    rng = np.random.default_rng(0)
    points, _ = sample_triangles(vertices, mesh.to_triangles(), _SAMPLES, rng)

    # Distance of each point to the remeshed surface.
    corners = remeshed.vertices[remeshed.to_triangles()].astype(float)
    nearest = nearest_triangle_finder(corners)(points)
    squared_distance, _ = closest_on_triangles(points, corners[nearest])

    # Mean length of its edges.
    next_corners = np.roll(remeshed.faces, 1, axis=1)
    edges = remeshed.vertices[remeshed.faces] - remeshed.vertices[next_corners]
    mean_edge = float(np.linalg.norm(edges, axis=2).mean())
    return float(np.sqrt(squared_distance.max())) > mean_edge


def _run_quadriflow(mesh: MeshArrays, count: int, seed: int, mirror: bool) -> MeshArrays | None:
    """Return ``mesh`` remeshed by QuadriFlow, or None if it refuses the mesh.

    Remeshed at a large size, because QuadriFlow refuses edges shorter than 0.1 mm.
    """
    longest_side = float(np.ptp(mesh.vertices, axis=0).max())
    scale = _LARGE / longest_side
    large = mesh.offset_and_scaled(np.zeros(3), scale)

    with _temporary_object(large) as obj, _operator_context(obj):
        obj.data.use_mirror_x = mirror
        old_count = len(obj.data.polygons)
        with silence_stdout():
            result = bpy.ops.object.quadriflow_remesh(
                mode='FACES',
                target_faces=count,
                seed=seed,
                use_mesh_symmetry=mirror,
                use_preserve_sharp=False,
                smooth_normals=True,
            )

        # It reports success even if it left the mesh as it was.
        new_count = len(obj.data.polygons)
        if 'FINISHED' not in result or new_count in (0, old_count):
            return None

        # Back to the original size, with the holes closed that it sometimes leaves.
        remeshed = meshes.to_arrays(obj.data).offset_and_scaled(np.zeros(3), 1 / scale)
        return fill_holes(remeshed)


def _voxel_quads(mesh: MeshArrays, count: int) -> MeshArrays:
    """Return ``mesh`` in about ``count`` quads of the voxel remesher."""
    # The number of faces falls with the square of their size.
    size = float(np.sqrt(_VOXEL_FACE_SHARE * _surface_area(mesh) / count))
    for _ in range(_STEPS):
        quads = remesh_voxels(mesh, size)
        ratio = len(quads.faces) / count
        if abs(ratio - 1) < _SEARCH_TOLERANCE:
            break
        size *= float(np.sqrt(ratio))

    return quads


def _surface_area(mesh: MeshArrays) -> float:
    """Return the area of ``mesh``, square meters."""
    normals = area_normals(mesh.vertices.astype(float), mesh.to_triangles())
    return float(np.linalg.norm(normals, axis=1).sum()) / 2


def cut_in_quads(mesh: MeshArrays, count: int, mirror: bool) -> MeshArrays:
    """Return ``mesh`` in about ``count`` quads by decimation.

    Triangles are joined in pairs where possible, then each face is cut from its center. Keeps thin
    parts, and is watertight whenever the triangles are.
    """
    # At least as many triangles as quads to start from; twice as many are enough.
    while len(mesh.to_triangles()) < count:
        mesh = subdivide_triangles(mesh)
    mesh = decimate_triangles(mesh, 2 * count, mirror)

    # Each face becomes three or four quads, so approach the number in steps.
    target = count // 2
    for _ in range(_STEPS):
        triangles = decimate_triangles(mesh, target, mirror)
        quads = _pair_triangles(triangles)
        deviation = abs(len(quads.faces) / count - 1)
        if deviation <= _SEARCH_TOLERANCE:
            break
        target = round(target * count / len(quads.faces))

    return quads


def _pair_triangles(mesh: MeshArrays) -> MeshArrays:
    """Return ``mesh`` in quads: triangles joined in pairs, then each face cut from its center."""
    with _temporary_object(mesh) as obj:
        bm = bmesh.new()
        try:
            bm.from_mesh(obj.data)
            bmesh.ops.join_triangles(
                bm, faces=bm.faces, angle_face_threshold=_FLAT, angle_shape_threshold=_SQUARE
            )
            bm.to_mesh(obj.data)
        finally:
            bm.free()

        # A simple subdivision cuts each face from its center to the centers of its edges.
        modifier = obj.modifiers.new("Subdivision", 'SUBSURF')
        modifier.subdivision_type = 'SIMPLE'
        modifier.levels = 1
        return _evaluated_mesh(obj)


@contextmanager
def _temporary_object(mesh: MeshArrays) -> Iterator[bpy.types.Object]:
    """Yield an object of ``mesh``, without its colors and confidence, alone in a scene."""
    scene = bpy.data.scenes.new("Maquette Finish")
    obj = meshes.new_object("Maquette Finish", replace(mesh, colors=None, confidence=None))

    # In a scene of one object nothing else is evaluated.
    try:
        scene.collection.objects.link(obj)
        yield obj
    finally:
        data = obj.data
        bpy.data.objects.remove(obj)
        bpy.data.meshes.remove(data)
        bpy.data.scenes.remove(scene)


@contextmanager
def _operator_context(obj: bpy.types.Object, edit: bool = False) -> Iterator[None]:
    """Let operators act on ``obj``, in Edit Mode if requested."""
    scene = obj.users_scene[0]
    layer = scene.view_layers[0]
    layer.objects.active = obj
    obj.select_set(True, view_layer=layer)

    members = {"scene": scene, "view_layer": layer, "active_object": obj, "object": obj}

    # Some operators look at the selection, others at the active object.
    members |= {"selected_objects": [obj], "selected_editable_objects": [obj]}
    if edit:
        with bpy.context.temp_override(**members):
            bpy.ops.object.mode_set(mode='EDIT')
        members["edit_object"] = obj

    with bpy.context.temp_override(**members):
        yield


def _evaluated_mesh(obj: bpy.types.Object) -> MeshArrays:
    """Return the mesh of ``obj`` after its modifiers."""
    layer = obj.users_scene[0].view_layers[0]
    layer.update()
    evaluated = obj.evaluated_get(layer.depsgraph)
    try:
        return meshes.to_arrays(evaluated.to_mesh())
    finally:
        evaluated.to_mesh_clear()
