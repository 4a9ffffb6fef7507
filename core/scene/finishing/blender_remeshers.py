"""Blender's own tools for topology, on arrays: each works on an object in a scene of its own, gone afterwards."""

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
from ...geometry.signed_distance import closest_on_triangles
from ...geometry.topology import check_topology, fill_holes, split_non_manifold
from ...geometry.winding_number import area_normals, sample_triangles
from .. import meshes
from ..bvh import nearest_triangle_finder

_TOLERANCE = 0.15  # of the faces asked for: what QuadriFlow may be off before it is asked again
_MOST_QUADRIFLOW = 10_000  # faces; it takes minutes for more, where a grid of voxels is as even
_TRIES = 2
_LARGE = 100.0  # metres
_LEAST_VOLUME = 0.85  # of the mesh's: below it QuadriFlow has flattened thin parts
_SAMPLES = 4000  # points at which to look whether QuadriFlow lost something
# radians from flat and from square up to which two triangles become a quad
_FLAT = 0.7
_SQUARE = 1.2


def decimate_triangles(mesh: MeshArrays, count: int, mirror: bool = False) -> MeshArrays:
    """``mesh`` in triangles, decimated to ``count`` of them if it has more.

    mirror: keep its symmetry about x = 0, if that leaves it sound; else it is only as near to it as the triangles are.
    """
    if len(mesh.to_triangles()) <= count:
        return replace(mesh, faces=mesh.to_triangles())
    made = _decimate(mesh, count, mirror)
    return (
        made
        if not mirror or check_topology(split_non_manifold(made)).is_watertight
        else _decimate(mesh, count, False)
    )


def _decimate(mesh: MeshArrays, count: int, mirror: bool) -> MeshArrays:
    with _temporary_object(mesh) as obj:
        modifier = obj.modifiers.new("Decimate", 'DECIMATE')
        modifier.ratio = count / len(mesh.to_triangles())
        modifier.use_collapse_triangulate = True
        modifier.use_symmetry = mirror
        modifier.symmetry_axis = 'X'
        return _evaluated_mesh(obj)


def remesh_quads(mesh: MeshArrays, count: int, mirror: bool = False) -> MeshArrays:
    """``mesh`` in about ``count`` quads: QuadriFlow's; where that tears or flattens thin parts, decimated faces cut up.

    mirror: ``mesh`` is symmetric about x = 0, and so is the result.
    """
    state = check_topology(mesh)
    target = count
    if count > _MOST_QUADRIFLOW:
        return _voxel_quads(mesh, count)
    for seed in range(_TRIES):
        made = _run_quadriflow(mesh, target, seed, mirror)
        if made is None:
            break
        found = check_topology(made)
        whole = (
            found.is_watertight
            and found.pieces == state.pieces
            and found.volume >= _LEAST_VOLUME * state.volume
        )
        if whole and abs(len(made.faces) / count - 1) <= _TOLERANCE and not _lost_part(mesh, made):
            return made
        target = round(target * count / len(made.faces))
    return _cut_in_quads(mesh, count, mirror)


def remesh_voxels(mesh: MeshArrays, size: float) -> MeshArrays:
    """The outside of all that ``mesh`` encloses, in quads of about ``size`` metres: one closed surface."""
    with _temporary_object(mesh) as obj:
        modifier = obj.modifiers.new("Remesh", 'REMESH')
        modifier.mode = 'VOXEL'
        modifier.voxel_size = size
        return _evaluated_mesh(obj)


def symmetrize_mesh(mesh: MeshArrays, side: int) -> MeshArrays:
    """``mesh`` with its half at x * ``side`` > 0 also on the other side of x = 0, in triangles."""
    distance = 1e-4 * float(np.ptp(mesh.vertices, axis=0).max())
    with _temporary_object(mesh) as obj:
        made = bmesh.new()
        try:
            made.from_mesh(obj.data)
            every = [*made.verts, *made.edges, *made.faces]
            bmesh.ops.symmetrize(
                made, input=every, direction='X' if side > 0 else '-X', dist=distance
            )
            bmesh.ops.triangulate(made, faces=made.faces)
            made.to_mesh(obj.data)
        finally:
            made.free()
        return meshes.to_arrays(obj.data)


def unwrap_uv(mesh: MeshArrays, size: int) -> NDArray[np.float32]:
    """Where each corner of each face lies in a texture of ``size`` texels: (F, 3 or 4, 2), 0..1, v up, none twice.

    By Smart UV Project, its islands four texels apart.
    """
    with _temporary_object(mesh) as obj, _operator_context(obj, edit=True):
        bpy.ops.mesh.select_all(action='SELECT')
        bpy.ops.uv.smart_project(
            margin_method='FRACTION', island_margin=4 / size, rotate_method='AXIS_ALIGNED'
        )
        bpy.ops.object.mode_set(mode='OBJECT')
        uv = np.empty(2 * len(obj.data.loops), np.float32)
        obj.data.uv_layers.active.uv.foreach_get("vector", uv)
    return uv.reshape(*mesh.faces.shape, 2)


