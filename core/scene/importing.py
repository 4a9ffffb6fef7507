"""Mesh files to Blender's objects, and Blender's objects to arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import bpy
import numpy as np
from numpy.typing import NDArray

from ..arrays import MeshArrays
from ..errors import MeshError
from . import meshes
from .evaluation.hidden_objects import evaluated_objects

T = TypeVar("T")

SUFFIXES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".blend")


@contextmanager
def imported_objects(path: Path) -> Iterator[list[bpy.types.Object]]:
    """Yield the objects of a mesh file, linked to the current scene's collection.

    They are removed on exit, with all that was imported with them.

    Raises:
        MeshError: The file is missing, of an unknown format, damaged, or without a mesh.
    """
    if not path.is_file():
        raise MeshError(f"The mesh file {path} does not exist")

    with detached_objects(lambda: _read_objects(path)) as objects:
        yield objects


@contextmanager
def detached_objects(make: Callable[[], T]) -> Iterator[T]:
    """Yield what ``make`` returns; remove the data-blocks that it created on exit.

    Only those: while the context is active, the user may create others, or undo.
    """
    # Identified by their session_uid, which undo does not change.
    before = _data_blocks()
    created_uids: set[int] = set()
    try:
        try:
            result = make()
        finally:
            created_uids = {block.session_uid for block in _data_blocks() - before}
        yield result
    finally:
        created = {block for block in _data_blocks() if block.session_uid in created_uids}
        bpy.data.batch_remove(created)


@contextmanager
def temporary_data() -> Iterator[None]:
    """Remove on exit all data-blocks that were created while the context was active."""
    before = _data_blocks()
    try:
        yield
    finally:
        bpy.data.batch_remove(_data_blocks() - before)


def world_triangles(objects: Iterable[bpy.types.Object]) -> MeshArrays:
    """Return the evaluated meshes of ``objects`` joined, in world space.

    Returns:
        vertices (V, 3), triangles (F, 3).

    Raises:
        MeshError: There is no face among them.
    """
    objects = list(objects)
    vertices = [np.empty((0, 3), np.float32)]
    triangles = [np.empty((0, 3), np.int32)]
    with evaluated_objects(bpy.context, objects) as graph_of:
        for obj in objects:
            if obj.type != 'MESH':
                continue
            object_vertices, object_triangles = _world_mesh(obj, graph_of(obj))
            vertices.append(object_vertices)
            triangles.append(object_triangles)

    face_count = sum(len(part) for part in triangles)
    if face_count == 0:
        names = ", ".join(obj.name for obj in objects)
        raise MeshError(f"There is no mesh face in {names or 'nothing'}")

    joined_vertices, joined_triangles = meshes.join_triangles(vertices, triangles)
    return MeshArrays(joined_vertices, joined_triangles.astype(np.int32))


def _world_mesh(
    obj: bpy.types.Object, graph: bpy.types.Depsgraph
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the evaluated mesh of ``obj`` in world space: (V, 3) meters and (F, 3)."""
    # The mesh after modifiers, in the object's space.
    evaluated = obj.evaluated_get(graph)
    mesh = evaluated.to_mesh()
    vertices = meshes.read_vertices(mesh)
    triangles = meshes.read_triangles(mesh)
    evaluated.to_mesh_clear()

    # Where the object is mirrored, turn the faces outward again.
    to_world = np.array(evaluated.matrix_world)
    is_mirrored = np.linalg.det(to_world[:3, :3]) < 0
    if is_mirrored:
        triangles = triangles[:, ::-1]
    world_vertices = vertices @ to_world[:3, :3].T + to_world[:3, 3]
    return world_vertices.astype(np.float32), triangles


def _read_objects(path: Path) -> list[bpy.types.Object]:
    """Import a mesh file and return the new objects."""
    before = set(bpy.data.objects)
    try:
        _import_file(path)
    except (RuntimeError, OSError) as error:  # OSError: no .blend file, whatever its suffix
        raise MeshError(f"{path} cannot be imported: {error}") from error

    objects = [obj for obj in bpy.data.objects if obj not in before]
    has_mesh = any(obj.type == 'MESH' for obj in objects)
    if not has_mesh:
        raise MeshError(f"{path} contains no mesh")
    return objects


def _data_blocks() -> set[bpy.types.ID]:
    """Return all data-blocks of the open file but Blender's render results."""
    # All collections of bpy.data: objects, meshes, images and so on.
    blocks = set()
    for prop in bpy.data.bl_rna.properties:
        if prop.type == 'COLLECTION':
            blocks |= set(getattr(bpy.data, prop.identifier))

    # Blender owns these, and reuses them for the next render.
    results = ('RENDER_RESULT', 'COMPOSITING')
    return {block for block in blocks if getattr(block, "type", "") not in results}


def _import_file(path: Path) -> None:
    """Import a mesh file by Blender's importer for its suffix."""
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
    """Append all objects of a .blend file and link them to the current scene."""
    # Blender appends what is assigned when the context is left.
    with bpy.data.libraries.load(str(path)) as (source, target):
        target.objects = source.objects

    # Appended objects are in no collection yet.
    for obj in target.objects:
        bpy.context.scene.collection.objects.link(obj)
