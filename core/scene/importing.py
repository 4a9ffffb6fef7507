"""Mesh files into Blender, and Blender's objects into arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import bpy
import numpy as np

from ..arrays import MeshArrays
from ..errors import MeshError

T = TypeVar("T")

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".blend")


@contextmanager
def imported_objects(path: Path) -> Iterator[list[bpy.types.Object]]:
    """The objects of a mesh file, linked to the current scene's collection; gone afterwards with all that came along.

    Raises:
        MeshError: the file is missing, of a kind we cannot read, damaged, or without a mesh.
    """
    if not path.is_file():
        raise MeshError(f"The mesh file {path} does not exist")

    def read() -> list[bpy.types.Object]:
        before = set(bpy.data.objects)
        try:
            _import_file(path)
        except (RuntimeError, OSError) as error:  # OSError: a .blend that is none
            raise MeshError(f"{path} cannot be imported: {error}") from error
        found = [obj for obj in bpy.data.objects if obj not in before]
        if not any(obj.type == 'MESH' for obj in found):
            raise MeshError(f"{path} contains no mesh")
        return found

    with detached_objects(read) as found:
        yield found


@contextmanager
def detached_objects(make: Callable[[], T]) -> Iterator[T]:
    """What ``make`` returns. The data-blocks that it brought into the file are taken out again at the end, and no
    others: meanwhile somebody may make some, or undo.
    """
    before = _data_blocks()
    ours = set()
    try:
        try:
            made = make()
        finally:
            ours = {block.session_uid for block in _data_blocks() - before}
        yield made
    finally:
        bpy.data.batch_remove({block for block in _data_blocks() if block.session_uid in ours})


@contextmanager
def temporary_data() -> Iterator[None]:
    """Whatever data-blocks come into the file meanwhile are taken out again at the end."""
    before = _data_blocks()
    try:
        yield
    finally:
        bpy.data.batch_remove(_data_blocks() - before)


def _data_blocks() -> set[bpy.types.ID]:
    kinds = (p.identifier for p in bpy.data.bl_rna.properties if p.type == 'COLLECTION')
    blocks = {block for kind in kinds for block in getattr(bpy.data, kind)}
    return {
        block
        for block in blocks
        if getattr(block, "type", "") not in ('RENDER_RESULT', 'COMPOSITING')
    }


def _import_file(path: Path) -> None:
    match path.suffix.lower():
        case ".glb" | ".gltf":
            bpy.ops.import_scene.gltf(filepath=str(path))
        case ".obj":
            bpy.ops.wm.obj_import(filepath=str(path))
        case ".ply":
            bpy.ops.wm.ply_import(filepath=str(path))
        case ".stl":
            bpy.ops.wm.stl_import(filepath=str(path))
        case ".blend":
            _append_blend(path)
        case other:
            raise MeshError(
                f"{path}: the file type {other or 'no suffix'} is not supported. Use one of "
                f"{', '.join(SUFFIXES)}"
            )


def _append_blend(path: Path) -> None:
    with bpy.data.libraries.load(str(path)) as (there, here):
        here.objects = there.objects
    for obj in here.objects:
        bpy.context.scene.collection.objects.link(obj)


def world_triangles(objects: Iterable[bpy.types.Object]) -> MeshArrays:
    """The evaluated meshes of ``objects`` joined, in world space: vertices (V, 3) metres, triangles (F, 3).

    Raises:
        MeshError: there is no face among them.
    """
    graph = bpy.context.evaluated_depsgraph_get()
    vertices = [np.empty((0, 3), np.float32)]
    triangles = [np.empty((0, 3), np.int32)]
    count = 0
    for obj in objects:
        if obj.type != 'MESH':
            continue
        evaluated = obj.evaluated_get(graph)
        mesh = evaluated.to_mesh()
        mesh.calc_loop_triangles()
        v = np.empty(len(mesh.vertices) * 3, np.float32)
        mesh.vertices.foreach_get("co", v)
        t = np.empty(len(mesh.loop_triangles) * 3, np.int32)
        mesh.loop_triangles.foreach_get("vertices", t)
        world = np.array(obj.matrix_world)
        if np.linalg.det(world[:3, :3]) < 0:
            t = t.reshape(-1, 3)[:, ::-1]
        vertices.append((v.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]).astype(np.float32))
        triangles.append(t.reshape(-1, 3) + count)
        count += len(mesh.vertices)
        evaluated.to_mesh_clear()
    if sum(map(len, triangles)) == 0:
        names = ", ".join(obj.name for obj in objects)
        raise MeshError(f"There is no mesh face in {names or 'nothing'}")
    return MeshArrays(np.concatenate(vertices), np.concatenate(triangles).astype(np.int32))