def _lost_part(mesh: MeshArrays, made: MeshArrays) -> bool:
    """Whether some part of ``mesh`` is further from ``made`` than its edges are long: a handle, or the end of a leg."""
    vertices = mesh.vertices.astype(float)
    faces = mesh.to_triangles()
    points, _ = sample_triangles(vertices, faces, _SAMPLES, np.random.default_rng(0))
    corners = made.vertices[made.to_triangles()].astype(float)
    squared, _ = closest_on_triangles(points, corners[nearest_triangle_finder(corners)(points)])
    edges = made.vertices[made.faces] - made.vertices[np.roll(made.faces, 1, axis=1)]
    return float(np.sqrt(squared.max())) > float(np.linalg.norm(edges, axis=2).mean())


def _run_quadriflow(mesh: MeshArrays, count: int, seed: int, mirror: bool) -> MeshArrays | None:
    """None if it refuses the mesh. Remeshed large: QuadriFlow refuses edges shorter than a tenth of a millimetre."""
    scale = _LARGE / float(np.ptp(mesh.vertices, axis=0).max())
    with (
        _temporary_object(mesh.offset_and_scaled(np.zeros(3), scale)) as obj,
        _operator_context(obj),
    ):
        obj.data.use_mirror_x = mirror
        before = len(obj.data.polygons)
        options = {"use_mesh_symmetry": mirror, "use_preserve_sharp": False, "smooth_normals": True}
        with silence_stdout():
            done = bpy.ops.object.quadriflow_remesh(
                mode='FACES', target_faces=count, seed=seed, **options
            )
        if 'FINISHED' not in done or len(obj.data.polygons) == before or not len(obj.data.polygons):
            return None
        return fill_holes(meshes.to_arrays(obj.data).offset_and_scaled(np.zeros(3), 1 / scale))


def _voxel_quads(mesh: MeshArrays, count: int) -> MeshArrays:
    area = (
        np.linalg.norm(area_normals(mesh.vertices.astype(float), mesh.to_triangles()), axis=1).sum()
        / 2
    )
    size = float(np.sqrt(0.7 * area / count))
    for _ in range(3):
        made = remesh_voxels(mesh, size)
        if abs(len(made.faces) / count - 1) < _TOLERANCE / 3:
            break
        size *= float(np.sqrt(len(made.faces) / count))
    return made


def _cut_in_quads(mesh: MeshArrays, count: int, mirror: bool) -> MeshArrays:
    """About ``count`` quads of decimated triangles: joined in pairs where they can be, then each face cut about its
    middle. Keeps thin parts, and is sound whenever the triangles are.
    """
    mesh = decimate_triangles(mesh, 2 * count, mirror)
    target = count // 2
    for _ in range(3):
        made = _pair_triangles(decimate_triangles(mesh, target, mirror))
        if abs(len(made.faces) / count - 1) <= _TOLERANCE / 3:
            break
        target = round(target * count / len(made.faces))
    return made


def _pair_triangles(mesh: MeshArrays) -> MeshArrays:
    """Every face of ``mesh``, pairs of triangles taken as one, cut from its middle to those of its edges."""
    with _temporary_object(mesh) as obj:
        made = bmesh.new()
        try:
            made.from_mesh(obj.data)
            limits = {"angle_face_threshold": _FLAT, "angle_shape_threshold": _SQUARE}
            bmesh.ops.join_triangles(made, faces=made.faces, **limits)
            made.to_mesh(obj.data)
        finally:
            made.free()
        modifier = obj.modifiers.new("Subdivision", 'SUBSURF')
        modifier.subdivision_type = 'SIMPLE'
        modifier.levels = 1
        return _evaluated_mesh(obj)


@contextmanager
def _temporary_object(mesh: MeshArrays) -> Iterator[bpy.types.Object]:
    """An object of ``mesh``, without its colours and confidence, alone in a scene."""
    scene = bpy.data.scenes.new("Maquette Finish")
    obj = meshes.new_object("Maquette Finish", replace(mesh, colors=None, confidence=None))
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
    """Operators act on ``obj``, in Edit Mode if wished."""
    scene = obj.users_scene[0]
    layer = scene.view_layers[0]
    layer.objects.active = obj
    obj.select_set(True, view_layer=layer)
    members = {"scene": scene, "view_layer": layer, "active_object": obj, "object": obj}
    chosen = {"selected_objects": [obj], "selected_editable_objects": [obj]}
    if edit:
        with bpy.context.temp_override(**members, **chosen):
            bpy.ops.object.mode_set(mode='EDIT')
        chosen["edit_object"] = obj
    with bpy.context.temp_override(**members, **chosen):
        yield


def _evaluated_mesh(obj: bpy.types.Object) -> MeshArrays:
    layer = obj.users_scene[0].view_layers[0]
    layer.update()
    evaluated = obj.evaluated_get(layer.depsgraph)
    try:
        return meshes.to_arrays(evaluated.to_mesh())
    finally:
        evaluated.to_mesh_clear()
